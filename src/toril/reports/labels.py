"""Which labels a report shows where there is no room for all, and names short enough to be read."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from toril.records import Verdict
from toril.records.summary import LabelFigures
from toril.text import plain

LONGEST_NAME = 90
TRANSACTION = " (transaction)"  # as the summary names a transaction whose label requests have, too


def judged_labels(verdict: Verdict) -> list[str]:
    """The labels that a criterion names: breached ones first."""
    rank = {"failed": 0, "inconclusive": 1}
    rules = sorted(verdict.criteria, key=lambda rule: rank.get(rule.outcome, 2))
    return list(dict.fromkeys(rule.label for rule in rules if rule.label))


def notable(figures: Mapping[str, LabelFigures], judged: Iterable[str], most: int) -> list[str]:
    """At most so many labels: the judged ones, then in turn the busiest, those that failed most, the slowest."""
    chosen: dict[str, None] = {}
    for name in judged:
        chosen |= {shown: None for shown in (name, name + TRANSACTION) if shown in figures}
    busiest, failing, slowest = (_ranked(figures, key) for key in (_samples, _failures, _p95))
    while len(chosen) < most:
        before = len(chosen)
        for ranking in (busiest, busiest, failing, slowest):
            chosen |= {name: None for name in [next((one for one in ranking if one not in chosen), None)] if name}
        if len(chosen) == before:
            break
    return list(chosen)[:most]


def _ranked(figures: Mapping[str, LabelFigures], key: Callable[[LabelFigures], float]) -> Iterator[str]:
    """Names from the highest value down, without those that have none; all requests have no name."""
    values = {name: key(one) for name, one in figures.items() if name}
    return iter(sorted((name for name in values if values[name]), key=lambda name: (-values[name], name)))


def _samples(figures: LabelFigures) -> float:
    return figures.samples


def _failures(figures: LabelFigures) -> float:
    return figures.failures


def _p95(figures: LabelFigures) -> float:
    return (figures.response_us.p95 if figures.response_us else None) or 0


def distinct(names: Iterable[str]) -> dict[str, str]:
    """The short form of each name, `all` for all requests; those that still look alike are numbered."""
    found: dict[str, str] = {}
    used: set[str] = set()
    for name in names:
        shown = wanted = plain(name, LONGEST_NAME) if name else "all"
        number = 1
        while shown in used:
            number += 1
            shown = f"{wanted} (#{number})"
        used.add(shown)
        found[name] = shown
    return found
