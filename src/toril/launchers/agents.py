"""Runs workers at private locations: offers shares in the store, which the agents of a location take.

An agent runs a worker as long as its offer stands. Only calls of the coordinator change offers, so a coordinator that
lost its run does not undo the offers of the next one. An agent is silent while its announcement does not change, by
this machine's clock, because the clocks of machines may differ.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from toril.clock import Clock, retry
from toril.errors import Note, StoreError
from toril.launchers import Launcher, WorkerExit
from toril.records import Launch, Plan
from toril.records.agent import (
    ANNOUNCEMENTS,
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
from toril.store import Reader, Store

WATCH_S = 2.0
DELIVERS_S = 60.0  # to wait for a silent agent after its workers have ended by themselves
EXPIRED_S = 86_400.0  # after the deadline of a run, its offers go; clocks of coordinators differ by less
CLOSE_TRIES, CLOSE_WAIT_S = 4, 1.0
SEEN_S = 86_400.0  # an agent that announced itself within this time, and is silent now, has vanished
Kind = TypeVar("Kind", Claim, Announcement, Ended)
NOTED_S = 5  # a note appears after this time, and its seconds advance in such steps


@dataclass(slots=True, kw_only=True)
class OfferedShare:
    """One worker: its latest attempt, who has it, and how it ended."""

    worker: str
    location: str
    attempt: str
    since: float
    offered: bool  # False: an earlier coordinator offered it
    stopped: bool = False
    claim: Claim | None = None
    announcement: Announcement | None = None  # the last readable one of its agent
    heard_at: float = 0.0  # the last sign of its agent
    gone: WorkerExit | None = None


class AgentLauncher(Launcher):
    """Offers the shares of a plan's private locations to their agents, and watches the workers that they start.

    `ended` makes the calls to the store. They take as long as the coordinator's own, so they need no thread.
    """

    def __init__(self, store: Store, clock: Clock, *, longest_s: float | None = None) -> None:
        self._store, self._clock, self._longest_s = store, clock, longest_s
        self._shares: dict[str, OfferedShare] = {}  # by worker
        self._due: dict[str, None] = {}  # locations whose offers have to change; the last one failed last
        self._watch_at = 0.0
        self._error: StoreError | None = None  # of the last call of `ended`

    @property
    def longest_s(self) -> float | None:
        return self._longest_s

    def launch(self, plan: Plan, launch: Launch) -> None:
        self._begin(plan, launch, {worker: issued[0] for worker, issued in launch.attempts.items()}, offered=True)

    def attach(self, plan: Plan, launch: Launch, attempts: Mapping[str, str]) -> None:
        self._begin(plan, launch, attempts, offered=False)

    def relaunch(self, worker: str, attempt: str) -> None:
        self._follow(worker, self._shares[worker].location, attempt, offered=True)

    def ended(self) -> Mapping[str, WorkerExit]:
        """See `Launcher`. Does the work that is due; after a StoreError, the next call repeats it."""
        try:
            if self._shares and self._clock.now() >= self._watch_at:
                self._watch_at = self._clock.now() + WATCH_S
                self._watch()
            for location in [*self._due]:
                del self._due[location]
                self._due[location] = None  # a location that fails is the last one of the next call
                self._offer(location)
            self._error = None
        except StoreError as error:
            self._error = error
        return {share.worker: share.gone for share in self._shares.values() if share.gone is not None}

    def notes(self) -> tuple[Note, ...]:
        notes = [] if self._error is None else [Note(self._error.code, str(self._error))]
        for location in self._locations:
            here = [share for share in self._shares.values() if share.location == location]
            waiting = [self._clock.now() - one.since for one in here if one.offered and not (one.claim or one.gone)]
            if max(waiting, default=0) >= NOTED_S:
                waited_s = NOTED_S * int(max(waiting) // NOTED_S)
                text = f"{location}: {len(waiting)} of {len(here)} shares wait for an agent for {waited_s} s"
                notes.append(Note("workers-wait", text))
        return tuple(notes)

    def terminate(self, worker: str) -> None:
        """Withdraws the offer, so that its agent stops the worker, and kills it 120 s later, as Fargate does."""
        self._shares[worker].stopped = True
        self._due[self._shares[worker].location] = None

    def release(self) -> None:
        """See `Launcher`. The offers stay."""

    def close(self) -> tuple[str, ...]:
        problems = []
        for share in self._shares.values():
            share.stopped = True
        for location in self._locations:
            try:
                retry(partial(self._offer, location), _again, self._clock)
            except StoreError as error:
                problems.append(f"{location}: workers of {self._plan.run_id} may still run: {error}")
        return tuple(problems)

    @property
    def _locations(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(share.location for share in self._shares.values()))

    def _begin(self, plan: Plan, launch: Launch, attempts: Mapping[str, str], *, offered: bool) -> None:
        self._plan, self._deadline, self._shares, self._due, self._watch_at = plan, launch.deadline, {}, {}, 0.0
        for share in plan.shares:
            self._follow(share.worker, share.location, attempts[share.worker], offered=offered)

    def _follow(self, worker: str, location: str, attempt: str, *, offered: bool) -> None:
        self._shares[worker] = OfferedShare(
            worker=worker, location=location, attempt=attempt, since=self._clock.now(), offered=offered
        )
        if offered:
            self._due[location] = None

    def _offer(self, location: str) -> None:
        """Writes the offers of this run in place of its earlier ones; StoreError if another coordinator was faster."""
        key, run_id = offers_key(location), self._plan.run_id
        current = self._store.find_version(key)
        there = () if current is None else Offers.from_json(current[0], key).offers
        lapsed_at = self._clock.now() - EXPIRED_S
        others = [offer for offer in there if offer.run_id != run_id and offer.expires_at > lapsed_at]
        own = [
            Offer(run_id=run_id, worker=share.worker, attempt=share.attempt, expires_at=self._deadline)
            for share in self._shares.values()
            if share.location == location and not (share.stopped or share.gone)
        ]
        offers = (*others, *own)
        if len(offers) > MOST_OFFERS:
            text = f"{len(others)} shares of other runs are offered, and {MOST_OFFERS} at most; wait for their end"
            raise StoreError(f"{location}: {text}", code="busy-offers")
        version = None if current is None else current[1]
        if offers != there and self._store.swap(key, Offers(offers=offers).to_json(), version) is None:
            raise StoreError(f"{self._store.address(key)} has just changed; it is written again", code="busy-offers")
        self._due.pop(location, None)

    def _watch(self) -> None:
        """Reads who has the shares, then the announcements of these agents, then the ends of workers."""
        run_id, now = self._plan.run_id, self._clock.now()
        shares = [share for share in self._shares.values() if share.gone is None]
        waiting = {claim_key(run_id, part.worker, part.attempt): part for part in shares if part.claim is None}
        claims = self._read(Claim, waiting)
        for key, part in waiting.items():
            if key in claims:
                part.claim, part.heard_at = claims[key], now
                if part.claim is None:
                    part.gone = WorkerExit("the claim of its agent cannot be read", again=True, code="agent-silent")
            elif not part.offered:
                part.gone = WorkerExit("no agent has taken it", again=True, code="no-task")
            elif part.stopped and part.location not in self._due:
                part.gone = WorkerExit("it was stopped before an agent took it", code="stopped-before-start")
        taken = [(part, part.claim) for part in shares if part.claim is not None]
        keys = {announcement_key(share.location, claim.agent) for share, claim in taken}
        agents = self._read(Announcement, keys)
        silent_s = (self._plan.pace.orphaned_after_s or 0.0) + DELIVERS_S  # the worker has ended by itself
        suspects: dict[str, tuple[OfferedShare, Claim, Announcement | None]] = {}
        for part, claim in taken:
            key = announcement_key(part.location, claim.agent)
            agent, share = agents.get(key), RunningShare(run_id=run_id, worker=part.worker, attempt=part.attempt)
            if agent is not None and agent != part.announcement:
                part.announcement, part.heard_at = agent, now
            runs = agent is not None and agent.instance == claim.instance and share in agent.running
            if not runs or now - part.heard_at > silent_s:
                suspects[ended_key(run_id, part.worker, part.attempt)] = part, claim, agent
        ended = self._read(Ended, suspects)
        for key, (part, claim, agent) in suspects.items():
            if key in ended:
                record = ended[key]
                reason = f"its end, by agent {claim.agent}, cannot be read" if record is None else record.reason
                part.gone = WorkerExit(reason, again=record is not None and record.again)
            elif agent is not None and agent.instance != claim.instance:
                part.gone = WorkerExit(f"its agent {claim.agent} was restarted", again=True, code="agent-restarted")
            elif now - part.heard_at > silent_s:
                reason = f"its agent {claim.agent} no longer reports"
                part.gone = WorkerExit(reason, again=True, code="agent-silent")

    def _read(self, kind: type[Kind], keys: Iterable[str]) -> dict[str, Kind | None]:
        """Returns the records that are there. A damaged one is None, since it concerns its own agent alone."""
        kinds: dict[str, Kind | None] = {}
        for key, data in self._store.find_many(keys, kind.MOST_BYTES).items():
            try:
                kinds[key] = kind.from_json(data, key)
            except StoreError:
                kinds[key] = None
        return kinds


def seen_agents(
    store: Reader, now: float | None = None, damaged: list[StoreError] | None = None, *, within_s: float = SEEN_S
) -> tuple[tuple[Announcement, float], ...]:
    """Returns the last announcements of agents, with their age in seconds.

    `now`: by default the time of the store's clock, which S3 answers slowly. An agent may write anything into its own
    announcement: errors go to `damaged`, and one that names another agent does not count.
    """
    entries = list(store.entries(ANNOUNCEMENTS))
    if now is None:
        now = store.time()[0] if entries else 0.0
    ages = {entry.key: now - entry.modified_at for entry in entries if entry.modified_at >= now - within_s}
    seen = []
    for key, data in sorted(store.find_many(ages, Announcement.MOST_BYTES).items()):
        try:
            agent = Announcement.from_json(data, key)
        except StoreError as error:
            if damaged is not None:
                damaged.append(error)
            continue
        if announcement_key(agent.location, agent.agent) == key:
            seen.append((agent, ages[key]))
    return tuple(seen)


def agents_by_location(store: Reader, now: float) -> dict[str, list[Announcement]]:
    """Returns the live agents of each private location, by name; `toril doctor` names damaged announcements."""
    by_location: dict[str, list[Announcement]] = {}
    for live_agent, _ in seen_agents(store, now, within_s=LIVE_S):
        by_location.setdefault(live_agent.location, []).append(live_agent)
    return by_location


def _again(error: Exception, failures: int) -> float | None:
    return CLOSE_WAIT_S if isinstance(error, StoreError) and failures < CLOSE_TRIES else None
