"""The verdict of a functional run: its test cases decide, and whether all of them were carried out.

Failed as soon as one failed or broke, whatever is missing: none of the others could mend it. Nothing that falsifies
times is asked for, since none are judged.

| code            | makes it     | because                                                        |
|-----------------|--------------|----------------------------------------------------------------|
| `failed-test`   | failed       | a test case failed (an assertion), or broke                    |
| `no-tests`      | inconclusive | not one test case was carried out, or all of them were skipped |
| `tests-passed`  | passed       | no test case failed, and at least one passed                   |

Reasons of a load that mean the same here: `lost-worker`, `damaged-file`, `missing-samples`, `unreadable-records`,
`stopped`, `ended-early`.
"""

from toril.records import Plan, Reason, Verdict
from toril.records.summary import TestResults
from toril.summary import Completeness, nothing_tested, unsound_tests
from toril.timeline import Timeline
from toril.verdict.judge import ended_early, missing


def judge_tests(plan: Plan, timeline: Timeline, completeness: Completeness, tests: TestResults) -> Verdict:
    """The verdict, by the summary's `tests` and what is missing."""
    failed = tuple(Reason(*one) for one in unsound_tests(tests))
    nothing = (Reason(*one) for one in nothing_tested(tests))
    open_questions = (*missing(timeline, completeness), *ended_early(plan, timeline, completeness), *nothing)
    if failed:
        return Verdict(outcome="failed", reasons=(*failed, *open_questions))
    if open_questions:
        return Verdict(outcome="inconclusive", reasons=open_questions)
    skipped = f"; {tests.skipped:,} skipped" if tests.skipped else ""
    passed = Reason("tests-passed", f"{tests.passed:,} test cases passed{skipped}")
    return Verdict(outcome="passed", reasons=(passed,))
