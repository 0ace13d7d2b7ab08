"""A capacity search by the owner of a run, on a simulated service; and its records."""

import json

import pytest

from tests.desk.test_adjust import Once
from tests.launchers.scene import Scene, Shown, abandoned
from tests.launchers.service import Service, ServiceLauncher
from tests.measured import execution, plan_of
from toril.coordinator.fold import collect
from toril.desk.adjust import adjust
from toril.errors import OptionError
from toril.records import Search, run_key
from toril.runs.conclude import judge_again
from toril.runs.stored import follow
from toril.signals import Interrupts
from toril.store import FolderStore
from toril.store.records import next_rates
from toril.suite.capacity import length_s, lowest

SEARCH = Search(from_rps=20, to_rps=400, until=("p95>300ms", "fail>5%"), step_s=10, settle_s=3, precision=0.1)


class Capacity(Scene):
    """A run that searches the capacity of a service with two workers on Fargate."""

    def __init__(self, folder, service: Service, *ours: str, search: Search = SEARCH) -> None:
        self.service = service
        super().__init__(folder)
        planned = execution(hold_for_s=length_s(search, "fargate"), concurrency=None, throughput_rps=search.to_rps)
        found = {"executor": "vegeta", "adjustable": True, "search": search, "curve": lowest(search, "fargate").points}
        plan = plan_of(ours=ours, workers=2, executions=(planned.model_copy(update=found),))
        self.plan = self.plan.model_copy(
            update={"executions": plan.executions, "shares": plan.shares, "criteria": plan.criteria}
        )

    def new_launcher(self, scripts=None) -> ServiceLauncher:
        launcher = ServiceLauncher(FolderStore(self.store.folder), self.clock, scripts)
        launcher.service = self.service
        return launcher

    def found(self):
        return json.loads(self.store.get(self.key("summary.json")))["capacity"]["shop"]

    def rates(self):
        return [rate.rps for rate in next_rates(self.store, self.plan.run_id, 0)]


