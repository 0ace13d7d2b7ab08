"""What may stand in a verdict that comes from a stranger: nothing else gets past here.

The names are those of `toril.verdict/1`; what a comment does not show is left out.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

LONGEST_TEXT = 10_000  # characters; toril itself writes none of more than a few thousand
MOST_ENTRIES = 2_000  # criteria, reasons, notes or workers
LARGEST = 10**15

Text = Annotated[str, Field(max_length=LONGEST_TEXT)]
Count = Annotated[int, Field(ge=0, le=LARGEST)]
Number = Annotated[float, Field(ge=-LARGEST, le=LARGEST)]
Ends = tuple[Number | None, Number | None]
Outcome = Literal["passed", "failed", "inconclusive"]
Few = Field(max_length=MOST_ENTRIES)


class Shape(BaseModel):
    """Strict about what it knows, deaf to the rest; NaN and infinity are no numbers."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", allow_inf_nan=False)


class Reason(Shape):
    code: Text = ""
    message: Text = ""


class Scope(Shape):
    executions: Annotated[list[Text], Field(max_length=1_000)] = []
    location: Text | None = None


class CriterionWindow(Shape):
    from_s: Number
    to_s: Number


class Criterion(Shape):
    criterion: Text = ""
    outcome: Literal["passed", "failed", "inconclusive", "triggered"] = "inconclusive"
    subject: Text = ""
    observed: Number | None = None
    threshold: Number | None = None
    unit: Literal["us", "%", "bytes", "s", "/s", ""] | Annotated[str, Field(max_length=40)] = ""
    label: Text | None = None
    where: Text = ""
    scope: Scope | None = None
    window: CriterionWindow | None = None
    at_s: Number | None = None
    stop: bool | None = None
    samples: Count | None = None
    counted: Literal["sample", "second", "period", "stage"] = "sample"
    interval: Ends | None = None
    message: Text | None = None


class Metric(Shape):
    """A line of a comparison of base and head."""

    label: Text = ""
    metric: Annotated[str, Field(max_length=100)] = ""
    unit: Literal["us", "share"] | Annotated[str, Field(max_length=40)] = ""
    base: Number | None = None
    head: Number | None = None
    change: Number | None = None
    low: Number | None = None
    high: Number | None = None
    detectable: Number | None = None
    blocks: Count | None = None
    outcome: Outcome = "inconclusive"
    message: Text = ""


class Arm(Shape):
    address: Text = ""
    samples: Count = 0
    failures: Count = 0


class Comparison(Shape):
    outcome: Outcome
    message: Text = ""
    margin: Number | None = None
    confidence: Number | None = None
    blocks: Count | None = None
    block_s: Number | None = None
    arms: dict[Literal["base", "head"], Arm] = {}
    metrics: Annotated[list[Metric], Few] = []


class Verdict(Shape):
    schema_: Literal["toril.verdict/1"] = Field(alias="schema")
    outcome: Outcome
    reasons: Annotated[list[Reason], Few] = []
    criteria: Annotated[list[Criterion], Few] = []
    notes: Annotated[list[Text], Few] = []
    comparison: Comparison | None = None


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
