"""Places at which the level of a series changes.

Matteson and James (2014), A nonparametric approach for multiple change point analysis; Fleming et al. (2023), Hunter:
Student's test of each place. The level is divided by the number of candidate places, so no random numbers are needed.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Split:
    """One place at which the level of a series changes."""

    place: int  # index of the first value after the change
    q: float  # the energy statistic
    p: float  # of Student's test, multiplied by the number of candidate places
    before: float  # mean of the values since the previous place
    after: float  # mean of the values up to the next place


def splits(
    values: Sequence[float], *, least: int = 10, before: int = 5, after: int = 3, level: float = 0.01
) -> tuple[Split, ...]:
    """Returns the significant places in their order.

    A part of the series is split if it has at least `least` values. At least `before` values are before a place, and
    at least `after` behind it.
    """
    raise NotImplementedError
