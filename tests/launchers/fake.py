"""A launcher with workers that are objects in this process, driven by a stepped clock."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.clocks import SteppedClock
from toril import __version__
from toril.errors import Note
from toril.launchers import WorkerExit
from toril.records import Exit, Launch, Plan, RanTask, Ready, Start, run_key, worker_key
from toril.store import Store
from toril.timeline.intervals import Recorder


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """The behaviour of a worker's attempt, in seconds of true time."""

    begins: bool = True  # False: its task fails to start for a temporary reason
    ready_after_s: float = 1.0
    fails: str = ""  # the reason of a failure before it is ready
    gone_after_s: float = float("inf")  # after the start, it dies without an exit.json
    obeys: bool = True  # stop.json and SIGTERM
    ahead_s: float = 0.0  # how far its clock is ahead
    version: str = __version__


@dataclass(slots=True)
class Worker:
    """The process of one attempt."""

    store: Store
    plan: Plan
    worker: str
    attempt: str
    script: Script
    born_at: float
    start: Start | None = None
    is_ready: bool = False
    gone: WorkerExit | None = None
    recorded_s: int = 0  # seconds of load
    flushed_at: float = 0.0
    recorder: Recorder = field(init=False)

    def __post_init__(self) -> None:
        self.recorder = Recorder(self.worker, "local")
        if not self.script.begins:
            self.gone = WorkerExit("no capacity", again=True)

    def step(self, now: float) -> None:
        if self.gone is None:
            self._prepare(now)
        if self.gone is None and self.is_ready:
            self._poll(now)
        if self.gone is None and self.start is not None:
            self._load(now, self.start)

    def end(self, outcome: str, now: float, message: str = "") -> None:
        self._flush(now)
        record = Exit(
            worker=self.worker,
            attempt=self.attempt,
            at=now + self.script.ahead_s,
            outcome=outcome,
            message=message,
            interval_files=self.recorder.files,
            interval_digests=self.recorder.digests,
            samples=self.recorder.samples,
        )
        self.store.put_once(self.key("exit.json"), record.to_json())
        self.gone = WorkerExit("exit code 0")

    def key(self, name: str) -> str:
        return worker_key(self.plan.run_id, self.worker, self.attempt, name)

    def _prepare(self, now: float) -> None:
        if self.is_ready or now < self.born_at + self.script.ready_after_s:
            return
        if self.script.fails:
            self.end("failed", now, self.script.fails)
            return
        self.is_ready = True
        ready = Ready(
            worker=self.worker,
            attempt=self.attempt,
            at=now + self.script.ahead_s,
            toril_version=self.script.version,
            pid=1,
            clock_offset_s=self.script.ahead_s,
        )
        self.store.put_once(self.key("ready.json"), ready.to_json())

    def _poll(self, now: float) -> None:
        if self.script.obeys and self.store.find(run_key(self.plan.run_id, "stop.json")) is not None:
            self.end("stopped", now)
            return
        found = self.store.find(run_key(self.plan.run_id, "start.json"))
        if self.start is None and found is not None:
            self.start = Start.from_json(found, "start.json")
            if self.start.attempts.get(self.worker) != self.attempt:
                self.end("stale", now, "start.json does not list this attempt")

    def _load(self, now: float, start: Start) -> None:
        elapsed_s = now + self.script.ahead_s - start.at
        if elapsed_s > self.script.gone_after_s:
            self.gone = WorkerExit("OutOfMemoryError: the container was killed")
            return
        while self.recorded_s < min(elapsed_s, self.plan.duration_s):
            (one,) = self.plan.executions
            self.recorder.add_one(one.name, completed_s=self.recorded_s + 0.5, label="home", response_us=1000)
            self.recorder.virtual_users(self.recorded_s, one.name, one.concurrency or 1)
            self.recorded_s += 1
        if elapsed_s >= self.plan.duration_s:
            self.end("finished", now)
        elif now >= self.flushed_at + self.plan.pace.flush_s:
            self._flush(now)

    def _flush(self, now: float) -> None:
        self.flushed_at = now
        while (data := self.recorder.flush()) is not None:
            self.store.put_once(self.key(f"intervals-{self.recorder.files:06d}"), data)


class FakeLauncher:
    """`scripts` by worker, or by worker and number of the issued attempt: `local-1`, `local-1 #2`."""

    longest_s: float | None = None

    def __init__(self, store: Store, clock: SteppedClock, scripts: Mapping[str, Script] | None = None) -> None:
        self.store, self.clock, self.scripts = store, clock, scripts or {}
        self.workers: dict[str, Worker] = {}
        self.launched: list[tuple[str, str]] = []
        self.terminated: list[str] = []
        self.killed: list[str] = []
        self.released = self.closed = self.sweep_cancelled = False
        clock.meanwhile = self.step

    def launch(self, plan: Plan, launch: Launch) -> None:
        self.plan, self.issued = plan, launch
        for worker, attempts in launch.attempts.items():
            self.relaunch(worker, attempts[0])

    def attach(self, plan: Plan, launch: Launch, attempts: Mapping[str, str]) -> None:
        self.plan, self.issued = plan, launch
        for worker, attempt in attempts.items():
            known = self.workers.get(worker)
            if known is None or known.attempt != attempt:
                self.workers[worker] = Worker(self.store, plan, worker, attempt, Script(begins=False), 0.0)

    def relaunch(self, worker: str, attempt: str) -> None:
        self.launched.append((worker, attempt))
        place = self.issued.attempts[worker].index(attempt) + 1
        script = self.scripts.get(f"{worker} #{place}") or self.scripts.get(worker, Script())
        self.workers[worker] = Worker(self.store, self.plan, worker, attempt, script, self.clock.now())

    def ended(self) -> Mapping[str, WorkerExit]:
        return {worker: one.gone for worker, one in self.workers.items() if one.gone is not None}

    def tasks(self) -> Mapping[str, RanTask]:
        return {}

    def notes(self) -> tuple[Note, ...]:
        return ()

    def terminate(self, worker: str) -> None:
        self.terminated.append(worker)
        one = self.workers[worker]
        if one.gone is None and one.script.obeys:
            one.end("stopped", self.clock.now())

    def kill(self, worker: str) -> None:
        self.killed.append(worker)

    def release(self) -> None:
        self.released = True

    def close(self) -> tuple[str, ...]:
        self.closed = True
        return ()

    def cancel_sweep(self) -> tuple[str, ...]:
        self.sweep_cancelled = True
        return ()

    def step(self, now: float) -> None:
        for one in self.workers.values():
            one.step(now)
