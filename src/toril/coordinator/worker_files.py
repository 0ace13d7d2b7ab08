"""Reads the files of one attempt of a worker: lists them, checks them against the plan, and decodes test cases.

A suite's code runs beside the worker and is not trusted, so every file is checked.
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
from toril.store import Reader
from toril.suite.engines import RESULTS_LOADER
from toril.timeline.intervals import Interval

FILES_AT_ONCE = 32  # held in memory
NUMBER = re.compile(r"[0-9]{6}")
LONGEST_NAME = 80  # characters in a message
RECORDED_S = 48 * 3600  # results of another tool have their own duration, which may differ from the plan's
NEVER = float("-inf")

NumberedFile = tuple[int, bytes | None, str]  # number and content; without content, the problem


def interval_name(number: int) -> str:
    """Returns the file name of a worker's n-th interval file, counted from 1."""
    return f"intervals-{number:06d}"


@dataclass(slots=True)
class WorkerFiles:
    """The state of reading one attempt's files; times are those of the reader's clock."""

    worker: str
    attempt: str
    next_number: int = 1  # of the interval file that is read next
    arrived_at: float = NEVER  # latest possible arrival of the last one; unknown before the first miss
    ready: Ready | None = None
    exit: Exit | None = None
    poll_at: float = NEVER  # when the next interval file is requested
    misses: int = 0  # requests without a result since the last file
    digests: str = ""  # of the files read so far
    exit_poll_at: float = NEVER


@dataclass(frozen=True, slots=True)
class Bounds:
    """The values that a plan allows in the files of its workers. The methods raise StoreError for all others."""

    locations: Mapping[str, str]  # by worker
    series: frozenset[tuple[str, int, int]]  # execution, arm and block
    executions: frozenset[str]
    names: frozenset[str]  # of the plan's executions; in a duet, several have the same series
    longest_s: float  # since the start signal

    @classmethod
    def of(cls, plan: Plan) -> Self:
        recorded = any(execution.executor == RESULTS_LOADER for execution in plan.executions)
        series = {(execution.series, execution.arm, execution.block) for execution in plan.executions}
        if plan.duet is not None and plan.duet.switched:
            series = {(name, turn.arm, turn.block) for name, _, _ in series for turn in plan.duet.turns()}
        return cls(
            locations={share.worker: share.location for share in plan.shares},
            series=frozenset(series),
            executions=frozenset(execution.series for execution in plan.executions),
            names=frozenset(execution.name for execution in plan.executions),
            longest_s=max(load_ends_s(plan), RECORDED_S if recorded else 0),
        )

    def check_exit(self, exit_record: Exit, key: str) -> None:
        reports = exit_record.executions.values()
        _check_executions({*exit_record.executions, *exit_record.first_sample_lateness_s} <= self.names, key)
        times = (exit_record.last_sample_s, *(own.ended_s for own in reports), *(own.queued_s for own in reports))
        self._check_time(max((seconds for seconds in times if seconds is not None), default=0.0), key)

    def check_interval(self, worker: str, interval: Interval, key: str) -> None:
        if (interval.worker, interval.location) != (worker, self.locations[worker]):
            raise StoreError(f"{key} belongs to another worker", code="foreign-file")
        series = {(series.execution, series.arm, series.block) for series in interval.series}
        executions = {*interval.executions, *interval.resolution_us}
        _check_executions(series <= self.series and executions <= self.executions, key)
        self._check_time(interval.last_second or 0, key)

    def _check_time(self, seconds: float, key: str) -> None:
        if seconds > self.longest_s:
            text = f"{key} is damaged: it has second {seconds:.0f}, and the run has at most {self.longest_s:.0f}"
            raise StoreError(text, code="damaged-file")


def _check_executions(known: bool, key: str) -> None:
    if not known:
        raise StoreError(f"{key} is damaged: it has an execution that is not in the plan", code="damaged-file")


