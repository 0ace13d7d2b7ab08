"""A load curve from the plan to the verdict: division, achieved load, and criteria on the load."""

from dataclasses import replace

import pytest

from tests.measured import FAST, every_second, execution, judged_ours, plan_of, timeline_of, verdict_of
from tests.refusals import refused
from tests.suite.reading import read
from tests.suite.test_curves import suite
from toril.errors import SuiteError
from toril.launchers.pricing import requests_of
from toril.load.curve import Curve
from toril.plan import make_plan
from toril.plan.duet import plan_duet
from toril.plan.options import RunOptions
from toril.summary import planned_by_second, planned_users, steady_load
from toril.verdict.live import LiveCriteria

STAIRS = ((0.0, 10.0), (20.0, 10.0), (20.0, 40.0), (40.0, 40.0))
RISING = ((0.0, 10.0), (40.0, 90.0))


def planned(points, **keys):
    peak = max(rps for _, rps in points)
    return execution(curve=points, throughput_rps=peak, hold_for_s=points[-1][0], **keys)


def following(points, *, part=1.0, late_s=0.0):
    """Returns samples that follow the curve, all with the same response time."""
    counts = Curve(points).by_second(range(60), late_s)
    slow = replace(FAST, us=max(FAST.us, round(1e6 * late_s)))
    return [one for second, count in enumerate(counts) for one in every_second([second], slow, round(part * count))]


@pytest.mark.parametrize("workers", [1, 3, 7])
def test_the_shares_of_all_workers_add_up_to_the_peak(tmp_path, workers):
    plan = make_plan(read(tmp_path, suite({"ramp": {"to": 100}, "for": "1m"})), run_id="r", workers=workers)
    (one,) = plan.executions
    assert one.rate == Curve(((0, 0), (60, 100)))
    parts = [part.throughput_rps or 0 for share in plan.shares for part in share.executions]
    assert sum(parts) == pytest.approx(100)


def test_the_peak_determines_the_number_of_workers(tmp_path):
    shape = {"spikes": {"base": 10, "peak": 20_000, "every": "1m", "lasts": "1s"}, "for": "1m"}
    plan = make_plan(read(tmp_path, suite(shape, concurrency=500)), run_id="r", workers=None)
    assert len(plan.shares) == 4  # of two cores each, with 3,000/s each
    assert requests_of(plan) == pytest.approx(59 * 10 + 20_000)


def test_a_smoke_run_ignores_the_curve(tmp_path):
    plan = make_plan(read(tmp_path, suite({"ramp": {"to": 100}, "for": "1m"})), run_id="r", workers=None, smoke=True)
    assert (plan.executions[0].rate, plan.executions[0].throughput_rps, plan.duration_s) == (None, None, 5)


def test_a_duet_rejects_a_curve(tmp_path):
    path = tmp_path / "suite.yml"
    document = suite({"ramp": {"to": 100}, "for": "1m"})
    document["scenarios"]["shop"] = {"default-address": "http://shop", "requests": ["/"]}
    read(tmp_path, document)
    with refused("unsupported-in-duet", "execution[0]", error=SuiteError):
        plan_duet([path], RunOptions(), 0.0, base="http://a", head="http://b")


def test_the_plan_of_a_second_is_the_number_of_its_due_requests():
    load = planned(RISING, delay_s=2.5)
    by_second = planned_by_second(load, range(45))
    assert by_second is not None
    assert by_second[:2] == [0, 0]
    assert by_second[2] == pytest.approx(0.5 * 10.5)
    assert sum(by_second) == pytest.approx(Curve(RISING).total)
    assert [planned_users(load, at_s) for at_s in (0, 2.5, 42, 43)] == [0, 10, 10, 0]  # a cap, active from the start


