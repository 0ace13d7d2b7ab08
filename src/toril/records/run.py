"""The records of a run except its plan: launch, ready, start, stop, rates, exit, end, lease, metrics and test cases."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from toril.errors import StoreError
from toril.records.document import Count, Few, Record, RecordPart, Seconds, Text, parsed, why

MOST_FILES = 999_999  # of a kind and worker, because their names have six digits
DIGEST_LENGTH = 16  # hexadecimal digits of a file's SHA-256
MOST_KEPT = 3_000
PROMETHEUS = "Prometheus"  # a namespace
PART_OF_PERIOD_NEEDED = 1 / 6  # a balancer with only one or two requests in a period may report no value
CASES_SCHEMA = "toril.tests/1"
MOST_BYTES_OF_CASES = 1 << 24
MOST_CASES = 2000  # of a file

Step = Literal["setup", "teardown"]
FaultStep = Literal["begun", "started", "ended"]
Version = Literal["base", "head"]
CaseOutcome = Literal["passed", "failed", "broken", "skipped"]
# No HTML pages: a browser would run their scripts.
KeptFile = Annotated[str, Field(pattern=r"^failures/[0-9]{1,6}-[A-Za-z0-9._-]{1,200}\.(?:jpg|txt|zip)$")]
FileCount = Annotated[int, Field(ge=0, le=MOST_FILES)]
Digests = Annotated[str, Field(pattern=rf"^(?:[0-9a-f]{{{DIGEST_LENGTH}}})*$")]  # of all files, in order; "": unknown
ExitCode = Annotated[int, Field(ge=-(1 << 31), lt=1 << 32)]


class Launch(Record):
    """The attempts that the launcher may start; written once, before the first one. No other attempt counts."""

    SCHEMA: ClassVar[str] = "toril.launch/1"
    at: float
    deadline: float  # the whole run ends by then
    attempts: dict[str, tuple[str, ...]]  # worker → nonces of the first attempt and its replacements
    digests: tuple[str, ...] = ()  # of images; empty: a task definition pins its image
    teardown: str = ""  # the nonce of the attempt that runs teardown after the load; empty: there is none

    def issued(self, worker: str, attempt: str) -> bool:
        """Whether the launcher issued this attempt."""
        return attempt in self.attempts.get(worker, ())


class Ready(Record):
    """A worker's engine is started and waits. The first process that writes this record owns the attempt."""

    SCHEMA: ClassVar[str] = "toril.ready/1"
    MOST_BYTES: ClassVar[int | None] = 1 << 20
    worker: Text
    attempt: Text
    at: Seconds
    toril_version: Text
    pid: Count
    instance: Text = ""  # of the process: a task that was started twice has one attempt and two instances
    clock_offset_s: Seconds = 0.0
    clock_uncertainty_s: Seconds = 0.0
    image_digest: Text | None = None
    task: Text | None = None  # its ARN, on Fargate


class StepRecord(Record):
    """The begin of setup, teardown or a script's own setup, or its end. Who writes the begin first runs the step.

    A coordinator that found no begin of setup writes one without an attempt: then setup can no longer run.
    """

    SCHEMA: ClassVar[str] = "toril.step/1"
    MOST_BYTES: ClassVar[int | None] = 1 << 20
    worker: Text
    attempt: Text
    at: Seconds
    instance: Text = ""  # of the process
    failure: Text = ""  # of an end


class FaultRecord(Record):
    """A step of a fault: `begun` before it is started, `started`, `ended`. Each is written once, by any coordinator.

    An end without a start: it was never started, or the start was not reported.
    """

    SCHEMA: ClassVar[str] = "toril.fault/1"
    at: Seconds
    experiment: Text = ""  # its id, from `started` on
    failure: Text = ""  # of an end


class Start(Record):
    """The start signal: load starts at `at` (seconds since the epoch), in these attempts only."""

    SCHEMA: ClassVar[str] = "toril.start/1"
    at: float
    attempts: dict[str, str]  # worker → attempt


