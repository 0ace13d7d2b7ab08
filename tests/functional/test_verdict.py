"""A functional run's verdict: a failed test case fails it, and an incomplete run never passes."""

import pytest

from tests.functional.tested import case, functional_run
from tests.measured import START
from toril.records import Stop


def codes(bundle):
    return [reason.code for reason in bundle.verdict.reasons]


def test_a_run_passes_if_one_test_case_passed_and_none_failed():
    run = functional_run(case("adds"), case("pays", "skipped"))
    assert (run.outcome, codes(run)) == ("passed", ["tests-passed"])


@pytest.mark.parametrize("outcome", ["failed", "broken"])
def test_a_failed_or_broken_test_case_fails_the_run(outcome):
    run = functional_run(case("adds"), case("pays", outcome))
    assert (run.outcome, codes(run)) == ("failed", ["failed-test"])
    message = run.verdict.reasons[0].message
    assert all(text in message for text in ("1", outcome, "TestCart pays", "pays is why"))


def test_a_failure_stands_although_results_are_missing():
    run = functional_run(case("pays", "failed"), lost=[("local-1", "killed")], reported=())
    assert (run.outcome, codes(run)) == ("failed", ["failed-test", "lost-worker"])


def test_a_lost_worker_or_file_makes_the_run_inconclusive():
    assert codes(functional_run(case("adds"), lost=[("local-1", "killed")], reported=())) == ["lost-worker"]
    run = functional_run(case("adds"), damaged=("runs/x/workers/local-1/a/tests-000001 is missing",))
    assert (run.outcome, codes(run)) == ("inconclusive", ["damaged-file"])


def test_a_run_without_executed_test_cases_is_inconclusive():
    assert (functional_run().outcome, codes(functional_run())) == ("inconclusive", ["no-tests"])
    skipped = functional_run(case("adds", "skipped"), case("pays", "skipped"))
    assert (skipped.outcome, codes(skipped)) == ("inconclusive", ["no-tests"])


def test_a_stopped_run_is_inconclusive_although_its_test_cases_passed():
    stop = Stop(at=START + 1, cause="user", message="enough")
    assert (functional_run(case("adds"), stop=stop).outcome, codes(functional_run(case("adds"), stop=stop))) == (
        "inconclusive",
        ["stopped"],
    )


def test_the_summary_counts_each_outcome_and_keeps_every_test_case_in_its_order():
    tests = functional_run(case("late", at_s=2.0), case("early", "failed", at_s=1.0)).summary.tests
    assert tests is not None
    assert {name: getattr(tests, name) for name in ("total", "passed", "failed", "broken", "skipped")} == {
        "total": 2, "passed": 1, "failed": 1, "broken": 0, "skipped": 0,
    }  # fmt: skip
    assert [one.name for one in tests.cases] == ["early", "late"]
