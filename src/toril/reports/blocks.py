"""The content of a report as values. `run_blocks` and `compare_blocks` make blocks; each renderer shows every kind.

All texts are `plain`: they contain no control characters and no credentials, and numbers have units. A renderer
escapes texts for its format and limits the number of rows. It does not depend on runs.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from toril.records import SourcePlace

MARKS = {"passed": "✔", "failed": "✘", "broken": "✘", "triggered": "!", "skipped": "–"} | {  # other outcomes: ?
    "starting": "○", "running": "●", "stopping": "◐", "coordinator lost": "!", "refused": "✘",
}  # fmt: skip
SEVERITY = {"failed": 0, "broken": 1, "inconclusive": 2, "unproven": 2, "triggered": 3, "skipped": 4, "passed": 5}
REASONS: Mapping[str, str] = {  # by code; for all others, the code itself is plain
    "aa-clean": "no false alarm",
    "aa-false-alarm": "false alarm",
    "aa-rate": "too many false alarms",
    "both-arms-in-periods": "both versions in a period",
    "breach-may-not-stand": "breach not proven",
    "dead-label": "a label always failed",
    "excused-breach": "breach with unclear cause",
    "failed-checks": "checks without a criterion",
    "late-rate": "late change of load",
    "look": "comparison so far",
    "many-figures": "many compared figures",
    "never-a-full-window": "shorter than a timeframe",
    "no-success": "no successful request",
    "no-tests": "no test case ran",
    "nothing-judged": "no criteria",
    "pass-may-not-stand": "pass not proven",
    "provable-margin": "provable margin",
    "restarted-engines": "engines start for each slice",
    "saturated": "load generator overloaded",
    "stopped": "stopped early",
    "too-few-earlier": "too few earlier runs",
    "triggered": "noted criterion",
    "two-hosts": "base and head on two hosts",
    "unanswered": "unanswered requests",
    "unjudged-failures": "failures without a criterion",
    "unproven": "change not proven",
    "unreached-load": "load not reached",
    "unsure-arms": "unreliable comparison",
    "unsure-clock": "inaccurate clock",
    "within-earlier": "no slower than earlier runs",
}
MISSING, MOST_CODES = "–", 4

About = Literal["run", "load", "generators", "criteria", "cases", "comparison"]
Tone = Literal["", "dim", "some", "bad", "differs"]


def mark_of(outcome: str) -> str:
    return MARKS.get(outcome, "?")


def reason_words(code: str) -> str:
    """Returns a reason's code in two or three plain words, for lists."""
    return REASONS.get(code, code.replace("-", " "))


def severity_of(outcome: str) -> int:
    return SEVERITY.get(outcome, SEVERITY["inconclusive"])


class Part(NamedTuple):
    """The part of a run that has figures; an empty label: all requests."""

    label: str = ""
    location: str | None = None
    execution: str | None = None


@dataclass(frozen=True, slots=True)
class ShownReason:
    """One reason for the outcome."""

    code: str
    message: str
    about: About = "run"
    repeated: bool = False  # a criterion, a test case or the comparison shows the same text


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """The outcome in a sentence, and its reasons. A comparison of two runs has no outcome."""

    suite: str
    text: str
    brief: str  # short form for a heading
    outcome: str = ""
    neutral: bool = False  # the only open question is an unproven comparison
    judged: bool = True  # False: the run had no criteria, so that passing proves little
    run_id: str = ""
    on: str = ""  # " on Fargate", or empty for local workers; then the stage and the part
    started_at: str = ""
    duration_s: float = 0.0
    file: str = ""  # of the suite
    reasons: tuple[ShownReason, ...] = ()

    @property
    def is_unjudged(self) -> bool:
        return self.outcome == "passed" and not self.judged

    @property
    def own_reasons(self) -> list[ShownReason]:
        """Returns the reasons that no criterion, test case or comparison repeats."""
        return [reason for reason in self.reasons if not reason.repeated]

    @property
    def codes(self) -> list[str]:
        """Returns the codes of all reasons, without repetitions; at most the first MOST_CODES."""
        return list(dict.fromkeys(reason.code for reason in self.reasons))[:MOST_CODES]


