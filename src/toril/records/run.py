"""The records of a run beside its plan: launch, ready, start, stop, rates, exit, end, lease, metrics and test cases."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from toril.errors import StoreError
from toril.records.document import Count, Record, RecordPart, Seconds, Text, parsed, why

MOST_FILES = 999_999  # of a kind and worker: their names have six digits
DIGEST_LENGTH = 16  # hexadecimal digits of a file's SHA-256
MOST_KEPT = 3_000
PART_OF_PERIOD_NEEDED = 1 / 6  # a balancer that got only a request or two of a period may have no value of it
CASES_SCHEMA = "toril.tests/1"
MOST_BYTES_OF_CASES = 1 << 24
MOST_CASES = 2000  # of a file

CaseOutcome = Literal["passed", "failed", "broken", "skipped"]
# No page among them: a browser would do once more what a stranger's page does.
KeptFile = Annotated[str, Field(pattern=r"^failures/[0-9]{1,6}-[A-Za-z0-9._-]{1,200}\.(?:jpg|txt|zip)$")]
FileCount = Annotated[int, Field(ge=0, le=MOST_FILES)]
Digests = Annotated[str, Field(pattern=rf"^(?:[0-9a-f]{{{DIGEST_LENGTH}}})*$")]  # of each file, in order; "": unknown
ExitCode = Annotated[int, Field(ge=-(1 << 31), lt=1 << 32)]


class Launch(Record):
    """What the launcher may start: written once, before anything is; no other attempt counts."""

    SCHEMA: ClassVar[str] = "toril.launch/1"
    at: float
    deadline: float  # nothing of the run goes on after it
    attempts: dict[str, tuple[str, ...]]  # worker → nonces: the first try, and what may replace it
    digests: tuple[str, ...] = ()  # empty: a task definition pins its image

    def issued(self, worker: str, attempt: str) -> bool:
        """Whether the launcher knows this attempt."""
        return attempt in self.attempts.get(worker, ())


class Ready(Record):
    """A worker's engine is started and parked; the first process that writes it owns the attempt."""

    SCHEMA: ClassVar[str] = "toril.ready/1"
    MOST_BYTES: ClassVar[int | None] = 1 << 20
    worker: Text
    attempt: Text
    at: Seconds
    toril_version: Text
    pid: Count
    instance: Text = ""  # of the process: a task that was started twice has one attempt and two of these
    clock_offset_s: Seconds = 0.0
    clock_uncertainty_s: Seconds = 0.0
    image_digest: Text | None = None
    task: Text | None = None  # its ARN, on Fargate


class Start(Record):
    """The starting gun: load begins at `at` (seconds since the epoch) in the attempts named here, nowhere else."""

    SCHEMA: ClassVar[str] = "toril.start/1"
    at: float
    attempts: dict[str, str]  # worker → attempt


class Stop(Record):
    """End the load early; what is recorded stays and is judged."""

    SCHEMA: ClassVar[str] = "toril.stop/1"
    at: float
    cause: Literal["user", "signal", "criterion", "abort", "deadline", "lost", "search"]  # search: a planned end
    message: str
    criterion_fails: bool = False  # cause "criterion": `stop as failed`, not `as non-failed`


class Rate(Record):
    """From `at` on one execution has another rate, to its end or to the next of these records.

    They are numbered from 1 without a gap and written once: a writer whose number is taken reads that record first.
    """

    SCHEMA: ClassVar[str] = "toril.rate/1"
    number: int
    execution: str  # PlannedExecution.name
    rps: float  # requests per second of all workers together
    at: float  # seconds since the epoch; far enough ahead that every worker sees it in time
    asked_at: float
    cause: Literal["user", "search"]
    by: str = ""  # who asked: user@host, or the owner of the run


class Kept(RecordPart):
    """What there is to see of a failure."""

    execution: Text
    label: Text
    message: Text
    at_s: Seconds  # since the start signal
    files: Annotated[tuple[KeptFile, ...], Field(max_length=10)] = ()  # within the attempt's folder


