"""Criteria on throughput, load, generators and transactions, compared with figures computed by hand."""

from dataclasses import replace
from typing import Any

import pytest

from tests.measured import (
    FAST,
    MS,
    SLOW,
    Sample,
    codes,
    every_second,
    execution,
    good,
    judged,
    judged_ours,
    left,
    plan_of,
    stopped,
    timeline_of,
    verdict_of,
)
from toril.summary import Completeness, summarise
from toril.timeline import Timeline
from toril.timeline.intervals import Recorder, decode
from toril.verdict.evidence import Gap, MissingData
from toril.verdict.live import LiveCriteria


def complete(plan, **known):
    workers = tuple(share.worker for share in plan.shares)
    return Completeness(planned=workers, reported=workers, started_at=1_700_000_000.0, **known)


def healthy(workers: dict[str, dict[int, dict[str, Any]]], timeline: Timeline | None = None) -> Timeline:
    """Adds health readings: worker → second → figures."""
    timeline = timeline or good()
    for name, seconds in workers.items():
        recorder = Recorder(name, name.rsplit("-", 1)[0])
        for second, readings in seconds.items():
            vitals = {key: readings[key] for key in ("waiting", "throttled", "sockets") if key in readings}
            recorder.health(
                second, readings.get("cpu", 0), readings.get("core", 0), readings.get("memory", 0), 0.0, **vitals
            )
            if "late_us" in readings or "dropped" in readings:
                late = readings.get("late_us", 0)
                recorder.sends(second, late_us=late, late_p90_us=late, dropped=readings.get("dropped", 0))
        timeline.add(decode(recorder.flush() or b"", name))
    return timeline


# Seconds in which a generator was over a limit


@pytest.mark.parametrize(
    ("source", "late", "stalled", "code"),
    [
        ("p95>500ms", range(20, 24), range(20, 24), "excused-breach"),
        ("p95>500ms", range(20, 24), range(30, 34), "breach"),  # the slow seconds are others
        ("p95>500ms", range(20, 24), range(0), "breach"),
        ("p95>500ms for 1s", range(20, 24), range(20, 24), "excused-breach"),
        ("p95>500ms for 1s", [*range(20, 24), 40], range(20, 24), "breach"),
        ("throughput<5/s for 2s", (), range(50, 54), "excused-breach"),
        ("throughput<5/s for 2s", (), range(30, 34), "breach"),
        ("fail>1%", range(20, 24), range(20, 24), "breach"),  # failures do not depend on times
        ("check-rate<99%", (), range(20, 24), "breach"),
        ("metric-rate of cached>1%", (), range(20, 24), "breach"),
        ("metric-sum of orders>1", (), range(20, 24), "breach"),
        ("metric-per-s of orders<5/s over 2s", (), range(20, 24), "excused-breach"),  # a busy generator sends less
        ("metric-max of items>2", (), range(20, 24), "excused-breach"),  # it may be a time
    ],
)
def test_a_breach_stands_without_the_seconds_of_a_busy_generator_or_is_excused(source, late, stalled, code):
    silent = {51, 52, 53}
    samples = [
        replace(SLOW, second=second, us=900 * MS, ok=False) if second in late else replace(FAST, second=second)
        for second in range(60)
        if second not in silent or late
        for _ in range(20)
    ]
    for kind, name in (("check", "seen"), ("rate", "cached"), ("counter", "orders"), ("trend", "items")):
        samples += [Sample(s, 3000, name, kind=kind, ok=kind == "rate") for s in range(20, 24)]
    readings = {second: {"cpu": 0.95 if second in stalled else 0.1} for second in range(60)}
    timeline = healthy({"local-1": readings}, timeline_of(samples, users=dict.fromkeys(range(60), 10)))
    verdict = verdict_of(timeline, plan_of(ours=[source], executions=[execution(hold_for_s=60.0)]))
    assert verdict.criteria[0].code == code
    assert verdict.outcome == ("failed" if code == "breach" else "inconclusive")


