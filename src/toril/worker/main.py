"""The worker's entry point: signals, and a share's engines as the load of one attempt (`attempt.py`)."""

import contextlib
import logging
import os
import resource
import secrets
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

from bzt import TaurusException  # no Exception

from toril import __version__
from toril.aws.secrets import read_secrets
from toril.clock import SystemClock
from toril.engines import EngineContext, SharedSetup
from toril.engines.disk import Scratch, is_full
from toril.records import Exit, Kept, Plan, Rate, Ready, Step, run_key
from toril.secrets.redaction import Redactor
from toril.store import Store, open_store
from toril.store.records import get_record
from toril.timeline.intervals import Recorder
from toril.worker import life, logs, once, processes, share
from toril.worker.attempt import Attempt
from toril.worker.capture import Capture, CaseBook, failure_evidence
from toril.worker.early_signals import EARLY, ENDING
from toril.worker.engine_runs import EngineRuns
from toril.worker.evidence import ExchangeBook
from toril.worker.health import Vitals
from toril.worker.hiding import Hiding
from toril.worker.life import State
from toril.worker.logs import RedactedOutput
from toril.worker.once import Once
from toril.worker.pid1 import write_deadline
from toril.worker.ready import measure_offset, task_facts

LOOP_S = 0.1
QUICK_LOOP_S = 0.02  # before a local run's load and around its end, when the coordinator waits
# A quarter of bzt's start is the import of its console and its websocket client, which workers do not use.
UNUSED_BY_WORKERS = ("bzt.modules.console", "urwid", "urwid.font", "socketio", "socketio.exceptions")
EXIT_CODE_FAILED = 4
PATIENCE_S = 10.0  # for one call to a bucket; failed deliveries are retried while the load goes on


class Interrupted(BaseException):
    """A signal arrived during bzt's preparation, which it interrupts, because preparation may take long."""


