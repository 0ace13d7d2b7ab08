"""A worker's measurements as files: `Recorder` writes, `decode` reads. Format: docs/reference/run-folder.md."""

from toril.timeline.intervals.format import (
    BUCKET_BITS,
    CELL_COLUMNS,
    HEALTH_SCALE,
    KINDS,
    MAX_DURATION_US,
    MAX_PACKED,
    MAX_SECOND,
    TAGGED,
    TIMED,
    UNKNOWN,
    VALUE_SCALE,
    VALUES,
    VITALS,
    Interval,
    Kind,
    Series,
    decode,
)
from toril.timeline.intervals.recorder import OTHER, Recorder, acceptable, label_of, tagged_label
