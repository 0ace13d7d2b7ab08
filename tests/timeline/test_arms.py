import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.duets import SUITE, SWITCHED, Measured, interval_of, merged, planned
from toril.records import BASE, HEAD, EngineReport, Exit, Plan
from toril.summary import steady_load
from toril.timeline.arms import Arm
from toril.timeline.intervals import Recorder, decode

RAMP = "hold-for: 40s", "hold-for: 40s, ramp-up: 8s, delay: 8s"
RAMPED = SUITE.replace(*RAMP)
BLOCKS, BLOCK_S = 4, 10
BLOCK = f"toril: {{regression: {{block: {BLOCK_S}s}}}}\n"

MEASURED = st.lists(
    st.builds(
        Measured,
        arm=st.sampled_from([BASE, HEAD]),
        block=st.integers(1, BLOCKS),
        since_s=st.floats(0, BLOCK_S - 0.01).map(lambda since: round(since, 3)),
        us=st.integers(1, 10_000_000),
        label=st.sampled_from(["home", "checkout"]),
        ok=st.booleans(),
    ),
    min_size=1,
    max_size=60,
)


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return planned(tmp_path_factory.mktemp("suite"))


@pytest.fixture(scope="module")
def switched(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return planned(tmp_path_factory.mktemp("suite"), SWITCHED.replace(*RAMP) + BLOCK)


@pytest.fixture(scope="module", params=["plan", "switched"])
def either(request: pytest.FixtureRequest) -> Plan:
    found: Plan = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def ramped(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return planned(tmp_path_factory.mktemp("suite"), RAMPED)


@given(samples=MEASURED)
def test_each_sample_is_in_exactly_one_arm(either: Plan, samples: list[Measured]) -> None:
    plan = either
    _, arms = merged(plan, interval_of(plan, samples))
    for arm, timeline in arms.items():
        own = [one for one in samples if one.arm == arm]
        assert timeline.select().total.samples == len(own)
        assert timeline.select().total.failures == sum(not one.ok for one in own)
        assert timeline.select().total.sum_us == sum(one.us for one in own)
        assert timeline.select().total.errors.total() == sum(not one.ok for one in own)
        assert timeline.labels() == tuple(sorted({one.label for one in own}))


@given(samples=MEASURED)
def test_an_arm_is_the_run_of_its_concatenated_blocks(either: Plan, samples: list[Measured]) -> None:
    assert either.duet is not None
    starts_s = {(turn.arm, turn.block): turn.starts_s for turn in either.duet.turns()}

    def second_of(one: Measured) -> int:
        """A turn has the whole seconds from the one in which it begins."""
        start_s = starts_s[one.arm, one.block]
        since = int(start_s + one.since_s) - int(start_s)
        return either.duet.warm_s + (one.block - 1) * BLOCK_S + since if either.duet else 0

    _, arms = merged(either, interval_of(either, samples))
    for arm, timeline in arms.items():
        own = [one for one in samples if one.arm == arm]
        for second in range(either.duet.warm_s + BLOCKS * BLOCK_S + 1):
            there = [one.us for one in own if second_of(one) == second]
            found = timeline.select().second(second)
            assert (found.samples, found.max_us) == (len(there), max(there, default=0))


def test_the_plan_of_an_arm_is_that_of_the_suite(plan: Plan, ramped: Plan) -> None:
    (execution,) = Arm(plan, HEAD).as_run().executions
    assert (execution.name, execution.delay_s, execution.ramp_up_s, execution.hold_for_s) == ("shop", 0, 0, 40)
    (execution,) = Arm(ramped, BASE).as_run().executions
    assert (execution.name, execution.delay_s, execution.ramp_up_s, execution.hold_for_s) == ("shop", 8, 8, 40)
    assert [part.execution for part in Arm(ramped, HEAD).as_run().shares[0].executions] == ["shop"]


def test_the_arm_of_engines_that_run_through_has_one_warm_up(switched: Plan) -> None:
    """The warm-up is 10 s: delay and ramp-up are shortened to 9 s, and all of it is before the steady state."""
    assert switched.duet is not None and switched.duet.warm_s == 10
    for arm in (BASE, HEAD):
        (execution,) = Arm(switched, arm).as_run().executions
        assert (execution.name, execution.delay_s, execution.steady_from_s) == ("shop", 4.5, 10)
        assert execution.hold_for_s == BLOCKS * BLOCK_S
        assert [part.execution for part in Arm(switched, arm).as_run().shares[0].executions] == ["shop"]
    samples = [Measured(arm, 0, since_s, steady=False) for arm in (BASE, HEAD) for since_s in (0.25, 9.25)]
    for timeline in merged(switched, interval_of(switched, samples))[1].values():
        assert timeline.select(steady=False).seconds == [0, 9]


def test_ramp_ups_come_first_and_steady_blocks_follow_each_other(ramped: Plan) -> None:
    """A turn is 2 s of delay, 2 s of ramp-up and 10 s of hold, so 16 s of four turns precede the steady state."""
    samples = [Measured(HEAD, block, since, steady=since >= 4) for block in (1, 3) for since in (2.5, 4.5, 13.5)]
    _, arms = merged(ramped, interval_of(ramped, samples))
    assert arms[HEAD].select(steady=False).seconds == [2, 10]
    assert arms[HEAD].select(steady=True).seconds == [16, 25, 36, 45]


def test_late_completions_count_in_the_seconds_after_their_block(plan: Plan) -> None:
    _, arms = merged(plan, interval_of(plan, [Measured(HEAD, 1, 11.5), Measured(HEAD, 4, 11.5)]))
    assert arms[HEAD].select().seconds == [11, 41]


def test_virtual_users_of_an_arm_are_active_without_gaps(plan: Plan, ramped: Plan, switched: Plan) -> None:
    for one in (plan, ramped, switched):
        _, arms = merged(one, interval_of(one, [Measured(HEAD, 1, 5.0), Measured(BASE, 1, 5.0)]))
        for arm, timeline in arms.items():
            (load,) = steady_load(Arm(one, arm).as_run(), timeline)
            assert (load.achieved_users, load.steady_s) == (4, 40)


def test_engine_reports_of_an_arms_turns_are_summed(plan: Plan) -> None:
    heads = [one for one in plan.executions if one.arm == HEAD]
    reports = {one.name: EngineReport(samples=10, dropped=1, ended_s=one.steady_to_s + 0.2) for one in plan.executions}
    reports[heads[1].name] = EngineReport(samples=5, ended_s=heads[1].steady_to_s - 4, script_errors={"Buyer": 2})
    left = Exit(worker="local-1", attempt="a", at=100.0, outcome="finished", executions=reports)

    base, head = (Arm(plan, arm).reports(left)["shop"] for arm in (BASE, HEAD))
    assert (base.samples, base.dropped, base.ended_s, base.script_errors) == (40, 4, 40, {})
    assert (head.samples, head.dropped, head.ended_s, head.script_errors) == (35, 3, 36, {"Buyer": 2})


def test_the_end_of_an_engine_that_runs_through_is_the_end_of_both_arms(switched: Plan) -> None:
    whole_s, stop_s = max(one.steady_to_s for one in switched.executions), 51.5
    for ended_s, done_s in ((whole_s + 0.3, (50, 50)), (stop_s, None)):
        reports = {one.name: EngineReport(samples=10 * one.arm, ended_s=ended_s) for one in switched.executions}
        left = Exit(worker="local-1", attempt="a", at=100.0, outcome="finished", executions=reports)
        found = [Arm(switched, arm).reports(left)["shop"] for arm in (BASE, HEAD)]
        assert [one.samples for one in found] == [10, 20]
        assert tuple(one.ended_s for one in found) == (done_s or tuple(Arm(switched, a).done_s(stop_s) for a in (1, 2)))


def test_health_between_turns_belongs_to_no_arm(plan: Plan, switched: Plan) -> None:
    _, arms = merged(plan, interval_of(plan, [Measured(HEAD, 1, 5.0)]))
    for arm, timeline in arms.items():
        series = timeline.health_series("local-1")
        assert series.second.tolist() == [second for second in range(BLOCKS * BLOCK_S) if (second + 1) % BLOCK_S]
        assert series.cpu.max() == pytest.approx(0.1 * arm)
    _, arms = merged(switched, interval_of(switched, [Measured(HEAD, 1, 5.0)]))
    for arm, timeline in arms.items():
        series = timeline.health_series("local-1")
        assert series.second.tolist() == list(range(50))
        assert series.cpu.tolist() == pytest.approx([0.1 * arm] * 50)


def test_the_elapsed_time_of_an_arm_grows_in_its_own_turns_only(plan: Plan) -> None:
    assert plan.duet is not None
    first, second, *_ = plan.duet.turns()
    arm = Arm(plan, second.arm)
    assert [arm.done_s(first.ends_s), arm.done_s(second.starts_s + 3.5), arm.done_s(second.ends_s + 2)] == [0, 3.5, 10]
    assert [Arm(plan, one).done_s(10_000) for one in (BASE, HEAD)] == [40, 40]


def test_a_plan_without_a_duet_has_no_arms(plan: Plan) -> None:
    with pytest.raises(ValueError, match="duet"):
        Arm(plan.model_copy(update={"duet": None}), HEAD)


def test_unfinished_requests_belong_to_the_arm_whose_turn_it_was(either: Plan) -> None:
    plan = either
    assert plan.duet is not None
    turns = len(plan.duet.turns_of(BASE))
    recorder = Recorder("local-1", "local")
    for turn in plan.duet.turns():
        recorder.unfinished(int(turn.starts_s), "shop", "home", turn.arm)
    data = recorder.flush()
    assert data is not None
    _, arms = merged(plan, decode(data, "made up"))
    assert {arm: one.select().total.unfinished for arm, one in arms.items()} == {BASE: turns, HEAD: 2 * turns}
