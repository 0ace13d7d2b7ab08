"""What a worker measured, as files: written by Recorder, read by decode. docs/reference/run-folder.md is the format."""

from toril.timeline.intervals.format import (
    BUCKET_BITS,
    CELL_COLUMNS,
    HEALTH_SCALE,
    KINDS,
    MAX_DURATION_US,
    MAX_PACKED,
    MAX_SECOND,
    UNKNOWN,
    VITALS,
    Interval,
    Kind,
    Series,
    decode,
)
from toril.timeline.intervals.recorder import OTHER, Recorder, acceptable, label_of
