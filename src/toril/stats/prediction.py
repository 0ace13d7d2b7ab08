"""The range in which one more value lies: Hahn and Meeker (1991), Statistical intervals."""

from collections.abc import Sequence


def prediction(values: Sequence[float], level: float) -> tuple[float, float, float]:
    """Returns the mean of the values, and the lower and the upper bound of one more value of the same process.

    Each bound is one-sided and wrong with the probability `level`. ValueError for fewer than two values.
    """
    raise NotImplementedError
