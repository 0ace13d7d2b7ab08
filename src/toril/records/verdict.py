"""`verdict.json` (`toril.verdict/1`): what a run means.

The same types hold what toril judged, what a stored run has, and what a stranger's file says; only the last is checked,
against the bounds of the fields. Durations are µs, sizes bytes, shares per cent: values are in their `unit`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from toril.errors import StoreError
from toril.masking import masked
from toril.records.base import LONGEST_WHY, Count, Text, why
from toril.records.document import document, parsed

SCHEMA = "toril.verdict/1"
Outcome = Literal["passed", "failed", "inconclusive"]
CriterionOutcome = Literal["passed", "failed", "inconclusive", "triggered"]  # triggered: came true `as non-failed`
Counted = Literal["sample", "second", "period", "stage"]

MOST_ENTRIES = 2_000  # criteria, reasons or notes of a stranger's file
LARGEST = 10**15
STRICT = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)

Number = Annotated[int | float, Field(ge=-LARGEST, le=LARGEST)]
Word = Annotated[str, Field(max_length=100)]
Few = Field(max_length=MOST_ENTRIES)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why the outcome is what it is."""

    __pydantic_config__: ClassVar = STRICT
    code: Text = ""  # as in the table of `toril.verdict`
    message: Text = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The part of the run that a criterion judges; empty: all of it."""

    __pydantic_config__: ClassVar = STRICT
    executions: Annotated[tuple[Text, ...], Field(max_length=1_000)] = ()
    location: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CriterionWindow:
    """The window that decided a criterion; both seconds are inclusive, and since the start signal."""

    __pydantic_config__: ClassVar = STRICT
    logic: Word = ""
    timeframe_s: Count = 0
    from_s: Number
    to_s: Number


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedCriterion:
    """One criterion and its outcome."""

    __pydantic_config__: ClassVar = STRICT
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

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Self:
        values = _known(cls, found)
        scope, window, interval = found.get("scope") or {}, found.get("window"), found.get("interval")
        values["scope"] = Scope(executions=tuple(scope.get("executions", ())), location=scope.get("location"))
        values["window"] = window and CriterionWindow(**_known(CriterionWindow, window))
        values["interval"] = interval and tuple(interval)
        return cls(**values)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedArm:
    """One arm of a duet, as far as it was compared."""

    __pydantic_config__: ClassVar = STRICT
    address: Text = ""
    samples: Count = 0
    failures: Count = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedMetric:
    """One figure in both arms of a duet. Changes are relative (0.03 is 3 % more); of shares they are differences."""

    __pydantic_config__: ClassVar = STRICT
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
    ratios: Annotated[tuple[Number | None, ...], Field(max_length=MOST_ENTRIES)] = ()
    outcome: Outcome = "inconclusive"
    message: Text = ""

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Self:
        return cls(**{**_known(cls, found), "ratios": tuple(found.get("ratios", ()))})


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Head against base, of a duet."""

    __pydantic_config__: ClassVar = STRICT
    outcome: Outcome
    message: Text = ""
    margin: Number | None = None
    confidence: Number | None = None
    blocks: Count | None = None
    block_s: Number | None = None
    order: Text = ""
    arms: dict[Literal["base", "head"], ComparedArm] = field(default_factory=dict)
    metrics: Annotated[tuple[ComparedMetric, ...], Few] = ()

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Self:
        values = _known(cls, found)
        values["arms"] = {name: ComparedArm(**_known(ComparedArm, arm)) for name, arm in values.get("arms", {}).items()}
        values["metrics"] = tuple(ComparedMetric.from_dict(one) for one in values.get("metrics", ()))
        return cls(**values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The outcome of a run, the reasons for it, and every criterion."""

    __pydantic_config__: ClassVar = STRICT
    schema: Literal["toril.verdict/1"] = "toril.verdict/1"
    outcome: Outcome
    reasons: Annotated[tuple[Reason, ...], Few] = ()  # those of the outcome first
    criteria: Annotated[tuple[JudgedCriterion, ...], Few] = ()
    notes: Annotated[tuple[Text, ...], Few] = ()  # change no outcome
    comparison: Comparison | None = None  # of a duet

    def to_dict(self) -> dict[str, Any]:
        """The content of verdict.json."""
        found: dict[str, Any] = _plain(self)
        if self.comparison is None:
            del found["comparison"]
        return found

    def to_json(self) -> bytes:
        return document(self.to_dict())

    def masked(self) -> "Verdict":
        """The same without credentials in any text."""
        return Verdict.from_dict(masked(self.to_dict()))

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Self:
        """The verdict with this content of verdict.json, unchecked."""
        values = _known(cls, found)
        values["reasons"] = tuple(Reason(**_known(Reason, one)) for one in found.get("reasons", ()))
        values["criteria"] = tuple(JudgedCriterion.from_dict(one) for one in found.get("criteria", ()))
        values["notes"] = tuple(found.get("notes", ()))
        comparison = found.get("comparison")
        values["comparison"] = Comparison.from_dict(comparison) if comparison else None
        return cls(**values)

    @classmethod
    def from_json(cls, data: bytes, where: str) -> Self:
        """The verdict of a run of one's own; StoreError, naming `where`, when the file is damaged."""
        try:
            found = parsed(data)
            if not isinstance(found, dict):
                raise ValueError("it is no JSON object")
            schema = found.get("schema")
            if schema == SCHEMA:
                return cls.from_dict(found)
        except (ValueError, TypeError, AttributeError) as error:
            raise StoreError(f"{where} is damaged: {why(error)}", code="damaged-record") from error
        shown = f"{schema!r}"[:LONGEST_WHY]
        raise StoreError(
            f"{where}: schema {shown}, expected {SCHEMA!r}; it is of another version", code="other-version"
        )

    @classmethod
    def from_stranger(cls, data: bytes, where: str) -> "Verdict":
        """The verdict in a file that anybody may have written: each field has its type, and is within its bounds."""
        try:
            return _strict().validate_json(data)
        except ValidationError as error:
            raise StoreError(f"{where} is not what toril writes: {why(error)}", code="damaged-record") from error


@cache
def _strict() -> TypeAdapter[Verdict]:
    return TypeAdapter(Verdict)


def _known(kind: type, found: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a record that `found` has; a newer version may have others."""
    return {one.name: found[one.name] for one in fields(kind) if one.name in found}


def _plain(value: Any) -> Any:
    """A record as JSON has it."""
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__ if name[:2] != "__"}
    if isinstance(value, (tuple, list)):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return value
