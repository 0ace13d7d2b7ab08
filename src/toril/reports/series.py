"""What the charts of the report page draw: plain columns, a chart a picture."""

from collections.abc import Callable, Sequence
from typing import Any

from toril.reports import wording
from toril.reports.bundle import Bundle

Second = dict[str, Any]
Column = list[float | None]
MOST_LOCATIONS = 8  # lines that an eye can tell apart


def charts(bundle: Bundle) -> dict[str, Any]:
    """`x` in seconds since the start signal, and for each chart its title, unit and lines."""
    seconds: list[Second] = list(bundle.summary.get("series", ()))
    places = [name for name in bundle.summary.get("locations", {}) if len(bundle.summary["locations"]) > 1][
        :MOST_LOCATIONS
    ]
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