class EngineReport(RecordPart):
    """What one worker's engine reported of an execution when its load was over."""

    samples: Count = 0  # requests
    unfinished: Count = 0
    dropped: Count | None = None  # sends that were due and never made; None without a schedule
    queued_s: Annotated[Seconds, Field(ge=0)] = 0.0  # how long it waited for its turn (`sequential`, `capacity`)
    ended_s: Seconds | None = None  # when its load was over, since the start signal
    unfinished_users: Count = 0  # that ended before their iterations were done
    own_shape: bool = False  # its script decides on its load, not the suite
    script_errors: dict[Text, Count] = Field(default_factory=dict)  # label → failures that no failed request explains
    script_failed: Text = ""  # the script's own statement that its run failed, in words
    note: Text = ""  # what a reader should know, and what changes no outcome


class Exit(Record):
    """What a worker recorded, so that a missing file is noticed; written last."""

    SCHEMA: ClassVar[str] = "toril.exit/1"
    MOST_BYTES: ClassVar[int | None] = 1 << 24
    worker: Text
    attempt: Text
    at: Seconds  # when its load was over; the record is written when all else is
    outcome: Literal["finished", "stopped", "failed", "stale"]
    message: Text = ""
    interval_files: FileCount = 0
    case_files: FileCount = 0  # of test cases, in a functional run
    interval_digests: Digests = ""
    case_digests: Digests = ""
    samples: Count = 0
    unfinished: Count = 0
    unreadable_records: Count = 0  # rows of the engine's own records that could not be read
    engine_exit_codes: dict[Text, ExitCode | None] = Field(default_factory=dict)
    engines_killed: Count = 0
    signals: Count = 0
    ended_after_signal_s: Seconds | None = None
    cpu_worker_s: Seconds = 0.0
    cpu_engines_s: Seconds = 0.0
    last_sample_s: Seconds | None = None  # when the last sample was complete, in seconds since the start signal
    first_sample_lateness_s: dict[Text, Seconds] = Field(
        default_factory=dict
    )  # of an execution's first user, or schedule
    rate_lateness_s: dict[Count, Seconds] = Field(default_factory=dict)  # number of a rate → how late it was seen
    kept: Annotated[tuple[Kept, ...], Field(max_length=MOST_KEPT)] = ()  # of the first failures
    executions: dict[Text, EngineReport] = Field(default_factory=dict)  # by PlannedExecution.name

    @model_validator(mode="after")
    def _files_have_digests(self) -> Self:
        for files, digests in ((self.interval_files, self.interval_digests), (self.case_files, self.case_digests)):
            if digests and len(digests) != files * DIGEST_LENGTH:
                raise ValueError(f"{len(digests) // DIGEST_LENGTH} digests of {files} files")
        return self

    @property
    def failure(self) -> str | None:
        """Why this worker counts as lost; None when it ended as it should."""
        if self.outcome in ("failed", "stale"):
            return self.message or f"its engine {self.outcome}"
        return None


class RanTask(RecordPart):
    """The task that a worker ran in on Fargate; times in seconds since the epoch, None where AWS has none."""

    arn: str
    region: str
    capacity: str  # FARGATE or FARGATE_SPOT
    pull_started_at: float | None = None  # from here on it costs money
    started_at: float | None = None
    stopped_at: float | None = None


class End(Record):
    """What only the coordinator saw of a run."""

    SCHEMA: ClassVar[str] = "toril.end/1"
    at: float
    lost: dict[str, str] = Field(default_factory=dict)  # worker → why
    stopped: bool | None = None  # False: a stop.json that is there came after the load
    tasks: dict[str, RanTask] = Field(default_factory=dict)  # worker → its last one


class Lease(Record):
    """Who owns the run; renewed every few seconds, by compare-and-swap: there is one owner at a time."""

    SCHEMA: ClassVar[str] = "toril.lease/1"
    owner: str  # of the process, and of no other
    pid: int
    host: str
    renewed_at: float
    expires_s: float = 15.0  # after the renewal; later the run may be taken over
    epoch: int = 1  # counts the owners
    ended: bool = False


class MetricQuery(RecordPart):
    """One metric of the system under test as CloudWatch keeps it, with one statistic."""

    namespace: str
    metric: str
    statistic: str  # as CloudWatch names it: Average, Sum, p95, tm99 …
    dimensions: dict[str, str] = Field(default_factory=dict)
    region: str | None = None  # None: that of the coordinator's environment
    period_s: int = 60
    unit: str | None = None  # only data in this unit; CloudWatch never converts, and returns no units

    @property
    def key(self) -> str:
        """The same for equal queries, different for others; fit to be shown."""
        dimensions = json.dumps(self.dimensions, sort_keys=True, ensure_ascii=False)
        parts = [self.namespace, self.metric, self.statistic, dimensions, f"{self.period_s}s"]
        parts += [self.unit] if self.unit else []
        return " ".join(parts + ([f"in {self.region}"] if self.region else []))