# Throughput


def test_throughput_of_the_whole_run_equals_the_rate_in_the_summary():
    timeline = timeline_of(every_second(range(10), FAST, 7) + every_second(range(5), replace(FAST, label="cart"), 4))
    plan = plan_of()
    known = complete(plan, exits={"local-1": left(last_sample_s=9.25)})
    labels = summarise(plan, timeline, known, 0.0).labels
    for label, of in (("", ""), ("cart", " of cart")):
        result = judged_ours(f"throughput{of}<100/s", timeline, plan, completeness=known)
        assert result.outcome == "failed"
        assert result.observed == pytest.approx(labels[label].rps, abs=0.0005)
    assert judged_ours("throughput<8.9/s", timeline, plan, completeness=known).outcome == "passed"  # 90 in 10 s
    assert judged_ours("throughput<9.1/s", timeline, plan, completeness=known).outcome == "failed"
    assert judged_ours("throughput of cart>1.9/s", timeline, plan, completeness=known).outcome == "failed"


def test_throughput_without_the_ramp_up_counts_all_completions_after_it():
    plan = plan_of(executions=[execution(ramp_up_s=4.0, hold_for_s=6.0)], ramp_up_exclude=True)
    samples = every_second(range(4), replace(FAST, steady=False)) + every_second(range(4, 10), FAST, 9)
    timeline = timeline_of([*samples, *every_second([4], replace(FAST, steady=False))])
    assert judged_ours("throughput<9/s", timeline, plan).observed is not None
    assert judged_ours("throughput<9/s", timeline, plan).outcome == "passed"  # 54 steady samples in 6 s
    assert judged_ours("throughput<9/s for 1s", timeline, plan).outcome == "passed"
    assert judged_ours("throughput>9/s for 1s", timeline, plan).at_s == 4  # with a late sample of the ramp-up
    assert judged_ours("throughput<9/s for 1s", timeline).outcome == "failed"


def test_a_label_without_samples_has_no_throughput():
    result = judged_ours("throughput of hoem<1/s for 2s", good())
    assert (result.outcome, result.code) == ("inconclusive", "unknown-label")
    plan = plan_of(ours=["throughput of hoem<1/s for 2s"])
    assert LiveCriteria(plan).advance(good(), 9) == []


@pytest.mark.parametrize(
    ("source", "outcome"),
    [
        ("throughput<21/s", "failed"),  # 10/s by one worker, at most 10/s by the other
        ("throughput<15/s", "inconclusive"),
        ("throughput>9/s", "failed"),  # more samples could not lower it
        ("throughput<21/s for 3s", "failed"),
        ("throughput<15/s over 3s", "inconclusive"),
        ("throughput>9/s for 3s", "failed"),
        ("throughput<9/s", "passed"),  # nor breach this
        ("throughput>15/s", "inconclusive"),
        ("throughput>25/s", "passed"),
        ("throughput>15/s for 3s", "inconclusive"),
        ("throughput<9/s for 3s", "passed"),
    ],
)
def test_a_rate_stands_only_if_missing_samples_could_not_change_it(source, outcome):
    plan = plan_of(workers=2)
    result = judged_ours(source, good(), plan, missing=MissingData(plan, (Gap("local-2", 0, 9),)))
    assert result.outcome == outcome


def test_a_rate_proves_nothing_about_time_after_a_stop():
    plan, stop = plan_of(ours=["throughput>9/s"], executions=[execution(hold_for_s=100.0)]), stopped("user", 10.0)
    assert verdict_of(good(), plan, stop=stop).criteria[0].code == "breach-may-not-stand"
    rightly = plan_of("hits>1 for 2s, stop as non-failed", ours=["throughput>9/s"])
    assert verdict_of(good(), rightly, stop=stopped("criterion", 10.0)).outcome == "failed"


# Load


