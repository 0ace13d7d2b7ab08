"""Selects the labels that a report shows if space is short, and shortens their names."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, count
from typing import TYPE_CHECKING

from toril.records import Verdict
from toril.records.summary import TRANSACTION, LabelFigures
from toril.text import plain

if TYPE_CHECKING:
    from toril.timeline import Slice, Timeline

LONGEST_NAME = 90


def judged_labels(verdict: Verdict) -> list[str]:
    """Returns the labels with a criterion, breached ones first."""
    rank = {"failed": 0, "inconclusive": 1}
    rules = sorted(verdict.criteria, key=lambda rule: rank.get(rule.outcome, 2))
    return list(dict.fromkeys(rule.label for rule in rules if rule.label))


def notable(figures: Mapping[str, LabelFigures], judged: Iterable[str], most: int) -> list[str]:
    """Returns at most `most` labels: judged ones, then in turn the busiest, most failing and slowest ones."""

    def ranked(value: Callable[[LabelFigures], float | None]) -> Iterator[str]:
        """Yields the names of labels with a value, highest first; skips the total, which has no name."""
        values = {name: amount for name, row in figures.items() if name and (amount := value(row))}
        return iter(sorted(values, key=lambda name: (-values[name], name)))

    chosen: dict[str, None] = {}
    for name in judged:
        chosen |= {shown: None for shown in (name, name + TRANSACTION) if shown in figures}
    busiest, failing = ranked(lambda row: row.samples), ranked(lambda row: row.failures)
    slowest = ranked(lambda row: row.response_us.p95 if row.response_us else None)
    while len(chosen) < most:
        before = len(chosen)
        for ranking in (busiest, busiest, failing, slowest):
            chosen |= {name: None for name in [next((name for name in ranking if name not in chosen), None)] if name}
        if len(chosen) == before:
            break
    return list(chosen)[:most]


def slice_of(
    timeline: "Timeline",
    label: str,
    executions: Sequence[str] = (),
    location: str | None = None,
    steady: bool | None = None,
) -> "Slice":
    """Returns the samples of a label by its name in the summary, which marks transactions with a shared label."""
    name = label.removesuffix(TRANSACTION)
    if name != label and name in timeline.labels_of_both_kinds():
        return timeline.select(name, executions, location, steady, "transaction")
    return timeline.select(label, executions, location, steady)


def distinct(names: Iterable[str]) -> dict[str, str]:
    """Returns a unique short form of each name, `all` for all requests; a number separates equal forms."""
    by_name: dict[str, str] = {}
    used: set[str] = set()
    for name in names:
        wanted = plain(name, LONGEST_NAME) if name else "all"
        forms = chain([wanted], (f"{wanted} (#{number})" for number in count(2)))
        shown = next(form for form in forms if form not in used)
        used.add(shown)
        by_name[name] = shown
    return by_name
