"""The block of what stands out in a run."""

from collections.abc import Callable, Mapping

from toril import text
from toril.records.summary import Standout
from toril.reports.blocks import Fact, ShownStandout, Standouts
from toril.reports.bundle import Bundle
from toril.text import plain

UNITS: Mapping[str, Callable[[float], str]] = {  # by the end of a figure's name
    "_us": text.time,
    "_s": text.span,
    "_rps": lambda rate: f"{text.number(rate)}/s",
    "_share": lambda share: text.percent(round(100 * share, 2)),
}


def standouts(bundle: Bundle) -> Standouts | None:
    """Returns what stands out, most severe first; None if nothing does."""
    found = tuple(map(_shown, bundle.summary.standouts))
    return Standouts(found) if found else None


def _shown(one: Standout) -> ShownStandout:
    known = one.from_s is not None and one.to_s is not None
    return ShownStandout(
        code=plain(one.code),
        text=plain(one.message, 1000),
        facts=tuple(_fact(name, value) for name, value in one.evidence.items() if value != ""),
        window=(float(one.from_s or 0), float(one.to_s or 0)) if known else None,
        label=plain(one.label),
    )


def _fact(name: str, value: float | str) -> Fact:
    unit = next((end for end in UNITS if name.endswith(end)), "")
    title = plain(name.removesuffix(unit).replace("_", " "))
    if isinstance(value, str):
        return Fact(title, plain(value))
    return Fact(title, UNITS[unit](value) if unit else text.number(value))
