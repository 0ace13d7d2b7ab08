"""A duet during its run: criteria and figures use head's samples, in head's own time."""

from pathlib import Path

import pytest

from tests.clocks import SteppedClock
from tests.duets import SUITE, Measured, file_of, planned
from toril.clock import SystemClock
from toril.coordinator.fold import Fold
from toril.coordinator.progress import CriteriaProgress, ProgressBuilder
from toril.coordinator.protocol import begin, resumed
from toril.coordinator.worker_files import interval_name
from toril.records import ARMS, BASE, HEAD, Launch, Plan, Start, worker_key
from toril.store import FolderStore
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
            assert (found.turn, found.criteria) == (f"block {turn.block} of 4: {ARMS[turn.arm]}", criteria)


def test_live_criteria_are_cached(tmp_path: Path, plan: Plan) -> None:
    fold, clock = folded(tmp_path, plan, failing=BASE), SteppedClock(0.0)
    standings = CriteriaProgress(fold.judged_plan)
    first = standings.evaluate(fold.timeline, clock)
    for at, same in ((0.5, True), (2.0, False)):
        clock.at = at
        assert (standings.evaluate(fold.timeline, clock) is first) == same
