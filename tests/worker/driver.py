"""Plays the coordinator of real workers: writes the plan, starts the workers once ready, and reads their files."""

import contextlib
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import psutil

from toril.records import ExecutionShare, Exit, Plan, PlannedExecution, Share, Start, Stop, run_key, worker_key
from toril.records.evidence import Exchange, Exchanges
from toril.store import FolderStore
from toril.timeline import Timeline
from toril.timeline.intervals import Interval, decode

RUN = "20260101T000000Z-test-0001"
PATIENCE_S = 60.0


def planned(executor: str, scenario: str, *, index: int = 0, **load: Any) -> PlannedExecution:
    """Returns an execution named after its scenario; `load` has concurrency, iterations, ramp_up_s, hold_for_s …"""
    return PlannedExecution(name=scenario, index=index, executor=executor, scenario=scenario, **load)


def plan_of(
    executions: Sequence[PlannedExecution],
    scenarios: Mapping[str, Any],
    *,
    workers: int = 1,
    common: Mapping[str, Any] | None = None,
    extra: Mapping[str, Any] | None = None,
    data_files: Sequence[str] = (),
    **settings: Any,
) -> Plan:
    """Returns a plan in which each worker runs every execution in full: its numbers are per worker."""
    shares = tuple(
        Share(
            worker=f"local-{number + 1}",
            location="local",
            index=number,
            executions=tuple(share_of(one, extra or {}) for one in executions),
            data_files={name: (number, workers) for name in data_files},
        )
        for number in range(workers)
    )
    return Plan(
        run_id=RUN,
        suite="test",
        toril_version="0",
        executions=tuple(executions),
        shares=shares,
        common={"scenarios": dict(scenarios), **(common or {})},
        **settings,
    )


def share_of(one: PlannedExecution, extra: Mapping[str, Any] | None = None) -> ExecutionShare:
    """Returns the share of a worker that runs the whole execution."""
    config: dict[str, Any] = {"executor": one.executor, "scenario": one.scenario}
    config |= {"concurrency": one.concurrency} if one.concurrency else {}
    config |= {"throughput": one.throughput_rps} if one.throughput_rps else {}
    config |= {"iterations": one.iterations} if one.iterations else {}
    config |= {"ramp-up": f"{one.ramp_up_s}s"} if one.ramp_up_s else {}
    config |= {"hold-for": f"{one.hold_for_s}s"} if one.hold_for_s else {}
    config |= {"delay": f"{one.delay_s}s"} if one.delay_s else {}
    return ExecutionShare(
        execution=one.name,
        concurrency=one.concurrency,
        throughput_rps=one.throughput_rps,
        config={**config, **(extra or {})},
    )