class Stop(Record):
    """The signal to end the load early; recorded data is kept and judged."""

    SCHEMA: ClassVar[str] = "toril.stop/1"
    at: float
    # search, decided: a planned end, by the search for a capacity or by the comparison of a duet
    cause: Literal["user", "signal", "criterion", "abort", "deadline", "lost", "search", "decided"]
    message: str
    criterion_fails: bool = False  # cause "criterion": `stop as failed`, not `as non-failed`


class Rate(Record):
    """A rate change of one execution, valid from `at` to its end or the next change.

    Changes are numbered from 1 without gaps and written once. A writer whose number is taken reads that record first.
    """

    SCHEMA: ClassVar[str] = "toril.rate/1"
    number: int
    execution: str  # PlannedExecution.name
    rps: float  # requests per second of all workers together; 0: a pause
    at: float  # seconds since the epoch; late enough for all workers to read it in time
    asked_at: float
    cause: Literal["user", "search"]
    by: str = ""  # user@host, or the coordinator of the run
    before_rps: float | None = None  # the rate until then; None: unknown
    unit: str = "/s"  # or journeys/s


class Kept(RecordPart):
    """One kept failure and its files."""

    execution: Text
    label: Text
    message: Text
    at_s: Seconds  # since the start signal
    files: Annotated[tuple[KeptFile, ...], Field(max_length=10)] = ()  # within the attempt's folder


class MissingValue(RecordPart):
    """Successful responses of a label without a value that another request needs: its extractor found nothing."""

    label: Text
    variable: Text
    responses: Count


class EngineReport(RecordPart):
    """The report of one worker's engine on an execution, after its load."""

    samples: Count = 0  # requests
    unfinished: Count = 0
    dropped: Count | None = None  # due requests that were not sent; None without a schedule
    queued_s: Annotated[Seconds, Field(ge=0)] = 0.0  # its wait for its turn (`sequential`, `capacity`)
    ended_s: Seconds | None = None  # the end of its load, since the start signal
    unfinished_users: Count = 0  # virtual users that ended before completing their iterations
    own_shape: bool = False  # its script defines the load, not the suite
    due_user_s: Annotated[Seconds, Field(ge=0)] | None = None  # user-seconds for which the script's shape asked
    script_errors: dict[Text, Count] = Field(default_factory=dict)  # label → failures without a failed request
    script_failed: Text = ""  # the script's own statement that its run failed
    missing_values: Annotated[tuple[MissingValue, ...], Few] = ()
    # Its script's own, in the full form of `toril.criteria`
    criteria: Annotated[tuple[dict[Text, Text], ...], Few] = ()
    note: Text = ""  # a remark that changes no outcome


class Exit(Record):
    """The counts of a worker's records and files, by which missing files are found; written last."""

    SCHEMA: ClassVar[str] = "toril.exit/1"
    MOST_BYTES: ClassVar[int | None] = 1 << 24
    worker: Text
    attempt: Text
    at: Seconds  # the end of its load; the record is written after all other files
    outcome: Literal["finished", "stopped", "failed", "stale"]
    message: Text = ""
    interval_files: FileCount = 0
    case_files: FileCount = 0  # of test cases, in a functional run
    evidence_files: FileCount = 0  # of requests with their responses
    interval_digests: Digests = ""
    case_digests: Digests = ""
    samples: Count = 0
    unfinished: Count = 0
    unreadable_records: Count = 0  # unreadable rows of the engine's own records
    engine_exit_codes: dict[Text, ExitCode | None] = Field(default_factory=dict)
    engines_killed: Count = 0
    signals: Count = 0
    ended_after_signal_s: Seconds | None = None
    cpu_worker_s: Seconds = 0.0
    cpu_engines_s: Seconds = 0.0
    last_sample_s: Seconds | None = None  # completion of the last sample, in seconds since the start signal
    # Execution → the delay of its first user, or of its schedule.
    first_sample_lateness_s: dict[Text, Seconds] = Field(default_factory=dict)
    rate_lateness_s: dict[Count, Seconds] = Field(default_factory=dict)  # number of a rate change → its delay
    kept: Annotated[tuple[Kept, ...], Field(max_length=MOST_KEPT)] = ()  # the first failures
    executions: dict[Text, EngineReport] = Field(default_factory=dict)  # by PlannedExecution.name

    @model_validator(mode="after")
    def _files_have_digests(self) -> Self:
        for files, digests in ((self.interval_files, self.interval_digests), (self.case_files, self.case_digests)):
            if digests and len(digests) != files * DIGEST_LENGTH:
                raise ValueError(f"it has {len(digests) // DIGEST_LENGTH} digests for {files} files")
        return self

    @property
    def failure(self) -> str | None:
        """Why this worker counts as lost; None if it ended normally."""
        if self.outcome in ("failed", "stale"):
            return self.message or f"its engine ended as {self.outcome}"
        return None


