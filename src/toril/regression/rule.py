"""The rule of a duet: after each look it has failed, has passed, or goes on."""

from dataclasses import dataclass

from toril.errors import Note
from toril.records import Outcome, Plan, Stop
from toril.regression.pairs import Figure, Pair
from toril.stats.paired import Sample
from toril.timeline import Timeline


@dataclass(frozen=True, slots=True)
class DecidedFigure:
    """One figure at the look that decided. Bounds are of the logarithm of the ratio; of failures, of the difference."""

    figure: Figure
    sample: Sample | None  # None: fewer than two pairs have values
    low: float | None
    high: float | None
    level: float  # of `low`, by Holm
    outcome: Outcome
    pairs: tuple[Pair, ...]  # joined, of all complete pairs: those after the look and void ones as well
    joined: int = 1  # neighbouring pairs that count as one


@dataclass(frozen=True, slots=True)
class Decided:
    """The comparison at the first look that decides; without such a look, at the last one."""

    look: int  # from 1; 0: there was none yet
    pairs: int  # at the look
    outcome: Outcome  # inconclusive: no look decided
    figures: tuple[DecidedFigure, ...]


def decide(plan: Plan, whole: Timeline, complete: int) -> Decided:
    """Replays all looks up to `complete` pairs; the first decision counts.

    It depends on the plan and the measurements only, so each owner and each later judgement decides the same.
    """
    raise NotImplementedError


class Sequential:
    """The looks of a running duet, computed from its measurements alone. Of other plans it does nothing."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def stop(self, whole: Timeline, complete_to: int | None, now: float) -> Stop | None:
        """Returns the stop of the load as soon as a look decides.

        `complete_to` is the last second with all measurements (None: there is none yet), `now` is in seconds since the
        epoch. A look waits one second after the end of its last turn, for requests in flight.
        """
        raise NotImplementedError

    def notes(self) -> tuple[Note, ...]:
        """Returns a note `look` on each look so far."""
        raise NotImplementedError
