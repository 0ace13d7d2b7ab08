"""Runs the real command on a real suite against a loopback target, as a user would."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

LIMIT_S = 90  # longer than any command of these tests; beyond it the test fails instead of hanging


@dataclass(frozen=True, slots=True)
class Finished:
    """The results of a finished command."""

    code: int
    stdout: str
    stderr: str
    store: Path
    answered: int = 0  # responses of the target, if a test counts them

    @property
    def folder(self) -> Path:
        (found,) = (self.store / "runs").iterdir()
        return found

    def json(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / name).read_text())
        return found

    def reasons(self) -> set[str]:
        return {reason["code"] for reason in self.json("verdict.json")["reasons"]}


def toril(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "toril", *map(str, arguments)]


def suite_file(folder: Path, url: str, **changes: Any) -> Path:
    """Writes a small Locust suite of one labelled request, with these changes."""
    suite: dict[str, Any] = {
        "execution": [{"executor": "locust", "concurrency": 4, "hold-for": "3s", "scenario": "home"}],
        "scenarios": {"home": {"requests": [{"url": f"{url}/home", "label": "home page"}]}},
        "reporting": [{"module": "passfail", "criteria": ["fail>0%", "p95 of home page>5s"]}],
    }
    suite["execution"][0].update(changes.pop("execution", {}))
    suite.update(changes)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "suite.json"
    path.write_text(json.dumps(suite))
    return path


def run(store: Path, *arguments: str | Path, folder: Path | None = None, limit_s: float = LIMIT_S) -> Finished:
    """Runs `toril run …` to its end, from `folder` if given."""
    done = subprocess.run(
        toril("run", *arguments, "--store", store),
        capture_output=True,
        text=True,
        timeout=limit_s,
        check=False,
        cwd=folder,
    )
    return Finished(done.returncode, done.stdout, done.stderr, store)


@contextmanager
def running(store: Path, *arguments: str | Path) -> Iterator["subprocess.Popen[str]"]:
    """Runs `toril run …` during the block, and kills it at the end."""
    process = subprocess.Popen(
        toril("run", *arguments, "--store", store), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=LIMIT_S)


def finish(process: "subprocess.Popen[str]", store: Path) -> Finished:
    stdout, stderr = process.communicate(timeout=LIMIT_S)
    return Finished(process.returncode, stdout, stderr, store)


def until(condition: Callable[[], Any], what: str, limit_s: float = 40.0) -> Any:
    """Wait until the condition is true; returns its value."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {limit_s} s")


def worker_pids(store: Path) -> dict[str, int]:
    """Returns worker → process id of the ready workers."""
    readies = [json.loads(path.read_text()) for path in store.glob("runs/*/workers/*/*/ready.json")]
    return {ready["worker"]: ready["pid"] for ready in readies}


def intervals(store: Path) -> list[Path]:
    return sorted(store.glob("runs/*/workers/*/*/intervals-*"))


def descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def alive(processes: list[psutil.Process]) -> list[str]:
    """Returns descriptions of the processes that still run, for a message; ended ones are left out."""
    found = []
    for process in processes:
        try:
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(f"{process.pid}: {' '.join(process.cmdline())[:100]}")
        except psutil.NoSuchProcess:
            continue
    return found


def check_nothing_is_left_running() -> None:
    """Fails if a toril process of this test process still runs."""
    children = psutil.Process().children(recursive=True)
    assert not [found for found in alive(children) if " -m toril " in found]


def environment(**values: str) -> dict[str, str]:
    return {**os.environ, **values}
