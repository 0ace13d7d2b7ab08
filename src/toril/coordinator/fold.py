"""Merges the interval files of a run into one timeline while they arrive, and lists missing and damaged files."""

import math
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from toril import __version__
from toril.coordinator.worker_files import (
    NEVER,
    Bounds,
    WorkerFiles,
    check_attempt,
    interval_name,
    is_own,
    numbered_files,
    read_cases,
)
from toril.errors import StoreError
from toril.records import (
    ARMS,
    HEAD,
    Case,
    End,
    Exit,
    FaultRecord,
    FaultStep,
    OnceScript,
    Plan,
    Rate,
    Ready,
    Start,
    Step,
    StepRecord,
    Stop,
    digest_of,
    fault_key,
    run_key,
    step_key,
    worker_key,
)
from toril.records.summary import FaultTimes
from toril.secrets.masking import mask
from toril.store import Reader
from toril.store.records import find_record, next_rates, read_launch, read_record
from toril.summary import Completeness, judged_plan
from toril.timeline import Timeline
from toril.timeline.arms import Arm
from toril.timeline.intervals import MAX_PACKED, decode

MAX_FILES_PER_POLL = 4  # per worker, so that a backlog is merged in time order and cannot delay a signal
EXPECTED = 0.95  # the next file is requested at this fraction of the interval
MAX_WORKERS_PER_POLL = 500  # takes about half a second, so that other work is not delayed
MISSES_PER_S = 500  # requests without a file, over all workers: half of what one core can send to a bucket
OVERDUE = 2  # misses, after which a worker may have ended
MOST_DAMAGED = 1000  # named files
LONGEST_DAMAGE = 500  # characters


