"""Builds the charts of a running load test, from its last seconds. The console's script adds later seconds.

Imports little, because a page that follows a run may be the first one of its process.
"""

import math
from collections.abc import Iterable
from typing import Any

from toril.records.progress import RECENT_S, Progress
from toril.reports.html import NO_CHARTS

PLANNED = "planned dashed steps"
LINES = (  # title, unit, divisor, and the lines: name, look, field of `Recent`
    ("Requests per second", "/s", 1, (("achieved", "first", "rps"), ("planned", PLANNED, "planned_rps"))),
    ("Journeys per second", "/s", 1, (("started", "first", "journeys"), ("planned", PLANNED, "planned_journeys"))),
    (
        "Response times",
        "ms",
        1000,
        (("p99", "third", "p99_us"), ("p95", "second", "p95_us"), ("p50", "first", "p50_us")),
    ),
    ("Failed requests", "/s", 1, (("failed", "bad filled", "failures"),)),
    (
        "Virtual users",
        "",
        1,
        (("running", "first steps filled", "virtual_users"), ("planned", PLANNED, "planned_users")),
    ),
)


def live_charts(progress: Progress) -> dict[str, Any]:
    """Returns the data for the page's scripts. Each line names its field, for the seconds that follow."""
    recent = progress.recent
    charts = [
        {
            "title": "In flight" if title == "Virtual users" and not progress.planned_users else title,
            "unit": unit,
            "marks": [],
            "note": "",
            "divisor": divisor,
            "lines": [
                {"name": name, "look": look, "field": field, "values": _column(getattr(recent, field), divisor)}
                for name, look, field in lines
            ],
        }
        for title, unit, divisor, lines in LINES
        if title != "Journeys per second" or any(rate.unit != "/s" for rate in progress.rates)
    ]
    return {
        **NO_CHARTS,
        "x": list(range(recent.from_s, recent.from_s + len(recent.rps))),
        "course": charts,
        "live": min(RECENT_S, math.ceil(progress.planned_s) or RECENT_S),
    }


def _column(values: Iterable[float | None], divisor: int) -> list[float | None]:
    return [None if value is None else round(value / divisor, 3) for value in values]
