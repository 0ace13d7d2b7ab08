"""The figures of a run, `summary.json`: `toril.summary/1`.

Durations are whole microseconds, shares are fractions of 1, times `_s` are seconds since the start signal. None means
not measured. A field with a default may be missing in files of older versions and in foreign files.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import Field

from toril.records.document import Count, Few, JsonObject, Number, StoredObject, Text, Word
from toril.records.run import Case

MOST_LABELS = 600_000  # as many as an interval file can hold, of both kinds
MOST_ERRORS = 100_000
TRANSACTION = " (transaction)"  # distinguishes a transaction's label from the same label of requests

FindingCode = Literal[
    "service-saturated",
    "errors-began",
    "idle-connections",
    "dominant-label",
    "periodic-stall",
    "slow-location",
    "drift",
]
FINDING_CODES: tuple[FindingCode, ...] = get_args(FindingCode)

Bounds = tuple[Count | None, Count | None]  # of an interval; None: open


@dataclass(frozen=True, slots=True, kw_only=True)
class Window(JsonObject):
    """A span of time."""

    from_s: Number
    to_s: Number


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyStop(JsonObject):
    """The cause and time of an early end of the load."""

    cause: Text = ""  # as in `stop.json`
    at_s: Number | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LostWorker(JsonObject):
    """A worker that did not report to the end."""

    worker: Text = ""
    reason: Text = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerCounts(JsonObject):
    """The numbers of planned and reporting workers, and their missing data."""

    planned: Count = 0
    reported: Count = 0
    lost: Annotated[tuple[LostWorker, ...], Few] = ()
    damaged_files: Annotated[tuple[Text, ...], Field(max_length=MOST_ERRORS)] = ()
    unreadable_records: Count = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadTotals(JsonObject):
    """Virtual users, and requests or started journeys per second."""

    virtual_users: Number | None = None
    rps: Number | None = None
    journeys_per_s: Number | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionLoad(JsonObject):
    """One execution's load in its own steady state."""

    requested: LoadTotals = LoadTotals()
    achieved: LoadTotals = LoadTotals()
    steady: Window | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Load(JsonObject):
    """Requested and achieved load in the steady state, in total and by execution."""

    requested: LoadTotals = LoadTotals()
    achieved: LoadTotals = LoadTotals()
    executions: Annotated[dict[Text, ExecutionLoad], Few] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorLimits(JsonObject):
    """Limits above which a generator's own delays distort its measurements; fractions as in `Generator`.

    The defaults apply to executors without measured limits.
    """

    cpu: Number = 0.9
    core: Number = 0.9  # also of running and waiting together: the rest is the engine's spare time
    waiting: Number | None = 0.5  # None: not judged, because lateness shows it
    throttled: Number = 0.05
    lateness_us: Number = 5_000  # 90th percentile of the sends; unsaturated machines reach it too
    lateness_of_median: Number = 0.1  # lateness as a share of the median response time; the higher limit counts
    memory: Number = 0.9  # of the control group's limit, or of the machine
    sockets: Number = 0.9  # of the nearest limit: files of a process, or ports


