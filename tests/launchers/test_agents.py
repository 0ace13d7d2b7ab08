"""Shares at private locations: offers, and what the owner concludes from the records of agents."""

import json
import os
from collections import Counter
from dataclasses import dataclass, field

import pytest

from tests.clocks import SteppedClock
from tests.launchers.plans import HOME, deployment_of, plan_of
from tests.refusals import refused
from tests.troubled import TroubledStore
from toril import __version__
from toril.errors import InfrastructureError
from toril.launchers.agents import AgentLauncher, seen_agents
from toril.launchers.elsewhere import Elsewhere, parts_of
from toril.launchers.preflight.agents import check_agents
from toril.launchers.prepare import launcher_for, preflight, prepared, price_lines
from toril.records import Launch, Plan
from toril.records.agent import (
    ENGINES,
    LIVE_S,
    MOST_OFFERS,
    Announcement,
    Claim,
    Ended,
    Offer,
    Offers,
    RunningShare,
    announcement_key,
    claim_key,
    ended_key,
    offers_key,
)
from toril.store import FolderStore

OFFICE = {"office": 2}


@dataclass
class Office:
    """A run with two shares at one private location, and the records of its agent `desk`."""

    store: TroubledStore
    plan: Plan
    clock: SteppedClock = field(default_factory=SteppedClock)

    def __post_init__(self):
        self.launch = Launch(
            at=self.clock.now(),
            deadline=self.clock.now() + 10_000,
            attempts={share.worker: ("a", "b", "c") for share in self.plan.shares},
        )
        self.launcher = AgentLauncher(self.store, self.clock)

    def step(self, seconds=2.0):
        self.clock.sleep(seconds)
        self.launcher.ended()

    def offers(self):
        data = self.store.find(offers_key("office"))
        offers = () if data is None else Offers.from_json(data, "").offers
        return {(one.worker, one.attempt) for one in offers}

    def claims(self, worker, attempt="a", instance="1"):
        claim = Claim(agent="desk", instance=instance)
        self.store.put_once(claim_key(self.plan.run_id, worker, attempt), claim.to_json())

    def announces(self, *running, instance="1", **changes):
        known = {
            "location": "office", "agent": "desk", "instance": instance, "at": self.clock.now(), "slots": 2,
            "free": 2 - len(running), "toril_version": __version__, "executors": ENGINES,
        }  # fmt: skip
        shares = tuple(RunningShare(run_id=self.plan.run_id, worker=one, attempt="a") for one in running)
        one = Announcement(**{**known, "running": shares, **changes})
        self.store.put(announcement_key(one.location, one.agent), one.to_json())
        return one

    def ends(self, worker, reason, **changes):
        known = {"agent": "desk", "instance": "1", "at": self.clock.now(), "reason": reason}
        self.store.put_once(ended_key(self.plan.run_id, worker, "a"), Ended(**{**known, **changes}).to_json())

    def begin(self):
        """Launches both shares, and lets `desk` take them."""
        self.launcher.launch(self.plan, self.launch)
        self.step()
        for worker in ("office-1", "office-2"):
            self.claims(worker)
        self.announces("office-1", "office-2")
        self.step()


@pytest.fixture
def office(tmp_path):
    plan = plan_of(tmp_path, workers=2, executor="locust", locations=OFFICE, throughput=None)
    return Office(TroubledStore(tmp_path / "store"), plan)


def test_shares_are_offered_until_the_run_is_closed(office):
    office.launcher.launch(office.plan, office.launch)
    office.step()
    assert office.offers() == {("office-1", "a"), ("office-2", "a")}
    office.step(6)
    assert "2 of 2" in office.launcher.notes()[0].message
    assert office.launcher.ended() == {}
    assert office.launcher.close() == ()
    assert office.offers() == set()


def test_the_offers_of_other_runs_stay_until_a_day_after_their_end(office):
    now = office.clock.now()
    ends = {"w-1": now - 86_500, "w-2": now - 3_600, "w-3": now + 99}  # this owner's clock may be an hour fast
    others = [Offer(run_id="other", worker=one, attempt="x", expires_at=at) for one, at in ends.items()]
    office.store.put(offers_key("office"), Offers(offers=tuple(others)).to_json())
    office.launcher.launch(office.plan, office.launch)
    office.step()
    assert office.offers() == {("w-2", "x"), ("w-3", "x"), ("office-1", "a"), ("office-2", "a")}
    office.launcher.close()
    assert office.offers() == {("w-2", "x"), ("w-3", "x")}


def test_a_full_list_of_offers_waits_for_the_end_of_others(office):
    late = office.clock.now() + 99
    many = [Offer(run_id="other", worker=f"w-{one}", attempt="x", expires_at=late) for one in range(MOST_OFFERS - 1)]
    office.store.put(offers_key("office"), Offers(offers=tuple(many)).to_json())
    office.launcher.launch(office.plan, office.launch)
    office.step()
    assert {one.code for one in office.launcher.notes()} == {"busy-offers"}
    office.store.put(offers_key("office"), Offers(offers=tuple(many[1:])).to_json())
    office.step()
    assert len(office.offers()) == MOST_OFFERS


