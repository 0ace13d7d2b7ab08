"""Runs workers as processes of this machine; each represents a location if the suite has locations."""

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil

from toril.errors import InfrastructureError
from toril.launchers import Launcher, WorkerExit
from toril.programs import hide_process
from toril.records import Launch, Plan, worker_key
from toril.secrets.environment import for_worker
from toril.store import FolderStore
from toril.store.folder import make_private

LOG_TAIL_CHARS = 600


class LocalLauncher(Launcher):
    """Starts `toril worker` processes, each in its own session, so that the engines end with their worker.

    InfrastructureError if bzt is not installed.
    """

    def __init__(self, store: FolderStore, environment: Mapping[str, str]) -> None:
        if importlib.util.find_spec("bzt") is None:
            text = "local runs need Taurus (bzt), which is not installed; install the extra `worker`"
            raise InfrastructureError(text, code="no-bzt")
        self._store = store
        hide_process()
        self._environment = for_worker(os.environ) | dict(environment)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._logs: dict[str, Path] = {}
        self._run_id = ""

    def launch(self, plan: Plan, launch: Launch) -> None:
        self._run_id = plan.run_id
        for share in plan.shares:
            self.relaunch(share.worker, launch.attempts[share.worker][0])

    def attach(self, plan: Plan, launch: Launch, attempts: Mapping[str, str]) -> None:
        text = f"run {plan.run_id} cannot be taken over: its workers ended with its command"
        raise InfrastructureError(text, code="local-run")

    def relaunch(self, worker: str, attempt: str) -> None:
        log = self._store.path(worker_key(self._run_id, worker, attempt, "worker.log"))
        make_private(log.parent)
        command = [sys.executable, "-P", "-m", "toril.worker", "--watch-parent"]  # -P: ignores a user's own yaml.py
        command += ["--store", str(self._store.folder), "--run", self._run_id]
        command += ["--worker", worker, "--attempt", attempt]
        try:
            with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as output:
                self._processes[worker] = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=self._environment,
                    start_new_session=True,
                )
        except OSError as error:
            raise InfrastructureError(f"worker {worker} could not be started: {error}", code="not-started") from error
        self._logs[worker] = log

    def ended(self) -> Mapping[str, WorkerExit]:
        return {
            worker: WorkerExit(self._reason(worker, process.returncode))
            for worker, process in self._processes.items()
            if process.poll() is not None
        }

    def terminate(self, worker: str) -> None:
        if worker in self._processes:
            self._processes[worker].terminate()

    def kill(self, worker: str) -> None:
        if worker in self._processes:
            process = self._processes[worker]
            process.kill()
            process.wait()
            _kill_session(process.pid)

    def release(self) -> None:
        self.close()  # local workers end with the command that started them

    def close(self) -> tuple[str, ...]:
        for worker in self._processes:
            self.kill(worker)
        return ()

    def _reason(self, worker: str, code: int) -> str:
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        with contextlib.suppress(OSError):
            tail = self._logs[worker].read_text(errors="replace").strip()[-LOG_TAIL_CHARS:]
            if tail:
                return f"{how}; last log lines: {tail}"
        return how


def _kill_session(session: int) -> None:
    """Kills the remaining processes of a worker's session; engines have their own process groups, but no session."""
    for pid in psutil.pids():
        with contextlib.suppress(OSError):
            if pid != os.getpid() and os.getsid(pid) == session:
                os.kill(pid, signal.SIGKILL)
