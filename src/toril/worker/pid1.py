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

FILE_VARIABLE = "TORIL_GUARD_FILE"  # names the file by which the worker tells its deadline
BOUND_VARIABLE = "TORIL_GUARD_BOUND_S"
BOUND_S = 1200.0  # until a deadline is told: more than a worker needs to come to the run's launch.json
LOOK_S = 0.5  # between two looks for the deadline in its file
WAIT_S = 60.0  # the kernel takes no endless wait
DYING_S = 5.0  # for processes to go after their SIGKILL
SAYING_S = 2.0  # for a log that takes no words at the moment
PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
HANDED_ON = (signal.SIGTERM, signal.SIGINT)
NOTICED = {*HANDED_ON, signal.SIGCHLD}


def tell_deadline(epoch_s: float) -> None:
    """For the worker: from then on nothing may run. Without a guard it says nothing to nobody."""
    named = os.environ.get(FILE_VARIABLE)
    if named:
        beside = Path(f"{named}.new")
        beside.write_text(repr(float(epoch_s)))
        beside.replace(named)


def guard(command: list[str], file: Path, bound_s: float) -> int:
    """Run the command to its end, or to the deadline, and leave none of its processes behind; its exit code."""
    signal.pthread_sigmask(signal.SIG_BLOCK, NOTICED)  # before anything can send one; a blocked signal waits for us
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
    reason = last_words(code, why, oom_kills() - counted, killed)
    return _ended(code if code >= 0 else 128 - code, reason)


def _watch(worker: int, file: Path, bound_s: float) -> tuple[int | None, str]:
    """Until the worker has ended, or its time is over: its status, or None and why."""
    ends, why = time.monotonic() + bound_s, f"it told no deadline within {bound_s:g} s"
    told = False
    handed_on: set[int] = set()
    while True:
        status = _reap(worker)
        if status is not None:
            return status, ""
        if not told and (deadline := _deadline(file)) is not None:
            # A clock that somebody sets later moves no deadline.
            ends, why, told = time.monotonic() + deadline - time.time(), "the run's deadline has passed", True
        left_s = ends - time.monotonic()
        if left_s <= 0:
            return None, why
        came = signal.sigtimedwait(NOTICED, min(left_s, WAIT_S if told else LOOK_S))
        if came is not None and came.si_signo in HANDED_ON and came.si_signo not in handed_on:
            handed_on.add(came.si_signo)
            os.kill(worker, came.si_signo)  # not reaped yet, so the number is still its own


def _reap(worker: int) -> int | None:
    """Bury what has ended, orphans included; the worker's status if it was among them."""
    found = None
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            found = ended[1] if ended[0] == worker else found
    return found


def _deadline(file: Path) -> float | None:
    with contextlib.suppress(OSError, ValueError):
        told = float(file.read_text())
        return told if math.isfinite(told) else None
    return None


def _kill_all() -> dict[int, int]:
    """SIGKILL, which a frozen process obeys too, to all that is left: in a container everything, else what descends
    from here. The status of each."""
    buried: dict[int, int] = {}
    give_up = time.monotonic() + DYING_S
    while time.monotonic() < give_up:
        if os.getpid() == 1:
            with contextlib.suppress(ProcessLookupError):
                os.kill(-1, signal.SIGKILL)
        else:
            for pid in _descendants():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        try:
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                buried[ended[0]] = ended[1]
        except ChildProcessError:
            return buried
        signal.sigtimedwait({signal.SIGCHLD}, 0.05)
    return buried


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
    """How many processes of this container the kernel has killed for want of memory; 0 where nobody counts."""
    for name in ("memory.events", "memory/memory.oom_control"):  # version 2, version 1
        with contextlib.suppress(OSError):
            for line in (top / name).read_text().splitlines():
                if line.startswith("oom_kill "):
                    return int(line.split()[1])
    return 0


def last_words(code: int, why: str, oom: int, left: int) -> str:
    """What the worker cannot say itself any more; empty if there is nothing."""
    said = []
    if why:
        said.append(f"killed the worker: {why}")
    elif code < 0:
        said.append(f"the worker was killed by {signal.Signals(-code).name}")
    if oom:
        said.append(f"out of memory: the kernel killed processes of this container ({oom})")
    if left and not why:
        said.append(f"killed what the worker had left behind ({left} processes)")
    return "; ".join(said)


def _ended(code: int, reason: str) -> int:
    """Say it as the last line of all, unless the log is stuck: then saying it must not keep the container alive."""
    if reason and select.select([], [sys.stderr.fileno()], [], SAYING_S)[1]:
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
