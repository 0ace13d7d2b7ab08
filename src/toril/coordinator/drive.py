"""Carries the protocol out over a store: sees what workers write, folds it, writes start and stop."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from toril.clock import Clock
from toril.coordinator.glance import glance
from toril.coordinator.lease import LeaseKeeper
from toril.coordinator.live import Fold
from toril.coordinator.protocol import (
    Event,
    Kill,
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
)
from toril.criteria import CriterionResult, LiveCriteria
from toril.errors import StoreError
from toril.figures import LiveFigures
from toril.records import End, Plan, Stop, run_key
from toril.store import Store

STEP_S = 0.1
PATIENCE_S = 6  # by how much a worker may lag behind before stop criteria are decided without it
REST = 4  # so many times as long as such a look took is nothing looked at so again


@dataclass(slots=True)
class Coordinator:
    """The owner of one run. `step` does all that is due now and returns what the launcher has to do."""

    store: Store
    plan: Plan
    attempts: Mapping[str, str]
    clock: Clock
    state: RunState = field(init=False)
    fold: Fold = field(init=False)
    _live: LiveCriteria = field(init=False)
    _lease: LeaseKeeper = field(init=False)
    _looked_at_s: int = field(init=False, default=-1)
    _look_again_at: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self.state = begin(self.plan, self.attempts, self.clock.now())
        self.fold = Fold(self.store, self.plan, self.attempts)
        self._live = LiveCriteria(self.plan)
        self._lease = LeaseKeeper(self.store, self.plan.run_id, self.clock)

    @property
    def ended(self) -> bool:
        return self.state.phase == "ended"

    def step(self, gone: Mapping[str, str], asked: Stop | None) -> tuple[Terminate | Kill, ...]:
        """One look at everything. `gone`: workers whose process is no more, and why; `asked`: a stop from outside."""
        self._lease.renew()
        todo: list[Terminate | Kill] = []
        for event in self._events(gone, asked):
            self.state, actions = advance(self.state, event, self.clock.now())
            for action in actions:
                if isinstance(action, Terminate | Kill):
                    todo.append(action)
                else:
                    self._write(action)
        return tuple(todo)

    def figures(self) -> LiveFigures:
        return glance(self.fold, self.state, self.clock.now())

    def finish(self) -> RunState:
        """Fold the last files and note what only the coordinator saw; the final state."""
        self.fold.poll_exits()
        self.fold.finish()
        end = End(at=self.clock.now(), lost=dict(self.state.lost), stopped=self.state.stop is not None)
        self.store.put(run_key(self.plan.run_id, "end.json"), end.to_json())
        return self.state

    def still_waits(self, asked: Stop | None) -> bool:
        """Keep the run while something outside is waited for after the load; False when somebody asks to stop."""
        self._lease.renew()
        return asked is None and (self.state.stop is not None or self._stop_in_store() is None)

    def close(self) -> None:
        """Give the lease back; one that cannot be, on a full disk, runs out by itself."""
        with suppress(StoreError):
            self._lease.renew(ended=True)

    def _events(self, gone: Mapping[str, str], asked: Stop | None) -> list[Event]:
        events: list[Event] = [WorkerReady(worker) for worker in self.fold.poll_ready()]
        # a process that was gone before this look at the store has written all it will ever write
        self.fold.poll_exits()
        exits = self.fold.exits
        events += [
            WorkerEnded(worker, exits.get(worker), gone.get(worker, ""))
            for worker in self.state.attempts
            if worker not in self.state.ended and worker in gone
        ]
        self.fold.poll_intervals()
        stop = asked or self._stop_in_store() or self._breached()
        if stop is not None and self.state.stop is None:
            events.append(StopAsked(stop))
        return [*events, Tick()]

    def _stop_in_store(self) -> Stop | None:
        key = run_key(self.plan.run_id, "stop.json")
        data = self.store.find(key)
        return None if data is None else Stop.from_json(data, key)

    def _breached(self) -> Stop | None:
        if self.state.phase != "running":
            return None
        complete_to = self.fold.complete_to(self.state.ended)
        for breach in self._live.advance(self.fold.timeline, complete_to) or self._breached_without_laggards():
            return Stop(
                at=self.clock.now(), cause="criterion", message=breach.message, criterion_fails=breach.criterion.fail
            )
        return None

    def _breached_without_laggards(self) -> list[CriterionResult]:
        """What stands although a worker is stuck, or too slow to tell: nobody waits for it longer than promised."""
        told = self.fold.told_to(self.state.ended)
        front = max(told.values(), default=-1)
        began = self.clock.now()
        if front <= self._looked_at_s or front - min(told.values()) <= PATIENCE_S or began < self._look_again_at:
            return []
        self._looked_at_s = front
        found = self._live.standing(self.fold.timeline, told)
        ended = self.clock.now()  # it looks at the whole run again: after hours that takes seconds
        self._look_again_at = ended + REST * (ended - began)
        return found

    def _write(self, action: WriteStart | WriteStop) -> None:
        match action:
            case WriteStart(start):
                self.store.put_once(run_key(self.plan.run_id, "start.json"), start.to_json())
            case WriteStop(stop):
                self.store.put_once(run_key(self.plan.run_id, "stop.json"), stop.to_json())
