"""The rule of a duet: after each interim analysis it has failed, has passed, or goes on.

The values of the pairs are logarithms of the ratio of head and base, larger if head is worse; of failures, differences
of shares. Student's t tests their mean against the margin, from both sides, at the levels of `stats.sequential`:

- failed: a figure is worse than the margin, at 5 % over all interim analyses and, by Holm, over all figures
- passed: each figure is better than the margin, at 5 % over all interim analyses; since all must be, none needs a
  correction
- otherwise the next interim analysis decides, and after the last one the result is inconclusive
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from toril.errors import Note
from toril.records import BASE, HEAD, Duet, Outcome, Plan, Stop
from toril.regression.pairs import MOST_VOID, DuetFigure, Pair, figures, joined, pairs_of, void_pairs
from toril.stats.paired import LEAST, Mean, bounds, p_above, sample_of
from toril.stats.sequential import FEW, holm, levels
from toril.text import plural
from toril.timeline import Timeline
from toril.timeline.arms import duet_of

ALPHA = 0.05  # of both tests; a change as large as the margin fails at most one duet in twenty
SPENT = 0.96  # of ALPHA, from FEW pairs on: percentiles are not quite normal, so 1 % more duets are wrong
HOSTS = math.sqrt(2) * 0.02  # standard deviation of the difference between two hosts, as a logarithm
ANSWERED = 0.8  # share of base's requests that head must answer to pass: hanging requests have no time yet
FEW_FAILURES = 30  # in both arms: fewer may be spread evenly by chance, so their error is at least that of a count
WORST: tuple[Outcome, ...] = ("failed", "inconclusive", "passed")


@dataclass(frozen=True, slots=True)
class DecidedFigure:
    """One figure at the deciding interim analysis. Bounds: of the ratio's logarithm; of failures, of the difference."""

    figure: DuetFigure
    sample: Mean | None = None  # None: fewer than two pairs have values
    low: float | None = None  # None: no interim analysis so far, or fewer than four pairs
    high: float | None = None
    level: float = ALPHA  # of `low`, by Holm
    outcome: Outcome = "inconclusive"
    pairs: tuple[Pair, ...] = ()  # joined, of all complete pairs: those after that analysis and void ones as well
    joined: int = 1  # neighbouring pairs that count as one
    used: tuple[Pair, ...] = ()  # those of the sample
    step_us: int = 0  # of the engine's record, if coarser than one microsecond
    host: Mean | None = None  # the effect of the host, if both deployments were exchanged

    @property
    def steps(self) -> tuple[float, float]:
        """One step of the record above base's times and above head's, as logarithms: the bounds are wider by them.

        Nearly equal times may lie on both sides of a step in each pair, without any variance.
        """
        if not self.step_us:
            return 0.0, 0.0
        base, head = (
            math.fsum(math.log1p(self.step_us / value) for value in values) / len(self.used)
            for values in zip(*((pair.base or 1, pair.head or 1) for pair in self.used), strict=True)
        )
        return base, head


@dataclass(frozen=True, slots=True)
class Decided:
    """The comparison at the first interim analysis that decides; without one, at the last one."""

    look: int  # from 1; 0: there was none yet
    pairs: int  # at the interim analysis
    outcome: Outcome  # inconclusive: no interim analysis decided
    figures: tuple[DecidedFigure, ...]
    voided: int  # of the pairs at the interim analysis
    answered: bool = True  # whether head has answered as many requests as a pass requires

    def in_brief(self, most: int) -> str:
        """Returns the outcome with its figures in a few words; `most` is the number of planned pairs."""
        names = ", ".join(figure.figure.name for figure in self.figures if figure.outcome == self.outcome)
        early = f"after {self.pairs} of {most} pairs, " if self.pairs < most else ""
        match self.outcome:
            case "failed":
                return f"{early}head is worse than base by more than the margin: {names}"
            case "passed":
                return f"{early}head is not worse than base by the margin or more: {names}"
            case _ if not self.answered:
                return f"{early}head answered far fewer requests than base, so the comparison of {names} proves nothing"
            case _:
                return f"{early}the comparison of {names} proves nothing: use more or longer blocks"


