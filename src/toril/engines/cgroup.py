"""Limits of this process' control group, in both versions: CPU quota, throttled time, memory."""

import contextlib
from dataclasses import dataclass
from pathlib import Path

import psutil

TOP = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")
NO_LIMIT = 1 << 60  # bytes; cgroup v1 reports no limit as nearly 2**63


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlGroup:
    """The limits of this process's control groups; the smallest of all enclosing groups holds."""

    cores: float | None  # usable at once; None without a quota
    memory_bytes: int | None  # None without a limit
    _cpu: Path

    @classmethod
    def own(cls, memberships: Path = OWN, top: Path = TOP) -> "ControlGroup":
        """Returns this process's limits, from cgroup v2's single tree or v1's CPU and memory trees."""
        cpu, memory = _folders(memberships, top, "cpu"), _folders(memberships, top, "memory")
        quotas = [(quota, folder) for folder in cpu if (quota := _quota(folder)) is not None]
        cores, limiting = min(quotas, default=(None, cpu[0] if cpu else top))
        limits = [limit for folder in memory if (limit := _memory_limit(folder)) is not None]
        return cls(cores=cores, memory_bytes=min(limits, default=None), _cpu=limiting)

    def throttled_s(self) -> float | None:
        """Returns the time lost to the quota since the group's creation, summed over cores; None if unknown."""
        counters = _stat(self._cpu / "cpu.stat")
        if "throttled_usec" in counters:
            return counters["throttled_usec"] / 1e6
        if "throttled_time" in counters:  # cgroup v1: nanoseconds
            return counters["throttled_time"] / 1e9
        return None

    def used_s(self) -> float | None:
        """Returns the CPU time of all its processes, in seconds; None if unknown."""
        counters = _stat(self._cpu / "cpu.stat")
        if "usage_usec" in counters:
            return counters["usage_usec"] / 1e6
        with contextlib.suppress(ValueError):
            return int(_text(self._cpu / "cpuacct.usage")) / 1e9
        return None


def _folders(memberships: Path, top: Path, controller: str) -> list[Path]:
    """Returns the folders of the group and its parents, innermost first."""
    for line in _text(memberships).splitlines():
        number, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            tree = top / controller
        elif number == "0" and not (top / controller).is_dir():
            tree = top
        else:
            continue
        inner = tree / path.lstrip("/")
        if not inner.is_dir():  # inside a container, its own group is the top of the tree
            return [tree]
        return [inner, *(folder for folder in inner.parents if folder == tree or tree in folder.parents)]
    return [top]


def _quota(folder: Path) -> float | None:
    """Returns the number of cores that the group may use at once; None without a limit."""
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


def memory_limit_bytes(group: ControlGroup) -> int:
    """Returns the memory of this machine or container."""
    machine = psutil.virtual_memory().total
    return min(group.memory_bytes or machine, machine)
