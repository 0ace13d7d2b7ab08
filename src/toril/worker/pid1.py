"""PID 1 of a worker's container: kills the worker at the deadline, and its leftover processes at its end (Linux).

`python -m toril.worker.pid1 COMMAND…`. It imports little, and only from the standard library, because it must work when
the worker's own code does not.
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
BOUND_S = 1200.0  # limit without a deadline; a worker reads launch.json well before
POLL_S = 0.5  # between reads of the deadline's file
WAIT_S = 60.0  # sigtimedwait needs a limit
DYING_S = 5.0  # for processes to end after their SIGKILL
LOG_S = 2.0  # to wait for a blocked log
PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
FORWARDED = (signal.SIGTERM, signal.SIGINT)
AWAITED = {*FORWARDED, signal.SIGCHLD}


def write_deadline(epoch_s: float) -> None:
    """Write the time at which the guard kills this worker. Does nothing without a guard process."""
    path = os.environ.get(FILE_VARIABLE)
    if path:
        new = Path(f"{path}.new")
        new.write_text(repr(float(epoch_s)))
        new.replace(path)


def guard(command: list[str], file: Path, bound_s: float) -> int:
    """Run the command to its end or the deadline, and kill its leftover processes; returns its exit code."""
    signal.pthread_sigmask(signal.SIG_BLOCK, AWAITED)  # before the first signal: blocked ones stay pending
    if os.getpid() != 1:
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        worker = os.posix_spawnp(
            command[0], command, {**os.environ, FILE_VARIABLE: str(file)}, setsid=True, setsigmask=[]
        )
    except OSError as error:
        return _ended(127, f"cannot start the worker: {error}")
    statuses: dict[int, int] = {}
    why = _watch(worker, file, bound_s, statuses)
    _kill_all(statuses)
    code = os.waitstatus_to_exitcode(statuses.get(worker, 0))
    if code < 0 and not why:
        memory = ", probably for lack of memory" if code == -signal.SIGKILL else ""
        why = f"the worker was killed by {signal.Signals(-code).name}{memory}"
    return _ended(code if code >= 0 else 128 - code, why)


def _watch(worker: int, file: Path, bound_s: float, statuses: dict[int, int]) -> str:
    """Wait for the worker's end, or for its deadline: returns the reason then."""
    ends, why = time.monotonic() + bound_s, f"killed the worker: it wrote no deadline within {bound_s:g} s"
    known = False
    forwarded: set[int] = set()
    while True:
        _reap(statuses)
        if worker in statuses:
            return ""
        if not known and (deadline := _deadline(file)) is not None:
            # monotonic, because the wall clock may be changed later
            ends, known = time.monotonic() + deadline - time.time(), True
            why = "killed the worker: the run's deadline has passed"
        left_s = ends - time.monotonic()
        if left_s <= 0:
            return why
        received = signal.sigtimedwait(AWAITED, min(left_s, WAIT_S if known else POLL_S))
        if received is not None and received.si_signo in FORWARDED and received.si_signo not in forwarded:
            forwarded.add(received.si_signo)
            os.kill(worker, received.si_signo)  # not reaped yet, so the PID is still its own


def _reap(statuses: dict[int, int]) -> bool:
    """Collect the statuses of ended children, orphans included; returns whether others still run."""
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


def _kill_all(statuses: dict[int, int]) -> None:
    """Kill all processes of the container, or all descendants, even frozen ones."""
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
            return
        signal.sigtimedwait({signal.SIGCHLD}, 0.05)


def _descendants() -> list[int]:
    """Returns the PIDs of this process's descendants."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(folder.name))
    below, new = [], [os.getpid()]
    while new:
        new = [child for parent in new for child in children.get(parent, [])]
        below += new
    return below


def _ended(code: int, reason: str) -> int:
    """Log the reason as the last line, unless the log is blocked, which must not keep the container alive."""
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
