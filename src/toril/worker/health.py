"""Reads CPU, memory, sockets and lateness of the worker and its engines, once a second."""

import contextlib
import os
import time
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import psutil

from toril.engines.cgroup import ControlGroup, memory_limit_bytes
from toril.engines.in_process import Lateness
from toril.timeline.intervals import Recorder
from toril.worker.engine_runs import EngineRuns

CHILDREN_EVERY = 5  # readings; finding new descendants costs more than reading known ones
LEAST_ELAPSED_S = 0.5  # so that an error of a hundredth of a second is at most 2 %
MANY = 500  # threads or sockets; reading more of them every second would itself be load …
MANY_EVERY = 5  # … so only every fifth reading includes them
WHOLE_QUOTA = -1  # number of the core that stands for the control group's quota
PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
PROC = Path("/proc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """One reading over the time since the last one; None if unknown. See docs/explanation/accuracy.md."""

    cpu_fraction_of_limit: float
    busiest_engine_core_fraction: float  # of one core, which limits a single-threaded engine
    memory_bytes: int
    throttled_s: float
    machine: float | None  # CPU of all programs, as a share of the engine's usable cores
    waiting: float | None  # longest CPU wait of an engine process (single-threaded first), as a share of the time
    throttled: float | None  # share of the time
    sockets: int | None
    sockets_share: float | None  # share of the nearest limit


class Monitor:
    """Reads /proc (through psutil) and the control group."""

    def __init__(self, now: float) -> None:
        self._worker = psutil.Process()
        self._processes: dict[int, psutil.Process] = {}
        self._groups: dict[int, int] = {}
        self._used: dict[int, float] = {}
        self._group = ControlGroup.own()
        self.cores = self._group.cores or cores_of(0, os.cpu_count() or 1)
        self.memory_limit_bytes = memory_limit_bytes(self._group)
        self._ports = usable_ports()
        self._throttled_s = self._group.throttled_s()
        self._machine = self._machine_s()
        self._worker_s = _cpu_s(self._worker)
        self._waited: dict[int, dict[int, int]] = {}
        self._waited_at = self._now = now
        self._threads = 0
        self._readings = 0

    def due(self, now: float) -> bool:
        """Returns whether enough time has passed: the kernel counts CPU time in hundredths of a second."""
        return now - self._now >= LEAST_ELAPSED_S

    def read(self, now: float, single_threaded: Collection[int], engines: Collection[int] = ()) -> Health:
        """Returns the reading since the last one; `engines` are process groups.

        Each process of the `single_threaded` groups is compared with one core.
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
        """Returns the usable cores of the most restricted engine; without engines, of this worker."""
        choices = []
        for pid in (0, *(pid for pid in self._processes if self._groups.get(pid) in engines)):
            with contextlib.suppress(OSError, AttributeError):  # macOS has no such function
                choices.append(os.sched_getaffinity(pid))
        return min(choices, key=len, default=set())

    def _machine_s(self) -> dict[int, tuple[float, float]]:
        """Returns (used, available) CPU seconds of all programs by core; a quota counts as one core."""
        used_s = self._group.used_s()
        if self._group.cores is not None and used_s is not None:
            return {WHOLE_QUOTA: (used_s, time.monotonic() * self._group.cores)}
        cores = {}
        for core, times in enumerate(psutil.cpu_times(percpu=True)):
            idle_s = times.idle + getattr(times, "iowait", 0.0)
            guests_s = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
            all_s = sum(times) - guests_s  # the kernel counts guest time as user time, too
            cores[core] = (all_s - idle_s, all_s)
        return cores

    def _waiting(self, now: float, engines: Collection[int], single_threaded: Collection[int]) -> float | None:
        if self._threads > MANY and self._readings % MANY_EVERY:
            return None
        elapsed_ns, self._waited_at = (now - self._waited_at) * 1e9, now
        before, self._waited, self._threads = self._waited, {}, 0
        worst: dict[bool, float] = {}  # by whether the engine is single-threaded
        for pid in self._processes:
            group = self._groups.get(pid)
            waited = thread_waits(pid) if group in engines else None
            if waited is None:
                continue
            self._waited[pid] = waited
            self._threads += len(waited)
            if pid in before and elapsed_ns > 0:
                known = before[pid]
                sum_ns = sum(max(0, ns - known.get(thread, 0)) for thread, ns in waited.items())
                alone = group in single_threaded
                cores = 1.0 if alone else max(1.0, cores_of(pid, self.cores))
                worst[alone] = max(worst.get(alone, 0.0), min(1.0, sum_ns / elapsed_ns / cores))
        return worst.get(True, worst.get(False))

    def _opened(self) -> tuple[int | None, float | None]:
        """Returns open sockets, and the share of the nearest limit: one process's files, or all local ports."""
        most = MANY if self._readings % MANY_EVERY else 1 << 30
        opened = [own for process in (self._worker, *self._processes.values()) if (own := open_sockets(process, most))]
        counts = [own.sockets for own in opened if own.sockets is not None]
        sockets = sum(counts) if opened and len(counts) == len(opened) else None
        shares = [own.files / own.limit for own in opened if own.limit]
        if sockets is not None and self._ports:
            shares.append(sockets / self._ports)
        return sockets, max(shares, default=None)


def _cpu_s(process: psutil.Process) -> float:
    with contextlib.suppress(psutil.Error):
        times = process.cpu_times()
        return float(times.user + times.system)
    return 0.0


def _memory(process: psutil.Process) -> int:
    with contextlib.suppress(psutil.Error):
        return int(process.memory_info().rss)
    return 0


@dataclass(frozen=True, slots=True)
class OpenFiles:
    """The open files of one process."""

    files: int  # file descriptors, sockets included
    sockets: int | None  # None: not counted this time
    limit: int | None  # of file descriptors


def thread_waits(pid: int, proc: Path = PROC) -> dict[int, int] | None:
    """Returns each thread's total wait for a CPU, in ns; None if the kernel does not count it."""
    waits = {}
    try:
        with os.scandir(proc / str(pid) / "task") as tasks:
            for task in tasks:
                with contextlib.suppress(OSError, ValueError):
                    ran, waited, _ = map(int, Path(task.path, "schedstat").read_bytes().split())
                    if ran:  # a kernel that does not count reports 0
                        waits[int(task.name)] = waited
    except OSError:
        return None
    return waits or None


def open_sockets(process: psutil.Process, most: int) -> OpenFiles | None:
    """Returns a process's open files; counts sockets only among up to `most` files, since each takes a call."""
    try:
        if not psutil.LINUX:
            return OpenFiles(process.num_fds(), None, None)
        with os.scandir(f"/proc/{process.pid}/fd") as entries:
            paths = [entry.path for entry in entries]
        limit, _ = process.rlimit(psutil.RLIMIT_NOFILE)
        return OpenFiles(len(paths), _sockets(paths) if len(paths) <= most else None, limit if limit > 0 else None)
    except (OSError, psutil.Error):
        return None


def _sockets(paths: list[str]) -> int:
    count = 0
    for path in paths:
        with contextlib.suppress(OSError):
            count += os.readlink(path).startswith("socket:")  # noqa: PTH115 - a Path for each would take twice as long
    return count


def usable_ports() -> int | None:
    """Returns the number of local ports for outgoing connections; None if unknown."""
    with contextlib.suppress(OSError, ValueError):
        first, last = map(int, PORTS.read_text().split())
        return last - first + 1
    return None


def cores_of(pid: int, most: float) -> float:
    """Returns the number of cores that a process may use at once, at most `most`."""
    with contextlib.suppress(OSError, AttributeError):  # macOS has no such function
        return min(float(len(os.sched_getaffinity(pid))), most)
    return most


class Vitals:
    """Records health and lateness from the opening of the gates to the end."""

    def __init__(self, recorder: Recorder, runs: EngineRuns, start_at: float, now: float) -> None:
        self._recorder, self._runs, self._start_at = recorder, runs, start_at
        self._monitor = Monitor(now)
        self._overslept = Lateness(self._late)
        self._second = -1  # of the last call
        recorder.generator(
            cores=round(self._monitor.cores, 3),
            memory_limit_bytes=self._monitor.memory_limit_bytes,
            single_threaded=bool(runs) and any(run.engine.single_threaded or run.engine.reports_work for run in runs),
        )

    def record(self, now: float) -> None:
        """Record a reading once a second; to be called several times a second."""
        second = int(now - self._start_at) if now >= self._start_at else -1
        if second == self._second or not (second == 0 or self._monitor.due(now)):
            return
        self._second = second
        health = self._monitor.read(now, self._runs.single_threaded(), self._runs.processes())
        if second == 0:
            return  # this reading covers the time before the start
        busiest = max((run.busy for run in self._runs if run.at_work), default=0.0)
        busiest = max(busiest, health.busiest_engine_core_fraction)
        health = replace(health, busiest_engine_core_fraction=busiest)
        second = max(0, int(now - self._start_at - 0.5))  # the last second of which the reading covers most
        self._recorder.health(second, **asdict(health))

    def sleep(self, seconds: float, sleep: Callable[[float], None] = time.sleep) -> None:
        """Sleep; an engine that does not report late sends counts as late as this sleep ends."""
        before = time.perf_counter()
        sleep(seconds)
        if any(run.at_work and not run.engine.reports_lateness for run in self._runs):
            self._overslept.add(time.perf_counter() - before - seconds)

    def end(self) -> None:
        """Record the last second's lateness."""
        self._overslept.flush()

    def _late(self, at_s: float, late_us: int, late_p90_us: int) -> None:
        if at_s >= self._start_at - 1:
            second = max(0, int(at_s - self._start_at))
            self._recorder.sends(second, late_us=late_us, late_p90_us=late_p90_us, dropped=None)
