"""Runs the workflows of a repository on this machine, by `act`: real jobs, with stand-ins for marketplace actions only.

with acting(folder, repository) as stage:
    done = stage.run("pull_request", repository.pull_request(), "pull-request.yml")
assert done.code == 0, done.log
assert "passed" in done.summaries[0]
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.github.fake_api import TOKEN, GitHub
from tests.workflows import stand_ins
from tests.workflows.repository import Repository, used_elsewhere

ROOT = Path(__file__).resolve().parents[2]
ACT = Path(sys.executable).parent / "act"
LIMIT_S = 400  # longer than any workflow of these tests, also on a busy machine
# Signals that a GitHub runner sends to a cancelled step, each with the wait after it.
FIRMER_AND_FIRMER = ((signal.SIGINT, 7.5), (signal.SIGTERM, 2.5), (signal.SIGKILL, 2.5))
NO_TERMINAL = {"TTY_COMPATIBLE": "0", "TERM": "dumb", "PAGER": "cat"}  # GitHub gives steps no terminal, but act does
PASSED_ON = ("PATH", "LANG", "SSL_CERT_FILE", "PIP_CERT", "PIP_INDEX_URL", "UV_DEFAULT_INDEX", "GOPROXY")


@dataclass(frozen=True, slots=True)
class Acted:
    """The results of a workflow."""

    code: int
    lines: list[dict[str, Any]]  # the log of act
    artifacts: Path  # a folder per artifact
    scratch: Path  # the temporary folder of its programs

    @property
    def log(self) -> str:
        """Returns the readable log."""
        return "".join(_readable(line) for line in self.lines)

    @property
    def jobs(self) -> dict[str, str]:
        """Returns the result per job; for a matrix, the worst."""
        found: dict[str, str] = {}
        for line in self.lines:
            if "jobResult" in line and found.get(line["jobID"]) != "failure":
                found[line["jobID"]] = line["jobResult"]
        return found

    def steps(self, job: str) -> dict[str, str]:
        """Returns the result per executed step."""
        return {
            line["step"]: line["stepResult"]
            for line in self.lines
            if line.get("jobID") == job and line.get("stage") == "Main" and "stepResult" in line
        }

    @property
    def summaries(self) -> list[str]:
        """Returns the texts that steps wrote to the job summary; act reports those of an action twice."""
        return list(dict.fromkeys(line["content"] for line in self.lines if line.get("command") == "summary"))

    def annotations(self, kind: str = "error") -> list[dict[str, str]]:
        """Returns the annotations: `file`, `line`, `title`, …, and the `message`."""
        return [
            {**(line.get("kvPairs") or {}), "message": line["arg"]}
            for line in self.lines
            if line.get("command") == kind
        ]

    def artifact(self, pattern: str) -> Path:
        (found,) = self.artifacts.glob(pattern)
        return found


@dataclass(slots=True)
class Acting:
    """A running workflow."""

    process: "subprocess.Popen[str]"
    artifacts: Path
    scratch: Path
    lines: list[dict[str, Any]] = field(default_factory=list)
    reader: threading.Thread | None = None

    def until(self, text: str, within_s: float = LIMIT_S) -> None:
        """Waits for a line of the log."""
        give_up = time.monotonic() + within_s
        while not any(text in _readable(line) for line in list(self.lines)):
            if time.monotonic() > give_up or self.process.poll() is not None:
                raise AssertionError(f"no {text!r}:\n" + "".join(map(_readable, self.lines)))
            time.sleep(0.05)

    def cancel(self) -> None:
        """Cancels the run as GitHub does: interrupts the step, then runs only steps with `always()`.

        `act` would kill the step, so this method suspends `act` until the step has ended.
        """
        (step,) = psutil.Process(self.process.pid).children()
        self.process.send_signal(signal.SIGSTOP)
        for what, patience_s in FIRMER_AND_FIRMER:
            step.send_signal(what)
            give_up = time.monotonic() + patience_s
            while step.status() != psutil.STATUS_ZOMBIE and time.monotonic() < give_up:
                time.sleep(0.02)
            if step.status() == psutil.STATUS_ZOMBIE:
                break
        self.process.send_signal(signal.SIGINT)
        self.process.send_signal(signal.SIGCONT)

    def result(self, within_s: float = LIMIT_S) -> Acted:
        """Returns the results of the ended workflow."""
        try:
            self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.end()
            raise AssertionError(f"not done in {within_s} s:\n" + "".join(map(_readable, self.lines))) from None
        assert self.reader is not None
        self.reader.join()
        return Acted(self.process.returncode, self.lines, self.artifacts, self.scratch)

    def end(self) -> None:
        """Ends all processes of the workflow, including those outside its process tree, such as a shop."""
        self.process.kill()
        self.process.wait()
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("TMPDIR") == str(self.scratch):
                    process.kill()


@dataclass(slots=True, kw_only=True)
class Stage:
    """The environment of workflows: own home, caches, artifacts and stand-ins."""

    folder: Path
    repository: Repository
    api: GitHub | None = None
    others: dict[str, Path] = field(default_factory=dict)  # repositories that steps check out, or use as actions
    environment: dict[str, str] = field(default_factory=dict)  # for all steps
    programs: Path | None = None  # a folder before all others in PATH
    variables: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    runs: int = 0

    def run(self, event: str, payload: Mapping[str, Any], workflow: str, *more: str) -> Acted:
        """Runs a workflow to its end."""
        with self.running(event, payload, workflow, *more) as one:
            return one.result()

    @contextmanager
    def running(self, event: str, payload: Mapping[str, Any], workflow: str, *more: str) -> Iterator[Acting]:
        """Yields a running workflow, and ends it after the block."""
        self.runs += 1
        run_id = str(9000 + self.runs)
        event_file = self.folder / f"event-{run_id}.json"
        event_file.write_text(json.dumps(payload))
        scratch = self.folder / f"tmp-{run_id}"
        scratch.mkdir()
        options = [*self._options(event_file, run_id, workflow), f"--workflows=.github/workflows/{workflow}", *more]
        process = subprocess.Popen(
            [ACT, event, *options],
            cwd=self.repository.folder,
            env={**self._environment(), "TMPDIR": str(scratch)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        one = Acting(process, self.folder / "artifacts" / run_id, scratch)
        one.reader = threading.Thread(target=_read, args=(process, one.lines))
        one.reader.start()
        try:
            yield one
        finally:
            one.end()
            one.reader.join()
            (self.folder / f"log-{run_id}.txt").write_text("".join(map(_readable, one.lines)))

    def _options(self, event_file: Path, run_id: str, workflow: str) -> list[str]:
        folders = {**stand_ins.write(self.folder / f"actions-{run_id}"), **self.others}
        used = self.repository.used_actions(workflow)
        for name in {name for name, _ in used} & self.others.keys():
            used |= used_elsewhere(self.others[name], "action.yml")
        unknown = {name for name, _ in used} - folders.keys()
        assert not unknown, f"no stand-in for {unknown}: tests/workflows/stand_ins.py"
        environment = {
            "GITHUB_REPOSITORY": self.repository.name,
            "GITHUB_RUN_ID": run_id,
            "GITHUB_SERVER_URL": "https://github.com",
            **({"GITHUB_API_URL": self.api.url} if self.api else {}),
        }
        return [
            *("--platform=ubuntu-latest=-self-hosted", "--no-skip-checkout", "--no-cache-server", "--json", "--rm"),
            *(f"--local-repository={name}@{ref}={folders[name]}" for name, ref in used),
            f"--eventpath={event_file}",
            *(f"--env={name}={value}" for name, value in environment.items()),
            *(f"--var={name}={value}" for name, value in self.variables.items()),
            *(f"--secret={name}={value}" for name, value in {"GITHUB_TOKEN": TOKEN, **self.secrets}.items()),
        ]

    def _environment(self) -> dict[str, str]:
        passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        repositories = {self.repository.name: self.repository.folder, **self.others}
        if self.programs:
            passed_on["PATH"] = f"{self.programs}:{passed_on['PATH']}"
        return {
            **passed_on,
            "HOME": str(self.folder / "home"),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            # Share the download cache of this machine; each job still installs its packages.
            "UV_CACHE_DIR": _said(uv(), "cache", "dir"),
            "npm_config_cache": _said("npm", "config", "get", "cache"),
            **NO_TERMINAL,
            "STAND_IN": str(Path(stand_ins.__file__)),
            "STAND_IN_PYTHON": sys.base_prefix + "/bin/python3",
            "STAND_IN_UV": str(uv()),
            "STAND_IN_ARTIFACTS": str(self.folder / "artifacts"),
            "STAND_IN_REPOSITORIES": json.dumps({name: str(path) for name, path in repositories.items()}),
            **self.environment,
        }


@contextmanager
def acting(folder: Path, repository: Repository, **settings: Any) -> Iterator[Stage]:
    """Yields a stage in its own folder; removes all its processes at the end."""
    (folder / "home").mkdir(parents=True)
    yield Stage(folder=folder, repository=repository, **settings)


def uv() -> Path:
    for candidate in (os.environ.get("UV"), shutil.which("uv"), ROOT / ".tools/uv/bin/uv"):
        if candidate and (ROOT / candidate).is_file():
            return ROOT / candidate
    raise AssertionError("no uv: `make test` brings it")


def _said(*command: str | Path, within_s: float = 60) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=within_s).stdout.strip()


def _read(process: "subprocess.Popen[str]", lines: list[dict[str, Any]]) -> None:
    assert process.stdout is not None
    with process.stdout:
        for text in process.stdout:
            try:
                line = json.loads(text)
            except ValueError:
                line = text
            lines.append(line if isinstance(line, dict) else {"msg": text})


def _readable(line: Mapping[str, Any]) -> str:
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", str(line.get("msg", ""))).rstrip()
    return f"{line.get('job', ''):30.30} {'  | ' if line.get('raw_output') else ''}{text}\n"
