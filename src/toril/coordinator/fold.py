"""Merges the interval files of a run into one timeline while they arrive, and lists what is missing or damaged."""

import math
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field

from toril import __version__
from toril.coordinator.worker_files import NEVER, Bounds, WorkerFiles, interval_name, is_own, left_files, read_cases
from toril.errors import StoreError
from toril.records import (
    ARMS,
    HEAD,
    Case,
    End,
    Exit,
    Plan,
    Rate,
    Ready,
    Start,
    Stop,
    digest_of,
    run_key,
    worker_key,
)
from toril.store import Store
from toril.store.records import find_record, next_rates, read_launch, read_record
from toril.summary import Completeness, judged_plan
from toril.timeline import Timeline
from toril.timeline.arms import Arm
from toril.timeline.intervals import MAX_PACKED, decode

MAX_FILES_PER_POLL = 4  # a backlog is folded nearly in the order of time, and cannot starve the signals
EXPECTED = 0.95  # of a worker's time between two files: earlier than that the next one need not be looked for
MOST_LOOKS = 500  # workers whose files a poll looks for: half a second's worth, so that nothing else waits for long
VAIN_LOOKS_PER_S = 500  # … of all workers together: half of what one core can ask of a bucket
OVERDUE = 2  # looks in vain, after which a worker may have ended
MOST_DAMAGED = 1000  # files that are named
LONGEST_DAMAGE = 500  # characters


