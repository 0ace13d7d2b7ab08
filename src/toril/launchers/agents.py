"""Runs workers at private locations: offers shares in the store, which the agents of a location take.

Only calls of the owner change offers, so an owner that lost its run does not undo the offers of the next one. An agent
is silent while its announcement does not change, by this machine's clock, because the clocks of machines may differ.
"""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from toril.clock import Clock, retry
from toril.errors import Note, StoreError
from toril.launchers import WorkerExit
from toril.records import Launch, Plan, RanTask, worker_key
from toril.records.agent import (
    LIVE_S,
    MOST_OFFERS,
    Announcement,
    Claim,
    Ended,
    Offer,
    Offers,
    RunningShare,
    announcement_key,
    announcements_prefix,
    claim_key,
    ended_key,
    offers_key,
)
from toril.store import Store

STEP_S = 0.2
WATCH_S = 2.0
JOIN_S = 30.0  # longer than the calls of a step
KILL_S = 60.0  # for agents to read the last stop of a run
DELIVERS_S = 60.0  # to wait for a silent agent after its workers have ended by themselves
CLOSE_TRIES, CLOSE_WAIT_S = 4, 1.0
NOTED_S = 5  # a note appears after this time, and its seconds advance in such steps


@dataclass(slots=True, kw_only=True)
class OfferedShare:
    """One worker: its latest attempt, who has it, and how it ended."""

    worker: str
    location: str
    attempt: str
    since: float
    offered: bool  # False: an earlier owner offered it
    due: bool  # whether the offer in the store has to change
    stop: Literal["", "term", "kill"] = ""
    claim: Claim | None = None
    announcement: bytes = b""  # the last one of its agent
    files: int = -1  # of the worker, when its agent was silent
    heard_at: float = 0.0  # the last sign of its agent, or of the worker itself
    gone: WorkerExit | None = None


