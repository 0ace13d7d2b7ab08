"""An agent: what it takes, when it ends workers, and what it reports."""

import secrets
from dataclasses import dataclass, field
from functools import partial

import pytest

from tests.clocks import SteppedClock
from tests.launchers.plans import plan_of
from tests.refusals import refused
from tests.troubled import TroubledStore
from toril.launchers.preflight.agents import refusal
from toril.records import run_key
from toril.records.agent import (
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
from toril.worker.agent import Agent


@dataclass
class FakeProcess:
    share: RunningShare
    code: int | None = None
    signals: list[str] = field(default_factory=list)

    def exit_code(self):
        return self.code

    def terminate(self):
        self.signals.append("term")

    def kill(self):
        self.signals.append("kill")
        self.code = 137

    def last_lines(self):
        return "toril guard: killed"


class Desk:
    """An agent with two slots, and its processes."""

    def __init__(self, store, clock, name="desk", slots=2, **limits):
        self.store, self.clock = store, clock
        self.started: list[FakeProcess] = []
        self.fails, self.starting = False, lambda: None
        instance = secrets.token_hex(8)
        about = Announcement(
            location="office", agent=name, instance=instance, at=0.0, slots=slots, free=slots, **limits
        )
        self.agent = Agent(store, about, clock, self.start, refusal=partial(refusal, about))

    def start(self, share):
        if self.fails:
            raise OSError("no memory")
        self.starting()
        self.started.append(FakeProcess(share))
        return self.started[-1]

    def offer(self, *workers, expires_s=600.0):
        found = self.store.find(offers_key("office"))
        kept = () if found is None else Offers.from_json(found, "").offers
        expires_at = self.clock.now() + expires_s
        new = [Offer(run_id="r", worker=one, attempt="a", expires_at=expires_at) for one in workers]
        others = [one for one in kept if one.worker not in workers]
        self.store.put(offers_key("office"), Offers(offers=(*others, *new)).to_json())

    def withdraw(self, *workers):
        offers = Offers.from_json(self.store.get(offers_key("office")), "").offers
        left = tuple(one for one in offers if one.worker not in workers)
        self.store.put(offers_key("office"), Offers(offers=left).to_json())

    def steps(self, count=1):
        for _ in range(count):
            self.clock.sleep(2.0)
            self.agent.step()

    @property
    def workers(self):
        return [one.share.worker for one in self.started]

    @property
    def announced(self):
        return Announcement.from_json(self.store.get(announcement_key("office", "desk")), "")

    def ended(self, worker):
        data = self.store.find(ended_key("r", worker, "a"))
        return None if data is None else Ended.from_json(data, "")


@pytest.fixture
def desk(tmp_path):
    found = Desk(TroubledStore(tmp_path), SteppedClock())
    found.agent.begin()
    return found


def test_it_takes_one_offer_a_turn_while_it_has_free_slots(desk):
    desk.offer("office-1", "office-2", "office-3")
    desk.steps()
    assert desk.workers == ["office-1"]
    desk.steps(3)
    assert desk.workers == ["office-1", "office-2"]
    assert (desk.announced.free, [one.worker for one in desk.announced.running]) == (0, ["office-1", "office-2"])
    desk.started[0].code = 0
    desk.steps()
    assert desk.workers == ["office-1", "office-2", "office-3"]
    assert desk.ended("office-1").exit_code == 0


def test_agents_share_the_offers_and_none_is_taken_twice(desk):
    other = Desk(desk.store, desk.clock, name="shelf")
    other.agent.begin()
    desk.offer("office-1", "office-2")
    for _ in range(3):
        desk.steps()
        other.steps()
    assert (desk.workers, other.workers) == (["office-1"], ["office-2"])


def test_an_expired_offer_is_not_taken_and_stops_no_worker(desk):
    desk.offer("office-1", expires_s=1.0)
    desk.offer("office-2", expires_s=5.0)
    desk.steps(9)
    assert desk.workers == ["office-2"]
    assert desk.started[0].signals == []


def test_a_worker_whose_offer_is_gone_is_stopped_and_killed_after_two_minutes(desk):
    desk.offer("office-1", "office-2")
    desk.steps(2)
    desk.withdraw("office-1")
    desk.steps(60)
    assert [one.signals for one in desk.started] == [["term"], []]
    desk.steps(2)
    assert [one.signals for one in desk.started] == [["term", "kill"], []]
    assert "killed" in desk.ended("office-1").reason


def test_an_offer_that_goes_while_its_worker_starts_stops_it(desk):
    desk.starting = lambda: desk.withdraw("office-1")
    desk.offer("office-1")
    desk.steps(2)
    assert desk.started[0].signals == ["term"]


def test_a_claim_that_always_fails_does_not_delay_other_offers_for_long(desk):
    desk.store.fails = lambda operation, key: key == claim_key("r", "office-1", "a")
    desk.offer("office-1", "office-2")
    desk.steps(4)
    assert desk.workers == ["office-2"]
    desk.store.up()
    desk.steps()
    assert desk.workers == ["office-2", "office-1"]


def test_a_worker_that_cannot_be_started_may_be_started_elsewhere(desk):
    desk.fails = True
    desk.offer("office-1")
    desk.steps(2)
    ended = desk.ended("office-1")
    assert (ended.again, ended.exit_code) == (True, None)
    assert desk.announced.free == 2


def test_the_claim_of_another_agent_stands(desk):
    claim = Claim(agent="shelf", instance="9")
    desk.store.put_once(claim_key("r", "office-1", "a"), claim.to_json())
    desk.offer("office-1")
    desk.steps(2)
    assert desk.workers == []


def test_ends_are_reported_after_an_outage_of_the_store(desk):
    desk.offer("office-1")
    desk.steps()
    desk.store.down()
    desk.started[0].code = 1
    desk.steps(3)
    desk.store.up()
    assert desk.ended("office-1") is None
    desk.steps()
    assert desk.ended("office-1").exit_code == 1
    assert desk.announced.running == ()


def test_a_store_that_loses_its_files_for_a_moment_changes_nothing(desk):
    """As a folder that is not mounted; the new one is empty."""
    desk.offer("office-1")
    desk.steps()
    before = [(key, desk.store.get(key)) for key in desk.store.keys("")]
    desk.store.delete("runs/agents/")
    desk.steps(7)
    for key, data in before:
        desk.store.put(key, data)
    desk.steps(2)
    assert desk.started[0].signals == []
    assert desk.announced.running == (desk.started[0].share,)


def test_it_announces_itself_every_ten_seconds_and_at_changes(desk):
    first = desk.announced
    desk.steps(3)
    assert desk.announced == first
    desk.steps(3)
    assert desk.announced.at > first.at
    assert desk.announced.instance == first.instance


def test_a_killed_agent_is_replaced_by_one_of_its_name_within_twelve_seconds(desk):
    before, began = desk.announced, desk.clock.now()
    again = Desk(desk.store, desk.clock)
    again.agent.begin()
    assert desk.clock.now() - began <= 13
    assert again.announced.instance != before.instance


def test_a_live_agent_keeps_its_name(desk):
    def live(now):
        desk.clock.at = now
        desk.agent.step()

    other = Desk(desk.store, SteppedClock(desk.clock.now()))
    other.clock.meanwhile = live
    with refused("agent-name-taken", "desk"):
        other.agent.begin()


def test_a_frozen_agent_ends_when_another_one_has_its_name(desk):
    desk.offer("office-1")
    desk.steps()
    again = Desk(desk.store, desk.clock)
    again.agent.begin()
    with refused("agent-name-taken", "desk"):
        desk.steps(6)


@pytest.mark.parametrize("written", [b"{}", b"{", None], ids=["no instance", "damaged", "of another agent"])
def test_a_false_announcement_ends_no_running_agent(desk, written):
    desk.offer("office-1")
    desk.steps()
    own, key = desk.announced, announcement_key("office", "desk")
    for _ in range(9):
        desk.store.put(key, written or own.model_copy(update={"instance": "foreign"}).to_json())
        desk.steps(6)
        assert (desk.announced.instance, desk.announced.running) == (own.instance, own.running)
    assert desk.started[0].signals == []


def limited(tmp_path, **limits):
    """Returns an agent with limits, to which two shares of a run of 10 min against shop.example.com are offered."""
    found = Desk(TroubledStore(tmp_path / "store"), SteppedClock(), **limits)
    plan = plan_of(tmp_path, workers=2, executor="locust", locations={"office": 2}, throughput=None)
    found.store.put(run_key("r", "plan.json"), plan.to_json())
    found.agent.begin()
    found.offer("office-1")
    return found


@pytest.mark.parametrize(
    ("limits", "refused"),
    [
        ({"targets": ("*.acme.example",)}, "not on the list"),
        ({"max_duration_s": 1.0}, "max-duration"),
        ({"targets": ("*.acme.example", "shop.example.com"), "max_duration_s": 9_000.0}, ""),
    ],
)
def test_an_agent_refuses_a_plan_beyond_its_limits_itself(tmp_path, limits, refused):
    desk = limited(tmp_path, **limits)
    desk.steps(2)
    assert desk.workers == ([] if refused else ["office-1"])
    assert refused in (desk.ended("office-1").reason if refused else "")


def test_an_agent_takes_no_share_whose_plan_it_cannot_compare_with_its_limits(tmp_path):
    desk = limited(tmp_path, max_duration_s=9_000.0)
    desk.store.put(run_key("r", "plan.json"), b"{")
    desk.steps(3)
    assert desk.workers == []
    assert desk.store.find(claim_key("r", "office-1", "a")) is None


def test_a_worker_that_outlasts_the_longest_load_is_stopped(tmp_path):
    desk = limited(tmp_path, max_duration_s=600.0)
    desk.offer("office-1", expires_s=9_000.0)
    desk.steps()
    desk.clock.sleep(1_700.0)
    desk.steps()
    assert desk.started[0].signals == []
    desk.clock.sleep(200.0)
    desk.steps()
    assert desk.started[0].signals == ["term"]


def test_a_leaving_agent_stops_its_workers_and_takes_no_others(desk):
    desk.offer("office-1")
    desk.steps()
    desk.agent.leave()
    desk.offer("office-2")
    desk.steps()
    assert desk.announced.leaving
    assert (desk.workers, desk.started[0].signals, desk.agent.has_left) == (["office-1"], ["term"], False)
    desk.started[0].code = 0
    desk.steps()
    assert desk.agent.has_left
    assert "its agent was stopped" in desk.ended("office-1").reason
    assert desk.ended("office-1").again


def test_an_idle_agent_announces_that_it_leaves(desk):
    desk.agent.leave()
    assert not desk.agent.has_left
    desk.steps()
    assert desk.announced.leaving
    assert desk.agent.has_left


def test_a_leaving_agent_kills_a_worker_that_does_not_end(desk):
    desk.offer("office-1")
    desk.steps()
    desk.agent.leave()
    desk.steps(61)
    assert desk.started[0].signals == ["term", "kill"]
