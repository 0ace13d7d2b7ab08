"""The plan of a run, `plan.json`: the division of the load, which depends on suite and options only."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import Field

from toril.errors import Note
from toril.load.curve import Curve
from toril.load.interleave import Interleave
from toril.load.model import BY_SCHEDULE, Model, unit_of
from toril.load.search import SearchRange
from toril.load.shapes import curve_of
from toril.records.deployment import Architecture
from toril.records.document import Record, RecordPart
from toril.records.event import NoticeEvent, NoticeFormat
from toril.records.evidence import MOST_EXCHANGES, MOST_EXCHANGES_OF_TRY, MOST_FILES_OF_EVIDENCE, MOST_FILES_OF_TRY
from toril.records.run import Version

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
    """The device and network that the browsers of an execution emulate."""

    device: Device
    network: Network | None = None  # None: the worker's own


class Search(RecordPart):
    """The search for the highest rate that the system under test of one execution sustains."""

    from_rps: float
    to_rps: float
    until: tuple[str | dict[str, Any], ...]  # criteria: a rate that breaches one of them is too high
    step_s: float = 20.0  # length of a stage
    settle_s: float = 5.0  # the part at its start that is not judged
    precision: float = 0.05  # relative distance between the highest sustained rate and the lowest breached one

    @property
    def range(self) -> SearchRange:
        return SearchRange(self.from_rps, self.to_rps, self.precision)


class Journey(RecordPart):
    """One pass through a scenario. A label of it counts the passes that the service answered."""

    requests: int | None = None  # None: blocks decide about them
    first: str  # an early label that each pass has equally often
    times: int = 1  # how often


class ScriptGroup(RecordPart):
    """A thread group of a JMX that brings its own load."""

    name: str
    users: int = 0
    arrivals_per_s: float = 0.0  # the highest rate


class ScriptLoad(RecordPart):
    """The load of a script, without load keys in the suite.

    Workers divide it, or each of them repeats it. `undividable` is the reason why several workers cannot divide it.
    """

    mode: Literal["divide", "repeat"] = "divide"
    groups: tuple[ScriptGroup, ...] = ()  # of a JMX
    # Curve.points of all workers' users; empty: the plan does not know them
    users: tuple[tuple[float, float], ...] = ()
    think_s: float = 0.0  # users may leave this long before their end: JMeter begins no longer pause
    undividable: str = ""


class PlannedExecution(RecordPart):
    """One execution of the suite with the load of the whole run, in total over all workers."""

    name: str  # its scenario's name, with #2, #3 … for repeats
    index: int
    executor: str
    # Plans of older versions have no model.
    model: Model = Field(default_factory=lambda given: "requests" if given.get("executor") == "vegeta" else "users")
    scenario: str
    concurrency: int | None = None
    throughput_rps: float | None = None  # requests per second; in the model `arrivals`, journeys per second
    iterations: int | None = None
    steps: int | None = None
    delay_s: float = 0.0
    ramp_up_s: float = 0.0
    hold_for_s: float = 0.0
    browser: Browser | None = None  # of executors that drive browsers
    labels: tuple[str, ...] = ()  # of generated requests and transactions; empty if a script names them
    curve: tuple[tuple[float, float], ...] = ()  # Curve.points of a changing rate; throughput_rps is its peak
    arm: int = 0  # of a duet; block, copy_of and lead_s too
    block: int = 0
    copy_of: str = ""  # the suite's execution, which gives its measurements their name
    lead_s: float | None = None  # the engine starts this long before its load; None: before the run's start
    adjustable: bool = False  # its rate can be changed during the run
    search: Search | None = None  # a search changes its rate until it breaches
    journey: Journey | None = None  # in the model `arrivals`; None: no label has the same number in each pass
    script_load: ScriptLoad | None = None  # None: the suite's load, or results of another tool

    @property
    def by_schedule(self) -> bool:
        """Whether requests or journeys begin by a schedule, without virtual users that wait."""
        return self.model in BY_SCHEDULE

    @property
    def script_users(self) -> Curve | None:
        """The users of a script's own load, from its start on; None if the plan does not know them."""
        return Curve(self.script_load.users) if self.script_load and self.script_load.users else None

    @property
    def rate(self) -> Curve | None:
        """Its changing rate, from the start of its load on; None if the rate is constant or there is none."""
        return Curve(self.curve) if self.curve else None

    def planned_rate(self, adjustments: Sequence[tuple[float, float]] = ()) -> Curve | None:
        """Returns the planned rate, from the start of its load on; None if it has no rate.

        `adjustments` are (seconds since the start of its load, requests per second), in order.
        """
        rate = self.rate
        if rate is None and self.throughput_rps and self.ramp_up_s + self.hold_for_s:
            rate = curve_of(self.throughput_rps, self.ramp_up_s, self.hold_for_s, self.steps)
        if rate is not None:
            for at_s, rps in adjustments:
                rate = rate.changed(at_s, rps)
        return rate

    @property
    def requests_per_due(self) -> int:
        """The requests of what its rate counts: one, or those of a journey; if they are unknown, one of each label."""
        if self.model != "arrivals":
            return 1
        return (self.journey and self.journey.requests) or max(1, len(self.labels))

    @property
    def rate_unit(self) -> str:
        return unit_of(self.model)

    @property
    def series(self) -> str:
        """The name of its measurements."""
        return self.copy_of or self.name

    @property
    def steady_from_s(self) -> float:
        return self.delay_s + self.ramp_up_s

    @property
    def steady_to_s(self) -> float:
        """The end of the hold (or of a ramp-up without hold) in seconds; infinite with iterations only."""
        timed = self.hold_for_s or (self.ramp_up_s and self.iterations is None)
        return self.steady_from_s + self.hold_for_s if timed else float("inf")


