"""JUnit XML: one case a criterion, so that every CI shows which one broke and by how much.

Names and classes stay the same from run to run, so that a CI can follow each case: the criterion as it was written,
and a few cases on the run itself, which are always there. A breach is a failure; what is undecided is an error, and so
an inconclusive run is never green; a criterion that decides nothing and could not be judged is skipped.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from toril.reports import capacity, cases, duet, view, vouching, wording
from toril.reports.bundle import Bundle
from toril.reports.figures_table import between

Kind = type[Failure] | type[Error] | type[Skipped]

# Reasons that a criterion's own case tells
OF_CRITERIA = frozenset(
    {"breach", "excused-breach", "breach-may-not-stand", "no-samples", "unknown-label", "not-measured"}
    | {"failed-test"}  # of test cases, theirs
    | {"too-few-samples", "kept", "nothing-judged", "regression", "unproven", "no-regression"}
)
LEAVES_OPEN = frozenset({"no-samples", "unknown-label"})  # even where the criterion cannot fail the run
COMPLETE, GENERATORS = "the run is complete", "the generators had room"
OF_THE_RUN: Mapping[str, frozenset[str]] = {  # cases on the run itself, and the codes of reasons that break them
    COMPLETE: frozenset(),  # all codes that no other case has
    "the load was reached": frozenset({"unreached-load", "dropped-sends"}),
    GENERATORS: frozenset({"saturated", "late-start", "unsure-clock", "late-rate"}),
}


def report(bundle: Bundle) -> bytes:
    """The suite of one run: its facts as properties, a case a criterion, then the cases on the run itself."""
    name = wording.plain(bundle.plan.suite)
    suite = TestSuite(f"toril {name}")
    for key, value in _facts(bundle):  # before the cases, as the schema wants them
        suite.add_property(key, value)
    started = _timestamp(bundle.summary.get("started_at"))
    if started:
        suite.timestamp = started
    classname = "toril." + re.sub(r"[.\s]+", "_", name)
    rules = [*_criteria(bundle, classname), *_compared(bundle, f"{classname}.duet"), *_tested(bundle, classname)]
    for case in (*rules, *_run_cases(bundle, f"{classname}.run", rules)):
        case.time = case.time or 0.0
        suite.add_testcase(case)
    document = JUnitXml("toril")
    document.add_testsuite(suite)
    document.update_statistics()  # type: ignore[no-untyped-call]
    document.time = suite.time = float(bundle.summary.get("duration_s") or 0)
    written = document.tostring()  # type: ignore[no-untyped-call]
    return written if isinstance(written, bytes) else str(written).encode()


def _facts(bundle: Bundle) -> Iterable[tuple[str, str]]:
    yield "run", wording.plain(bundle.plan.run_id)
    yield "verdict", bundle.outcome
    yield "in a sentence", view.headline(bundle)
    yield from view.facts(bundle)
    sure = between(view.overall(bundle), "p95", " … ")
    if sure and not bundle.plan.functional:
        yield "p95, with 95 % certainty", sure
    for search in capacity.told(bundle):
        yield f"capacity of {search.name}", search.message
    for key, value in sorted(bundle.tags.items()):
        yield f"tag {wording.plain(key)}", wording.plain(value)


def _criteria(bundle: Bundle, classname: str) -> Iterable[TestCase]:
    seen: Counter[str] = Counter()
    for item, rule in zip(bundle.verdict.get("criteria", ()), view.criteria(bundle), strict=True):
        name = rule.text + _scope(item)
        seen[name] += 1
        if seen[name] > 1:
            name += f" ({seen[name]})"
        yield _case(bundle, item, rule, TestCase(name, classname=classname))


def _compared(bundle: Bundle, classname: str) -> Iterable[TestCase]:
    """Base against head: a case a figure. A regression that the run cannot vouch for is no failure."""
    compared = duet.told(bundle)
    for row in () if compared is None else compared.rows:
        case = TestCase(f"{row.name} against base", classname=classname)
        if row.outcome == "passed":
            case.system_out = row.message
        else:
            failed = row.outcome == "failed" and bundle.outcome == "failed"
            kind: Kind = Failure if failed else Error
            case.result = [_result(kind, row.message, "regression" if failed else "inconclusive", row.message)]
        yield case


def _tested(bundle: Bundle, classname: str) -> Iterable[TestCase]:
    """A functional run's own test cases; repeated ones are numbered."""
    seen: Counter[tuple[str, str]] = Counter()
    for row in cases.rows(bundle):
        parts = (row.execution,) if row.suite == row.execution else (row.execution, row.suite)
        owner = ".".join(
            [classname, *(re.sub(r"[.\s]+", "_", part) if part == row.execution else part for part in parts)]
        )
        seen[owner, row.name] += 1
        times = seen[owner, row.name]
        case = TestCase(row.name if times == 1 else f"{row.name} ({times})", classname=owner)
        case.time = row.took_s
        details = "\n".join(text for text in (row.message, row.trace) if text)
        kinds: Mapping[str, Kind] = {"failed": Failure, "broken": Error, "skipped": Skipped}
        kind = kinds.get(row.outcome)
        if kind is not None:
            case.result = [_result(kind, row.message or row.outcome, row.outcome, details)]
        yield case


