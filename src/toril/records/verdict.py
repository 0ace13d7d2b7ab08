"""The verdict of a run, `verdict.json`: `toril.verdict/1`.

A value is in its `unit`: durations in µs, sizes in bytes, shares in per cent. A field with a default may be missing in
files of older versions and in foreign files.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field

from toril.errors import Note
from toril.records.document import Count, Few, JsonObject, Number, StoredObject, Text, Word, document
from toril.secrets.masking import masked

Outcome = Literal["passed", "failed", "inconclusive"]
CriterionOutcome = Literal["passed", "failed", "inconclusive", "triggered"]  # triggered: breached `as non-failed`
Counted = Literal["sample", "second", "period", "stage", "request"]


@dataclass(frozen=True, slots=True)
class Reason(JsonObject):
    """A reason of the outcome."""

    code: Text = ""  # see the table in `toril.verdict`
    message: Text = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope(JsonObject):
    """The part of the run that a criterion judges; empty: all of it."""

    executions: Annotated[tuple[Text, ...], Field(max_length=1_000)] = ()
    location: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CriterionWindow(JsonObject):
    """The window that decided a criterion; seconds since the start signal, both inclusive."""

    logic: Word = ""
    timeframe_s: Count = 0
    from_s: Number
    to_s: Number


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedCriterion(JsonObject):
    """One criterion and its outcome."""

    criterion: Text = ""
    outcome: CriterionOutcome = "inconclusive"
    observed: Number | None = None  # at the first breach; without one, the value nearest to a breach
    threshold: Number | None = None
    unit: Word = ""  # us, bytes, %, /s, usd; empty for counts
    label: Text = ""
    scope: Scope = Scope()
    window: CriterionWindow | None = None
    at_s: Number | None = None  # the last second of the first window in breach
    samples: Count = 0
    interval: tuple[Number | None, Number | None] | None = None  # 95 %, of a percentile over the whole run
    message: Text = ""
    code: Word = ""  # see the table in `toril.verdict`
    worst: Number | None = None
    op: Word = ""
    subject: Text = ""
    where: Text = ""  # "suite.yml: reporting[0].criteria[1]"
    stop: bool = False
    fail: bool = True
    own_message: Text | None = None  # the suite's
    kind: Word | None = None
    counted: Counted = "sample"  # the unit of `samples`


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedArm(JsonObject):
    """The compared part of one arm of a duet."""

    address: Text = ""
    samples: Count = 0
    failures: Count = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedPair(JsonObject):
    """A figure in both turns of one pair of blocks; None: too few samples."""

    block: Count
    base: Number | None = None
    head: Number | None = None
    void: bool = False  # not compared: a worker was saturated, or its health is unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureChange(JsonObject):
    """The change of one figure. Changes are relative (0.03 is 3 % more); for shares, differences."""

    label: Text = ""  # "": all requests
    metric: Word = ""  # p95, p99.9, failures, throughput
    unit: Word = ""  # us, share, /s
    change: Number | None = None
    low: Number | None = None
    high: Number | None = None
    detectable: Number | None = None  # the smallest detectable change
    outcome: Outcome = "inconclusive"
    message: Text = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedMetric(FigureChange):
    """One figure in both arms of a duet; `low` and `high` are one-sided bounds of the change."""

    base: Number | None = None
    head: Number | None = None
    blocks: Count | None = None
    ratios: Annotated[tuple[Number | None, ...], Few] = ()
    spread: Number | None = None  # standard deviation of the logarithms of the ratios; for shares, of the differences
    level: Number | None = None  # the probability of error of `low`, by Holm
    joined: Count = 1  # neighbouring pairs that count as one, because their blocks have few samples
    margin: Number | None = None
    pairs: Annotated[tuple[ComparedPair, ...], Field(max_length=500)] = ()
    host: Number | None = None  # the change that stays with the host when both deployments are exchanged
    survives: bool | None = None  # whether the outcome is the same after the exchange; None: there was none


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison(JsonObject):
    """The comparison of head with base in a duet."""

    outcome: Outcome
    message: Text = ""
    margin: Number | None = None
    confidence: Number | None = None
    blocks: Count | None = None
    block_s: Number | None = None
    order: Text = ""
    arms: dict[Literal["base", "head"], ComparedArm] = field(default_factory=dict)
    metrics: Annotated[tuple[ComparedMetric, ...], Few] = ()
    most: Count | None = None  # planned pairs
    look: Count | None = None  # pairs at the interim analysis that decided, or at the last one
    decided: bool = False  # before the last interim analysis
    seed: Count | None = None  # of the order
    aa: bool = False  # both arms load base
    voided: Count = 0  # pairs
    first_half: Text = ""  # the run before the exchange of both deployments
    expected: Number | None = None  # the smallest detectable change, as known before the run


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierMetric(FigureChange):
    """One figure of a run beside the same figure of earlier runs.

    `low` and `high` are the prediction interval of one more run, in `unit`.
    """

    value: Number | None = None
    expected: Number | None = None  # the mean of the earlier runs


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierRuns(JsonObject):
    """The comparison of a run with earlier, comparable runs of its suite."""

    wanted: Count  # the most runs to compare with
    runs: Annotated[tuple[Text, ...], Field(max_length=50)] = ()  # run-ids, the newest first
    margin: Number
    outcome: Outcome
    message: Text = ""
    metrics: Annotated[tuple[EarlierMetric, ...], Few] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict(StoredObject):
    """`verdict.json`."""

    OMITTED_WHEN_NONE: ClassVar[frozenset[str]] = frozenset({"comparison", "earlier"})

    schema: Literal["toril.verdict/1"] = "toril.verdict/1"
    outcome: Outcome
    reasons: Annotated[tuple[Reason, ...], Few] = ()  # those of the outcome first
    criteria: Annotated[tuple[JudgedCriterion, ...], Few] = ()
    notes: Annotated[tuple[Text, ...], Few] = ()  # change no outcome
    note_codes: Annotated[tuple[Word, ...], Few] = ()  # the codes of `notes`, in the same order
    comparison: Comparison | None = None  # of a duet
    earlier: EarlierRuns | None = None  # if the run was compared with earlier ones

    @property
    def coded_notes(self) -> tuple[Note, ...]:
        """The notes with their codes; verdicts of older versions have none."""
        codes = (*self.note_codes, *("" for _ in self.notes))
        return tuple(map(Note, codes, self.notes))

    def with_notes(self, notes: Iterable[Note | Reason]) -> Self:
        """Returns the verdict with more notes."""
        more = tuple(notes)
        messages, codes = (note.message for note in more), (note.code for note in more)
        return replace(self, notes=(*self.notes, *messages), note_codes=(*self.note_codes, *codes))

    def to_json(self) -> bytes:
        return document(self)

    def masked(self) -> Self:
        """Returns the verdict without credentials in its texts."""
        return self.from_dict(masked(self.to_dict()))
