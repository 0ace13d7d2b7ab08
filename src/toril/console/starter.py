"""Starts requested runs on this machine: each is a command of its own, which outlives the console."""

import os
import subprocess
import sys
import threading
from pathlib import Path

from toril.clock import Clock, SystemClock
from toril.errors import InfrastructureError, OptionError
from toril.programs import hide_process
from toril.records import run_key
from toril.records.console import RunRequest
from toril.runs.requests import failure_of, keep_failure
from toril.secrets.environment import without_job
from toril.store import FolderStore
from toril.store.folder import make_private

MOST_RUNS = 2  # at a time: local workers share this machine, and measure each other
LOG_TAIL_CHARS = 600


class LocalStarter:
    """Starts `toril run --request` for runs in a folder's store. Threads may share it."""

    def __init__(self, store: FolderStore, *, most_runs: int = MOST_RUNS, clock: Clock | None = None) -> None:
        hide_process()
        self._store, self._most_runs, self._clock = store, most_runs, clock or SystemClock()
        self._lock = threading.Lock()
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, request: RunRequest) -> None:
        """See `Starter.start`. InfrastructureError while too many runs are going on."""
        run_id = request.run_id
        with self._lock:
            if run_id in self._running or self._has_begun(run_id):
                return
            if len(self._running) >= self._most_runs:
                text = f"{len(self._running)} runs are going on here, which would disturb each other; wait or stop one"
                raise InfrastructureError(text, code="too-many-runs")
            log = self._store.path(f"requests/{run_id}.log")
            command = [sys.executable, "-P", "-m", "toril", "run", "--request", run_id, "--quiet"]
            try:
                make_private(log.parent)
                with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as output:
                    process = subprocess.Popen(
                        [*command, "--store", str(self._store.folder)],
                        stdin=subprocess.DEVNULL,
                        stdout=output,
                        stderr=subprocess.STDOUT,
                        env=without_job(os.environ),
                        start_new_session=True,  # Ctrl-C in the console's terminal does not end the run
                    )
            except OSError as error:
                text = f"{run_id} could not be started: {error}"
                raise InfrastructureError(text, code="not-started") from error
            self._running[run_id] = process
        threading.Thread(target=self._wait, args=(run_id, process, log), daemon=True).start()

    def _has_begun(self, run_id: str) -> bool:
        planned = self._store.find(run_key(run_id, "plan.json")) is not None
        return planned or failure_of(self._store, run_id) is not None

    def why_ended(self, request: RunRequest) -> None:
        """See `Starter.why_ended`. Here, a thread waits for each process and keeps the reason."""

    def take_over(self, run_id: str, at: float) -> None:
        """See `Starter.take_over`. The workers of a local run end with its coordinator."""
        raise OptionError(f"use `toril watch {run_id} --take-over`", code="local-run")

    def _wait(self, run_id: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
        """Waits for the command's end, and keeps the end of its log if it ended before the run began."""
        process.wait()
        with self._lock:
            del self._running[run_id]
        if not self._has_begun(run_id):
            tail = log.read_text(errors="replace").strip()[-LOG_TAIL_CHARS:]
            message = f"exit code {process.returncode}; last log lines: {tail}"
            keep_failure(self._store, run_id, self._clock.now(), "not-started", message)
