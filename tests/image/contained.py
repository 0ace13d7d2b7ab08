"""The worker image on this machine: built by `image/build`, run with the options of the task definition."""

import functools
import json
import os
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.workers.containers import USER
from tests.targets import Target
from tests.worker.driver import RUN, Run, wait_until, workers
from toril.records import Plan
from toril.store import FolderStore

ROOT = Path(__file__).parents[2]
PODMAN = ROOT / "image" / "podman"
LIMIT_S = 60
BUILD_LIMIT_S = 280


def podman(*arguments: str | Path, limit_s: float = LIMIT_S, check: bool = True) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(
        [PODMAN, *map(str, arguments)], capture_output=True, text=True, timeout=limit_s, check=False, cwd="/"
    )
    assert done.returncode == 0 or not check, f"podman {' '.join(map(str, arguments))}\n{done.stdout}{done.stderr}"
    return done


@functools.cache
def trouble() -> str:
    """Returns the reason why this machine cannot run containers, or an empty text."""
    try:
        done = podman("run", "--rm", "--pull=never", base(), "true", check=False)
    except (OSError, subprocess.SubprocessError, AssertionError) as error:
        return str(error)
    return done.stderr.strip() if done.returncode else ""


@functools.cache
def base() -> str:
    """Returns the base image: $TORIL_IMAGE_BASE, such as Debian's by its digest, or one from Debian's packages."""
    if named := os.environ.get("TORIL_IMAGE_BASE"):
        return named
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "toril"
    made = subprocess.run(
        [ROOT / "image" / "base", cache], capture_output=True, text=True, timeout=BUILD_LIMIT_S, check=False
    )
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def built(target: str) -> str:
    """Builds a target and returns the image's name. Unchanged layers come from podman's cache."""
    name = f"localhost/toril-test:{target}"
    done = subprocess.run(
        [ROOT / "image" / "build", target, "--base", base(), "--tag", name, "--with", "podman"],
        capture_output=True,
        text=True,
        timeout=BUILD_LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return name


def task_options(network: str) -> list[str]:
    """Returns the options of the task definition: read-only except for volumes, unprivileged user, no capabilities."""
    options = ["--pull=never", "--read-only", "--read-only-tmpfs=false", "--user", USER, "--cap-drop=ALL"]
    options += ["--security-opt=no-new-privileges", f"--network={network}"]
    if os.geteuid() != 0:
        options.append("--userns=keep-id:uid=10001,gid=10001")
    return options


def run_script(image: str, script: str) -> Any:
    """Runs a Python script in the image and returns the JSON that it prints."""
    done = podman("run", "--rm", *task_options("none"), "--entrypoint=python", image, "-c", script)
    return json.loads(done.stdout)


class Shared(FolderStore):
    """A folder whose files other users may read."""

    def put(self, key: str, data: bytes) -> None:
        path = self.path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.parent / f".tmp-{path.name}"
        beside.write_bytes(data)
        beside.chmod(0o644)
        beside.replace(path)


@dataclass
class Contained(Run):
    """A worker in its own container. Its process here is `podman run`."""

    image: str = ""
    network: str = "host"
    environment: Mapping[str, str] = field(default_factory=dict)
    name: str = field(default_factory=lambda: f"toril-test-{uuid.uuid4().hex[:12]}")

    def command(self, number: int) -> list[str]:
        share = self.plan.shares[number]
        variables = {"TORIL_STORE": "/store", "TORIL_RUN": RUN, "TORIL_WORKER": share.worker}
        variables |= {"TORIL_ATTEMPT": self.attempt(number), **self.environment}
        options = [part for key, value in variables.items() for part in ("--env", f"{key}={value}")]
        options += ["--volume", f"{self.store.folder}:/store", "--name", self.name]
        return [str(PODMAN), "run", "--rm", *task_options(self.network), *options, self.image]

    def at_work(self, service: Target) -> None:
        """Waits until the worker is ready, starts it, and waits for its first requests."""
        self.launch()
        self.wait_ready()
        self.start()
        wait_until(lambda: service.answered >= 10, self)

    def kill(self, signal: str) -> None:
        """Sends a signal to PID 1, as ECS does."""
        podman("kill", "--signal", signal, self.name)

    def inside(self, *command: str) -> str:
        return podman("exec", self.name, *command).stdout


@contextmanager
def contained(plan: Plan, folder: Path, image: str, **settings: Any) -> Iterator[Contained]:
    """Yields a run whose folder the image's user can write to. Removes the container at the end."""
    with workers(plan, folder) as prepared:
        store = Shared(prepared.store.folder)
        for path in [store.folder, *store.folder.rglob("*")]:
            path.chmod(0o777 if path.is_dir() else 0o666)
        run = Contained(store, plan, image=image, **settings)
        try:
            yield run
        finally:
            podman("rm", "--force", "--volumes", "--time", "0", run.name, check=False)
            for process in run.processes:
                process.wait(timeout=LIMIT_S)
