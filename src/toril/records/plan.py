"""The plan of a run, `plan.json`: the whole division of the load, as a pure function of suite and options."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import Field

from toril.load.curve import Curve
from toril.load.interleave import Interleave
from toril.load.search import SearchRange
from toril.load.shapes import curve_of
from toril.records.deployment import Architecture
from toril.records.document import Record, RecordPart

LauncherName = Literal["local", "fargate"]

BASE, HEAD = 1, 2  # arms of a duet; 0 outside a duet
ARMS = {BASE: "base", HEAD: "head"}


class Device(RecordPart):
    """The device that a browser emulates."""

    name: str
    width: int
    height: int
    scale: float = 1.0  # device pixels a CSS pixel
    mobile: bool = False  # with a touch screen
    user_agent: str = ""  # "": the browser's own


class Network(RecordPart):
    """The network that a browser emulates."""

    name: str
    latency_ms: float  # added to each request
    down_bytes_s: int
    up_bytes_s: int


class Browser(RecordPart):
    """What the browsers of an execution emulate."""

    device: Device
    network: Network | None = None  # None: the worker's own


class Search(RecordPart):
    """How to search for the highest rate that one execution's target holds."""

    from_rps: float
    to_rps: float
    until: tuple[str | dict[str, Any], ...]  # Taurus' criteria: a stage in which one of them comes true is one too many
    step_s: float = 20.0  # of each stage, …
    settle_s: float = 5.0  # … the first of them not judged
    precision: float = 0.05  # of the highest rate that held: how near the lowest that did not has to be

    @property
    def range(self) -> SearchRange:
        return SearchRange(self.from_rps, self.to_rps, self.precision)


class PlannedExecution(RecordPart):
    """One execution of the suite with the whole run's load; totals over all workers."""

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

    def planned_rate(self, adjustments: Sequence[tuple[float, float]] = ()) -> Curve | None:
        """Returns the rate that counts as planned, from the beginning of its load on; None where it has none.

        `adjustments` are (seconds since then, requests per second) of a running load, in order.
        """
        rate = self.rate
        if rate is None and self.throughput_rps and self.ramp_up_s + self.hold_for_s:
            rate = curve_of(self.throughput_rps, self.ramp_up_s, self.hold_for_s, self.steps)
        if rate is not None:
            for at_s, rps in adjustments:
                rate = rate.changed(at_s, rps)
        return rate

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


class Segment(RecordPart):
    """A worker's part of a script's own load: between two of the fractions at which the whole is divided."""

    own: str  # "1/3:2/3"
    whole: str  # "0,1/3,2/3,1"


class ExecutionShare(RecordPart):
    """What one worker does of one execution. `config` is Taurus' execution item with divided load, no criteria."""

    execution: str  # PlannedExecution.name
    concurrency: int | None = None
    throughput_rps: float | None = None
    phase: float = 0.0  # this worker's place in [0, 1) of one arrival period, so that workers do not beat in step
    interleave: Interleave | None = Field(None, alias="stripe")  # of an open model: its arrivals of the whole schedule
    segment: Segment | None = None  # of a load that only its script knows, and that its engine can divide
    config: dict[str, Any]


class Share(RecordPart):
    """The part of the load that one worker produces, as a Taurus configuration without criteria and reporters."""

    worker: str  # <location>-<n>
    location: str
    index: int  # over all workers of the run, from 0
    executions: tuple[ExecutionShare, ...]
    data_files: dict[str, tuple[int, int]] = Field(default_factory=dict)  # split-data: path → (this part, of parts)


class PlannedCriterion(RecordPart):
    """A criterion as the suite wrote it, and where. `executions` empty: the whole run."""

    source: str | dict[str, Any]
    where: str  # "suite.yml: reporting[0].criteria[1]"
    executions: tuple[str, ...] = ()
    language: Literal["taurus", "toril"] = "taurus"  # passfail's own grammar, or what `toril.criteria` adds to it


class SourcePlace(RecordPart):
    """A line of a file, for those who point at it."""

    file: str  # from the root of its repository; of the working folder, where there is none
    line: int


class Pace(RecordPart):
    """How often the parties of a run look and write, and how long they wait for each other; seconds.

    One value for coordinator and workers: what one of them promises is what the other waits for.
    """

    flush_s: float = 1.0  # between a worker's interval files
    poll_s: float = 0.05  # between a worker's looks for start.json and stop.json
    start_lead_s: float = 0.1  # from start.json written to the signal: twice the time between two looks
    ready_timeout_s: float = 180.0  # a cold JVM on a busy two-core machine is ready within 30 s
    lease_renew_s: float = 2.0
    lease_expires_s: float = 15.0  # seven renewals missed: gone, not merely slow
    orphaned_after_s: float | None = None  # a worker whose run nobody owns for so long ends its load; None: never
    kill_after_s: float = 8.0  # after a stop; a worker ends within 5 s of one
    give_up_s: float = 10.0  # after the kill: who is still there then is lost, and the run ends without it


class TaskSize(RecordPart):
    """What each worker gets on Fargate."""

    cpu: int = 2048  # CPU units
    memory_mib: int = 4096
    architecture: Architecture = "arm64"
    spot: bool = False  # Fargate Spot, and on-demand where there is none
    storage_gib: int | None = None  # None: what the task definition says


@dataclass(frozen=True, slots=True)
class Turn:
    """One arm's part of a block."""

    arm: int
    block: int  # from 1
    starts_s: int  # seconds from the start signal
    ends_s: int  # of its load; requests in flight may finish until the next turn


class Duet(RecordPart):
    """How base and head take turns, and how far head may be worse. Both arms of a block form a pair."""

    base: str  # addresses, without credentials
    head: str
    margin: float  # a change up to it is no regression; 0.03 is 3 %
    blocks: int
    block_s: float  # of steady load, for each arm of a block
    turn_s: int  # a turn's load: the block, and the ramp-up before it
    gap_s: int  # from a turn's load to the next one's
    order: str  # of all turns: A is base, B is head
    labels: tuple[str, ...] = ()  # whose p95 is compared; none: the percentiles that the suite's criteria name

    def turns(self) -> Iterator[Turn]:
        """Every turn, in the order of time."""
        for position, letter in enumerate(self.order):
            starts_s = position * (self.turn_s + self.gap_s)
            yield Turn("AB".index(letter) + 1, position // 2 + 1, starts_s, starts_s + self.turn_s)

    def turns_of(self, arm: int) -> list[Turn]:
        """Those of one arm, in the order of time."""
        return [turn for turn in self.turns() if turn.arm == arm]


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
    on: LauncherName = "local"
    pace: Pace = Pace()
    task: TaskSize | None = None  # None: workers are processes of one machine
    environment: dict[str, str] = Field(default_factory=dict)  # what the command gives to engines on other machines
    secrets: dict[str, str] = Field(default_factory=dict)  # variable → where its value is kept; never the value
    duet: Duet | None = None
    functional: bool = False  # its test cases are what is judged, and each is done once
    warnings: tuple[str, ...] = ()
    warning_codes: tuple[str, ...] = ()  # the causes of `warnings`, in their order

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

    def chosen(self, names: Collection[str] = ()) -> list[PlannedExecution]:
        """The executions of these names; all of them where none is given."""
        return [one for one in self.executions if not names or one.name in names]

    @property
    def adjustable(self) -> tuple[PlannedExecution, ...]:
        """The executions whose rate can be changed while they go on."""
        return tuple(one for one in self.executions if one.adjustable)

    @property
    def searched(self) -> tuple[PlannedExecution, ...]:
        """The executions whose capacity is searched for."""
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
