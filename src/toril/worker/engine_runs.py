"""Runs a worker's executions side by side: starts, parks, checks and ends their engines."""

import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from bzt import TaurusException, ToolError  # no Exception

from toril.engines import LoadFacts
from toril.engines.base import Engine
from toril.engines.disk import write_atomically
from toril.records import BASE, EngineReport, MissingValue, PlannedExecution, Rate
from toril.worker import life, processes
from toril.worker.turns import Bools, Floats, Ints, turn_of

MOST_MISSING = 1_000  # values of an execution
PARK_TIMEOUT_S = 180.0  # a JVM starts slowly on a busy machine; beyond this it hangs
TRY_LEAD_S = 0.5  # an engine on a busy machine reads its gate late, and a try must drop no request

log = logging.getLogger("toril.worker")


@dataclass(slots=True, kw_only=True, eq=False)
class EngineRun:
    """One engine's run: its times and counts so far."""

    engine: Engine
    begins_at: float | None = None  # begin of its load, seconds since the epoch; None until known
    queued_until: float | None = None  # last time at which it was due and no slot was free
    started: bool = False
    started_at: float = 0.0  # by the monotonic clock
    ended: bool = False
    killed: bool = False
    samples: Counter[int] = field(default_factory=Counter)  # by arm; `unfinished` and `dropped` too
    first_started_s: float | None = None
    last_completed_s: float | None = None  # seconds since the epoch
    unfinished: Counter[int] = field(default_factory=Counter)
    dropped: Counter[int] | None = None  # None: it has no schedule
    users: int = 0
    busy: float = 0.0  # as of `Sends`
    first_users_at: float | None = None  # first time with users, seconds since the epoch
    ended_at: float | None = None
    early_grace_s: float = math.inf  # time that an early end gives requests in flight
    facts: LoadFacts = field(default_factory=LoadFacts)

    @property
    def planned(self) -> PlannedExecution:
        return self.engine.context.planned

    @property
    def execution(self) -> str:
        return self.planned.name

    @property
    def names(self) -> dict[int, str]:
        """The names of the executions that its engine sends, by arm."""
        base = self.engine.context.base
        return {self.planned.arm: self.execution, **({} if base is None else {BASE: base.execution})}

    def turns_of(self, at: Floats) -> tuple[Ints, Ints, Bools]:
        """Returns arm and block of requests by their begin (seconds since the epoch), and whether they are compared.

        Only for engines that send in turns.
        """
        context = self.engine.context
        arm, block, within = turn_of(context.turns, context.arms, at - float(self.begins_at or 0))
        return arm, block, within & (block > 0)

    def arm_at(self, at: float) -> int:
        """Returns the arm of a request by its begin, in seconds since the epoch."""
        return int(self.turns_of(np.array([at]))[0][0]) if self.engine.context.turns else self.planned.arm

    @property
    def grace_s(self) -> float:
        """The time that requests in flight had to finish after the load's end, in seconds."""
        return min(self.engine.context.graceful_stop_s, self.early_grace_s)

    def due(self, start_at: float) -> float:
        """Returns the planned begin of its load in a run that starts at `start_at`."""
        context = self.engine.context
        return start_at + context.planned.delay_s + context.phase_shift_s

    def open(self, at: float) -> None:
        """Open the gate: the load begins at this time."""
        self.begins_at = at
        write_atomically(self.engine.context.gate, f"{at!r}\n")

    def start(self) -> None:
        self.started_at = time.monotonic()
        self.engine.renew_keys()  # it may have waited for its turn for hours
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
        """Returns the time that it waited for a slot (`sequential`, `capacity`), in seconds."""
        return 0.0 if self.queued_until is None else max(0.0, self.queued_until - self.due(start_at))

    def lateness_s(self, start_at: float) -> float | None:
        """Returns how late its first user or scheduled request began, in seconds; None without either.

        Waiting for a slot does not count, and a user that begins with a pause is not late.
        """
        seen = (self.facts.begun_at, self.first_started_s, self.first_users_at)
        begun_at = min((at for at in seen if at is not None), default=None)
        if begun_at is None:
            return None
        due = self.due(start_at) + self.engine.context.first_due_s
        return max(0.0, begun_at - due - self.queued_s(start_at))

    def report(self, arm: int, start_at: float, redacted: Callable[[str], str]) -> EngineReport:
        """Returns its part of exit.json, with the counts of one arm."""
        facts = self.facts
        ended_at = self.ended_at if facts.ended_at is None else facts.ended_at
        return EngineReport(
            samples=self.samples[arm],
            unfinished=self.unfinished[arm],
            dropped=None if self.dropped is None else self.dropped[arm],
            queued_s=self.queued_s(start_at),
            ended_s=None if ended_at is None else ended_at - start_at,
            unfinished_users=facts.unfinished_users,
            own_shape=facts.own_shape,
            due_user_s=facts.due_user_s,
            script_errors={redacted(label): count for label, count in facts.script_errors.items()},
            script_failed=redacted(facts.script_failed),
            missing_values=tuple(
                MissingValue(label=redacted(label), variable=redacted(variable), responses=count)
                for label, variable, count in facts.missing_values[:MOST_MISSING]
            ),
            criteria=tuple({key: redacted(value) for key, value in rule.items()} for rule in facts.criteria),
            note=redacted(facts.note),
        )


