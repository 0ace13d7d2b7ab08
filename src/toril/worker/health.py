"""What a worker and its engines take from their machine, second by second: is the generator the bottleneck?"""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

CHILDREN_EVERY = 5  # looking for new descendants costs more than reading those that are known
LEAST_ELAPSED_S = 0.5  # a hundredth of a second more or less is then at most 2 %
CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """One reading, over the time since the last one."""

    cpu_fraction_of_limit: float
    busiest_engine_core_fraction: float  # of one core; what limits a single-threaded engine
    memory_bytes: int
    throttled_s: float


class Monitor:
    """Reads /proc (by psutil) and, where a CPU quota is set, the control group."""

    def __init__(self, now: float) -> None:
        self._worker = psutil.Process()
        self._processes: dict[int, psutil.Process] = {}
        self._groups: dict[int, int] = {}
        self._used: dict[int, float] = {}
        self._group = _own_group()
        self._cores = _quota(self._group) or float(_usable_cores())
        self._throttled_s = self._throttled()
        self._worker_s = _cpu_s(self._worker)
        self._now = now
        self._readings = 0

    def due(self, now: float) -> bool:
        """Whether enough time has passed: the kernel counts in hundredths of a second, too coarse for a moment."""
        return now - self._now >= LEAST_ELAPSED_S

    def read(self, now: float, single_threaded: Sequence[int]) -> Health:
        """How busy since the last reading; `single_threaded` are process groups judged against one core a process."""
        if self._readings % CHILDREN_EVERY == 0 or any(pid not in self._groups for pid in single_threaded):
            self._find_processes()
        self._readings += 1
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
        worker_s, throttled_s = _cpu_s(self._worker), self._throttled()
        total += worker_s - self._worker_s
        health = Health(
            cpu_fraction_of_limit=total / elapsed_s / self._cores,
            busiest_engine_core_fraction=busiest / elapsed_s,
            memory_bytes=memory,
            throttled_s=max(0.0, throttled_s - self._throttled_s),
        )
        self._worker_s, self._throttled_s, self._now = worker_s, throttled_s, now
        return health

    def _find_processes(self) -> None:
        with contextlib.suppress(psutil.Error):
            self._processes = {child.pid: child for child in self._worker.children(recursive=True)}
        self._groups = {}
        for pid in self._processes:
            with contextlib.suppress(OSError):
                self._groups[pid] = os.getpgid(pid)

    def _throttled(self) -> float:
        for line in _text(self._group / "cpu.stat").splitlines():
            name, _, value = line.partition(" ")
            if name == "throttled_usec":
                return int(value) / 1e6
            if name == "throttled_time":  # version 1: nanoseconds
                return int(value) / 1e9
        return 0.0


def _own_group() -> Path:
    """This process's control group: version 2's single tree, or version 1's of the CPU controller."""
    for line in _text(Path("/proc/self/cgroup")).splitlines():
        number, controllers, path = line.split(":", 2)
        top = CGROUP if number == "0" else CGROUP / "cpu" if "cpu" in controllers.split(",") else None
        if top is not None:
            own = top / path.lstrip("/")
            return own if (own / "cpu.stat").exists() else top
    return CGROUP


def _quota(group: Path) -> float | None:
    """The cores that the control group may use at once; None without a limit."""
    with contextlib.suppress(ValueError):
        quota, period = (_text(group / "cpu.max") or "max 1").split()
        if quota != "max":
            return int(quota) / int(period)
        quota = _text(group / "cpu.cfs_quota_us") or "-1"
        if int(quota) > 0:
            return int(quota) / int(_text(group / "cpu.cfs_period_us"))
    return None


def _usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


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
