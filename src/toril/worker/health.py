"""One reading a second of processors, memory, sockets and lateness, of the worker and its engines."""

import contextlib
import os
import time
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from toril.timeline.intervals import Recorder
from toril.worker.engine_runs import EngineRuns
from toril.worker.engines.in_process import Lateness

CHILDREN_EVERY = 5  # looking for new descendants costs more than reading those that are known
LEAST_ELAPSED_S = 0.5  # a hundredth of a second more or less is then at most 2 %
MANY = 500  # threads or sockets: looking at each of so many every second would itself be load …
MANY_EVERY = 5  # … so only one reading in so many does
WHOLE_QUOTA = -1  # as a core's number: the quota of the control group
PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
PROC = Path("/proc")
TOP = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")
NO_LIMIT = 1 << 60  # bytes; version 1 writes its "none" as nearly 2**63


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """One reading, over the time since the last one; None was not measured. See docs/explanation/accuracy.md."""

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
        for pid in (0, *(pid for pid in self._processes if self._groups.get(pid) in engines)):
            with contextlib.suppress(OSError, AttributeError):  # macOS has no such function
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
        """Open sockets, and the share of the nearest limit: files of one process, or ports for all sockets."""
        most = MANY if self._readings % MANY_EVERY else 1 << 30
        found = [one for process in (self._worker, *self._processes.values()) if (one := open_sockets(process, most))]
        counts = [one.sockets for one in found if one.sockets is not None]
        sockets = sum(counts) if found and len(counts) == len(found) else None
        shares = [one.files / one.limit for one in found if one.limit]
        if sockets is not None and self._ports:
            shares.append(sockets / self._ports)
        return sockets, max(shares, default=None)


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


@dataclass(frozen=True, slots=True)
class Opened:
    """What one process has open."""

    files: int  # file descriptors of all kinds, sockets among them
    sockets: int | None  # None: not counted this time
    limit: int | None  # of file descriptors


def thread_waits(pid: int, proc: Path = PROC) -> dict[int, int] | None:
    """The time that each thread has waited for a CPU, in ns since its start; None where the kernel does not count."""
    found = {}
    try:
        with os.scandir(proc / str(pid) / "task") as tasks:
            for task in tasks:
                with contextlib.suppress(OSError, ValueError):
                    ran, waited, _ = map(int, Path(task.path, "schedstat").read_bytes().split())
                    if ran:  # a kernel that does not count says 0
                        found[int(task.name)] = waited
    except OSError:
        return None
    return found or None


def open_sockets(process: psutil.Process, most: int) -> Opened | None:
    """What it has open; sockets are told apart only among at most so many, since that takes a call for each."""
    try:
        if not psutil.LINUX:
            return Opened(process.num_fds(), None, None)
        with os.scandir(f"/proc/{process.pid}/fd") as found:
            paths = [entry.path for entry in found]
        limit, _ = process.rlimit(psutil.RLIMIT_NOFILE)
        return Opened(len(paths), _sockets(paths) if len(paths) <= most else None, limit if limit > 0 else None)
    except (OSError, psutil.Error):
        return None


def _sockets(paths: list[str]) -> int:
    count = 0
    for path in paths:
        with contextlib.suppress(OSError):
            count += os.readlink(path).startswith("socket:")  # noqa: PTH115 - many: a Path for each is half the time
    return count


def usable_ports() -> int | None:
    """How many ports the kernel can give to connections that are opened here."""
    with contextlib.suppress(OSError, ValueError):
        first, last = map(int, PORTS.read_text().split())
        return last - first + 1
    return None