@dataclass(frozen=True, slots=True)
class Fact:
    """One figure or property of the run."""

    name: str
    value: str
    interval: str = ""  # 95 % interval of a percentile
    count: str = ""  # the count of a share
    link: str = ""  # an address, shown only on pages


@dataclass(frozen=True, slots=True)
class Facts:
    """The most important figures (`facts`), or the properties of the run (`about`)."""

    id: Literal["facts", "about"]
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCriterion:
    """One criterion and its outcome. The field order is that of `toril.comparison/1`."""

    text: str
    outcome: str
    observed: str
    limit: str
    difference: str  # observed minus limit, signed
    scope: str  # the judged part of the run; empty for the whole run
    detail: str  # scope, window, samples, interval
    message: str
    bar: tuple[float, float] | None  # observed value and limit, in per cent of the larger one plus a margin
    executions: str = ""
    decides: bool = True  # whether it can make the run failed or inconclusive
    place: SourcePlace | None = None  # its line in the suite
    subject: str = ""  # p95, fail, rc5??, …
    label: str = ""
    code: str = ""  # of an outcome other than passed

    @property
    def remark(self) -> str:
        """Returns the message of the criterion if it adds to the figures; else an empty text."""
        return self.message if self.outcome != "passed" or self.observed == MISSING else ""


@dataclass(frozen=True, slots=True)
class Criteria:
    """All criteria, in the order of the suite."""

    rules: tuple[ShownCriterion, ...]

    @property
    def worst_first(self) -> list[ShownCriterion]:
        return sorted(self.rules, key=lambda rule: severity_of(rule.outcome))


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `name` columns come first; a narrow screen folds texts and never cuts numbers."""

    title: str
    kind: Literal["name", "number", "text"] = "number"
    rank: Literal[1, 2, 3] = 1  # 1: always shown, 2: shown if there is room, 3: only on the page
    code: bool = False  # the user's own identifiers
    strong: bool = False
    whole: bool = False  # never folded, because users copy it


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: its text, and smaller lines below it."""

    text: str
    small: tuple[str, ...] = ()
    value: float | None = None  # to sort by
    tone: Tone = ""
    outcome: str = ""  # shown as a mark
    link: str = ""  # the address of a page about it, shown only on pages
    cause: str = ""  # a code that toril explains


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A row that CI servers list as a test case."""

    name: str
    outcome: str
    message: str
    group: str = ""  # the end of its class name, such as `api.TestCart`
    details: str = ""
    took_s: float = 0.0
    code: str = ""  # of the failure; the outcome if empty
    title: str = ""  # of an annotation


@dataclass(frozen=True, slots=True)
class Row:
    """One row; a row with only a name is a heading for the rows after it."""

    cells: tuple[Cell, ...]
    outcome: str = ""
    tags: tuple[str, ...] = ()
    in_full: str = ""  # the full name, if the cell has a short form
    note: str = ""  # a sentence, shown after the table
    weight: int = 0  # rows with the lowest weights stay if space is short; a group shares one weight
    is_total: bool = False
    is_judged: bool = False
    part: Part | None = None  # of its figures
    check: Check | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows under one title."""

    id: str
    title: str
    noun: str  # the name of one row
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    about: str = ""  # remark beside the title
    message: str = ""  # the result in a sentence
    outcome: str = ""  # of the message
    footnotes: tuple[str, ...] = ()
    left_out: int = 0  # number of rows not in `rows`
    rest: str = "json"  # the format with all rows
    opened: Literal["", "bad", "all"] = ""  # rows that Markdown shows unfolded
    page_only: bool = False
    folded: bool = False  # on the page
    sortable: bool = True

    def top(self, most: int) -> tuple[list[Row], int]:
        """Returns the rows of the `most` lowest weights, in their order, and the number of omitted weights."""
        weights = sorted({row.weight for row in self.rows})
        kept = set(weights[:most])
        return [row for row in self.rows if row.weight in kept], self.left_out + len(weights) - len(kept)


@dataclass(frozen=True, slots=True)
class Sketch:
    """One value over time, drawn in characters."""

    name: str
    values: Sequence[float | None]
    peak: str  # the highest value, with its unit
    highest: float = 0.0  # the scale shared with other sketches