class RanTask(RecordPart):
    """The Fargate task of a worker; times in seconds since the epoch, None if AWS reports none."""

    arn: str
    region: str
    capacity: str  # FARGATE or FARGATE_SPOT
    pull_started_at: float | None = None  # the start of its cost
    started_at: float | None = None
    stopped_at: float | None = None


class End(Record):
    """The coordinator's record of the end of a run."""

    SCHEMA: ClassVar[str] = "toril.end/1"
    at: float
    lost: dict[str, str] = Field(default_factory=dict)  # worker → reason
    stopped: bool | None = None  # False: stop.json was written after the load
    tasks: dict[str, RanTask] = Field(default_factory=dict)  # worker → its last task


class Lease(Record):
    """The coordinator of the run, renewed every few seconds by compare-and-swap, so there is one at a time."""

    SCHEMA: ClassVar[str] = "toril.lease/1"
    owner: str  # unique to the process
    pid: int
    host: str
    renewed_at: float
    expires_s: float = 15.0  # after the renewal; then another process may take over the run
    epoch: int = 1  # counts the coordinators
    ended: bool = False


class MetricQuery(RecordPart):
    """One metric of the system under test: of CloudWatch with one statistic, or of a Prometheus.

    That of a Prometheus has the namespace `Prometheus`, and the name of its query as metric. A value is that at the end
    of its period.
    """

    namespace: str
    metric: str
    statistic: str  # CloudWatch's name: Average, Sum, p95, tm99 …
    dimensions: dict[str, str] = Field(default_factory=dict)
    region: str | None = None  # None: the region of the coordinator's environment
    period_s: int = 60
    unit: str | None = None  # only data in this unit; CloudWatch neither converts nor returns units
    resource: str | None = None  # the `id` in `Plan.service` that it belongs to; None: of a criterion
    version: Version | None = None  # of the resource
    promql: str = ""

    @property
    def source(self) -> str:
        return PROMETHEUS if self.namespace == PROMETHEUS else "CloudWatch"

    @property
    def key(self) -> str:
        """A readable text, equal for equal queries only; Prometheus' has its name, and the version base."""
        if self.namespace == PROMETHEUS:
            return f"{PROMETHEUS} {self.metric}" + " of base" * (self.version == "base")
        dimensions = json.dumps(self.dimensions, sort_keys=True, ensure_ascii=False)
        parts = [self.namespace, self.metric, self.statistic, dimensions, f"{self.period_s}s"]
        parts += [self.unit] if self.unit else []
        parts += [f"of {self.resource}"] if self.resource else []  # asked for apart from a criterion's equal query
        return " ".join(parts + ([f"in {self.region}"] if self.region else []))


class MetricSeries(MetricQuery):
    """A query and the response.

    A period at either end of the load, with less than `PART_OF_PERIOD_NEEDED` of its time in it, may have no point.
    If it has one, it counts.
    """

    points: tuple[tuple[float, float], ...] = ()  # (start of the period, in seconds from the start signal; value)
    complete_to_s: float = 0.0  # the end of the complete data, in seconds from the start signal
    answered: bool = False  # the source was queried to the end of the wait: a period without a point has no value
    error: str | None = None  # why points are missing: place, problem and fix


class ServerMetrics(Record):
    """Metrics of the system under test; the coordinator fetches them once, after the load."""

    SCHEMA: ClassVar[str] = "toril.metrics/1"
    queries: tuple[MetricSeries, ...] = ()

    def find(self, query: MetricQuery) -> MetricSeries | None:
        """Returns the response to `query`; None if it was not sent."""
        return next((series for series in self.queries if series.key == query.key), None)


