"""PID 1 of a worker's container: outlives the worker, ends it at the deadline, and lets nothing outlive it (Linux).

`python -m toril.worker.pid1 COMMAND…`. Imports nothing but the standard library, and little of it: it is the first
thing to start, and must still work when the worker's own code does not.
"""

import contextlib
import ctypes
import math
import os
import select
import signal
import sys
import time
from pathlib import Path

FILE_VARIABLE = "TORIL_GUARD_FILE"  # names the file into which the worker writes its deadline
BOUND_VARIABLE = "TORIL_GUARD_BOUND_S"
BOUND_S = 1200.0  # without a deadline: more than a worker needs until it has read the run's launch.json
POLL_S = 0.5  # of the deadline's file
WAIT_S = 60.0  # sigtimedwait needs a limit
DYING_S = 5.0  # for processes to end after their SIGKILL
LOG_S = 2.0  # for a log that is blocked
PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
FORWARDED = (signal.SIGTERM, signal.SIGINT)
AWAITED = {*FORWARDED, signal.SIGCHLD}


def write_deadline(epoch_s: float) -> None:
    """For the worker: nothing may run after this time. Does nothing without a guard process."""
    path = os.environ.get(FILE_VARIABLE)
    if path:
        new = Path(f"{path}.new")
        new.write_text(repr(float(epoch_s)))
        new.replace(path)


def guard(command: list[str], file: Path, bound_s: float) -> int:
    """Run the command to its end, or to the deadline, and leave none of its processes behind; its exit code."""
    signal.pthread_sigmask(signal.SIG_BLOCK, AWAITED)  # before anything can send one; a blocked signal waits for us
    if os.getpid() != 1:
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        worker = os.posix_spawnp(
            command[0], command, {**os.environ, FILE_VARIABLE: str(file)}, setsid=True, setsigmask=[]
        )
    except OSError as error:
        return _ended(127, f"could not start the worker: {error}")
    counted = oom_kills()
    status, why = _watch(worker, file, bound_s)
    left = _kill_all()
    code = os.waitstatus_to_exitcode(left.pop(worker, 0) if status is None else status)
    killed = sum(os.WIFSIGNALED(one) and os.WTERMSIG(one) == signal.SIGKILL for one in left.values())
    reason = end_message(code, why, oom_kills() - counted, killed)
    return _ended(code if code >= 0 else 128 - code, reason)


def _watch(worker: int, file: Path, bound_s: float) -> tuple[int | None, str]:
    """Until the worker has ended, or its time is over: its status, or None and why."""
    ends, why = time.monotonic() + bound_s, f"it wrote no deadline within {bound_s:g} s"
    known = False
    statuses: dict[int, int] = {}
    forwarded: set[int] = set()
    while True:
        _reap(statuses)
        if worker in statuses:
            return statuses[worker], ""
        if not known and (deadline := _deadline(file)) is not None:
            # a clock that is set later moves no deadline
            ends, why, known = time.monotonic() + deadline - time.time(), "the run's deadline has passed", True
        left_s = ends - time.monotonic()
        if left_s <= 0:
            return None, why
        received = signal.sigtimedwait(AWAITED, min(left_s, WAIT_S if known else POLL_S))
        if received is not None and received.si_signo in FORWARDED and received.si_signo not in forwarded:
            forwarded.add(received.si_signo)
            os.kill(worker, received.si_signo)  # not reaped yet, so the number is still its own


def _reap(statuses: dict[int, int]) -> bool:
    """Note the status of the children that have ended, orphans included; returns whether there are others."""
    try:
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            statuses[ended[0]] = ended[1]
    except ChildProcessError:
        return False
    return True


def _deadline(file: Path) -> float | None:
    with contextlib.suppress(OSError, ValueError):
        deadline = float(file.read_text())
        return deadline if math.isfinite(deadline) else None
    return None


def _kill_all() -> dict[int, int]:
    """SIGKILL, which ends frozen processes too, to all of the container, or to the descendants. Their status by id."""
    statuses: dict[int, int] = {}
    give_up = time.monotonic() + DYING_S
    while time.monotonic() < give_up:
        if os.getpid() == 1:
            with contextlib.suppress(ProcessLookupError):
                os.kill(-1, signal.SIGKILL)
        else:
            for pid in _descendants():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        if not _reap(statuses):
            return statuses
        signal.sigtimedwait({signal.SIGCHLD}, 0.05)
    return statuses


def _descendants() -> list[int]:
    """The children of this process, and theirs."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(folder.name))
    found, new = [], [os.getpid()]
    while new:
        new = [child for parent in new for child in children.get(parent, [])]
        found += new
    return found


def oom_kills(top: Path = Path("/sys/fs/cgroup")) -> int:
    """Number of this container's processes that the kernel has killed for want of memory; 0 if unknown."""
    for name in ("memory.events", "memory/memory.oom_control"):  # version 2, version 1
        with contextlib.suppress(OSError):
            for line in (top / name).read_text().splitlines():
                if line.startswith("oom_kill "):
                    return int(line.split()[1])
    return 0


def end_message(code: int, why: str, oom: int, left: int) -> str:
    """Why the worker ended, when it cannot report that itself; empty after a regular end."""
    reasons = []
    if why:
        reasons.append(f"killed the worker: {why}")
    elif code < 0:
        reasons.append(f"the worker was killed by {signal.Signals(-code).name}")
    if oom:
        reasons.append(f"out of memory: the kernel killed processes of this container ({oom})")
    if left and not why:
        reasons.append(f"killed what the worker had left behind ({left} processes)")
    return "; ".join(reasons)


def _ended(code: int, reason: str) -> int:
    """Write the reason as the last line of all, unless the log is blocked: it must not keep the container alive."""
    if reason and select.select([], [sys.stderr.fileno()], [], LOG_S)[1]:
        os.write(sys.stderr.fileno(), f"toril guard: {reason}\n".encode())
    return code


def main() -> int:
    if len(sys.argv) < 2:
        return _ended(2, "usage: python -m toril.worker.pid1 COMMAND…")
    folder = os.environ.get("TMPDIR") or "/tmp"  # noqa: S108 - a random name, read and written by this user alone
    file = Path(folder, f"toril-guard-{os.urandom(8).hex()}")
    try:
        return guard(sys.argv[1:], file, float(os.environ.get(BOUND_VARIABLE, BOUND_S)))
    finally:
        file.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