@dataclass(slots=True)
class Fold:
    """The merged measurements of one run, and the files that could not be merged.

    `timeline` is the judged part: in a duet only the head arm, in the arm's own time.
    """

    store: Reader
    plan: Plan
    attempts: Mapping[str, str]
    whole: Timeline = field(default_factory=Timeline)  # all measurements, in the run's time
    arms: dict[int, Timeline] = field(default_factory=dict)  # of a duet
    damaged: list[str] = field(default_factory=list)
    cases: list[Case] = field(default_factory=list)  # of a finished functional run
    rejected: dict[str, str] = field(default_factory=dict)  # worker → the problem of its ready.json or exit.json
    judged_plan: Plan = field(init=False)  # the plan of `timeline`
    _files: dict[str, WorkerFiles] = field(init=False)
    _arms: tuple[Arm, ...] = field(init=False, default=())
    _bounds: Bounds = field(init=False)

    def __post_init__(self) -> None:
        self.judged_plan = judged_plan(self.plan)
        if self.plan.duet is not None:
            self._arms = tuple(Arm(self.plan, arm) for arm in ARMS)
            self.arms = {arm: Timeline() for arm in ARMS}
        self._bounds = Bounds.of(self.plan)
        self.attempts = {worker: self.attempts[worker] for worker in self.attempts if worker in self._bounds.locations}
        self._files = {worker: WorkerFiles(worker, attempt) for worker, attempt in self.attempts.items()}

    @property
    def timeline(self) -> Timeline:
        return self.arms.get(HEAD, self.whole)

    def judged_to(self, second: int | None) -> int | None:
        """Returns the last complete second of `timeline`, given the last complete second of the run."""
        if second is None or not self._arms:
            return second
        done = next(arm.done_s(second + 1.0) for arm in self._arms if arm.arm == HEAD)
        return int(done) - 1 if done >= 1 else None

    @property
    def exits(self) -> dict[str, Exit]:
        return {worker: files.exit for worker, files in self._files.items() if files.exit is not None}

    @property
    def readies(self) -> dict[str, Ready]:
        return {worker: files.ready for worker, files in self._files.items() if files.ready is not None}

    def follow(self, worker: str, attempt: str) -> None:
        """Reads the files of another attempt of a worker, whose last attempt never began."""
        if self._files[worker].attempt != attempt:
            self._files[worker] = WorkerFiles(worker, attempt)
            self.rejected.pop(worker, None)
            self.attempts = {**self.attempts, worker: attempt}

    def poll_before_start(self) -> list[str]:
        """Lists the store for ready.json and exit.json. Returns the workers that have become ready."""
        wanted: dict[str, WorkerFiles] = {}
        for files in self._files.values():
            if files.exit is None:
                wanted[self._key(files, "exit.json")] = files
            if files.ready is None and files.worker not in self.rejected:
                wanted[self._key(files, "ready.json")] = files
        there = [key for key in self.store.keys(run_key(self.plan.run_id, "workers") + "/") if key in wanted]
        return self._read(wanted, there)

    def read_ready(self) -> None:
        """Reads every unread ready.json."""
        wanted = {self._key(files, "ready.json"): files for files in self._files.values() if files.ready is None}
        self._read(wanted, wanted)

    def read_exits(self, workers: Iterable[str] | None = None) -> None:
        """Reads every unread exit.json of these workers, or of all."""
        chosen = [self._files[worker] for worker in (self._files if workers is None else workers)]
        wanted = {self._key(files, "exit.json"): files for files in chosen if files.exit is None}
        self._read(wanted, wanted)

    def poll(self, now: float, *, ending: bool = False) -> int:
        """Merges new interval files of workers that should have some. Returns their number, plus workers still to poll.

        A damaged file is named and skipped. The poll requests an exit.json if a worker's files are overdue, or of all
        workers when the load is `ending`.
        """
        open_ones = [files for files in self._files.values() if not self._complete(files)]
        self._poll_exits([files for files in open_ones if ending or files.misses >= OVERDUE], now)
        late = sorted((files for files in open_ones if now >= files.poll_at), key=lambda files: files.poll_at)
        due, merged = late[:MAX_WORKERS_PER_POLL], len(late[MAX_WORKERS_PER_POLL:])
        for again in range(MAX_FILES_PER_POLL):
            data = self.store.find_many([self._next_key(files) for files in due], MAX_PACKED)
            merged += len(data)
            due = [files for files in due if self._take(files, data.get(self._next_key(files)), now, again=again > 0)]
            if not due:
                break
        for files in due:
            files.poll_at = now  # each request found a file, so there may be more
        return merged

    def _poll_exits(self, some: list[WorkerFiles], now: float) -> None:
        late = (files for files in some if files.exit is None and now >= files.exit_poll_at)
        due = sorted(late, key=lambda files: files.exit_poll_at)[:MAX_WORKERS_PER_POLL]
        for files in due:
            files.exit_poll_at = now + self._retry_s
        self.read_exits(files.worker for files in due)

    def finish(self) -> None:
        """Merges the remaining files after all workers ended, and names the files that are missing."""
        self.read_ready()
        self.read_exits()
        for files in self._files.values():
            listed = files.exit is None or self.plan.on == "local"
            count = files.exit.interval_files if files.exit else None
            for number, data, problem in numbered_files(
                self.store, self._key(files, "intervals-"), files.next_number, count, MAX_PACKED, listed=listed
            ):
                if data is None:
                    self._damage(problem)
                    files.next_number = max(files.next_number, number + 1)  # a second `finish` does not name it again
                else:
                    files.next_number = number
                    self._merge(files, data)
        if self.plan.functional:
            self.cases, damaged = read_cases(self.store, self.plan.run_id, self.attempts, self.exits)
            for problem in damaged:
                self._damage(problem)

    def complete_to(self, ended: Container[str] = ()) -> int | None:
        """Returns the last second that every running worker has reported completely; None before the first.

        A worker in `ended` without an exit.json sends no more files.
        """
        reported = self.reported_to(ended)
        return None if not reported or -1 in reported.values() else min(reported.values()) - 1

    def reported_to(self, ended: Container[str] = ()) -> dict[str, int]:
        """Returns the last second in each running worker's files; -1 before the first."""
        running = [
            worker
            for worker, files in self._files.items()
            if not self._complete(files) and (files.exit is not None or worker not in ended)
        ]
        lasts = {worker: self.whole.last_second_of(worker) for worker in running}
        return {worker: -1 if last is None else last for worker, last in lasts.items()}

    def _complete(self, files: WorkerFiles) -> bool:
        return files.exit is not None and files.next_number > files.exit.interval_files

    @property
    def _retry_s(self) -> float:
        """The wait after a miss: the workers' poll interval, or longer if there are many workers."""
        return max(self.plan.pace.poll_s, len(self._files) / MISSES_PER_S)

    def _take(self, files: WorkerFiles, data: bytes | None, now: float, *, again: bool) -> bool:
        """Merges a file, and sets the time of the next request. Returns whether the next file may already exist.

        `again`: this poll has already found a file, so a miss does not count.
        """
        flush_s = self.plan.pace.flush_s
        if data is None:
            files.poll_at = now + self._retry_s
            if again and files.exit is None:
                files.arrived_at = now if files.arrived_at == NEVER else files.arrived_at
                files.poll_at = max(files.poll_at, files.arrived_at + EXPECTED * flush_s)
            else:
                files.misses += 1
            return False
        stalled, waited_for, files.misses = files.misses > 1, files.misses > 0, 0
        files.arrived_at = now if waited_for else min(now, files.arrived_at + flush_s)
        files.poll_at = files.arrived_at + EXPECTED * flush_s
        self._merge(files, data)
        return stalled or now >= files.arrived_at + flush_s or files.exit is not None

    def _read(self, wanted: Mapping[str, WorkerFiles], there: Iterable[str]) -> list[str]:
        """Reads these records. Returns the workers that have become ready."""
        ready = []
        for key, data in self.store.find_many(list(there), Exit.MOST_BYTES).items():
            files = wanted[key]
            try:
                if key.endswith("/exit.json"):
                    self._take_exit(files, Exit.from_json(data, key), key)
                elif self._take_ready(files, Ready.from_json(data, key), key):
                    ready.append(files.worker)
            except StoreError as error:
                self.rejected[files.worker] = str(error)
                self._damage(str(error))
                if key.endswith("/exit.json"):
                    files.exit_poll_at = math.inf  # workers write it once
        return ready

    def _take_exit(self, files: WorkerFiles, exit_record: Exit, key: str) -> None:
        """Takes an exit.json; if other files than its listed ones were merged, restarts the merge without them."""
        check_attempt(files, exit_record, key)
        self._bounds.check_exit(exit_record, key)
        files.exit, files.poll_at = exit_record, NEVER
        surplus = files.next_number - 1 > exit_record.interval_files
        if surplus or (exit_record.interval_digests and not exit_record.interval_digests.startswith(files.digests)):
            self.whole, self.arms, self.damaged = Timeline(), {arm: Timeline() for arm in self.arms}, []
            for again in self._files.values():
                again.next_number, again.digests, again.poll_at, again.arrived_at, again.misses = 1, "", NEVER, NEVER, 0

    def _take_ready(self, files: WorkerFiles, ready: Ready, key: str) -> bool:
        """Takes a ready.json. Returns whether the worker has the same major version."""
        check_attempt(files, ready, key)
        files.ready = ready
        theirs, ours = (text.partition(".")[0] for text in (ready.toril_version, __version__))
        if theirs != ours:
            versions = f"its image has toril {ready.toril_version}, and this is {__version__}"
            self.rejected[files.worker] = f"{versions}; use the same major version"
        return files.worker not in self.rejected

    def _merge(self, files: WorkerFiles, data: bytes) -> None:
        key = self._next_key(files)
        number = files.next_number
        files.next_number, files.digests = number + 1, files.digests + digest_of(data)
        try:
            if files.exit and not is_own(files.exit.interval_digests, number, data):
                raise StoreError(f"{key} is not the file that its worker wrote", code="foreign-file")
            interval = decode(data, key)
            self._bounds.check_interval(files.worker, interval, key)
            if interval.number != number:
                raise StoreError(f"{key} is a copy of {interval_name(interval.number)}", code="foreign-file")
            self.whole.add(interval)
            for arm in self._arms:
                self.arms[arm.arm].add(arm.interval(interval))
        except StoreError as error:
            self._damage(str(error))

    def _damage(self, problem: str) -> None:
        """Records the problem of a damaged file, once."""
        problem = problem[:LONGEST_DAMAGE]
        if len(self.damaged) == MOST_DAMAGED:
            problem = f"more than {MOST_DAMAGED:,} files are damaged; the others are not listed"
        if problem not in self.damaged and len(self.damaged) <= MOST_DAMAGED:
            self.damaged.append(problem)

    def _next_key(self, files: WorkerFiles) -> str:
        return self._key(files, interval_name(files.next_number))

    def _key(self, files: WorkerFiles, name: str) -> str:
        return worker_key(self.plan.run_id, files.worker, files.attempt, name)