class Case(RecordPart):
    """One finished test case."""

    name: Text
    suite: Text  # its class, file or scenario
    execution: Text
    outcome: CaseOutcome  # failed: by an assertion; broken: by any other error
    at_s: Seconds  # its start, in seconds since the start signal
    duration_us: Count
    message: Text = ""  # why it did not pass
    trace: Text = ""


@dataclass(frozen=True, slots=True)
class CaseFile:
    """A file of one worker's test cases; numbers start at 1."""

    worker: str
    number: int
    cases: Sequence[Case]


def run_key(run_id: str, *parts: str) -> str:
    """Returns `runs/<run-id>/<parts…>`."""
    return "/".join(("runs", run_id, *parts))


def package_key(sha256: str) -> str:
    """Returns `runs/packages/<SHA-256>`, where all runs find a wheel."""
    return run_key("packages", sha256)


def worker_key(run_id: str, worker: str, attempt: str, name: str) -> str:
    """Returns `runs/<run-id>/workers/<worker>/<attempt>/<name>`."""
    return run_key(run_id, "workers", worker, attempt, name)


def step_key(run_id: str, worker: str, step: str, name: Literal["begun", "ended"]) -> str:
    """Returns the key of a `StepRecord`, in the folder of the worker that runs the step."""
    return worker_key(run_id, worker, step, f"{name}.json")


def given_key(run_id: str, name: str = "") -> str:
    """Returns the key of values that setup gave: outside the run's folder, since only workers may read them."""
    return f"given/{run_id}/{name}"


def rate_key(run_id: str, number: int) -> str:
    """Returns `runs/<run-id>/rates/<number>.json`."""
    return f"runs/{run_id}/rates/{number:06d}.json"


def fault_key(run_id: str, number: int, step: FaultStep) -> str:
    """Returns `runs/<run-id>/faults/<number>/<step>.json`; numbers start at 1."""
    return f"runs/{run_id}/faults/{number}/{step}.json"


def rates_of(rates: Iterable[Rate], execution: str) -> tuple[Rate, ...]:
    """Returns the rate changes of one execution, in order."""
    return tuple(rate for rate in rates if rate.execution == execution)


def digest_of(data: bytes) -> str:
    """Returns a file's digest as in `exit.json`."""
    return hashlib.sha256(data).hexdigest()[:DIGEST_LENGTH]


def case_file_name(number: int) -> str:
    """Returns the name of a worker's n-th file of test cases, counted from 1."""
    return f"tests-{number:06d}"


def encode_cases(file: CaseFile) -> bytes:
    head = {"schema": CASES_SCHEMA, "worker": file.worker, "number": file.number, "cases": len(file.cases)}
    lines = [json.dumps(head), *(json.dumps(case.model_dump()) for case in file.cases)]
    return ("\n".join(lines) + "\n").encode()


def decode_cases(data: bytes, where: str) -> CaseFile:
    """Returns the test cases of a file; StoreError, which names `where`, if it is damaged or has another schema."""
    try:
        if len(data) > MOST_BYTES_OF_CASES:
            raise ValueError(f"it has {len(data):,} bytes, the limit is {MOST_BYTES_OF_CASES:,}")
        if not data.endswith(b"\n"):
            raise ValueError("its last line is incomplete")
        first, *lines = data[:-1].split(b"\n")
        head = parsed(first)
        if not isinstance(head, dict) or head.get("schema") != CASES_SCHEMA:
            raise ValueError(f"it does not have schema {CASES_SCHEMA!r}; another version of toril wrote it")
        if head["cases"] != len(lines) or len(lines) > MOST_CASES:
            raise ValueError(
                f"it has {len(lines)} test cases instead of the {head['cases']} in its first line (limit {MOST_CASES})"
            )
        cases = tuple(Case.model_validate(parsed(line)) for line in lines)
        return CaseFile(head["worker"], head["number"], cases)
    except (ValueError, KeyError, OverflowError) as error:
        raise StoreError(f"{where} is damaged: {why(error)}", code="damaged-file") from error
