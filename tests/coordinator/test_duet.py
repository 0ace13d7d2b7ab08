"""A duet during its run: criteria and figures use head's samples, in head's own time."""

from pathlib import Path

import pytest

from tests.clocks import SteppedClock
from tests.duets import SUITE, SWITCHED, Measured, file_of, planned
from tests.regression.series import samples_of
from toril.clock import SystemClock
from toril.coordinator.driver import Coordinator, issue
from toril.coordinator.fold import Fold
from toril.coordinator.progress import CriteriaProgress, ProgressBuilder
from toril.coordinator.protocol import begin, resumed
from toril.coordinator.worker_files import interval_name
from toril.records import ARMS, BASE, HEAD, Launch, Plan, Start, Stop, run_key, worker_key
from toril.store import FolderStore
from toril.store.records import find_record
from toril.summary import judged_plan
from toril.verdict.live import LiveCriteria

STOP = "reporting: [{module: passfail, criteria: ['fail>50% for 3s, stop as failed']}]\n"


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return planned(tmp_path, SUITE + STOP)


def folded(folder: Path, plan: Plan, failing: int) -> Fold:
    """A run with one arm whose samples all fail in the second block."""
    samples = [
        Measured(arm, block, second + 0.5, ok=(arm, block) != (failing, 2))
        for arm in ARMS
        for block in range(1, 5)
        for second in range(10)
    ]
    store = FolderStore(folder / "store")
    store.put(worker_key(plan.run_id, "local-1", "a", interval_name(1)), file_of(plan, samples))
    fold = Fold(store, plan, {"local-1": "a"})
    fold.poll(0.0)
    return fold


def test_a_stop_criterion_uses_heads_samples(tmp_path: Path, plan: Plan) -> None:
    fold = folded(tmp_path, plan, failing=HEAD)
    (breach,) = LiveCriteria(fold.judged_plan).advance(fold.timeline, fold.judged_to(1000))
    assert breach.window is not None and (breach.window.from_s, breach.window.to_s) == (10, 12)


def test_base_may_fail_without_ending_the_load(tmp_path: Path, plan: Plan) -> None:
    fold = folded(tmp_path, plan, failing=BASE)
    assert LiveCriteria(fold.judged_plan).advance(fold.timeline, fold.judged_to(1000)) == []


def test_a_second_of_head_is_complete_when_its_turn_has_reached_it(tmp_path: Path, plan: Plan) -> None:
    assert plan.duet is not None
    fold = folded(tmp_path, plan, failing=HEAD)
    first, second, *_ = plan.duet.turns_of(HEAD)
    assert fold.judged_to(None) is None
    assert fold.judged_to(int(first.starts_s) - 1) is None
    assert fold.judged_to(int(first.starts_s) + 3) == 3
    assert fold.judged_to(int(first.ends_s) + 2) == 9
    assert fold.judged_to(int(second.starts_s)) == 10


def test_the_whole_timeline_has_the_load_of_both_arms(tmp_path: Path, plan: Plan) -> None:
    fold = folded(tmp_path, plan, failing=HEAD)
    assert fold.whole.select().total.samples == 80
    assert fold.timeline.select().total.samples == 40


def test_a_run_without_a_duet_is_judged_with_its_whole_timeline(tmp_path: Path, plan: Plan) -> None:
    plain = judged_plan(plan)
    fold = Fold(FolderStore(tmp_path / "store"), plain, {"local-1": "a"})
    assert fold.timeline is fold.whole and fold.judged_plan is plain
    assert fold.judged_to(7) == 7


def test_the_progress_shows_the_arm_under_load_and_the_criteria(tmp_path: Path) -> None:
    plan = planned(tmp_path, SUITE + "reporting: [{module: passfail, criteria: ['fail>10%', 'p50>1s']}]\n")
    assert plan.duet is not None
    launch = Launch(at=0.0, deadline=1e6, attempts={"local-1": ("a",)})
    state = resumed(begin(plan, launch, 0.0), Start(at=100.0, attempts={"local-1": "a"}), None)
    for failing, outcomes in ((HEAD, ["failed", "passed"]), (BASE, ["passed", "passed"])):
        fold = folded(tmp_path / str(failing), plan, failing)
        criteria = CriteriaProgress(fold.judged_plan).evaluate(fold.timeline, SystemClock())
        assert sorted(one.outcome for one in criteria) == outcomes
        for turn in plan.duet.turns():
            found = ProgressBuilder(fold).build(state, 100.0 + turn.starts_s, criteria=criteria)
            assert (found.turn, found.criteria) == (f"pair {turn.block} of 4: {ARMS[turn.arm]}", criteria)


