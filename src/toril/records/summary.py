"""The figures of a run, `summary.json`: `toril.summary/1`.

Durations are whole microseconds, shares are fractions of 1, times `_s` are seconds since the start signal. None is what
was not measured. A field with a default may be missing: in a file of an older version, or of a stranger.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field

from toril.records.document import Count, Few, JsonObject, Number, StoredObject, Text
from toril.records.run import Case

MOST_LABELS = 600_000  # what an interval file can hold, of both kinds
MOST_ERRORS = 100_000

Bounds = tuple[Count | None, Count | None]  # of an interval; None: open at that end


@dataclass(frozen=True, slots=True, kw_only=True)
class Window(JsonObject):
    """A span of time."""

    from_s: Number
    to_s: Number


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyStop(JsonObject):
    """What ended the load before its planned end, and when."""

    cause: Text = ""  # as in `stop.json`
    at_s: Number | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LostWorker(JsonObject):
    """A worker that did not report to the end."""

    worker: Text = ""
    reason: Text = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerCounts(JsonObject):
    """How many workers were planned and reported, and what of their files is missing."""

    planned: Count = 0
    reported: Count = 0
    lost: Annotated[tuple[LostWorker, ...], Few] = ()
    damaged_files: Annotated[tuple[Text, ...], Field(max_length=MOST_ERRORS)] = ()
    unreadable_records: Count = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadTotals(JsonObject):
    """Virtual users and requests per second."""

    virtual_users: Number | None = None
    rps: Number | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionLoad(JsonObject):
    """One execution's load in its own steady time."""

    requested: LoadTotals = LoadTotals()
    achieved: LoadTotals = LoadTotals()
    steady: Window | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Load(JsonObject):
    """The load that was requested and reached in steady time, in total and by execution."""

    requested: LoadTotals = LoadTotals()
    achieved: LoadTotals = LoadTotals()
    executions: Annotated[dict[Text, ExecutionLoad], Few] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorLimits(JsonObject):
    """Figures from which on a generator's own slowness shows in its measurements; fractions as in `Generator`.

    The defaults are those of executors without limits of their own.
    """

    cpu: Number = 0.9
    core: Number = 0.9  # also of running and waiting together: the rest is all the spare time that the engine had
    waiting: Number | None = 0.5  # None: not judged; lateness shows it instead
    throttled: Number = 0.05
    lateness_us: Number = (
        5_000  # of the 90th percentile of sends; machines are as late as that without being in trouble
    )
    lateness_of_median: Number = 0.1  # of the median response time: as much does no harm. The higher limit counts.
    memory: Number = 0.9  # of the control group's limit, or of the machine
    sockets: Number = 0.9  # of the nearest limit: files of a process, or ports


@dataclass(frozen=True, slots=True, kw_only=True)
class Saturation(JsonObject):
    """One figure of one generator that was above its limit for too long."""

    what: Text = ""  # cpu, core, machine, crowd, full, waiting, throttled, lateness, memory, sockets
    value: Number = 0.0  # the worst of those seconds; lateness in µs, all else a fraction
    limit: Number = 0.0
    from_s: Count = 0  # the first second of the longest time in a row
    lasted_s: Count = 0  # how long that was
    seconds: Count = 0  # above the limit in all
    message: Text = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Generator(JsonObject):
    """One load generator. Fractions are of the CPU that it may use, of one core, or of a second."""

    cpu_max: Number | None = None
    cpu_mean: Number | None = None
    busiest_core_max: Number | None = None
    machine_max: Number | None = None
    waiting_max: Number | None = None
    throttled_max: Number | None = None
    throttled_s: Number | None = None
    late_max_us: Number | None = None
    late_p99_us: Number | None = None
    dropped: Count | None = None  # sends that were due and never made
    sockets_max: Number | None = None
    memory_max_bytes: Number | None = None
    memory_limit_bytes: Number | None = None
    longest_above_s: Count | None = None  # seconds in a row with CPU or busiest core above the limit
    first_above_s: Count | None = None
    saturation: Annotated[tuple[Saturation, ...], Few] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Generators(JsonObject):
    """The worst figures of all load generators, and each of them."""

    cpu_max: Number | None = None
    busiest_core_max: Number | None = None
    machine_max: Number | None = None
    waiting_max: Number | None = None
    throttled_max: Number | None = None
    late_max_us: Number | None = None
    dropped: Count | None = None
    sockets_max: Number | None = None
    memory_max_bytes: Number | None = None
    throttled_s: Number | None = None
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
    """How often one message came with one response code."""

    message: Text = ""
    rc: Text = ""
    count: Count = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelFigures(JsonObject):
    """The figures of one label in the judged window; the empty label is all requests, without transactions."""

    OMITTED_WHEN_NONE: ClassVar[frozenset[str]] = frozenset({"histogram"})

    kind: Literal["request", "transaction", "timing"] = "request"
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
    histogram: tuple[tuple[Count, Count, Count], ...] | None = None  # lowest and highest µs, samples; of the run's own


