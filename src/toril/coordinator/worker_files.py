"""The files that one attempt of a worker left: listed, checked against the plan, test cases decoded.

A suite is a stranger's code that runs beside the worker, so nothing about these files is taken for granted.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from toril.coordinator.protocol import load_ends_s
from toril.errors import StoreError
from toril.records import (
    DIGEST_LENGTH,
    MOST_BYTES_OF_CASES,
    Case,
    Exit,
    Plan,
    Ready,
    case_file_name,
    decode_cases,
    digest_of,
    worker_key,
)
from toril.store import Store
from toril.suite.engines import RESULTS_LOADER
from toril.timeline.intervals import Interval

MANY = 32  # files held in memory at once
NUMBER = re.compile(r"[0-9]{6}")
LONGEST_NAME = 80  # characters that are shown

Left = tuple[int, bytes | None, str]  # a file's number and content; or, without content, what is wrong
NEVER = float("-inf")
RECORDED_S = 48 * 3600  # results of another tool keep their own course, however long the plan is


def interval_name(number: int) -> str:
    """The file name of a worker's n-th interval file, counted from 1."""
    return f"intervals-{number:06d}"


@dataclass(slots=True)
class WorkerFiles:
    """What one attempt has left in the store so far."""

    worker: str
    attempt: str
    next_number: int = 1
    came_at: float = NEVER  # latest arrival of the last one; unknown before the first look in vain
    ready: Ready | None = None
    exit: Exit | None = None
    look_at: float = NEVER
    misses: int = 0  # looks in vain since the last file
    digests: str = ""  # of the files that were read
    exit_look_at: float = NEVER


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a plan allows workers to say: StoreError for anything else, since their suite is a stranger's code."""

    locations: Mapping[str, str]  # by worker
    places: frozenset[tuple[str, int, int]]  # execution, arm and block of what may be measured
    executions: frozenset[str]
    names: frozenset[str]  # of the plan's executions; a duet has several of one series
    longest_s: float  # since the start signal

    @classmethod
    def of(cls, plan: Plan) -> Self:
        places = frozenset((one.series, one.arm, one.block) for one in plan.executions)
        recorded = any(one.executor == RESULTS_LOADER for one in plan.executions)
        return cls(
            locations={share.worker: share.location for share in plan.shares},
            places=places,
            executions=frozenset(execution for execution, _, _ in places),
            names=frozenset(one.name for one in plan.executions),
            longest_s=max(load_ends_s(plan), RECORDED_S if recorded else 0),
        )

    def ready(self, files: WorkerFiles, ready: Ready, key: str) -> Ready:
        if (ready.worker, ready.attempt) != (files.worker, files.attempt):
            raise StoreError(f"{key} is of another worker or attempt", code="foreign-file")
        return ready

    def exit(self, files: WorkerFiles, left: Exit, key: str) -> Exit:
        if (left.worker, left.attempt) != (files.worker, files.attempt):
            raise StoreError(f"{key} is of another worker or attempt", code="foreign-file")
        if not {*left.executions, *left.first_sample_lateness_s} <= self.names:
            raise StoreError(
                f"{key} is damaged: it names an execution that the plan does not have", code="damaged-file"
            )
        reports = left.executions.values()
        told = (left.last_sample_s, *(one.ended_s for one in reports), *(one.queued_s for one in reports))
        self._in_time(max((seconds for seconds in told if seconds is not None), default=0.0), key)
        return left

    def interval(self, files: WorkerFiles, interval: Interval, key: str) -> Interval:
        if (interval.worker, interval.location) != (files.worker, self.locations[files.worker]):
            raise StoreError(f"{key} is of another worker", code="foreign-file")
        measured = {(one.execution, one.arm, one.block) for one in interval.series}
        if not (measured <= self.places and {*interval.executions, *interval.resolution_us} <= self.executions):
            raise StoreError(
                f"{key} is damaged: it names an execution that the plan does not have", code="damaged-file"
            )
        self._in_time(interval.last_second or 0, key)
        return interval

    def _in_time(self, seconds: float, key: str) -> None:
        if seconds > self.longest_s:
            raise StoreError(
                f"{key} is damaged: it names second {seconds:.0f} of at most {self.longest_s:.0f}", code="damaged-file"
            )


def left_files(store: Store, prefix: str, first: int, told: int | None, most: int, *, listed: bool) -> Iterator[Left]:
    """The files from the `first` on, in order. `told`: how many there should be; None: unknown.

    `listed`: look for others than those. However many there should be, no more is read than is there.
    """
    wanted: Sequence[int] = range(first, (told or 0) + 1)
    if listed:
        wanted, others = _names(store, prefix, first)
        yield from ((0, None, f"{prefix}{name[:LONGEST_NAME]} is not the name of a worker's file") for name in others)
        if told is not None:
            yield from ((0, None, f"{_key(prefix, number)} is not in exit.json") for number in wanted if number > told)
            wanted = [number for number in wanted if number <= told]
    next_number = first
    while wanted:
        some, wanted = wanted[:MANY], wanted[MANY:]
        found = store.find_many([_key(prefix, number) for number in some], most)
        if not listed and len(found) < len(some):
            listed, last = True, some[-1]
            wanted = [number for number in _names(store, prefix, first)[0] if last < number <= (told or 0)]
        for number in some:
            data = found.get(_key(prefix, number))
            if data is not None:
                yield from _missing(prefix, next_number, number - 1)
                yield number, data, ""
                next_number = number + 1
    yield from _missing(prefix, next_number, told or 0)


def is_own(digests: str, number: int, data: bytes) -> bool:
    """Whether it is the file that the worker wrote; True without digests to compare."""
    return not digests or digests[(number - 1) * DIGEST_LENGTH : number * DIGEST_LENGTH] == digest_of(data)


def _names(store: Store, prefix: str, first: int) -> tuple[list[int], list[str]]:
    """The numbers from the `first` on, in order; and the names that are none."""
    names = [key.removeprefix(prefix) for key in store.keys(prefix)]
    numbers = sorted(int(name) for name in names if NUMBER.fullmatch(name))
    return [number for number in numbers if number >= first], [name for name in names if not NUMBER.fullmatch(name)]


def _missing(prefix: str, first: int, last: int) -> Iterator[Left]:
    if first <= last:
        others = f" and {last - first:,} more after it are missing" if last > first else " is missing"
        yield last, None, f"{_key(prefix, first)}{others}"


def _key(prefix: str, number: int) -> str:
    return f"{prefix}{number:06d}"


def read_cases(
    store: Store, run_id: str, attempts: Mapping[str, str], exits: Mapping[str, Exit]
) -> tuple[list[Case], list[str]]:
    """All of them in the order of workers and files; and in words each file that is missing or damaged."""
    cases: list[Case] = []
    damaged: list[str] = []
    for worker, attempt in attempts.items():
        prefix, left = worker_key(run_id, worker, attempt, "tests-"), exits.get(worker)
        told = left.case_files if left else None
        for number, data, problem in left_files(store, prefix, 1, told, MOST_BYTES_OF_CASES, listed=True):
            try:
                if data is None:
                    raise StoreError(problem, code="damaged-file")
                key = worker_key(run_id, worker, attempt, case_file_name(number))
                file = decode_cases(data, key)
                if (file.worker, file.number) != (worker, number):
                    raise StoreError(f"{key} is a copy of another file", code="foreign-file")
                if left and not is_own(left.case_digests, number, data):
                    raise StoreError(f"{key} is not the file that its worker wrote", code="foreign-file")
                cases += file.cases
            except StoreError as error:
                damaged.append(str(error))
    return cases, damaged
