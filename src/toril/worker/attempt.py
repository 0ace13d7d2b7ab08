"""One attempt at one share: the loop that passes events to the state machine (`life`) and carries out its actions.

A `EngineLoad` controls the engines, and the `Outbox` accesses the store. Simulations replace both.
"""

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

from toril.clock import Clock
from toril.errors import StoreError
from toril.records import Exit, Plan, Rate, Ready
from toril.store import Store
from toril.timeline.intervals import Recorder
from toril.worker import life
from toril.worker.life import State
from toril.worker.outbox import Outbox, StoreClient

DELIVER_S = 60.0  # time for the last files; ECS gives a stopping task 120 s

log = logging.getLogger("toril.worker")


class EngineLoad(Protocol):
    """The engines of a worker, or their stand-in in a simulation."""

    recorder: Recorder
    planned_s: float | None  # from the start to the planned end; None if iterations limit the load

    def prepare(self) -> Iterator[life.Event]:
        """Prepare the engines and park them at their gates; yields a failure."""

    def tear_down(self) -> None:
        """Run the run's teardown, instead of a load."""

    def signals(self) -> list[str]:
        """Returns the names of the signals since the last call."""

    def events(self, state: State, now: float) -> Iterator[life.Event]:
        """Returns the events of the engines since the last call."""

    def open(self, at: float) -> None: ...

    def adjust(self, rate: Rate, now: float) -> None:
        """Change the rate of one execution from `rate.at` on."""

    def end(self, within_s: float, now: float) -> None: ...

    def kill(self) -> None: ...

    def record(self, now: float) -> None:
        """Read the engines' new samples into the recorder."""

    def wait(self, state: State) -> None:
        """Sleep until the loop's next turn."""

    def finish(self, state: State) -> None:
        """Read the last records and end all processes."""

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Returns names and contents of files beside the intervals since the last call."""

    def last_files(self) -> Iterator[tuple[str, bytes]]:
        """Returns names and contents of evidence and logs; to be called once, after `finish`."""

    def ready(self) -> Ready: ...

    def exit(self, state: State, now: float) -> Exit: ...


class Attempt:
    """Runs one attempt, from its first access to the store to exit.json."""

    def __init__(self, store: Store, plan: Plan, worker: str, attempt: str, load: EngineLoad, clock: Clock) -> None:
        self.plan, self.worker, self.attempt, self.load, self.clock = plan, worker, attempt, load, clock
        self.client = StoreClient(store, plan, worker, attempt, clock.now)
        self.launch = self.client.launch()
        self.limits = life.Limits(
            worker=worker,
            attempt=attempt,
            graceful_stop_s=plan.graceful_stop_s,
            planned_s=load.planned_s,
            max_duration_s=plan.max_duration_s,
            deadline=None if self.launch is None else self.launch.deadline,
        )
        self.state = State()
        self._flushed_at = float("-inf")

    def run(self, *, threaded: bool) -> State:
        """Run to the end; returns the last state. `threaded`: access the store in a thread, since it may be slow."""
        if self.launch is not None and self.launch.teardown == self.attempt:
            return self._tear_down()
        # Look for a stale start and for the end of the run before preparing anything.
        self._pass(*self._unissued(), *self.client.poll(), life.ClockTick())
        if self.state.phase != "ended":
            self._pass(*self.load.prepare())
        self.outbox = Outbox(self.client, threaded=threaded)
        while self.state.phase != "ended":
            self._pass(*self._events())
            self.load.record(self.clock.now())
            self._flush_when_due(self.clock.now())
            self.load.wait(self.state)
        self.load.finish(self.state)
        ended_at = self.clock.now()  # before delivery: a slow store must not hide an early end
        may_write = self.state.outcome != "superseded" and self.client.may_write()
        if may_write:
            self._flush()
            for name, data in self.load.last_files():
                self.outbox.send(name, data)
        delivered = self.outbox.end(DELIVER_S)
        self._fail_on_conflict()
        if delivered and may_write:
            self.client.write_exit(self.load.exit(self.state, ended_at))
            self._fail_on_conflict()
        return self.state

    def _tear_down(self) -> State:
        """Run teardown; its end is in a record of its own, and this attempt leaves only a log."""
        self.load.tear_down()
        for name, data in self.load.last_files():
            self.client.send(name, data)
        self.client.deliver()
        return replace(self.state, phase="ended")

    def _pass(self, *events: life.Event) -> None:
        for event in events:
            before = self.state.phase
            self.state, actions = life.step(self.state, event, self.clock.now(), self.limits)
            if self.state.phase != before:
                log.info("%s → %s %s", before, self.state.phase, self.state.message)
            for action in actions:
                self._do(action)

    def _fail_on_conflict(self) -> None:
        """Fail if another process wrote this attempt's files: they are not this process's measurements."""
        if self.client.conflict:
            self.state = replace(self.state, outcome="failed", message=self.client.conflict)

    def _unissued(self) -> Iterator[life.Event]:
        """Fail if the launcher did not issue this attempt. Local runs, which the coordinator starts, need no record."""
        if self.launch is None:
            if self.plan.on != "local":
                yield life.Failed("the run has no launch.json: no launcher has started it")
        elif not self.launch.issued(self.worker, self.attempt):
            yield life.Failed("the run's launcher did not issue this attempt")

    def _events(self) -> Iterator[life.Event]:
        yield from (life.Signalled(why) for why in self.load.signals())
        yield from self.outbox.events()
        yield from self.load.events(self.state, self.clock.now())
        yield life.ClockTick()

    def _do(self, action: life.Action) -> None:
        match action:
            case life.ReportReady():
                self._claim()
            case life.OpenGates(at):
                self.load.open(at)
            case life.ChangeRate(rate):
                self.load.adjust(rate, self.clock.now())
            case life.EndLoad(within_s):
                self.load.end(within_s, self.clock.now())
            case life.KillAll():
                self.load.kill()

    def _claim(self) -> None:
        try:
            if not self.client.claim(self.load.ready()):
                self._pass(life.Superseded())
        except StoreError as error:
            self._pass(life.Failed(str(error)))

    def _flush_when_due(self, now: float) -> None:
        if self.state.start_at is not None and now >= self._flushed_at + self.plan.pace.flush_s:
            self._flushed_at = now
            self._flush()

    def _flush(self) -> None:
        while (data := self.load.recorder.flush()) is not None:
            self.outbox.send(f"intervals-{self.load.recorder.files:06d}", data)
        for name, data in self.load.files():
            self.outbox.send(name, data)