class MetricSeries(MetricQuery):
    """A query with what CloudWatch answered.

    A period with less than `PART_OF_PERIOD_NEEDED` of its time in the load, at either end, need not have a point;
    it counts when it has one.
    """

    points: tuple[tuple[float, float], ...] = ()  # (start of the period, in seconds from the start signal; value)
    complete_to_s: float = 0.0  # seconds from the start signal up to which nothing is missing at the end
    answered: bool = False  # CloudWatch was asked to the end of the wait: a period without a point has no value
    error: str | None = None  # why there are no points, or too few: where, what, the fix


class ServerMetrics(Record):
    """What CloudWatch measured of the system under test; fetched once, by the coordinator, after the load."""

    SCHEMA: ClassVar[str] = "toril.metrics/1"
    queries: tuple[MetricSeries, ...] = ()

    def find(self, query: MetricQuery) -> MetricSeries | None:
        """The answer to `query`; None when it was never asked."""
        return next((series for series in self.queries if series.key == query.key), None)


class Case(RecordPart):
    """One test case that has ended."""

    name: Text
    suite: Text  # its class, or the file or scenario that it is of
    execution: Text
    outcome: CaseOutcome  # failed: an assertion; broken: it could not be carried out
    at_s: Seconds  # when it began, in seconds since the start signal
    duration_us: Count
    message: Text = ""  # why it did not pass
    trace: Text = ""


@dataclass(frozen=True, slots=True)
class CaseFile:
    """Some test cases of one worker; its files are counted from 1."""

    worker: str
    number: int
    cases: Sequence[Case]


def run_key(run_id: str, *parts: str) -> str:
    """`runs/<run-id>/<parts…>`."""
    return "/".join(("runs", run_id, *parts))


def worker_key(run_id: str, worker: str, attempt: str, name: str) -> str:
    """`runs/<run-id>/workers/<worker>/<attempt>/<name>`."""
    return run_key(run_id, "workers", worker, attempt, name)


def rate_key(run_id: str, number: int) -> str:
    """`runs/<run-id>/rates/<number>.json`."""
    return f"runs/{run_id}/rates/{number:06d}.json"


def rates_of(rates: Iterable[Rate], execution: str) -> tuple[Rate, ...]:
    """One execution's, in order."""
    return tuple(rate for rate in rates if rate.execution == execution)


def digest_of(data: bytes) -> str:
    """A file's digest, as `exit.json` has it."""
    return hashlib.sha256(data).hexdigest()[:DIGEST_LENGTH]


def case_file_name(number: int) -> str:
    """The file name of a worker's n-th file of test cases, counted from 1."""
    return f"tests-{number:06d}"


def encode_cases(file: CaseFile) -> bytes:
    head = {"schema": CASES_SCHEMA, "worker": file.worker, "number": file.number, "cases": len(file.cases)}
    lines = [json.dumps(head), *(json.dumps(case.model_dump()) for case in file.cases)]
    return ("\n".join(lines) + "\n").encode()


def decode_cases(data: bytes, where: str) -> CaseFile:
    """What is in it; StoreError, naming `where`, when it is another schema, damaged or cut."""
    try:
        if len(data) > MOST_BYTES_OF_CASES or not data.endswith(b"\n"):
            raise ValueError(f"{len(data):,} bytes are too many, or cut")
        first, *lines = data[:-1].split(b"\n")
        head = parsed(first)
        if not isinstance(head, dict) or head.get("schema") != CASES_SCHEMA:
            raise ValueError(f"no {CASES_SCHEMA!r}; it is of another version")
        if head["cases"] != len(lines) or len(lines) > MOST_CASES:
            raise ValueError(
                f"it has {len(lines)} test cases; its first line says {head['cases']}, and {MOST_CASES} are the most"
            )
        cases = tuple(Case.model_validate(parsed(line)) for line in lines)
        return CaseFile(head["worker"], head["number"], cases)
    except (ValueError, KeyError, OverflowError) as error:
        raise StoreError(f"{where} is damaged: {why(error)}", code="damaged-file") from error
