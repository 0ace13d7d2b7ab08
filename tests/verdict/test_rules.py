"""The rules of a pass: all of the planned load was sent and measured. Each rule on both sides of its limit."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.measured import (
    BROKEN,
    FAST,
    MS,
    SLOW,
    START,
    Sample,
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
from toril.records import HEAD, EngineReport, Plan, PlannedExecution, Rate, ScriptLoad, Search, Verdict
from toril.summary import adjusted_plan
from toril.timeline import Timeline
from toril.timeline.intervals import Interval, Recorder, decode

TEN = range(10)
FAILURES, TIMES = "fail>10%", "avg-rt>1s"


def found(timeline: Timeline, *criteria: str, load: PlannedExecution | None = None, **fields: object) -> list[str]:
    """Returns the verdict's codes; `fields` are those of the engine's report on its only execution."""
    plan = plan_of(*(criteria or (TIMES,)), executions=[load or execution()])
    report = EngineReport.model_validate(fields)
    return codes(verdict_of(timeline, plan, exits={"local-1": left(executions={"shop": report})}))


def open_model(rps: float, hold_s: float = 10.0) -> PlannedExecution:
    curve = ((0.0, rps), (hold_s, rps))
    return execution(executor="vegeta", concurrency=None, throughput_rps=rps, hold_for_s=hold_s, curve=curve)


STARTED = Sample(0, 1, label="journey start", kind="timing")


def arrivals(rate: float, hold_s: float = 10.0) -> PlannedExecution:
    curve = ((0.0, rate), (hold_s, rate))
    return execution(executor="toril", model="arrivals", concurrency=None, throughput_rps=rate, hold_for_s=hold_s,
                     curve=curve, labels=("home",))  # fmt: skip


def waiting(*waits: tuple[str, float], execution: str = "shop") -> Interval:
    """Returns an interval of unfinished requests, given as labels and waiting times; label "" is unknown."""
    recorder = Recorder("local-2", "local")
    for label, waited_s in waits:
        recorder.unfinished(9, execution, label, 1, round(waited_s * 1e6))
    return decode(recorder.flush() or b"", "file")


def in_turns(plan: Plan) -> Plan:
    return plan.model_copy(update={"common": {"modules": {"local": {"sequential": True}}}})


def two(first: Sequence[Sample], second: Sequence[Sample], **users: Mapping[int, int]) -> Timeline:
    """Returns a timeline of two executions, `shop` and `admin`."""
    return timeline_of([*first, *(replace(one, execution="admin") for one in second)], users_of=users)


# 1. The run reached the planned load


@pytest.mark.parametrize(
    ("users", "load", "reached"),
    [
        ([10] * 10, {}, True),
        ([9] * 10, {}, False),
        ([10] * 8 + [2, 2], {}, False),  # from 1 s to 9 s
        ([1] + [10] * 8 + [0], {}, True),  # a start may be 1 s late, and an end 1 s early
        ([0, 4, 8, 10, 10, 10, 10, 10, 10, 10], {"ramp_up_s": 3.0, "hold_for_s": 7.0}, True),  # whole users, 1 s late
        ([0, 0, 2, 4, 10, 10, 10, 10, 10, 10], {"ramp_up_s": 3.0, "hold_for_s": 7.0}, False),
        ([5] * 5 + [10] * 5, {"ramp_up_s": 8.0, "hold_for_s": 2.0, "steps": 2}, True),
        ([5] * 10, {"ramp_up_s": 8.0, "hold_for_s": 2.0, "steps": 2}, False),
        ([10, 10, 1], {"hold_for_s": 3.0}, True),  # a short load: only the second from 1 s on counts
        ([10, 9, 10], {"hold_for_s": 3.0}, False),
        ([10, 10, 1], {"hold_for_s": 2.9}, True),  # no whole second is left: the highest number counts
        ([1, 10], {"hold_for_s": 2.0}, True),
        ([5, 5, 5], {"hold_for_s": 2.9}, False),
        ([9], {"hold_for_s": 1.0}, False),
        ([0, 5], {"ramp_up_s": 2.0, "hold_for_s": 0.0}, True),
        ([0, 4], {"ramp_up_s": 2.0, "hold_for_s": 0.0}, False),
        ([10], {"ramp_up_s": 0.5, "hold_for_s": 0.0}, False),  # cannot be counted
        ([1] * 10, {"iterations": 3, "hold_for_s": 0.0}, True),
        ([1] * 10, {"concurrency": None}, True),
    ],
)
def test_the_planned_users_must_be_active(users, load, reached):
    timeline = timeline_of(every_second(range(len(users)), FAST, 10), users=dict(enumerate(users)))
    assert found(timeline, load=execution(**load)) == (["kept"] if reached else ["unreached-load"])


def test_a_script_with_its_own_load_shape_may_have_any_users():
    timeline = timeline_of(every_second(TEN, FAST, 10), users=dict.fromkeys(TEN, 3))
    assert found(timeline, own_shape=True, ended_s=10.0) == ["kept"]


@pytest.mark.parametrize(
    ("users", "think_s", "reached"),
    [
        ([10] * 4 + [20] * 6, 0.0, True),
        ([0] + [10] * 4 + [20] * 4 + [0], 0.0, True),  # up to 1 s late, or early
        ([10] * 10, 0.0, False),
        ([8] * 4 + [20] * 6, 0.0, False),
        ([10] * 4 + [20] * 2 + [0] * 4, 0.0, False),
        ([10] * 4 + [20] * 2 + [0] * 4, 3.0, True),
    ],
)
def test_the_users_of_a_script_must_be_active(users, think_s, reached):
    curve = ((0.0, 10.0), (4.0, 10.0), (4.0, 20.0), (10.0, 20.0))
    own = ScriptLoad(users=curve, think_s=think_s)
    load = execution(concurrency=None, hold_for_s=0.0, script_load=own)
    timeline = timeline_of(every_second(TEN, FAST, 10), users=dict(enumerate(users)))
    assert found(timeline, load=load) == (["kept"] if reached else ["unreached-load"])


@pytest.mark.parametrize(("due_s", "reached"), [(None, True), (50.0, True), (51.0, True), (54.0, False)])
def test_the_users_that_a_load_shape_asks_for_must_be_active(due_s, reached):
    timeline = timeline_of(every_second(TEN, FAST, 10), users=dict.fromkeys(TEN, 5))
    load = execution(concurrency=None, hold_for_s=0.0, script_load=ScriptLoad())
    verdict = found(timeline, load=load, own_shape=True, due_user_s=due_s)
    assert verdict == (["kept"] if reached else ["unreached-load"])


def test_each_block_of_a_duet_may_have_edges_and_a_ramp_up():
    ramps = {0: 2, 1: 5, 2: 2, 3: 5}
    holds = {second: 2 if second % 5 in (0, 4) else 10 for second in range(4, 24)}
    timeline = timeline_of(every_second(range(24), FAST, 10), users=ramps | holds)
    load = execution(ramp_up_s=4.0, hold_for_s=20.0)
    assert found(timeline, load=load.model_copy(update={"arm": HEAD})) == ["kept"]
    assert found(timeline, load=load) == ["unreached-load"]


@pytest.mark.parametrize(
    ("each_second", "rps", "users", "reached"),
    [(100, 100.0, 1, True), (96, 100.0, 1, True), (94, 100.0, 1, False), (104, 100.0, 1, True), (106, 100.0, 1, False),
     (94, 100.0, 30, True), (25, 300.0, 10, False), (1, 3.0, 10, True), (1, 3.0, 9, False)],
)  # fmt: skip
def test_the_due_requests_must_be_sent_except_two_per_user(each_second, rps, users, reached):
    timeline = timeline_of(every_second(TEN, FAST, each_second), users=dict.fromkeys(TEN, users))
    load = execution(throughput_rps=rps, concurrency=users)
    assert found(timeline, load=load) == (["kept"] if reached else ["unreached-load"])


@pytest.mark.parametrize(
    ("each_second", "requests", "reached"),
    [(100, 300, True), (95, 300, True), (94, 300, False), (94, 100, False), (105, 5, True), (106, 300, False)],
)
def test_the_due_journeys_must_start_whatever_their_requests(each_second, requests, reached):
    samples = [*every_second(TEN, STARTED, each_second), *every_second(TEN, FAST, requests)]
    verdict = found(timeline_of(samples), load=arrivals(100.0))
    assert verdict == (["kept"] if reached else ["unreached-load"])


def test_two_journeys_a_worker_may_be_missing():
    few = [*every_second(range(8), STARTED, 1), *every_second(TEN, FAST, 1)]
    assert found(timeline_of(few), load=arrivals(1.0)) == ["kept"]
    assert found(timeline_of(few[1:]), load=arrivals(1.0)) == ["unreached-load"]


def test_journeys_that_did_not_start_are_dropped_sends():
    timeline = timeline_of([*every_second(TEN, STARTED, 98), *every_second(TEN, FAST, 98)])
    assert found(timeline, load=arrivals(100.0), dropped=100) == ["kept"]
    assert found(timeline, load=arrivals(100.0), dropped=101) == ["dropped-sends"]


def test_starts_of_journeys_are_no_requests():
    timeline = timeline_of([*every_second(TEN, STARTED, 100), *every_second(TEN, BROKEN, 100)])
    assert found(timeline, "hits>1500", load=arrivals(100.0)) == ["no-success"]


def test_hanging_journeys_are_unanswered_but_never_stalled():
    samples = [*every_second(TEN, STARTED, 100), *every_second(TEN, FAST, 100)]
    for count, outcome in ((10, "kept"), (11, "unanswered")):
        timeline = timeline_of(samples)
        timeline.add(waiting(*[("home", 6.0)] * count))
        assert found(timeline, FAILURES, load=arrivals(100.0)) == [outcome]
    slow = replace(FAST, us=9_000 * MS)
    held = timeline_of([*every_second(TEN, STARTED, 100), *every_second(TEN, FAST, 99), *every_second(TEN, slow, 1)])
    assert found(held, FAILURES, load=arrivals(100.0)) == ["kept"]


def test_a_changed_rate_is_the_plan_from_its_time_on():
    rate = Rate(number=1, execution="shop", rps=50.0, at=START + 5, asked_at=START + 4, cause="user")
    load = open_model(100.0)
    changed = adjusted_plan(plan_of(TIMES, executions=[load]), [rate], START)
    timeline = timeline_of(every_second(range(5), FAST, 100) + every_second(range(5, 10), FAST, 50))
    assert codes(verdict_of(timeline, changed)) == ["kept"]
    assert found(timeline, load=load) == ["unreached-load"]


def test_a_throughput_with_too_few_users_advises_how_many_to_use():
    timeline = timeline_of(every_second(TEN, FAST, 25), users=dict.fromkeys(TEN, 10))
    plan = plan_of(TIMES, executions=[execution(throughput_rps=300.0)])
    assert "120 virtual users" in verdict_of(timeline, plan).reasons[0].message


def test_requests_count_when_sent_even_if_their_responses_are_late():
    late = timeline_of([replace(FAST, second=14)] * 700, waits_s=[0.5] * 300)
    assert found(late, load=open_model(100.0)) == ["kept"]
    assert found(timeline_of([replace(FAST, second=14)] * 700), load=open_model(100.0)) == ["unreached-load"]


@pytest.mark.parametrize(("dropped", "rps", "allowed"), [(10, 100.0, True), (100, 100.0, True), (101, 100.0, False)])
def test_at_most_one_second_or_one_per_cent_of_the_due_requests_may_be_dropped(dropped, rps, allowed):
    sent = 1000 - min(dropped, 50)
    timeline = timeline_of([replace(FAST, second=n * 10 // sent) for n in range(sent)])
    assert found(timeline, load=open_model(rps), dropped=dropped) == (["kept"] if allowed else ["dropped-sends"])
    longer = timeline_of(every_second(range(200), FAST, 10))
    assert found(longer, load=open_model(10.0, 200.0), dropped=20) == ["kept"]
    assert found(longer, load=open_model(10.0, 200.0), dropped=21) == ["dropped-sends"]


@pytest.mark.parametrize(
    ("ended_s", "hold_s", "early"),
    [(10.0, 10.0, False), (9.1, 10.0, False), (8.9, 10.0, True), (98.1, 100.0, False), (97.9, 100.0, True),
     (12.0, 10.0, False), (0.0, 10.0, True)],
)  # fmt: skip
def test_an_early_end_exceeds_one_second_and_two_per_cent(ended_s, hold_s, early):
    seconds = range(int(hold_s))
    timeline = timeline_of(every_second(seconds, FAST), users=dict.fromkeys(seconds, 10))
    load = execution(hold_for_s=hold_s)
    assert found(timeline, load=load, ended_s=ended_s) == (["ended-early"] if early else ["kept"])


def test_unfinished_iterations_are_an_early_end_of_their_execution_only():
    counted, timed = execution(iterations=5, hold_for_s=0.0), execution("admin")
    timeline = two(every_second(TEN, FAST), every_second(TEN, FAST), admin=dict.fromkeys(TEN, 10))

    def codes_of(shop: EngineReport, admin: EngineReport) -> list[str]:
        exits = {"local-1": left(executions={"shop": shop, "admin": admin})}
        return codes(verdict_of(timeline, plan_of(TIMES, executions=[counted, timed]), exits=exits))

    assert codes_of(EngineReport(ended_s=3.0), EngineReport(ended_s=10.0)) == ["kept"]
    assert codes_of(EngineReport(ended_s=3.0, unfinished_users=1), EngineReport(ended_s=10.0)) == ["ended-early"]
    assert codes_of(EngineReport(ended_s=3.0), EngineReport(ended_s=0.3)) == ["ended-early"]


def test_each_execution_needs_a_success_of_its_own():
    plan = plan_of(TIMES, executions=[execution(), execution("admin")])
    users = {"shop": dict.fromkeys(TEN, 10), "admin": dict.fromkeys(TEN, 10)}
    assert codes(verdict_of(two(every_second(TEN, FAST, 99), [], **users), plan)) == ["no-success"]
    refused = two(every_second(TEN, FAST, 99), every_second(TEN, replace(BROKEN, label="admin")), **users)
    assert codes(verdict_of(refused, plan)) == ["no-success"]
    assert codes(verdict_of(two(every_second(TEN, FAST), every_second(TEN, FAST), **users), plan)) == ["kept"]


def test_executions_due_after_a_stop_by_a_criterion_are_not_missing():
    plan = plan_of("hits>5 for 3s, stop as non-failed", executions=[execution(), execution("admin", delay_s=8.0)])
    timeline = two(every_second(range(5), FAST, 10), [], shop=dict.fromkeys(range(5), 10))
    assert codes(verdict_of(timeline, plan, stop=stopped("criterion"))) == ["kept"]


def test_the_turn_of_an_execution_begins_when_the_previous_one_ends():
    plan = plan_of(TIMES).model_copy(update={"common": {"modules": {"local": {"sequential": True}}}})
    users = dict.fromkeys(range(8), 0) | dict.fromkeys(range(8, 18), 10)
    timeline = timeline_of(every_second(range(8, 18), FAST), users=users)
    report = EngineReport(queued_s=8.0, ended_s=18.0)
    assert codes(verdict_of(timeline, plan, exits={"local-1": left(executions={"shop": report})})) == ["kept"]
    early = report.model_copy(update={"ended_s": 12.0})
    assert codes(verdict_of(timeline, plan, exits={"local-1": left(executions={"shop": early})})) == ["ended-early"]


def test_each_worker_has_its_own_turns():
    plan = in_turns(plan_of(TIMES, "hits<1 for 3s", executions=[execution(throughput_rps=20.0)], workers=2))
    timeline, exits = Timeline(), {}
    for worker, waited in (("local-1", 8), ("local-2", 3)):
        recorder = Recorder(worker, "local")
        for second in range(waited, waited + 10):
            recorder.virtual_users(second, "shop", 5)
            for _ in range(10):
                recorder.add_one("shop", completed_s=second + 0.5, label="home", response_us=50 * MS, ok=True)
        recorder.virtual_users(waited + 10, "shop", 0)
        timeline.add(decode(recorder.flush() or b"", worker))
        report = EngineReport(queued_s=waited, ended_s=waited + 10)
        exits[worker] = left(worker, executions={"shop": report})
    assert codes(verdict_of(timeline, plan, exits=exits)) == ["kept"]
    fewer = plan.model_copy(update={"executions": (execution(concurrency=12, throughput_rps=20.0),)})
    assert codes(verdict_of(timeline, fewer, exits=exits)) == ["unreached-load"]


@pytest.mark.parametrize("criterion", ["load<90%", "load<90% for 3s", "throughput<20/s for 3s", "throughput<20/s"])
def test_criteria_on_load_and_rates_apply_from_the_turn_of_an_execution(criterion):
    seconds = range(8, 18)
    users = dict.fromkeys(range(8), 0) | dict.fromkeys(seconds, 10)
    exits = {"local-1": left(executions={"shop": EngineReport(queued_s=8.0, ended_s=18.0)})}
    plan = in_turns(plan_of(ours=[criterion]))
    assert codes(verdict_of(timeline_of(every_second(seconds, FAST, 20), users=users), plan, exits=exits)) == ["kept"]
    silent = timeline_of(every_second(range(8, 12), FAST, 20), users=users | dict.fromkeys(range(12, 18), 1))
    assert codes(verdict_of(silent, plan, exits=exits))[0] == "breach"


@pytest.mark.parametrize(
    "criterion",
    ["throughput<9/s for 3s", "hits<5 for 3s", "throughput<9/s within 8s", "throughput<9/s over 4s", "throughput<9/s"],
)
def test_the_time_between_two_phases_is_not_silent(criterion):
    phases = [execution(hold_for_s=5.0), execution("late", hold_for_s=6.0, delay_s=20.0)]
    late = replace(FAST, execution="late")
    users = {"shop": dict.fromkeys(range(5), 10), "late": dict.fromkeys(range(20, 26), 10)}

    def verdict(second_phase: Sequence[int]) -> list[str]:
        samples = every_second(range(5), FAST, 10) + every_second(second_phase, late, 10)
        return codes(verdict_of(timeline_of(samples, users_of=users), plan_of(ours=[criterion], executions=phases)))

    assert verdict(range(20, 26)) == ["kept"]
    assert verdict([20, 21, 25])[0] == "breach"


def test_an_execution_that_only_ramps_up_ends_with_its_ramp_up():
    load = execution(ramp_up_s=10.0, hold_for_s=0.0)
    timeline = timeline_of(every_second(TEN, FAST), users={second: second + 1 for second in TEN})
    assert found(timeline, load=load, ended_s=10.0) == ["kept"]
    assert found(timeline, load=load, ended_s=1.0) == ["ended-early"]
    few = timeline_of(every_second(TEN, FAST), users=dict.fromkeys(TEN, 1))
    assert found(few, load=load, ended_s=10.0) == ["unreached-load"]
    once = load.model_copy(update={"iterations": 3})
    assert found(few, load=once, ended_s=1.0) == ["kept"]


def test_a_stop_by_a_criterion_excuses_no_earlier_end():
    plan = plan_of("hits>5 for 3s, stop as non-failed", executions=[execution(), execution("admin")])
    timeline = two(every_second(range(5), FAST, 10), [FAST], shop=dict.fromkeys(range(5), 10))
    for ended_s, code in ((0.3, "ended-early"), (4.5, "kept")):
        reports = {"shop": EngineReport(ended_s=5.2), "admin": EngineReport(ended_s=ended_s)}
        exits = {"local-1": left(executions=reports)}
        assert codes(verdict_of(timeline, plan, stop=stopped("criterion"), exits=exits)) == [code]


def test_requests_sent_until_workers_read_a_stop_are_no_surplus():
    plan = plan_of("hits>5 for 3s, stop as non-failed", executions=[open_model(100.0)])
    timeline = timeline_of(every_second(range(7), FAST, 100))
    for ended_s, code in ((6.9, "kept"), (5.1, "unreached-load")):
        exits = {"local-1": left(executions={"shop": EngineReport(ended_s=ended_s)})}
        assert codes(verdict_of(timeline, plan, stop=stopped("criterion"), exits=exits)) == [code]


def test_a_script_with_its_own_load_shape_may_end_at_any_time():
    timeline = timeline_of(every_second(range(4), FAST, 10), users=dict.fromkeys(range(4), 10))
    assert found(timeline, own_shape=True, ended_s=4.0) == ["kept"]
    assert found(timeline, ended_s=4.0) == ["ended-early"]


def test_an_execution_that_had_its_turn_needs_a_success_before_a_stop():
    plan = in_turns(plan_of("hits>5 for 3s, stop as non-failed", executions=[execution("admin"), execution()]))
    timeline = timeline_of(every_second(range(5), FAST, 10), users=dict.fromkeys(range(5), 10))
    for admin, code in ((EngineReport(), "kept"), (EngineReport(ended_s=5.1), "no-success")):
        exits = {"local-1": left(executions={"shop": EngineReport(ended_s=5.1), "admin": admin})}
        verdict = verdict_of(timeline, plan, stop=stopped("criterion"), exits=exits)
        assert codes(verdict) == [code]


def test_an_early_end_in_a_run_of_an_older_version_makes_a_pass_inconclusive():
    slow = timeline_of(every_second(range(2), SLOW, 10), users=dict.fromkeys(range(2), 10))
    verdict = verdict_of(slow, plan_of("avg-rt>100ms"), exits={"local-1": left(at_s=2.0)})
    assert (verdict.outcome, verdict.criteria[0].code) == ("inconclusive", "breach-may-not-stand")


def test_an_early_end_makes_a_breach_inconclusive():
    slow = timeline_of(every_second(range(2), SLOW, 10), users=dict.fromkeys(range(2), 10))
    plan, exits = plan_of("avg-rt>100ms"), {"local-1": left(executions={"shop": EngineReport(ended_s=2.0)})}
    assert verdict_of(slow, plan, exits=exits).criteria[0].code == "breach-may-not-stand"


# 2. No unanswered request is ignored


@pytest.mark.parametrize(
    ("waits_s", "answered_us", "codes_"),
    [
        ([4.9] * 10, 50 * MS, ["kept"]),
        ([5.1], 50 * MS, ["unanswered"]),  # of 10 users
        ([9.0] * 10, 1000 * MS, ["kept"]),  # ten times the p95 of 1 s
        ([11.0] * 10, 1000 * MS, ["unanswered"]),
    ],
)
def test_requests_that_waited_too_long_are_unanswered(waits_s, answered_us, codes_):
    samples = every_second(TEN, replace(FAST, us=answered_us), 10)
    timeline = timeline_of(samples, users=dict.fromkeys(TEN, 10), waits_s=waits_s)
    assert found(timeline, "hits<1") == codes_


@pytest.mark.parametrize(
    ("graceful_s", "waits_s", "codes_"),
    [(0.0, [0.9] * 10, ["kept"]), (0.0, [1.1], ["unanswered"]), (3.0, [3.9] * 10, ["kept"]),
     (3.0, [4.1], ["unanswered"]), (30.0, [4.9] * 10, ["kept"])],
)  # fmt: skip
def test_a_short_graceful_stop_shortens_the_allowed_wait(graceful_s, waits_s, codes_):
    timeline = timeline_of(every_second(TEN, FAST, 10), users=dict.fromkeys(TEN, 10), waits_s=waits_s)
    plan = plan_of("hits<1").model_copy(update={"graceful_stop_s": graceful_s})
    assert codes(verdict_of(timeline, plan)) == codes_


@pytest.mark.parametrize(
    ("criterion", "unanswered"),
    [("p90>300ms", False), ("p99>300ms", True), ("avg-rt>1s", True), ("fail>1%", True), ("fail>5%", False),
     ("succ<98.5%", True), ("rc5??>1%", False), ("p99>300ms for 3s", False), ("p90 of other>300ms", False)],
)  # fmt: skip
def test_a_criterion_that_passes_only_without_unanswered_requests_is_inconclusive(criterion, unanswered):
    samples = every_second(TEN, replace(FAST, label="other"), 20) + every_second(TEN, FAST, 80)
    timeline = timeline_of(samples, users=dict.fromkeys(TEN, 200), waits_s=[8.0] * 19)  # less than a tenth of them
    assert found(timeline, criterion, load=execution(concurrency=200)) == (["unanswered"] if unanswered else ["kept"])


@pytest.mark.parametrize(("criterion", "unanswered"), [("p90>2s", False), ("p99>2s", True), ("avg-rt>2s", True)])
def test_timed_out_requests_count_with_infinite_time(criterion, unanswered):
    timed_out = Sample(0, 1000 * MS, ok=False, rc="ReadTimeout")
    timeline = timeline_of(every_second(TEN, FAST, 98) + every_second(TEN, timed_out, 2), users=dict.fromkeys(TEN, 10))
    assert found(timeline, criterion) == (["unanswered"] if unanswered else ["kept"])


def test_one_per_cent_of_an_open_model_s_due_requests_may_be_unanswered():
    load, fast = open_model(100.0), every_second(TEN, FAST, 99)
    assert found(timeline_of(fast, waits_s=[6.0] * 10), "p50>1s", load=load) == ["kept"]
    assert found(timeline_of(fast, waits_s=[6.0] * 11), "p50>1s", load=load) == ["unanswered"]


def test_a_label_without_responses_is_detected_among_many_users():
    recorder, load = Recorder("local-2", "local"), execution(concurrency=500)
    recorder.unfinished(9, "shop", "dead", 3, 7_000_000)
    dead = decode(recorder.flush() or b"", "file")
    for answered, codes_ in (([], ["unanswered"]), ([Sample(9, label="dead")], ["kept"])):
        timeline = timeline_of([*every_second(TEN, FAST, 50), *answered], users=dict.fromkeys(TEN, 500))
        timeline.add(dead)
        assert found(timeline, "p50>1s", load=load) == codes_


def test_one_response_does_not_hide_an_unanswered_label():
    timeline = timeline_of(every_second(TEN, FAST, 50), users=dict.fromkeys(TEN, 500))
    timeline.add(waiting(("dead", 9.0), ("dead", 9.0), ("dead", 4.0)))
    assert found(timeline, "p50>1s", load=execution(concurrency=500)) == ["unanswered"]


def test_unanswered_requests_without_label_count_once_for_each_label():
    def verdict(criterion: str, unknown: int) -> list[str]:
        timeline = timeline_of(every_second(TEN, FAST, 50), users=dict.fromkeys(TEN, 100))
        timeline.add(waiting(*[("", 7.0)] * unknown, *[("home", 7.0)] * (9 - unknown)))
        return found(timeline, criterion, load=execution(concurrency=100))

    assert verdict("hits<1", 4) == ["kept"]  # 9 of 100 users
    assert verdict("fail of home>1%", 9) == ["unanswered"]
    assert verdict("fail of home>5%", 9) == ["kept"]


def test_unanswered_requests_without_label_do_not_count_in_another_execution():
    users = {"shop": dict.fromkeys(TEN, 100), "admin": dict.fromkeys(TEN, 100)}
    timeline = two(every_second(TEN, FAST, 50), every_second(TEN, replace(FAST, label="admin"), 50), **users)
    timeline.add(waiting(*[("", 7.0)] * 9, execution="admin"))
    loads = [execution(concurrency=100), execution("admin", concurrency=100)]
    assert codes(verdict_of(timeline, plan_of("fail of home>1%", executions=loads))) == ["kept"]
    assert codes(verdict_of(timeline, plan_of("fail of admin>1%", executions=loads))) == ["unanswered"]


@pytest.mark.parametrize(
    ("load", "fields", "users", "waits", "unanswered"),
    [({"concurrency": None}, {}, 10, 1, True), ({"concurrency": None}, {}, 20, 1, False),
     ({"concurrency": 1}, {"own_shape": True}, 20, 1, False), ({"concurrency": 1}, {"own_shape": True}, 20, 2, True),
     ({"concurrency": None}, {}, 0, 5, False), ({"concurrency": None}, {}, 0, 6, True)],
)  # fmt: skip
def test_the_active_users_count_if_only_the_script_knows_their_number(load, fields, users, waits, unanswered):
    timeline = timeline_of(every_second(TEN, FAST, 50), users=dict.fromkeys(TEN, users), waits_s=[9.0] * waits)
    codes_ = found(timeline, "p50>1s", load=execution(**load), **fields)  # without users: 1 % of the requests
    assert codes_ == (["unanswered"] if unanswered else ["kept"])


def test_unfinished_requests_may_undo_a_breach_over_the_whole_run():
    samples = every_second(TEN, FAST, 9) + every_second([0], Sample(0, ok=False, rc="503"), 2)
    timeline = timeline_of(samples, users=dict.fromkeys(TEN, 200), waits_s=[1.0] * 120)
    verdict = verdict_of(timeline, plan_of("fail>1%", executions=[execution(concurrency=200)]))
    assert (verdict.outcome, verdict.criteria[0].code) == ("inconclusive", "breach-may-not-stand")


def test_too_few_samples_advise_how_to_get_enough():
    timeline = timeline_of(every_second(TEN, FAST, 5), users=dict.fromkeys(TEN, 10))
    verdict = verdict_of(timeline, plan_of("p95>60ms"))
    assert codes(verdict) == ["too-few-samples"]
    assert all(figure in verdict.reasons[0].message for figure in ("50", "72", "15 s", "15 "))


@pytest.mark.parametrize(("exclude", "hold_s"), [(True, 15), (False, 17)])
def test_the_advised_hold_counts_the_ramp_up_only_where_criteria_do(exclude, hold_s):
    timeline = timeline_of(every_second(range(5, 15), FAST, 5), users=dict.fromkeys(range(15), 10))
    plan = plan_of("p95>60ms", executions=[execution(ramp_up_s=5.0, hold_for_s=10.0)], ramp_up_exclude=exclude)
    assert f"hold for {hold_s} s" in verdict_of(timeline, plan).criteria[0].message


def hung(us: int, second: int, count: int = 4, **more: Any) -> list[Sample]:
    return [replace(FAST, us=us, second=second, **more)] * count


@pytest.mark.parametrize(
    ("samples", "seconds", "stalled"),
    [
        # 4 users: 40 s in all, so 4 user-seconds may be long
        (every_second(range(3), FAST, 40) + hung(6_900_000, 9), 10, True),  # answers for 3 s, then hangs for 7 s
        (every_second(TEN, FAST, 40) + hung(5_100_000, 7, 1), 10, True),
        (every_second(range(60), FAST, 40) + hung(5_100_000, 7, 4), 60, False),  # 20 of 240
        (every_second(range(60), FAST, 40) + hung(5_100_000, 7, 5), 60, True),
        (every_second(TEN, FAST, 40) + hung(4_900_000, 7), 10, False),
        (every_second(range(60), replace(FAST, us=12_000_000)), 60, False),  # slow by nature
        (every_second(range(60), FAST, 40) + hung(27_000_000, 40, 4, ok=False, rc="timeout"), 60, True),
    ],
)
def test_users_that_wait_for_long_responses_are_stalled(samples, seconds, stalled):
    load = execution(concurrency=4, hold_for_s=float(seconds))
    timeline = timeline_of(samples, users=dict.fromkeys(range(seconds), 4))
    assert found(timeline, "fail>10%", load=load) == (["stalled"] if stalled else ["kept"])


def test_unfinished_requests_stall_their_users_too():
    timeline = timeline_of(every_second(range(60), FAST, 100), users=dict.fromkeys(range(60), 20), waits_s=[59.0])
    load = execution(concurrency=20, hold_for_s=60.0)
    assert found(timeline, "hits<1", load=load) == ["kept"]  # 59 of 1,200 user-seconds
    fewer = timeline_of(every_second(range(60), FAST, 100), users=dict.fromkeys(range(60), 11), waits_s=[70.0])
    assert found(fewer, "hits<1", load=execution(concurrency=11, hold_for_s=60.0)) == ["stalled"]  # 70 of 660


@pytest.mark.parametrize(("hung_s", "stalled"), [(14.5, True), (11.5, False)])
def test_seconds_in_which_every_request_has_waited_too_long_are_stalled(hung_s, stalled):
    end = 20 + int(hung_s)
    quiet = every_second([*range(20), *range(end, 60)], FAST, 2)  # of 100 users, most pause between their requests
    timeline = timeline_of(quiet + hung(int(hung_s * 1e6), end, 3), users=dict.fromkeys(range(60), 100))
    load = execution(concurrency=100, hold_for_s=60.0)
    assert found(timeline, "fail>10%", load=load) == (["stalled"] if stalled else ["kept"])
    with_others = [*quiet, *every_second(range(20, end), replace(FAST, label="other"))]
    timeline = timeline_of(with_others + hung(int(hung_s * 1e6), end, 3), users=dict.fromkeys(range(60), 100))
    assert found(timeline, "fail>10%", load=load) == ["kept"]


def test_an_open_model_does_not_stall():
    timeline = timeline_of(every_second(TEN, FAST, 95) + hung(7_000_000, 9, 50))
    assert found(timeline, "fail>10%", load=open_model(100.0)) == ["kept"]


# 3. The script's own reports


def scripted(*criteria: str | dict, **fields: object) -> Verdict:
    failed = Sample(0, 5 * MS, label="Buyer: exception", ok=False, rc="KeyError", kind="transaction")
    samples = every_second(TEN, FAST, 10) + every_second([3], failed)
    plan = plan_of(*(criteria or (FAILURES,)))
    exits = {"local-1": left(executions={"shop": EngineReport.model_validate(fields)})}
    return verdict_of(timeline_of(samples, users=dict.fromkeys(TEN, 10)), plan, exits=exits)


def test_a_script_error_is_a_reason_unless_a_criterion_judges_it():
    errors = {"Buyer: exception": 1}
    assert codes(scripted()) == ["kept"]
    assert codes(scripted(script_errors=errors)) == ["script-errors"]
    named = {"subject": "fail", "label": "Buyer: exception", "condition": ">"}
    assert codes(scripted({**named, "threshold": 5}, script_errors=errors)) == ["kept"]
    assert scripted({**named, "threshold": 0}, script_errors=errors).outcome == "failed"


@pytest.mark.parametrize(("responses", "code"), [(1, "kept"), (2, "missing-value")])
def test_more_than_a_hundredth_of_a_labels_responses_without_a_needed_value_are_a_reason(responses, code):
    missing = [{"label": "home", "variable": "csrf", "responses": responses}]  # of 100 responses
    verdict = scripted("fail>90%", missing_values=missing)
    assert codes(verdict) == [code]
    assert code == "kept" or "`csrf`" in verdict.reasons[0].message


def test_a_failure_reported_by_the_script_makes_the_run_inconclusive():
    verdict = scripted(script_failed="the locustfile set process_exit_code to 1")
    assert (verdict.outcome, codes(verdict)) == ("inconclusive", ["script-failed"])
    noted = scripted(note="2 thresholds were crossed")
    assert (noted.outcome, noted.note_codes) == ("passed", ("engine-note",))


DEAD = Sample(0, 2 * MS, label="login", ok=False, rc="401")


@pytest.mark.parametrize(
    ("criteria", "codes_"),
    [(["p95>1s"], ["dead-label"]), (["fail>90%"], ["dead-label"]), (["rc401 of login>500"], ["kept"]),
     (["rc4?? of login>500"], ["kept"]), (["rc404 of login>0"], ["dead-label"]),
     (["fail of login>500"], ["kept"]), (["fail of home>5%"], ["dead-label"]), ([], ["dead-label"]),
     (["fail of login>500, continue as non-failed", "p95>1s"], ["dead-label"])],
)  # fmt: skip
def test_a_label_with_only_failures_needs_a_criterion_that_names_it(criteria, codes_):
    timeline = timeline_of(every_second(TEN, FAST, 10) + every_second(TEN, DEAD, 10), users=dict.fromkeys(TEN, 10))
    assert codes(verdict_of(timeline, plan_of(*criteria))) == codes_


def test_failing_labels_are_named_in_the_order_of_the_suite_so_that_a_refused_log_in_comes_first():
    later = replace(DEAD, label="add", rc="missing-value")
    samples = every_second(TEN, FAST, 10) + every_second(TEN, DEAD, 10) + every_second(TEN, later, 10)
    load = execution().model_copy(update={"labels": ("home", "login", "add")})
    verdict = verdict_of(timeline_of(samples, users=dict.fromkeys(TEN, 10)), plan_of(TIMES, executions=[load]))
    assert ["login" in one.message for one in verdict.reasons] == [True, False]


def test_a_label_whose_pages_are_log_in_pages_says_so():
    page = replace(DEAD, rc="200", message='the body has "(?i)type=.?password"')
    timeline = timeline_of(every_second(TEN, FAST, 10) + every_second(TEN, page, 10), users=dict.fromkeys(TEN, 10))
    assert "a log-in page" in verdict_of(timeline, plan_of(TIMES)).reasons[0].message


def test_a_criterion_without_a_full_window_judges_no_failures():
    timeline = timeline_of(every_second(TEN, FAST, 10) + every_second(TEN, DEAD, 10), users=dict.fromkeys(TEN, 10))
    assert codes(verdict_of(timeline, plan_of("fail of login>500 for 30s"))) == ["dead-label"]
    assert codes(verdict_of(timeline, plan_of("fail of login>500 for 3s"))) == ["kept"]


@pytest.mark.parametrize(("places", "code"), [(["eu"], "dead-label"), (["eu", "us"], "kept")])
def test_criteria_on_all_locations_together_judge_a_label(places, code):
    samples = every_second(TEN, FAST, 10) + every_second(TEN, DEAD, 10)
    both = [replace(one, location=place) for one in samples for place in ("eu", "us")]
    limit = {"subject": "fail", "label": "login", "condition": ">", "threshold": 500}
    plan = plan_of(*({**limit, "location": place} for place in places), locations=("eu", "us"))
    assert codes(verdict_of(timeline_of(both, users=dict.fromkeys(TEN, 10)), plan)) == [code]


def test_a_criterion_on_requests_does_not_judge_the_transaction_of_the_same_name():
    samples = every_second(TEN, FAST, 10) + every_second(TEN, replace(BROKEN, label="home", kind="transaction"))
    timeline = timeline_of(samples, users=dict.fromkeys(TEN, 10))
    exits = {"local-1": left(executions={"shop": EngineReport(script_errors={"home": 10})})}
    assert codes(verdict_of(timeline, plan_of("fail of home>5%"), exits=exits)) == ["script-errors"]
    named = {"subject": "fail", "label": "home", "kind": "transaction", "condition": ">", "threshold": 500}
    assert codes(verdict_of(timeline, plan_of(ours=[named]), exits=exits)) == ["kept"]


def test_transactions_are_judged_if_a_script_reports_nothing_else():
    samples = every_second(TEN, FAST, 10) + every_second(TEN, DEAD, 10)
    alone = [replace(one, kind="transaction") for one in samples]
    timeline = timeline_of(alone, users=dict.fromkeys(TEN, 10), unfinished=3)
    load = execution(throughput_rps=20.0)
    assert found(timeline, "p50 of home>1s", load=load) == ["dead-label"]
    assert found(timeline, "fail of login>500", load=load) == ["kept"]


def test_failures_of_a_search_are_judged_stage_by_stage():
    search = Search(from_rps=50, to_rps=500, until=("p95>300ms",), step_s=10, settle_s=3)
    load = open_model(100.0, 600.0).model_copy(update={"search": search})
    timeline = timeline_of(every_second(range(20), FAST, 50) + every_second(range(20, 40), BROKEN, 50))
    plan = plan_of("p50>1s", executions=[load])
    exits = {"local-1": left(executions={"shop": EngineReport(ended_s=40.0)})}
    assert codes(verdict_of(timeline, plan, stop=stopped("search", 40.0), exits=exits)) == ["kept"]


@pytest.mark.parametrize(
    ("failures", "of", "criteria", "codes_"),
    [(20, 100, ["p95>1s"], ["unjudged-failures"]), (19, 100, ["p95>1s"], ["kept"]), (20, 200, ["p95>1s"], ["kept"]),
     (21, 200, ["p95>1s"], ["unjudged-failures"]), (50, 100, ["fail>60%"], ["kept"]),
     (50, 100, ["fail of other>1%", "p95>1s"], ["unknown-label", "unjudged-failures"]),
     (50, 100, ["rc404>0"], ["unjudged-failures"]), (50, 100, ["rc50>0"], ["unjudged-failures"]),
     (50, 100, ["rc5??>60%"], ["kept"]), (50, 100, ["rc2??<40%"], ["kept"]),
     (50, 100, ["rc2??<40"], ["unjudged-failures"]),
     (50, 100, ["rc50?>60%", "rc404>0"], ["kept"])],
)  # fmt: skip
def test_many_unjudged_failures_make_a_run_inconclusive(failures, of, criteria, codes_):
    samples = [replace(DEAD, second=n % 10, rc="503") for n in range(failures)]
    samples += [replace(DEAD, second=n % 10, ok=True, rc="200") for n in range(of - failures)]
    verdict = verdict_of(timeline_of(samples, users=dict.fromkeys(TEN, 10)), plan_of(*criteria))
    assert codes(verdict) == codes_


def test_failures_of_an_excluded_ramp_up_are_a_note():
    early = [replace(DEAD, second=0, steady=False)] * 30
    samples = early + every_second(range(1, 10), replace(DEAD, ok=True), 10)
    load = execution(ramp_up_s=1.0, hold_for_s=9.0)
    plan = plan_of("p50>1s", executions=[load], ramp_up_exclude=True)
    verdict = verdict_of(timeline_of(samples, users=dict.fromkeys(TEN, 10)), plan)
    assert (codes(verdict), verdict.note_codes) == (["kept"], ("excluded-failures",))


# Combinations


def test_samples_without_a_start_are_damaged():
    assert codes(verdict_of(good(), plan_of(TIMES), started_at=None)) == ["damaged-file"]


def test_no_rule_excuses_a_breach():
    timeline = timeline_of(every_second(TEN, SLOW, 10), users=dict.fromkeys(TEN, 1), waits_s=[30.0] * 5)
    plan = plan_of("p50>100ms")
    exits = {"local-1": left(executions={"shop": EngineReport(script_failed="no", ended_s=10.0)})}
    verdict = verdict_of(timeline, plan, exits=exits)
    assert (verdict.outcome, codes(verdict)[0]) == ("failed", "breach")
    assert {"unreached-load", "unanswered", "script-failed"} <= set(codes(verdict))


def test_a_run_without_problems_passes_with_all_fields_of_a_report():
    assert found(good(), samples=100, dropped=0, ended_s=10.2, unfinished=2) == ["kept"]
