"""What the charts of the report page draw: plain columns, a chart a picture."""

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

from toril.reports import wording
from toril.reports.bundle import Bundle

Second = dict[str, Any]
Column = list[float | None]
MOST_LINES = 8  # that an eye can tell apart
STEPS_A_DECADE = 20  # of the chart by percentile: so many points from 90 % to 99 %, and as many to 99.9 %


def charts(bundle: Bundle) -> dict[str, Any]:
    """`x` in seconds since the start signal, and for each chart its title, unit and lines."""
    seconds: list[Second] = list(bundle.summary.get("series", ()))
    places = list(bundle.summary.get("locations", {}))[:MOST_LINES]
    if len(places) < 2:
        places = []
    found = [
        _chart(
            "Virtual users",
            "",
            _line("running", "first", seconds, lambda s: s.get("virtual_users"), steps=True),
            _line("planned", "planned", seconds, lambda s: s.get("planned_users"), steps=True),
        ),
        _chart(
            "Requests per second",
            "/s",
            _line("all", "first", seconds, lambda s: s.get("samples")),
            *(_of_location(name, place, seconds, "samples", 1) for place, name in enumerate(places)),
            _line("planned", "planned", seconds, lambda s: s.get("planned_rps"), steps=True),
        ),
        _chart(
            "Response times",
            "ms",
            *(
                _line(key, colour, seconds, lambda s, key=key: _ms(s.get(f"{key}_us")))  # type: ignore[misc]
                for key, colour in (("p50", "first"), ("p95", "second"), ("p99", "third"))
            ),
        ),
        _chart(
            "Failed requests per second", "/s", _line("failed", "bad", seconds, lambda s: s.get("failures"), area=True)
        ),
    ]
    if places:
        lines = [_of_location(name, place, seconds, "p95_us", 1000) for place, name in enumerate(places)]
        found.append(_chart("p95 by location", "ms", *lines))
    found.append(_by_percentile(bundle))
    return {
        "x": [s.get("second", place) for place, s in enumerate(seconds)],
        "charts": [c for c in found if c["lines"]],
    }


def _chart(title: str, unit: str, *lines: dict[str, Any] | None) -> dict[str, Any]:
    """A chart of those lines that have anything to show."""
    return {"title": title, "unit": unit, "lines": [line for line in lines if line is not None]}


def _line(
    name: str,
    colour: str,
    seconds: Sequence[Second],
    value: Callable[[Second], float | None],
    *,
    steps: bool = False,
    area: bool = False,
) -> dict[str, Any] | None:
    values: Column = [value(second) for second in seconds]
    if all(v is None for v in values):
        return None
    return {"name": wording.plain(name, 60), "colour": colour, "steps": steps, "area": area, "values": values}


def _of_location(name: str, place: int, seconds: Sequence[Second], key: str, divisor: int) -> dict[str, Any] | None:
    def value(second: Second) -> float | None:
        found = second.get("locations", {}).get(name, {}).get(key)
        return None if found is None else found / divisor

    return _line(name, f"place{place}", seconds, value)


def _ms(value_us: float | None) -> float | None:
    return None if value_us is None else value_us / 1000


def _by_percentile(bundle: Bundle) -> dict[str, Any]:
    """How long the slowest part of each label's requests took; x is how many nines: 1 is 90 %, 2 is 99 %."""
    labels = bundle.summary.get("labels", {})
    histograms = {name: figures.get("histogram") for name, figures in labels.items()}
    largest = sorted((name for name in histograms if name and histograms[name]), key=lambda n: -labels[n]["samples"])
    chosen = [name for name in ("", *sorted(largest[: MOST_LINES - 1])) if histograms.get(name)]
    longest = max((math.log10(labels[name]["samples"]) for name in chosen), default=0.0)
    nines = [step / STEPS_A_DECADE for step in range(math.floor(longest * STEPS_A_DECADE) + 1)]
    lines = [
        {
            "name": wording.plain(name, 60) or "all",
            "colour": f"place{place - 1}" if name else "first",
            "steps": False,
            "area": False,
            "values": _quantiles_ms(histograms[name], nines),
        }
        for place, name in enumerate(chosen)
    ]
    return {"title": "Response times by percentile", "unit": "ms", "lines": lines, "nines": nines}


def _quantiles_ms(histogram: Sequence[Sequence[int]], nines: Sequence[float]) -> Column:
    """The nearest-rank value at each of these; None beyond the last sample."""
    cumulated = list(accumulate(count for _, _, count in histogram))
    samples = cumulated[-1]
    values: Column = []
    for nine in nines:
        rank = max(1, math.ceil(samples * (1 - 10**-nine) - 1e-9))
        known = samples >= 10**nine * (1 - 1e-9)
        values.append(histogram[bisect_left(cumulated, rank)][1] / 1000 if known else None)
    return values
