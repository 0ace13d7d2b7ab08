"""The records of a run: plan, ready, start, stop, exit and what else lies in its folder."""

import hashlib
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from toril.load.curve import Curve
from toril.load.interleave import Interleave
from toril.records.base import Count, Record, Seconds, Text
from toril.records.browser import Browser, Kept
from toril.records.deployment import Architecture
from toril.records.duet import Duet
from toril.records.rate import Search

MOST_FILES = 999_999  # of a kind and worker: their names have six digits
DIGEST_LENGTH = 16  # hexadecimal digits of a file's SHA-256
MOST_KEPT = 3_000


class PlannedExecution(BaseModel):
    """One execution of the suite with the whole run's load; totals over all workers."""

    model_config = ConfigDict(frozen=True)
    name: str  # its scenario's name, with #2, #3 … on repeats
    index: int
    executor: str
    scenario: str
    concurrency: int | None = None
    throughput_rps: float | None = None
    iterations: int | None = None
    steps: int | None = None
    delay_s: float = 0.0
    ramp_up_s: float = 0.0
    hold_for_s: float = 0.0
    browser: Browser | None = None  # of executors that drive one
    labels: tuple[str, ...] = ()  # those of generated requests and transactions; empty when a script names them
    curve: tuple[tuple[float, float], ...] = ()  # of a rate that changes: Curve.points; throughput_rps is its peak
    arm: int = 0  # of a duet, as is all that follows
    block: int = 0
    copy_of: str = ""  # the suite's execution, whose name its measurements have
    lead_s: float | None = None  # so long before its load the engine is started; None: before the run's start
    adjustable: bool = False  # its rate can be changed while it goes on
    search: Search | None = None  # … and is: until it breaches

    @property
    def rate(self) -> Curve | None:
        """How its rate changes from the beginning of its load; None where it does not, or where there is none."""
        return Curve(self.curve) if self.curve else None

    @property
    def series(self) -> str:
        """What its measurements are called."""
        return self.copy_of or self.name

    @property
    def steady_from_s(self) -> float:
        return self.delay_s + self.ramp_up_s

    @property
    def steady_to_s(self) -> float:
        """The end of the hold, or of a ramp-up that has none; with iterations only all after the ramp-up is steady."""
        timed = self.hold_for_s or (self.ramp_up_s and self.iterations is None)
        return self.steady_from_s + self.hold_for_s if timed else float("inf")


class Segment(BaseModel):
    """A worker's part of a script's own load: between two of the fractions at which the whole is divided."""

    model_config = ConfigDict(frozen=True)
    own: str  # "1/3:2/3"
    whole: str  # "0,1/3,2/3,1"


