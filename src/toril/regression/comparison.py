"""How head compares with base: pairs of blocks, and what they prove of a change.

Requests of one block share caches, neighbours and the moment, so that thousands of them prove no more than a few: the
unit is the block. Base and head of a block are measured one right after the other, and what both have in common leaves
their ratio. Of the K ratios' logarithms, Student's t bounds the mean on each side with 95 % confidence: proven worse
than the margin is failed, proven not to be is passed, all else is inconclusive. Failures are compared in the same way
by the difference of their shares.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from toril.records import Outcome
from toril.stats.quantiles import student_quantile

CONFIDENCE = 0.95  # of each bound; so a change as large as the margin fails one run in twenty
POWER = 0.8  # with which a change of the smallest detectable size is found
LEAST_PAIRS = 4  # with fewer, s says next to nothing: t(0.95) of two degrees of freedom is 2.9


@dataclass(frozen=True, slots=True)
class Change:
    """What some pairs say of a change: its mean, one-sided 95 % bounds, and the least that could have been found.

    All are relative changes (0.03 is 3 % more), or for shares their differences. None: too few pairs.
    """

    mean: float | None
    low: float | None
    high: float | None
    detectable: float | None

    def outcome(self, margin: float) -> Outcome:
        """failed: more than the margin is proven. passed: less than the margin is."""
        if self.low is None or self.high is None:
            return "inconclusive"
        return "failed" if self.low > margin else "passed" if self.high < margin else "inconclusive"


def relative_change(pairs: Sequence[tuple[float, float]], resolution: float = 0) -> Change:
    """Of values above 0, by their ratios head / base.

    What was recorded in steps of `resolution` may be a step more: two times that are all but the same may lie on both
    sides of one, in each block. So a whole step is taken from what is proven, on each side.
    """
    mean, low, high, detectable = _bounded([math.log(head / base) for base, head in pairs])
    if low is not None and high is not None and detectable is not None:
        step = math.fsum(math.log1p(resolution / base) for base, _ in pairs) / len(pairs)
        low, detectable = low - step, detectable + step
        high += math.fsum(math.log1p(resolution / head) for _, head in pairs) / len(pairs)
    return Change(*(None if one is None else math.expm1(one) for one in (mean, low, high, detectable)))


def difference(pairs: Sequence[tuple[float, float]]) -> Change:
    """Of shares, which may be 0."""
    return Change(*_bounded([head - base for base, head in pairs]))


def _bounded(values: Sequence[float]) -> tuple[float | None, float | None, float | None, float | None]:
    """Mean, lower and upper bound, and what could have been found."""
    count = len(values)
    if not count:
        return None, None, None, None
    mean = math.fsum(values) / count
    if count < LEAST_PAIRS:
        return mean, None, None, None
    error = statistics.stdev(values) / math.sqrt(count)
    reach = student_quantile(CONFIDENCE, count - 1) * error
    return mean, mean - reach, mean + reach, reach + student_quantile(POWER, count - 1) * error
