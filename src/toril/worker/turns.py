"""The turns of a duet's arms, as a worker needs them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from toril.worker.engines import EngineTurn

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def turn_of(turns: Sequence[EngineTurn], arms: tuple[int, ...], started_s: Floats) -> tuple[Ints, Ints, Bools]:
    """Returns for each request its arm, its block, and whether it began within one of its arm's turns.

    `started_s` are the begins of requests in seconds since the gate. `arms` are those of the engine: with one arm, all
    requests belong to it. A request outside the turns belongs to the last turn that has begun.
    """
    raise NotImplementedError