def test_two_owners_lose_none_of_their_offers(office, tmp_path):
    plan = office.plan.model_copy(update={"run_id": "other"})
    other = AgentLauncher(FolderStore(tmp_path / "store"), office.clock)
    other.launch(plan, office.launch)
    office.launcher.launch(office.plan, office.launch)
    office.store.fails = lambda operation, key: operation == "swap" and other.ended() is None  # between read and write
    office.step()
    assert [one.code for one in office.launcher.notes()] == ["busy-offers"]
    office.step()
    data = office.store.get(offers_key("office"))
    assert Counter(one.run_id for one in Offers.from_json(data, "").offers) == {"other": 2, office.plan.run_id: 2}


def test_a_damaged_file_of_a_location_delays_no_other_one(tmp_path):
    plan = plan_of(tmp_path, workers=2, executor="locust", locations={"lab": 1, "office": 1}, throughput=None)
    both = Office(TroubledStore(tmp_path / "store"), plan)
    both.store.put(offers_key("lab"), b"{")
    both.launcher.launch(both.plan, both.launch)
    both.step()
    both.step()
    assert both.offers() == {("office-1", "a")}


def test_an_offer_without_an_answer_is_repeated(office):
    office.store.loses = lambda operation, key: operation == "swap"
    office.launcher.launch(office.plan, office.launch)
    office.step()
    assert office.launcher.notes()
    office.store.loses = lambda operation, key: False
    office.step()
    assert len(office.offers()) == 2
    assert office.launcher.notes() == ()


def test_a_worker_ends_with_the_reason_of_its_agent(office):
    office.begin()
    assert office.launcher.ended() == {}
    office.ends("office-1", "exit code 137", exit_code=137)
    office.announces("office-2")
    office.step()
    assert {worker: one.reason for worker, one in office.launcher.ended().items()} == {"office-1": "exit code 137"}


def test_the_workers_of_a_restarted_agent_are_gone_and_may_be_replaced(office):
    office.begin()
    office.announces(instance="2")
    office.step()
    ended = office.launcher.ended()
    assert {one.code for one in ended.values()} == {"agent-restarted"}
    assert all(one.again for one in ended.values())
    office.launcher.relaunch("office-1", "b")
    office.step()
    assert office.offers() == {("office-1", "b")}


def test_a_silent_agent_loses_its_workers_after_they_have_ended_by_themselves(office):
    office.begin()
    for _ in range(11):
        office.step(20)
    assert office.launcher.ended() == {}
    for _ in range(3):
        office.step(20)
    assert {one.code for one in office.launcher.ended().values()} == {"agent-silent"}


@pytest.mark.parametrize("kind", ["announcement", "claim", "end"])
@pytest.mark.parametrize("damage", [b"{}", b"{", b"x" * (1 << 19)], ids=["empty", "cut", "large"])
def test_a_damaged_record_of_one_agent_hides_no_other_one(tmp_path, kind, damage):
    plan = plan_of(tmp_path, workers=2, executor="locust", locations={"lab": 1, "office": 1}, throughput=None)
    both = Office(TroubledStore(tmp_path / "store"), plan)
    both.launcher.launch(both.plan, both.launch)
    for worker in ("lab-1", "office-1") if kind != "claim" else ("office-1",):
        both.claims(worker)
    keys = {
        "announcement": announcement_key("lab", "desk"),
        "claim": claim_key(plan.run_id, "lab-1", "a"),
        "end": ended_key(plan.run_id, "lab-1", "a"),
    }
    both.announces("lab-1", location="lab")
    both.announces("office-1")
    both.step()
    if kind == "end":
        both.announces(location="lab")
    both.store.put(keys[kind], damage)
    both.ends("office-1", "exit code 137")
    both.announces()
    both.step()
    ended = both.launcher.ended()
    assert ended["office-1"].reason == "exit code 137"
    assert both.launcher.notes() == ()
    for second in range(14):
        both.store.put(keys[kind], damage + b" " * second)
        both.step(20)
    assert set(both.launcher.ended()) == {"lab-1", "office-1"}


def test_a_stopped_share_has_no_offer_and_ends_if_nobody_took_it(office):
    office.launcher.launch(office.plan, office.launch)
    office.claims("office-1")
    office.announces("office-1")
    office.step()
    office.launcher.terminate("office-1")
    office.step()
    assert office.offers() == {("office-2", "a")}
    office.launcher.terminate("office-2")
    office.step()
    assert office.offers() == set()
    office.step()
    ended = office.launcher.ended()
    assert {worker: one.code for worker, one in ended.items()} == {"office-2": "stopped-before-start"}


def test_an_unreachable_store_is_reported_at_the_end(office):
    office.begin()
    office.store.down()
    (problem,) = office.launcher.close()
    assert office.plan.run_id in problem


