"""The figures that a duet compares, and their values in each pair of blocks."""

from collections.abc import Sequence
from dataclasses import dataclass

from toril.records import Plan
from toril.timeline import Timeline
from toril.timeline.intervals import Kind


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure to compare, and its samples."""

    label: str  # "": all requests
    metric: str  # p95, p99.9, failures, throughput
    percent: float | None  # of a percentile
    margin: float  # relative; for failures, a difference of shares
    kind: Kind | None = None
    executions: tuple[str, ...] = ()  # empty: all
    location: str | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """The values of a figure in both turns of one block; None: too few samples.

    Times are in µs, failures are shares (0 … 1), and throughput is per second.
    """

    block: int  # from 1; of joined pairs, the first
    base: float | None
    head: float | None
    samples: int  # of the arm with fewer
    void: str = ""  # the reason why it is not compared


def figures(plan: Plan) -> tuple[Figure, ...]:
    """Returns the figures that the plan's duet compares, without duplicates. ValueError if it is not a duet."""
    raise NotImplementedError


def pairs_of(plan: Plan, whole: Timeline, figure: Figure, complete: int) -> tuple[Pair, ...]:
    """Returns the first `complete` pairs of a figure, in order of time, with void ones.

    `whole` has the measurements of both arms.
    """
    raise NotImplementedError


def joined(pairs: Sequence[Pair], figure: Figure, first_look: int) -> tuple[int, tuple[Pair, ...]]:
    """Returns how many neighbouring pairs count as one (1, 2, 4 or 8), and the joined pairs.

    The number depends on the counts of samples before the first look only, and never on values.
    """
    raise NotImplementedError