def attempts_of(store: Reader, run_id: str, start: Start | None) -> dict[str, str]:
    """Returns each worker's attempt: the issued attempt in the start, or before a start the last one that began."""
    launch = read_launch(store, run_id)
    if start is not None:
        named = start.attempts.items()
        return {worker: attempt for worker, attempt in named if launch is None or launch.issued(worker, attempt)}
    paths = (key.split("/") for key in store.keys(run_key(run_id, "workers") + "/"))
    begun = {(path[3], path[4]) for path in paths if len(path) >= 6}
    if launch is None:
        return dict(sorted(begun))
    return {
        worker: next((name for name in reversed(attempts) if (worker, name) in begun), attempts[0])
        for worker, attempts in launch.attempts.items()
    }


def collect(store: Reader, run_id: str) -> tuple[Fold, Completeness]:
    """Merges a stored run from its files."""
    plan, start, stop = read_record(store, run_id)
    fold = Fold(store, plan, attempts_of(store, run_id, start))
    fold.finish()
    rates = tuple(next_rates(store, run_id, 0))
    end = find_record(store, End, run_key(run_id, "end.json"))
    if end is not None and end.stopped is False:
        stop = None  # it was written after the load
    return fold, completeness_of(fold, start, stop, {} if end is None else end.lost, rates)


