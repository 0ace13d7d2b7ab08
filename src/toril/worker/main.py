"""The worker's entry point: signals, the store, and the loop that drives the pure machine of `machine.py`."""

import contextlib
import logging
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator
from types import FrameType

from bzt import TaurusException  # no Exception

from toril import __version__
from toril.errors import StoreError
from toril.intervals import Recorder
from toril.records import Exit, Plan, Ready, Start, Stop, run_key, worker_key
from toril.store import Store, open_store
from toril.worker import logs, machine, processes, share
from toril.worker.capture import Capture
from toril.worker.disk import Scratch
from toril.worker.early import EARLY, ENDING
from toril.worker.lanes import Lanes
from toril.worker.machine import State
from toril.worker.offset import clock_offset
from toril.worker.vitals import Vitals

LOOP_S = 0.1
POLL_S = 0.1  # looking for start.json and stop.json in a folder
EXIT_CODE_FAILED = 4


class Interrupted(BaseException):
    """A signal arrived while bzt was preparing; raised in its midst, since preparing may take long."""


class Worker:
    """One attempt at one share of a run."""

    def __init__(self, store: Store, run_id: str, worker: str, attempt: str) -> None:
        self.store, self.run_id, self.worker, self.attempt = store, run_id, worker, attempt
        where = run_key(run_id, "plan.json")
        self.plan = Plan.from_json(store.get(where), where)
        self.share = share.share_of(self.plan, worker)
        self.limits = machine.Limits(
            worker=worker,
            attempt=attempt,
            graceful_stop_s=self.plan.graceful_stop_s,
            planned_s=self._planned_s(),
            max_duration_s=self.plan.max_duration_s,
        )
        self.state = State()
        self.recorder = Recorder(worker, self.share.location)
        self.flush_s = float(os.environ.get("TORIL_FLUSH_S", "1"))
        self._disk = Scratch()
        self.scratch = self._disk.folder
        self.log = logging.getLogger("toril.worker")
        self.lanes = Lanes()
        self.capture: Capture | None = None
        self.vitals: Vitals | None = None
        self.taurus: object | None = None
        self.signals: list[str] = []  # not yet told to the machine
        self.preparing = False
        self.killed = 0
        self.prepared_at = float("inf")
        self._stop_seen = False
        self._polled_at = self._flushed_at = float("-inf")

    # ── the whole story

    def run(self) -> int:
        """From preparing to exit.json; the process's exit code."""
        logs.begin(self.scratch / "bzt.log")
        try:
            self._tell(*self._from_store(time.time()))  # a stale start is found before anything is prepared
            if self.state.phase != "ended":
                self._prepare()
            while self.state.phase != "ended":
                self._tell(*self._what_happened(time.time()))
                self._record(time.time())
                self._wait()
            self._finish()
        finally:
            processes.kill_all(self._leaders())
            self._disk.remove()
        return EXIT_CODE_FAILED if self.state.outcome == "failed" else 0

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        self.signals.append(signal.Signals(number).name)
        if self.preparing:
            self.preparing = False
            raise Interrupted

    def on_parent_gone(self) -> None:
        self.signals.append("the coordinator ended")
        os.kill(os.getpid(), signal.SIGTERM)

    def _prepare(self) -> None:
        from toril.worker.taurus import Taurus, engine_settings, reason_of, without_orphaned_settings

        suite = self.scratch / "suite"
        try:
            self.preparing = True
            if self.signals:
                raise Interrupted
            share.copy_suite(self.store, self.run_id, suite)
            share.split_data(self.share, suite)
            os.chdir(suite)
            without_orphaned_settings()
            share.set_environment(os.environ, self.plan, self.share, self.scratch / "home")
            stations = share.stations(self.plan, self.share, self.scratch, suite)
            settings = engine_settings((one.planned.executor for one in stations), self.share.index)
            configured = share.configuration(self.plan, self.share, self.scratch / "artifacts", settings)
            share.write_configuration(configured, self.scratch / "taurus.json")
            taurus = Taurus(logging.getLogger("bzt"), stations)
            self.taurus = taurus
            self.lanes = Lanes.of(taurus.ready(self.scratch / "taurus.json"), taurus.slots)
            self.lanes.park()
            self.preparing = False
        except Interrupted:
            self.log.warning("Interrupted while preparing")
        except (Exception, TaurusException) as error:
            self.preparing = False
            self.log.exception("Preparing failed")
            if not self.signals:  # bzt catches what it finds, and may have put an interruption into other words
                self._tell(machine.Failed(reason_of(error)))
        self.prepared_at = time.time()

    # ── events

    def _tell(self, *events: machine.Event) -> None:
        for event in events:
            before = self.state.phase
            self.state, actions = machine.step(self.state, event, time.time(), self.limits)
            if self.state.phase != before:
                self.log.info("%s → %s %s", before, self.state.phase, self.state.message)
            for action in actions:
                self._do(action)

    def _what_happened(self, now: float) -> Iterator[machine.Event]:
        told, self.signals = self.signals, []
        yield from (machine.Signalled(why) for why in told)
        try:
            yield from self._from_store(now)
        except StoreError as error:
            yield machine.Failed(str(error))
        yield from self._from_engines(now)
        yield machine.Tick()

    def _from_store(self, now: float) -> Iterator[machine.Event]:
        if now < self._polled_at + POLL_S:
            return
        self._polled_at = now
        if self.state.phase in ("preparing", "ready"):
            key = run_key(self.run_id, "start.json")
            found = self.store.find(key)
            if found is not None:
                yield machine.Started(Start.from_json(found, key))
        if not self._stop_seen:
            key = run_key(self.run_id, "stop.json")
            found = self.store.find(key)
            if found is not None:
                self._stop_seen = True
                yield machine.Stopped(Stop.from_json(found, key))

    def _from_engines(self, now: float) -> Iterator[machine.Event]:
        for lane, complaint in self.lanes.newly_ended():
            if self.capture is not None:
                self.capture.read(lane, final=True)
            failure = lane.engine.failure() or complaint
            if self.state.phase in ("preparing", "ready"):
                yield machine.Failed(failure or f"{lane.execution}: the engine ended before the start")
            elif failure and self.state.phase == "running":
                yield machine.Failed(f"{lane.execution}: {failure}")
        if self.state.phase == "preparing":
            yield from self.lanes.parked(now - self.prepared_at)
        elif self.state.start_at is not None:
            if self.state.phase == "running":
                self.lanes.start_due(now, self.state.start_at)
            if all(lane.ended for lane in self.lanes):
                yield machine.Done()

    # ── actions

    def _do(self, action: machine.Action) -> None:
        match action:
            case machine.SayReady():
                offset_s, uncertainty_s = clock_offset(self.store, time.time)
                ready = Ready(
                    worker=self.worker,
                    attempt=self.attempt,
                    at=time.time(),
                    toril_version=__version__,
                    pid=os.getpid(),
                    clock_offset_s=round(offset_s, 6),
                    clock_uncertainty_s=round(uncertainty_s, 6),
                    image_digest=os.environ.get("TORIL_IMAGE_DIGEST"),
                )
                self.store.put(self._key("ready.json"), ready.to_json())
            case machine.OpenGates(at):
                self.lanes.open(at)
                self.capture = Capture(self.recorder, self.lanes, at)
                self.vitals = Vitals(self.recorder, self.lanes, at, time.time())
            case machine.EndLoad(within_s):
                self.lanes.end(within_s, time.time())
            case machine.Kill():
                self.killed += self.lanes.kill()

    # ── records

    def _record(self, now: float) -> None:
        if self.capture is None or self.vitals is None:
            return
        for lane in self.lanes:
            if lane.at_work:
                self.capture.read(lane)
        self.capture.count_users(now)
        self.vitals.record(now)
        if now >= self._flushed_at + self.flush_s:
            self._flushed_at = now
            self._flush()

    def _flush(self) -> None:
        while (data := self.recorder.flush()) is not None:
            self.store.put(self._key(f"intervals-{self.recorder.files:06d}"), data)

    def _wait(self) -> None:
        if self.state.phase == "ended" or self.signals:
            return
        wait_s = None if self.state.start_at is None else self.lanes.next_due(time.time(), self.state.start_at)
        seconds = LOOP_S if wait_s is None else min(LOOP_S, wait_s)
        (time if self.vitals is None else self.vitals).sleep(seconds)

    # ── the end

    def _finish(self) -> None:
        from toril.worker.taurus import Taurus

        for lane in self.lanes:
            if self.capture is not None and lane.at_work:
                with contextlib.suppress(Exception):
                    lane.engine.process.wait(timeout=1)
                self.capture.read(lane, final=True)
        if self.capture is not None and self.vitals is not None:
            self.capture.count_users(time.time())
            self.vitals.record(time.time())
            self.vitals.end()
        self._flush()
        self.killed += processes.kill_all(self._leaders())
        if isinstance(self.taurus, Taurus) and not self.state.signals:
            self.taurus.end([lane.engine for lane in self.lanes])
        self.store.put(self._key("bzt.log"), logs.collected(self.scratch / "bzt.log", self.scratch / "artifacts"))
        if self.state.outcome == "failed":
            sys.stderr.write(self.state.message + "\n")
        self.store.put(self._key("exit.json"), self._exit().to_json())

    def _exit(self) -> Exit:
        own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        now = time.time()
        signalled_at = self.state.signalled_at
        return Exit(
            worker=self.worker,
            attempt=self.attempt,
            at=now,
            outcome=self.state.outcome,
            message=self.state.message,
            interval_files=self.recorder.files,
            samples=sum(lane.samples for lane in self.lanes),
            unfinished=sum(lane.unfinished for lane in self.lanes),
            unreadable_records=sum(lane.engine.unreadable() for lane in self.lanes),
            engine_exit_codes={lane.execution: lane.exit_code for lane in self.lanes},
            engines_killed=self.killed,
            signals=self.state.signals,
            ended_after_signal_s=None if signalled_at is None else now - signalled_at,
            cpu_worker_s=own.ru_utime + own.ru_stime,
            cpu_engines_s=children.ru_utime + children.ru_stime,
            last_sample_s=max(
                (lane.last_completed_s - (self.state.start_at or 0.0) for lane in self.lanes if lane.last_completed_s),
                default=None,
            ),
            first_sample_lateness_s=self.lanes.lateness_s(self.state.start_at),
        )

    # ── inside

    def _key(self, name: str) -> str:
        return worker_key(self.run_id, self.worker, self.attempt, name)

    def _leaders(self) -> list[int]:
        return list(getattr(self.taurus, "leaders", []))

    def _planned_s(self) -> float | None:
        """The end of the longest execution; None when one of them is bounded by something else than time."""
        mine = {one.execution for one in self.share.executions}
        planned = [one for one in self.plan.executions if one.name in mine]
        if not all(one.ramp_up_s + one.hold_for_s for one in planned):
            return None
        settings = (self.plan.common.get("modules") or {}).get("local") or {}
        if isinstance(settings, dict) and (settings.get("sequential") or settings.get("capacity")):
            return None
        return max(one.steady_from_s + one.hold_for_s for one in planned)


def run_worker(store_address: str, run_id: str, worker: str, attempt: str, *, watch_parent: bool) -> int:
    """Do one attempt at one share; 0 whatever was measured, 4 when its engines could not do it (exit.json: why)."""
    one = Worker(open_store(store_address), run_id, worker, attempt)
    for number in ENDING:
        signal.signal(number, one.on_signal)
    one.signals[:0] = EARLY.names
    processes.adopt_orphans()
    if watch_parent:
        processes.watch_parent(one.on_parent_gone)
    return one.run()