@dataclass(slots=True)
class Fold:
    """The merged measurements of one run, and every file that could not be part of them.

    `timeline` is what is judged: of a duet that is head alone, in its own time.
    """

    store: Store
    plan: Plan
    attempts: Mapping[str, str]
    digests: tuple[str, ...] = ()  # of the images that workers may be of; empty: any
    whole: Timeline = field(default_factory=Timeline)  # all that was measured, in the run's time
    arms: dict[int, Timeline] = field(default_factory=dict)  # of a duet
    damaged: list[str] = field(default_factory=list)
    cases: list[Case] = field(default_factory=list)  # of a functional run, once it is over
    unfit: dict[str, str] = field(default_factory=dict)  # worker → why its word cannot be taken
    _files: dict[str, WorkerFiles] = field(init=False)
    _arms: tuple[Arm, ...] = field(init=False, default=())
    _bounds: "Bounds" = field(init=False)
    judged_plan: Plan = field(init=False)  # what `timeline` is measured by

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
        """The last second of `timeline` that is complete when the run is up to this one."""
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
        """Take another attempt for a worker's, in the place of one that left nothing."""
        if self._files[worker].attempt != attempt:
            self._files[worker] = WorkerFiles(worker, attempt)
            self.unfit.pop(worker, None)
            self.attempts = {**self.attempts, worker: attempt}

    def poll_before_start(self) -> list[str]:
        """Workers whose ready.json was seen just now, found by listing what is there; exits are seen as well."""
        wanted: dict[str, WorkerFiles] = {}
        for files in self._files.values():
            if files.exit is None:
                wanted[self._key(files, "exit.json")] = files
            if files.ready is None and files.worker not in self.unfit:
                wanted[self._key(files, "ready.json")] = files
        there = [key for key in self.store.keys(run_key(self.plan.run_id, "workers") + "/") if key in wanted]
        return self._read(wanted, there)

    def read_ready(self) -> None:
        """Every ready.json, asked for one by one."""
        wanted = {self._key(files, "ready.json"): files for files in self._files.values() if files.ready is None}
        self._read(wanted, wanted)

    def read_exits(self, workers: Iterable[str] | None = None) -> None:
        """The exit.json of these workers, or of all."""
        chosen = self._files if workers is None else workers
        wanted = {self._key(self._files[worker], "exit.json"): self._files[worker] for worker in chosen}
        self._read(wanted, [key for key, files in wanted.items() if files.exit is None])

    def poll(self, now: float, *, ending: bool = False) -> int:
        """Fold the new interval files of workers that are expected to have some; how many there were, or may be.

        A damaged file is named and costs only itself. Exits are looked for where files are overdue; everywhere when
        the load is `ending`.
        """
        there = [files for files in self._files.values() if not self._complete(files)]
        self._look_for_exits([files for files in there if ending or files.misses >= OVERDUE], now)
        late = sorted((files for files in there if now >= files.look_at), key=lambda files: files.look_at)
        due, folded = late[:MOST_LOOKS], len(late[MOST_LOOKS:])
        for again in range(MAX_FILES_PER_POLL):
            found = self.store.find_many([self._next(files) for files in due], MAX_PACKED)
            folded += len(found)
            due = [files for files in due if self._seen(files, found.get(self._next(files)), now, again=again > 0)]
            if not due:
                break
        for files in due:
            files.look_at = now  # there was a file at every look: more of them wait
        return folded

    def _look_for_exits(self, some: list[WorkerFiles], now: float) -> None:
        late = (files for files in some if files.exit is None and now >= files.exit_look_at)
        due = sorted(late, key=lambda files: files.exit_look_at)[:MOST_LOOKS]
        for files in due:
            files.exit_look_at = now + self._again_s
        self.read_exits(files.worker for files in due)

    def finish(self) -> None:
        """Fold what is left after all workers ended, and name the files that never came."""
        self.read_ready()
        self.read_exits()
        for files in self._files.values():
            known = files.exit is not None and self.plan.on != "local"
            told = files.exit.interval_files if files.exit else None
            prefix = self._key(files, "intervals-")
            for number, data, problem in left_files(
                self.store, prefix, files.next_number, told, MAX_PACKED, listed=not known
            ):
                if data is None:
                    self._damage(problem)
                    files.next_number = max(files.next_number, number + 1)  # who has to finish again says it once
                else:
                    files.next_number = number
                    self._fold(files, data)
        if self.plan.functional:
            self.cases, damaged = read_cases(self.store, self.plan.run_id, self.attempts, self.exits)
            for problem in damaged:
                self._damage(problem)

    def _complete(self, files: WorkerFiles) -> bool:
        return files.exit is not None and files.next_number > files.exit.interval_files

    def _next(self, files: WorkerFiles) -> str:
        return self._key(files, interval_name(files.next_number))

    @property
    def _again_s(self) -> float:
        """After how long what was not there is looked for again: as often as workers look, unless they are many."""
        return max(self.plan.pace.poll_s, len(self._files) / VAIN_LOOKS_PER_S)

    def _seen(self, files: WorkerFiles, data: bytes | None, now: float, *, again: bool) -> bool:
        """Whether there was a file and another one may be there already: a worker writes one every so often.

        `again`: one was there just now, so that it is no surprise if there is none.
        """
        flush_s = self.plan.pace.flush_s
        if data is None:
            files.look_at = now + self._again_s
            if again and files.exit is None:
                files.came_at = now if files.came_at == NEVER else files.came_at
                files.look_at = max(files.look_at, files.came_at + EXPECTED * flush_s)
            else:
                files.misses += 1
            return False
        stalled, waited_for, files.misses = files.misses > 1, files.misses > 0, 0
        files.came_at = now if waited_for else min(now, files.came_at + flush_s)
        files.look_at = files.came_at + EXPECTED * flush_s
        self._fold(files, data)
        return stalled or now >= files.came_at + flush_s or files.exit is not None

    def _read(self, wanted: Mapping[str, WorkerFiles], there: Iterable[str]) -> list[str]:
        """Take in these records; the workers that have become ready."""
        seen = []
        for key, data in self.store.find_many(list(there), Exit.MOST_BYTES).items():
            files = wanted[key]
            try:
                if key.endswith("/exit.json"):
                    self._take_exit(files, self._bounds.exit(files, Exit.from_json(data, key), key))
                elif self._fit(files, self._bounds.ready(files, Ready.from_json(data, key), key)):
                    seen.append(files.worker)
            except StoreError as error:
                self.unfit[files.worker] = str(error)
                self._damage(str(error))
                if key.endswith("/exit.json"):
                    files.exit_look_at = math.inf  # it does not get better
        return seen

    def _take_exit(self, files: WorkerFiles, left: Exit) -> None:
        """A last word; when files were read that are not the worker's, begin again without them."""
        files.exit, files.look_at = left, NEVER
        surplus = files.next_number - 1 > left.interval_files
        if surplus or (left.interval_digests and not left.interval_digests.startswith(files.digests)):
            self.whole, self.arms, self.damaged = Timeline(), {arm: Timeline() for arm in self.arms}, []
            for one in self._files.values():
                one.next_number, one.digests, one.look_at, one.came_at, one.misses = 1, "", NEVER, NEVER, 0

    def _damage(self, problem: str) -> None:
        """Name a damaged file, once; who finishes again does so again."""
        problem = problem[:LONGEST_DAMAGE]
        if len(self.damaged) == MOST_DAMAGED:
            problem = f"more than {MOST_DAMAGED:,} files are damaged; the others are not named"
        if problem not in self.damaged and len(self.damaged) <= MOST_DAMAGED:
            self.damaged.append(problem)

    def _fit(self, files: WorkerFiles, ready: Ready) -> bool:
        files.ready = ready
        theirs, ours = (text.partition(".")[0] for text in (ready.toril_version, __version__))
        if theirs != ours:
            self.unfit[files.worker] = f"its image has toril {ready.toril_version}, and this is {__version__}: use one"
        elif self.digests and ready.image_digest and ready.image_digest not in self.digests:
            self.unfit[files.worker] = f"it runs the image {ready.image_digest}, not {' or '.join(self.digests)}"
        return files.worker not in self.unfit

    def complete_to(self, ended: Container[str] = ()) -> int | None:
        """The last second that every worker still running has told all about; None before the first.

        Those that `ended` without an exit.json will tell nothing more.
        """
        told = self.told_to(ended)
        return None if not told or -1 in told.values() else min(told.values()) - 1

    def told_to(self, ended: Container[str] = ()) -> dict[str, int]:
        """The last second that each worker still running has said anything of; -1 before the first."""
        running = [
            worker
            for worker, files in self._files.items()
            if not self._complete(files) and (files.exit is not None or worker not in ended)
        ]
        lasts = {worker: self.whole.last_second_of(worker) for worker in running}
        return {worker: -1 if last is None else last for worker, last in lasts.items()}

    def _fold(self, files: WorkerFiles, data: bytes) -> None:
        key = self._key(files, interval_name(files.next_number))
        number = files.next_number
        files.next_number, files.digests = number + 1, files.digests + digest_of(data)
        try:
            if files.exit and not is_own(files.exit.interval_digests, number, data):
                raise StoreError(f"{key} is not the file that its worker wrote", code="foreign-file")
            interval = self._bounds.interval(files, decode(data, key), key)
            if interval.number != number:
                raise StoreError(f"{key} is a copy of {interval_name(interval.number)}", code="foreign-file")
            self.whole.add(interval)
            for arm in self._arms:
                self.arms[arm.arm].add(arm.interval(interval))
        except StoreError as error:
            self._damage(str(error))

    def _key(self, files: WorkerFiles, name: str) -> str:
        return worker_key(self.plan.run_id, files.worker, files.attempt, name)