class AgentLauncher:
    """Offers the shares of a plan's private locations to their agents, and watches the workers that they start.

    A thread calls `step` until the launcher is closed or released; without `threaded`, the caller does.
    """

    def __init__(self, store: Store, clock: Clock, *, longest_s: float | None = None, threaded: bool = True) -> None:
        self._store, self._clock, self._longest_s, self._threaded = store, clock, longest_s, threaded
        self._shares: dict[str, OfferedShare] = {}  # by worker
        self._lock = threading.Lock()  # of `stop` and `due`
        self._ending = threading.Event()
        self._thread = threading.Thread()
        self._watch_at = 0.0
        self._error: StoreError | None = None  # of the last step
        self._thread_error: BaseException | None = None

    # ── called by the coordinator

    @property
    def longest_s(self) -> float | None:
        return self._longest_s

    def launch(self, plan: Plan, launch: Launch) -> None:
        self._begin(plan, launch)
        for share in plan.shares:
            self._follow(share.worker, share.location, launch.attempts[share.worker][0], offered=True)

    def attach(self, plan: Plan, launch: Launch, attempts: Mapping[str, str]) -> None:
        self._begin(plan, launch)
        for share in plan.shares:
            self._follow(share.worker, share.location, attempts[share.worker], offered=False)

    def relaunch(self, worker: str, attempt: str) -> None:
        self._follow(worker, self._shares[worker].location, attempt, offered=True)

    def ended(self) -> Mapping[str, WorkerExit]:
        if self._thread_error is not None:
            raise self._thread_error
        return {one.worker: one.gone for one in self._shares.values() if one.gone is not None}

    def tasks(self) -> Mapping[str, RanTask]:
        return {}

    def notes(self) -> tuple[Note, ...]:
        now, error = self._clock.now(), self._error
        notes = [] if error is None else [Note(error.code, str(error))]
        for location in dict.fromkeys(one.location for one in self._shares.values()):
            here = [one for one in self._shares.values() if one.location == location]
            waiting = [now - one.since for one in here if one.offered and not (one.claim or one.gone)]
            if max(waiting, default=0) >= NOTED_S:
                waited_s = NOTED_S * int(max(waiting) // NOTED_S)
                text = f"{location}: {len(waiting)} of {len(here)} shares wait for an agent for {waited_s} s"
                notes.append(Note("workers-wait", text))
        return tuple(notes)

    def terminate(self, worker: str) -> None:
        self._stop(worker, "term")

    def kill(self, worker: str) -> None:
        self._stop(worker, "kill")

    def release(self) -> None:
        self._ending.set()

    def close(self) -> tuple[str, ...]:
        """See `Launcher`. Agents kill the remaining workers of this run, and take no more of its offers."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(JOIN_S)
        problems = []
        for location in dict.fromkeys(one.location for one in self._shares.values()):
            try:
                retry(lambda location=location: self._withdraw(location), _again, self._clock)  # type: ignore[misc]
            except StoreError as error:
                problems.append(f"{location}: workers of {self._plan.run_id} may still run: {error}")
        return tuple(problems)

    def cancel_sweep(self) -> tuple[str, ...]:
        return ()

    def _begin(self, plan: Plan, launch: Launch) -> None:
        """Starts, or starts again, because a sweep may attach after it was released."""
        self._plan, self._deadline = plan, launch.deadline
        self._shares, self._ending, self._watch_at = {}, threading.Event(), 0.0
        if self._threaded:
            self._thread = threading.Thread(target=self._work, args=(self._ending,), name="agents", daemon=True)
            self._thread.start()

    def _follow(self, worker: str, location: str, attempt: str, *, offered: bool) -> None:
        """Replaces the whole mapping, because the thread reads it."""
        now = self._clock.now()
        share = OfferedShare(worker=worker, location=location, attempt=attempt, since=now, offered=offered, due=offered)
        self._shares = {**self._shares, worker: share}

    def _stop(self, worker: str, how: Literal["term", "kill"]) -> None:
        with self._lock:
            self._shares[worker].stop, self._shares[worker].due = how, True

    # ── the thread

    def _work(self, ending: threading.Event) -> None:
        try:
            while not ending.wait(STEP_S):
                self.step()
        except BaseException as error:  # raised again in the coordinator's thread, by `ended`
            self._thread_error = error

    def step(self) -> None:
        """Does all work that is due; after a StoreError, the next step repeats it."""
        try:
            due = [one for one in self._shares.values() if one.due]
            for location in dict.fromkeys(one.location for one in due):
                self._offer(location, [one for one in due if one.location == location])
            if self._shares and self._clock.now() >= self._watch_at:
                self._watch_at = self._clock.now() + WATCH_S
                self._watch()
            self._error = None
        except StoreError as error:
            self._error = error

    def _offer(self, location: str, due: Iterable[OfferedShare]) -> None:
        """Writes these offers in place of those of earlier attempts; one for which there is no room waits."""
        there, version = self._offers(location)
        if self._ending.is_set():  # `close` withdraws the offers
            return
        wanted = {one.worker: self._offer_of(one) for one in due}
        kept = [one for one in there if one.run_id != self._plan.run_id or one.worker not in wanted]
        fitting = list(wanted.values())[: MOST_OFFERS - len(kept)]
        if self._write(location, (*kept, *fitting), there, version):
            with self._lock:
                for one in due:
                    one.due = self._offer_of(one) not in fitting

    def _withdraw(self, location: str) -> None:
        """Asks the agents to kill what still runs, and withdraws all other offers of the run."""
        there, version = self._offers(location)
        others = [one for one in there if one.run_id != self._plan.run_id]
        left = [one for one in self._shares.values() if one.location == location and one.claim and not one.gone]
        kill = {"stop": "kill", "expires_at": self._clock.now() + KILL_S}
        kills = [self._offer_of(one).model_copy(update=kill) for one in left]
        if not self._write(location, (*others, *kills)[:MOST_OFFERS], there, version):
            raise StoreError(f"{self._store.address(offers_key(location))} changes too often", code="busy-offers")

    def _offer_of(self, one: OfferedShare) -> Offer:
        run_id, expires_at = self._plan.run_id, self._deadline
        return Offer(run_id=run_id, worker=one.worker, attempt=one.attempt, expires_at=expires_at, stop=one.stop)

    def _offers(self, location: str) -> tuple[tuple[Offer, ...], str | None]:
        """Returns the offers of a location that have not expired, and the version of the file."""
        key = offers_key(location)
        found = self._store.find_version(key)
        if found is None:
            return (), None
        offers = Offers.from_json(found[0], key).offers
        return tuple(one for one in offers if one.expires_at > self._clock.now()), found[1]

    def _write(self, location: str, offers: tuple[Offer, ...], there: tuple[Offer, ...], version: str | None) -> bool:
        """Replaces the offers; returns False if another owner was faster."""
        return (
            offers == there
            or self._store.swap(offers_key(location), Offers(offers=offers).to_json(), version) is not None
        )

    # ── the workers

    def _watch(self) -> None:
        """Reads who has the shares, then the announcements of these agents, then the ends of workers."""
        run_id, now = self._plan.run_id, self._clock.now()
        shares = [one for one in self._shares.values() if one.gone is None]
        unclaimed = {claim_key(run_id, one.worker, one.attempt): one for one in shares if one.claim is None}
        claims = self._store.find_many(unclaimed, Claim.MOST_BYTES)
        for key, one in unclaimed.items():
            if key in claims:
                one.claim, one.heard_at = Claim.from_json(claims[key], key), now
            elif not one.offered:
                one.gone = WorkerExit("no agent has taken it", again=True, code="no-task")
            elif one.stop and not one.due:
                one.gone = WorkerExit("it was stopped before an agent took it", code="stopped-before-start")
        taken = [(one, one.claim) for one in shares if one.claim is not None]
        keys = {announcement_key(claim.location, claim.agent) for _, claim in taken}
        announced = self._store.find_many(keys, Announcement.MOST_BYTES)
        agents = {key: Announcement.from_json(data, key) for key, data in announced.items()}
        suspects: dict[str, tuple[OfferedShare, Claim, Announcement | None]] = {}
        for one, claim in taken:
            key = announcement_key(claim.location, claim.agent)
            self._hear(one, announced.get(key, b""))
            agent, share = agents.get(key), RunningShare(run_id=run_id, worker=one.worker, attempt=one.attempt)
            same = agent is not None and agent.instance == claim.instance and share in agent.running
            if not same or self._is_silent(one):
                suspects[ended_key(run_id, one.worker, one.attempt)] = one, claim, agent
        ended = self._store.find_many(suspects, Ended.MOST_BYTES)
        for key, (one, claim, agent) in suspects.items():
            if key in ended:
                record = Ended.from_json(ended[key], key)
                one.gone = WorkerExit(record.reason, again=record.again)
            elif agent is not None and agent.instance != claim.instance:
                one.gone = WorkerExit(f"its agent {claim.agent} was restarted", again=True, code="agent-restarted")
            elif self._is_silent(one):
                reason = f"its agent {claim.agent} does not report any more"
                one.gone = WorkerExit(reason, again=True, code="agent-silent")

    def _hear(self, one: OfferedShare, announcement: bytes) -> None:
        """Notes a sign of life: a new announcement, or from a silent agent's worker another number of files."""
        now = self._clock.now()
        if announcement != one.announcement:
            one.announcement, one.heard_at = announcement, now
        elif now - one.heard_at > LIVE_S:
            files = sum(1 for _ in self._store.keys(worker_key(self._plan.run_id, one.worker, one.attempt, "")))
            if files != one.files:
                one.files, one.heard_at = files, now

    def _is_silent(self, one: OfferedShare) -> bool:
        """Whether the worker has ended by itself and delivered its files. The first count of these was a sign, too."""
        patience_s = self._plan.pace.orphaned_after_s or 0.0
        return self._clock.now() - one.heard_at > patience_s + DELIVERS_S - LIVE_S


def live_agents(
    store: Store, now: float | None = None, damaged: list[StoreError] | None = None
) -> tuple[Announcement, ...]:
    """Returns the agents that announced themselves in the 30 s before `now`.

    `now`: by default the time of the store's clock, which S3 answers slowly. An agent may write anything into its own
    announcement: errors go to `damaged`, and one that names another agent does not count.
    """
    entries = list(store.entries(announcements_prefix()))
    if now is None:
        now = store.time()[0] if entries else 0.0
    keys = [one.key for one in entries if one.modified_at >= now - LIVE_S]
    found = []
    for key, data in sorted(store.find_many(keys, Announcement.MOST_BYTES).items()):
        try:
            one = Announcement.from_json(data, key)
        except StoreError as error:
            if damaged is not None:
                damaged.append(error)
            continue
        if announcement_key(one.location, one.agent) == key:
            found.append(one)
    return tuple(found)


def agents_by_location(store: Store, now: float) -> dict[str, list[Announcement]]:
    """Returns the live agents of each private location, by name; `toril doctor` names damaged announcements."""
    found: dict[str, list[Announcement]] = {}
    for one in live_agents(store, now):
        found.setdefault(one.location, []).append(one)
    return found


def _again(error: Exception, failures: int) -> float | None:
    return CLOSE_WAIT_S if isinstance(error, StoreError) and failures < CLOSE_TRIES else None
