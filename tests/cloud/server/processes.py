"""Tasks as processes of this machine: the part of a Docker client that MiniStack uses.

A test sets the command of an image by the control path `image`. Other images cannot be pulled.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cloud.server import process_tree
from tests.cloud.server.state import on_reset

STOP_TIMEOUT_S = 30  # Fargate's default
POLL_S = 0.02
PROXY = "HTTPS_PROXY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image's entry point, command, environment and working directory."""

    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    workdir: str | None = None


IMAGES: dict[str, Image] = {}  # by complete reference, or by repository without registry, tag and digest
on_reset(IMAGES.clear)


class PullError(Exception):
    """The image does not exist."""


def image_of(reference: str) -> Image:
    name = reference.partition("@")[0]
    head, _, last = name.rpartition("/")
    name = f"{head}/{last.partition(':')[0]}".lstrip("/")
    first, _, rest = name.partition("/")
    known = (reference, name, rest if "." in first or ":" in first else name)
    for candidate in known:
        if candidate in IMAGES:
            return IMAGES[candidate]
    raise PullError(f"{reference}: not found")


def missing(reference: str, architecture: str) -> str | None:
    """Returns the reason if an image does not exist, or None."""
    try:
        image_of(reference)
    except PullError as error:
        return str(error)
    return None


class Container:
    """A process with its own folder."""

    def __init__(self, reference: str, options: dict[str, Any]) -> None:
        self.id = uuid.uuid4().hex * 2
        self.image = reference
        self.labels = options.get("labels") or {}
        self.attrs: dict[str, Any] = {"NetworkSettings": {"Networks": {}}}
        self.folder = Path(tempfile.mkdtemp(prefix="task-"))
        self.output = self.folder / "output"
        self.process = self._started(options)

    def _started(self, options: dict[str, Any]) -> subprocess.Popen[bytes]:
        image = image_of(self.image)
        entrypoint = options.get("entrypoint")
        command = options.get("command") or (image.command if entrypoint is None else ())
        argv = [*(image.entrypoint if entrypoint is None else entrypoint), *command]
        environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(self.folder)}
        asked = {**environment, **image.environment, **(options.get("environment") or {}), process_tree.NAME: self.id}
        if PROXY in image.environment:
            asked.pop("AWS_ENDPOINT_URL", None)  # from MiniStack; this image uses AWS' own host names
        return self.popen(argv, asked, image.workdir or self.folder)

    def popen(self, argv: Sequence[str], environment: dict[str, str], cwd: str | Path) -> subprocess.Popen[bytes]:
        """Starts a process in a new session that writes to `output`."""
        with self.output.open("wb") as output:
            return subprocess.Popen(
                argv,
                env=environment,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def status(self) -> str:
        return "running" if self.process.poll() is None else "exited"

    def reload(self) -> None:
        self.process.poll()

    def wait(self) -> dict[str, int]:
        code = self.process.wait()
        self.signal_all(signal.SIGKILL)  # as in a container, all processes end with the first one
        return {"StatusCode": 128 - code if code < 0 else code}

    def stop(self, timeout: float = STOP_TIMEOUT_S) -> None:
        self.signal(signal.SIGTERM)
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.signal_all(signal.SIGKILL)
            self.process.wait()

    def remove(self, **options: object) -> None:
        self.signal_all(signal.SIGKILL)
        self.process.wait()
        CLIENT.forget(self)

    def signal(self, number: int) -> None:
        """Signals the first process, like AWS."""
        if self.process.poll() is None:
            self.process.send_signal(number)

    def signal_all(self, number: int) -> None:
        """Signals the first process and all that it started."""
        self.signal(number)
        process_tree.signal_all(self.id, number)

    @property
    def out_of_memory(self) -> bool:
        """Returns False: a process has no memory limit."""
        return False

    def logs(self, *, stream: bool = False, **options: object) -> Any:
        return self._lines() if stream else self.output.read_bytes()

    def _lines(self) -> Iterator[bytes]:
        """Yields complete lines until the process has ended and all output is read."""
        with self.output.open("rb") as output:
            part = b""
            while True:
                ended = self.process.poll() is not None
                part += output.readline()
                if part.endswith(b"\n") or (ended and part):
                    yield part
                    part = b""
                elif ended:
                    return
                else:
                    time.sleep(POLL_S)


class Client:
    """The containers and images of a Docker client."""

    def __init__(self, start: Callable[[str, dict[str, Any]], Container]) -> None:
        self.start = start
        self.missing: Callable[[str, str], str | None] = (
            missing  # the reason if an image of an architecture cannot be pulled
        )
        self.real = False  # whether images are pulled
        self.containers = self
        self.images = self
        self._lock = threading.Lock()
        self._known: dict[str, Container] = {}
        self._ended: list[Path] = []  # folders with readable output

    def run(self, image: str, **options: Any) -> Container:
        container = self.start(image, options)
        with self._lock:
            self._known[container.id] = container
        return container

    def get(self, container_id: str) -> Container:
        return self._known[container_id]

    def list(self, **options: object) -> list[Container]:
        return list(self._known.values())

    def forget(self, container: Container) -> None:
        with self._lock:
            self._known.pop(container.id, None)
            self._ended.append(container.folder)

    def end_all(self) -> None:
        """Kills running containers and removes their files."""
        for container in self.list():
            container.remove()
        with self._lock:
            ended, self._ended = self._ended, []
        for folder in ended:
            shutil.rmtree(folder, ignore_errors=True)


CLIENT = Client(Container)
on_reset(CLIENT.end_all)
