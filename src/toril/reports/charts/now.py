"""Builds the charts of a running load test, from its last seconds. The console's script adds later seconds."""

import math
from typing import Any

from toril.records.progress import RECENT_S, Progress
from toril.reports.charts.course import PERCENTS
from toril.reports.charts.lines import column
from toril.reports.html import NO_CHARTS

PLANNED = "planned dashed steps"
LINES = (  # title, unit, divisor, and the lines: name, look, field of `Recent`
    ("Requests per second", "/s", 1, (("achieved", "first", "rps"), ("planned", PLANNED, "planned_rps"))),
    ("Response times", "ms", 1000, tuple((name, look, f"{name}_us") for name, look in PERCENTS.items())),
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
                {"name": name, "look": look, "field": field, "values": column(getattr(recent, field), divisor)}
                for name, look, field in lines
            ],
        }
        for title, unit, divisor, lines in LINES
    ]
    return {
        **NO_CHARTS,
        "x": list(range(recent.from_s, recent.from_s + len(recent.rps))),
        "course": charts,
        "live": min(RECENT_S, math.ceil(progress.planned_s) or RECENT_S),
    }
