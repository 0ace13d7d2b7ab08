"""Carries the protocol out over a store: sees what workers write, folds it, writes start and stop."""

import math
import secrets
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Protocol, Self

from toril.capacity.progress import FLUSH_MARGIN_S, SearchProgress, describe_limit
from toril.clock import Clock
from toril.coordinator.fold import Fold, attempts_of
from toril.coordinator.lease import LeaseKeeper, LeaseLostError
from toril.coordinator.progress import CriteriaProgress, LiveFigures, live_figures
from toril.coordinator.protocol import (
    Action,
    Event,
    Kill,
    Relaunch,
    RunState,
    StopAsked,
    Terminate,
    Tick,
    WorkerEnded,
    WorkerReady,
    WriteStart,
    WriteStop,
    advance,
    begin,
    carried_on,
    load_ends_s,
    resumed,
    started_by_another,
)
from toril.errors import InfrastructureError, StoreError
from toril.records import End, Exit, Launch, Plan, RanTask, Rate, Start, Stop, rate_key, run_key
from toril.records.summary import CapacityStage
from toril.store import Store
from toril.store.records import find_record, get_record, next_rates, read_launch, read_record
from toril.summary import adjusted_plan, describe_rates
from toril.timeline import Timeline
from toril.verdict.live import LiveCriteria
from toril.verdict.result import CriterionResult

STEP_S = 0.1
QUICK_STEP_S = 0.02  # while a local run goes on as soon as its next worker does
PATIENCE_S = 6  # by how much a worker may lag behind before stop criteria are decided without it
WHY_S = 60.0  # ECS says that a task has stopped, and why, half a minute after its container did
UNLAUNCHED = "its command ended before anything was launched; run the suite again"
REST = 4  # so many times as long as such a look took is nothing looked at so again


class Gone(Protocol):
    """A worker whose process or task is no more, as a launcher tells it."""

    @property
    def reason(self) -> str: ...

    @property
    def again(self) -> bool: ...


@dataclass(slots=True)
class Searches:
    """Of all executions whose capacity is looked for. What it knows it has from the run's records and measurements."""

    plan: Plan
    searches: list[SearchProgress] = field(init=False)
    _looked: tuple[int, int] = (-1, -1)  # how far was measured at the last look, and how many rates there were

    def __post_init__(self) -> None:
        self.searches = [SearchProgress(self.plan, execution) for execution in self.plan.searched]

    def next_rate(
        self, rates: Sequence[Rate], start: Start, timeline: Timeline, complete_to: int, now: float, by: str
    ) -> Rate | None:
        """The rate that has to follow now, if one has to."""
        if self._looked == (complete_to, len(rates)):
            return None
        self._looked = complete_to, len(rates)
        for search in self.searches:
            stage = search.advance(rates, start.at, timeline, complete_to - FLUSH_MARGIN_S)
            if stage is not None:
                return Rate(
                    number=len(rates) + 1,
                    execution=search.execution.name,
                    rps=stage.rps,
                    at=start.at + math.ceil(now + self.plan.pace.start_lead_s - start.at),
                    asked_at=now,
                    cause="search",
                    by=by,
                )
        return None

    def look(self, rates: Sequence[Rate], start: Start, timeline: Timeline, complete_to: int | None) -> None:
        """Judge what can be judged, for somebody who only watches."""
        if complete_to is not None:
            self.next_rate(rates, start, timeline, complete_to, 0.0, "")

    def over(self, now: float) -> Stop | None:
        """The end of the load, when every search has come to its own."""
        if not self.searches or any(search.found is None for search in self.searches):
            return None
        return Stop(at=now, cause="search", message="; ".join(search.message() for search in self.searches))

    def notes(self) -> tuple[str, ...]:
        """What became of each stage so far."""
        return tuple(_note(search, stage) for search in self.searches for stage in search.stages)


def _note(search: SearchProgress, stage: CapacityStage) -> str:
    rate = f"{search.execution.name}: {stage.rps:,.10g}/s from {stage.from_s} s to {stage.to_s} s"
    if stage.kind == "recover":
        return f"{rate}: {'recovered' if stage.outcome == 'held' else 'did not recover'}"
    why = describe_limit(stage.why)
    return f"{rate}: {stage.outcome}{f' ({why})' if why else ''}"