class Engines:
    """The load of one attempt: the engines of one share, prepared by bzt."""

    def __init__(self, store: Store, plan: Plan, worker: str, attempt: str) -> None:
        self.store, self.plan, self.worker, self.attempt = store, plan, worker, attempt
        self.share = share.share_of(plan, worker)
        self.planned_s = self._planned_s()
        self.redacted = Redactor()
        self.hiding = Hiding(self.redacted)
        # Labels stay as the suite has them, even if a service's cookie has such a value.
        self.recorder = Recorder(worker, self.share.location, self.hiding.label, self.hiding)
        self.cases = CaseBook(worker, self.hiding.label, self.hiding)
        self.exchanges = ExchangeBook(plan.run_id, self.recorder, self.hiding, plan.keeping)
        self._disk = Scratch()
        self.scratch = self._disk.folder
        self.runs = EngineRuns.of((), None)
        self.capture: Capture | None = None
        self.vitals: Vitals | None = None
        self.taurus: Any = None
        self.pending_signals: list[str] = []  # not read by the attempt yet
        self.preparing = False
        self.killed = 0
        self.once = Once(store, plan, worker, attempt, SystemClock(), self.redacted.for_record)
        self._hidden: list[str] = []  # secrets and what setup gave
        self._redacts_output = False
        self.failed = ""  # why the load must end although its engines still run
        self.prepared_at = float("inf")
        self.offset: Future[tuple[float, float]] | None = None
        self._kept: list[Kept] = []
        self._log = logging.getLogger("toril.worker")

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        self.pending_signals.append(signal.Signals(number).name)
        if self.preparing:
            self.preparing = False
            raise Interrupted

    def on_parent_gone(self) -> None:
        self.pending_signals.append("the coordinator ended" if self.plan.on == "local" else "its agent ended")
        os.kill(os.getpid(), signal.SIGTERM)

    def signals(self) -> list[str]:
        names, self.pending_signals = self.pending_signals, []
        return names

    def prepare(self) -> Iterator[life.Event]:
        leave_out_unused_modules()
        from toril.worker.taurus import Taurus, engine_settings, reason_of, remove_outer_settings

        suite = self.scratch / "suite"
        self.offset = measure_offset(self.store, time.time, threaded=self.plan.on != "local")
        try:
            self.preparing = True
            if self.pending_signals:
                raise Interrupted
            secret_values = self._unpack(suite)
            given = self.once.given(lambda: self._call("setup", None, suite, secret_values))
            once.write_rows(given, suite)
            share.split_data(self.share, suite)
            remove_outer_settings()
            secret_values |= self._hide(secret_values, given)
            contexts = [self._with_setup(one) for one in share.contexts(self.plan, self.share, self.scratch, suite)]
            settings = engine_settings(context.planned.executor for context in contexts)
            configured = share.configuration(self.plan, self.share, self.scratch / "artifacts", settings)
            share.write_configuration(configured, self.scratch / "taurus.json")
            self.taurus = Taurus(logging.getLogger("bzt"), contexts, secret_values)
            self.runs = EngineRuns.of(self.taurus.ready(self.scratch / "taurus.json"), self.taurus.slots)
            self.runs.park()
            self.preparing = False
        except Interrupted:
            self._log.warning("Interrupted during preparation")
        except (Exception, TaurusException) as error:
            self.preparing = False
            self._log.exception("Preparation failed")
            if not self.pending_signals:  # bzt may have caught the interruption and raised another error
                yield life.Failed(self.redacted(reason_of(error)))
        self.prepared_at = time.time()

    def tear_down(self) -> None:
        """Runs the run's teardown, in an attempt that has no load."""
        suite = self.scratch / "suite"
        secret_values = self._unpack(suite)

        def run(given: once.Given) -> None:
            self._hide(secret_values, given)
            self._call("teardown", given, suite, {**secret_values, **once.variables_of(given)})

        self.once.tear_down(run)
        self.preparing = False

    def _unpack(self, suite: Path) -> dict[str, str]:
        """Copies the suite, sets its environment, and returns the secret values, which are redacted from here on."""
        share.copy_suite(self.store, self.plan, suite)
        os.chdir(suite)
        share.set_environment(os.environ, self.plan, self.share, self.scratch / "home")
        share.install_packages(self.store, self.plan, self.scratch / "packages", os.environ)
        values = read_secrets(self.plan.secrets_of_workers)
        self._hide(values, {})
        return values

    def _hide(self, secret_values: Mapping[str, str], given: once.Given) -> dict[str, str]:
        """Hides the values in all output of this process from here on. Returns the variables that setup gave."""
        variables, cells = once.hidden_of(given)
        self.hiding.variables(share.credentials(os.environ, self.plan), cells)
        self._hidden += [*secret_values.values(), *variables]
        self.redacted.hide(self._hidden)
        if self._hidden and not self._redacts_output:
            self._redacts_output = True
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would contain them
            RedactedOutput().begin(self.redacted.redacted_bytes)
        return once.variables_of(given)

    def _with_setup(self, context: EngineContext) -> EngineContext:
        """Returns the context with the setup of a k6 script, if several workers have its execution."""
        name, shares = context.planned.name, self.plan.shares
        workers = [one.worker for one in shares if any(part.execution == name for part in one.executions)]
        if context.planned.executor != "k6" or len(workers) < 2:
            return context
        number = [execution.name for execution in self.plan.executions].index(name)

        def run(make: Callable[[], Any]) -> Any:
            value = self.once.shared(f"k6-{number}", workers[0], make)
            self._hide({}, once.texts_in(value))
            return value

        return replace(context, shared_setup=SharedSetup(self.worker == workers[0], run))

    def _call(self, step: Step, given: once.Given | None, suite: Path, values: Mapping[str, str]) -> Any:
        """Returns what the script of a step returns. A signal ends it."""
        script = self.plan.setup if step == "setup" else self.plan.teardown
        assert script is not None  # noqa: S101 - the caller's condition
        environment = once.environment_of(self.plan, os.environ, values)
        try:
            self.preparing = True
            if self.pending_signals:
                raise Interrupted
            return once.call(script, step, given, suite, self.scratch / "artifacts", environment)
        except Interrupted:
            raise once.failed(step, f"{script.script}: it was interrupted before its end") from None

    def events(self, state: State, now: float) -> Iterator[life.Event]:
        for run, message in self.runs.newly_ended():
            if self.capture is not None:
                self.capture.read(run, final=True)
            failure = self.redacted(run.engine.failure() or message or "")
            if state.phase in ("preparing", "ready"):
                yield life.Failed(failure or f"{run.execution}: the engine ended before the start")
            elif failure and state.phase == "running":
                yield life.Failed(f"{run.execution}: {failure}")
        if state.phase == "running" and is_full(self.scratch):
            yield life.Failed("the worker's disk is full; free some space, or raise toril.worker.storage")
        if self.failed and state.phase == "running":
            yield life.Failed(self.redacted(self.failed))
        if state.phase == "preparing":
            yield from self.runs.parked(now - self.prepared_at)
        elif state.start_at is not None:
            if state.phase == "running":
                self.runs.start_due(now, state.start_at)
            if all(run.ended for run in self.runs):
                yield life.Done()

    def open(self, at: float) -> None:
        self.runs.open(at)
        self.capture = Capture(self.recorder, self.runs, at, self.cases, self.exchanges)
        self.vitals = Vitals(self.recorder, self.runs, at, time.time())

    def adjust(self, rate: Rate, now: float) -> None:
        try:
            self.runs.adjust(rate, now)
        except OSError as error:  # engines read rates from files
            self._log.exception("Cannot change the rate")
            self.failed = f"{rate.execution}: cannot change the rate to {rate.rps:g}/s: {error}"

    def end(self, within_s: float, now: float) -> None:
        try:
            self.runs.end(within_s, now)
        except OSError:  # engines watch for files
            self._log.exception("Cannot end the engines; killing them")
            self.kill()

    def kill(self) -> None:
        self.killed += self.runs.kill()

    def record(self, now: float) -> None:
        if self.capture is None or self.vitals is None:
            return
        for run in self.runs:
            if run.at_work:
                self.capture.read(run)
        self.capture.count_users(now)
        self.vitals.record(now)

    def wait(self, state: State) -> None:
        if state.phase == "ended" or self.pending_signals:
            return
        wait_s = None if state.start_at is None else self.runs.next_due(time.time(), state.start_at)
        loop_s = QUICK_LOOP_S if self._is_awaited(state) else LOOP_S
        seconds = loop_s if wait_s is None else min(loop_s, wait_s)
        (time if self.vitals is None else self.vitals).sleep(seconds)

    def _is_awaited(self, state: State) -> bool:
        """Returns whether the coordinator of a local run waits for this worker."""
        if self.plan.on != "local":
            return False
        if state.phase == "draining" or state.start_at is None:
            return True
        return self.planned_s is not None and time.time() > state.start_at + self.planned_s - LOOP_S

    def finish(self, state: State) -> None:
        for run in self.runs:
            if self.capture is not None and run.at_work:
                with contextlib.suppress(Exception):
                    run.engine.process.wait(timeout=1)
                self.capture.read(run, final=True)
        if self.capture is not None and self.vitals is not None:
            self.capture.count_users(time.time())
            self.vitals.record(time.time())
            self.vitals.end()
        self.killed += processes.kill_all(self.taurus.leaders if self.taurus is not None else ())
        if self.taurus is not None and not state.signals:
            self.taurus.end([run.engine for run in self.runs])

    def files(self) -> Iterator[tuple[str, bytes]]:
        yield from self.cases.flush()
        yield from self.exchanges.flush(last=False)

    def last_files(self) -> Iterator[tuple[str, bytes]]:
        if self.capture is not None:
            for run in self.runs:
                self.exchanges.read(run, self.capture.start_at, last=True)
            yield from self.exchanges.flush(last=True)
            for kept, files in failure_evidence(self.runs, self.capture.start_at, self.redacted, self.hiding):
                self._kept.append(kept)
                yield from files.items()
        log, artifacts = self.scratch / "bzt.log", self.scratch / "artifacts"
        yield log.name, logs.collected(log, artifacts, self.redacted.redacted, self.hiding)

    def remove(self) -> None:
        """End all processes and remove all files of this worker."""
        processes.kill_all(self.taurus.leaders if self.taurus is not None else ())
        self._disk.remove()

    def ready(self) -> Ready:
        assert self.offset is not None  # noqa: S101 - prepare() sets it
        offset_s, uncertainty_s = self.offset.result()
        return Ready(
            worker=self.worker,
            attempt=self.attempt,
            at=time.time(),
            toril_version=__version__,
            pid=os.getpid(),
            instance=secrets.token_hex(8),
            clock_offset_s=round(offset_s, 6),
            clock_uncertainty_s=round(uncertainty_s, 6),
            **task_facts(os.environ),
        )

    def exit(self, state: State, now: float) -> Exit:
        own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        signalled_at = state.signalled_at
        return Exit(
            worker=self.worker,
            attempt=self.attempt,
            at=now,
            outcome="stale" if state.outcome == "superseded" else state.outcome,
            message=self.redacted.for_record(state.message),
            interval_files=self.recorder.files,
            case_files=self.cases.files,
            evidence_files=self.exchanges.files,
            interval_digests=self.recorder.digests,
            case_digests=self.cases.digests,
            samples=sum(run.samples.total() for run in self.runs),
            unfinished=sum(run.unfinished.total() for run in self.runs),
            unreadable_records=sum(run.engine.unreadable() for run in self.runs),
            engine_exit_codes={run.execution: run.engine.exit_code for run in self.runs},
            engines_killed=self.killed,
            signals=state.signals,
            ended_after_signal_s=None if signalled_at is None else now - signalled_at,
            cpu_worker_s=own.ru_utime + own.ru_stime,
            cpu_engines_s=children.ru_utime + children.ru_stime,
            last_sample_s=max(
                (run.last_completed_s - (state.start_at or 0.0) for run in self.runs if run.last_completed_s),
                default=None,
            ),
            first_sample_lateness_s=self.runs.lateness_s(state.start_at),
            executions=self.runs.reports(state.start_at, self.redacted.for_record),
            rate_lateness_s=dict(self.runs.rate_lateness_s),
            kept=tuple(self._kept),
        )

    def _planned_s(self) -> float | None:
        """Returns the seconds from the start to the end of the longest execution; None if time does not limit it."""
        mine = {execution.execution for execution in self.share.executions}
        planned = [execution for execution in self.plan.executions if execution.name in mine]
        if not all(execution.ramp_up_s + execution.hold_for_s for execution in planned):
            return None
        if self.plan.in_turns:
            return None
        return max(execution.steady_from_s + execution.hold_for_s for execution in planned)


