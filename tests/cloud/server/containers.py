"""Tasks as podman containers, with pulled images, enforced limits and file owners.

A podman process is attached to each container, and gets its output and exit code. So a container behaves like a
process of `processes.py`, except for the differences here.
"""

import json
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cloud.server import podman, process_tree, processes, registry_access
from tests.cloud.server.processes import CLIENT
from tests.cloud.server.state import on_reset

STARTS_WITHIN_S = 60
POLL_S = 0.02
PODMANS_OWN = (125, 126, 127)  # podman's own exit codes
DOCKER_HUB = "registry-1.docker.io"
ARCHITECTURES = {"X86_64": "amd64", "ARM64": "arm64"}
NOT_FOUND = re.compile(r"manifest unknown|not found|name unknown|MANIFEST_UNKNOWN|NAME_UNKNOWN", re.IGNORECASE)
NO_PLATFORM = re.compile(r"no image found in (?:image index|manifest list) for architecture")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Settings of a container that MiniStack does not pass to a Docker client."""

    architecture: str
    cpu_units: int
    memory_mib: int
    user: str | None
    workdir: str | None
    read_only: bool
    init: bool
    volumes: tuple[tuple[str, bool], ...]  # mount point, and whether it is read-only
    dropped: tuple[str, ...]
    files: tuple[int, int] | None  # soft and hard limit of open files


def limits_of(container: dict[str, Any], task: dict[str, Any], platform: dict[str, Any]) -> Limits:
    linux = container.get("linuxParameters") or {}
    files = next((one for one in container.get("ulimits", ()) if one["name"] == "nofile"), None)
    return Limits(
        architecture=ARCHITECTURES[platform.get("cpuArchitecture", "X86_64")],
        cpu_units=int(task["cpu"]),
        memory_mib=int(container.get("memory") or task["memory"]),
        user=container.get("user"),
        workdir=container.get("workingDirectory"),
        read_only=bool(container.get("readonlyRootFilesystem")),
        init=bool(linux.get("initProcessEnabled")),
        volumes=tuple((one["containerPath"], one.get("readOnly", False)) for one in container.get("mountPoints", ())),
        dropped=tuple((linux.get("capabilities") or {}).get("drop", ())),
        files=(files["softLimit"], files["hardLimit"]) if files else None,
    )


class Container(processes.Container):
    """A container with an attached podman process."""

    _killed = False

    def wait(self) -> dict[str, int]:
        """Waits for the end. Ignores podman's errors about a killed container that is being removed."""
        found = super().wait()
        lost = self._killed and found["StatusCode"] in PODMANS_OWN
        return {"StatusCode": 128 + signal.SIGKILL} if lost else found

    def _started(self, options: dict[str, Any]) -> subprocess.Popen[bytes]:
        named = options["labels"].get("com.amazonaws.ecs.container-name", "main")
        limits: Limits = options["limits"]
        pid_file = self.folder / "pid"
        arguments = ["run", "--rm", "--pull=never", "--network=host", f"--pidfile={pid_file}"]
        arguments += [f"--name={podman.NAME}-{named}-{self.id[:12]}", f"--label={podman.LABEL}"]
        arguments += [f"--cgroup-parent=/{podman.NAME}", *_flags(limits)]
        environment = {**(options.get("environment") or {}), process_tree.NAME: self.id}
        arguments += [f"--env={name}={value}" for name, value in environment.items()]
        if options.get("entrypoint") is not None:
            arguments.append(f"--entrypoint={json.dumps(options['entrypoint'])}")
        arguments += [PULLED[self.image, limits.architecture], *(options.get("command") or ())]
        process = self.popen(["podman", *arguments], podman.environment(Path(tempfile.gettempdir())), self.folder)
        self._pid = self._first_process(process, pid_file)
        return process

    def _first_process(self, process: subprocess.Popen[bytes], pid_file: Path) -> int | None:
        """Returns the process id outside the container, or None if it has ended."""
        give_up_s = time.monotonic() + STARTS_WITHIN_S
        while time.monotonic() < give_up_s:
            if pid_file.exists() and (text := pid_file.read_text().strip()):
                return int(text)
            if process.poll() is not None:
                output = self.output.read_text(errors="replace").strip()
                if process.returncode in PODMANS_OWN and output.startswith("Error: "):
                    raise podman.PodmanError(output.removeprefix("Error: "))
                return None
            time.sleep(POLL_S)
        process.kill()
        raise podman.PodmanError(f"the container did not start within {STARTS_WITHIN_S} s")

    def signal(self, number: int) -> None:
        if self._pid is not None and self.process.poll() is None:
            self._killed = self._killed or number == signal.SIGKILL
            try:
                os.kill(self._pid, number)
            except ProcessLookupError:
                return  # podman is also ending

    @property
    def out_of_memory(self) -> bool:
        """Whether the kernel killed the container for memory; conmon then leaves a file."""
        return (self.folder / "oom").exists()


