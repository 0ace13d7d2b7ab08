"""Folds interval files into one timeline as they come, so that the verdict is ready when the last file is."""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field

from toril.errors import StoreError
from toril.intervals import decode
from toril.records import Exit, Plan, Ready, Start, Stop, run_key, worker_key
from toril.store import Store
from toril.timeline import Timeline

MAX_FILES_PER_POLL = 4  # a backlog is folded nearly in the order of time, and cannot starve the signals


def interval_name(number: int) -> str:
    """The file name of a worker's n-th interval file, counted from 1."""
    return f"intervals-{number:06d}"


@dataclass(slots=True)
class WorkerFiles:
    """What one attempt has left in the store so far."""

    worker: str
    attempt: str
    next_number: int = 1
    ready: Ready | None = None
    exit: Exit | None = None


@dataclass(slots=True)
class Fold:
    """The merged measurements of one run, and every file that could not be part of them."""

    store: Store
    plan: Plan
    attempts: Mapping[str, str]
    timeline: Timeline = field(default_factory=Timeline)
    damaged: list[str] = field(default_factory=list)
    _files: dict[str, WorkerFiles] = field(init=False)

    def __post_init__(self) -> None:
        self._files = {worker: WorkerFiles(worker, attempt) for worker, attempt in self.attempts.items()}

    @property
    def exits(self) -> dict[str, Exit]:
        return {worker: files.exit for worker, files in self._files.items() if files.exit is not None}

    @property
    def readies(self) -> dict[str, Ready]:
        return {worker: files.ready for worker, files in self._files.items() if files.ready is not None}

    def poll_ready(self) -> list[str]:
        """Workers whose ready.json was seen just now."""
        seen = []
        for files in self._files.values():
            if files.ready is None:
                key = self._key(files, "ready.json")
                data = self.store.find(key)
                if data is not None:
                    files.ready = Ready.from_json(data, key)
                    seen.append(files.worker)
        return seen

    def poll_exits(self) -> list[Exit]:
        """Workers whose exit.json was seen just now."""
        seen = []
        for files in self._files.values():
            if files.exit is None:
                key = self._key(files, "exit.json")
                data = self.store.find(key)
                if data is not None:
                    files.exit = Exit.from_json(data, key)
                    seen.append(files.exit)
        return seen

    def poll_intervals(self) -> int:
        """Fold every new interval file; how many there were. A damaged one is named and costs only itself."""
        folded = 0
        for files in self._files.values():
            for _ in range(MAX_FILES_PER_POLL):
                data = self.store.find(self._key(files, interval_name(files.next_number)))
                if data is None:
                    break
                self._fold(files, data)
                folded += 1
        return folded

    def finish(self) -> None:
        """Fold what is left after all workers ended, and name the files that never came."""
        while self.poll_intervals():
            pass
        for files in self._files.values():
            prefix = self._key(files, "intervals-")
            left = {int(key.rsplit("-", 1)[1]) for key in self.store.keys(prefix) if key.rsplit("-", 1)[1].isdigit()}
            last = max([files.exit.interval_files if files.exit else 0, *left])
            for number in range(files.next_number, last + 1):
                data = self.store.find(self._key(files, interval_name(number)))
                if data is None:
                    self.damaged.append(f"{self._key(files, interval_name(number))} is missing")
                else:
                    files.next_number = number
                    self._fold(files, data)

    def complete_to(self, ended: Container[str] = ()) -> int | None:
        """The last second that every worker still running has told all about; None before the first.

        Those that `ended` without an exit.json will tell nothing more.
        """
        told = self.told_to(ended)
        return None if not told or -1 in told.values() else min(told.values()) - 1

    def told_to(self, ended: Container[str] = ()) -> dict[str, int]:
        """The last second that each worker still running has said anything of; -1 before the first."""
        running = [worker for worker, files in self._files.items() if files.exit is None and worker not in ended]
        lasts = {worker: self.timeline.last_second_of(worker) for worker in running}
        return {worker: -1 if last is None else last for worker, last in lasts.items()}

    def _fold(self, files: WorkerFiles, data: bytes) -> None:
        key = self._key(files, interval_name(files.next_number))
        files.next_number += 1
        try:
            interval = decode(data, key)
            if interval.worker != files.worker:
                raise StoreError(f"{key} is of worker {interval.worker}")
            if interval_name(interval.number) != key.rsplit("/", 1)[1]:
                raise StoreError(f"{key} is a copy of {interval_name(interval.number)}")
            self.timeline.add(interval)
        except StoreError as error:
            self.damaged.append(str(error))

    def _key(self, files: WorkerFiles, name: str) -> str:
        return worker_key(self.plan.run_id, files.worker, files.attempt, name)


def read_record(store: Store, run_id: str) -> tuple[Plan, Start | None, Stop | None]:
    """What the run folder says of its plan, its start and its stop."""
    plan_key, start_key, stop_key = (run_key(run_id, f"{name}.json") for name in ("plan", "start", "stop"))
    plan = Plan.from_json(store.get(plan_key), plan_key)
    if plan.run_id != run_id:
        raise StoreError(f"{plan_key} is the plan of run {plan.run_id}: name the run by the path of its folder")
    start, stop = store.find(start_key), store.find(stop_key)
    return (
        plan,
        None if start is None else Start.from_json(start, start_key),
        None if stop is None else Stop.from_json(stop, stop_key),
    )


def attempts_of(store: Store, run_id: str, start: Start | None) -> dict[str, str]:
    """The attempts that count: those the start named, or before a start the ones found in the folder."""
    if start is not None:
        return dict(start.attempts)
    found: dict[str, str] = {}
    for parts in _worker_paths(store.keys(run_key(run_id, "workers") + "/")):
        found[parts[0]] = parts[1]
    return found


def _worker_paths(keys: Iterable[str]) -> Iterable[tuple[str, str]]:
    for key in keys:
        parts = key.split("/")
        if len(parts) >= 6:
            yield parts[3], parts[4]
