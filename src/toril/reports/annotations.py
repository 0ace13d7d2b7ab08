"""Renders blocks as GitHub's workflow commands: problems at the lines of the suite that they concern.

GitHub shows ten annotations of each level per step. The most important come first; the last one counts the rest.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from toril import text
from toril.records import SourcePlace
from toril.reports.blocks import Criteria, Headline, Report, Table
from toril.text import plain

MOST = 10
SAFE_IN_DATA = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
SAFE_IN_PROPERTY = SAFE_IN_DATA | str.maketrans({":": "%3A", ",": "%2C"})
Level = Literal["error", "warning", "notice"]
LEVELS: dict[str, Level] = {"failed": "error", "broken": "error", "inconclusive": "warning", "triggered": "notice"}
OF_MESSAGE: dict[str, tuple[Level, str]] = {  # for the result of a table, by its outcome
    "failed": ("error", "slower than base"),
    "inconclusive": ("warning", "unreliable comparison"),
    "unproven": ("notice", "no proof in either direction"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    level: Level
    title: str
    message: str
    place: SourcePlace | None = None


def render(report: Report) -> bytes:
    """Returns one line per annotation; empty without problems."""
    lines = "".join(_command(report.headline, annotation) + "\n" for annotation in annotations_of(report))
    return lines.encode("utf-8", "backslashreplace")


def annotations_of(report: Report) -> list[Annotation]:
    """Returns the most important problems of each level, the worst level first."""
    annotations = list(_annotations(report))
    return [annotation for level in ("error", "warning", "notice") for annotation in _limited(annotations, level)]


def _annotations(report: Report) -> Iterator[Annotation]:
    headline = report.headline
    for block in report.blocks:
        match block:
            case Criteria():
                for rule in block.rules:
                    if rule.outcome in LEVELS:
                        message = f"{rule.text}: {rule.message or f'observed {rule.observed}, limit {rule.limit}'}"
                        level = LEVELS[rule.outcome]
                        yield Annotation(level=level, title=rule.outcome, message=message, place=rule.place)
            case Table():
                yield from _table(block)
            case _:
                pass
    for reason in headline.own_reasons:
        level = "error" if headline.outcome == "failed" else "warning"
        yield Annotation(level=level, title=headline.outcome, message=reason.message)


def _table(table: Table) -> Iterator[Annotation]:
    """Yields each failed row; without failed rows, the result of the table unless it passed."""
    broken = [(row, row.check) for row in table.rows if row.check and row.check.outcome in ("failed", "broken")]
    for row, check in broken:
        message = check.message or check.outcome
        if not table.message:
            message = f"{row.cells[0].text}: {message}"
        yield Annotation(level="error", title=check.title, message=message)
    if not broken and table.outcome in OF_MESSAGE:
        level, title = OF_MESSAGE[table.outcome]
        yield Annotation(level=level, title=title, message=table.message or "A regression is possible.")


def _limited(annotations: Sequence[Annotation], level: str) -> list[Annotation]:
    chosen = [annotation for annotation in annotations if annotation.level == level]
    if len(chosen) <= MOST:
        return chosen
    last, others = chosen[MOST - 1], len(chosen) - MOST
    message = f"{plain(last.message, 1000)} … and {text.number(others)} more; see the report"
    return [*chosen[: MOST - 1], replace(last, message=message, place=None)]


def _command(headline: Headline, note: Annotation) -> str:
    """Returns the command, at the place of the annotation or else at the suite's file."""
    place = {"file": note.place.file, "line": str(note.place.line)} if note.place else {"file": headline.file}
    known = {name: value for name, value in place.items() if value}
    return command(note.level, plain(note.message, 1100), **known, title=f"{headline.suite}: {note.title}")


def command(name: str, data: str, **properties: str) -> str:
    """Returns the line for the runner.

    >>> command("error", "100 %: a\\nb", file="a,b:c.yml", line="3")
    '::error file=a%2Cb%3Ac.yml,line=3::100 %25: a%0Ab'
    """
    named = ",".join(f"{key}={value.translate(SAFE_IN_PROPERTY)}" for key, value in properties.items())
    return f"::{name}{' ' if named else ''}{named}::{data.translate(SAFE_IN_DATA)}"
