"""A console of one person over a folder, for the pages that edit suites and schedules."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import APIRouter, Request
from starlette.testclient import TestClient

from toril.console.app import Setup, create_app
from toril.console.identity import Person, Role
from toril.errors import OptionError
from toril.records.console import RunRequest
from toril.records.schedule import SuiteSchedule
from toril.store import FolderStore

NOW = 1_795_000_000.0
TOKEN = "token-of-the-session"


class Still:
    """A clock that stands still."""

    def now(self) -> float:
        return NOW

    def sleep(self, seconds: float) -> None: ...


@dataclass
class Known:
    """The identity of one person, who is always signed in."""

    role: Role = "admin"
    can_sign_out: bool = False

    @property
    def routes(self) -> APIRouter:
        return APIRouter()

    def person(self, request: Request) -> Person:
        return Person(subject="ada", name="Ada", role=self.role)

    def csrf(self, request: Request) -> str:
        return TOKEN


@dataclass
class Started:
    """A starter that starts nothing."""

    requests: list[RunRequest] = field(default_factory=list)

    def start(self, request: RunRequest) -> None:
        self.requests.append(request)


@dataclass
class Kept:
    """A scheduler that keeps schedules in this process."""

    found: dict[str, SuiteSchedule] = field(default_factory=dict)

    def schedules(self) -> tuple[list[SuiteSchedule], list[str]]:
        return sorted(self.found.values(), key=lambda one: one.name), []

    def create(self, schedule: SuiteSchedule) -> None:
        if schedule.name in self.found:
            raise OptionError(f"the schedule {schedule.name} already exists", code="schedule-exists")
        self.found[schedule.name] = schedule

    def update(self, schedule: SuiteSchedule) -> None:
        self.found[schedule.name] = schedule

    def delete(self, name: str) -> None:
        del self.found[name]


@dataclass
class Console:
    """A console, what it started, and a browser without script."""

    store: FolderStore
    role: Role = "admin"
    starter: Started = field(default_factory=Started)
    schedules: Kept | None = None
    address: str = "http://console.test"

    def app(self) -> Any:
        return create_app(
            Setup(
                store=self.store,
                identity=Known(self.role),
                clock=Still(),
                examine=lambda _: (),
                address=self.address,
                starter=self.starter,
                schedules=self.schedules,
            )
        )

    def client(self) -> TestClient:
        headers = {"x-csrf-token": TOKEN}
        return TestClient(self.app(), base_url=self.address, headers=headers, follow_redirects=False)


def console(folder: Path, role: Role = "admin", **more: Any) -> Console:
    return Console(FolderStore(folder / "store"), role, **more)


@contextmanager
def serving(one: Console) -> Iterator[str]:
    """Serves the console on loopback. Yields its address."""
    listener = socket.create_server(("127.0.0.1", 0))  # clients wait from now on, and are never refused
    one.address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = uvicorn.Server(uvicorn.Config(one.app(), log_level="error", access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield one.address
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


def fields(html: str) -> dict[str, str]:
    """Returns the fields of the editor's form as a browser would send them."""
    reader = _Fields()
    reader.feed(html)
    return reader.found


class _Fields(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, str] = {}
        self.inside, self.select, self.area = False, "", ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.inside = has.get("id") == "editor"
        if not self.inside:
            return
        if tag == "input" and (has.get("type") not in ("radio", "checkbox") or "checked" in has):
            self.found[has["name"]] = has.get("value", "on")
        elif tag == "select":
            self.select = has["name"]
        elif tag == "option" and self.select and ("selected" in has or self.select not in self.found):
            self.found[self.select] = has.get("value", "")
        elif tag == "textarea":
            self.area = has["name"]
            self.found[self.area] = ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.inside = False
        elif tag == "select":
            self.select = ""
        elif tag == "textarea" and self.area:
            self.found[self.area] = self.found[self.area].removeprefix("\n")
            self.area = ""

    def handle_data(self, data: str) -> None:
        if self.area:
            self.found[self.area] += data