def _flags(limits: Limits) -> list[str]:
    memory = f"{limits.memory_mib}m"
    cpus = limits.cpu_units / 1024
    found = [f"--memory={memory}", f"--memory-swap={memory}", f"--cpus={cpus:g}"]
    if limits.user:
        found.append(f"--user={limits.user}")
    if limits.workdir:
        found.append(f"--workdir={limits.workdir}")
    if limits.read_only:
        found += ["--read-only", "--read-only-tmpfs=false"]
    if limits.init:
        found.append("--init")
    found += [f"--ulimit={one}" for one in podman.limits(limits.files)]  # a single option would unset the others
    for path, read_only in limits.volumes:
        found.append(f"--mount=type=volume,destination={path}" + (",readonly" if read_only else ""))
    return [*found, *(f"--cap-drop={one}" for one in limits.dropped)]


PULLED: dict[tuple[str, str], str] = {}  # ids of images, by reference and architecture
_NAMES: set[str] = set()  # podman's names of this server's images
_PULLING: dict[tuple[str, str], threading.Lock] = {}
on_reset(PULLED.clear)
on_reset(lambda: podman.remove_containers() if CLIENT.real else None)


def install() -> None:
    CLIENT.real, CLIENT.start, CLIENT.missing = True, Container, pull


def end() -> None:
    """Removes all containers and images of this server."""
    podman.remove_containers()
    for name in _NAMES:
        podman.run("rmi", name)
    podman.remove_groups()


def pull(reference: str, architecture: str) -> str | None:
    """Pulls an image, once per digest. Returns the reason if it fails, or None."""
    key = (reference, ARCHITECTURES[architecture])
    with _PULLING.setdefault(key, threading.Lock()):
        if key in PULLED and "@" in reference:
            return None
        name = address_of(reference)
        login = f"--creds=AWS:{registry_access.OURS}"
        try:
            PULLED[key] = podman.run("pull", "--quiet", "--tls-verify=false", f"--arch={key[1]}", login, name)
        except podman.PodmanError as error:
            return f"{reference}: {_words(str(error), key[1])}"
        _NAMES.add(name)
        return None


def address_of(reference: str) -> str:
    """Returns an image's address in this cloud. An image without a registry is from Docker Hub."""
    first, _, rest = reference.partition("/")
    if not rest or not ("." in first or ":" in first):
        first, rest = "docker.io", reference
    if first == "docker.io":
        first, rest = DOCKER_HUB, rest if "/" in rest else f"library/{rest}"
    return f"127.0.0.1:{os.environ['GATEWAY_PORT']}/{first}/{rest}"


def _words(error: str, architecture: str) -> str:
    if NO_PLATFORM.search(error):
        return f"image Manifest does not contain descriptor matching platform 'linux/{architecture}'"
    return "not found" if NOT_FOUND.search(error) else error.splitlines()[-1]