@dataclass(slots=True)
class Coordinator:
    """The owner of one run. `step` does all that is due now and returns what the launcher has to do."""

    store: Store
    plan: Plan
    launch: Launch
    clock: Clock
    lease: LeaseKeeper
    state: RunState
    fold: Fold
    rates: list[Rate] = field(default_factory=list)  # that were set while the load went on
    _writes: deque[WriteStart | WriteStop] = field(default_factory=deque)  # not done yet: the store may be in trouble
    _todo: list[Relaunch | Terminate | Kill] = field(default_factory=list)  # not handed out yet
    _live: LiveCriteria = field(init=False)
    _searches: Searches = field(init=False)
    _standings: CriteriaProgress = field(init=False)
    _looked_at_s: int = field(init=False, default=-1)
    _look_again_at: float = field(init=False, default=0.0)
    _asked_at: float = field(init=False, default=float("-inf"))

    def __post_init__(self) -> None:
        self._live = LiveCriteria(self.fold.judged_plan)
        self._searches = Searches(self.plan)
        self._standings = CriteriaProgress(self.fold.judged_plan)

    @classmethod
    def of_new(
        cls,
        store: Store,
        plan: Plan,
        clock: Clock,
        *,
        longest_s: float | None = None,
        digests: tuple[str, ...] = (),
    ) -> Self:
        """The owner of a run that has just been published."""
        lease = LeaseKeeper(store, plan.run_id, clock, plan.pace)
        lease.take()
        launch = issue(store, plan, clock.now(), longest_s, digests)
        state = begin(plan, launch, clock.now())
        return cls(store, plan, launch, clock, lease, state, Fold(store, plan, dict(state.attempts), launch.digests))

    @classmethod
    def of_abandoned(cls, store: Store, run_id: str, clock: Clock) -> Self:
        """The new owner of a run whose coordinator is gone; LeaseLostError while it is not.

        InfrastructureError for a run on this machine: its workers ended with its coordinator. A run that was never
        launched ends: its suite may not be complete.
        """
        plan, _, _ = read_record(store, run_id)
        if plan.on == "local":
            raise InfrastructureError(
                f"run {run_id} cannot be taken over: its workers ended with its command", code="local-run"
            )
        launched = read_launch(store, run_id) is not None
        lease = LeaseKeeper(store, run_id, clock, plan.pace)
        lease.take()
        launch = issue(store, plan, clock.now())
        _, start, stop = read_record(store, run_id)  # as they stand now that nobody else writes them
        attempts = attempts_of(store, run_id, start)
        state = resumed(carried_on(begin(plan, launch, launch.at), attempts), start, stop)
        fold = Fold(store, plan, dict(state.attempts), launch.digests)
        if start is not None:
            fold.read_ready()  # before a start it is news
        found = cls(store, plan, launch, clock, lease, state, fold)
        if not launched:
            found._advance(StopAsked(Stop(at=clock.now(), cause="abort", message=UNLAUNCHED)))
        return found

    @property
    def ended(self) -> bool:
        return self.state.phase == "ended"

    @property
    def pause_s(self) -> float:
        """How long to wait between two steps."""
        awaited = self.state.phase == "launching" or self._is_ending(self.clock.now())
        return QUICK_STEP_S if self.plan.on == "local" and awaited else STEP_S

    def step(self, gone: Mapping[str, Gone], asked: Stop | None) -> tuple[Relaunch | Terminate | Kill, ...]:
        """One look at everything. `gone`: workers whose process is no more, and why; `asked`: a stop from outside.

        LeaseLostError when somebody else has taken the run over: nothing more is done then. After a StoreError the
        next step does what this one could not.
        """
        self.lease.renew()
        self._write()
        for event in self._events(gone, asked):
            self._advance(event)
            self._write()
        if self._todo or self.ended:
            self.lease.renew()  # who stood still meanwhile does not act on workers that are another owner's
        todo, self._todo = tuple(self._todo), []
        return todo

    def figures(self, notes: tuple[str, ...] = ()) -> LiveFigures:
        start = self.state.start
        told = () if start is None else describe_rates(self.rates, start.at)
        criteria = self._standings.look(self.fold.timeline, self.clock)
        return live_figures(self.fold, self.state, self.clock.now(), (*notes, *told, *self._searches.notes()), criteria)

    def finish(self, tasks: Mapping[str, RanTask] | None = None) -> RunState:
        """Fold the last files and note what only the coordinator saw; the final state."""
        self.lease.renew()
        now = self.clock.now()  # for all of them: what was looked for in vain is not looked for again
        while self.fold.poll(now, ending=True):  # somebody who took over may have hours of files to read
            self.lease.renew()
        self.fold.finish()
        self._look_for_rates()  # one that came with the end
        end = End(
            at=self.clock.now(),
            lost=dict(self.state.lost),
            stopped=self.state.stop is not None,
            tasks=dict(tasks or {}),
        )
        self.keep("end.json", end.to_json())
        return self.state

    def keep(self, name: str, data: bytes) -> None:
        """Leave a file in the run's folder, as its owner: who stood still meanwhile does not write over another's."""
        self.lease.renew()
        self.store.put(run_key(self.plan.run_id, name), data)

    def still_waits(self, asked: Stop | None) -> bool:
        """Keep the run while something outside is waited for after the load; False when somebody asks to stop."""
        self.lease.renew()
        return asked is None and (self.state.stop is not None or self._stop_in_store() is None)

    def close(self) -> None:
        """Give the lease back; one that cannot be, on a full disk, runs out by itself."""
        with suppress(StoreError, LeaseLostError):
            self.lease.renew(ended=True)

    def _events(self, gone: Mapping[str, Gone], asked: Stop | None) -> list[Event]:
        now = self.clock.now()
        events: list[Event] = []
        news = [worker for worker in gone if worker not in self.state.ended]
        if self.state.phase == "launching" and (news or now >= self._asked_at + self.plan.pace.poll_s):
            events += [WorkerReady(worker) for worker in self.fold.poll_before_start()]
        # a process that was gone before this look at the store has written all it will ever write
        self.fold.read_exits(news)
        if self.state.phase != "launching":
            self.fold.poll(now, ending=self._is_ending(now))
        events += self._endings(gone)
        stop = asked or self._stop_asked(now) or self._breached() or self._searched()
        if stop is not None and self.state.stop is None:
            events.append(StopAsked(stop))
        return [*events, Tick()]

    def _endings(self, gone: Mapping[str, Gone]) -> list[Event]:
        """Workers that are gone; elsewhere than here the last word of one is the end of it."""
        exits, unfit = self.fold.exits, self.fold.unfit
        found: list[Event] = []
        for worker in self.state.attempts:
            if worker in self.state.ended:
                continue
            if worker in gone:
                one, taken = gone[worker], self._taken_away(exits.get(worker))
                reason = unfit.get(worker) or one.reason
                found.append(WorkerEnded(worker, exits.get(worker), reason, one.again, taken))
            elif worker in unfit or (worker in exits and self._is_last_word(exits[worker])):
                found.append(WorkerEnded(worker, exits.get(worker), unfit.get(worker, "")))
                if worker not in exits:
                    self._todo.append(Terminate(worker))
        return found

    def _is_last_word(self, left: Exit) -> bool:
        """Whether nothing more is to be learnt of a worker: of one that was taken away its launcher knows why."""
        waits = self._taken_away(left) and self.clock.now() < left.at + WHY_S
        return self.plan.on != "local" and not waits

    def _taken_away(self, left: Exit | None) -> bool:
        """A signal ended it, and nobody of this run sent one: its task was interrupted."""
        signalled = left is not None and left.outcome == "stopped" and left.signals > 0
        return signalled and self.plan.on != "local" and self.state.stop is None

    def _is_ending(self, now: float) -> bool:
        """Whether workers may leave at any moment, so that their last words are worth looking for."""
        start, load_s = self.state.start, self.plan.bounded_s
        planned = start is not None and load_s is not None and now >= start.at + load_s
        return planned or self.state.phase == "stopping"

    def _stop_asked(self, now: float) -> Stop | None:
        """A stop that somebody left in the store, looked for as often as workers do."""
        if now < self._asked_at + self.plan.pace.poll_s:
            return None
        self._asked_at = now
        self._look_for_rates()
        return self._stop_in_store()

    def _look_for_rates(self) -> None:
        """What `toril adjust` has asked for, or an owner before this one."""
        if self.plan.adjustable and self.state.start is not None:
            new = list(next_rates(self.store, self.plan.run_id, len(self.rates)))
            if new:
                self.rates += new
                self._live.follow(adjusted_plan(self.fold.judged_plan, self.rates, self.state.start.at))

    def _stop_in_store(self) -> Stop | None:
        return find_record(self.store, Stop, run_key(self.plan.run_id, "stop.json"))

    def _breached(self) -> Stop | None:
        if self.state.phase != "running":
            return None
        complete_to = self.fold.judged_to(self.fold.complete_to(self.state.ended))
        for breach in self._live.advance(self.fold.timeline, complete_to) or self._breached_without_laggards():
            return Stop(
                at=self.clock.now(), cause="criterion", message=breach.message, criterion_fails=breach.criterion.fail
            )
        return None

    def _searched(self) -> Stop | None:
        """Let a search go on where it can; the stop when all of them are over."""
        start = self.state.start
        if not self._searches.searches or self.state.phase != "running" or start is None:
            return None
        complete_to = self.fold.complete_to(self.state.ended)
        if complete_to is None:
            return None
        now = self.clock.now()
        rate = self._searches.next_rate(self.rates, start, self.fold.timeline, complete_to, now, self.lease.owner)
        if rate is not None:
            self.lease.renew()  # who stood still meanwhile does not set the rates of another owner's run
            if self.store.put_once(rate_key(self.plan.run_id, rate.number), rate.to_json()):
                self.rates.append(rate)
            else:
                self._look_for_rates()
        return self._searches.over(now)

    def _breached_without_laggards(self) -> list[CriterionResult]:
        """What stands although a worker is stuck, or too slow to tell: nobody waits for it longer than promised."""
        told = self.fold.told_to(self.state.ended)
        front = max(told.values(), default=-1)
        began = self.clock.now()
        if front <= self._looked_at_s or front - min(told.values()) <= PATIENCE_S or began < self._look_again_at:
            return []
        self._looked_at_s = front
        judged_to = {worker: self.fold.judged_to(last) for worker, last in told.items()}
        found = self._live.standing(
            self.fold.timeline, {worker: -1 if last is None else last for worker, last in judged_to.items()}
        )
        ended = self.clock.now()  # it looks at the whole run again: after hours that takes seconds
        self._look_again_at = ended + REST * (ended - began)
        return found

    def _advance(self, event: Event) -> None:
        self.state, actions = advance(self.state, event, self.clock.now())
        self._take(actions)

    def _take(self, actions: Iterable[Action]) -> None:
        for action in actions:
            if isinstance(action, WriteStart | WriteStop):
                self._writes.append(action)
            else:
                self._todo.append(action)
            if isinstance(action, Relaunch):
                self.fold.follow(action.worker, action.attempt)

    def _write(self) -> None:
        """Write what is due. What is there already counts: another owner of the run, or a user, was first."""
        while self._writes:
            self.lease.renew()  # before each: whoever stands still between two of them does not come to the second
            match self._writes[0]:
                case WriteStart(start):
                    self._write_start(start)
                case WriteStop(stop):
                    key = run_key(self.plan.run_id, "stop.json")
                    if not self.store.put_once(key, stop.to_json()):
                        self.state = replace(self.state, stop=get_record(self.store, Stop, key))
            self._writes.popleft()

    def _write_start(self, start: Start) -> None:
        key = run_key(self.plan.run_id, "start.json")
        # one that could not be written when it was given is given anew: nobody may find it when it is over
        start = start.model_copy(update={"at": max(start.at, self.clock.now() + self.plan.pace.start_lead_s)})
        self.state = replace(self.state, start=start)
        if self.store.put_once(key, start.to_json()):
            return
        found = get_record(self.store, Start, key)
        if all(self.launch.issued(worker, attempt) for worker, attempt in found.attempts.items()):
            self.state = started_by_another(self.state, found)
            for worker, attempt in found.attempts.items():
                self.fold.follow(worker, attempt)
        elif self.state.stop is None:
            self.state = replace(self.state, start=None)
            why = f"{self.store.address(key)} names attempts that were never issued: it is not this run's"
            self._advance(StopAsked(Stop(at=self.clock.now(), cause="abort", message=why)))


