"""`/suites/{name}/trend`: the figures of a suite from run to run, with their changes."""

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from toril.clock import Clock
from toril.console.identity import Viewer
from toril.console.web import clock_of, page, store_of
from toril.records.trend import Trend
from toril.runs.index import all_rows
from toril.store import Reader

router = APIRouter()
AGES = {30: "30 days", 90: "90 days", 365: "A year", None: "All runs"}
Days = Annotated[int | None, Query(ge=1, le=3_660, description="Age of the oldest run.")]


@router.get("/suites/{name}/trend")
def show_trend(request: Request, name: str, person: Viewer, days: Days = None) -> Response:
    from toril.reports.html import fragment
    from toril.reports.trend_blocks import trend_report

    trend = trend_of(store_of(request), clock_of(request), name, days)
    report = trend_report(trend, lambda run_id: f"/runs/{quote(run_id, safe='')}")
    content = fragment(report, hero=False)
    from_s = 0.0 if days is None else clock_of(request).now() - 86_400 * days
    rows = () if trend.runs else all_rows(store_of(request))
    left_out = sum(row.suite == name and row.started_at >= from_s for row in rows)
    return page(
        request, "trend.html.jinja", title=f"Trend of {name}", suite=name, runs=trend.runs or trend.notes, ages=AGES,
        days=days, headline=report.headline, content=content.html, data=content.data, left_out=left_out,
    )  # fmt: skip


def trend_of(store: Reader, clock: Clock, suite: str, days: int | None, **wanted: Any) -> Trend:
    """Returns the trend of a suite; `wanted` are other fields of the query."""
    from toril.regression.acknowledged import FILE, read_acknowledged
    from toril.regression.trend import TrendQuery
    from toril.runs.earlier import read_trend

    since_s = None if days is None else 86_400.0 * days
    query = TrendQuery(since_s=since_s, **wanted)
    return read_trend(store, suite, query, read_acknowledged(FILE), clock.now())  # a console on AWS has no such file