@pytest.fixture
def scene(tmp_path):
    return lambda *about, **how: Capacity(tmp_path, *about, **how)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A finished search on a service that sustains 100/s."""
    one = Capacity(tmp_path_factory.mktemp("done"), Service(100), "capacity of shop<80/s")
    one.run()
    return one


def test_the_capacity_is_found_within_the_precision_and_the_run_passes(done):
    found = done.found()
    assert found["held_rps"] <= 100 < found["breached_rps"] <= found["held_rps"] * 1.101
    assert (found["exact"], found["limited_by"]) == (True, "p95>300ms")
    verdict = done.verdict()
    assert verdict["outcome"] == "passed"
    assert verdict["criteria"][0]["observed"] == found["held_rps"]


def test_the_run_ends_with_its_search(done):
    summary = json.loads(done.store.get(done.key("summary.json")))
    assert summary["stop"]["cause"] == "search"
    assert summary["duration_s"] < done.plan.duration_s / 2
    assert f"{done.found()['held_rps']:g}/s" in done.found()["message"]


def test_the_last_stage_confirms_the_held_rate(done):
    last = done.found()["stages"][-1]
    assert (last["kind"], last["outcome"], last["rps"]) == ("confirm", "held", done.found()["held_rps"])


def test_a_capacity_below_the_criterion_fails_the_run(scene):
    one = scene(Service(100), "capacity of shop<150/s")
    one.run()
    assert one.verdict()["outcome"] == "failed"
    message = one.reasons()["breach"]
    assert all(figure in message for figure in ("150/s", f"{one.found()['held_rps']:g}/s"))


@pytest.mark.nightly
def test_a_service_that_sustains_the_highest_rate_has_a_lower_bound_only(scene):
    one = scene(Service(10_000), "capacity of shop<400/s", "capacity<500/s")
    one.run()
    assert (one.found()["held_rps"], one.found()["limited_by"]) == (400, "to")
    enough, more = one.verdict()["criteria"]
    assert (enough["outcome"], more["outcome"], more["code"]) == ("passed", "inconclusive", "not-measured")


def test_a_breach_at_the_lowest_rate_fails_every_criterion_on_a_higher_capacity(scene):
    one = scene(Service(10), "capacity of shop<15/s", "capacity of shop<50/s")
    one.run()
    assert (one.found()["held_rps"], one.found()["breached_rps"]) == (None, 20)
    assert [item["outcome"] for item in one.verdict()["criteria"]] == ["inconclusive", "failed"]
    assert [item["code"] for item in one.verdict()["criteria"]] == ["not-measured", "breach"]


def test_saturated_generators_end_the_search_without_a_breach(scene):
    one = scene(Service(10_000, generators_bear_rps=100), "capacity of shop<60/s", "capacity of shop<300/s")
    one.run()
    found = one.found()
    assert (found["limited_by"], found["exact"]) == ("generators", False)
    assert found["held_rps"] <= 100
    enough, more = one.verdict()["criteria"]
    assert (enough["outcome"], more["outcome"]) == ("passed", "inconclusive")
    assert list(one.reasons()) == ["saturated"]
    assert (more["code"], enough["code"]) == ("saturated", "kept")
    assert [stage["outcome"] for stage in found["stages"]][-3:] == ["void"] * 3
    assert len({stage["rps"] for stage in found["stages"][-3:]}) == 1


@pytest.mark.nightly
def test_a_shared_cause_of_open_criteria_is_reported_once(scene):
    one = scene(Service(10_000, generators_bear_rps=10), "capacity of shop<60/s", "capacity<70/s")
    one.run()
    assert [item["outcome"] for item in one.verdict()["criteria"]] == ["inconclusive", "inconclusive"]
    assert [reason["code"] for reason in one.verdict()["reasons"]] == ["saturated"]


@pytest.mark.nightly
def test_a_growing_backlog_is_a_breach(scene):
    one = scene(Service(100, queues=True))
    one.run()
    found = one.found()
    assert found["held_rps"] <= 105
    assert found["limited_by"] == "answers"


@pytest.mark.nightly
def test_a_service_recovers_before_the_next_stage(scene):
    one = scene(Service(100, recovers_s=12))
    one.run()
    found = one.found()
    assert found["held_rps"] <= 100 < found["breached_rps"] <= found["held_rps"] * 1.101
    recovered = [stage for stage in found["stages"] if stage["kind"] == "recover"]
    assert {stage["outcome"] for stage in recovered} == {"held"}
    assert all(stage["to_s"] - stage["at_s"] > 12 for stage in recovered)


def test_a_service_that_does_not_recover_ends_the_search_and_fails_higher_criteria(scene):
    one = scene(
        Service(100, recovers_s=500), "capacity of shop<50/s", "capacity of shop<100/s", "capacity of shop<300/s"
    )
    one.run()
    found = one.found()
    assert found["limited_by"] == "recovery"
    assert 50 < found["held_rps"] < 100 < found["breached_rps"] < 300
    assert [item["outcome"] for item in one.verdict()["criteria"]] == ["passed", "inconclusive", "failed"]
    message = one.verdict()["criteria"][2]["message"]
    assert all(f"{found[rate]:g}/s" in message for rate in ("held_rps", "breached_rps"))


def test_judging_again_gives_the_same_result(done):
    before = done.verdict(), done.found()
    again = judge_again(done.store, done.plan.run_id)
    assert (again.verdict.to_dict(), again.summary.to_dict()["capacity"]["shop"]) == before


@pytest.mark.nightly
def test_a_new_owner_continues_the_search(scene, tmp_path):
    one = abandoned(scene(Service(100)), 60.0)
    before = one.rates()
    one.take_over()
    found = one.found()
    assert one.rates()[: len(before)] == before
    assert len(one.rates()) > len(before)
    assert found["held_rps"] <= 100 < found["breached_rps"] <= found["held_rps"] * 1.101


def test_a_criterion_of_the_suite_with_a_stop_ends_the_search(scene):
    one = scene(Service(100), {"subject": "p95", "condition": ">", "threshold": "300ms", "timeframe": "3s"})
    one.run()
    assert one.verdict()["outcome"] == "failed"
    assert json.loads(one.store.get(one.key("stop.json")))["cause"] == "criterion"
    assert one.found()["limited_by"] in ("stopped", "p95>300ms")


@pytest.mark.nightly
def test_each_stage_is_one_record_and_other_rates_are_rejected(scene):
    one = scene(Service(100))
    codes: list[str] = []

    def meddle() -> None:
        with pytest.raises(OptionError) as error:
            adjust(one.store, one.plan.run_id, "500", None, one.clock.now(), "ada")
        codes.append(error.value.code)

    one.at(40, meddle)
    one.run()
    assert codes == ["searched-rate"]
    stages = one.found()["stages"]
    assert [stage["rps"] for stage in stages[1:]] == one.rates()
    assert stages[0]["rps"] == 20


def test_a_stopped_search_has_its_result_so_far(scene):
    one = scene(Service(10_000), "capacity of shop<25/s")
    one.at(60, lambda: one.interrupts.names.append("SIGINT"))
    one.run()
    assert one.found()["limited_by"] == "stopped"
    assert one.found()["held_rps"] >= 20
    assert "stopped" in one.reasons()
    assert one.verdict()["outcome"] == "inconclusive"


def test_the_live_view_shows_the_result_of_each_stage(done):
    stages = [note.message for note in done.view.notes if note.code == "search-stage"]
    assert all(fact in stages[0] for fact in ("shop", "20/s", "3 s", "10 s", "held"))
    assert any("breached" in stage and "p95>300ms" in stage for stage in stages)
    assert any("recovered" in stage for stage in stages)


@pytest.mark.nightly
def test_toril_watch_shows_the_stages(scene):
    one = scene(Service(100))
    shown, interrupts = Shown(), Interrupts()

    def watch() -> None:
        follow(one.store, one.plan.run_id, clock=Once(one.clock, interrupts), view=shown, interrupts=interrupts)

    one.at(60, watch)
    one.run()
    assert {"search-stage", "changed-rate"} <= {note.code for note in shown.notes}


def test_the_rates_of_the_search_are_the_planned_load(done):
    fold, completeness = collect(done.store, done.plan.run_id)
    summary = json.loads(done.store.get(run_key(done.plan.run_id, "summary.json")))
    stage = done.found()["stages"][2]
    assert summary["series"][stage["from_s"]]["planned_rps"] == stage["rps"]
    assert completeness.stop is not None
    assert fold.timeline.last_second is not None