def attempts_of(store: Store, run_id: str, start: Start | None) -> dict[str, str]:
    """The attempts that count: issued ones that the start names; before a start each worker's last that has begun."""
    launch = read_launch(store, run_id)
    if start is not None:
        named = start.attempts.items()
        return {worker: attempt for worker, attempt in named if launch is None or launch.issued(worker, attempt)}
    begun = set(_begun(store.keys(run_key(run_id, "workers") + "/")))
    if launch is None:
        return dict(sorted(begun))
    return {
        worker: next((one for one in reversed(attempts) if (worker, one) in begun), attempts[0])
        for worker, attempts in launch.attempts.items()
    }


def _begun(keys: Iterable[str]) -> Iterable[tuple[str, str]]:
    for key in keys:
        parts = key.split("/")
        if len(parts) >= 6:
            yield parts[3], parts[4]


def collect(store: Store, run_id: str) -> tuple[Fold, Completeness]:
    """Fold a stored run from its files alone."""
    plan, start, stop = read_record(store, run_id)
    fold = Fold(store, plan, attempts_of(store, run_id, start))
    fold.finish()
    rates = tuple(next_rates(store, run_id, 0))
    end = find_record(store, End, run_key(run_id, "end.json"))
    if end is None:
        return fold, completeness_of(fold, start, stop, {}, rates)
    return fold, completeness_of(fold, start, None if end.stopped is False else stop, end.lost, rates)


def completeness_of(
    fold: Fold, start: Start | None, stop: Stop | None, lost: Mapping[str, str], rates: tuple[Rate, ...] = ()
) -> Completeness:
    """What is known of every planned worker. One that left no exit is lost, and why is known only if it was seen."""
    planned = _workers(fold.plan)
    why = {worker: lost.get(worker) or _unheard(fold, worker) for worker in planned}
    return Completeness(
        planned=planned,
        reported=tuple(worker for worker in planned if why[worker] is None),
        lost=tuple((worker, reason) for worker, reason in why.items() if reason is not None),
        damaged=tuple(fold.damaged),
        exits=fold.exits,
        stop=stop,
        rates=rates,
        started_at=start.at if start else None,
        clock_s={worker: (ready.clock_offset_s, ready.clock_uncertainty_s) for worker, ready in fold.readies.items()},
    )


def _workers(plan: Plan) -> tuple[str, ...]:
    return tuple(share.worker for share in plan.shares)


def _unheard(fold: Fold, worker: str) -> str | None:
    left = fold.exits.get(worker)
    return fold.unfit.get(worker, "left no exit.json") if left is None else left.failure