REPLACEMENTS = 2  # of a worker that never began; more of them would only hide what is wrong


def issue(
    store: Store,
    plan: Plan,
    now: float,
    longest_s: float | None = None,
    digests: tuple[str, ...] = (),
    nonce: Callable[[], str] = lambda: secrets.token_hex(4),
) -> Launch:
    """The run's attempts and deadline. What somebody wrote before counts: a run is issued once.

    `longest_s`: the most seconds of load that its regions allow; `digests`: the images that its workers may be of.
    """
    found = read_launch(store, plan.run_id)
    if found is not None:
        return found
    tries = 1 + (REPLACEMENTS if plan.on == "fargate" else 0)
    launch = Launch(
        at=now,
        deadline=now + lasts_s(plan, longest_s),
        attempts={share.worker: tuple(nonce() for _ in range(tries)) for share in plan.shares},
        digests=digests,
    )
    if store.put_once(run_key(plan.run_id, "launch.json"), launch.to_json()):
        return launch
    return issue(store, plan, now, longest_s, digests, nonce)


def lasts_s(plan: Plan, longest_s: float | None = None) -> float:
    """From the launch to the moment at which nothing of the run is left, whatever happens to it."""
    return plan.pace.ready_timeout_s + plan.pace.start_lead_s + load_ends_s(plan, longest_s)
