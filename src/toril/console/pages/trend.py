"""`/suites/{name}/trend`: the figures of a suite from run to run, with their changes."""

from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import Response

from toril.console.identity import Viewer
from toril.console.runs import Days, trend_of
from toril.console.web import clock_of, page, store_of
from toril.runs.index import all_rows

router = APIRouter()
AGES = {30: "30 days", 90: "90 days", 365: "A year", None: "All runs"}


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
