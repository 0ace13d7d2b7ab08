"""Two runs side by side: what differs, by how much, and whether by more than chance within the runs explains.

`base` is the run compared with, `head` the one in question; every difference is head less base.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from toril.reports import view, wording
from toril.reports.bundle import Bundle
from toril.reports.comparable import differences
from toril.reports.compare_figures import Figure, Part, load, parts

SCHEMA = "toril.comparison/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class CriterionPair:
    """One criterion in both runs; None where a run does not have it."""

    text: str
    base: view.Criterion | None
    head: view.Criterion | None

    @property
    def changed(self) -> bool:
        """Whether it came out differently, or is in one run only."""
        return self.base is None or self.head is None or self.base.outcome != self.head.outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """What one of the two runs is."""

    run_id: str
    suite: str
    outcome: str
    headline: str
    started_at: str
    window: str
    tags: tuple[tuple[str, str], ...]
    reasons: tuple[str, ...]  # of an outcome that is not passed


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Everything that is shown of two runs."""

    base: Side
    head: Side
    differences: tuple[str, ...]  # what makes the two not comparable, in words
    load: tuple[Figure, ...]
    criteria: tuple[CriterionPair, ...]
    overall: Part
    labels: tuple[Part, ...]  # by name; transactions too
    locations: tuple[Part, ...]
    executions: tuple[Part, ...]

    @property
    def parts(self) -> tuple[Part, ...]:
        return (self.overall, *self.labels, *self.locations, *self.executions)

    @property
    def headline(self) -> str:
        """What was found, in a sentence."""
        figures = [figure for part in (self.overall, *self.labels) for figure in part.figures]
        judged = sum(figure.finding != "unknown" for figure in figures)
        apart = sum(figure.finding == "differs" for figure in figures)
        if not judged:
            return "There is too little in both runs to compare"
        if not apart:
            return f"No difference beyond the noise within the runs, in {wording.plural(judged, 'figure')}"
        return f"{wording.number(apart)} of {wording.plural(judged, 'figure')} differ beyond the noise within the runs"

    @property
    def failures_note(self) -> str:
        """What the mark beside a time says; empty when there is none."""
        if not any(part.marked for part in self.parts):
            return ""
        return "† in one of the runs more than 1 % of these requests failed, and their times are in these figures"

    @property
    def conclusion(self) -> str:
        """What can be concluded from two runs, and what cannot."""
        return CONCLUSION


CONCLUSION = (
    "A difference counts as more than noise when the 95 % intervals of the two runs are apart. They hold the chance "
    "within a run, not what changes from one run to the next (other tenants, caches, time of day): run the same thing "
    "twice and it differs as well. Two single runs show where to look; they prove no regression, and no improvement."
)


def compare(base: Bundle, head: Bundle) -> Comparison:
    """Both runs side by side. With their timelines, rates have intervals too."""
    both = (base.without_gaps(), head.without_gaps())
    return Comparison(
        base=_side(base),
        head=_side(head),
        differences=tuple(differences(base, head)),
        load=tuple(load(base.summary, head.summary)),
        criteria=tuple(_criteria(base, head)),
        overall=parts("all", both)[0],
        labels=parts("label", both),
        locations=parts("location", both),
        executions=parts("execution", both),
    )


def _side(bundle: Bundle) -> Side:
    return Side(
        run_id=wording.plain(bundle.plan.run_id),
        suite=wording.plain(bundle.plan.suite),
        outcome=bundle.outcome,
        headline=view.headline(bundle),
        started_at=wording.plain(bundle.summary.get("started_at") or ""),
        window=view.window(bundle),
        tags=tuple((wording.plain(key), wording.plain(value)) for key, value in sorted(bundle.tags.items())),
        reasons=() if bundle.outcome == "passed" else tuple(message for _, message in view.reasons(bundle)),
    )


def _criteria(base: Bundle, head: Bundle) -> Iterable[CriterionPair]:
    """Criteria pair up by text and scope; the second of two equal ones with the second."""
    found: dict[tuple[str, str, int], list[view.Criterion | None]] = {}
    for side, bundle in enumerate((base, head)):
        seen: dict[tuple[str, str], int] = {}
        for item, rule in zip(bundle.verdict.get("criteria", ()), view.criteria(bundle), strict=True):
            name = (rule.text, str(item.get("scope")))
            seen[name] = seen.get(name, 0) + 1
            found.setdefault((*name, seen[name]), [None, None])[side] = rule
    for (text, _, _), (of_base, of_head) in found.items():
        yield CriterionPair(text=text, base=of_base, head=of_head)
