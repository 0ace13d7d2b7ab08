"""`/suites/{name}/trend`: the figures of a suite from run to run, with their changes."""

from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from toril.console.identity import Viewer
from toril.console.web import clock_of, page, store_of
from toril.regression.acknowledged import read_acknowledged
from toril.regression.trend import TrendQuery
from toril.reports.html import fragment
from toril.reports.trend_blocks import trend_report
from toril.runs.trends import read_trend

router = APIRouter()
ACKNOWLEDGED = Path("toril-trend.yml")  # beside the command; a console on AWS has none
AGES = {30: "30 days", 90: "90 days", 365: "A year", None: "All runs"}


@router.get("/suites/{name}/trend")
def show_trend(
    request: Request, name: str, person: Viewer, days: Annotated[int | None, Query(ge=1, le=3_660)] = None
) -> Response:
    wanted = TrendQuery(since_s=None if days is None else 86_400.0 * days)
    found = read_trend(store_of(request), name, wanted, read_acknowledged(ACKNOWLEDGED), clock_of(request).now())
    report = trend_report(found, lambda run_id: f"/runs/{quote(run_id, safe='')}")
    content = fragment(report, hero=False)
    return page(
        request, "trend.html.jinja", title=f"Trend of {name}", suite=name, runs=found.runs, ages=AGES, days=days,
        headline=report.headline, content=content.html, data=content.data,
    )  # fmt: skip