def cores_of(pid: int, most: float) -> float:
    """How many cores a process may use at once, of so many that there are for it and others."""
    with contextlib.suppress(OSError, AttributeError):  # macOS has no such function
        return min(float(len(os.sched_getaffinity(pid))), most)
    return most


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The innermost groups that set a limit; a limit of an outer group holds as well."""

    cores: float | None  # that may be used at once; None without a quota
    memory_bytes: int | None  # None without a limit
    _cpu: Path

    @classmethod
    def own(cls, memberships: Path = OWN, top: Path = TOP) -> "Group":
        """This process's: version 2's single tree, or version 1's trees of the CPU and memory controllers."""
        cpu, memory = _folders(memberships, top, "cpu"), _folders(memberships, top, "memory")
        quotas = [(quota, folder) for folder in cpu if (quota := _quota(folder)) is not None]
        cores, limiting = min(quotas, default=(None, cpu[0] if cpu else top))
        limits = [limit for folder in memory if (limit := _memory_limit(folder)) is not None]
        return cls(cores=cores, memory_bytes=min(limits, default=None), _cpu=limiting)

    def throttled_s(self) -> float | None:
        """How long its quota has held it back since its creation, summed over cores; None if unknown."""
        counters = _stat(self._cpu / "cpu.stat")
        if "throttled_usec" in counters:
            return counters["throttled_usec"] / 1e6
        if "throttled_time" in counters:  # version 1: nanoseconds
            return counters["throttled_time"] / 1e9
        return None

    def used_s(self) -> float | None:
        """The CPU time of everything in it; None if unknown."""
        counters = _stat(self._cpu / "cpu.stat")
        if "usage_usec" in counters:
            return counters["usage_usec"] / 1e6
        with contextlib.suppress(ValueError):
            return int(_text(self._cpu / "cpuacct.usage")) / 1e9
        return None


def _folders(memberships: Path, top: Path, controller: str) -> list[Path]:
    """The group's folder and those of the groups around it, innermost first."""
    for line in _text(memberships).splitlines():
        number, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            tree = top / controller
        elif number == "0" and not (top / controller).is_dir():
            tree = top
        else:
            continue
        inner = tree / path.lstrip("/")
        if not inner.is_dir():  # seen from inside a container its own group is the tree's top
            return [tree]
        return [inner, *(folder for folder in inner.parents if folder == tree or tree in folder.parents)]
    return [top]


def _quota(folder: Path) -> float | None:
    """The cores that the group may use at once; None without a limit."""
    with contextlib.suppress(ValueError):
        quota, period = (_text(folder / "cpu.max") or "max 1").split()
        if quota != "max":
            return int(quota) / int(period)
        quota = _text(folder / "cpu.cfs_quota_us") or "-1"
        if int(quota) > 0:
            return int(quota) / int(_text(folder / "cpu.cfs_period_us"))
    return None


def _memory_limit(folder: Path) -> int | None:
    for name in ("memory.max", "memory.limit_in_bytes"):
        with contextlib.suppress(ValueError):
            limit = int(_text(folder / name))
            return limit if 0 < limit < NO_LIMIT else None
    return None


def _stat(path: Path) -> dict[str, int]:
    pairs = (line.partition(" ") for line in _text(path).splitlines())
    return {name: int(value) for name, _, value in pairs if value.strip().isdigit()}


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def memory_limit_bytes(group: Group) -> int:
    """The memory of this machine or container."""
    machine = psutil.virtual_memory().total
    return min(group.memory_bytes or machine, machine)


class Vitals:
    """From the opening of the gates to the end."""

    def __init__(self, recorder: Recorder, runs: EngineRuns, start_at: float, now: float) -> None:
        self._recorder, self._runs, self._start_at = recorder, runs, start_at
        self._monitor = Monitor(now)
        self._overslept = Lateness(self._late)
        self._second = -1  # the one that `now` was in
        recorder.generator(
            cores=round(self._monitor.cores, 3),
            memory_limit_bytes=self._monitor.memory_limit_bytes,
            single_threaded=bool(runs) and any(run.engine.single_threaded for run in runs),
        )

    def record(self, now: float) -> None:
        """To be called several times a second; reads when a second is over, and then about the time since the last."""
        second = int(now - self._start_at) if now >= self._start_at else -1
        if second == self._second or not (second == 0 or self._monitor.due(now)):
            return
        self._second = second
        health = self._monitor.read(now, self._runs.single_threaded(), self._runs.processes())
        if second == 0:
            return  # that was about the time before the start
        second = max(0, int(now - self._start_at - 0.5))  # the last one that the reading is mostly about
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
