"""The operations over a store, for the person who acts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from toril.clock import Clock
from toril.desk import runs
from toril.desk.adjust import Adjusted, adjust
from toril.desk.starting import Starter, launcher_of, repeat_of, request_run
from toril.errors import InfrastructureError, OptionError, UserError
from toril.plan.options import RunOptions
from toril.records import LauncherName, SuiteOrigin
from toril.records.console import RunNote, SharingAllowed, StartOptions, StartRun, SuiteVersion
from toril.records.schedule import SuiteSchedule
from toril.runs import notes, shares, suites
from toril.runs.find import checked_id
from toril.runs.requests import keep_failure
from toril.store import Store
from toril.store.records import read_record
from toril.suite.retarget import checked_address


class Scheduler(Protocol):
    """Keeps schedules and starts their runs. A change of a missing schedule is an OptionError."""

    def schedules(self) -> tuple[list[SuiteSchedule], list[str]]:
        """Returns the schedules by name, and the names of those that start something else."""

    def create(self, schedule: SuiteSchedule) -> None: ...

    def update(self, schedule: SuiteSchedule) -> None: ...

    def delete(self, name: str) -> None: ...


def unaudited(what: str, target: str, **details: object) -> None:
    """Leaves no line: a user changes an own store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreDesk:
    """Changes a store. Each change has its author, and a line in the audit if there is one."""

    store: Store
    clock: Clock
    by: str  # the person's name in records
    subject: str = ""  # the person's own id, which separates idempotency keys
    face: str = ""  # completes the message of a stop: "ended early by Ada in the console"
    most_usd: float | None = None  # a run of this person may cost
    starter: Starter | None = None  # None: requests wait for `toril run --request`
    scheduler: Scheduler | None = None  # None: the store is in a folder
    audit: Callable[..., None] = unaudited

    # ── runs

    def about(self) -> tuple[str, LauncherName]:
        """See `Desk.about`."""
        return self.by, launcher_of(self.store)

    def limit(self, wanted: float | None = None) -> float | None:
        """Returns what a run may cost, in US dollars; None without a limit."""
        return min((usd for usd in (wanted, self.most_usd) if usd is not None), default=None)

    def options(self, wanted: StartRun) -> RunOptions:
        """Returns the options of the run that this person gets."""
        own: dict[str, Any] = {"on": wanted.on or launcher_of(self.store)}
        own["against"] = None if wanted.against is None else checked_address("against", wanted.against)
        own["max_cost_usd"] = self.limit(wanted.max_cost_usd)
        return RunOptions(**{**wanted.as_options(), **own})

    def start(self, wanted: StartRun, key: str | None = None) -> str:
        """See `Desk.start`. The key is this person's own."""
        request = request_run(
            self.store,
            wanted.suite,
            self.options(wanted),
            by=self.by,
            at=self.clock.now(),
            version=wanted.version,
            key=None if key is None else f"{self.subject}\n{key}",
        )
        try:
            if self.starter is not None:
                self.starter.start(request)
        except UserError as error:
            if key is None:  # no caller can repeat this request, which would seem to start for a day
                keep_failure(self.store, request.run_id, self.clock.now(), error.code, str(error))
            raise
        details = {"suite": request.suite, "version": request.version, "smoke": request.smoke, "tried": request.tried}
        self.audit("run.start", request.run_id, **details)
        return request.run_id

    def start_again(self, run_id: str, changed: StartOptions | None = None) -> str:
        """Starts a run like another one, or with changed options. Returns its id.

        Files that are no version of the suite become one.
        """
        wanted = repeat_of(self.store, checked_id(run_id), self.clock.now())
        version = wanted.version
        if version is None:
            version = self.save(wanted.suite, wanted.files, f"files of run {run_id}").number
        options = (changed or wanted.options).as_options()
        return self.start(StartRun(suite=wanted.suite, version=version, on=wanted.options.on, **options))

    def stop(self, run_id: str) -> str:
        """See `Desk.stop`."""
        effect = runs.ask_to_stop(self.store, checked_id(run_id), self.clock.now(), f"{self.by}{self.face}")
        self.audit("run.stop", run_id)
        return effect

    def adjust(self, run_id: str, rate: str, execution: str | None, *, sure: bool = True) -> Adjusted:
        """See `Desk.adjust`."""
        now = self.clock.now()
        changed = adjust(self.store, checked_id(run_id), rate, execution, now, self.by, sure=sure)
        self.audit("run.adjust", run_id, execution=changed.rate.execution, rps=changed.rate.rps)
        return changed

    def add_note(self, run_id: str, text: str) -> RunNote:
        """See `Desk.add_note`."""
        note = runs.add_note(self.store, checked_id(run_id), text, by=self.by, at=self.clock.now())
        self.audit("run.note", run_id)
        return note

    def set_baseline(self, run_id: str, suite: str = "") -> None:
        """See `Desk.set_baseline`."""
        suite = suite or read_record(self.store, checked_id(run_id))[0].suite
        before = notes.baseline_of(self.store, suite)
        runs.set_baseline(self.store, suite, run_id, by=self.by, at=self.clock.now())
        if before is None or before.run_id != run_id:
            self.audit("baseline.set", run_id, suite=suite)

    def clear_baseline(self, suite: str) -> None:
        """See `Desk.clear_baseline`."""
        before = notes.baseline_of(self.store, suite)
        if before is not None:
            runs.clear_baseline(self.store, suite, by=self.by, at=self.clock.now())
            self.audit("baseline.clear", before.run_id, suite=suite)

    def undo_baseline(self, suite: str, at: float) -> None:
        """Reverses the change of a baseline that was made at this time; OptionError if another one followed."""
        kept = notes.baseline_of(self.store, suite, cleared=True)
        if kept is None or not kept.changes or kept.changes[0].at != at:
            raise OptionError(f"The baseline of {suite} has changed since.", code="baseline-changed")
        if before := kept.changes[0].before:
            self.set_baseline(before, suite)
        else:
            self.clear_baseline(suite)

    def delete_run(self, run_id: str) -> list[str]:
        """Deletes a run and its history. Returns the suites that have no baseline now."""
        cleared = runs.delete_run(self.store, checked_id(run_id), self.clock.now(), self.by)
        self.audit("run.delete", run_id)
        return cleared

    def allow_sharing(self, is_allowed: bool) -> None:
        """Allows links to reports for people without an account, or makes all of them stop working."""
        allowed = SharingAllowed(at=self.clock.now(), by=self.by)
        if is_allowed:
            self.store.put(shares.ALLOWED, allowed.to_json())
        else:
            self.store.delete_many([shares.ALLOWED])
        self.audit("share.allow" if is_allowed else "share.forbid")

    def share(self, run_id: str, hours: int) -> str:
        """Makes a link to a run's report. Returns its token, see `runs.shares`."""
        token = shares.share(self.store, run_id, hours, by=self.by, at=self.clock.now())
        self.audit("share.create", run_id, hours=hours)
        return token

    def revoke_share(self, run_id: str, digest: str) -> None:
        """Ends a link at once."""
        shares.revoke(self.store, run_id, digest)
        self.audit("share.revoke", run_id)

    def prune(self, older_than: timedelta) -> tuple[list[str], list[str]]:
        """See `Desk.prune`."""
        return runs.prune(self.store, older_than, self.clock.now(), self.by)

    # ── suites

    def save(
        self,
        name: str,
        files: Mapping[str, bytes | Path],
        comment: str,
        *,
        expected: int | None = None,
        origin: SuiteOrigin | None = None,
        what: str = "suite.save",
    ) -> SuiteVersion:
        """See `Desk.save`. `what`: name in the audit."""
        saved = self._saved(name, files, comment, expected, origin)
        self.audit(what, name, version=saved.number, comment=comment)
        return saved

    def _saved(
        self, name: str, files: Mapping[str, bytes | Path], comment: str, expected: int | None,
        origin: SuiteOrigin | None,
    ) -> SuiteVersion:  # fmt: skip
        return suites.save(
            self.store, name, files, by=self.by, comment=comment, at=self.clock.now(), expected=expected, origin=origin,
            max_cost_usd=self.limit(),
        )  # fmt: skip

    def restore(self, name: str, number: int) -> None:
        """Saves an earlier version again, as the newest one."""
        _, files = suites.read(self.store, name, number)
        self.save(name, files, f"version {number} again", what="suite.restore")

    def copy(self, name: str, to: str) -> None:
        """Saves a suite under another name, which is free."""
        version, files = suites.read(self.store, name)
        saved = self._saved(to, files, f"copy of {name}, version {version.number}", 0, version.origin)
        self.audit("suite.copy", name, to=saved.suite)

    def delete_suite(self, name: str) -> None:
        """Deletes all versions of a suite; its runs stay. OptionError if schedules use it: they would fail."""
        if using := [schedule.name for schedule in self.schedules() if schedule.suite == name]:
            text = f"{name} is used by the schedules {', '.join(using)}. Delete these first."
            raise OptionError(text, code="suite-in-use")
        suites.delete(self.store, name)
        self.audit("suite.delete", name)
        self.clear_baseline(name)

    # ── schedules

    def schedules(self) -> list[SuiteSchedule]:
        """See `Desk.schedules`. There are none before a region can start them."""
        return self.all_schedules()[0]

    def all_schedules(self) -> tuple[list[SuiteSchedule], list[str]]:
        """Returns the schedules, and the names of those that start something else."""
        try:
            return ([], []) if self.scheduler is None else self.scheduler.schedules()
        except InfrastructureError as error:
            if error.code not in ("not-deployed", "no-home"):
                raise
            return [], []

    def schedule(self, name: str) -> SuiteSchedule:
        """Returns a schedule of the console; OptionError for another one."""
        schedule = next((schedule for schedule in self._scheduler().schedules()[0] if schedule.name == name), None)
        if schedule is None:
            raise OptionError(f"{name[:80]}: there is no such schedule.", code="no-such-schedule")
        if schedule.source != "console":
            text = f"{name} is in the settings of a stack. Change it there, with `pulumi config set`."
            raise OptionError(text, code="schedule-of-stack")
        return schedule

    def create_schedule(self, wanted: SuiteSchedule) -> SuiteSchedule:
        """Creates a schedule of the console, within the cost that this person may cause."""
        own = self._own(wanted)
        self._scheduler().create(own)
        self.audit("schedule.create", own.name, when=own.when)
        return own

    def change_schedule(
        self, name: str, change: Callable[[SuiteSchedule], SuiteSchedule], what: str = "schedule.change"
    ) -> SuiteSchedule:
        """Replaces a schedule of the console by what `change` makes of it. `what`: name in the audit."""
        before = self.schedule(name)
        own = self._own(change(before).model_copy(update={"name": before.name}))
        self._scheduler().update(own)
        self.audit(what, name, when=own.when)
        return own

    def delete_schedule(self, name: str) -> None:
        """Deletes a schedule of the console."""
        self._scheduler().delete(self.schedule(name).name)
        self.audit("schedule.delete", name)

    def _own(self, wanted: SuiteSchedule) -> SuiteSchedule:
        suites.current(self.store, wanted.suite)
        against = None if wanted.against is None else checked_address("against", wanted.against)
        own = {"source": "console", "max_cost_usd": self.limit(wanted.max_cost_usd), "against": against}
        return SuiteSchedule.model_validate(wanted.model_dump() | own)

    def _scheduler(self) -> Scheduler:
        if self.scheduler is None:
            text = "A store in a folder has no scheduler. Use one of the lines on the page of schedules."
            raise OptionError(text, code="no-scheduler")
        return self.scheduler
