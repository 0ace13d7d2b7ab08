"""The turns of a duet's arms, as a worker needs them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from toril.engines import EngineTurn
from toril.records import Duet

STEP_S = 0.002  # an engine may record the begin of a request this much earlier: JMeter rounds to milliseconds

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def engine_turns(duet: Duet, gate_s: float) -> tuple[EngineTurn, ...]:
    """Returns the turns for an engine whose gate opens `gate_s` seconds after the start signal.

    Each arm loses these seconds of its warm-up turn, so both arms have the same load.
    """
    return tuple(
        EngineTurn(turn.arm, turn.block, turn.starts_s - (gate_s if turn.block else 0.0), turn.ends_s - gate_s)
        for turn in duet.turns()
    )


def turn_of(turns: Sequence[EngineTurn], arms: tuple[int, ...], started_s: Floats) -> tuple[Ints, Ints, Bools]:
    """Returns for each request its arm, its block, and whether it began within one of its arm's turns.

    `started_s` are the begins of requests in seconds since the gate. `arms` are those of the engine: with one arm, all
    requests belong to it. A request outside the turns belongs to the last turn that has begun.
    """
    own = [turn for turn in turns if turn.arm in arms]
    begins = np.array([turn.begin_s for turn in own]) - STEP_S
    place = np.maximum(np.searchsorted(begins, started_s, side="right") - 1, 0)
    arm, block = (np.array(column, np.int64)[place] for column in ([t.arm for t in own], [t.block for t in own]))
    ends = np.array([turn.end_s for turn in own])
    return arm, block, (started_s >= begins[place]) & (started_s < ends[place])