@dataclass(frozen=True, slots=True, kw_only=True)
class PartFigures(JsonObject):
    """The figures of one execution or location by label."""

    labels: Annotated[dict[Text, LabelFigures], Field(max_length=MOST_LABELS)] = field(default_factory=dict)

    @property
    def total(self) -> LabelFigures:
        """The figures of all its requests."""
        return self.labels.get("") or LabelFigures()

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Early versions wrote the labels without the object around them."""
        labels = data.get("labels", data)
        return cls(labels={name: LabelFigures.from_dict(figures) for name, figures in labels.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationSecond(JsonObject):
    """One second of one location."""

    samples: Count = 0
    failures: Count = 0
    virtual_users: Count | None = None
    p95_us: Count | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondFigures(JsonObject):
    """One second of the run, whether anything was measured in it or not."""

    second: Count
    samples: Count = 0
    failures: Count = 0
    bytes: Count = 0
    virtual_users: Count | None = None
    planned_users: Count | None = None
    planned_rps: Number | None = None
    p50_us: Count | None = None
    p95_us: Count | None = None
    p99_us: Count | None = None
    locations: Annotated[dict[Text, LocationSecond], Few] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstFailure(JsonObject):
    """What a worker kept of one of an execution's first failures; files are named from the run's folder."""

    worker: Text = ""
    execution: Text = ""
    label: Text = ""
    message: Text = ""
    at_s: Number = 0.0
    files: Annotated[tuple[Text, ...], Few] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TestResults(JsonObject):
    """The test cases of a functional run by outcome, and each of them in the order in which they began."""

    __test__: ClassVar[bool] = False  # no class of tests, whatever pytest makes of the name

    total: Count
    passed: Count = 0
    failed: Count = 0
    broken: Count = 0
    skipped: Count = 0
    cases: Annotated[tuple[Case, ...], Field(max_length=MOST_ERRORS)] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RateChange(JsonObject):
    """A change of an execution's rate while the load went on."""

    execution: Text = ""
    rps: Number = 0.0
    at_s: Number = 0.0
    asked_s: Number = 0.0
    cause: Text = ""  # user or search


@dataclass(frozen=True, slots=True, kw_only=True)
class StageObservation(JsonObject):
    """What one criterion of a capacity search observed in a stage."""

    criterion: Text = ""
    value: Number | None = None
    unit: Annotated[str, Field(max_length=40)] = ""
    breached: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityStage(JsonObject):
    """One stage of a capacity search; it is judged from `from_s` to `to_s`, which is not part of it."""

    rps: Number
    kind: Literal["raise", "narrow", "recover", "confirm"] = "raise"
    at_s: Number = 0.0  # since when its rate held
    from_s: Count = 0
    to_s: Count = 0
    outcome: Literal["held", "breached", "void"]
    why: Text = ""
    message: Text = ""
    samples: Count = 0
    achieved_rps: Number | None = None
    observed: Annotated[tuple[StageObservation, ...], Field(max_length=100)] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity(JsonObject):
    """The result of a search for the highest rate that an execution's target holds."""

    held_rps: Number | None = None  # None: not even the lowest rate held, or nothing is known
    breached_rps: Number | None = None
    limited_by: Text = ""
    exact: bool = False  # False: the search did not come to its end; the rates are bounds
    message: Text = ""
    from_rps: Number | None = None
    to_rps: Number | None = None
    until: Annotated[tuple[Text, ...], Field(max_length=100)] = ()
    precision: Number | None = None
    stages: Annotated[tuple[CapacityStage, ...], Few] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary(StoredObject):
    """`summary.json`."""

    SCHEMA: ClassVar[str] = "toril.summary/1"
    OMITTED_WHEN_NONE: ClassVar[frozenset[str]] = frozenset({"tests", "rates", "capacity"})

    schema: Literal["toril.summary/1"] = "toril.summary/1"
    run_id: Text = ""
    suite: Text = ""
    tags: Annotated[dict[Text, Text], Few] = field(default_factory=dict)
    started_at: Text | None = None  # ISO 8601, UTC
    duration_s: Number | None = None
    window: Window | None = None  # what is judged: the whole run, or its steady time
    stop: EarlyStop | None = None
    workers: WorkerCounts = WorkerCounts()
    load: Load = field(default_factory=Load)
    generators: Generators | None = None
    labels: Annotated[dict[Text, LabelFigures], Field(max_length=MOST_LABELS)] = field(default_factory=dict)
    executions: Annotated[dict[Text, PartFigures], Few] = field(default_factory=dict)
    locations: Annotated[dict[Text, PartFigures], Few] = field(default_factory=dict)
    series: Annotated[tuple[SecondFigures, ...], Field(max_length=1_000_000)] = ()
    first_failures: Annotated[tuple[FirstFailure, ...], Field(max_length=MOST_ERRORS)] = ()
    tests: TestResults | None = None  # of a functional run
    rates: tuple[RateChange, ...] | None = None  # of a run whose load was changed while it went on
    capacity: Annotated[dict[Text, Capacity], Field(max_length=256)] | None = None  # of searches, by execution

    @property
    def total(self) -> LabelFigures:
        """The figures of all requests."""
        return self.labels.get("") or LabelFigures()
