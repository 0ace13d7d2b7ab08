"""CloudWatch's periods: they begin at multiples of their length since the epoch, wherever the load begins.

All instants are whole seconds since the epoch, as CloudWatch keeps them.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from toril.records import PART_OF_PERIOD_NEEDED


@dataclass(frozen=True, slots=True)
class Span:
    """The periods that overlap a load: `begin` of the first to `end` of the last.

    `needed` is the beginning of the last period that has to have a value: the last one with enough of the load in it.
    A later one counts when it is there.
    """

    begin: int
    end: int
    needed: int
    period_s: int

    @property
    def needed_end(self) -> int:
        return self.needed + self.period_s

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.begin, self.end, self.period_s))


def span(start_at: float, end_at: float, period_s: int) -> Span:
    """The periods of a load from `start_at` to `end_at`; at least one."""
    begin = math.floor(start_at / period_s) * period_s
    end = max(math.ceil(end_at / period_s) * period_s, begin + period_s)

    def overlap_s(period: int) -> float:
        return min(end_at, period + period_s) - max(start_at, period)

    last = end - period_s
    if (
        last > begin
        and overlap_s(last) < PART_OF_PERIOD_NEEDED * period_s
        and overlap_s(last - period_s) >= overlap_s(last)
    ):
        last -= period_s
    return Span(begin, end, last, period_s)


def recent(now: float, period_s: int, for_s: float) -> Span:
    """The periods that were over at `now`, as far back as `for_s`."""
    end = math.floor(now / period_s) * period_s
    begin = min(end - period_s, math.floor((now - for_s) / period_s) * period_s)
    return Span(begin, end, end - period_s, period_s)
