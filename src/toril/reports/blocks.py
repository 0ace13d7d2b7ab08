"""What a report says, as values. `run_blocks` and `compare_blocks` make blocks; each renderer shows every kind of them.

All texts are `plain`: nothing in them steers a screen or looks like a credential, and numbers have their units. A
renderer escapes them for its format, chooses how many rows it shows, and knows nothing of runs.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from toril.records import SourcePlace

MARKS = {"passed": "✔", "failed": "✘", "broken": "✘", "triggered": "!", "skipped": "–"}  # all else: ?
SEVERITY = {"failed": 0, "broken": 1, "inconclusive": 2, "unproven": 2, "triggered": 3, "skipped": 4, "passed": 5}
MISSING = "–"

About = Literal["run", "load", "generators", "criteria", "cases", "comparison"]
Tone = Literal["", "dim", "some", "bad", "differs"]


def mark_of(outcome: str) -> str:
    return MARKS.get(outcome, "?")


def severity_of(outcome: str) -> int:
    return SEVERITY.get(outcome, SEVERITY["inconclusive"])


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason for the outcome."""

    code: str
    message: str
    about: About = "run"
    repeated: bool = False  # a criterion, a test case or the comparison says the same


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """The outcome in a sentence, and the reasons for it. Two runs compared have no outcome."""

    suite: str
    text: str
    brief: str  # as much of it as a heading takes
    outcome: str = ""
    neutral: bool = False  # all that is open is the comparison: nothing speaks against the change
    run_id: str = ""
    on: str = ""  # " on Fargate", where workers did not run beside the command
    started_at: str = ""
    duration_s: float = 0.0
    file: str = ""  # of the suite
    reasons: tuple[Reason, ...] = ()

    @property
    def own_reasons(self) -> list[Reason]:
        """The reasons that no criterion, test case or comparison repeats."""
        return [reason for reason in self.reasons if not reason.repeated]


@dataclass(frozen=True, slots=True)
class Fact:
    """One figure, or one property, of the run."""

    name: str
    value: str
    interval: str = ""  # 95 %, of a percentile
    count: str = ""  # behind a share


@dataclass(frozen=True, slots=True)
class Facts:
    """The most important figures (`facts`), or the properties of the run (`about`)."""

    id: Literal["facts", "about"]
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One criterion and its outcome. The field order is that of `toril.comparison/1`."""

    text: str
    outcome: str
    observed: str
    limit: str
    difference: str  # observed less limit, with its sign
    scope: str  # the part of the run that it judges, where not all of it
    detail: str  # scope, window, samples, interval
    message: str
    bar: tuple[float, float] | None  # observed value and limit, as percentages of the longer one with some room
    executions: str = ""
    decides: bool = True  # whether it can fail the run, or leave it open
    place: SourcePlace | None = None  # its line in the suite

    @property
    def remark(self) -> str:
        """The criterion's own message, where its figures do not say it all."""
        return self.message if self.outcome != "passed" or self.observed == MISSING else ""


@dataclass(frozen=True, slots=True)
class Criteria:
    """All criteria, in the order of the suite."""

    rules: tuple[Rule, ...]

    @property
    def worst_first(self) -> list[Rule]:
        return sorted(self.rules, key=lambda rule: severity_of(rule.outcome))


@dataclass(frozen=True, slots=True)
class Column:
    """`name` columns come first; a narrow screen folds texts and never cuts a number."""

    title: str
    kind: Literal["name", "number", "text"] = "number"
    rank: Literal[1, 2, 3] = 1  # 1: always shown, 2: where there is room, 3: on the page only
    code: bool = False  # the user's own identifiers
    strong: bool = False
    whole: bool = False  # people copy it: never folded


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: its text, and smaller lines below it."""

    text: str
    small: tuple[str, ...] = ()
    value: float | None = None  # to sort by
    tone: Tone = ""
    outcome: str = ""  # shown as a mark


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A row that a CI server lists as a test case."""

    name: str
    outcome: str
    message: str
    group: str = ""  # the end of its class name, such as `api.TestCart`
    details: str = ""
    took_s: float = 0.0
    code: str = ""  # of the failure; empty: the outcome
    title: str = ""  # of an annotation