class ExecutionShare(BaseModel):
    """What one worker does of one execution. `config` is Taurus' execution item with divided load, no criteria."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)
    execution: str  # PlannedExecution.name
    concurrency: int | None = None
    throughput_rps: float | None = None
    phase: float = 0.0  # this worker's place in [0, 1) of one arrival period, so that workers do not beat in step
    interleave: Interleave | None = Field(None, alias="stripe")  # of an open model: its arrivals of the whole schedule
    segment: Segment | None = None  # of a load that only its script knows, and that its engine can divide
    config: dict[str, Any]


class Share(BaseModel):
    """The part of the load that one worker produces, as a Taurus configuration without criteria and reporters."""

    model_config = ConfigDict(frozen=True)
    worker: str  # <location>-<n>
    location: str
    index: int  # over all workers of the run, from 0
    executions: tuple[ExecutionShare, ...]
    data_files: dict[str, tuple[int, int]] = Field(default_factory=dict)  # split-data: path → (this part, of parts)


class PlannedCriterion(BaseModel):
    """A criterion as the suite wrote it, and where. `executions` empty: the whole run."""

    model_config = ConfigDict(frozen=True)
    source: str | dict[str, Any]
    where: str  # "suite.yml: reporting[0].criteria[1]"
    executions: tuple[str, ...] = ()
    language: Literal["taurus", "toril"] = "taurus"  # passfail's own grammar, or what `toril.criteria` adds to it


class SourcePlace(BaseModel):
    """A line of a file, for those who point at it."""

    model_config = ConfigDict(frozen=True)
    file: str  # from the root of its repository; of the working folder, where there is none
    line: int


class Pace(BaseModel):
    """How often the parties of a run look and write, and how long they wait for each other; seconds.

    One value for coordinator and workers: what one of them promises is what the other waits for.
    """

    model_config = ConfigDict(frozen=True)
    flush_s: float = 1.0  # between a worker's interval files
    poll_s: float = 0.1  # between a worker's looks for start.json and stop.json
    start_lead_s: float = 0.4  # from start.json written to the signal: long enough for every worker to see it
    ready_timeout_s: float = 180.0  # a cold JVM on a busy two-core machine is ready within 30 s
    lease_renew_s: float = 2.0
    lease_expires_s: float = 15.0  # seven renewals missed: gone, not merely slow
    orphaned_after_s: float | None = None  # a worker whose run nobody owns for so long ends its load; None: never
    kill_after_s: float = 8.0  # after a stop; a worker ends within 5 s of one
    give_up_s: float = 10.0  # after the kill: who is still there then is lost, and the run ends without it


class TaskSize(BaseModel):
    """What each worker gets on Fargate."""

    model_config = ConfigDict(frozen=True)
    cpu: int = 2048  # CPU units
    memory_mib: int = 4096
    architecture: Architecture = "arm64"
    spot: bool = False  # Fargate Spot, and on-demand where there is none
    storage_gib: int | None = None  # None: what the task definition says


class Plan(Record):
    """The whole division of the load: a pure function of suite and options."""

    SCHEMA: ClassVar[str] = "toril.plan/1"
    run_id: str
    suite: str
    toril_version: str
    tags: dict[str, str] = Field(default_factory=dict)
    files: dict[str, str] = Field(default_factory=dict)  # path in the run's suite/ → SHA-256; filled in by publishing
    executions: tuple[PlannedExecution, ...]
    shares: tuple[Share, ...]
    common: dict[str, Any]  # the Taurus configuration shared by all workers: scenarios, settings, modules, services …
    criteria: tuple[PlannedCriterion, ...] = ()
    places: dict[str, SourcePlace] = Field(default_factory=dict)  # PlannedCriterion.where → where it is written
    ramp_up_exclude: bool = False
    quorum: float = 1.0
    graceful_stop_s: float = 30.0
    metrics_wait_s: float = 300.0  # longest wait for CloudWatch after the last of its periods
    max_duration_s: float | None = None
    on: Literal["local", "fargate"] = "local"
    pace: Pace = Pace()
    task: TaskSize | None = None  # None: workers are processes of one machine
    environment: dict[str, str] = Field(default_factory=dict)  # what the command gives to engines on other machines
    secrets: dict[str, str] = Field(default_factory=dict)  # variable → where its value is kept; never the value
    duet: Duet | None = None
    functional: bool = False  # its test cases are what is judged, and each is done once
    warnings: tuple[str, ...] = ()

    @property
    def duration_s(self) -> float:
        """Planned seconds of load from the start signal; 0 when only iterations bound it."""
        return max((e.steady_from_s + e.hold_for_s for e in self.executions), default=0.0)

    @property
    def bounded_s(self) -> float | None:
        """The most seconds of load from the start signal; None when an execution is bounded by iterations only."""
        if not all(e.ramp_up_s + e.hold_for_s for e in self.executions):
            return None
        if self.in_turns:
            return sum(e.steady_from_s + e.hold_for_s for e in self.executions)
        return self.duration_s

    @property
    def in_turns(self) -> bool:
        """Whether executions of a worker wait for each other (`modules.local.sequential`, `capacity`)."""
        modules = self.common.get("modules")
        local = modules.get("local") if isinstance(modules, dict) else None
        return isinstance(local, dict) and bool(local.get("sequential") or local.get("capacity"))

    @property
    def adjustable(self) -> tuple[PlannedExecution, ...]:
        """The executions whose rate can be changed while they go on."""
        return tuple(one for one in self.executions if one.adjustable)

    @property
    def searched(self) -> tuple[PlannedExecution, ...]:
        """The executions whose capacity is looked for."""
        return tuple(one for one in self.executions if one.search is not None)

    @property
    def locations(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(share.location for share in self.shares))


class SuiteOrigin(Record):
    """Which version of the suite was run, where its folder is part of a git repository."""

    SCHEMA: ClassVar[str] = "toril.suite/1"
    commit: str
    branch: str | None = None  # None: not on a branch, as in most CI
    changed: tuple[str, ...] = ()  # files of the suite that are not as in the commit, from the repository's root

    @property
    def tag(self) -> str:
        """The commit in short, and a plus sign when the suite is not quite what was committed."""
        return self.commit[:12] + ("+" if self.changed else "")


class Launch(Record):
    """What the launcher may start: written once, before anything is; no other attempt counts."""

    SCHEMA: ClassVar[str] = "toril.launch/1"
    at: float
    deadline: float  # nothing of the run goes on after it
    attempts: dict[str, tuple[str, ...]]  # worker → nonces: the first try, and what may replace it
    digests: tuple[str, ...] = ()  # of the images that workers may be of; empty: any

    def issued(self, worker: str, attempt: str) -> bool:
        """Whether the launcher knows this attempt."""
        return attempt in self.attempts.get(worker, ())


class Ready(Record):
    """A worker's engine is started and parked; the first process that says so has the attempt to itself."""

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


