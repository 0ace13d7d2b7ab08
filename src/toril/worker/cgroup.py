"""The control group that a worker lives in: its CPU quota, what it used of it, its memory limit (Linux)."""

import contextlib
from dataclasses import dataclass
from pathlib import Path

TOP = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")
NO_LIMIT = 1 << 60  # bytes; version 1 writes its "none" as nearly 2**63


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
        """Since it was made, how long its quota has held it back; several cores add up. None where nobody counts."""
        told = _stat(self._cpu / "cpu.stat")
        if "throttled_usec" in told:
            return told["throttled_usec"] / 1e6
        if "throttled_time" in told:  # version 1: nanoseconds
            return told["throttled_time"] / 1e9
        return None

    def used_s(self) -> float | None:
        """The CPU time of everything in it; None where nobody counts."""
        told = _stat(self._cpu / "cpu.stat")
        if "usage_usec" in told:
            return told["usage_usec"] / 1e6
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