class StandIn(ModuleType):
    """An empty module: each name imported from it is an empty class."""

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


def leave_out_unused_modules() -> None:
    """Puts stand-ins in the place of modules that bzt imports and no worker uses."""
    for name in UNUSED_BY_WORKERS:
        sys.modules.setdefault(name, StandIn(name))


def run_worker(store_address: str, run_id: str, worker: str, attempt: str, *, watch_parent: bool) -> int:
    """Run one attempt at one share; returns exit code 4 if it failed (exit.json has the reason), else 0."""
    store = open_store(store_address, patience_s=PATIENCE_S)
    plan = get_record(store, Plan, run_key(run_id, "plan.json"))
    engines = Engines(store, plan, worker, attempt)
    try:
        for number in ENDING:
            signal.signal(number, engines.on_signal)
        engines.pending_signals[:0] = EARLY
        processes.adopt_orphans()
        if watch_parent:
            processes.watch_parent(engines.on_parent_gone)
        logs.begin(engines.scratch / "bzt.log")
        own = Attempt(store, plan, worker, attempt, engines, SystemClock())
        if own.launch is not None:
            write_deadline(own.launch.deadline)
        state = own.run(threaded=plan.on != "local")
    finally:
        engines.remove()
    if state.outcome in ("failed", "superseded"):
        sys.stderr.write(state.message + "\n")
    return EXIT_CODE_FAILED if state.outcome == "failed" else 0