class EngineRuns(tuple[EngineRun, ...]):
    """All runs in the order of the share. At most `slots` of them run at once (None: all)."""

    slots: int | None
    rate_lateness_s: dict[int, float]  # rate number → seconds from its time until it was applied

    @classmethod
    def of(cls, engines: Sequence[Engine], slots: int | None) -> "EngineRuns":
        for engine in engines:
            if engine.context.turns and not engine.switches:
                why = f"{engine.tool_name} cannot pause between the slices of a duet"
                raise ToolError(f"{why}. Start a new run with the workers' version of toril")
        runs = cls(EngineRun(engine=engine) for engine in engines)
        runs.slots = slots
        runs.rate_lateness_s = {}
        return runs

    def park(self) -> None:
        """Start the engines that can wait at their gates, including those without a free slot.

        Engines with a lead (`lead_s`) start when it begins: a duet has too many to park all at once.
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
            yield life.Failed(
                f"{waiting[0].execution}: the engine was not ready within {PARK_TIMEOUT_S:g} s; see bzt.log"
            )

    def open(self, start_at: float) -> None:
        """Give the slots to the runs that are due first, and open the gates of those that are parked."""
        for run in self._by_due(start_at)[: self.slots]:
            if run.started:
                run.open(run.due(start_at))

    def start_due(self, now: float, start_at: float) -> None:
        """Begin the runs that are due and have a slot: engines that cannot park, and runs that waited for a slot."""
        self._start_ahead(now, start_at)
        free = (self.slots or len(self)) - sum(run.begins_at is not None and not run.ended for run in self)
        for run in self._by_due(start_at):
            if run.begins_at is not None or run.ended or now < run.due(start_at):
                continue
            if free <= 0:
                run.queued_until = now
                continue
            lead_s = TRY_LEAD_S if run.engine.context.tried else 0.0
            run.open(run.due(start_at) if run.queued_until is None else now + lead_s)
            if not run.started:
                run.start()
            free -= 1

    def _start_ahead(self, now: float, start_at: float) -> None:
        """Start runs whose lead has begun; open each gate after parking, or its engine may believe that it is late."""
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
        """Apply the rate if this worker runs its execution, and record how late that was."""
        for run in self:
            engine = run.engine
            if run.execution == rate.execution and run.at_work and engine.adjustable:
                engine.adjust(rate.at, rate.rps)
                self.rate_lateness_s[rate.number] = max(0.0, now - rate.at)
                log.info("%s: rate %g/s in %+.2f s", run.execution, rate.rps, rate.at - now)

    def next_due(self, now: float, start_at: float) -> float | None:
        """Returns the seconds until the next run is due; None without one."""
        waits = [run.due(start_at) - now for run in self if run.begins_at is None and not run.ended]
        return min((wait for wait in waits if wait > 0), default=None)

    def newly_ended(self) -> Iterator[tuple[EngineRun, str | None]]:
        """Returns the runs whose engine has ended since the last call, each with bzt's error or None."""
        for run in self:
            if not run.at_work:
                continue
            message = None
            try:
                run.ended = run.engine.check()
            except (Exception, TaurusException) as error:
                log.warning("%s: %s", run.execution, error)
                run.ended = run.engine.process is None or run.engine.exit_code is not None
                message = str(error)
            if run.ended:
                run.ended_at = time.time()
                log.info("%s: its engine ended with exit code %s", run.execution, run.engine.exit_code)
                yield run, message

    def single_threaded(self) -> list[int]:
        """Returns the process groups of engines that use at most one core a process."""
        return [run.engine.process.pid for run in self if run.started and run.engine.single_threaded]

    def processes(self) -> list[int]:
        """Returns the process groups of all running engines."""
        return [run.engine.process.pid for run in self if run.at_work and run.engine.process is not None]

    def end(self, within_s: float, now: float) -> None:
        """End the load: engines under load may finish their requests; parked engines are killed."""
        for run in self:
            if run.at_work:
                run.early_grace_s = within_s
                run.engine.end(within_s)
                if run.begins_at is None or run.begins_at > now:
                    processes.kill_group(run.engine.process.pid)
            run.ended = run.ended or not run.started

    def lateness_s(self, start_at: float | None) -> dict[str, float]:
        """Returns the lateness of each execution that has begun."""
        if start_at is None:
            return {}
        return {run.execution: late_s for run in self if (late_s := run.lateness_s(start_at)) is not None}

    def reports(self, start_at: float | None, redacted: Callable[[str], str]) -> dict[str, EngineReport]:
        """Returns the reports by execution; none without a start."""
        if start_at is None:
            return {}
        return {name: run.report(arm, start_at, redacted) for run in self for arm, name in run.names.items()}

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
