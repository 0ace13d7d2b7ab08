"""A course over time in one line of text, for places that show no picture."""

import math
from collections.abc import Sequence
from itertools import pairwise

STEPS = "▁▂▃▄▅▆▇█"
GAP = "\u00a0"  # a blank that nobody folds
WIDTH = 24


def sparkline(values: Sequence[float | None], width: int = WIDTH, highest: float = 0.0) -> str:
    """The values from nothing to the highest, at most `width` of them side by side; a gap where there are none.

    Lines that are compared are given a `highest` in common.

    Of values that share a place the highest is shown, so that no spike is lost; only nothing has the lowest step.

    >>> sparkline([0, 1, 4, 8, None, 8]), sparkline([5, 5]), sparkline([None, 0, 0]), sparkline([1, 9, 2, 2], 2)
    ('▁▂▅█\\xa0█', '██', '\\xa0▁▁', '█▃')
    """
    places = min(width, len(values))
    bounds = [len(values) * place // places for place in range(places + 1)] if places else [0]
    parts = [[v for v in values[a:b] if v is not None] for a, b in pairwise(bounds)]
    tops = [max(part) if part else None for part in parts]
    highest = max([highest, *(top for top in tops if top is not None)])
    return "".join(GAP if top is None else _step(top, highest) for top in tops)


def _step(value: float, highest: float) -> str:
    return STEPS[min(len(STEPS) - 1, math.ceil((len(STEPS) - 1) * value / highest)) if value > 0 else 0]
