"""Starts and stops the faults of a run: experiments of AWS FIS, and hooks on this machine."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from toril.aws.experiments import Experiments
from toril.launchers import hook
from toril.records import Fault

SHOWN_OUTPUT = 500  # characters of a failed hook's output


@dataclass(slots=True)
class Hooks:
    """Hooks of a suite, each under a process that calls `HOOK stop` even if this process is killed."""

    folder: Path  # of the suite
    _running: dict[int, tuple[subprocess.Popen[bytes], IO[bytes]]] = field(init=False, default_factory=dict)
    _failures: dict[str, str] = field(init=False, default_factory=dict)  # of hooks that have ended; empty: none

    def start(self, run_id: str, number: int, fault: Fault) -> str:
        if number not in self._running:
            first, *others = fault.hook.split()
            command = [sys.executable, "-I", hook.__file__, str(self.folder / first), *others]
            printed = TemporaryFile()  # noqa: SIM115 - it is read at the end of the hook
            guard = subprocess.Popen(
                command, cwd=self.folder, stdin=subprocess.PIPE, stdout=printed, stderr=printed, start_new_session=True
            )
            self._running[number] = guard, printed
        return str(number)

    def find(self, run_id: str, number: int, fault: Fault) -> str:
        return str(number) if number in self._running else ""

    def ended(self, fault: Fault, id: str) -> tuple[float | None, str] | None:
        guard, printed = self._running[int(id)]
        if guard.poll() is not None and id not in self._failures:
            with printed:
                said = os.pread(printed.fileno(), 1 << 20, 0).decode(errors="replace").strip()[-SHOWN_OUTPUT:]
            self._failures[id] = f"{fault.hook}: exit code {guard.returncode}: {said}" if guard.returncode else ""
        return (None, self._failures[id]) if id in self._failures else None

    def stop(self, fault: Fault, id: str) -> None:
        guard, _ = self._running[int(id)]
        if guard.stdin is not None:
            guard.stdin.close()


def injector_of(folder: Path) -> Callable[[Fault], Experiments | Hooks]:
    """Returns what starts and stops a fault. `folder`: of the run's suite, for hooks."""
    experiments, hooks = Experiments(), Hooks(folder)
    return lambda fault: hooks if fault.hook else experiments