def decide(plan: Plan, whole: Timeline, complete: int, voids: Mapping[int, str] | None = None) -> Decided:
    """Replays all looks up to `complete` pairs; the first decision counts.

    With more void pairs than valid ones, an interim analysis decides nothing. The decision depends on the plan and the
    measurements only, so each coordinator and each later judgement decides the same. `voids` are the void blocks; None:
    those of saturated workers.
    """
    duet, voids = duet_of(plan), void_pairs(plan, whole, complete) if voids is None else voids
    measured = [_measured(plan, whole, figure, complete, voids) for figure in figures(plan)]
    looks = duet.looks or (duet.blocks,)
    unjudged = tuple(with_sample(figure, complete) for figure in measured)
    decided = Decided(0, complete, "inconclusive", unjudged, len(voids))
    for number, look in enumerate(looks, 1):
        if look > complete:
            break
        answered = _is_answered(whole, duet, look, voids)
        samples = [with_sample(figure, look) for figure in measured]
        at_look = judged(samples, looks, number, answered=answered, two_hosts=duet.two_hosts)
        voided = sum(block <= look for block in voids)
        outcome: Outcome = "inconclusive" if voided > MOST_VOID * look else outcome_of(at_look)
        decided = Decided(number, look, outcome, at_look, voided, answered)
        if decided.outcome != "inconclusive":
            break
    return decided


def judged(
    measured: Sequence[DecidedFigure],
    looks: tuple[int, ...],
    number: int,
    *,
    answered: bool = True,
    two_hosts: bool = False,
) -> tuple[DecidedFigure, ...]:
    """Returns the figures with their bounds and outcomes at an interim analysis; `number` counts from 1.

    With `two_hosts`, a difference between them adds to the error by which a figure is worse.
    """

    def level_of(left: int) -> float:
        return levels_of(left, looks)[number - 1]

    def worse_by(own: DecidedFigure) -> Mean | None:
        apart = hosts_apart(own.figure, two_hosts=two_hosts)
        return own.sample and replace(own.sample, error=math.hypot(own.sample.error, apart))

    wider = [worse_by(own) for own in measured]
    p = [
        1.0 if sample is None or sample.count < LEAST else p_above(sample, own.steps[0] + own.figure.limit)
        for own, sample in zip(measured, wider, strict=True)
    ]
    judged_figures = []
    for figure, sample, (worse, level) in zip(measured, wider, holm(p, level_of), strict=True):
        if figure.sample is None or sample is None or sample.count < LEAST:
            judged_figures.append(replace(figure, level=level))
            continue
        (low, _), (_, high) = (bounds(own, level, level_of(1)) for own in (sample, figure.sample))
        low, high = low - figure.steps[0], high + figure.steps[1]
        if figure.figure.metric == "failures":  # as by the rule of three: no failures among few requests prove little
            requests = sum(pair.samples for pair in figure.used)
            high = max(high, figure.sample.mean - math.log(level_of(1)) / requests)
        passed = answered and high < figure.figure.limit
        outcome: Outcome = "failed" if worse else "passed" if passed else "inconclusive"
        judged_figures.append(replace(figure, low=low, high=high, level=level, outcome=outcome))
    return tuple(judged_figures)


def hosts_apart(figure: DuetFigure, *, two_hosts: bool) -> float:
    """Returns the standard deviation by which two hosts differ in a figure; shares of failures do not."""
    return HOSTS if two_hosts and figure.metric != "failures" else 0.0


def levels_of(left: int, looks: tuple[int, ...]) -> tuple[float, ...]:
    """Returns the nominal one-sided level of each interim analysis, by Holm for the number of figures that are left."""
    return levels((SPENT if looks[-1] >= FEW else 1.0) * ALPHA / left, looks)


def outcome_of(figures: Sequence[DecidedFigure]) -> Outcome:
    return min((figure.outcome for figure in figures), key=WORST.index)