@dataclass(frozen=True, slots=True)
class Sketches:
    """The run over time, for formats without pictures."""

    lines: tuple[Sketch, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Charts:
    """The charts of one section of the page, as plain data for the script of the page."""

    id: Literal["course", "labels", "scripts", "generators", "server", "pairs", "trend"]
    title: str
    charts: Sequence[Mapping[str, Any]]
    about: str = ""
    hint: str = ""
    shared: Mapping[str, Any] | None = None  # data for the charts of all sections, such as the time axis


@dataclass(frozen=True, slots=True)
class NoteBlock:
    """A sentence beside the figures."""

    code: str
    text: str
    tone: Literal["caution", "note", "detail", "hint"] = "note"  # hint: explains the page; shown only there
    cause: str = ""  # a code that toril explains


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One of the first failures, with the files that its worker kept."""

    label: str
    message: str
    place: str  # worker, execution and second
    picture: bytes  # JPEG; empty without a picture
    links: tuple[tuple[str, str], ...]  # name, and address relative to the run's folder


@dataclass(frozen=True, slots=True)
class Failures:
    """The first failures, in order of time."""

    failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownExchange:
    """One request with its response, as texts."""

    title: str  # POST https://shop.example.com/checkout → 500 in 1,204 ms
    place: str  # worker and second
    brief: str  # what was expected and what came, in one line
    facts: tuple[Fact, ...]  # time, duration, connection, worker, trace id …
    request: str  # request line, headers and body
    response: str
    expected: str = ""  # of a failed assertion
    curl: str = ""  # the command that sends it again, with placeholders for secrets
    slow: bool = False  # kept because it was the slowest of its label
    ended_s: int = 0  # the second of its completion, to which its sample belongs


@dataclass(frozen=True, slots=True)
class ExchangeGroup:
    """The exchanges of one label and error; without an error, the slowest of the label."""

    label: str
    error: str
    count: str  # of these failures in the run
    exchanges: tuple[ShownExchange, ...]


@dataclass(frozen=True, slots=True)
class ExchangeList:
    """Requests and responses of the first failures, and the slowest ones."""

    groups: tuple[ExchangeGroup, ...]
    left_out: int = 0  # exchanges in `evidence.json` that the report does not show
    left_out_workers: int = 0  # workers whose files are missing or damaged

    @property
    def failures(self) -> list[ExchangeGroup]:
        return [group for group in self.groups if group.error]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownFinding:
    """One finding of the run."""

    code: str
    text: str
    facts: tuple[Fact, ...] = ()  # the figures that show it
    window: tuple[float, float] | None = None  # seconds
    label: str = ""


@dataclass(frozen=True, slots=True)
class Findings:
    """The findings of the run, most severe first."""

    findings: tuple[ShownFinding, ...]


@dataclass(frozen=True, slots=True)
class CauseLine:
    """One figure, trace or log line that supports a cause, as a sentence."""

    text: str
    link: str = ""  # of the trace


@dataclass(frozen=True, slots=True)
class ProbableCause:
    """What changed when a trouble began, in order of time."""

    lines: tuple[CauseLine, ...]


Block = Facts | Criteria | Table | Sketches | Charts | NoteBlock | Failures | ExchangeList | Findings | ProbableCause


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One report, in reading order."""

    headline: Headline
    blocks: tuple[Block, ...]

    def having(self, code: str) -> Iterable[NoteBlock]:
        """Returns the notes with this code."""
        return (block for block in self.blocks if isinstance(block, NoteBlock) and block.code == code)

    def evidence_of(self, rule: ShownCriterion) -> "ExchangeGroup | None":
        """Returns requests that the criterion is about: those of its most frequent error, or the slowest one."""
        kind = re.match(r"(fail|succ|rc)|(p\d|avg-)", rule.subject)
        groups = (group for block in self.blocks if isinstance(block, ExchangeList) for group in block.groups)
        of_kind = (group for group in groups if kind and (group.error if kind[1] else group.exchanges[0].slow))
        return next((group for group in of_kind if rule.label in ("", group.label)), None)


def criteria_table(criteria: Criteria) -> Table:
    """Returns the criteria as a table, worst first."""
    columns = (
        Column("fails when", "name", code=True),
        Column("observed", strong=True),
        Column("limit"),
        Column("difference", rank=2),
    )
    rows = tuple(
        Row(
            (
                Cell(rule.text, small=tuple(filter(None, (rule.detail, rule.remark))), cause=rule.code),
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
