"""Renders blocks as JUnit XML: one test case per criterion, so that every CI shows each breach with its figures.

Names and classes stay the same from run to run, so that a CI can track each case. A case is named after the text of
its criterion; a few cases on the run itself always exist. A breach is a failure. An undecided criterion is an error,
so an inconclusive run is never green. An undecided criterion that cannot fail the run is skipped.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from toril.reports.blocks import About, Criteria, Facts, Headline, NoteBlock, Report, ShownCriterion, ShownReason, Table

Kind = type[Failure] | type[Error] | type[Skipped]

COMPLETE = "the run is complete"
OF_THE_RUN: Mapping[str, About] = {  # the cases on the run itself, and the reasons that they report
    COMPLETE: "run",
    "the load was reached": "load",
    "the generators had room": "generators",
}
KINDS: Mapping[str, Kind] = {
    "failed": Failure,
    "skipped": Skipped,
    **dict.fromkeys(("broken", "inconclusive", "unproven"), Error),
}


def render(report: Report) -> bytes:
    """Returns the test suite of one run: facts as properties, a case for each check, then cases on the run itself."""
    headline = report.headline
    suite = TestSuite(f"toril {headline.suite}")
    for name, value in _properties(report):  # before the cases, as the schema requires
        suite.add_property(name, value)
    with suppress(ValueError):  # the schema requires UTC without a zone; some runs have no start
        suite.timestamp = datetime.fromisoformat(headline.started_at).strftime("%Y-%m-%dT%H:%M:%S")
    classname = "toril." + re.sub(r"[.\s]+", "_", headline.suite)
    checks = [*_criteria(report, classname), *_rows(report, classname)]
    for case in (*checks, *_run_cases(report, f"{classname}.run", checks)):
        suite.add_testcase(case)
    document = JUnitXml("toril")
    document.add_testsuite(suite)
    document.update_statistics()  # type: ignore[no-untyped-call]
    document.time = suite.time = float(headline.duration_s)
    written = document.tostring()  # type: ignore[no-untyped-call]
    return written if isinstance(written, bytes) else str(written).encode()


def _properties(report: Report) -> Iterator[tuple[str, str]]:
    yield "verdict", report.headline.outcome
    yield "in a sentence", report.headline.text
    for block in report.blocks:
        match block:
            case Facts():
                for fact in block.facts:
                    yield fact.name, fact.value
                    if fact.interval:
                        yield f"{fact.name}, with 95 % certainty", fact.interval
            case Table() if block.message:
                yield block.title, block.message
            case NoteBlock(code="cost"):
                yield "cost", block.text
            case _:
                pass


def _case(
    name: str, classname: str, kind: Kind | None = None, message: str = "", code: str = "", details: str = ""
) -> TestCase:
    """Returns a passed case, or one with a result of that kind."""
    case = TestCase(name, classname=classname, time=0.0)
    if kind is not None:
        result = kind(message, code)
        result.text = details
        case.result = [result]
    elif details:
        case.system_out = details
    return case


def _criteria(report: Report, classname: str) -> Iterator[TestCase]:
    seen: Counter[str] = Counter()
    rules = [rule for block in report.blocks if isinstance(block, Criteria) for rule in block.rules]
    for rule in rules:
        name = rule.text + (f" in execution {rule.executions}" if rule.executions else "")
        group = report.evidence_of(rule)
        exchange = group and group.exchanges[0]
        shown = f"{exchange.title} ({exchange.place})\n{exchange.brief}" if exchange else ""
        yield _criterion(report.headline, rule, _numbered(name, seen), classname, shown)


def _criterion(headline: Headline, rule: ShownCriterion, name: str, classname: str, evidence: str) -> TestCase:
    observed = f"observed {rule.observed}, limit {rule.limit}"
    details = "\n".join(filter(None, (observed, rule.detail, rule.message)))
    if rule.outcome == "failed":
        details = "\n".join(filter(None, (details, evidence)))
        return _case(name, classname, Failure, f"{rule.text}: {observed} ({rule.difference})", "criterion", details)
    if rule.outcome == "inconclusive":
        kind: Kind = Error if rule.decides and headline.outcome != "passed" else Skipped
        return _case(name, classname, kind, rule.message or f"{rule.text}: {observed}", "inconclusive", details)
    triggered = "triggered, which does not fail this run\n" if rule.outcome == "triggered" else ""
    return _case(name, classname, details=triggered + details)


def _rows(report: Report, classname: str) -> Iterator[TestCase]:
    """Yields a case for each row with a check: test cases of a functional run, and figures of a duet."""
    seen: Counter[str] = Counter()
    for check in (row.check for block in report.blocks if isinstance(block, Table) for row in block.rows if row.check):
        owner, kind = f"{classname}.{check.group}", KINDS.get(check.outcome)
        details = "\n".join(filter(None, (check.message, check.details))) if kind else check.message
        message, code = check.message or check.outcome, check.code or check.outcome
        case = _case(_numbered(check.name, seen, owner), owner, kind, message, code, details)
        case.time = check.took_s
        yield case


def _run_cases(report: Report, classname: str, checks: Sequence[TestCase]) -> Iterable[TestCase]:
    """Yields the cases on the run itself; one of them fails if the run has not passed and no check fails."""
    headline = report.headline
    cases = {about: [reason for reason in headline.reasons if reason.about == about] for about in OF_THE_RUN.values()}
    broken = any(isinstance(result, (Failure, Error)) for case in checks for result in case.result)
    kind: Kind = Error
    if headline.outcome != "passed" and not broken and not any(cases.values()):
        cases["run"] = list(headline.reasons) or [ShownReason(headline.outcome, headline.text)]
        kind = Failure if headline.outcome == "failed" else Error
    functional = any(isinstance(block, Table) and block.id == "cases" for block in report.blocks)
    remarks = {"run": [headline.text] if headline.outcome == "passed" else []}
    remarks["run"] += [note.text for note in report.having("note")]
    remarks["generators"] = [note.text for note in report.having("generators")]
    for name, about in OF_THE_RUN.items():
        if about != "run" and functional:
            continue
        if reasons := cases[about]:
            details = "\n".join(reason.message for reason in reasons)
            message, code = next(iter(details.splitlines()), ""), reasons[0].code
            yield _case(name, classname, kind, message or headline.outcome, code or headline.outcome, details)
        else:
            yield _case(name, classname, details="\n".join(remarks.get(about, [])))


def _numbered(name: str, seen: Counter[str], owner: str = "") -> str:
    """Returns the name, with a number if it repeats."""
    seen[f"{owner}\n{name}"] += 1
    times = seen[f"{owner}\n{name}"]
    return name if times == 1 else f"{name} ({times})"