def test_ramp_up_and_steps_are_curves_and_a_change_applies_from_its_time():
    ramp = execution(throughput_rps=30.0, ramp_up_s=10.0, hold_for_s=5.0)
    stairs = execution(throughput_rps=30.0, ramp_up_s=10.0, hold_for_s=5.0, steps=2).planned_rate()
    changed = ramp.planned_rate([(12.0, 6.0)])
    assert ramp.planned_rate() == Curve(((0, 0), (10, 30), (15, 30)))
    assert execution(throughput_rps=None).planned_rate() is None
    assert stairs is not None and changed is not None
    assert stairs.count_to(10) == 225
    assert changed.total == pytest.approx(150 + 60 + 3 * 6)


def test_achieved_load_is_compared_with_the_curve_of_the_same_seconds():
    plan = plan_of(executions=[planned(STAIRS, concurrency=None)])
    (load,) = steady_load(plan, timeline_of(following(STAIRS)))
    assert load.requested_rps == pytest.approx((20 * 10 + 20 * 40) / 40)
    assert load.achieved_rps == load.requested_rps
    assert verdict_of(timeline_of(following(STAIRS)), plan).outcome == "passed"
    half = verdict_of(timeline_of(following(STAIRS, part=0.5)), plan)
    assert [reason.code for reason in half.reasons] == ["unreached-load"]


def test_idle_users_of_a_low_rate_are_no_missing_load() -> None:
    plan = plan_of(executions=[planned(STAIRS, concurrency=50)])
    assert verdict_of(timeline_of(following(STAIRS), users=dict.fromkeys(range(40), 3)), plan).outcome == "passed"


def test_slow_responses_to_a_rising_load_are_no_missing_load():
    plan = plan_of(executions=[planned(RISING, concurrency=None)])
    timeline = timeline_of(following(RISING, late_s=3.0))
    (load,) = steady_load(plan, timeline)
    assert load.achieved_rps == pytest.approx(load.requested_rps, rel=0.02)
    assert verdict_of(timeline, plan).outcome == "passed"
    missing = following(RISING, late_s=3.0, part=0.9)
    assert [one.code for one in verdict_of(timeline_of(missing), plan).reasons] == ["unreached-load"]


def test_a_criterion_on_the_load_compares_each_second_with_the_curve():
    plan = plan_of(executions=[planned(STAIRS, concurrency=None)])
    kept = timeline_of(following(STAIRS))
    assert judged_ours("load<99% for 3s", kept, plan).outcome == "passed"
    assert judged_ours("load<99%", kept, plan).observed == pytest.approx(100, rel=0.01)
    flat = timeline_of(every_second(range(40), FAST, 10))  # as if there were no step
    result = judged_ours("load<99% for 3s", flat, plan)
    assert (result.outcome, result.at_s) == ("failed", 22)
    assert result.observed == pytest.approx(25, rel=0.05)
    live = LiveCriteria(
        plan.model_copy(update={"criteria": plan_of(ours=["load<99% for 3s, stop as failed"]).criteria})
    )
    assert [bool(live.advance(flat, second)) for second in (19, 21, 22)] == [False, False, True]


def test_seconds_with_less_than_one_due_request_are_not_judged():
    valley = ((0.0, 20.0), (10.0, 20.0), (10.0, 0.2), (30.0, 0.2), (30.0, 20.0), (40.0, 20.0))
    plan = plan_of(executions=[planned(valley, concurrency=None)])
    assert judged_ours("load<90% for 5s", timeline_of(following(valley)), plan).outcome == "passed"
    quiet = ((0.0, 0.2), (40.0, 0.2))
    plan = plan_of(executions=[planned(quiet, concurrency=None)])
    assert judged_ours("load<90%", timeline_of(every_second([5, 15], FAST)), plan).code == "no-samples"


def test_a_location_has_its_share_of_the_curve():
    plan = plan_of(executions=[planned(STAIRS, concurrency=None)], locations=("eu", "us"))
    halves = [replace(one, location=place) for place in ("eu", "us") for one in following(STAIRS, part=0.5)]
    assert judged_ours("load<99% in eu", timeline_of(halves), plan).observed == pytest.approx(100, rel=0.01)
