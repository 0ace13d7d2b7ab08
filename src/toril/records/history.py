"""The memory of a store: one history record and one index row for each judged run. They outlive the run's folder."""

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from toril.records.document import Count, JsonObject, Number, StoredObject, Text, Word
from toril.records.verdict import Outcome

MOST_BYTES_OF_HISTORY = 1 << 14
MOST_BYTES_OF_ROW = 500
MOST_LABELS_KEPT = 50

Kind = Literal["run", "duet", "functional", "smoke"]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint(JsonObject):
    """What has to be equal for two runs to be comparable."""

    suite: Text = ""  # hash of the suite without its criteria
    image: Text = ""  # digests of the worker images
    size: Text = ""  # CPU, memory, architecture, and the number of workers
    locations: Text = ""  # with weights


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRecord(StoredObject):
    """`history/<suite>/<key>.json`: one judged run."""

    SCHEMA: ClassVar[str] = "toril.history/1"
    MOST_BYTES: ClassVar[int | None] = MOST_BYTES_OF_HISTORY

    schema: Literal["toril.history/1"] = "toril.history/1"
    run_id: Text
    suite: Text
    revision: Count = 1  # a run that is judged again has a higher revision; readers take the highest
    kind: Kind = "run"
    on: Word = "local"
    started_at: Number  # of the start signal; without one, the time in the run's id; seconds since the epoch
    duration_s: Number | None = None
    outcome: Outcome
    reasons: Annotated[tuple[Word, ...], Field(max_length=100)] = ()  # codes
    tags: dict[Text, Text] = field(default_factory=dict)
    branch: Text = ""  # "" on the main branch, else e.g. `pull/12` or `fork`: left out of trends
    adjusted: bool = False  # a rate was changed during the load
    workers: Count = 0
    total: KeptFigures = KeptFigures()
    labels: dict[Text, KeptFigures] = field(default_factory=dict)  # at most MOST_LABELS_KEPT, the largest
    locations: dict[Text, KeptFigures] = field(default_factory=dict)
    fingerprint: Fingerprint = Fingerprint()
    cost_usd: Number | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexRow(JsonObject):
    """One run in lists and searches; at most MOST_BYTES_OF_ROW bytes of JSON."""

    run_id: Text
    suite: Text
    revision: Count = 1
    kind: Kind = "run"
    on: Word = "local"
    started_at: Number
    duration_s: Number | None = None
    outcome: Outcome
    reasons: tuple[Word, ...] = ()  # codes
    tags: dict[Text, Text] = field(default_factory=dict)
    locations: tuple[Text, ...] = ()
    workers: Count = 0
    samples: Count = 0
    failures: Count = 0
    p95_us: Count | None = None
    rps: Number | None = None
    cost_usd: Number | None = None