def test_a_take_over_follows_taken_shares_and_replaces_the_others(office):
    office.launcher.launch(office.plan, office.launch)
    office.step()
    office.claims("office-1")
    office.announces("office-1")
    office.launcher.release()
    other = AgentLauncher(office.store, office.clock)
    other.attach(office.plan, office.launch, {"office-1": "a", "office-2": "a"})
    other.ended()
    assert {worker: one.again for worker, one in other.ended().items()} == {"office-2": True}
    other.relaunch("office-2", "b")
    other.ended()
    assert office.offers() == {("office-1", "a"), ("office-2", "b")}


def test_each_worker_goes_to_the_launcher_of_its_location(office, tmp_path):
    plan = plan_of(tmp_path, workers=4, executor="locust", locations={"office": 1, HOME: 1}, throughput=None)
    regions, private = parts_of(plan)
    assert (regions.locations, private.locations) == ((HOME,), ("office",))
    assert len(regions.shares) + len(private.shares) == 4
    agents = [AgentLauncher(office.store, office.clock, longest_s=one) for one in (60.0, None)]
    both = Elsewhere(*agents)
    launch = office.launch.model_copy(update={"attempts": {share.worker: ("a",) for share in plan.shares}})
    both.launch(plan, launch)
    assert both.longest_s == 60.0
    both.terminate(f"{HOME}-1")
    assert [sorted(one._shares) for one in agents] == [[f"{HOME}-1", f"{HOME}-2"], ["office-1", "office-2"]]


def test_agents_are_live_for_half_a_minute_of_the_stores_clock(office):
    office.announces()
    office.announces(agent="shelf")
    old = office.store.path(announcement_key("office", "shelf"))
    os.utime(old, (old.stat().st_mtime - 40, old.stat().st_mtime - 40))
    assert [one.agent for one, _ in seen_agents(office.store, within_s=LIVE_S)] == ["desk"]
    found = preflight(None, office.store, office.clock).findings
    assert [one.detail for one in found if one.code == "silent-agent"] == ["agent shelf has been silent for 1 min"]


@pytest.mark.parametrize(
    ("changes", "states"),
    [
        ({}, {"agents": "ok", "version": "ok", "targets": "ok"}),
        ({"slots": 1}, {"agents": "missing"}),
        ({"free": 0}, {"agents": "warning"}),
        ({"toril_version": "99.0.0"}, {"version": "missing"}),
        ({"executors": ("jmeter",)}, {"engines": "missing"}),
        ({"max_duration_s": 60.0}, {"limits": "missing"}),
        ({"targets": ("*.acme.example",)}, {"targets": "missing"}),
        ({"leaving": True}, {"agents": "missing"}),
    ],
)
def test_the_preflight_compares_the_plan_with_the_agents(office, changes, states):
    found = check_agents(office.plan, [office.announces(**changes)], lambda host: ())
    assert {one.name: one.state for one in found if one.name in states} == states


def test_a_misspelt_region_is_recognised(office, tmp_path):
    plan = plan_of(tmp_path, workers=1, executor="locust", locations={"eu_west_1": 1}, throughput=None)
    (found,) = check_agents(plan, [office.announces()], lambda host: (), ["eu-west-1"])
    assert "did you mean eu-west-1?" in found.detail


def test_a_location_without_an_agent_prevents_the_run_and_needs_no_region(office):
    with refused("preflight-failed", "toril agent office", error=InfrastructureError):
        prepared(office.plan, office.store, {}, office.clock, max_cost_usd=None)
    office.announces(max_duration_s=1_200.0)
    launcher, lines = prepared(office.plan, office.store, {}, office.clock, max_cost_usd=0.0)
    assert isinstance(launcher, AgentLauncher)
    assert (launcher.longest_s, lines) == (1_200.0, ())
    assert price_lines(office.plan, office.store) == ("private locations have no price",)
    assert {one.region for one in preflight(None, office.store, office.clock).findings} == {"", "office"}


def test_a_plan_with_regions_too_needs_them(office, tmp_path):
    plan = plan_of(tmp_path, workers=2, executor="locust", locations={"office": 1, HOME: 1}, throughput=None)
    with refused("not-deployed"):
        launcher_for(plan, office.store, {}, office.clock)
    office.store.put(f"deployments/{HOME}.json", deployment_of().to_json())
    assert isinstance(launcher_for(plan, office.store, {}, office.clock), Elsewhere)


def test_a_damaged_or_false_announcement_stops_no_other_agent(office):
    false = office.announces()
    office.store.put(announcement_key("lab", "x"), false.to_json())
    office.store.put(announcement_key("lab", "y"), b"{")
    forged = {**json.loads(false.to_json()), "location": "lab", "agent": "z", "targets": ["a\nok  another line"]}
    office.store.put(announcement_key("lab", "z"), json.dumps(forged).encode())
    assert [one for one, _ in seen_agents(office.store)] == [false]
    _, warnings = prepared(office.plan, office.store, {}, office.clock, max_cost_usd=None)
    assert ["lab-y" in warnings[0], "lab-z" in warnings[1], len(warnings)] == [True, True, 2]