class Segment(RecordPart):
    """A worker's part of a script's own load: between two of the fractions that divide the whole."""

    own: str  # "1/3:2/3"
    whole: str  # "0,1/3,2/3,1"


class ExecutionShare(RecordPart):
    """One worker's part of one execution. `config` is a Taurus execution item with its share of the load."""

    execution: str  # PlannedExecution.name
    concurrency: int | None = None
    first_user: int = 0  # users of the workers before it
    throughput_rps: float | None = None
    phase: float = 0.0  # the worker's offset in [0, 1) of an arrival period, so that workers do not send in step
    # Of an open model: the worker's arrivals in the schedule. Of a script's own load: its users and arrivals.
    interleave: Interleave | None = Field(None, alias="stripe")
    segment: Segment | None = None  # of a script's own load, if its engine can divide that
    script_users: tuple[int, ...] = ()  # of each group of a JMX
    config: dict[str, Any]


class Share(RecordPart):
    """One worker's part of the load, as a Taurus configuration without criteria and reporters."""

    worker: str  # <location>-<n>
    location: str
    index: int  # over all workers of the run, from 0
    executions: tuple[ExecutionShare, ...]
    data_files: dict[str, tuple[int, int]] = Field(default_factory=dict)  # split-data: path → (part, number of parts)


class PlannedCriterion(RecordPart):
    """A criterion as written in the suite, and its place. `executions` empty: the whole run."""

    source: str | dict[str, Any]
    where: str  # "suite.yml: reporting[0].criteria[1]"
    executions: tuple[str, ...] = ()
    language: Literal["taurus", "toril"] = "taurus"  # the grammar: of passfail, or of `toril.criteria`


class Keeping(RecordPart):
    """The requests and responses that workers keep."""

    failures: int = 3  # of each label and error
    body_bytes: int = 4096
    slowest: tuple[str, ...] = ("",)  # labels whose slowest request is kept; "": of all requests
    everything: bool = False  # a try keeps each request

    @property
    def most_exchanges(self) -> int:
        return MOST_EXCHANGES_OF_TRY if self.everything else MOST_EXCHANGES

    @property
    def most_files(self) -> int:
        """The limit of a worker's files."""
        return MOST_FILES_OF_TRY if self.everything else MOST_FILES_OF_EVIDENCE


