"""What a worker and its engines take from their machine, second by second: is the generator the bottleneck?"""

import contextlib
import os
import time
from collections.abc import Collection
from dataclasses import dataclass

import psutil

from toril.worker import kernel
from toril.worker.cgroup import Group

CHILDREN_EVERY = 5  # looking for new descendants costs more than reading those that are known
LEAST_ELAPSED_S = 0.5  # a hundredth of a second more or less is then at most 2 %
MANY = 500  # threads or sockets: looking at each of so many every second would itself be load …
MANY_EVERY = 5  # … so only one reading in so many does
WHOLE_QUOTA = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """One reading, over the time since the last one; None is what could not be measured. docs/accuracy.md has more."""

    cpu_fraction_of_limit: float
    busiest_engine_core_fraction: float  # of one core; what limits a single-threaded engine
    memory_bytes: int
    throttled_s: float
    machine: float | None  # CPU of all programs, of what the engine may use
    waiting: float | None  # the engine process that waited longest for a CPU; single-threaded ones before others
    throttled: float | None  # of the time
    sockets: int | None
    sockets_share: float | None  # of the nearest limit


class Monitor:
    """Reads /proc (by psutil) and the control group."""

    def __init__(self, now: float) -> None:
        self._worker = psutil.Process()
        self._processes: dict[int, psutil.Process] = {}
        self._groups: dict[int, int] = {}
        self._used: dict[int, float] = {}
        self._group = Group.own()
        self.cores = self._group.cores or float(_usable_cores())
        self.memory_limit_bytes = min(self._group.memory_bytes or _total_memory(), _total_memory())
        self._ports = kernel.ports()
        self._throttled_s = self._group.throttled_s()
        self._machine = self._machine_s()
        self._worker_s = _cpu_s(self._worker)
        self._waited: dict[int, dict[int, int]] = {}
        self._waited_at = self._now = now
        self._threads = 0
        self._readings = 0

    def due(self, now: float) -> bool:
        """Whether enough time has passed: the kernel counts in hundredths of a second, too coarse for a moment."""
        return now - self._now >= LEAST_ELAPSED_S

    def read(self, now: float, single_threaded: Collection[int], engines: Collection[int] = ()) -> Health:
        """How busy since the last reading, given the process groups of engines.

        Those that are `single_threaded` are judged against one core a process.
        """
        engines = {*single_threaded, *engines}
        if self._readings % CHILDREN_EVERY == 0 or any(pid not in self._groups for pid in engines):
            self._find_processes()
        elapsed_s = now - self._now
        memory = _memory(self._worker)
        busiest = total = 0.0
        for pid, process in self._processes.items():
            used_s = _cpu_s(process)
            spent_s = max(0.0, used_s - self._used.get(pid, used_s))
            self._used[pid] = used_s
            total, memory = total + spent_s, memory + _memory(process)
            if self._groups.get(pid) in single_threaded:
                busiest = max(busiest, spent_s)
        worker_s = _cpu_s(self._worker)
        total += worker_s - self._worker_s
        throttled_s = self._throttled_since()
        sockets, share = self._opened()
        health = Health(
            cpu_fraction_of_limit=total / elapsed_s / self.cores,
            busiest_engine_core_fraction=busiest / elapsed_s,
            memory_bytes=memory,
            throttled_s=throttled_s or 0.0,
            machine=self._machine_since(engines),
            waiting=self._waiting(now, engines, single_threaded),
            throttled=None if throttled_s is None else min(1.0, throttled_s / elapsed_s),
            sockets=sockets,
            sockets_share=share,
        )
        self._worker_s, self._now = worker_s, now
        self._readings += 1
        return health

    def _find_processes(self) -> None:
        with contextlib.suppress(psutil.Error):
            self._processes = {child.pid: child for child in self._worker.children(recursive=True)}
        self._groups = {}
        for pid in self._processes:
            with contextlib.suppress(OSError):
                self._groups[pid] = os.getpgid(pid)

    def _throttled_since(self) -> float | None:
        before, self._throttled_s = self._throttled_s, self._group.throttled_s()
        if before is None or self._throttled_s is None:
            return None
        return max(0.0, self._throttled_s - before)

    def _machine_since(self, engines: Collection[int]) -> float | None:
        before, self._machine = self._machine, self._machine_s()
        chosen = self._usable(engines) & before.keys() & self._machine.keys() or before.keys() & self._machine.keys()
        busy_s, possible_s = (sum(self._machine[core][i] - before[core][i] for core in chosen) for i in (0, 1))
        return min(1.0, max(0.0, busy_s / possible_s)) if possible_s > 0 else None

    def _usable(self, engines: Collection[int]) -> set[int]:
        """The cores that the engine with the least choice may use; without an engine, this worker."""
        choices = []
        if hasattr(os, "sched_getaffinity"):
            for pid in (0, *(pid for pid in self._processes if self._groups.get(pid) in engines)):
                with contextlib.suppress(OSError):
                    choices.append(os.sched_getaffinity(pid))
        return min(choices, key=len, default=set())

    def _machine_s(self) -> dict[int, tuple[float, float]]:
        """By core, CPU seconds that all programs have taken, and that there were; a quota is like one core."""
        used_s = self._group.used_s()
        if self._group.cores is not None and used_s is not None:
            return {WHOLE_QUOTA: (used_s, time.monotonic() * self._group.cores)}
        found = {}
        for core, one in enumerate(psutil.cpu_times(percpu=True)):
            idle_s = one.idle + getattr(one, "iowait", 0.0)
            guests_s = getattr(one, "guest", 0.0) + getattr(one, "guest_nice", 0.0)
            all_s = sum(one) - guests_s  # guests are counted as users, too
            found[core] = (all_s - idle_s, all_s)
        return found

    def _waiting(self, now: float, engines: Collection[int], single_threaded: Collection[int]) -> float | None:
        if self._threads > MANY and self._readings % MANY_EVERY:
            return None
        elapsed_ns, self._waited_at = (now - self._waited_at) * 1e9, now
        before, self._waited, self._threads = self._waited, {}, 0
        worst: dict[bool, float] = {}  # by whether the engine has one thread for everything
        for pid in self._processes:
            group = self._groups.get(pid)
            waited = kernel.waits(pid) if group in engines else None
            if waited is None:
                continue
            self._waited[pid] = waited
            self._threads += len(waited)
            if pid in before and elapsed_ns > 0:
                known = before[pid]
                sum_ns = sum(max(0, ns - known.get(thread, 0)) for thread, ns in waited.items())
                alone = group in single_threaded
                cores = 1.0 if alone else max(1.0, kernel.cores_of(pid, self.cores))
                worst[alone] = max(worst.get(alone, 0.0), min(1.0, sum_ns / elapsed_ns / cores))
        return worst.get(True, worst.get(False))

    def _opened(self) -> tuple[int | None, float | None]:
        """Open sockets, and the share of the nearest limit: files of one process, or ports for all sockets."""
        most = MANY if self._readings % MANY_EVERY else 1 << 30
        found = [told for one in (self._worker, *self._processes.values()) if (told := kernel.opened(one, most))]
        counts = [told.sockets for told in found]
        sockets = None if None in counts or not counts else sum(count for count in counts if count is not None)
        shares = [told.files / told.limit for told in found if told.limit]
        if sockets is not None and self._ports:
            shares.append(sockets / self._ports)
        return sockets, max(shares, default=None)


def _total_memory() -> int:
    """The machine's memory."""
    return int(psutil.virtual_memory().total)


def _usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cpu_s(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


def _memory(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0
