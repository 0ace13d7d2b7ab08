"""What moved with a trouble of a run, `cause.json`: `toril.cause/1`. Times are seconds since the start signal."""

import math
from typing import ClassVar, Literal

from toril.records.document import Record, RecordPart

Symptom = Literal["response times", "failures", "throughput"]


class Moved(RecordPart):
    """A figure of the service or the generators that changed at the time of a trouble.

    `low_s` and `high_s` are the 95 % interval of the time of the change.
    """

    name: str
    unit: str = ""  # CloudWatch's name; empty: unknown
    period_s: float
    at_s: float
    low_s: float
    high_s: float
    before: float  # mean of the last values before the change
    after: float  # mean of the first values after it
    effect: float | None = None  # change in standard deviations of the remaining noise; None: there is no noise
    p: float  # by permutation


class Trouble(RecordPart):
    """A finding or a breached criterion whose beginning is known, with the figures that changed then.

    `low_s` and `high_s` are the 95 % interval of its beginning. If `ended`, the trouble lasted from the start of the
    load, and this is the interval of its end.
    """

    codes: tuple[str, ...]  # of findings, or criteria as written
    symptom: Symptom
    label: str = ""
    at_s: float
    low_s: float
    high_s: float
    to_s: float | None = None  # its end; None: the end of the load
    ended: bool = False
    tested: int = 0  # the number of figures
    moved: tuple[Moved, ...] = ()  # in order of time; those that may have been first in order of effect

    @property
    def span(self) -> tuple[float, float]:
        """Its beginning and its end, which may be infinite."""
        return (0.0, self.at_s) if self.ended else (self.low_s, math.inf if self.to_s is None else self.to_s)


class SlowPart(RecordPart):
    """The part of slow requests that took most of their time, from their traces."""

    name: str
    traces: int  # in which this part took the most time
    of: int  # traces that X-Ray had
    median_us: float  # own time of this part, in all traces
    total_us: float  # median of the whole requests
    base_us: float | None = None  # the same part in base, in a duet
    base_of: int = 0
    trace_id: str  # of the slowest request


class RareLine(RecordPart):
    """A kind of log line that is frequent in the first minute of a trouble, and rare outside the trouble."""

    group: str
    text: str  # a part of these lines without numbers and ids
    from_s: float
    to_s: float
    count: int
    most: int  # in any minute of the load outside the trouble


class Cause(Record):
    """The evidence for the probable causes of a run's troubles."""

    SCHEMA: ClassVar[str] = "toril.cause/1"
    false_discoveries: float  # the rate that the test of all figures keeps to
    troubles: tuple[Trouble, ...] = ()
    part: SlowPart | None = None
    line: RareLine | None = None
    scanned_bytes: int = 0  # of logs
    usd: float = 0.0  # for scanned logs
    problems: tuple[str, ...] = ()  # questions that AWS did not answer