def _scope(item: Mapping[str, Any]) -> str:
    """What tells criteria of the same text apart."""
    executions = (item.get("scope") or {}).get("executions") or ()
    return f" in execution {' + '.join(map(wording.plain, executions))}" if executions else ""


def _case(bundle: Bundle, item: Mapping[str, Any], rule: view.Criterion, case: TestCase) -> TestCase:
    said = f"observed {rule.observed}, limit {rule.limit}"
    details = "\n".join(text for text in (said, rule.detail, rule.message) if text)
    if rule.outcome == "failed":
        case.result = [_result(Failure, f"{rule.text}: {said} ({rule.difference})", "criterion", details)]
    elif rule.outcome == "inconclusive":
        decides = item.get("fail", True) or item.get("code") in LEAVES_OPEN
        kind: Kind = Error if decides and bundle.outcome != "passed" else Skipped
        case.result = [_result(kind, rule.message or f"{rule.text}: {said}", "inconclusive", details)]
    else:
        case.system_out = (
            f"came true, which does not fail this run\n{details}" if rule.outcome == "triggered" else details
        )
    return case


def _run_cases(bundle: Bundle, classname: str, rules: Sequence[TestCase]) -> Iterable[TestCase]:
    """A run that has not passed is told by a criterion's case or by one of these, whatever its reasons are."""
    reasons = [] if bundle.outcome == "passed" else view.reasons(bundle)
    grouped: dict[str, list[tuple[str, str]]] = {name: [] for name in OF_THE_RUN}
    for code, message in reasons:
        if code not in OF_CRITERIA:
            found = next((name for name, codes in OF_THE_RUN.items() if code in codes), COMPLETE)
            grouped[found].append((code, message))
    told = any(isinstance(result, (Failure, Error)) for case in rules for result in case.result)
    kind: Kind = Error
    if bundle.outcome != "passed" and not told and not any(grouped.values()):
        grouped[COMPLETE] = reasons or [(bundle.outcome, view.headline(bundle))]
        kind = Failure if bundle.outcome == "failed" else Error
    if bundle.plan.functional:
        grouped = {COMPLETE: grouped[COMPLETE]}
    for name, found_reasons in grouped.items():
        case = TestCase(name, classname=classname)
        if found_reasons:
            text = "\n".join(message for _, message in found_reasons)
            first = next(iter(text.splitlines()), "")
            case.result = [_result(kind, first or bundle.outcome, found_reasons[0][0] or bundle.outcome, text)]
        elif name == COMPLETE:
            said = [view.headline(bundle)] if bundle.outcome == "passed" else []
            if said := [*said, *map(wording.plain, bundle.verdict.get("notes") or ())]:
                case.system_out = "\n".join(said)
        elif name == GENERATORS and vouching.health(bundle):
            case.system_out = vouching.health(bundle)
        yield case


def _result(kind: Kind, message: str, type_: str, text: str) -> Failure | Error | Skipped:
    result = kind(message, type_)
    result.text = text
    return result


def _timestamp(started_at: object) -> str:
    """ISO 8601 without a zone, in UTC, as the schema wants it; empty for what is no moment."""
    try:
        return datetime.fromisoformat(str(started_at)).strftime("%Y-%m-%dT%H:%M:%S")
    except ValueError:
        return ""