def test_live_criteria_are_cached(tmp_path: Path, plan: Plan) -> None:
    fold, clock = folded(tmp_path, plan, failing=BASE), SteppedClock(0.0)
    standings = CriteriaProgress(fold.judged_plan)
    first = standings.evaluate(fold.timeline, clock)
    for at, same in ((0.5, True), (2.0, False)):
        clock.at = at
        assert (standings.evaluate(fold.timeline, clock) is first) == same


def test_the_progress_of_engines_that_run_through(tmp_path: Path) -> None:
    plan = planned(tmp_path, SWITCHED)
    assert plan.duet is not None
    launch = Launch(at=0.0, deadline=1e6, attempts={"local-1": ("a",)})
    state = resumed(begin(plan, launch, 0.0), Start(at=100.0, attempts={"local-1": "a"}), None)
    store = FolderStore(tmp_path / "store")
    samples = [Measured(turn.arm, turn.block, 0.5) for turn in plan.duet.turns()]
    store.put(worker_key(plan.run_id, "local-1", "a", interval_name(1)), file_of(plan, samples))
    fold = Fold(store, plan, {"local-1": "a"})
    fold.poll(0.0)
    assert not fold.damaged and fold.whole.select().total.samples == len(samples)
    turns = [ProgressBuilder(fold).build(state, 100.0 + turn.starts_s).turn for turn in plan.duet.turns()]
    assert turns[:2] == ["warm-up: base", "warm-up: head"]
    recent = ProgressBuilder(fold).build(state, 100.0 + plan.duration_s).recent
    assert set(recent.planned_users[plan.duet.warm_s :]) == set(recent.virtual_users) == {4}


def abandoned(folder: Path, plan: Plan, slower: float, blocks: int) -> Coordinator:
    """Returns the new owner of a duet on Fargate, after this number of pairs."""
    store, clock = FolderStore(folder), SteppedClock(1000.0)
    store.put(run_key(plan.run_id, "plan.json"), plan.to_json())
    attempts = {worker: nonces[0] for worker, nonces in issue(store, plan, 990.0).attempts.items()}
    store.put(run_key(plan.run_id, "start.json"), Start(at=1000.0, attempts=attempts).to_json())
    ratios = [slower + (0.01 if block % 2 else -0.01) for block in range(blocks)]
    for worker, attempt in attempts.items():
        samples = samples_of(plan, ratios, rate=40, spread=0.05)
        store.put(worker_key(plan.run_id, worker, attempt, interval_name(1)), file_of(plan, samples, blocks))
    assert plan.duet is not None
    clock.at = 1000.0 + plan.duet.turns_of(HEAD)[blocks].ends_s + 3
    return Coordinator.of_abandoned(store, plan.run_id, clock)


def stop_of(owner: Coordinator) -> Stop | None:
    for _ in range(3):
        owner.step({}, None)
    return find_record(owner.store, Stop, run_key(owner.plan.run_id, "stop.json"))


def test_a_look_that_decides_ends_the_load_whoever_owns_the_run(tmp_path: Path) -> None:
    plan = planned(tmp_path, SWITCHED, blocks=40).model_copy(update={"on": "fargate"})
    found = [stop_of(abandoned(tmp_path / name, plan, 1.5, 8)) for name in ("first", "second")]
    assert found[0] is not None and found[0].cause == "decided" and found[0] == found[1]


def test_the_load_goes_on_without_a_decision(tmp_path: Path) -> None:
    plan = planned(tmp_path, SWITCHED, blocks=40).model_copy(update={"on": "fargate"})
    assert stop_of(abandoned(tmp_path / "early", plan, 1.5, 4)) is None  # before the first look
    assert stop_of(abandoned(tmp_path / "open", plan, 1.03, 8)) is None  # at the margin