def check_attempt(files: WorkerFiles, record: Ready | Exit, key: str) -> None:
    """StoreError if the record is not of this attempt."""
    if (record.worker, record.attempt) != (files.worker, files.attempt):
        raise StoreError(f"{key} belongs to another worker or attempt", code="foreign-file")


def numbered_files(
    store: Reader, prefix: str, first: int, count: int | None, most: int, *, listed: bool
) -> Iterator[NumberedFile]:
    """Yields the files from number `first` on, in order, and a problem for each missing or foreign file.

    `count`: the expected number of files; None if unknown. `most`: bytes of a file. `listed`: also list the store's
    keys, which finds foreign files. A missing file causes a listing, too, so that only existing files are requested.
    """
    wanted: Sequence[int] = range(first, (count or 0) + 1)
    if listed:
        wanted, others = _list(store, prefix, first)
        yield from ((0, None, f"{prefix}{name[:LONGEST_NAME]} is not a worker's file") for name in others)
        if count is not None:
            surplus = [number for number in wanted if number > count]
            yield from ((0, None, f"{prefix}{number:06d} is not listed in exit.json") for number in surplus)
            wanted = [number for number in wanted if number <= count]
    next_number = first
    while wanted:
        some, wanted = wanted[:FILES_AT_ONCE], wanted[FILES_AT_ONCE:]
        files = store.find_many([f"{prefix}{number:06d}" for number in some], most)
        if not listed and len(files) < len(some):
            listed, last = True, some[-1]
            wanted = [number for number in _list(store, prefix, first)[0] if last < number <= (count or 0)]
        for number in some:
            data = files.get(f"{prefix}{number:06d}")
            if data is not None:
                yield from _missing(prefix, next_number, number - 1)
                yield number, data, ""
                next_number = number + 1
    yield from _missing(prefix, next_number, count or 0)


def _list(store: Reader, prefix: str, first: int) -> tuple[list[int], list[str]]:
    """Returns the numbers from `first` on, in order, and the names that are no numbers."""
    names = [key.removeprefix(prefix) for key in store.keys(prefix)]
    numbers = sorted(int(name) for name in names if NUMBER.fullmatch(name))
    return [number for number in numbers if number >= first], [name for name in names if not NUMBER.fullmatch(name)]


def _missing(prefix: str, first: int, last: int) -> Iterator[NumberedFile]:
    if first <= last:
        others = f" and {last - first:,} more after it are missing" if last > first else " is missing"
        yield last, None, f"{prefix}{first:06d}{others}"


def is_own(digests: str, number: int, data: bytes) -> bool:
    """Returns whether the worker wrote this file, by the digests in its exit.json; True without digests."""
    return not digests or digests[(number - 1) * DIGEST_LENGTH : number * DIGEST_LENGTH] == digest_of(data)


def read_cases(
    store: Reader, run_id: str, attempts: Mapping[str, str], exits: Mapping[str, Exit]
) -> tuple[list[Case], list[str]]:
    """Returns all test cases, by worker and file, and a problem for each missing or damaged file."""
    cases: list[Case] = []
    damaged: list[str] = []
    for worker, attempt in attempts.items():
        prefix, exit_record = worker_key(run_id, worker, attempt, "tests-"), exits.get(worker)
        count = exit_record.case_files if exit_record else None
        for number, data, problem in numbered_files(store, prefix, 1, count, MOST_BYTES_OF_CASES, listed=True):
            try:
                if data is None:
                    raise StoreError(problem, code="damaged-file")
                key = worker_key(run_id, worker, attempt, case_file_name(number))
                file = decode_cases(data, key)
                if (file.worker, file.number) != (worker, number):
                    raise StoreError(f"{key} is a copy of another file", code="foreign-file")
                if exit_record and not is_own(exit_record.case_digests, number, data):
                    raise StoreError(f"{key} is not the file that its worker wrote", code="foreign-file")
                cases += file.cases
            except StoreError as error:
                damaged.append(str(error))
    return cases, damaged