def test_load_is_the_achieved_share_of_the_requested_load_in_steady_state():
    users, plan = dict.fromkeys(range(10), 9), plan_of(executions=[execution(concurrency=10)])
    timeline = timeline_of(every_second(range(10), FAST), users=users)
    result = judged_ours("load<95%", timeline, plan)
    assert (result.outcome, result.observed) == ("failed", 90)
    assert "execution shop" in result.message
    assert judged_ours("load<90%", timeline, plan).outcome == "passed"


def test_load_is_throughput_if_one_is_set_and_the_worst_execution_decides():
    plan = plan_of(executions=[execution("shop", throughput_rps=10.0), execution("admin", concurrency=1)])
    samples = every_second(range(10), FAST, 8) + every_second(range(10), replace(FAST, execution="admin"))
    timeline = timeline_of(samples, users=dict.fromkeys(range(10), 10))
    assert judged_ours("load<95%", timeline, plan).observed == 0  # no worker reported admin's users
    assert judged_ours("load<95%", timeline, plan).message.count("execution admin")
    alone = plan_of(executions=[execution("shop", throughput_rps=10.0)])
    assert judged_ours("load<95%", timeline, alone).observed == 80
    assert judged_ours("load>70%", timeline, alone).outcome == "failed"


def test_load_by_location_and_in_windows():
    plan = plan_of(executions=[execution(throughput_rps=20.0)], locations=("eu", "us"))
    samples = every_second(range(10), replace(FAST, location="eu"), 10)
    samples += every_second([*range(4), 8, 9], replace(FAST, location="us"), 10)
    timeline = timeline_of(samples)
    assert judged_ours("load<95% in eu", timeline, plan).observed is not None
    assert judged_ours("load<95% in eu", timeline, plan).outcome == "passed"
    assert judged_ours("load<95% in us", timeline, plan).observed == 60
    assert judged_ours("load<60% for 4s in us", timeline, plan).at_s == 7
    assert judged_ours("load<60% for 5s in us", timeline, plan).outcome == "passed"
    plan = plan.model_copy(update={"criteria": plan_of(ours=["load<60% for 4s in us"]).criteria})
    live = LiveCriteria(plan)
    assert [[one.at_s for one in live.advance(timeline, second)] for second in (5, 6, 7, 8)] == [[], [], [7], []]


def test_a_criterion_on_load_in_turns_does_not_end_a_run():
    plan = plan_of(ours=["load<60% for 4s, stop as failed"])
    idle = timeline_of(every_second(range(10), FAST), users=dict.fromkeys(range(10), 0))
    assert LiveCriteria(plan).advance(idle, 9)
    in_turns = plan.model_copy(update={"common": {"modules": {"local": {"sequential": True}}}})
    assert LiveCriteria(in_turns).advance(idle, 9) == []


def test_load_without_a_request_or_a_steady_state_is_inconclusive():
    nothing = plan_of(executions=[execution(concurrency=None, iterations=5)])
    short = plan_of(executions=[execution(hold_for_s=2.0)])
    for plan in (nothing, short):
        assert judged_ours("load<95%", good(), plan).code == "no-samples"


def test_a_breach_of_load_stands_only_if_missing_workers_could_not_prevent_it():
    plan = plan_of(executions=[execution(throughput_rps=20.0)], workers=2)
    missing = MissingData(plan, (Gap("local-2", 0, 9),))
    timeline = timeline_of(every_second(range(10), FAST, 5))
    assert judged_ours("load<80%", timeline, plan, missing=missing).outcome == "failed"  # 5 + 10 of 20
    assert judged_ours("load<70%", timeline, plan, missing=missing).code == "breach-may-not-stand"
    assert judged_ours("load>60%", timeline, plan, missing=missing).code == "pass-may-not-stand"
    assert judged_ours("load>80%", timeline, plan, missing=missing).outcome == "passed"
    assert judged_ours("load<70% for 2s", timeline, plan, missing=missing).code == "breach-may-not-stand"


# Generators