@dataclass(frozen=True, slots=True)
class Row:
    """One row; a row without cells but its name is the heading of those that follow."""

    cells: tuple[Cell, ...]
    outcome: str = ""
    tags: tuple[str, ...] = ()
    in_full: str = ""  # the name, where the cell has a short form of it
    note: str = ""  # a sentence, shown after the table
    weight: int = 0  # where there is no room for all rows those of the lowest weights stay; groups share one
    is_total: bool = False
    is_judged: bool = False
    check: Check | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows under one title."""

    id: str
    title: str
    noun: str  # one row of it
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    about: str = ""  # small, beside the title
    message: str = ""  # its result in a sentence
    outcome: str = ""  # of the message
    footnotes: tuple[str, ...] = ()
    left_out: int = 0  # rows that are not even here
    rest: str = "json"  # the format that has all rows
    opened: Literal["", "bad", "all"] = ""  # rows that Markdown does not fold away
    page_only: bool = False
    folded: bool = False  # on the page
    sortable: bool = True

    def top(self, most: int) -> tuple[list[Row], int]:
        """The rows of the `most` lowest weights, in their order, and how many weights are left out."""
        weights = sorted({row.weight for row in self.rows})
        kept = set(weights[:most])
        return [row for row in self.rows if row.weight in kept], self.left_out + len(weights) - len(kept)


@dataclass(frozen=True, slots=True)
class Sketch:
    """One value over time, drawn in characters."""

    name: str
    values: Sequence[float | None]
    peak: str  # the highest value, with its unit
    highest: float = 0.0  # the scale that it shares with others


@dataclass(frozen=True, slots=True)
class Sketches:
    """The course of the run for formats without pictures."""

    lines: tuple[Sketch, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Charts:
    """The charts of one section of the page, as plain data for its script."""

    id: Literal["course", "labels", "generators", "server"]
    title: str
    charts: Sequence[Mapping[str, Any]]
    about: str = ""
    hint: str = ""
    shared: Mapping[str, Any] | None = None  # what the charts of all sections share, such as the time axis


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence beside the figures."""

    code: str
    text: str
    tone: Literal["caution", "note", "detail", "hint"] = "note"  # hint: explains the page, and is on the page only


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One of the first failures, with what its worker kept."""

    label: str
    message: str
    place: str  # worker, execution and second
    picture: bytes  # JPEG; empty when there is none
    links: tuple[tuple[str, str], ...]  # name, and address relative to the run's folder


@dataclass(frozen=True, slots=True)
class Failures:
    """The first failures, in the order in which they happened."""

    failures: tuple[Failure, ...]


Block = Facts | Criteria | Table | Sketches | Charts | Note | Failures


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One report, in the order in which it is read."""

    headline: Headline
    blocks: tuple[Block, ...]

    def having(self, code: str) -> Iterable[Note]:
        """The notes with this code."""
        return (block for block in self.blocks if isinstance(block, Note) and block.code == code)


def criteria_table(criteria: Criteria) -> Table:
    """The criteria as a table, worst first."""
    columns = (
        Column("fails when", "name", code=True),
        Column("observed", strong=True),
        Column("limit"),
        Column("difference", rank=2),
    )
    rows = tuple(
        Row(
            (
                Cell(rule.text, small=tuple(filter(None, (rule.detail, rule.remark)))),
                Cell(rule.observed),
                Cell(rule.limit),
                Cell(rule.difference, tone="" if rule.outcome == "failed" else "dim"),
            ),
            outcome=rule.outcome,
            weight=place,
        )
        for place, rule in enumerate(criteria.worst_first)
    )
    return Table(id="criteria", title="Criteria", noun="criterion", columns=columns, rows=rows, opened="all")
