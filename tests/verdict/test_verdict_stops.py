"""The outcome of runs that ended before their planned end."""

import pytest

from tests.measured import (
    BROKEN,
    FAST,
    SLOW,
    TIMES,
    codes,
    every_second,
    execution,
    good,
    left,
    plan_of,
    stopped,
    timeline_of,
    verdict_of,
)


def test_a_stop_after_the_last_sample_changes_nothing():
    plan = plan_of(TIMES, executions=[execution(hold_for_s=20.0)])
    late = left(at_s=21.0, outcome="stopped", last_sample_s=19.9)
    assert verdict_of(good(20), plan, exits={"local-1": late}).outcome == "passed"


@pytest.mark.parametrize("cause", ["user", "signal", "deadline", "lost"])
def test_a_stopped_run_is_inconclusive_unless_a_breach_stands(cause):
    plan, stop = plan_of(TIMES, "hits>20 for 3s", workers=1), stopped(cause)
    assert codes(verdict_of(good(5), plan_of(TIMES), stop=stop)) == ["stopped"]
    assert verdict_of(good(5, SLOW), plan_of(TIMES), stop=stop).outcome == "failed"  # 300 ms, twice as many samples
    assert verdict_of(good(5, SLOW), plan_of("avg-rt>200ms"), stop=stop).outcome == "inconclusive"
    assert verdict_of(good(5, SLOW), plan_of("avg-rt>299ms for 3s"), stop=stop).outcome == "failed"
    assert verdict_of(good(5), plan, stop=stop).outcome == "inconclusive"


def test_a_stopped_run_by_iterations_has_an_unknown_end():
    plan = plan_of("fail>1%", executions=[execution(hold_for_s=0.0, iterations=100)])
    broken = timeline_of(every_second(range(5), BROKEN, 9) + every_second(range(5), FAST))
    assert verdict_of(broken, plan, stop=stopped("user")).outcome == "inconclusive"
    assert verdict_of(broken, plan).outcome == "failed"


def test_the_reason_of_a_lost_worker_appears_once_even_if_it_ended_the_load():
    why = "Locust ended with exit code 3: Traceback (most recent call last) …"
    stop = stopped("lost").model_copy(update={"message": f"worker local-1 was lost: {why}"})
    verdict = verdict_of(good(5), plan_of(TIMES), stop=stop, lost=(("local-1", why),))
    assert codes(verdict) == ["lost-worker", "stopped"]
    assert [why in reason.message for reason in verdict.reasons] == [True, False]


def test_a_stop_as_non_failed_ends_a_run_as_planned():
    plan = plan_of("hits>5 for 3s, stop as non-failed", TIMES, executions=[execution(hold_for_s=600.0)])
    verdict = verdict_of(good(5), plan, stop=stopped("criterion"))
    assert (verdict.outcome, codes(verdict)) == ("passed", ["kept"])
    assert verdict.criteria[0].outcome == "triggered"
    long = timeline_of(every_second(range(40), FAST, 10), users=dict.fromkeys(range(40), 10))
    assert verdict_of(long, plan, stop=stopped("criterion", 40.0)).outcome == "passed"


def test_a_stop_as_failed_fails_the_run_and_other_criteria_judge_the_existing_samples():
    plan = plan_of("avg-rt>100ms for 3s, stop as failed", "avg-rt>200ms", executions=[execution(hold_for_s=600.0)])
    verdict = verdict_of(good(5, SLOW), plan, stop=stopped("criterion"))
    assert (verdict.outcome, codes(verdict)) == ("failed", ["breach", "breach"])


def test_a_stop_by_an_unconfirmed_criterion_never_passes():
    verdict = verdict_of(good(5), plan_of("avg-rt>100ms for 3s"), stop=stopped("criterion"))
    assert (verdict.outcome, codes(verdict)) == ("inconclusive", ["stopped"])


def test_a_worker_lost_before_a_stop_by_a_criterion_misses_data_until_the_stop():
    plan = plan_of(
        "hits>5 for 3s, stop as non-failed", "avg-rt>149ms", workers=2, executions=[execution(hold_for_s=600.0)]
    )
    verdict = verdict_of(good(5, SLOW), plan, stop=stopped("criterion"), lost=(("local-2", "killed"),))
    assert verdict.outcome == "failed"
    assert verdict.criteria[1].outcome == "failed"
