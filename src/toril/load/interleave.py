"""The interleaving of one schedule: together, the workers send each of its arrivals exactly once, and on time.

Every worker has deadlines: (k + ½) / weight for its k-th arrival. Sorted deadlines get the arrivals of the schedule in
order; of equal deadlines, the first worker's comes first. So each worker computes the places of its arrivals in the
schedule from whole numbers, for any weights and any curve. Together, the workers send what one big worker would.
"""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated

from pydantic import Field

FINEST = 10**6  # the largest weight, so that a place in the schedule is a 64-bit integer


@dataclass(frozen=True, slots=True)
class PeerGroup:
    """The workers of one weight, and the number of them before this worker."""

    weight: int
    workers: int
    before: int


@dataclass(frozen=True, slots=True)
class Interleave:
    """One worker's part of a schedule: its weight, and all workers by weight, including itself."""

    weight: int
    groups: Annotated[tuple[PeerGroup, ...], Field(alias="mates")]  # `mates` in plan.json

    def place_of(self, own: int) -> int:
        """Returns the place in the schedule of this worker's arrival `own`; both count from 0.

        >>> [Interleave(1, (PeerGroup(1, 3, 1),)).place_of(own) for own in range(3)]
        [1, 4, 7]
        """
        place = 0
        for group in self.groups:
            # Deadlines of a peer before this one's: (2m + 1) × weight < (2k + 1) × peer's weight
            ahead, rest = divmod((2 * own + 1) * group.weight - self.weight, 2 * self.weight)
            place += group.before * (ahead + 1) + (group.workers - group.before) * (ahead + (rest > 0))
        return place

    def before(self, place: int) -> int:
        """Returns the number of this worker's arrivals before a place of the schedule.

        >>> [Interleave(1, (PeerGroup(1, 3, 1),)).before(place) for place in range(5)]
        [0, 0, 1, 1, 1]
        """
        return bisect_left(range(place), place, key=self.place_of)

    @property
    def part(self) -> Fraction:
        """This worker's fraction of the schedule."""
        return Fraction(self.weight, sum(group.weight * group.workers for group in self.groups))


def interleave(weights: Sequence[Fraction | int]) -> tuple[Interleave, ...]:
    """Returns the part of each worker in order. Weights become ratios of whole numbers up to a million.

    >>> [part.place_of(0) for part in interleave([1, 2])]
    [1, 0]
    """
    whole = _whole_weights([Fraction(weight) for weight in weights])
    counts = Counter(whole)
    seen = dict.fromkeys(counts, 0)
    groups = []
    for weight in whole:
        groups.append(Interleave(weight, tuple(PeerGroup(size, counts[size], seen[size]) for size in counts)))
        seen[weight] += 1
    return tuple(groups)


def _whole_weights(weights: list[Fraction]) -> list[int]:
    if not weights or min(weights) <= 0:
        raise ValueError("The weight of a worker must be above 0.")
    parts = math.lcm(*(weight.denominator for weight in weights))
    scaled = [int(weight * parts) for weight in weights]
    common = math.gcd(*scaled)
    if max(scaled) // common <= FINEST:
        return [weight // common for weight in scaled]
    return [max(1, round(Fraction(weight * FINEST, max(scaled)))) for weight in scaled]
