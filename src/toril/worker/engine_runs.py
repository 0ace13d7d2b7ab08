"""A worker's executions side by side: started, parked, begun, checked and ended, whatever their engines are."""

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from bzt import TaurusException  # no Exception

from toril.records import EngineReport, PlannedExecution, Rate
from toril.worker import life, processes
from toril.worker.disk import put_whole
from toril.worker.engines import Facts
from toril.worker.engines.base import Engine

PARK_TIMEOUT_S = 180.0  # a JVM on a busy machine takes its time; longer than this is a hang

log = logging.getLogger("toril.worker")


@dataclass(slots=True, kw_only=True, eq=False)
class EngineRun:
    """One engine at work: when its load begins, and what has been read of it."""

    engine: Engine
    begins_at: float | None = None  # seconds since the epoch, once it is known
    queued_until: float | None = None  # the last moment at which it was due, but others had all the slots
    started: bool = False
    started_at: float = 0.0  # by the machine's own clock
    ended: bool = False
    killed: bool = False
    samples: int = 0
    first_started_s: float | None = None
    last_completed_s: float | None = None  # seconds since the epoch
    unfinished: int = 0
    dropped: int | None = None
    users: int = 0
    first_users_at: float | None = None  # when users were first seen, seconds since the epoch
    ended_at: float | None = None
    hurried_s: float = math.inf  # what an early end allows requests in flight
    facts: Facts = field(default_factory=Facts)

    @property
    def planned(self) -> PlannedExecution:
        return self.engine.context.planned

    @property
    def execution(self) -> str:
        return self.planned.name

    @property
    def grace_s(self) -> float:
        """How long requests in flight were allowed to finish after the load's end."""
        return min(self.engine.context.graceful_stop_s, self.hurried_s)

    def due(self, start_at: float) -> float:
        """When its load is planned to begin, in a run that starts then."""
        context = self.engine.context
        return start_at + context.planned.delay_s + context.phase_shift_s

    def open(self, at: float) -> None:
        """Open the gate: the load begins at this time."""
        self.begins_at = at
        put_whole(self.engine.context.gate, f"{at!r}\n")

    def start(self) -> None:
        self.started_at = time.monotonic()
        self.engine.startup()
        self.started = True

    def log_parked(self) -> None:
        """Log the time and CPU of its start; bench/engine_start.py reads the line."""
        took_s, cpu_s = time.monotonic() - self.started_at, processes.cpu_s(self.engine.process.pid)
        log.info("%s: its engine was parked after %.2f s and %.2f s of CPU", self.execution, took_s, cpu_s)

    @property
    def at_work(self) -> bool:
        return self.started and not self.ended

    def queued_s(self, start_at: float) -> float:
        """How long it waited for others (`sequential`, `capacity`) beyond its plan."""
        return 0.0 if self.queued_until is None else max(0.0, self.queued_until - self.due(start_at))

    def lateness_s(self, start_at: float) -> float | None:
        """The first user, or the schedule's first request, against the plan; None when there was neither.

        Waiting for others is excused, a slow or late engine is not, and a user that begins with a pause is not late.
        """
        seen = (self.facts.begun_at, self.first_started_s, self.first_users_at)
        begun_at = min((at for at in seen if at is not None), default=None)
        if begun_at is None:
            return None
        due = self.due(start_at) + self.engine.context.first_due_s
        return max(0.0, begun_at - due - self.queued_s(start_at))

    def report(self, start_at: float, redacted: Callable[[str], str]) -> EngineReport:
        """Its part of exit.json."""
        facts = self.facts
        ended_at = self.ended_at if facts.ended_at is None else facts.ended_at
        return EngineReport(
            samples=self.samples,
            unfinished=self.unfinished,
            dropped=self.dropped,
            queued_s=self.queued_s(start_at),
            ended_s=None if ended_at is None else ended_at - start_at,
            unfinished_users=facts.unfinished_users,
            own_shape=facts.own_shape,
            script_errors={redacted(label): count for label, count in facts.script_errors.items()},
            script_failed=redacted(facts.script_failed),
            note=redacted(facts.note),
        )