BUSY = {"cpu": 0.85, "core": 0.5, "waiting": 0.06, "throttled": 0.02, "memory": 3 << 30, "sockets": 9000}
EASY = {"cpu": 0.2, "core": 0.3, "waiting": 0.0, "throttled": 0.0, "memory": 1 << 30, "sockets": 10}


@pytest.mark.parametrize(
    ("source", "observed"),
    [
        ("generator-cpu>80%", 85),
        ("generator-core>40%", 50),
        ("generator-waiting>5%", 6),
        ("generator-throttled>1%", 2),
        ("generator-memory>2GB", 3 << 30),
        ("generator-sockets>5000", 9000),
        ("generator-lateness>50ms", 70_000),
        ("generator-dropped>4", 5),
    ],
)
def test_a_generator_criterion_judges_the_worst_value_of_the_worst_worker(source, observed):
    busy = {second: {**EASY, "late_us": 100, "dropped": 1} for second in range(5)} | {
        3: {**BUSY, "late_us": 70_000, "dropped": 1}
    }
    timeline = healthy({"local-1": {0: {**EASY, "late_us": 1, "dropped": 0}}, "local-2": busy})
    result = judged_ours(source, timeline, plan_of(workers=2))
    assert (result.outcome, result.observed) == ("failed", observed)
    assert "worker local-2" in result.message
    assert judged_ours(source.replace(">", ">="), timeline, plan_of(workers=2)).fired
    assert judged_ours(source, healthy({"local-1": {0: {**EASY, "late_us": 1, "dropped": 0}}})).outcome == "passed"


def test_a_share_equal_to_the_threshold_is_not_above_it():
    timeline = healthy({"local-1": {0: {"cpu": 0.8}}})
    assert judged_ours("generator-cpu>80%", timeline).outcome == "passed"
    assert judged_ours("generator-cpu>=80%", timeline).outcome == "failed"


def test_a_reading_covers_the_time_since_the_previous_one():
    timeline = healthy({"local-1": {0: {"cpu": 0.1}, 8: {"cpu": 0.95}}})  # too busy to report more often
    assert judged_ours("generator-cpu>90% for 8s", timeline).at_s == 8
    assert judged_ours("generator-cpu>80% over 9s", timeline).observed == pytest.approx((10 + 8 * 95) / 9)


def test_generator_criteria_apply_to_a_location_and_exclude_the_ramp_up():
    readings = {
        "eu-1": {second: {"cpu": 0.9 if second < 4 else 0.2} for second in range(10)},
        "us-1": {0: {"cpu": 0.3}},
    }
    timeline = healthy(readings, timeline_of(every_second(range(10), replace(FAST, location="eu"))))
    plan = plan_of(locations=("eu", "us"), executions=[execution(ramp_up_s=4.0, hold_for_s=6.0)])
    assert judged_ours("generator-cpu>80% in eu", timeline, plan).outcome == "failed"
    assert judged_ours("generator-cpu>80% in us", timeline, plan).outcome == "passed"
    steady = plan.model_copy(update={"ramp_up_exclude": True})
    assert judged_ours("generator-cpu>80% in eu", timeline, steady).outcome == "passed"


def test_an_unreported_generator_figure_does_not_count_as_zero():
    assert judged_ours("generator-cpu<1%", good()).code == "not-measured"
    timeline = healthy({"local-1": {0: {"cpu": 0.1}}})
    assert judged_ours("generator-lateness>1s", timeline).code == "not-measured"
    throttled = plan_of(executions=[execution(throughput_rps=5.0)])
    assert judged_ours("generator-dropped>0", timeline, throttled).code == "not-measured"
    assert judged_ours("generator-dropped>0", timeline).outcome == "passed"  # no throughput: nothing to drop
    assert (
        judged_ours("generator-cpu>90%", timeline, plan_of(workers=2)).code == "not-measured"
    )  # local-2 reports nothing
    assert judged_ours("generator-cpu>5%", timeline, plan_of(workers=2)).outcome == "failed"
    assert judged_ours("generator-cpu>90% for 5s", timeline).code == "never-a-full-window"