@dataclass(frozen=True, slots=True, kw_only=True)
class Saturation(JsonObject):
    """One figure of one generator that exceeded its limit for too long."""

    what: Text = ""  # cpu, core, machine, crowd, full, waiting, throttled, lateness, memory, sockets
    value: Number = 0.0  # the worst of those seconds; lateness in µs, all others as fractions
    limit: Number = 0.0
    from_s: Count = 0  # the first second of the longest time in a row
    lasted_s: Count = 0  # the length of that time
    seconds: Count = 0  # total time above the limit
    message: Text = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorMaxima(JsonObject):
    """The worst figures of a load generator, or of several. Fractions are of its CPU, of one core, or of a second."""

    cpu_max: Number | None = None
    busiest_core_max: Number | None = None
    machine_max: Number | None = None
    waiting_max: Number | None = None
    throttled_max: Number | None = None
    late_max_us: Number | None = None
    sockets_max: Number | None = None
    memory_max_bytes: Number | None = None
    dropped: Count | None = None  # due requests that were not sent; a sum, as the next figure
    throttled_s: Number | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Generator(GeneratorMaxima):
    """One load generator."""

    cpu_mean: Number | None = None
    late_p99_us: Number | None = None
    memory_limit_bytes: Number | None = None
    longest_above_s: Count | None = None  # seconds in a row with CPU or busiest core above the limit
    first_above_s: Count | None = None
    saturation: Annotated[tuple[Saturation, ...], Few] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Generators(GeneratorMaxima):
    """The worst figures of all load generators, and each of them."""

    saturated: Annotated[tuple[Text, ...], Few] = ()  # workers
    advice: Text | None = None  # for the next run
    limits: Annotated[dict[Text, GeneratorLimits], Few] = field(default_factory=dict)  # by executor
    workers: Annotated[dict[Text, Generator], Few] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseTimes(JsonObject):
    """Response times in µs, and the 95 % intervals of the percentiles."""

    min: Count | None = None
    mean: Count | None = None
    stdev: Count | None = None
    p50: Count | None = None
    p75: Count | None = None
    p90: Count | None = None
    p95: Count | None = None
    p99: Count | None = None
    p99_9: Count | None = None
    p99_99: Count | None = None
    max: Count | None = None
    interval: Annotated[dict[Text, Bounds], Few] = field(default_factory=dict)  # by the percentile's name here


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseTimes(JsonObject):
    """The mean time of a request's phase, in µs, over the samples whose engine reports it."""

    mean: Count | None = None
    samples: Count = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorCount(JsonObject):
    """The number of failures with one message and response code."""

    message: Text = ""
    rc: Text = ""
    count: Count = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelFigures(JsonObject):
    """The figures of one label in the judged window; the empty label means all requests, without transactions."""

    OMITTED_WHEN_NONE: ClassVar[frozenset[str]] = frozenset({"histogram"})

    kind: Literal["request", "transaction", "timing", "tagged"] = "request"
    samples: Count = 0
    failures: Count = 0
    failures_share: Number | None = None
    unfinished: Count = 0
    bytes: Count = 0
    rps: Number | None = None
    resolution_us: Count | None = None
    response_us: ResponseTimes | None = None
    failed_response_us: ResponseTimes | None = None
    ttfb_us: PhaseTimes | None = None
    connect_us: PhaseTimes | None = None
    rc: Annotated[dict[Text, Count], Field(max_length=MOST_ERRORS)] = field(default_factory=dict)
    errors: Annotated[tuple[ErrorCount, ...], Field(max_length=MOST_ERRORS)] = ()
    histogram: tuple[tuple[Count, Count, Count], ...] | None = None  # lowest µs, highest µs, samples; of whole runs


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricFigures(JsonObject):
    """The figures of a check or of a script's own metric in the judged window, in the script's unit.

    None means that the kind has no such figure: percentiles are of trends, sums of trends and counters.
    """

    kind: Literal["check", "trend", "counter", "gauge", "rate"]
    samples: Count = 0
    failures: Count = 0  # checks that did not hold, false values of a rate
    sum: Number | None = None
    min: Number | None = None
    mean: Number | None = None
    max: Number | None = None
    p50: Number | None = None  # with three significant digits, like all percentiles
    p90: Number | None = None
    p95: Number | None = None
    p99: Number | None = None
    per_s: Number | None = None  # per second of the measured time: a counter's sum, else samples

    @property
    def held(self) -> float | None:
        """The share of checks that held, or of true values; None for other kinds."""
        counted = self.kind in ("check", "rate") and self.samples
        return 1 - self.failures / self.samples if counted else None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartFigures(JsonObject):
    """The figures of one execution or location, by label and by the name of a metric."""

    OMITTED_WHEN_NONE: ClassVar[frozenset[str]] = frozenset({"metrics"})

    labels: Annotated[dict[Text, LabelFigures], Field(max_length=MOST_LABELS)] = field(default_factory=dict)
    metrics: Annotated[dict[Text, MetricFigures], Few] = field(default_factory=dict)

    @property
    def total(self) -> LabelFigures:
        """The figures of all its requests."""
        return self.labels.get("") or LabelFigures()

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Returns the figures in `data`; early versions wrote the labels without the object around them."""
        labels, metrics = data.get("labels", data), data.get("metrics", {}) if "labels" in data else {}
        return cls(
            labels={name: LabelFigures.from_dict(figures) for name, figures in labels.items()},
            metrics={name: MetricFigures.from_dict(figures) for name, figures in metrics.items()},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationSecond(JsonObject):
    """One second of one location."""

    samples: Count = 0
    failures: Count = 0
    virtual_users: Count | None = None
    p95_us: Count | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondFigures(LocationSecond):
    """One second of the run, with or without samples."""

    second: Count
    bytes: Count = 0
    planned_users: Count | None = None
    planned_rps: Number | None = None
    journeys: Count | None = None  # that started; None without journeys at a rate
    planned_journeys: Number | None = None
    p50_us: Count | None = None
    p99_us: Count | None = None
    locations: Annotated[dict[Text, LocationSecond], Few] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstFailure(JsonObject):
    """One of an execution's first failures; paths of files are relative to the run's folder."""

    worker: Text = ""
    execution: Text = ""
    label: Text = ""
    message: Text = ""
    at_s: Number = 0.0
    files: Annotated[tuple[Text, ...], Few] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TestResults(JsonObject):
    """The test cases of a functional run by outcome, and all of them in the order of their starts."""

    __test__: ClassVar[bool] = False  # pytest would take it for a class of tests

    total: Count
    passed: Count = 0
    failed: Count = 0
    broken: Count = 0
    skipped: Count = 0
    cases: Annotated[tuple[Case, ...], Field(max_length=MOST_ERRORS)] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RateChange(JsonObject):
    """A change of an execution's rate during the run."""

    OMITTED_WHEN_NONE: ClassVar[frozenset[str]] = frozenset({"unit"})
    execution: Text = ""
    rps: Number = 0.0
    at_s: Number = 0.0
    asked_s: Number = 0.0
    cause: Text = ""  # user or search
    unit: Text | None = None  # of `rps`: journeys/s; None: /s


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseFigures(JsonObject):
    """The figures of all requests in one phase of a fault."""

    samples: Count = 0
    failures: Count = 0
    rps: Number | None = None
    p95_us: Count | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultTimes(JsonObject):
    """A fault during the load. Times are seconds since the start signal; None if it did not begin, or end."""

    what: Text = ""  # its experiment's id, its template's, or its hook
    from_s: Number | None = None
    to_s: Number | None = None
    failure: Text = ""  # why it did not run as planned
    figures: dict[Literal["before", "during", "after"], PhaseFigures] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StageObservation(JsonObject):
    """The value of one criterion in a stage of a capacity search."""

    criterion: Text = ""
    value: Number | None = None
    unit: Annotated[str, Field(max_length=40)] = ""
    breached: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityStage(JsonObject):
    """One stage of a capacity search, judged from `from_s` to `to_s` (exclusive)."""

    OMITTED_WHEN_NONE: ClassVar[frozenset[str]] = frozenset({"in_progress"})
    rps: Number
    kind: Literal["raise", "narrow", "recover", "confirm"] = "raise"
    at_s: Number = 0.0  # the start of its rate
    from_s: Count = 0
    to_s: Count = 0
    outcome: Literal["held", "breached", "void"]
    why: Text = ""
    message: Text = ""
    samples: Count = 0
    achieved_rps: Number | None = None
    in_progress: Number | None = None  # mean number of requests; None: responses fell behind or failed
    observed: Annotated[tuple[StageObservation, ...], Field(max_length=100)] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounded(JsonObject):
    """An estimate and its 95 % interval."""

    value: Number
    low: Number
    high: Number


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling(JsonObject):
    """The Universal Scalability Law of a service; rates in the unit of the search. `toril.stats.usl` explains it.

    `gamma`, `alpha` and `beta` describe the highest rates. They are no figures of parts of the service.
    """

    OMITTED_WHEN_NONE: ClassVar[frozenset[str]] = frozenset(
        {"gamma", "alpha", "beta", "bend_rps", "limit_rps", "doubled_rps"}
    )
    refused: Word = ""  # code of the reason why there is no law
    message: Text = ""
    rates: Count = 0  # number of measured rates
    most_in_progress: Number = 0.0  # requests, as measured
    gamma: Bounded | None = None
    alpha: Bounded | None = None
    beta: Bounded | None = None
    bend_rps: tuple[Number, Number] | None = None  # between these, the mean response time has doubled
    limit_rps: Bounded | None = None
    doubled_rps: Bounded | None = None  # with twice the most requests in progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity(JsonObject):
    """The result of a search for the highest rate that the system under test sustains."""

    OMITTED_WHEN_NONE: ClassVar[frozenset[str]] = frozenset({"unit", "scaling"})
    held_rps: Number | None = None  # None: the lowest rate breached, or nothing is known
    breached_rps: Number | None = None
    limited_by: Text = ""
    exact: bool = False  # False: the search did not finish, and the rates are bounds
    message: Text = ""
    from_rps: Number | None = None
    to_rps: Number | None = None
    until: Annotated[tuple[Text, ...], Field(max_length=100)] = ()
    precision: Number | None = None
    unit: Text | None = None  # of its rates: journeys/s; None: /s
    stages: Annotated[tuple[CapacityStage, ...], Few] = ()
    scaling: Scaling | None = None  # None: no stage has its requests in progress


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceItem(JsonObject):
    """What one resource of the service costs, or why it has no price."""

    resource: Text  # its ARN
    kind: Word
    what: Text  # `2 × 1 vCPU, 2 GiB, arm64`
    usd_hour: Number | None = None  # during the judged time
    grows_with: Literal["", "tasks", "requests"] = ""  # what its cost is proportional to; empty: a fixed cost
    tasks: Number = 0.0  # or instances, if it grows with them
    message: Text = ""  # why it has no price


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceCost(JsonObject):
    """What the service under test costs at list prices during the judged time."""

    as_of: Text  # date of the prices, or the oldest and the newest
    hours: Number
    requests: Count
    items: Annotated[tuple[ServiceItem, ...], Few] = ()

    @property
    def unpriced(self) -> tuple[ServiceItem, ...]:
        return tuple(item for item in self.items if item.usd_hour is None)

    @property
    def per_million_usd(self) -> float | None:
        """The price of a million requests; None if a part of it is unknown, or without requests."""
        known = [item.usd_hour for item in self.items if item.usd_hour is not None]
        if len(known) < len(self.items) or not self.items or not self.requests:
            return None
        return sum(known) * self.hours / self.requests * 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinding(JsonObject):
    """A finding of an automatic analysis, with the figures that show it."""

    code: Word  # FindingCode
    message: Text
    label: Text = ""
    location: Text = ""
    from_s: Number | None = None
    to_s: Number | None = None
    evidence: Annotated[dict[Text, Number | Text], Field(max_length=50)] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary(StoredObject):
    """`summary.json`."""

    OMITTED_WHEN_NONE: ClassVar[frozenset[str]] = frozenset(
        {"tests", "rates", "capacity", "metrics", "tagged", "service_cost", "faults"}
    )

    schema: Literal["toril.summary/1"] = "toril.summary/1"
    run_id: Text = ""
    suite: Text = ""
    tags: Annotated[dict[Text, Text], Few] = field(default_factory=dict)
    started_at: Text | None = None  # ISO 8601, UTC
    duration_s: Number | None = None
    window: Window | None = None  # the judged time: the whole run, or its steady state
    stop: EarlyStop | None = None
    workers: WorkerCounts = WorkerCounts()
    load: Load = field(default_factory=Load)
    generators: Generators | None = None
    labels: Annotated[dict[Text, LabelFigures], Field(max_length=MOST_LABELS)] = field(default_factory=dict)
    executions: Annotated[dict[Text, PartFigures], Few] = field(default_factory=dict)
    locations: Annotated[dict[Text, PartFigures], Few] = field(default_factory=dict)
    metrics: Annotated[dict[Text, MetricFigures], Few] = field(default_factory=dict)  # also checks
    tagged: Annotated[dict[Text, LabelFigures], Field(max_length=MOST_LABELS)] = field(default_factory=dict)
    series: Annotated[tuple[SecondFigures, ...], Field(max_length=1_000_000)] = ()
    first_failures: Annotated[tuple[FirstFailure, ...], Field(max_length=MOST_ERRORS)] = ()
    tests: TestResults | None = None  # of a functional run
    rates: tuple[RateChange, ...] | None = None  # None: no rate was changed during the run
    capacity: Annotated[dict[Text, Capacity], Field(max_length=256)] | None = None  # of searches, by execution
    service_cost: ServiceCost | None = None  # None: the suite names no resources of the service
    faults: Annotated[tuple[FaultTimes, ...], Few] | None = None  # None: the plan has none
    standouts: Annotated[tuple[RunFinding, ...], Field(max_length=100)] = ()  # most severe first

    @property
    def total(self) -> LabelFigures:
        """The figures of all requests."""
        return self.labels.get("") or LabelFigures()
