"""What may stand in a summary that comes from a stranger: nothing else gets past here.

The names are those of `toril.summary/1`; what a comment does not show is left out.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

LONGEST_TEXT = 10_000  # characters; toril itself writes none of more than a few thousand
MOST_ENTRIES = 2_000  # criteria, reasons, notes or workers
MOST_LABELS = 600_000  # what an interval file can hold, of both kinds
LARGEST = 10**15

Text = Annotated[str, Field(max_length=LONGEST_TEXT)]
Count = Annotated[int, Field(ge=0, le=LARGEST)]
Number = Annotated[float, Field(ge=-LARGEST, le=LARGEST)]
Ends = tuple[Number | None, Number | None]
Few = Field(max_length=MOST_ENTRIES)


class Shape(BaseModel):
    """Strict about what it knows, deaf to the rest; NaN and infinity are no numbers."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", allow_inf_nan=False)


class Error(Shape):
    message: Text = ""
    rc: Text = ""
    count: Count = 0


class Times(Shape):
    """Response times; percentiles have their intervals beside them."""

    min: Number | None = None
    mean: Number | None = None
    stdev: Number | None = None
    p50: Number | None = None
    p75: Number | None = None
    p90: Number | None = None
    p95: Number | None = None
    p99: Number | None = None
    p99_9: Number | None = None
    p99_99: Number | None = None
    max: Number | None = None
    interval: dict[Text, Ends | None] | None = None


class Figures(Shape):
    kind: Literal["request", "transaction", "timing"] = "request"
    samples: Count = 0
    failures: Count = 0
    unfinished: Count = 0
    bytes: Count = 0
    rps: Number | None = None
    resolution_us: Number | None = None
    response_us: Times | None = None
    failed_response_us: Times | None = None
    errors: Annotated[list[Error], Field(max_length=100_000)] = []


class Part(Shape):
    """A location."""

    labels: Annotated[dict[Text, Figures], Field(max_length=MOST_LABELS)] = {}


class Second(Shape):
    second: Count
    samples: Count = 0
    failures: Count = 0
    p95_us: Number | None = None


class Sign(Shape):
    message: Text = ""


class Generator(Shape):
    cpu_max: Number | None = None
    busiest_core_max: Number | None = None
    machine_max: Number | None = None
    waiting_max: Number | None = None
    throttled_max: Number | None = None
    late_max_us: Number | None = None
    dropped: Count | None = None
    sockets_max: Number | None = None
    memory_max_bytes: Number | None = None
    saturation: Annotated[list[Sign], Few] | None = None


class Generators(Generator):
    saturated: Annotated[list[Text], Few] = []
    advice: Text | None = None
    workers: Annotated[dict[Text, Generator], Few] = {}


class Rates(Shape):
    virtual_users: Number | None = None
    rps: Number | None = None


class Load(Shape):
    requested: Rates = Rates()
    achieved: Rates = Rates()


class Workers(Shape):
    planned: Count = 0
    reported: Count = 0


class Window(Shape):
    from_s: Number | None = None
    to_s: Number | None = None


class Stop(Shape):
    cause: Text = ""
    at_s: Number | None = None


class Case(Shape):
    """A test case of a functional run."""

    name: Text = ""
    suite: Text = ""
    execution: Text = ""
    outcome: Literal["passed", "failed", "broken", "skipped"]
    at_s: Number = 0
    duration_us: Count = 0
    message: Text = ""
    trace: Text = ""


class Tests(Shape):
    total: Count
    passed: Count = 0
    failed: Count = 0
    broken: Count = 0
    skipped: Count = 0
    cases: Annotated[list[Case], Field(max_length=100_000)] = []


class Observed(Shape):
    criterion: Text = ""
    value: Number | None = None
    unit: Annotated[str, Field(max_length=40)] = ""


class Stage(Shape):
    """A stage of a search for a capacity."""

    rps: Number
    kind: Literal["raise", "narrow", "recover", "confirm"] = "raise"
    outcome: Literal["held", "breached", "void"]
    why: Text = ""
    message: Text = ""
    from_s: Count = 0
    to_s: Count = 0
    achieved_rps: Number | None = None
    observed: Annotated[list[Observed], Field(max_length=100)] = []


class Capacity(Shape):
    message: Text = ""
    from_rps: Number | None = None
    to_rps: Number | None = None
    precision: Number | None = None
    until: Annotated[list[Text], Field(max_length=100)] = []
    stages: Annotated[list[Stage], Few] = []


class Summary(Shape):
    schema_: Literal["toril.summary/1"] = Field(alias="schema")
    duration_s: Number | None = None
    window: Window | None = None
    stop: Stop | None = None
    workers: Workers = Workers()
    load: Load = Load()
    generators: Generators | None = None
    labels: Annotated[dict[Text, Figures], Field(max_length=MOST_LABELS)] = {}
    locations: Annotated[dict[Text, Part], Field(max_length=1_000)] = {}
    capacity: Annotated[dict[Text, Capacity], Field(max_length=256)] = {}
    tests: Tests | None = None
    series: Annotated[list[Second], Field(max_length=1_000_000)] = []


class Task(Shape):
    """Where a worker ran on Fargate."""

    region: Annotated[str, Field(max_length=100)]
    capacity: Annotated[str, Field(max_length=100)]
    pull_started_at: Number | None = None
    stopped_at: Number | None = None


class End(Shape):
    schema_: Literal["toril.end/1"] = Field(alias="schema")
    at: Number
    tasks: Annotated[dict[Text, Task], Field(max_length=10_000)] = {}


def plain(shape: Shape) -> dict[str, Any]:
    """The values that were given, as JSON has them."""
    return shape.model_dump(mode="json", by_alias=True, exclude_unset=True)