def change_of(figure: DuetFigure, pair: Pair) -> float:
    """Returns the change of a known pair, larger if head is worse: a logarithm, or a difference of shares."""
    base, head = pair.base or 0.0, pair.head or 0.0
    if figure.metric == "failures":
        return head - base
    return math.log(base / head) if figure.metric == "throughput" else math.log(head / base)


def _measured(
    plan: Plan, whole: Timeline, figure: DuetFigure, complete: int, voids: Mapping[int, str]
) -> DecidedFigure:
    """Returns a figure with its pairs, not yet judged."""
    pairs = pairs_of(plan, whole, figure, complete, voids)
    together = joined(pairs, figure, duet_of(plan))
    if together > 1:
        pairs = pairs_of(plan, whole, figure, complete, voids, together)
    return DecidedFigure(figure, pairs=pairs, joined=together, step_us=_resolution_us(whole, figure))


def _resolution_us(whole: Timeline, figure: DuetFigure) -> int:
    """Returns the coarsest resolution of the figure's times in µs; 0 if it is one microsecond, or not of times."""
    if figure.percent is None:
        return 0
    executions = whole.senders(figure.label) & set(figure.executions or whole.resolution_us)
    coarsest = max((whole.resolution_us.get(name, 0) for name in executions), default=0)
    return coarsest if coarsest > 1 else 0


def with_sample(figure: DecidedFigure, look: int) -> DecidedFigure:
    """Returns a figure with the sample of its pairs up to an interim analysis."""
    pairs = tuple(pair for pair in figure.pairs if pair.last <= look and pair.is_known)
    sample = sample_of([change_of(figure.figure, pair) for pair in pairs])
    if sample is not None and figure.figure.metric == "failures":
        failures = math.fsum(pair.samples * ((pair.base or 0) + (pair.head or 0)) for pair in pairs)
        if failures < FEW_FAILURES:
            least = math.sqrt(failures) / sum(pair.samples for pair in pairs)
            sample = replace(sample, error=max(sample.error, least))
    return replace(figure, used=pairs, sample=sample)


def _is_answered(whole: Timeline, duet: Duet, look: int, voids: Mapping[int, str]) -> bool:
    """Whether head has answered about as many requests as base. With the largest tolerated change, it may be fewer."""
    base, head = (
        sum(
            whole.select(steady=True, arm=arm, block=block).counts[0]
            for block in range(1, look + 1)
            if block not in voids
        )
        for arm in (BASE, HEAD)
    )
    return head >= ANSWERED / (1 + duet.margin) * base


class Sequential:
    """The interim analyses of a running duet, computed from its measurements alone. Of other plans it does nothing."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._looked = 0  # pairs at the last interim analysis
        self._found: Decided | None = None
        self._notes: tuple[Note, ...] = ()

    def stop(self, whole: Timeline, complete_to: int | None, now: float) -> Stop | None:
        """Returns the stop of the load as soon as an interim analysis decides.

        `complete_to` is the last second with all measurements (None: there is none yet), `now` is in seconds since the
        epoch. An interim analysis waits one second after the end of its last turn, for requests in flight.
        """
        duet = self.plan.duet
        if duet is None or complete_to is None:
            return None
        complete = duet.pairs_complete(complete_to)
        look = max((number for number in duet.looks if self._looked < number <= complete), default=0)
        if look and (self._found is None or self._found.outcome == "inconclusive"):
            self._looked, self._found = look, decide(self.plan, whole, look)
            decided = sum(figure.outcome != "inconclusive" for figure in self._found.figures)
            of_all = f"{decided} of {plural(len(self._found.figures), 'figure')} decided"
            self._notes += (Note("look", f"after {look} of {duet.blocks} pairs: {of_all}"),)
        result = self._found
        if result is None or result.outcome == "inconclusive" or self._looked >= duet.blocks:
            return None
        return Stop(at=now, cause="decided", message=result.in_brief(duet.blocks))

    def notes(self) -> tuple[Note, ...]:
        """Returns a note `look` on each interim analysis so far."""
        return self._notes
