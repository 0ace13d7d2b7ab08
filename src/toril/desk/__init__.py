"""What people and programs do to runs, suites and schedules: one set of operations for each face.

Commands, pages, the API and tools parse, call the desk, and show. A desk knows the person who acts.

- store: the operations over a store
- starting, adjust, runs: its changes of runs
- console: the same through a console's API, which has rights of its own
"""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from toril.clock import SystemClock
from toril.desk.adjust import Adjusted
from toril.desk.store import StoreDesk
from toril.records import LauncherName, SuiteOrigin
from toril.records.console import RunNote, StartRun, SuiteVersion
from toril.records.schedule import SuiteSchedule
from toril.store import Reader, Store
from toril.suite import Suite
from toril.suite.git import read_origin


class Desk(Protocol):
    """The operations that a store and a console have in common. A refusal is a UserError with the same code."""

    def about(self) -> tuple[str, LauncherName]:
        """Returns the person's name in records, and where runs start by default."""

    def start(self, wanted: StartRun, key: str | None = None) -> str:
        """Starts a run of a stored suite. Returns its id. `key`: a repeated key starts one run."""

    def stop(self, run_id: str) -> str:
        """Ends the load of a run, or cancels its request. Returns a sentence about the effect."""

    def adjust(self, run_id: str, rate: str, execution: str | None, *, sure: bool = True) -> Adjusted:
        """Sets the rate of one execution of a running run. Without `sure`, a large step is refused."""

    def add_note(self, run_id: str, text: str) -> RunNote:
        """Adds a note to a run."""

    def set_baseline(self, run_id: str, suite: str = "") -> None:
        """Makes a run the baseline of a suite, by default of its own."""

    def clear_baseline(self, suite: str) -> None:
        """Removes the baseline of a suite, if there is one."""

    def prune(self, older_than: timedelta) -> tuple[list[str], list[str]]:
        """Deletes ended runs by age. Returns their ids, and the suites that have no baseline now."""

    def save(
        self,
        name: str,
        files: Mapping[str, bytes | Path],
        comment: str,
        *,
        expected: int | None = None,
        origin: SuiteOrigin | None = None,
    ) -> SuiteVersion:
        """Saves the next version of a suite. `expected`: the version that was edited, as for `suites.save`."""

    def schedules(self) -> list[SuiteSchedule]:
        """Returns the schedules; none for a store that has no scheduler."""


def desk_of(reader: Reader, by: str, face: str = "") -> Desk:
    """Returns the operations on a store for this person, or on the console behind a reader."""
    if isinstance(reader, Store):
        return StoreDesk(store=reader, clock=SystemClock(), by=by, face=face)
    from toril.desk.console import ConsoleDesk
    from toril.store.console import ConsoleReader

    assert isinstance(reader, ConsoleReader)  # noqa: S101 - the only other reader
    return ConsoleDesk(reader)


def push(desk: Desk, suite: Suite) -> SuiteVersion:
    """Saves a suite of this machine, with its packages and its commit, as the next version of its name."""
    from toril.runs.packages import files_with_packages  # of few suites

    origin = read_origin(suite.folder, suite.files)
    note = "" if origin is None else f"commit {origin.tag}"
    return desk.save(suite.name, files_with_packages(suite), note, origin=origin)
