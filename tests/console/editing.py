"""A console for the pages that edit suites and schedules, with what it started and scheduled."""

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from tests.console import served
from tests.console.served import Started
from toril.console.identity import Role
from toril.errors import OptionError
from toril.records.schedule import SuiteSchedule
from toril.store import FolderStore


@dataclass
class Kept:
    """A scheduler that keeps schedules in this process."""

    found: dict[str, SuiteSchedule] = field(default_factory=dict)
    trouble: Exception | None = None

    def schedules(self) -> tuple[list[SuiteSchedule], list[str]]:
        if self.trouble is not None:
            raise self.trouble
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
    """A console over a folder, or over what looks like a bucket."""

    store: Any
    role: Role = "admin"
    starter: Started = field(default_factory=Started)
    scheduler: Kept = field(default_factory=Kept)
    more: dict[str, Any] = field(default_factory=dict)

    def client(self) -> TestClient:
        return served.client(self.store, self.role, **self._parts())

    def serving(self) -> AbstractContextManager[str]:
        return served.serving(self.store, self.role, **self._parts())

    def _parts(self) -> dict[str, Any]:
        local = isinstance(self.store, FolderStore)
        return {"starter": self.starter, "schedules": None if local else self.scheduler, **self.more}


def console(folder: Path) -> Console:
    return Console(FolderStore(folder / "store"))


class Bucket:
    """A folder that does not look like one: its runs need workers elsewhere."""

    def __init__(self, folder: Path) -> None:
        self._store = FolderStore(folder / "bucket")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


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