def completeness_of(
    fold: Fold, start: Start | None, stop: Stop | None, lost: Mapping[str, str], rates: tuple[Rate, ...] = ()
) -> Completeness:
    """Returns the state of every planned worker. `lost`: the coordinator's reasons, by worker."""
    exits, reasons = fold.exits, dict[str, str]()
    planned = tuple(share.worker for share in fold.plan.shares)
    for worker in planned:
        exit_record = exits.get(worker)
        own = fold.rejected.get(worker, "left no exit.json") if exit_record is None else exit_record.failure
        if (reason := lost.get(worker) or own) is not None:
            reasons[worker] = reason
    return Completeness(
        planned=planned,
        reported=tuple(worker for worker in planned if worker not in reasons),
        lost=tuple(reasons.items()),
        damaged=tuple(fold.damaged),
        exits=exits,
        stop=stop,
        rates=rates,
        started_at=start.at if start else None,
        faults=tuple(faults_of(fold.store, fold.plan, start)),
        failed_steps=dict(failed_steps(fold.store, fold.plan, started=start is not None)),
        clock_s={worker: (ready.clock_offset_s, ready.clock_uncertainty_s) for worker, ready in fold.readies.items()},
    )


def faults_of(store: Reader, plan: Plan, start: Start | None) -> Iterator[FaultTimes]:
    """Yields the faults of the plan with the times in their records."""
    steps: tuple[FaultStep, ...] = ("started", "ended")
    for number, fault in enumerate(plan.faults, 1):
        started, ended = (find_record(store, FaultRecord, fault_key(plan.run_id, number, step)) for step in steps)
        times = [None if one is None or not (start and started) else one.at - start.at for one in (started, ended)]
        unended = "" if started is None else "its end was not recorded; make sure that it is not active any more"
        failure = (unended or f"the load ended before {fault.at_s:g} s") if ended is None else ended.failure
        what = fault.hook or (started.experiment if started else fault.experiment)
        yield FaultTimes(what=what, from_s=times[0], to_s=times[1], failure=mask(failure))


def failed_steps(store: Reader, plan: Plan, *, started: bool) -> Iterator[tuple[Step, str]]:
    """Yields each step that failed or did not end, with the reason. `started`: the load began."""

    due = has_begun(store, plan, started=started)
    steps: dict[Step, OnceScript | None] = {"setup": plan.setup, "teardown": plan.teardown}
    for step, script in steps.items():
        ended = None if script is None else find_step(store, plan, step, "ended")
        if ended is not None and ended.failure:
            yield step, ended.failure
        elif script is not None and ended is None and due:
            why = "its worker was stopped or lost before the script ended, or could not start"
            yield step, f"{step}: {script.script}: {why}"


def has_begun(store: Reader, plan: Plan, *, started: bool) -> bool:
    """Returns whether there is something to tear down: setup has begun, or without setup the load (`started`)."""
    begun = None if plan.setup is None else find_step(store, plan, "setup", "begun")
    return started if plan.setup is None else begun is not None and begun.attempt != ""


def find_step(store: Reader, plan: Plan, step: Step, name: Literal["begun", "ended"]) -> StepRecord | None:
    """Returns the record of a step's begin or end; None if there is none."""
    return find_record(store, StepRecord, step_key(plan.run_id, plan.step_worker, step, name))
