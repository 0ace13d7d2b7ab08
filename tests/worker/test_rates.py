"""Rate changes during the load: each worker's engine gets each of them once and in order."""

from types import SimpleNamespace

import pytest

from tests.measured import execution, plan_of
from tests.troubled import TroubledStore
from tests.worker.test_attempt import Scene
from tests.worker.test_engine_runs import START, runs_of
from toril.plan import FARGATE_TIMINGS
from toril.records import Rate, rate_key


class AdjustableScene(Scene):
    """A scene with an execution whose rate can change."""

    def __init__(self, folder, *, adjustable: bool = True) -> None:
        super().__init__(folder)
        planned = execution(hold_for_s=30.0).model_copy(update={"adjustable": adjustable})
        self.plan = self.plan.model_copy(update={"executions": plan_of(executions=(planned,)).executions})

    def ask(self, number: int, rps: float, in_s: float = 5.0) -> None:
        now = self.clock.now()
        rate = Rate(number=number, execution="shop", rps=rps, at=now + in_s, asked_at=now, cause="user", by="me")
        TroubledStore(self.store.folder).put_once(rate_key(self.plan.run_id, number), rate.to_json())


@pytest.fixture
def scene(tmp_path):
    return AdjustableScene(tmp_path)


def test_an_engine_gets_each_rate_once_and_in_order(scene):
    scene.at(10, lambda: scene.ask(1, 500.0))
    scene.at(12, lambda: (scene.ask(2, 250.0), scene.ask(3, 100.0)))
    scene.run()
    assert [rps for _, rps in scene.load.adjusted] == [500.0, 250.0, 100.0]


def test_a_missing_rate_number_is_waited_for(scene):
    scene.at(10, lambda: scene.ask(2, 250.0))
    scene.at(20, lambda: scene.ask(1, 500.0))
    scene.run()
    assert [rps for _, rps in scene.load.adjusted] == [500.0, 250.0]


def test_a_rate_from_before_the_start_is_not_lost(scene):
    scene.ask(1, 500.0)
    scene.run()
    assert [rps for _, rps in scene.load.adjusted] == [500.0]


def test_no_rate_is_applied_after_a_stop(scene):
    scene.at(15, lambda: (scene.stop(), scene.ask(1, 500.0)))
    scene.run()
    assert scene.load.adjusted == []


def test_polling_rates_costs_one_request_and_only_if_the_run_is_adjustable(tmp_path):
    asked = {}
    for adjustable in (False, True):
        scene = AdjustableScene(tmp_path / str(adjustable), adjustable=adjustable)
        scene.run()
        asked[adjustable] = scene.store.asked["find"]
    polls = 30 / FARGATE_TIMINGS.poll_s
    assert asked[True] - asked[False] == pytest.approx(polls, abs=2)


def test_a_damaged_rate_does_not_end_the_load_on_fargate(scene):
    scene.at(10, lambda: TroubledStore(scene.store.folder).put(rate_key(scene.plan.run_id, 1), b"{"))
    assert scene.run().outcome == "finished"


def test_the_rate_reaches_its_executions_engine_and_its_lateness_is_recorded(tmp_path):
    runs = runs_of(tmp_path, (True, 0.0), (True, 0.0))
    received = []
    for run in runs:
        run.engine.adjustable = True
        run.engine.adjust = lambda at, rps, name=run.execution: received.append((name, at, rps))
    runs.open(START)
    runs.adjust(_rate(1, "e1", at=START + 10), START + 9)
    runs.adjust(_rate(2, "e1", at=START + 20), START + 21.5)
    runs.adjust(_rate(3, "another worker's", at=START + 30), START + 29)
    assert received == [("e1", START + 10, 40.0), ("e1", START + 20, 40.0)]
    assert runs.rate_lateness_s == {1: 0.0, 2: 1.5}


def test_an_ended_engine_gets_no_rate(tmp_path):
    runs = runs_of(tmp_path, (True, 0.0))
    runs[0].ended = True
    runs[0].engine = SimpleNamespace(context=runs[0].engine.context, adjustable=True)
    runs.adjust(_rate(1, "e0", at=START), START)
    assert runs.rate_lateness_s == {}


def _rate(number: int, execution: str, at: float) -> Rate:
    return Rate(number=number, execution=execution, rps=40.0, at=at, asked_at=at - 5, cause="user")
