"""What became of the test cases of a functional run, as plain data and in words."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from toril.records import Case, CaseOutcome

OUTCOMES: tuple[CaseOutcome, ...] = get_args(CaseOutcome)
MOST_NAMED = 3  # in one sentence


def tests_of(cases: Sequence[Case]) -> dict[str, Any]:
    """`tests` of a summary: how many there were of each outcome, and every one of them in the order it began."""
    counted = Counter(case.outcome for case in cases)
    ordered = sorted(cases, key=lambda case: (case.at_s, case.execution))
    return {
        "total": len(cases),
        **{outcome: counted[outcome] for outcome in OUTCOMES},
        "cases": [case.model_dump() for case in ordered],
    }


def unsound_tests(tests: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Why a functional run has failed, as code and message; nothing when no test case did."""
    bad = [case for case in tests["cases"] if case["outcome"] in ("failed", "broken")]
    if not bad:
        return
    kinds = " and ".join(f"{tests[kind]:,} {kind}" for kind in ("failed", "broken") if tests[kind])
    named = "; ".join(_named(case) for case in bad[:MOST_NAMED])
    more = f"; and {len(bad) - MOST_NAMED:,} more" if len(bad) > MOST_NAMED else ""
    yield "failed-test", f"of {tests['total']:,} test case{'s' * (tests['total'] != 1)} {kinds}: {named}{more}"


def nothing_tested(tests: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Why a functional run without a failure proves nothing, as code and message; nothing when it does."""
    if not tests["total"]:
        yield "no-tests", "not one test case was carried out"
    elif tests["skipped"] == tests["total"]:
        yield "no-tests", f"all {tests['total']:,} test cases were skipped: nothing was tested"


def _named(case: Mapping[str, Any]) -> str:
    lines = case["message"].strip().splitlines()
    return f"{case['suite']} {case['name']}" + (f" ({lines[0][:200]})" if lines else "")
