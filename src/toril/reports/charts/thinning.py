"""Long runs drawn in fewer points, so that no spike is lost: of some seconds in a row, the lowest and the highest."""

from collections.abc import Sequence
from dataclasses import dataclass

MOST_SECONDS = 1200  # drawn one by one; more than a wide screen has pixels for

Values = Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Thinning:
    """How the seconds of a run become points: one each, or two for `step_s` of them."""

    seconds: int
    step_s: int = 1

    @property
    def x(self) -> list[float]:
        if self.step_s == 1:
            return list(range(self.seconds))
        starts = range(0, self.seconds, self.step_s)
        return [at for start in starts for at in (start, start + self.step_s // 2)]

    def __call__(self, values: Values) -> list[float | None]:
        """The values that are drawn; one that ends before the run does is followed by gaps.

        >>> Thinning(6, 3)([5, 1, 7, None, None, 2])
        [1, 7, 2, 2]
        """
        found = [*values[: self.seconds], *[None] * (self.seconds - len(values))]
        if self.step_s == 1:
            return found
        drawn: list[float | None] = []
        for start in range(0, self.seconds, self.step_s):
            known = [(value, at) for at, value in enumerate(found[start : start + self.step_s]) if value is not None]
            if not known:
                drawn += [None, None]
                continue
            low, high = min(known), max(known, key=lambda pair: pair[0])
            drawn += [low[0], high[0]] if low[1] <= high[1] else [high[0], low[0]]
        return drawn


def thinning(seconds: int) -> Thinning:
    """Every second of a run up to twenty minutes; of longer ones some 600 pairs."""
    return Thinning(seconds, 1 if seconds <= MOST_SECONDS else max(2, -(-seconds // (MOST_SECONDS // 2))))