class EngineReport(BaseModel):
    """What one worker's engine reported of an execution when its load was over."""

    model_config = ConfigDict(frozen=True)
    samples: Count = 0  # requests
    unfinished: Count = 0
    dropped: Count | None = None  # sends that were due and never made; None without a schedule
    queued_s: Annotated[Seconds, Field(ge=0)] = 0.0  # how long it waited for its turn (`sequential`, `capacity`)
    ended_s: Seconds | None = None  # when its load was over, since the start signal
    unfinished_users: Count = 0  # that ended before their iterations were done
    own_shape: bool = False  # its script decides on its load, whatever the suite says
    script_errors: dict[Text, Count] = Field(default_factory=dict)  # label → failures that no failed request explains
    script_failed: Text = ""  # the script's own statement that its run failed, in words
    note: Text = ""  # what a reader should know, and what changes no outcome


FileCount = Annotated[int, Field(ge=0, le=MOST_FILES)]
Digests = Annotated[str, Field(pattern=rf"^(?:[0-9a-f]{{{DIGEST_LENGTH}}})*$")]  # of each file, in order; "": unknown
ExitCode = Annotated[int, Field(ge=-(1 << 31), lt=1 << 32)]


class Exit(Record):
    """A worker's last word: what it recorded, so that a missing file is noticed."""

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


class RanTask(BaseModel):
    """What a worker ran in on Fargate; times in seconds since the epoch, None where AWS said none."""

    model_config = ConfigDict(frozen=True)
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


def digest_of(data: bytes) -> str:
    """A file's digest, as `exit.json` has it."""
    return hashlib.sha256(data).hexdigest()[:DIGEST_LENGTH]


def run_key(run_id: str, *parts: str) -> str:
    """`runs/<run-id>/<parts…>`."""
    return "/".join(("runs", run_id, *parts))


def worker_key(run_id: str, worker: str, attempt: str, name: str) -> str:
    """`runs/<run-id>/workers/<worker>/<attempt>/<name>`."""
    return run_key(run_id, "workers", worker, attempt, name)
