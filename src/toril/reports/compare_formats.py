"""Every way of showing a comparison, by the name that `toril compare --format` takes."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from toril.errors import OptionError
from toril.reports import compare_github, compare_terminal, html
from toril.reports.bundle import Bundle
from toril.reports.compare_figures import Part
from toril.reports.comparison import Comparison, compare

SCHEMA = "toril.comparison/1"


def render(name: str, base: Bundle, head: Bundle) -> bytes:
    """The comparison in that format; OptionError for a format that does not exist."""
    check(name)
    return FORMATS[name](base, head)


def check(name: str) -> None:
    """OptionError unless there is such a format."""
    if name not in FORMATS:
        raise OptionError(f"there is no format {name!r} of a comparison; choose one of {', '.join(FORMATS)}")


def document(comparison: Comparison) -> dict[str, Any]:
    """The comparison as plain data, with everything that follows from its values."""
    data = asdict(comparison)
    return {
        "schema": SCHEMA,
        "headline": comparison.headline,
        "conclusion": comparison.conclusion,
        **data,
        "load": _figures(comparison.load),
        "overall": _part(comparison.overall),
        **{key: [_part(part) for part in getattr(comparison, key)] for key in ("labels", "locations", "executions")},
    }


def _part(part: Part) -> dict[str, Any]:
    return {**asdict(part), "figures": _figures(part.figures)}


def _figures(figures: Any) -> list[dict[str, Any]]:
    return [
        {**asdict(figure), "delta": figure.delta, "relative": figure.relative, "finding": figure.finding}
        for figure in figures
    ]


def _json(base: Bundle, head: Bundle) -> bytes:
    text = json.dumps(document(compare(base, head)), ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    return text.encode("utf-8", "backslashreplace")


FORMATS: Mapping[str, Callable[[Bundle, Bundle], bytes]] = {
    "terminal": lambda base, head: compare_terminal.report(compare(base, head)),
    "html": lambda base, head: html.report(head, compare(base, head), base),
    "json": _json,
    "github": lambda base, head: compare_github.report(compare(base, head)),
}