@dataclass
class Run:
    """Running workers of one plan."""

    store: FolderStore
    plan: Plan
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    start_at: float = 0.0
    patience_s: float = PATIENCE_S

    def attempt(self, number: int) -> str:
        return f"attempt{number}"

    def key(self, number: int, name: str) -> str:
        return worker_key(RUN, self.plan.shares[number].worker, self.attempt(number), name)

    def launch(self) -> None:
        environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
        for number in range(len(self.plan.shares)):
            self.processes.append(subprocess.Popen(self.command(number), env=environment, start_new_session=True))

    def command(self, number: int) -> list[str]:
        worker = self.plan.shares[number].worker
        command = [sys.executable, "-m", "toril.worker", "--watch-parent", "--store", str(self.store.folder)]
        return [*command, "--run", RUN, "--worker", worker, "--attempt", self.attempt(number)]

    def wait_ready(self) -> None:
        wait_until(lambda: all(self.store.find(self.key(n, "ready.json")) for n in range(len(self.processes))), self)

    def start(self, *, within_s: float = 0.5, attempts: Mapping[str, str] | None = None) -> None:
        self.start_at = time.time() + within_s
        named = {share.worker: self.attempt(number) for number, share in enumerate(self.plan.shares)}
        start = Start(at=self.start_at, attempts=dict(named if attempts is None else attempts))
        self.store.put(run_key(RUN, "start.json"), start.to_json())

    def stop(self, cause: Any = "user") -> None:
        stop = Stop(at=time.time(), cause=cause, message="enough")
        self.store.put(run_key(RUN, "stop.json"), stop.to_json())

    def wait(self, timeout_s: float | None = None) -> list[int]:
        return [process.wait(timeout=timeout_s or self.patience_s) for process in self.processes]

    def go(self) -> "Outcome":
        """Run every worker from launch to end."""
        self.launch()
        self.wait_ready()
        self.start()
        self.wait()
        return self.outcome()

    def exit(self, number: int = 0) -> Exit:
        key = self.key(number, "exit.json")
        return Exit.from_json(self.store.get(key), key)

    def outcome(self) -> "Outcome":
        timeline, intervals = Timeline(), []
        for number in range(len(self.plan.shares)):
            for key in self.store.keys(self.key(number, "intervals-")):
                intervals.append(decode(self.store.get(key), key))
                timeline.add(intervals[-1])
        return Outcome([self.exit(number) for number in range(len(self.plan.shares))], timeline, intervals)

    def exchanges(self) -> list[Exchange]:
        """Returns the evidence in the store."""
        found: list[Exchange] = []
        for number in range(len(self.plan.shares)):
            for key in self.store.keys(self.key(number, "evidence-")):
                found += Exchanges.from_stranger(self.store.get(key), key).exchanges
        return found

    def recorded(self) -> int:
        """Returns the number of samples in the store."""
        timeline = Timeline()
        for number in range(len(self.plan.shares)):
            for key in self.store.keys(self.key(number, "intervals-")):
                timeline.add(decode(self.store.get(key), key))
        return int(timeline.select().total.samples)

    def log(self) -> str:
        found = [self.store.find(self.key(number, "bzt.log")) or b"" for number in range(len(self.plan.shares))]
        return b"\n".join(found).decode(errors="replace")


@dataclass
class Outcome:
    """The workers' results in the store."""

    exits: list[Exit]
    timeline: Timeline
    intervals: list[Interval]

    @property
    def samples(self) -> int:
        return sum(one.samples for one in self.exits)

    @property
    def unfinished(self) -> int:
        return sum(one.unfinished for one in self.exits)

    def total(self, label: str = "", **selection: Any) -> Any:
        return self.timeline.select(label, **selection).total

    def rcs(self, label: str = "") -> Counter[str]:
        return Counter(self.total(label).rc)


@contextlib.contextmanager
def workers(plan: Plan, folder: Path, files: Mapping[str, str] | None = None) -> Iterator[Run]:
    """Writes a run's folder with its plan and suite; kills the launched workers at the end of the block."""
    store = FolderStore(folder / "store")
    contents = {name: text.encode() for name, text in {"suite.yml": "{}", **(files or {})}.items()}
    plan = plan.model_copy(update={"files": {name: sha256(data).hexdigest() for name, data in contents.items()}})
    store.put(run_key(RUN, "plan.json"), plan.to_json())
    for name, data in contents.items():
        store.put(run_key(RUN, "suite", *name.split("/")), data)
    run = Run(store, plan)
    try:
        yield run
    finally:
        for process in run.processes:
            if process.poll() is None:
                process.kill()
                process.wait()


def outcome(plan: Plan, folder: Path, files: Mapping[str, str] | None = None) -> Outcome:
    """Returns the outcome of a run that goes to its end."""
    with workers(plan, folder, files) as run:
        return run.go()


def engines_of(run: Run) -> list[psutil.Process]:
    """Returns every process that the workers have started."""
    found = []
    for process in run.processes:
        with contextlib.suppress(psutil.Error):
            found += psutil.Process(process.pid).children(recursive=True)
    return found


def left_over(found: Sequence[psutil.Process]) -> list[psutil.Process]:
    """Returns the processes that still run after a moment."""
    _, alive = psutil.wait_procs(found, timeout=3)
    return [one for one in alive if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


def wait_until(holds: Any, run: Run) -> None:
    """Wait for something, but not for workers that have all ended."""
    limit = time.monotonic() + run.patience_s
    while not holds():
        if time.monotonic() > limit or all(process.poll() is not None for process in run.processes):
            raise AssertionError(f"it never happened; {[p.poll() for p in run.processes]}\n{run.log()[-4000:]}")
        time.sleep(0.02)
