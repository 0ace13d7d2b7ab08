"""Runs workers at private locations: offers shares in the store, which the agents of a location take.

Only calls of the owner change offers, so an owner that lost its run does not undo the offers of the next one. An agent
is silent while its announcement does not change, by this machine's clock, because the clocks of machines may differ.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
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
    announcement_key,
    announcements_prefix,
    claim_key,
    ended_key,
    offers_key,
)
from toril.store import Store

Change = Callable[[tuple[Offer, ...]], list[Offer]]

STEP_S = 0.2
WATCH_S = 2.0
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
    due: bool  # whether the offer in the store is to be changed
    offered: bool = True  # False: an earlier owner offered it
    stop: Literal["", "term", "kill"] = ""
    claim: Claim | None = None
    files: int = 0  # of the worker, when its agent was silent
    heard_at: float = 0.0  # the last sign of its agent, or of the worker itself
    gone: WorkerExit | None = None


class AgentLauncher:
    """Offers the shares of a plan's private locations to their agents, and watches the workers that they start.

    A thread calls `step` until the launcher is closed or released; without `threaded`, the caller does.
    """

    def __init__(self, store: Store, clock: Clock, *, longest_s: float | None = None, threaded: bool = True) -> None:
        self._store, self._clock, self._longest_s, self._threaded = store, clock, longest_s, threaded
        self._shares: dict[str, OfferedShare] = {}  # by worker
        self._heard: dict[str, tuple[Announcement, float]] = {}  # by key: the last announcement, and when it changed
        self._lock = threading.Lock()
        self._ending = threading.Event()
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
            self.relaunch(share.worker, launch.attempts[share.worker][0])

    def attach(self, plan: Plan, launch: Launch, attempts: Mapping[str, str]) -> None:
        self._begin(plan, launch)
        for share in plan.shares:
            self._share(share.worker, attempts[share.worker], offered=False)

    def relaunch(self, worker: str, attempt: str) -> None:
        self._share(worker, attempt, offered=True)

    def ended(self) -> Mapping[str, WorkerExit]:
        with self._lock:
            if self._thread_error is not None:
                raise self._thread_error
            return {one.worker: one.gone for one in self._shares.values() if one.gone is not None}

    def tasks(self) -> Mapping[str, RanTask]:
        return {}

    def notes(self) -> tuple[Note, ...]:
        with self._lock:
            now, error = self._clock.now(), self._error
            waiting = [one for one in self._shares.values() if one.offered and one.claim is one.gone is None]
            here = Counter(one.location for one in self._shares.values())
        since: dict[str, list[float]] = {}
        for one in waiting:
            since.setdefault(one.location, []).append(one.since)
        texts = (
            f"{location}: {len(ats)} of {here[location]} shares wait for an agent "
            f"for {NOTED_S * int((now - min(ats)) // NOTED_S)} s"
            for location, ats in since.items()
            if now - min(ats) >= NOTED_S
        )
        errors = () if error is None else (Note(error.code, str(error)),)
        return (*errors, *(Note("workers-wait", text) for text in texts))

    def terminate(self, worker: str) -> None:
        self._stop(worker, "term")

    def kill(self, worker: str) -> None:
        self._stop(worker, "kill")

    def release(self) -> None:
        self._ending.set()

    def close(self) -> tuple[str, ...]:
        """See `Launcher`. Agents kill the remaining workers of this run, and take no more of its offers."""
        self._ending.set()
        problems = []
        for location in dict.fromkeys(one.location for one in self._shares.values()):
            try:
                retry(lambda location=location: self._end(location), self._tried, self._clock)  # type: ignore[misc]
            except StoreError as error:
                problems.append(f"{location}: workers of {self._plan.run_id} may still run: {error}")
        return tuple(problems)

    def cancel_sweep(self) -> tuple[str, ...]:
        return ()

    def _begin(self, plan: Plan, launch: Launch) -> None:
        """Starts again, because a sweep attaches after it was released."""
        self._plan, self._deadline = plan, launch.deadline
        self._shares, self._ending, self._watch_at = {}, threading.Event(), 0.0
        if self._threaded:
            threading.Thread(target=self._work, args=(self._ending,), name="agents", daemon=True).start()

    def _share(self, worker: str, attempt: str, *, offered: bool) -> None:
        (location,) = {one.location for one in self._plan.shares if one.worker == worker}
        with self._lock:
            self._shares[worker] = OfferedShare(
                worker=worker,
                location=location,
                attempt=attempt,
                since=self._clock.now(),
                due=offered,
                offered=offered,
            )

    def _stop(self, worker: str, how: Literal["term", "kill"]) -> None:
        with self._lock:
            self._shares[worker].stop, self._shares[worker].due = how, True

    # ── the thread

    def _work(self, ending: threading.Event) -> None:
        try:
            while not ending.wait(STEP_S):
                self.step()
        except BaseException as error:  # raised again in the coordinator's thread, by `ended`
            with self._lock:
                self._thread_error = error

    def step(self) -> None:
        """Does all work that is due; after a StoreError, the next step repeats it."""
        if self._ending.is_set():
            return
        try:
            with self._lock:
                due = [one for one in self._shares.values() if one.due]
            for location in dict.fromkeys(one.location for one in due):
                self._offer(location, [one for one in due if one.location == location])
            if self._clock.now() >= self._watch_at:
                self._watch_at = self._clock.now() + WATCH_S
                self._watch()
            self._error = None
        except StoreError as error:
            self._error = error

    def _offer(self, location: str, due: Iterable[OfferedShare]) -> None:
        """Writes these offers in place of those of earlier attempts; an offer without a place waits for one."""
        wanted = {one.worker: one for one in due}
        written: list[tuple[OfferedShare, str]] = []

        def changed(offers: tuple[Offer, ...]) -> list[Offer]:
            written.clear()
            kept = [one for one in offers if one.run_id != self._plan.run_id or one.worker not in wanted]
            for one in list(wanted.values())[: MOST_OFFERS - len(kept)]:
                kept.append(self._offer_of(one.worker, one.attempt, one.stop))
                written.append((one, one.stop))
            return kept

        if self._change(location, changed):
            with self._lock:
                for one, stop in written:
                    one.due = one.stop != stop

    def _offer_of(self, worker: str, attempt: str, stop: Literal["", "term", "kill"]) -> Offer:
        run_id = self._plan.run_id
        return Offer(run_id=run_id, worker=worker, attempt=attempt, expires_at=self._deadline, stop=stop)

    def _change(self, location: str, changed: Change) -> bool:
        """Changes the offers of a location, without those that expired; returns False if another owner was faster."""
        key = offers_key(location)
        found = self._store.find_version(key)
        there = () if found is None else Offers.from_json(found[0], key).offers
        new = Offers(offers=tuple(changed(tuple(one for one in there if one.expires_at > self._clock.now()))))
        if new.offers == there:
            return True
        return self._store.swap(key, new.to_json(), None if found is None else found[1]) is not None

    def _end(self, location: str) -> None:
        """Asks the agents to kill what still runs, and withdraws all other offers of the run."""
        left = {
            one.worker: one.attempt
            for one in self._shares.values()
            if one.location == location and one.claim is not None and one.gone is None
        }

        def changed(offers: tuple[Offer, ...]) -> list[Offer]:
            others = [one for one in offers if one.run_id != self._plan.run_id]
            kills = [self._offer_of(worker, attempt, "kill") for worker, attempt in left.items()]
            return [*others, *kills[: MOST_OFFERS - len(others)]]

        if not self._change(location, changed):
            raise StoreError(f"{self._store.address(offers_key(location))} changes too often", code="busy-offers")

    def _tried(self, error: Exception, failures: int) -> float | None:
        return CLOSE_WAIT_S if isinstance(error, StoreError) and failures < CLOSE_TRIES else None

    # ── the workers

    def _watch(self) -> None:
        """Reads who has the shares, then the announcements of these agents, then the ends of workers."""
        run_id = self._plan.run_id
        with self._lock:
            shares = [one for one in self._shares.values() if one.gone is None]
        unclaimed = {claim_key(run_id, one.worker, one.attempt): one for one in shares if one.claim is None}
        claims = self._store.find_many(unclaimed, Claim.MOST_BYTES)
        for key, data in claims.items():
            unclaimed[key].claim = Claim.from_json(data, key)
            unclaimed[key].heard_at = self._clock.now()
        claimed = [one for one in shares if one.claim is not None]
        self._hear(claimed)
        suspects = {ended_key(run_id, one.worker, one.attempt): one for one in claimed if not self._runs(one)}
        ended = self._store.find_many(suspects, Ended.MOST_BYTES)
        with self._lock:
            for key, one in suspects.items():
                one.gone = self._exit(one, None if key not in ended else Ended.from_json(ended[key], key))
            for key, one in unclaimed.items():
                if key in claims:
                    continue
                if not one.offered:
                    one.gone = WorkerExit("no agent has taken it", again=True, code="no-task")
                elif one.stop and not one.due:
                    one.gone = WorkerExit("it was stopped before an agent took it", code="stopped-before-start")

    def _hear(self, claimed: Iterable[OfferedShare]) -> None:
        """Notes each sign of an agent: a new announcement, or if it is silent, a new file of its worker."""
        keys = {_announced_at(one.claim) for one in claimed if one.claim is not None}
        now = self._clock.now()
        for key, data in self._store.find_many(keys, Announcement.MOST_BYTES).items():
            new = Announcement.from_json(data, key)
            if key not in self._heard or self._heard[key][0] != new:
                self._heard[key] = new, now
        for one in claimed:
            if one.claim is not None and _announced_at(one.claim) in self._heard:
                one.heard_at = max(one.heard_at, self._heard[_announced_at(one.claim)][1])
            if now - one.heard_at > LIVE_S:
                prefix = worker_key(self._plan.run_id, one.worker, one.attempt, "")
                files = sum(1 for _ in self._store.keys(prefix))
                if files != one.files:
                    one.files, one.heard_at = files, now

    def _runs(self, one: OfferedShare) -> bool:
        """Returns whether the agent that has the share reports it as running."""
        if one.claim is None or self._is_silent(one):
            return False
        found = self._heard.get(_announced_at(one.claim))
        identity = self._plan.run_id, one.worker, one.attempt
        return (
            found is not None
            and found[0].instance == one.claim.instance
            and any((each.run_id, each.worker, each.attempt) == identity for each in found[0].running)
        )

    def _is_silent(self, one: OfferedShare) -> bool:
        """Whether the worker must have ended by itself, and would have delivered its files."""
        return self._clock.now() - one.heard_at > self._silence_s

    @property
    def _silence_s(self) -> float:
        """The check of the worker's files counts as a sign, LIVE_S after the agent's last one."""
        return (self._plan.pace.orphaned_after_s or 0.0) + DELIVERS_S - LIVE_S

    def _exit(self, one: OfferedShare, ended: Ended | None) -> WorkerExit | None:
        """Returns why the worker ended; None if it may still run."""
        if ended is not None:
            return WorkerExit(ended.reason, again=ended.again)
        assert one.claim is not None  # noqa: S101 - only claimed shares have agents
        agent = f"its agent {one.claim.agent}"
        found = self._heard.get(_announced_at(one.claim))
        if found is not None and found[0].instance != one.claim.instance:
            return WorkerExit(f"{agent} was restarted", again=True, code="agent-restarted")
        if self._is_silent(one):
            reason = f"{agent} has not reported for {self._silence_s + LIVE_S:.0f} s"
            return WorkerExit(reason, again=True, code="agent-silent")
        return None


def live_agents(store: Store) -> tuple[Announcement, ...]:
    """Returns the agents that announced themselves within the last 30 s of the store's clock."""
    now, _ = store.time()
    keys = [one.key for one in store.entries(announcements_prefix()) if one.modified_at >= now - LIVE_S]
    found = store.find_many(keys, Announcement.MOST_BYTES)
    return tuple(Announcement.from_json(data, key) for key, data in sorted(found.items()))


def _announced_at(claim: Claim) -> str:
    return announcement_key(claim.location, claim.agent)
