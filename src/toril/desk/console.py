"""The operations through a console's API, for `--store https://…`. The console knows the person, and has its rules."""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from toril.clock import Clock
from toril.desk import push
from toril.desk.adjust import Adjusted
from toril.errors import InfrastructureError, OptionError
from toril.plan.options import RunOptions
from toril.records import LauncherName, SuiteOrigin, run_key
from toril.records.console import RunNote, StartRun, SuiteVersion
from toril.records.progress import EVERY_S
from toril.records.schedule import SuiteSchedule
from toril.runs.find import checked_id
from toril.runs.requests import failure_of
from toril.runs.suites import checked_name
from toril.store.console import ConsoleReader
from toril.suite import read_suite

BEGINS_WITHIN_S = 600.0  # a coordinator's task starts within two minutes


@dataclass(frozen=True, slots=True)
class ConsoleDesk:
    """Sends changes to a console. Its refusals have the codes of the console's own."""

    store: ConsoleReader

    def about(self) -> tuple[str, LauncherName]:
        """See `Desk.about`."""
        me = self.store.send("GET", "/me")
        return str(me["name"]), TypeAdapter(LauncherName).validate_python(me.get("on", "fargate"))

    def start(self, wanted: StartRun, key: str | None = None) -> str:
        """See `Desk.start`."""
        headers = {} if key is None else {"idempotency-key": key}
        return str(self.store.send("POST", "/runs", wanted.model_dump(mode="json"), headers)["run_id"])

    def start_suite(self, paths: Sequence[str | Path], options: RunOptions) -> str:
        """Starts a run on Fargate. Returns its id.

        `paths`: a suite of this machine, which becomes the suite's next version; or `https://…/suites/<name>`, which is
        the current version there.
        """
        there = f"{self.store.url}/suites/"
        if len(paths) == 1 and str(paths[0]).startswith(there):
            name, number = str(paths[0]).removeprefix(there).rstrip("/"), None
        else:
            version = push(self, read_suite(paths, env=options.environment, on=options.on))
            name, number = version.suite, version.number
        wanted = StartRun(suite=name, version=number, on=options.on, **options.as_options())
        return self.start(wanted, secrets.token_hex(16))

    def await_begin(self, run_id: str, clock: Clock) -> None:
        """Waits until a requested run has a plan; InfrastructureError if it cannot begin."""
        until = clock.now() + BEGINS_WITHIN_S
        while self.store.find(run_key(run_id, "plan.json"), 0) is None:
            failure = failure_of(self.store, run_id)
            if failure is not None:
                raise InfrastructureError(f"run {run_id} could not start: {failure.message}", code=failure.code)
            if clock.now() > until:
                text = f"run {run_id} has not begun within {BEGINS_WITHIN_S:.0f} s; its coordinator's log tells why"
                raise InfrastructureError(text, code="not-begun")
            clock.sleep(EVERY_S)

    def stop(self, run_id: str) -> str:
        """See `Desk.stop`."""
        return str(self._of_run("POST", run_id, "stop")["message"])

    def adjust(self, run_id: str, rate: str, execution: str | None, *, sure: bool = True) -> Adjusted:
        """See `Desk.adjust`."""
        content = {"rate": rate, "execution": execution, "sure": sure}
        return TypeAdapter(Adjusted).validate_python(self._of_run("POST", run_id, "rates", content))

    def add_note(self, run_id: str, text: str) -> RunNote:
        """See `Desk.add_note`."""
        return RunNote.model_validate(self._of_run("POST", run_id, "notes", {"text": text}))

    def set_baseline(self, run_id: str, suite: str = "") -> None:
        """See `Desk.set_baseline`."""
        self._of_run("PUT", run_id, "baseline")

    def clear_baseline(self, suite: str) -> None:
        """See `Desk.clear_baseline`."""
        self.store.send("DELETE", f"/suites/{checked_name(suite)}/baseline")

    def prune(self, older_than: timedelta) -> tuple[list[str], list[str]]:
        """A console deletes no runs by age."""
        text = f"--store {self.store.url}: a console deletes no runs by age; use --store s3://… of the same store"
        raise OptionError(text, code="not-through-console")

    def save(
        self, name: str, files: Mapping[str, bytes | Path], comment: str, *, expected: int | None = None,
        origin: SuiteOrigin | None = None,
    ) -> SuiteVersion:  # fmt: skip
        """See `Desk.save`. Uploads only contents that the console does not have."""
        hashes = {}
        for path, content in files.items():
            data = content.read_bytes() if isinstance(content, Path) else content
            hashes[path] = hashlib.sha256(data).hexdigest()
            self.store.upload(hashes[path], data)
        source = origin and origin.model_dump(mode="json")
        wanted = {"files": hashes, "comment": comment, "expected": expected, "origin": source}
        return SuiteVersion.model_validate(self.store.send("POST", f"/suites/{name}/versions", wanted))

    def schedules(self) -> list[SuiteSchedule]:
        """See `Desk.schedules`."""
        return [SuiteSchedule.model_validate(answer["schedule"]) for answer in self.store.send("GET", "/schedules")]

    def _of_run(self, method: str, run_id: str, what: str, content: Any = None) -> Any:
        return self.store.send(method, f"/runs/{checked_id(run_id)}/{what}", content)
