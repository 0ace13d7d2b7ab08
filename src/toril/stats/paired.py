"""The mean of paired values: its bounds, the smallest detectable change, and the pairs that find a change.

Student (1908), The probable error of a mean; Welch (1947), The generalization of Student's problem.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sample:
    """The mean of some values, and what its error is."""

    mean: float
    spread: float  # standard deviation of one value
    count: int
    error: float  # standard deviation of the mean
    freedom: float  # degrees of freedom of the error


def sample_of(values: Sequence[float]) -> Sample | None:
    """Returns the sample of the values; None if there are fewer than two."""
    raise NotImplementedError


def bounds(found: Sample, low_level: float, high_level: float) -> tuple[float, float]:
    """Returns one-sided bounds of the true mean. Each is wrong with the probability of its level (0 … 1)."""
    raise NotImplementedError


def detectable(spread: float, count: int, level: float = 0.05, power: float = 0.8) -> float:
    """Returns the distance from a limit at which a true mean is proven with this power, in the unit of `spread`."""
    raise NotImplementedError


def pairs_needed(effect: float, spread: float, level: float = 0.05, power: float = 0.9, most: int = 400) -> int | None:
    """Returns the fewest pairs that prove a mean at this distance from the limit; None: more than `most`.

    `effect` and `spread` have the same unit, and `effect` is above 0.
    """
    raise NotImplementedError


def halves(first: Sample, second: Sample) -> tuple[Sample, Sample]:
    """Returns the effect of the version, and that of the host.

    `first` and `second` are the changes before and after both deployments were exchanged. The effects are the mean of
    both changes, and half of their difference; the degrees of freedom are Welch's.
    """
    raise NotImplementedError
