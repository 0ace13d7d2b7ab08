"""Blocks as JUnit XML: a case for each criterion, so that every CI shows which one broke and by how much.

Names and classes stay the same from run to run, so that a CI can follow each case: the criterion as it was written, and
a few cases on the run itself, which are always there. A breach is a failure; what is undecided is an error, so an
inconclusive run is never green; a criterion that decides nothing and could not be judged is skipped.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from toril.reports.blocks import About, Check, Criteria, Facts, Headline, Note, Reason, Report, Rule, Table

Kind = type[Failure] | type[Error] | type[Skipped]

COMPLETE = "the run is complete"
OF_THE_RUN: Mapping[str, About] = {  # the cases on the run itself, and the reasons that break them
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
    """The suite of one run: its facts as properties, a case for each check, then the cases on the run itself."""
    headline = report.headline
    suite = TestSuite(f"toril {headline.suite}")
    for name, value in _properties(report):  # before the cases, as the schema wants them
        suite.add_property(name, value)
    started = _timestamp(headline.started_at)
    if started:
        suite.timestamp = started
    classname = "toril." + _class(headline.suite)
    checks = [*_criteria(report, classname), *_rows(report, classname)]
    for case in (*checks, *_run_cases(report, f"{classname}.run", checks)):
        case.time = case.time or 0.0
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
            case Note(code="cost"):
                yield "cost", block.text
            case _:
                pass


def _criteria(report: Report, classname: str) -> Iterator[TestCase]:
    seen: Counter[str] = Counter()
    rules = [rule for block in report.blocks if isinstance(block, Criteria) for rule in block.rules]
    for rule in rules:
        name = rule.text + (f" in execution {rule.executions}" if rule.executions else "")
        yield _criterion(report.headline, rule, TestCase(_numbered(name, seen), classname=classname))


def _criterion(headline: Headline, rule: Rule, case: TestCase) -> TestCase:
    observed = f"observed {rule.observed}, limit {rule.limit}"
    details = "\n".join(filter(None, (observed, rule.detail, rule.message)))
    if rule.outcome == "failed":
        case.result = [_result(Failure, f"{rule.text}: {observed} ({rule.difference})", "criterion", details)]
    elif rule.outcome == "inconclusive":
        kind: Kind = Error if rule.decides and headline.outcome != "passed" else Skipped
        case.result = [_result(kind, rule.message or f"{rule.text}: {observed}", "inconclusive", details)]
    else:
        triggered = "came true, which does not fail this run\n" if rule.outcome == "triggered" else ""
        case.system_out = triggered + details
    return case


def _rows(report: Report, classname: str) -> Iterator[TestCase]:
    """The rows that are checks of their own: test cases of a functional run, and the figures of a duet."""
    seen: Counter[str] = Counter()
    for block in report.blocks:
        for row in block.rows if isinstance(block, Table) else ():
            if row.check:
                owner = f"{classname}.{row.check.group}"
                yield _check(row.check, TestCase(_numbered(row.check.name, seen, owner), classname=owner))


def _check(check: Check, case: TestCase) -> TestCase:
    case.time = check.took_s
    kind = KINDS.get(check.outcome)
    if kind is not None:
        details = "\n".join(filter(None, (check.message, check.details)))
        case.result = [_result(kind, check.message or check.outcome, check.code or check.outcome, details)]
    elif check.message:
        case.system_out = check.message
    return case


def _run_cases(report: Report, classname: str, checks: Sequence[TestCase]) -> Iterable[TestCase]:
    """A run that has not passed breaks the case of a check, or one of these, whatever its reasons are."""
    headline = report.headline
    found: dict[About, list[Reason]] = {about: [] for about in OF_THE_RUN.values()}
    for reason in headline.reasons:
        if reason.about in found:
            found[reason.about].append(reason)
    broken = any(isinstance(result, (Failure, Error)) for case in checks for result in case.result)
    kind: Kind = Error
    if headline.outcome != "passed" and not broken and not any(found.values()):
        found["run"] = list(headline.reasons) or [Reason(headline.outcome, headline.text)]
        kind = Failure if headline.outcome == "failed" else Error
    functional = any(isinstance(block, Table) and block.id == "cases" for block in report.blocks)
    for name, about in OF_THE_RUN.items():
        case = TestCase(name, classname=classname)
        if reasons := found[about]:
            details = "\n".join(reason.message for reason in reasons)
            first = next(iter(details.splitlines()), "")
            code = reasons[0].code or headline.outcome
            case.result = [_result(kind, first or headline.outcome, code, details)]
        else:
            remarks = "\n".join(_remarks(report, about))
            if remarks:
                case.system_out = remarks
        if about == "run" or not functional:
            yield case


def _remarks(report: Report, about: About) -> Iterator[str]:
    if about == "run":
        yield from [report.headline.text] if report.headline.outcome == "passed" else []
        yield from (note.text for note in report.having("note"))
    elif about == "generators":
        yield from (note.text for note in report.having("generators"))


def _result(kind: Kind, message: str, type_: str, details: str) -> Failure | Error | Skipped:
    result = kind(message, type_)
    result.text = details
    return result


def _numbered(name: str, seen: Counter[str], owner: str = "") -> str:
    """Equal names are numbered."""
    seen[f"{owner}\n{name}"] += 1
    times = seen[f"{owner}\n{name}"]
    return name if times == 1 else f"{name} ({times})"


def _class(name: str) -> str:
    return re.sub(r"[.\s]+", "_", name)


def _timestamp(started_at: str) -> str:
    """ISO 8601 without a zone, in UTC, as the schema wants it; empty for what is no moment."""
    try:
        return datetime.fromisoformat(started_at).strftime("%Y-%m-%dT%H:%M:%S")
    except ValueError:
        return ""
