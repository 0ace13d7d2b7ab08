"""The test cases of a functional run as the rows that every report shows: those that did not pass first."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from toril.reports import screen, wording
from toril.reports.bundle import Bundle
from toril.reports.markdown import code, details, escaped, more, table

OUTCOMES = ("failed", "broken", "skipped", "passed")  # in the order of what has to be looked at
MARKS = {"passed": "✔", "failed": "✘", "broken": "✘", "skipped": "–"}
ICONS = {"passed": "✅", "failed": "❌", "broken": "💥", "skipped": "⏭️"}
COLOURS = {"passed": "green", "failed": "red", "broken": "red", "skipped": "yellow"}
LONGEST_TRACE = 8000
MOST_ROWS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One test case in words."""

    name: str
    suite: str
    execution: str
    outcome: str
    took_s: float
    message: str
    trace: str

    @property
    def took(self) -> str:
        return wording.time(round(self.took_s * 1e6))

    @property
    def mark(self) -> str:
        return MARKS.get(self.outcome, "?")

    @property
    def full_name(self) -> str:
        return f"{self.suite} · {self.name}" if self.suite else self.name


def rows(bundle: Bundle) -> list[Row]:
    """Failed, broken, skipped, passed; within each in the order in which they began."""
    found = [_row(case) for case in _tests(bundle).get("cases") or ()]
    return sorted(found, key=lambda row: OUTCOMES.index(row.outcome) if row.outcome in OUTCOMES else 0)


def facts(bundle: Bundle) -> list[tuple[str, str]]:
    """How many there were, and how many of each outcome that occurred."""
    tests = _tests(bundle)
    told = [(name, int(tests.get(name) or 0)) for name in ("passed", "failed", "broken", "skipped")]
    return [
        ("test cases", wording.number(int(tests.get("total") or 0))),
        *((name, wording.number(count)) for name, count in told if count or name == "passed"),
    ]


def headline(bundle: Bundle) -> str:
    """The verdict on them in one sentence."""
    tests = _tests(bundle)
    total, bad = int(tests.get("total") or 0), int(tests.get("failed") or 0) + int(tests.get("broken") or 0)
    cases = f"{wording.number(total)} test case{'s' * (total != 1)}"
    if bad:
        return f"{wording.number(bad)} of {cases} failed"
    if bundle.outcome == "passed":
        skipped = int(tests.get("skipped") or 0)
        if skipped:
            return f"Of {cases} {wording.number(skipped)} skipped, the rest passed"
        return f"All {cases} passed" if total > 1 else "The one test case passed"
    return f"Nothing is proven: {cases} carried out, none failed, but this run cannot vouch for the rest"


def on_terminal(bundle: Bundle) -> RenderableType:
    """A table; what a long one leaves out is said."""
    found = rows(bundle)
    made = screen.table("", "test case", "took", text_columns=2)
    for row in found[:MOST_ROWS]:
        colour = COLOURS.get(row.outcome, "yellow")
        name = Text(row.full_name, style="bold" if row.outcome in ("failed", "broken") else "")
        if row.message:
            name.append(f"\n{row.outcome}: {row.message}", style="not bold dim")
        made.add_row(Text(row.mark, style=f"bold {colour}"), name, Text(row.took))
    left_out = len(found) - MOST_ROWS
    if left_out <= 0:
        return made
    said = f"and {wording.plural(left_out, 'more test case')}: --format json"
    return Group(made, Padding(Text(said, style="dim"), (0, 0, 0, 2)))


def in_markdown(bundle: Bundle, most: int) -> str:
    """Those that failed in the open, the others folded away."""
    found = rows(bundle)
    bad = [row for row in found if row.outcome in ("failed", "broken")]
    others = [row for row in found if row.outcome not in ("failed", "broken")]
    parts = [_table(bad, most)] if bad else []
    if others:
        parts.append(details(f"{len(others):,} other test cases" if bad else "Test cases", _table(others, most)))
    return "\n\n".join(parts)


def _table(found: list[Row], most: int) -> str:
    cells = [
        (
            f"{ICONS.get(row.outcome, '⚠️')} {escaped(row.outcome)}",
            code(row.full_name) + (f"<br><sub>{escaped(row.message)}</sub>" if row.message else ""),
            escaped(row.took),
        )
        for row in found[:most]
    ]
    return table(("outcome", "test case", "took"), "::r", cells, more(len(found) - most, "test case"))


def _tests(bundle: Bundle) -> Mapping[str, Any]:
    found: Mapping[str, Any] = bundle.summary.get("tests") or {}
    return found


def _row(case: Mapping[str, Any]) -> Row:
    lines = (wording.plain(line, 300) for line in str(case.get("trace") or "")[-LONGEST_TRACE:].splitlines())
    return Row(
        name=wording.plain(case.get("name", "")),
        suite=wording.plain(case.get("suite", "")),
        execution=wording.plain(case.get("execution", "")),
        outcome=str(case.get("outcome", "")),
        took_s=int(case.get("duration_us") or 0) / 1e6,
        message=wording.plain(case.get("message") or "", 500),
        trace="\n".join(lines),
    )
