"""What a search for a capacity came to, as the rows that every report shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from toril.criteria import conditions_of
from toril.load.search import Bounds, most_stages
from toril.records import PlannedExecution
from toril.reports import view, wording
from toril.reports.bundle import Bundle

HEADS = ("rate", "answered", "seconds", "observed")
OUTCOMES = {"held": "passed", "breached": "failed", "void": "inconclusive"}
RECOVERED = {"held": "recovered", "void": "not recovered"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One stage."""

    outcome: str  # as a criterion's: passed, failed, inconclusive
    said: str  # held, breached, void; and what it was for
    rate: str
    answered: str
    seconds: str
    observed: str

    @property
    def mark(self) -> str:
        return view.MARKS.get(self.outcome, "?")

    @property
    def cells(self) -> tuple[str, ...]:
        """Under HEADS."""
        return self.rate, self.answered, self.seconds, self.observed


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One search in a sentence, how it was made, and its stages in order."""

    name: str
    message: str
    how: str
    rows: tuple[Row, ...]


def planned(execution: PlannedExecution) -> str:
    """What a search is going to do, and how long that may take."""
    search = execution.search
    assert search is not None  # noqa: S101 - only of those that have one
    most = most_stages(Bounds(search.from_rps, search.to_rps, search.precision))
    until = " or ".join(wording.plain(one.text) for one in conditions_of(search, execution.name))
    return (
        f"looks for the capacity of {wording.plain(execution.name)}: from {_rate(search.from_rps)} to "
        f"{_rate(search.to_rps)} until {until}, within {wording.percent(100 * search.precision)}; "
        f"{most} stages of {wording.span(search.step_s)} at most, and {wording.span(execution.hold_for_s)} in all"
    )


def told(bundle: Bundle) -> list[Told]:
    """Empty when the run has looked for no capacity."""
    found = bundle.summary.get("capacity")
    return [_told(name, search) for name, search in found.items()] if isinstance(found, dict) else []


def _told(name: str, search: Mapping[str, Any]) -> Told:
    until = " or ".join(wording.plain(text) for text in search.get("until") or ())
    bounds = f"{_rate(search.get('from_rps'))} to {_rate(search.get('to_rps'))}"
    return Told(
        name=wording.plain(name),
        message=wording.plain(search.get("message") or "", 500),
        how=f"{bounds}, until {until}, within {wording.percent(100 * float(search.get('precision') or 0))}",
        rows=tuple(_row(stage) for stage in search.get("stages") or ()),
    )


def _row(stage: Mapping[str, Any]) -> Row:
    kind, outcome = str(stage.get("kind")), str(stage.get("outcome"))
    values = [
        f"{wording.plain(one.get('criterion') or '')}: {wording.quantity(one.get('value'), str(one.get('unit') or ''))}"
        for one in stage.get("observed") or ()
    ]
    why = wording.plain(stage.get("message") or "", 300) if outcome == "void" or stage.get("why") == "answers" else ""
    return Row(
        outcome=OUTCOMES.get(outcome, "inconclusive"),
        said=_said(kind, outcome),
        rate=_rate(stage.get("rps")),
        answered=_rate(stage.get("achieved_rps")),
        seconds=f"{stage.get('from_s')}…{stage.get('to_s')} s",
        observed="; ".join([*([why] if why else []), *values]) or "–",
    )


def _said(kind: str, outcome: str) -> str:
    if kind == "recover":
        return RECOVERED.get(outcome, wording.plain(outcome))
    return wording.plain(outcome) + (" (once more)" if kind == "confirm" else "")


def _rate(value: float | None) -> str:
    return "–" if value is None else f"{wording.number(value)}/s"
