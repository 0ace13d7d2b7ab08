"""The test cases of a functional run: their outcomes, and why the run failed or proves nothing."""

from collections import Counter
from collections.abc import Iterator, Sequence

from toril.records import Case
from toril.records.summary import TestResults

MOST_NAMED = 3  # in one sentence


def tests_of(cases: Sequence[Case]) -> TestResults:
    """`tests` of a summary: how many there were of each outcome, and every one of them in the order it began."""
    counted = Counter(case.outcome for case in cases)
    return TestResults(
        total=len(cases),
        passed=counted["passed"],
        failed=counted["failed"],
        broken=counted["broken"],
        skipped=counted["skipped"],
        cases=tuple(sorted(cases, key=lambda case: (case.at_s, case.execution))),
    )


def unsound_tests(tests: TestResults) -> Iterator[tuple[str, str]]:
    """Why a functional run has failed, as code and message; nothing when no test case did."""
    bad = [case for case in tests.cases if case.outcome in ("failed", "broken")]
    if not bad:
        return
    counts = {"failed": tests.failed, "broken": tests.broken}
    kinds = " and ".join(f"{count:,} {kind}" for kind, count in counts.items() if count)
    named = "; ".join(_named(case) for case in bad[:MOST_NAMED])
    more = f"; and {len(bad) - MOST_NAMED:,} more" if len(bad) > MOST_NAMED else ""
    yield "failed-test", f"of {tests.total:,} test case{'s' * (tests.total != 1)} {kinds}: {named}{more}"


def nothing_tested(tests: TestResults) -> Iterator[tuple[str, str]]:
    """Why a functional run without a failure proves nothing, as code and message; nothing when it does."""
    if not tests.total:
        yield "no-tests", "not one test case was carried out"
    elif tests.skipped == tests.total:
        yield "no-tests", f"all {tests.total:,} test cases were skipped: nothing was tested"


def _named(case: Case) -> str:
    lines = case.message.strip().splitlines()
    return f"{case.suite} {case.name}" + (f" ({lines[0][:200]})" if lines else "")
