"""Drives the protocol over a store: reads and merges the workers' files, and writes start and stop."""

import math
import secrets
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Protocol, Self

from toril.clock import Clock
from toril.coordinator.fold import Fold, attempts_of, find_step, has_begun
from toril.coordinator.lease import LeaseKeeper, LeaseLostError
from toril.coordinator.progress import REST, CriteriaProgress, ProgressBuilder, packed
from toril.coordinator.protocol import (
    Event,
    Kill,
    Relaunch,
    RunState,
    StopAsked,
    TearDown,
    Terminate,
    Tick,
    TornDown,
    WorkerEnded,
    WorkerReady,
    WriteStart,
    WriteStop,
    advance,
    begin,
    load_ends_s,
    resumed,
    started_by_another,
)
from toril.errors import InfrastructureError, Note, StoreError
from toril.records import (
    End,
    Exit,
    Launch,
    Plan,
    PlannedExecution,
    RanTask,
    Rate,
    Start,
    StepRecord,
    Stop,
    given_key,
    rate_key,
    run_key,
    step_key,
)
from toril.records.progress import Phase, Progress, progress_key
from toril.records.summary import CapacityStage
from toril.regression.rule import Sequential
from toril.store import Store
from toril.store.records import find_record, get_record, next_rates, read_launch, read_record
from toril.summary import adjusted_plan
from toril.text import exact
from toril.timeline import Timeline
from toril.verdict.capacity.progress import FLUSH_MARGIN_S, SearchProgress, describe_limit
from toril.verdict.live import LiveCriteria
from toril.verdict.result import CriterionResult

STEP_S = 0.1
QUICK_STEP_S = 0.02  # while a local run waits for its workers
LAG_LIMIT_S = 6  # a worker that lags further behind does not delay stop criteria
STOP_REASON_S = 60.0  # ECS reports a stopped task and the reason half a minute after its container ended
UNLAUNCHED = "its command ended before it launched any worker; run the suite again"
REPLACEMENTS = 2  # of a worker that failed to start; more replacements would only delay the error


class Gone(Protocol):
    """The launcher's report on a worker whose process or task has ended."""

    @property
    def reason(self) -> str: ...

    @property
    def again(self) -> bool: ...


@dataclass(slots=True)
class Searches:
    """The capacity searches of a run, computed from its records and measurements."""

    plan: Plan
    searches: list[SearchProgress] = field(init=False)
    _seen: tuple[int, int] = (-1, -1)  # the last complete second and the number of rates at the last call

    def __post_init__(self) -> None:
        self.searches = [SearchProgress(self.plan, execution) for execution in self.plan.searched]

    def next_stage(
        self, rates: Sequence[Rate], start: Start, timeline: Timeline, complete_to: int | None
    ) -> tuple[PlannedExecution, float] | None:
        """Judges the complete stages. Returns the execution and rate (per second) of a stage that must begin now."""
        if complete_to is None or self._seen == (complete_to, len(rates)):
            return None
        self._seen = complete_to, len(rates)
        for search in self.searches:
            stage = search.advance(rates, start.at, timeline, complete_to - FLUSH_MARGIN_S)
            if stage is not None:
                return search.execution, stage.rps
        return None

    def stop(self, now: float) -> Stop | None:
        """Returns the stop of the load as soon as every search has a result."""
        if not self.searches or any(search.found is None for search in self.searches):
            return None
        return Stop(at=now, cause="search", message="; ".join(search.message() for search in self.searches))

    def notes(self) -> tuple[Note, ...]:
        """Returns a note on each judged stage."""
        texts = (_describe_stage(search, stage) for search in self.searches for stage in search.stages)
        return tuple(Note("search-stage", text) for text in texts)


def _describe_stage(search: SearchProgress, stage: CapacityStage) -> str:
    rps = exact(stage.rps, search.execution.rate_unit)
    rate = f"{search.execution.name}: {rps} from {stage.from_s} s to {stage.to_s} s"
    if stage.kind == "recover":
        return f"{rate}: {'recovered' if stage.outcome == 'held' else 'did not recover'}"
    why = describe_limit(stage.why)
    return f"{rate}: {stage.outcome}{f' ({why})' if why else ''}"


