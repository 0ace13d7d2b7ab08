"""The guard of a worker's container, with real processes; it is PID 1 in its own namespace."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

LIMIT_S = 20
CONTAINED = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")


def may_contain() -> bool:
    return bool(shutil.which("unshare")) and not subprocess.run([*CONTAINED, "true"], capture_output=True).returncode


@contextmanager
def guarded(script: str, *before: str, **environment: str) -> Iterator["subprocess.Popen[str]"]:
    """Runs a guard with this Python script as its worker; kills it at the end of the test."""
    process = subprocess.Popen(
        [*before, sys.executable, "-m", "toril.worker.pid1", sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            for one in psutil.Process(process.pid).children(recursive=True):
                one.kill()
            process.kill()
        process.communicate(timeout=LIMIT_S)


def finished(script: str, *before: str, **environment: str) -> tuple[int, str, str]:
    with guarded(script, *before, **environment) as process:
        stdout, stderr = process.communicate(timeout=LIMIT_S)
        return process.returncode, stdout, stderr


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


LEAVES_ONE_BEHIND = """
import subprocess, sys
left = subprocess.Popen(["sleep", "600"], start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(left.pid, flush=True)
"""


@pytest.mark.parametrize("code", [0, 4, 70])
def test_the_guard_returns_the_workers_exit_code_and_prints_nothing(code):
    assert finished(f"import sys; sys.exit({code})") == (code, "", "")


def test_the_last_line_reports_a_killed_worker():
    code, _, stderr = finished(
        "import os; print('my last words', file=__import__('sys').stderr, flush=True); os.kill(os.getpid(), 9)"
    )
    assert code == 137
    reason = "toril guard: the worker was killed by SIGKILL, probably for lack of memory"
    assert stderr.splitlines() == ["my last words", reason]


def test_a_worker_that_cannot_start_is_reported():
    done = subprocess.run(
        [sys.executable, "-m", "toril.worker.pid1", "no-such-program"], capture_output=True, text=True, timeout=LIMIT_S
    )
    assert done.returncode == 127
    assert "cannot start the worker" in done.stderr and "no-such-program" in done.stderr


@pytest.mark.live
def test_each_ending_signal_is_forwarded_once():
    script = """
import signal, time
got = []
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, frame: got.append(signal.Signals(number).name))

print("ready", flush=True)
ends = time.monotonic() + 1.5
while time.monotonic() < ends:
    time.sleep(0.05)
print(got, flush=True)
"""
    with guarded(script) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
            process.send_signal(number)
            time.sleep(0.1)
        stdout, _ = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, stdout) == (0, "['SIGINT', 'SIGTERM']\n")


def test_the_worker_leads_a_session_of_its_own_with_no_signal_blocked():
    script = """
import os, signal
print(os.getsid(0) == os.getpid(), sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])))
"""
    assert finished(script)[1] == "True []\n"


@pytest.mark.live
def test_a_frozen_worker_is_killed_at_its_deadline():
    script = """
import os, signal, time
from toril.worker.pid1 import write_deadline
write_deadline(time.time() + 1.5)
os.kill(os.getpid(), signal.SIGSTOP)
"""
    began = time.monotonic()
    code, _, stderr = finished(script)
    assert code == 137
    assert stderr == "toril guard: killed the worker: the run's deadline has passed\n"
    assert 1 < time.monotonic() - began < 10


def test_a_worker_without_a_deadline_has_a_time_limit():
    code, _, stderr = finished("import time; time.sleep(600)", TORIL_GUARD_BOUND_S="0.5")
    assert (code, stderr) == (137, "toril guard: killed the worker: it wrote no deadline within 0.5 s\n")


@pytest.mark.live
def test_a_deadline_replaces_the_time_limit():
    script = """
import time
from toril.worker.pid1 import write_deadline
write_deadline(time.time() + 600)
time.sleep(2)
"""
    assert finished(script, TORIL_GUARD_BOUND_S="1")[0] == 0


def test_leftover_processes_in_another_session_are_killed():
    code, stdout, stderr = finished(LEAVES_ONE_BEHIND)
    assert gone(int(stdout))
    assert (code, stderr) == (0, "")


def test_outside_of_a_container_only_descendants_are_killed():
    with guarded("import time; time.sleep(600)") as stranger:
        assert finished("pass")[0] == 0
        assert stranger.poll() is None


def test_orphans_are_reaped_while_the_worker_runs():
    script = """
import os, subprocess, time
left = subprocess.run(["sh", "-c", "sleep 0.2 & echo $!"], stdout=subprocess.PIPE, text=True).stdout
ends = time.monotonic() + 10
while os.path.exists(f"/proc/{left.strip()}") and time.monotonic() < ends:
    time.sleep(0.05)
print(os.path.exists(f"/proc/{left.strip()}"))
"""
    assert finished(script)[1] == "False\n"


@pytest.mark.skipif(not may_contain(), reason="needs the right to make a PID namespace")
def test_as_pid_1_the_guard_obeys_signals_and_leaves_no_process():
    script = (
        LEAVES_ONE_BEHIND
        + """
import os, signal
assert os.getppid() == 1
os.kill(1, signal.SIGTERM)  # the kernel drops signals that PID 1 neither handles nor blocks
signal.pause()
"""
    )
    code, stdout, stderr = finished(script, *CONTAINED)
    assert code == 128 + signal.SIGTERM
    assert stdout
    assert stderr.splitlines()[-1] == "toril guard: the worker was killed by SIGTERM"


@pytest.mark.live
def test_an_unread_log_does_not_keep_the_guard_alive(tmp_path: Path):
    """The guard ends although its log is a full pipe."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(writing, b"x" * 4096)
    os.set_blocking(writing, True)
    done = subprocess.run(
        [sys.executable, "-m", "toril.worker.pid1", "sh", "-c", "kill -9 $$"],
        stderr=writing,
        timeout=LIMIT_S,
        check=False,
    )
    os.close(reading)
    os.close(writing)
    assert done.returncode == 137


def test_the_guard_removes_its_file(tmp_path: Path):
    script = "import time; from toril.worker.pid1 import write_deadline; write_deadline(time.time() + 60)"
    assert finished(script, TMPDIR=str(tmp_path))[0] == 0
    assert list(tmp_path.iterdir()) == []


def test_the_guard_imports_little_so_that_it_starts_quickly():
    code = "import sys; before = set(sys.modules); import toril.worker.pid1; print(*set(sys.modules) - before)"
    loaded = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"subprocess", "tempfile", "dataclasses", "typing", "boto3", "psutil", "bzt"} & set(loaded)
