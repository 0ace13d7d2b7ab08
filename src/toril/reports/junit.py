"""JUnit XML: one case a criterion, so that every CI shows which one broke and by how much."""

from junitparser import Error, Failure, JUnitXml, TestCase, TestSuite

from toril.reports import view, wording
from toril.reports.bundle import Bundle


def report(bundle: Bundle) -> bytes:
    """Breached criteria are failures, undecided ones errors; what no criterion explains is a case of its own."""
    name = wording.plain(bundle.plan.suite)
    suite = TestSuite(f"toril {name}")
    suite.hostname = wording.plain(bundle.plan.run_id)
    for key, value in view.facts(bundle):  # before the cases, as the schema wants them
        suite.add_property(key, value)
    rules = view.criteria(bundle)
    for rule in rules:
        suite.add_testcase(_case(rule, name))
    if not rules or (bundle.outcome != "passed" and bundle.outcome not in {rule.outcome for rule in rules}):
        suite.add_testcase(_run_case(bundle, name))
    document = JUnitXml("toril")
    document.add_testsuite(suite)
    document.update_statistics()  # type: ignore[no-untyped-call]
    document.time = suite.time = float(bundle.summary.get("duration_s") or 0)
    written = document.tostring()  # type: ignore[no-untyped-call]
    return written if isinstance(written, bytes) else str(written).encode()


def _case(rule: view.Criterion, suite: str) -> TestCase:
    case = TestCase(rule.text, classname=suite)
    said = f"observed {rule.observed}, limit {rule.limit}"
    details = "\n".join(text for text in (said, rule.detail, rule.message) if text)
    if rule.outcome == "failed":
        case.result = [_result(Failure, f"{rule.text}: {said} ({rule.difference})", "criterion", details)]
    elif rule.outcome == "inconclusive":
        case.result = [_result(Error, rule.message or f"{rule.text}: {said}", "inconclusive", details)]
    else:
        case.system_out = details
    return case


def _run_case(bundle: Bundle, suite: str) -> TestCase:
    case = TestCase("the run is complete", classname=suite)
    outcome = bundle.outcome
    reasons = view.reasons(bundle)
    text = "\n".join(message for _, message in reasons) or view.headline(bundle)
    if outcome == "passed":
        case.system_out = text
    else:
        kind = Failure if outcome == "failed" else Error
        case.result = [_result(kind, text.splitlines()[0], reasons[0][0] if reasons else outcome, text)]
    return case


def _result(kind: type[Failure] | type[Error], message: str, type_: str, text: str) -> Failure | Error:
    result = kind(message, type_)
    result.text = text
    return result