class Notice(RecordPart):
    """A webhook and the events that it gets. It has an address, or a variable with one."""

    webhook: str = ""
    variable: str = ""  # of `Plan.secrets` or the environment; the plan never has its value
    secret: str = ""  # the variable of the key that signs its events; empty: they have no signature
    format: NoticeFormat = "toril"
    on: tuple[NoticeEvent, ...] = ()


class SourcePlace(RecordPart):
    """A line of a file, for annotations."""

    file: str  # relative to the root of its repository; without one, to the working folder
    line: int


class Pace(RecordPart):
    """The intervals and timeouts of coordinator and workers, in seconds.

    Both use the same values, because each waits for the other.
    """

    flush_s: float = 1.0  # between a worker's interval files
    poll_s: float = 0.05  # between a worker's polls for start.json and stop.json
    start_lead_s: float = 0.1  # from writing start.json to the start signal: two polls
    ready_timeout_s: float = 180.0  # a cold JVM on a busy two-core machine is ready within 30 s
    lease_renew_s: float = 2.0
    lease_expires_s: float = 15.0  # seven missed renewals: the coordinator is gone, not only slow
    orphaned_after_s: float | None = None  # a worker ends its load without a coordinator for this long; None: never
    kill_after_s: float = 8.0  # after a stop; a worker ends within 5 s of one
    give_up_s: float = 10.0  # after the kill: a worker that still runs is lost, and the run ends without it


class OnceScript(RecordPart):
    """A script of the suite that one worker runs once, before or after the load."""

    script: str
    limit_s: float  # then it is killed, and has failed


class Fault(RecordPart):
    """A fault of the service during the load: an experiment of AWS FIS, or a command of the suite on this machine."""

    at_s: float  # since the start signal
    for_s: float | None = None  # None: until the experiment ends by itself
    experiment: str = ""  # id of its template
    region: str = ""  # of the template; empty: that of the coordinator's environment
    hook: str = ""  # gets the argument `start`, and later `stop`


class TaskSize(RecordPart):
    """The size of a worker's task on Fargate."""

    cpu: int = 2048  # CPU units
    memory_mib: int = 4096
    architecture: Architecture = "arm64"
    spot: bool = False  # Fargate Spot, or on-demand if Spot has no capacity
    storage_gib: int | None = None  # None: as in the task definition


@dataclass(frozen=True, slots=True)
class Turn:
    """One arm's part of a block."""

    arm: int
    block: int  # from 1; 0 is the warm-up, which is never compared
    starts_s: float  # seconds from the start signal
    ends_s: float  # the end of its load; requests in flight may finish before the next turn


