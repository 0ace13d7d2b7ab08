"""Criteria on merged samples: each subject, each kind of window, each scope, and the messages."""

from dataclasses import replace

import pytest

from tests.measured import FAST, MS, SLOW, Sample, every_second, execution, judged, plan_of, timeline_of
from toril.timeline import Timeline
from toril.timeline.intervals import Recorder, decode
from toril.verdict.live import LiveCriteria

# Subjects, on the whole run


def test_virtual_users_are_judged_by_maximum_of_the_run_and_mean_of_a_window():
    timeline = timeline_of(every_second(range(4)), users={0: 10, 1: 20, 2: 30, 3: 10})
    assert judged("concurrency>29", timeline).observed == 30
    assert judged("concurrency>24 over 2s", timeline).observed == 25
    assert judged("concurrency>19 for 2s", timeline).at_s == 2


@pytest.mark.parametrize(
    ("op", "fires"), [(">", False), (">=", True), ("<", False), ("<=", True), ("=", True), ("==", True)]
)
def test_a_value_equal_to_the_threshold_is_a_breach_only_with_some_operators(op, fires):
    assert judged(f"hits{op}7", timeline_of(every_second(range(7)))).fired is fires


def test_an_unrecorded_subject_does_not_count_as_zero():
    result = judged("avg-lt<1ms", timeline_of(every_second(range(5))))
    assert (result.outcome, result.code) == ("inconclusive", "not-measured")
    assert judged("avg-ct>1ms for 2s", timeline_of(every_second(range(5)))).code == "not-measured"


# Windows


def test_for_reports_the_least_breach_of_a_series_and_the_worst_series():
    times = [300, 200, 250, 400, 350]
    timeline = timeline_of([Sample(second, ms * MS) for second, ms in enumerate(times)])
    result = judged("avg-rt>150ms for 2s", timeline)
    assert (result.at_s, result.observed, result.worst) == (1, 200 * MS, 350 * MS)


def with_health_at(timeline: Timeline, second: int) -> Timeline:
    """Adds a health report of a worker in that second, without samples."""
    recorder = Recorder("local-1", "local")
    recorder.health(second, 0.1, 0.0, 1, 0.0)
    timeline.add(decode(recorder.flush() or b"", f"second {second}"))
    return timeline


def test_a_silent_second_counts_live_when_all_workers_have_reported_it():
    timeline, live = timeline_of(every_second(range(3), FAST, 5)), LiveCriteria(plan_of("hits<5 for 3s, stop"))
    for second in range(3, 7):
        assert live.advance(timeline, second - 1) == []
        with_health_at(timeline, second)
    assert [one.at_s for one in live.advance(timeline, 6)] == [5]  # the sixth may be incomplete


def test_without_a_planned_end_the_last_second_counts_except_for_counts():
    plan = plan_of(executions=[execution(iterations=4, hold_for_s=0.0)])
    timeline = timeline_of(every_second(range(3), FAST, 5) + every_second([3], SLOW))
    assert judged("avg-rt>200ms for 1s", timeline, plan).at_s == 3
    assert judged("hits<5 for 1s", timeline, plan).outcome == "passed"


@pytest.mark.parametrize("source", ["hits<5 for 3s", "throughput<5/s for 3s"])
def test_a_label_of_an_ended_execution_is_not_silent_while_others_continue(source):
    first = execution("first", hold_for_s=4.0, labels=("home",))
    second = execution("second", hold_for_s=12.0, labels=("cart",))
    samples = every_second(range(4), replace(FAST, execution="first"), 5)
    samples += every_second(range(12), replace(FAST, execution="second", label="cart"), 5)
    plan = plan_of(executions=[first, second])
    of_home = source.replace("<", " of home<")
    assert judged(of_home, timeline_of(samples), plan, language="toril").outcome == "passed"


def test_the_worst_window_is_reported_even_without_a_breach():
    timeline = timeline_of([Sample(second, ms * MS) for second, ms in enumerate([100, 100, 140, 130, 100])])
    result = judged("avg-rt>150ms over 2s", timeline)
    assert (result.outcome, result.observed, result.at_s) == ("passed", 135 * MS, None)
    assert result.window is not None
    assert (result.window.to_s, result.samples) == (3, 2)  # of the window, as with a breach


# Scope


def test_a_criterion_on_transactions_does_not_judge_requests():
    result = judged({"subject": "p95", "label": "home", "kind": "transaction", "condition": ">", "threshold": "1s"},
                    timeline_of([FAST]), language="toril")  # fmt: skip
    assert (result.code, "transaction `home`" in result.message) == ("no-samples", True)


def test_the_full_form_of_a_criterion_keeps_spaces_around_a_label():
    timeline = timeline_of([Sample(0, 300 * MS, "cart "), Sample(0, 300 * MS, "home")])
    full = {"subject": "p100", "condition": ">", "threshold": "200ms"}
    assert judged({**full, "label": "cart "}, timeline).outcome == "failed"
    assert judged({**full, "label": "cart"}, timeline).code == "unknown-label"
    assert judged({**full, "label": " home"}, timeline).code == "unknown-label"
    assert judged({**full, "label": "  "}, timeline).samples == 2


def test_ramp_up_exclude_applies_to_windows_too():
    ramp = every_second(range(5), replace(SLOW, steady=False))
    timeline, plan = timeline_of(ramp + every_second(range(5, 10), FAST)), plan_of(ramp_up_exclude=True)
    assert judged("avg-rt>100ms", timeline).outcome == "failed"
    assert judged("avg-rt>100ms", timeline, plan).outcome == "passed"
    assert judged("avg-rt>100ms for 2s", timeline).outcome == "failed"
    assert judged("avg-rt>100ms for 2s", timeline, plan).outcome == "passed"
    assert judged("avg-rt>1ms", timeline_of(ramp), plan).code == "no-samples"
