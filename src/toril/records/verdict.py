"""What a run means, `verdict.json`: `toril.verdict/1`.

Durations are µs, sizes bytes, shares per cent: a value is in its `unit`. A field with a default may be missing: in a
file of an older version, or of a stranger.
"""

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field

from toril.masking import masked
from toril.records.document import Count, Few, JsonObject, Number, StoredObject, Text, Word, document

Outcome = Literal["passed", "failed", "inconclusive"]
CriterionOutcome = Literal["passed", "failed", "inconclusive", "triggered"]  # triggered: came true `as non-failed`
Counted = Literal["sample", "second", "period", "stage"]


@dataclass(frozen=True, slots=True)
class Reason(JsonObject):
    """Why the outcome is what it is."""

    code: Text = ""  # as in the table of `toril.verdict`
    message: Text = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope(JsonObject):
    """The part of the run that a criterion judges; empty: all of it."""

    executions: Annotated[tuple[Text, ...], Field(max_length=1_000)] = ()
    location: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CriterionWindow(JsonObject):
    """The window that decided a criterion; both seconds are inclusive, and since the start signal."""

    logic: Word = ""
    timeframe_s: Count = 0
    from_s: Number
    to_s: Number


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedCriterion(JsonObject):
    """One criterion and its outcome."""

    criterion: Text = ""
    outcome: CriterionOutcome = "inconclusive"
    observed: Number | None = None  # at the first breach; without one, the value nearest to it
    threshold: Number | None = None
    unit: Word = ""  # us, bytes, %, /s, or a count's: none
    label: Text = ""
    scope: Scope = Scope()
    window: CriterionWindow | None = None
    at_s: Number | None = None  # the second in which a window first breached
    samples: Count = 0
    interval: tuple[Number | None, Number | None] | None = None  # 95 %, of a percentile over the whole run
    message: Text = ""
    code: Word = ""  # as in the table of `toril.verdict`
    worst: Number | None = None
    op: Word = ""
    subject: Text = ""
    where: Text = ""  # "suite.yml: reporting[0].criteria[1]"
    stop: bool = False
    fail: bool = True
    own_message: Text | None = None  # the suite's
    kind: Word | None = None
    counted: Counted = "sample"  # what `samples` is the number of


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedArm(JsonObject):
    """One arm of a duet, as far as it was compared."""

    address: Text = ""
    samples: Count = 0
    failures: Count = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedMetric(JsonObject):
    """One figure in both arms of a duet. Changes are relative (0.03 is 3 % more); of shares they are differences."""

    label: Text = ""  # "": all requests
    metric: Word = ""  # p95, p99.9, failures
    unit: Word = ""  # us, share
    base: Number | None = None
    head: Number | None = None
    change: Number | None = None
    low: Number | None = None  # one-sided 95 % bounds
    high: Number | None = None
    detectable: Number | None = None  # the smallest change that could have been found
    blocks: Count | None = None
    ratios: Annotated[tuple[Number | None, ...], Few] = ()
    outcome: Outcome = "inconclusive"
    message: Text = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison(JsonObject):
    """Head against base, of a duet."""

    outcome: Outcome
    message: Text = ""
    margin: Number | None = None
    confidence: Number | None = None
    blocks: Count | None = None
    block_s: Number | None = None
    order: Text = ""
    arms: dict[Literal["base", "head"], ComparedArm] = field(default_factory=dict)
    metrics: Annotated[tuple[ComparedMetric, ...], Few] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict(StoredObject):
    """`verdict.json`."""

    SCHEMA: ClassVar[str] = "toril.verdict/1"
    OMITTED_WHEN_NONE: ClassVar[frozenset[str]] = frozenset({"comparison"})

    schema: Literal["toril.verdict/1"] = "toril.verdict/1"
    outcome: Outcome
    reasons: Annotated[tuple[Reason, ...], Few] = ()  # those of the outcome first
    criteria: Annotated[tuple[JudgedCriterion, ...], Few] = ()
    notes: Annotated[tuple[Text, ...], Few] = ()  # change no outcome
    note_codes: Annotated[tuple[Word, ...], Few] = ()  # the causes of `notes`, in their order
    comparison: Comparison | None = None  # of a duet

    def to_json(self) -> bytes:
        return document(self)

    def masked(self) -> Self:
        """The same without credentials in any text."""
        return self.from_dict(masked(self.to_dict()))