class EngineRuns(tuple[EngineRun, ...]):
    """All of them, in the order of the share; `slots` is how many may be at work at once (None: all)."""

    slots: int | None
    rate_lateness_s: dict[int, float]  # number of a rate → how long after its moment it was seen

    @classmethod
    def of(cls, engines: Sequence[Engine], slots: int | None) -> "EngineRuns":
        runs = cls(EngineRun(engine=engine) for engine in engines)
        runs.slots = slots
        runs.rate_lateness_s = {}
        return runs

    def park(self) -> None:
        """Start the engines that can wait for their gates, also those that will have to wait for a slot.

        Those with a lead of their own are started when it begins: a duet has far too many to park all at once.
        """
        for run in self:
            if run.engine.parks and run.planned.lead_s is None:
                run.start()

    def parked(self, waited_s: float) -> Iterator[life.Event]:
        waiting = [run for run in self if run.started and not run.engine.context.parked.exists()]
        if not waiting:
            for run in self:
                if run.started:
                    run.log_parked()
            yield life.Parked()
        elif waited_s > PARK_TIMEOUT_S:
            yield life.Failed(f"{waiting[0].execution}: its engine was not ready within {PARK_TIMEOUT_S:g} s")

    def open(self, start_at: float) -> None:
        """Give the slots to those that are due first; the engines that are parked learn when they begin."""
        for run in self._by_due(start_at)[: self.slots]:
            if run.started:
                run.open(run.due(start_at))

    def start_due(self, now: float, start_at: float) -> None:
        """Begin what is due and has a slot: engines that cannot be parked, and those that waited for others."""
        self._start_ahead(now, start_at)
        free = (self.slots or len(self)) - sum(run.begins_at is not None and not run.ended for run in self)
        for run in self._by_due(start_at):
            if run.begins_at is not None or run.ended or now < run.due(start_at):
                continue
            if free <= 0:
                run.queued_until = now
                continue
            run.open(run.due(start_at) if run.queued_until is None else now)
            if not run.started:
                run.start()
            free -= 1

    def _start_ahead(self, now: float, start_at: float) -> None:
        """Start and park those whose lead has begun; an engine may take a gate that is open already for a late one."""
        for run in self:
            lead_s = run.planned.lead_s
            if lead_s is None or not run.engine.parks or run.ended or run.begins_at is not None:
                continue
            if run.started:
                if run.engine.context.parked.exists():
                    run.log_parked()
                    run.open(run.due(start_at))
            elif now >= run.due(start_at) - lead_s:
                run.start()

    def adjust(self, rate: Rate, now: float) -> None:
        """Change the rate of that execution, if it is this worker's, and note how late that is."""
        for run in self:
            engine = run.engine
            if run.execution == rate.execution and run.at_work and engine.adjustable:
                engine.adjust(rate.at, rate.rps)
                self.rate_lateness_s[rate.number] = max(0.0, now - rate.at)
                log.info("%s: %g/s, %+.2f s from now on", run.execution, rate.rps, rate.at - now)

    def next_due(self, now: float, start_at: float) -> float | None:
        """Seconds until the next engine is to be started; None when there is none."""
        waits = [run.due(start_at) - now for run in self if run.begins_at is None and not run.ended]
        return min((wait for wait in waits if wait > 0), default=None)

    def newly_ended(self) -> Iterator[tuple[EngineRun, str | None]]:
        """Runs whose engine has ended since the last call, and bzt's complaint about it."""
        for run in self:
            if not run.at_work:
                continue
            complaint = None
            try:
                run.ended = run.engine.check()
            except (Exception, TaurusException) as error:
                log.warning("%s: %s", run.execution, error)
                run.ended = run.engine.process is None or run.engine.exit_code is not None
                complaint = str(error)
            if run.ended:
                run.ended_at = time.time()
                log.info("%s: its engine ended with exit code %s", run.execution, run.engine.exit_code)
                yield run, complaint

    def single_threaded(self) -> list[int]:
        """The process groups of engines that cannot use more than one core a process."""
        return [run.engine.process.pid for run in self if run.started and run.engine.single_threaded]

    def processes(self) -> list[int]:
        """The process groups of all engines that are at work."""
        return [run.engine.process.pid for run in self if run.at_work and run.engine.process is not None]

    def end(self, within_s: float, now: float) -> None:
        """End the load: engines that have begun may finish their requests, those at their gates are killed."""
        for run in self:
            if run.at_work:
                run.hurried_s = within_s
                run.engine.end(within_s)
                if run.begins_at is None or run.begins_at > now:
                    processes.kill_group(run.engine.process.pid)
            run.ended = run.ended or not run.started

    def lateness_s(self, start_at: float | None) -> dict[str, float]:
        """By execution, of those that have begun."""
        if start_at is None:
            return {}
        return {run.execution: late_s for run in self if (late_s := run.lateness_s(start_at)) is not None}

    def reports(self, start_at: float | None, redacted: Callable[[str], str]) -> dict[str, EngineReport]:
        """By execution; empty without a start."""
        return {} if start_at is None else {run.execution: run.report(start_at, redacted) for run in self}

    def kill(self) -> int:
        """Kill all engines; returns how many were still alive."""
        alive = [run for run in self if run.started and run.engine.process and run.engine.exit_code is None]
        for run in alive:
            if not run.killed:
                log.warning("%s: killing its engine", run.execution)
            run.killed = True
            processes.kill_group(run.engine.process.pid)
        return len(alive)

    def _by_due(self, start_at: float) -> list[EngineRun]:
        return sorted(self, key=lambda run: run.due(start_at))
