"""Criteria on merged samples: each subject, each kind of window, each scope, and the messages."""

import statistics
from dataclasses import replace
from functools import partial

import pytest

from tests.measured import BROKEN, FAST, MS, SLOW, Sample, every_second, execution, judged, plan_of, timeline_of
from toril.criteria.subjects import Language
from toril.timeline import Timeline
from toril.timeline.intervals import Recorder, decode
from toril.verdict.live import LiveCriteria

# Subjects, on the whole run


@pytest.mark.parametrize(
    ("source", "observed"),
    [
        ("avg-rt>100ms", 150 * MS),
        ("avg-lt>10ms", 20 * MS),
        ("avg-ct>1ms", 2 * MS),
        ("stdev-rt>80ms", statistics.pstdev([300 * MS, 100 * MS, 100 * MS, 100 * MS])),
        ("p50>99ms", 100 * MS),
        ("p100>299ms", 300 * MS),
        ("hits>3", 4),
        ("bytes>1kB", 4096),
        ("succ<3", 2),
        ("succ<51%", 50),
        ("fail>=2", 2),
        ("fail>=50%", 50),
        ("rc503>0", 1),
        ("rc5??>25%", 50),
        ("rc?03>0", 1),
        ("rc*>3", 4),
    ],
)
def test_a_subject_is_computed_from_all_samples_of_the_run(source, observed):
    sample = partial(Sample, bytes=1024, ttfb_us=20 * MS, connect_us=2 * MS)
    timeline = timeline_of(
        [
            sample(0, 300 * MS, ok=False, rc="503"),
            sample(1, 100 * MS, ok=False, rc="500"),
            sample(4, 100 * MS),
            sample(5, 100 * MS, rc="201"),
        ]
    )
    result = judged(source, timeline)
    assert result.fired
    assert result.observed == pytest.approx(observed, rel=1e-3 if source.startswith("p") else 1e-9)
    if not source.startswith("p"):
        assert (result.outcome, result.at_s, result.window) == ("failed", None, None)


def test_an_exception_is_a_response_code_too():
    timeline = timeline_of(every_second(range(60), Sample(0, ok=False, rc="Exception")))
    plan = plan_of(executions=[execution(hold_for_s=60.0)])
    assert judged("rcException>99% for 1m, continue as failed", timeline, plan).outcome == "failed"


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


COUNTS = ["throughput<5/s", "hits<5", "succ<5", "rc2??<5", "bytes<400"]


@pytest.mark.parametrize("source", COUNTS)
def test_a_silent_service_has_counts_and_rates_of_zero_until_the_planned_end(source):
    """The result is the same at the end and during the run."""
    timeline = with_health_at(timeline_of(every_second(range(3), replace(FAST, bytes=100), 5)), 13)
    plan = plan_of(ours=[f"{source} for 4s, stop"])
    result = judged(f"{source} for 4s", timeline, plan, language="toril")
    assert (result.outcome, result.observed, result.at_s) == ("failed", 0, 6)
    assert judged(f"{source} for 7s", timeline, plan, language="toril").at_s == 9
    assert judged(f"{source} for 8s", timeline, plan, language="toril").outcome == "passed"  # the load has ended
    live = LiveCriteria(plan)
    assert [(second, one.at_s) for second in range(14) for one in live.advance(timeline, second)] == [(6, 6)]


def test_a_silent_second_counts_live_when_all_workers_have_reported_it():
    timeline, live = timeline_of(every_second(range(3), FAST, 5)), LiveCriteria(plan_of("hits<5 for 3s, stop"))
    for second in range(3, 7):
        assert live.advance(timeline, second - 1) == []
        with_health_at(timeline, second)
    assert [one.at_s for one in live.advance(timeline, 6)] == [5]  # the sixth may be incomplete


@pytest.mark.parametrize(
    "source",
    ["succ<5 for 1s", "hits<5 for 3s", "fail>0 for 1s", "fail>50% for 1s", "avg-rt>1s within 2s", "p95>1s for 1s",
     "concurrency<6 for 1s", "concurrency<4 over 3s"],
)  # fmt: skip
def test_responses_after_the_planned_end_are_in_no_window(source):
    late = every_second([10, 11, 13], replace(BROKEN, us=3000 * MS), 2)
    users = dict.fromkeys(range(10), 6) | dict.fromkeys(range(10, 14), 0)
    timeline = timeline_of(every_second(range(10), FAST, 5) + late, users=users)
    assert judged(source, timeline).outcome == "passed"
    assert judged("fail>10%", timeline).outcome == "failed"  # the whole run has them


@pytest.mark.parametrize(
    ("source", "at_s"), [("throughput<18/s for 1s", 4), ("hits>18 for 1s", 1), ("hits>13 for 1s", 0)]
)
def test_a_count_is_not_too_low_before_the_first_response(source, at_s):
    timeline = timeline_of(every_second([0], FAST, 14) + every_second(range(1, 10), FAST, 20))
    language: Language = "toril" if source.startswith("throughput") else "taurus"
    assert judged(source, timeline, language=language).at_s == (None if at_s == 4 else at_s)
    lower = timeline_of(every_second([0], FAST, 14) + every_second([1, 2, 3, 5, 6, 7, 8, 9], FAST, 20))
    assert judged(source, lower, language=language).at_s == at_s


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


@pytest.mark.parametrize("logic", ["for", "over"])
def test_a_criterion_without_a_full_window_is_kept_with_its_own_code(logic):
    timeline = timeline_of(every_second(range(5)))
    result = judged(f"avg-rt>1s {logic} 6s", timeline)
    assert (result.outcome, result.code, result.observed) == ("passed", "never-a-full-window", None)
    assert judged(f"avg-rt>1s {logic} 5s", timeline).outcome == "passed"
    assert judged("avg-rt>1s within 6s", timeline).outcome == "passed"  # it needs no full window


# Scope


def test_a_label_is_judged_by_its_own_samples_and_matched_exactly():
    timeline = timeline_of(
        every_second(range(5), replace(SLOW, label="slow, as a rule: http://x/")) + every_second(range(5), FAST, 9)
    )
    full = {"subject": "avg-rt", "label": "slow, as a rule: http://x/", "condition": ">", "threshold": "200ms"}
    assert judged(full, timeline).outcome == "failed"
    assert judged("avg-rt of home>200ms", timeline).outcome == "passed"
    assert judged("avg-rt of Home>200ms", timeline).outcome == "inconclusive"


def test_transactions_have_their_own_labels_and_do_not_count_as_requests():
    timeline = timeline_of(
        every_second(range(5), FAST) + every_second(range(5), replace(SLOW, label="buy", kind="transaction"))
    )
    assert judged("hits>5", timeline).outcome == "passed"
    assert judged("avg-rt of buy>200ms", timeline).outcome == "failed"


# Actions


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