class Duet(RecordPart):
    """The turns of base and head, and the margin. Both arms of a block form a pair.

    Engines of the restarted form start for each turn. Those of the switched form run through and send in turns.
    """

    base: str  # addresses, without credentials
    head: str
    margin: float  # a change up to it is no regression; 0.03 is 3 %
    blocks: int  # the most
    block_s: float  # steady state of each arm in a block
    turn_s: int  # the load of a turn: block and ramp-up
    gap_s: float  # between the loads of two turns
    order: str  # of all turns but the warm-up: A is base, B is head
    labels: tuple[str, ...] = ()  # these are compared; empty: the labels of the suite's criteria
    switched: bool = False  # engines run through, with two copies of each execution: one an arm, both of block 0
    warm_s: int = 0  # the load of each arm's warm-up turn; 0: there is none
    together: tuple[str, ...] = ()  # series whose two copies are one process
    seed: int = 0  # of `order`
    looks: tuple[int, ...] = ()  # pairs after which the rule may decide; empty: at the end only
    metrics: tuple[str, ...] = ()  # p95, failures …; empty: percentiles of the criteria (or p95), and failures
    failures_margin: float | None = None  # for shares of failures: 0.01 is one point; None: `margin`
    aa: bool = False  # both addresses are base: each failure is a false alarm
    first_half: str = ""  # the run before the exchange of both deployments
    two_hosts: bool = False  # base and head differ by their hosts, too: these are not exchanged
    common_mix: bool = False  # percentiles of all requests give each label the same weight in both arms of a pair

    def turns(self) -> Iterator[Turn]:
        """Yields all turns in order of time: first the warm-up of base and that of head, if there is any."""
        first_s = 0.0
        for arm in ARMS if self.warm_s else ():
            yield Turn(arm, 0, first_s, first_s + self.warm_s)
            first_s = round(first_s + self.warm_s + self.gap_s, 3)
        for position, letter in enumerate(self.order):
            starts_s = round(first_s + position * (self.turn_s + self.gap_s), 3)
            yield Turn("AB".index(letter) + 1, position // 2 + 1, starts_s, round(starts_s + self.turn_s, 3))

    def turns_of(self, arm: int) -> list[Turn]:
        """Returns the turns of one arm in order of time."""
        return [turn for turn in self.turns() if turn.arm == arm]

    def pairs_complete(self, at_s: float) -> int:
        """Returns the number of pairs whose load has ended `at_s` seconds after the start signal."""
        return sum(turn.block > 0 and turn.ends_s <= at_s for turn in self.turns()) // 2


class EarlierAsked(RecordPart):
    """The wish to compare this run with earlier ones of its suite."""

    runs: int = 12  # the most, the newest first
    labels: tuple[str, ...] = ()  # p95 of these is compared; empty: of all requests
    margin: float = 0.03  # a change up to it is no regression; for failures a difference of shares


ServiceKind = Literal[
    "load-balancer",
    "target-group",
    "ecs-service",
    "lambda",
    "auto-scaling-group",
    "database",
    "cache",
    "queue",
    "table",
    "prometheus",
]


class ServiceResource(RecordPart):
    """A resource of the system under test."""

    kind: ServiceKind
    id: str  # the ARN; the address of a `prometheus`
    # As found, with units in the names: tasks, vcpu, memory_mib, arch, class, instances, storage_gib …
    size: dict[str, float | str] = Field(default_factory=dict)
    version: Version | None = None  # the version in a duet that it serves alone
    queries: dict[str, str] = Field(default_factory=dict)  # of a `prometheus`: name → PromQL
    step_s: int = 15  # of their values
    token: str = ""  # the variable in `Plan.secrets` that it needs


class Plan(Record):
    """The division of the load over executions and workers."""

    SCHEMA: ClassVar[str] = "toril.plan/1"
    run_id: str
    suite: str
    toril_version: str
    tags: dict[str, str] = Field(default_factory=dict)
    stage: str = ""  # of the suite; empty: none
    part: tuple[str, ...] = ()  # the executions that run, if options leave out others of the suite
    files: dict[str, str] = Field(default_factory=dict)  # path in the run's suite/ → SHA-256; filled in by publishing
    packages: dict[str, dict[str, str]] = Field(default_factory=dict)  # platform → wheel → SHA-256; by publishing, too
    named_files: tuple[str, ...] | None = None  # those that change a run; None in plans of older versions: all
    executions: tuple[PlannedExecution, ...]
    shares: tuple[Share, ...]
    common: dict[str, Any]  # the Taurus configuration shared by all workers: scenarios, settings, modules, services …
    criteria: tuple[PlannedCriterion, ...] = ()
    places: dict[str, SourcePlace] = Field(default_factory=dict)  # PlannedCriterion.where → its line
    ramp_up_exclude: bool = False
    quorum: float = 1.0
    graceful_stop_s: float = 30.0
    metrics_wait_s: float = 300.0  # longest wait for CloudWatch after the last of its periods
    max_duration_s: float | None = None
    on: LauncherName = "local"
    pace: Pace = Pace()
    task: TaskSize | None = None  # None: workers are processes of one machine
    environment: dict[str, str] = Field(default_factory=dict)  # variables for engines on other machines
    secrets: dict[str, str] = Field(default_factory=dict)  # variable → reference of its secret; never the value
    consume_once: dict[str, int] = Field(default_factory=dict)  # path → rows; 0: unknown, since setup may give others
    setup: OnceScript | None = None
    teardown: OnceScript | None = None
    faults: tuple[Fault, ...] = ()  # in order; none begins before the end of the last
    duet: Duet | None = None
    earlier: EarlierAsked | None = None  # the comparison with earlier runs; None: not wanted
    tried: bool = False  # one user and one iteration of each scenario, all requests kept; no load test
    keeping: Keeping | None = None  # None: workers keep no requests
    traceparent: bool = False  # whether requests carry a W3C trace context
    trace_link: str = ""  # address of a trace, with `{trace_id}`
    xray: str | None = None  # region of X-Ray's traces, empty: the environment's; None: they are not read
    log_groups: tuple[str, ...] = ()  # names or ARNs
    require_values: bool = False  # whether a response without a value that another request needs has failed
    request_tags: tuple[str, ...] = ()  # the names of requests' tags to record
    metrics: dict[str, str] = Field(default_factory=dict)  # variable of JMeter → kind, or `kind of label`
    notices: tuple[Notice, ...] = ()
    service: tuple[ServiceResource, ...] = ()  # their standard metrics are read after the load
    audits_off: tuple[str, ...] = ()  # codes
    page_bytes: int = 3 << 20  # of the data for windows in report.html
    functional: bool = False  # runs each test case once, and judges only these
    warnings: tuple[str, ...] = ()
    warning_codes: tuple[str, ...] = ()  # the codes of `warnings`, in the same order

    @property
    def notes(self) -> tuple[Note, ...]:
        """The warnings with their codes; plans of older versions have none."""
        codes = (*self.warning_codes, *("" for _ in self.warnings))
        return tuple(map(Note, codes, self.warnings))

    @property
    def scope(self) -> tuple[str, ...]:
        """What the run covers of its suite, in words: `stage staging`, `only buy`; empty for all of it."""
        words = {"stage": self.stage, "only": ", ".join(self.part)}
        return tuple(f"{word} {name}" for word, name in words.items() if name)

    @property
    def secrets_of_workers(self) -> dict[str, str]:
        """The secrets without those of webhooks and Prometheus, which only the coordinator of the run reads."""
        own = {name for notice in self.notices for name in (notice.variable, notice.secret)}
        own |= {resource.token for resource in self.service}
        return {name: place for name, place in self.secrets.items() if name not in own}

    @property
    def step_worker(self) -> str:
        """The worker that runs setup and teardown."""
        return self.shares[0].worker

    @property
    def duration_s(self) -> float:
        """Planned seconds of load from the start signal; 0 if only iterations limit it."""
        return max((e.steady_from_s + e.hold_for_s for e in self.executions), default=0.0)

    @property
    def bounded_s(self) -> float | None:
        """The maximum seconds of load from the start signal; None if only iterations limit an execution."""
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
        """Returns the executions with these names; all of them without names."""
        return [execution for execution in self.executions if not names or execution.name in names]

    @property
    def adjustable(self) -> tuple[PlannedExecution, ...]:
        """The executions whose rate can be changed during the run."""
        return tuple(execution for execution in self.executions if execution.adjustable)

    @property
    def searched(self) -> tuple[PlannedExecution, ...]:
        """The executions with a capacity search."""
        return tuple(execution for execution in self.executions if execution.search is not None)

    @property
    def locations(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(share.location for share in self.shares))


class SuiteOrigin(Record):
    """The version of the suite, if its folder is in a git repository."""

    SCHEMA: ClassVar[str] = "toril.suite/1"
    commit: str
    branch: str | None = None  # None: not on a branch, as in most CI
    changed: tuple[str, ...] = ()  # files that differ from the commit, relative to the repository's root

    @property
    def tag(self) -> str:
        """The short commit, and a plus sign if the suite differs from it."""
        return self.commit[:12] + ("+" if self.changed else "")
