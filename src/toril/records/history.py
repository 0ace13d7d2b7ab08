"""The memory of a store: one history record and one index row for each judged run. They outlive the run's folder.

Both have the same name: the inverse of the start time, so that a listing gives the newest run first, the run's id, and
the revision. Index rows are one line each, alone in a file or with others in a packed file.
"""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field

from toril.records.document import Count, JsonObject, Number, StoredObject, Text, Word
from toril.records.verdict import FigureChange, Outcome

MOST_BYTES_OF_HISTORY = 1 << 14
MOST_BYTES_OF_ROW = 500
MOST_LABELS_KEPT = 50
MOST_METRICS_KEPT = 20
FAILED_CHECKS = "failed-checks"  # the share of a check that did not hold, as a figure of trends

LAST_SECOND = 9_999_999_999  # ten digits: the year 2286
INDEX, HISTORY = "index/", "history/"

Kind = Literal["run", "duet", "functional", "smoke", "try", "part"]  # a part of a suite is compared with no run


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPercentile(JsonObject):
    """A percentile with its 95 % interval; None: open."""

    value_us: Count
    low_us: Count | None = None
    high_us: Count | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFigures(JsonObject):
    """The figures of all requests, a label or a location."""

    samples: Count = 0
    failures: Count = 0
    rps: Number | None = None
    mean_us: Number | None = None
    percentiles: dict[Word, KeptPercentile] = field(default_factory=dict)  # p50, p90, p95, p99, p99_9
    resolution_us: Count | None = None  # of the times; None: 1 µs, or unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint(JsonObject):
    """What has to be equal for two runs to be comparable."""

    suite: Text = ""  # hash of the suite without its criteria
    image: Text = ""  # digests of the worker images
    size: Text = ""  # CPU, memory, architecture, and the number of workers
    locations: Text = ""  # with weights
    stage: Text = ""  # of the suite


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptChange(FigureChange):
    """One figure of a duet; see `ComparedMetric`."""

    spread: Number | None = None
    pairs: Count = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptDuet(JsonObject):
    """A duet's comparison, from which later duets learn the spread and the rate of false alarms."""

    aa: bool = False
    margin: Number
    most: Count  # planned pairs
    pairs: Count  # at the interim analysis that decided
    block_s: Number
    voided: Count = 0
    changes: Annotated[tuple[KeptChange, ...], Field(max_length=20)] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedRun(StoredObject):
    """What the record and the row of a run have in common."""

    schema: str = ""
    run_id: Text
    suite: Text
    revision: Count = 1  # a run that is judged again has a higher revision; readers take the highest
    kind: Kind = "run"
    on: Word = "local"
    started_at: Number  # of the start signal; without one, the time in the run's id; seconds since the epoch
    duration_s: Number | None = None
    outcome: Outcome
    reasons: tuple[Word, ...] = ()  # codes
    tags: dict[Text, Text] = field(default_factory=dict)
    branch: Text = ""  # "" on the main branch, else e.g. `pull/12` or `fork`: left out of trends

    def to_json(self) -> bytes:
        return _line(self)

    @property
    def stage(self) -> str:
        """The stage of the suite, which is a tag of the run; empty without one."""
        return self.tags.get("stage", "")

    @property
    def stem(self) -> str:
        return stem_of(self.started_at, self.run_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRecord(JudgedRun):
    """`history/<suite>/<key>.json`: one judged run."""

    MOST_BYTES: ClassVar[int | None] = MOST_BYTES_OF_HISTORY

    schema: Literal["toril.history/1"] = "toril.history/1"
    reasons: Annotated[tuple[Word, ...], Field(max_length=100)] = ()
    adjusted: bool = False  # a rate was changed during the load
    workers: Count = 0
    total: KeptFigures = KeptFigures()
    labels: dict[Text, KeptFigures] = field(default_factory=dict)  # at most MOST_LABELS_KEPT, the largest
    locations: dict[Text, KeptFigures] = field(default_factory=dict)
    # The first checks and own metrics by name → figure of trends (`failed-checks`, `metric-p95`) → value
    metrics: dict[Text, dict[Word, Number]] = field(default_factory=dict)
    fingerprint: Fingerprint = Fingerprint()
    cost_usd: Number | None = None
    duet: KeptDuet | None = None
    # Location → label → its figures with p50, p95 and p99; the first to be cut if the record is too large.
    parts: dict[Text, dict[Text, KeptFigures]] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return f"{HISTORY}{self.suite}/{self.stem}.{self.revision}.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexRow(JudgedRun):
    """`index/<yyyy-mm>/<key>.json`: one run in lists and searches; at most MOST_BYTES_OF_ROW bytes."""

    MOST_BYTES: ClassVar[int | None] = MOST_BYTES_OF_ROW

    schema: Literal["toril.index/1"] = "toril.index/1"
    locations: tuple[Text, ...] = ()
    workers: Count = 0
    samples: Count = 0
    failures: Count = 0
    p95_us: Count | None = None
    p95_low_us: Count | None = None  # its 95 % interval
    p95_high_us: Count | None = None
    rps: Number | None = None
    cost_usd: Number | None = None
    left_out: bool | None = None  # True: the trend draws the run hollow, and computes nothing with it

    @property
    def key(self) -> str:
        return f"{INDEX}{month_of(self.started_at)}/{self.stem}.{self.revision}.json"


@dataclass(frozen=True, slots=True)
class ListedRun:
    """One run in a list, judged or not."""

    row: IndexRow  # of a run that is not judged: without figures, and its outcome has no meaning
    state: str  # its outcome, or the name of its `RunState`
    deleted: bool = False  # its files; its history remains
    since: float | None = None  # of "coordinator lost"; see `RunState`
    step: str = ""

    @property
    def judged(self) -> bool:
        return self.state in get_args(Outcome)

    @property
    def going_on(self) -> bool:
        """Whether the run has a coordinator, or is about to get one. A run whose coordinator is gone is not running."""
        return self.state in ("starting", "running", "stopping")


def stem_of(started_at: float, run_id: str) -> str:
    """Returns the name of a run's records without their revision; names of newer runs sort first."""
    return f"{LAST_SECOND - _second(started_at):010d}-{run_id}"


def started_of(stem: str) -> int:
    """Returns the second in which the run of this name started."""
    return LAST_SECOND - int(stem[:10])


def month_of(started_at: float) -> str:
    return f"{datetime.fromtimestamp(_second(started_at), UTC):%Y-%m}"


def _second(started_at: float) -> int:
    return min(max(0, int(started_at)), LAST_SECOND)


def _line(record: JsonObject) -> bytes:
    """Returns the record as one line of JSON. Empty fields are missing: their defaults are empty, too."""
    text = json.dumps(_filled(record), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace") + b"\n"


def _filled(value: Any) -> Any:
    if isinstance(value, JsonObject):
        fields = value.members().items()
        return {name: _filled(value) for name, value in fields if value is not None and value not in ((), {}, "")}
    if isinstance(value, dict):
        return {key: _filled(item) for key, item in value.items()}
    return [_filled(item) for item in value] if isinstance(value, (list, tuple)) else value