def test_missing_health_undoes_minima_and_windows_but_no_maxima():
    plan, timeline = plan_of(), healthy({"local-1": {second: {"cpu": 0.9} for second in range(10)}})
    gap = MissingData(plan, (Gap("local-1", 2, 9),))
    assert judged_ours("generator-cpu>80%", timeline, plan, missing=gap).outcome == "failed"
    assert judged_ours("generator-cpu<95%", timeline, plan, missing=gap).code == "breach-may-not-stand"
    assert judged_ours("generator-cpu>80% for 2s", timeline, plan, missing=gap).outcome == "failed"
    assert judged_ours("generator-cpu>80% for 3s", timeline, plan, missing=gap).code == "breach-may-not-stand"
    assert judged_ours("generator-cpu>95%", timeline, plan, missing=gap).code == "pass-may-not-stand"


# Excused breaches


def test_a_saturated_generator_excuses_throughput_and_load_but_no_generator_criteria():
    plan = plan_of(ours=["throughput<1000/s", "load<120%", "generator-cpu>80%"])
    verdict = verdict_of(good(health=0.99), plan)
    assert [one.code for one in verdict.criteria] == ["excused-breach", "excused-breach", "breach"]
    assert (verdict.outcome, codes(verdict)[0]) == ("failed", "breach")


# Transactions


def shared() -> Timeline:
    requests = every_second(range(10), FAST, 10)
    return timeline_of(requests + every_second(range(10), replace(SLOW, kind="transaction"), 3))


def test_the_kind_selects_between_requests_and_transactions_of_one_label():
    timeline = shared()
    assert judged_ours("p50 of home>200ms", timeline).outcome == "passed"
    for source in ("p50 of home (transaction)>200ms", "p50 of (transaction)>200ms"):
        result = judged_ours(source, timeline)
        assert (result.outcome, result.samples) == ("failed", 30)
    assert judged_ours("p50 of home (request)>200ms", timeline).outcome == "passed"
    assert judged_ours("throughput of home (transaction)>2.9/s", timeline).observed == 3
    assert judged_ours("p50 of home (transaction)>200ms", timeline).record().label == "home (transaction)"


def test_a_transaction_label_of_its_own_needs_no_kind_and_a_label_may_end_in_one():
    alone = timeline_of(every_second(range(10), replace(SLOW, label="buy", kind="transaction"), 10))
    for source in ("p50 of buy>200ms", "p50 of buy (transaction)>200ms"):
        result = judged_ours(source, alone)
        assert (result.outcome, result.record().label) == ("failed", "buy")
    literal = timeline_of(every_second(range(10), replace(SLOW, label="buy (transaction)"), 10))
    assert judged_ours("p50 of buy (transaction)>200ms", literal).outcome == "failed"
    assert judged_ours("p50 of home (transaction)>1s", good()).code == "no-samples"


def test_in_taurus_criteria_the_kind_is_part_of_the_label():
    result = judged("p50 of home (transaction)>200ms", shared())
    assert result.code == "unknown-label"
    assert "`toril.criteria`" in result.message


@pytest.mark.parametrize(
    ("criterion", "code"), [("load>101% over 4s", "pass-may-not-stand"), ("load<99% for 3s", "kept")]
)
def test_a_load_with_unknown_missing_data_is_judged_on_both_sides(criterion, code):
    plan = plan_of(ours=[criterion], executions=[execution(throughput_rps=10.0)])
    timeline = timeline_of(every_second(range(10), FAST, 10), users=dict.fromkeys(range(10), 10))
    verdict = verdict_of(timeline, plan, damaged=("workers/local-1/a/intervals-000001 is missing",), exits={})
    assert (verdict.outcome, verdict.criteria[0].code) == ("inconclusive", code)
