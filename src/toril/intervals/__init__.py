"""What a worker measured, as files: written by Recorder, read by decode. docs/interval-format.md is the format."""

from toril.intervals.format import (
    CELL_COLUMNS,
    KINDS,
    MAX_DURATION_US,
    MAX_SECOND,
    Interval,
    Series,
    decode,
)
from toril.intervals.recorder import OTHER, Recorder, acceptable

__all__ = [
    "CELL_COLUMNS",
    "KINDS",
    "MAX_DURATION_US",
    "MAX_SECOND",
    "OTHER",
    "Interval",
    "Recorder",
    "Series",
    "acceptable",
    "decode",
]