@dataclass(slots=True)
class Coordinator:
    """The coordinator of one run. `step` does all work that is due, and returns the actions for the launcher."""

    store: Store
    plan: Plan
    launch: Launch
    clock: Clock
    lease: LeaseKeeper
    state: RunState
    fold: Fold
    rates: list[Rate] = field(default_factory=list)  # rate changes during the load
    _writes: deque[WriteStart | WriteStop | TearDown] = field(default_factory=deque)  # not yet in the store
    _todo: list[Relaunch | TearDown | Terminate | Kill] = field(default_factory=list)  # not yet returned by `step`
    _live: LiveCriteria = field(init=False)
    _searches: Searches = field(init=False)
    _sequential: Sequential = field(init=False)
    _criteria: CriteriaProgress = field(init=False)
    _builder: ProgressBuilder = field(init=False)
    _number: int = field(init=False, default=0)  # of the last version of progress.json
    _judged_to_s: int = field(init=False, default=-1)  # by `_breached_without_laggards`
    _judge_again_at: float = field(init=False, default=0.0)
    _asked_at: float = field(init=False, default=float("-inf"))  # when the store was last asked for a stop

    def __post_init__(self) -> None:
        self._live = LiveCriteria(self.fold.judged_plan)
        self._searches = Searches(self.plan)
        self._sequential = Sequential(self.plan)
        self._criteria = CriteriaProgress(self.fold.judged_plan)
        self._builder = ProgressBuilder(self.fold)

    @classmethod
    def of_new(cls, store: Store, plan: Plan, clock: Clock, *, longest_s: float | None = None) -> Self:
        """Returns the coordinator of a newly published run."""
        lease = LeaseKeeper(store, plan.run_id, clock, plan.pace)
        lease.take()
        launch = issue(store, plan, clock.now(), longest_s)
        state = begin(plan, launch, clock.now())
        return cls(store, plan, launch, clock, lease, state, Fold(store, plan, dict(state.attempts)))

    @classmethod
    def of_abandoned(cls, store: Store, run_id: str, clock: Clock) -> Self:
        """Returns the new coordinator of a run; LeaseLostError while another one is running.

        InfrastructureError for a local run, because its workers ended with its coordinator. A run that was never
        launched is ended, because its suite may be incomplete.
        """
        plan, _, _ = read_record(store, run_id)
        if plan.on == "local":
            text = f"run {run_id} cannot be taken over: its workers ended with its command"
            raise InfrastructureError(text, code="local-run")
        launched = read_launch(store, run_id) is not None
        lease = LeaseKeeper(store, run_id, clock, plan.pace)
        lease.take()
        launch = issue(store, plan, clock.now())
        _, start, stop = read_record(store, run_id)  # read again, now that no other coordinator can write
        state = resumed(begin(plan, launch, launch.at, attempts_of(store, run_id, start)), start, stop)
        fold = Fold(store, plan, dict(state.attempts))
        if start is not None:
            fold.read_ready()  # without a start, `step` reads them
        coordinator = cls(store, plan, launch, clock, lease, state, fold)
        with suppress(StoreError):  # the versions of the last coordinator have lower numbers
            last = find_record(store, Progress, progress_key(run_id))
            coordinator._number = 0 if last is None else last.number
        if not launched:
            coordinator._advance(StopAsked(Stop(at=clock.now(), cause="abort", message=UNLAUNCHED)))
        return coordinator

    @property
    def ended(self) -> bool:
        return self.state.phase == "ended"

    @property
    def complete_to(self) -> int | None:
        """The last second that all workers have reported completely; None before the first."""
        last = self._builder.complete_to(self.state)
        return None if last < 0 else last

    @property
    def pause_s(self) -> float:
        """The pause between two steps, in seconds."""
        awaited = self.state.phase in ("launching", "teardown") or self._is_ending(self.clock.now())
        return QUICK_STEP_S if self.plan.on == "local" and awaited else STEP_S

    def step(self, gone: Mapping[str, Gone], asked: Stop | None) -> tuple[Relaunch | TearDown | Terminate | Kill, ...]:
        """Does all work that is due. `gone`: the workers that have ended; `asked`: a stop by a signal.

        LeaseLostError if another coordinator has the run. After a StoreError, the next step repeats the failed work.
        """
        self.lease.renew()
        self._write()
        for event in self._events(gone, asked):
            self._advance(event)
            self._write()
        if self._todo or self.ended:
            self.lease.renew()  # after a pause of this process, another coordinator may have the workers
        todo, self._todo = tuple(self._todo), []
        return todo

    def progress(self, notes: Sequence[Note], phase: Phase | None, waiting: str, *, detailed: bool) -> Progress:
        """Returns the run at this moment, as in `ProgressBuilder.build`."""
        return self._builder.build(
            self.state,
            self.clock.now(),
            rates=self.rates,
            notes=(*notes, *self._searches.notes(), *self._sequential.notes()),
            criteria=self._criteria.evaluate(self.fold.timeline, self.clock),
            phase=phase,
            waiting=waiting,
            detailed=detailed,
        )

    def publish(self, progress: Progress) -> None:
        """Writes `progress.json`, the next version; LeaseLostError if another coordinator has the run."""
        self._number += 1
        self.keep("progress.json", packed(replace(progress, number=self._number)))

    def finish(self, tasks: Mapping[str, RanTask] | None = None) -> RunState:
        """Merges the last files, deletes what setup gave, and writes `end.json`. Returns the final state."""
        self.lease.renew()
        now = self.clock.now()  # the same time for all polls, so that each missing file is requested once
        while self.fold.poll(now, ending=True):  # after a take-over, there may be hours of files to read
            self.lease.renew()
        self.fold.finish()
        self._forget()
        self._read_rates()  # rates that were set at the end of the load
        end = End(
            at=self.clock.now(),
            lost=dict(self.state.lost),
            stopped=self.state.stop is not None,
            tasks=dict(tasks or {}),
        )
        self.keep("end.json", end.to_json())
        return self.state

    def keep(self, name: str, data: bytes) -> None:
        """Writes a file into the run's folder; LeaseLostError if another coordinator has the run."""
        self.lease.renew()
        self.store.put(run_key(self.plan.run_id, name), data)

    def may_wait(self, asked: Stop | None) -> bool:
        """Renews the lease during a wait after the load. Returns False as soon as a stop is requested."""
        self.lease.renew()
        return asked is None and (self.state.stop is not None or self._stored_stop() is None)

    def close(self) -> None:
        """Deletes what setup gave, and returns the lease; if the store fails, the lease expires by itself."""
        with suppress(StoreError, LeaseLostError):
            self._forget()
            self.lease.renew(ended=True)

    def _forget(self) -> None:
        """Deletes what setup gave, also that of k6 scripts."""
        if self.plan.setup is not None or any(execution.executor == "k6" for execution in self.plan.executions):
            self.lease.renew()
            self.store.delete(given_key(self.plan.run_id))

    def _events(self, gone: Mapping[str, Gone], asked: Stop | None) -> list[Event]:
        now = self.clock.now()
        if self.state.phase == "teardown":
            return [TornDown(), Tick()] if self._is_torn_down(gone, now) else [Tick()]
        events: list[Event] = []
        news = [worker for worker in gone if worker not in self.state.ended]
        if self.state.phase == "launching" and (news or now >= self._asked_at + self.plan.pace.poll_s):
            events += [WorkerReady(worker) for worker in self.fold.poll_before_start()]
        self.fold.read_exits(news)  # after the launcher's report, which follows a worker's last write
        if self.state.phase != "launching":
            self.fold.poll(now, ending=self._is_ending(now))
        events += self._endings(gone)
        stop = asked or self._stop_asked(now) or self._breached() or self._searched() or self._decided()
        if stop is not None and self.state.stop is None:
            events.append(StopAsked(stop))
        return [*events, Tick()]

    def _is_torn_down(self, gone: Mapping[str, Gone], now: float) -> bool:
        """Whether teardown has left a record, or its worker has ended."""
        ended = self.plan.step_worker in gone and not self._todo
        if not ended and now < self._asked_at + self.plan.pace.poll_s:
            return False
        self._asked_at = now
        return ended or find_step(self.store, self.plan, "teardown", "ended") is not None

    def _needs_teardown(self) -> bool:
        """Whether there is something to tear down.

        If setup has not begun, it can no longer do so, even in a worker that stood still.
        """
        if find_step(self.store, self.plan, "teardown", "ended"):  # an earlier coordinator has waited for it
            return False
        if self.plan.setup is not None:
            void = StepRecord(worker="", attempt="", at=self.clock.now())
            self.store.put_once(step_key(self.plan.run_id, self.plan.step_worker, "setup", "begun"), void.to_json())
        return has_begun(self.store, self.plan, started=self.state.start is not None)

    def _endings(self, gone: Mapping[str, Gone]) -> list[Event]:
        """Returns the workers that have ended; on Fargate, a worker with an exit.json has ended."""
        exits, rejected = self.fold.exits, self.fold.rejected
        events: list[Event] = []
        for worker in self.state.attempts:
            exit_record = exits.get(worker)
            if worker in self.state.ended:
                continue
            interrupted = self._is_interrupted(exit_record)
            if worker in gone:
                reason = rejected.get(worker) or gone[worker].reason
                events.append(WorkerEnded(worker, exit_record, reason, gone[worker].again, interrupted))
            elif worker in rejected or (exit_record is not None and self._is_final(exit_record)):
                message = exit_record.message if exit_record is not None and interrupted else ""
                reason = rejected.get(worker) or message
                events.append(WorkerEnded(worker, exit_record, reason, interrupted, interrupted))
                if exit_record is None:
                    self._todo.append(Terminate(worker))
        return events

    def _is_final(self, exit_record: Exit) -> bool:
        """Whether an exit.json ends a worker; for an interrupted task, the launcher's reason is awaited first."""
        waits = self._is_interrupted(exit_record) and self.clock.now() < exit_record.at + STOP_REASON_S
        return self.plan.on != "local" and not waits

    def _is_interrupted(self, exit_record: Exit | None) -> bool:
        """Whether a signal from outside the run ended a worker, as when its task was interrupted."""
        signalled = exit_record is not None and exit_record.outcome == "stopped" and exit_record.signals > 0
        return signalled and self.plan.on != "local" and self.state.stop is None

    def _is_ending(self, now: float) -> bool:
        """Whether workers may end at any moment, so that requests for their exit.json make sense."""
        start, load_s = self.state.start, self.plan.bounded_s
        planned = start is not None and load_s is not None and now >= start.at + load_s
        return planned or self.state.phase == "stopping"

    def _stop_asked(self, now: float) -> Stop | None:
        """Returns a stop from the store; reads it, and new rates, as often as workers do."""
        if now < self._asked_at + self.plan.pace.poll_s:
            return None
        self._asked_at = now
        self._read_rates()
        return self._stored_stop()

    def _read_rates(self) -> None:
        """Reads the rates of `toril adjust` or of an earlier coordinator."""
        if self.plan.adjustable and self.state.start is not None:
            new = list(next_rates(self.store, self.plan.run_id, len(self.rates)))
            if new:
                self.rates += new
                self._live.follow(adjusted_plan(self.fold.judged_plan, self.rates, self.state.start.at))

    def _stored_stop(self) -> Stop | None:
        return find_record(self.store, Stop, run_key(self.plan.run_id, "stop.json"))

    def _breached(self) -> Stop | None:
        """Returns the stop of a breached stop criterion."""
        if self.state.phase != "running":
            return None
        complete_to = self.fold.judged_to(self.fold.complete_to(self.state.ended))
        for breach in self._live.advance(self.fold.timeline, complete_to) or self._breached_without_laggards():
            return Stop(
                at=self.clock.now(), cause="criterion", message=breach.message, criterion_fails=breach.criterion.fail
            )
        return None

    def _breached_without_laggards(self) -> list[CriterionResult]:
        """Returns the stop criteria that are breached, whatever stuck or slow workers will report."""
        reported = self.fold.reported_to(self.state.ended)
        newest, began = max(reported.values(), default=-1), self.clock.now()
        lag_s = newest - min(reported.values(), default=-1)
        if newest <= self._judged_to_s or lag_s <= LAG_LIMIT_S or began < self._judge_again_at:
            return []
        self._judged_to_s = newest
        lasts = {worker: self.fold.judged_to(last) for worker, last in reported.items()}
        judged_to = {worker: -1 if last is None else last for worker, last in lasts.items()}
        results = self._live.standing(self.fold.timeline, judged_to)
        ended = self.clock.now()  # this evaluation covers the whole run, and takes seconds after hours of load
        self._judge_again_at = ended + REST * (ended - began)
        return results

    def _searched(self) -> Stop | None:
        """Sets the rate of a search's next stage. Returns the stop when all searches have ended."""
        start = self.state.start
        if not self._searches.searches or self.state.phase != "running" or start is None:
            return None
        now, complete_to = self.clock.now(), self.fold.complete_to(self.state.ended)
        stage = self._searches.next_stage(self.rates, start, self.fold.timeline, complete_to)
        if stage is not None:
            rate = Rate(
                number=len(self.rates) + 1,
                execution=stage[0].name,
                rps=stage[1],
                at=start.at + math.ceil(now + self.plan.pace.start_lead_s - start.at),
                asked_at=now,
                cause="search",
                by=self.lease.owner,
                unit=stage[0].rate_unit,
            )
            self.lease.renew()  # after a pause of this process, another coordinator may set the rates
            if self.store.put_once(rate_key(self.plan.run_id, rate.number), rate.to_json()):
                self.rates.append(rate)
            else:
                self._read_rates()
        return self._searches.stop(now)

    def _decided(self) -> Stop | None:
        """Returns the stop of a duet as soon as an interim analysis decides."""
        if self.plan.duet is None or self.state.phase != "running":
            return None
        return self._sequential.stop(self.fold.whole, self.fold.complete_to(self.state.ended), self.clock.now())

    def _advance(self, event: Event) -> None:
        self.state, actions = advance(self.state, event, self.clock.now())
        for action in actions:
            if isinstance(action, WriteStart | WriteStop | TearDown):
                self._writes.append(action)
            else:
                self._todo.append(action)
            if isinstance(action, Relaunch):
                self.fold.follow(action.worker, action.attempt)

    def _write(self) -> None:
        """Writes start and stop, and begins teardown. The first record of any process takes precedence."""
        while self._writes:
            self.lease.renew()  # before each write, because this process may pause between them
            match self._writes[0]:
                case WriteStart(start):
                    self._write_start(start)
                case WriteStop(stop):
                    key = run_key(self.plan.run_id, "stop.json")
                    if not self.store.put_once(key, stop.to_json()):
                        self.state = replace(self.state, stop=get_record(self.store, Stop, key))
                case TearDown() if self._needs_teardown():
                    self._todo.append(self._writes[0])
                case TearDown():
                    self._advance(TornDown())
            self._writes.popleft()

    def _write_start(self, start: Start) -> None:
        key = run_key(self.plan.run_id, "start.json")
        # a repeated write has a new time, because a start must not be in the past
        start = start.model_copy(update={"at": max(start.at, self.clock.now() + self.plan.pace.start_lead_s)})
        self.state = replace(self.state, start=start)
        if self.store.put_once(key, start.to_json()):
            return
        record = get_record(self.store, Start, key)
        if all(self.launch.issued(worker, attempt) for worker, attempt in record.attempts.items()):
            self.state = started_by_another(self.state, record)
            for worker, attempt in record.attempts.items():
                self.fold.follow(worker, attempt)
        elif self.state.stop is None:
            self.state = replace(self.state, start=None)
            why = f"{self.store.address(key)} names attempts that were never issued, so it belongs to another run"
            self._advance(StopAsked(Stop(at=self.clock.now(), cause="abort", message=why)))


def issue(
    store: Store,
    plan: Plan,
    now: float,
    longest_s: float | None = None,
    nonce: Callable[[], str] = lambda: secrets.token_hex(4),
) -> Launch:
    """Returns the run's attempts and deadline, which are issued once; an existing record takes precedence.

    `longest_s`: the longest load that its regions allow, in seconds.
    """
    launch_record = read_launch(store, plan.run_id)
    if launch_record is not None:
        return launch_record
    tries = 1 + (REPLACEMENTS if plan.on == "fargate" else 0)
    launch = Launch(
        at=now,
        deadline=now + lasts_s(plan, longest_s),
        attempts={share.worker: tuple(nonce() for _ in range(tries)) for share in plan.shares},
        teardown="" if plan.teardown is None else nonce(),
    )
    if store.put_once(run_key(plan.run_id, "launch.json"), launch.to_json()):
        return launch
    return issue(store, plan, now, longest_s, nonce)


def lasts_s(plan: Plan, longest_s: float | None = None) -> float:
    """Returns the seconds from the launch to the deadline, when no worker is left, even after failures."""
    return plan.pace.ready_timeout_s + plan.pace.start_lead_s + load_ends_s(plan, longest_s)
