"""Records beside runs: notes of people, the baseline of a suite, and the lines of the audit."""

import secrets
from collections.abc import Collection
from datetime import UTC, datetime

from pydantic import ValidationError

from toril.errors import OptionError, StoreError
from toril.records import Plan, Verdict, run_key
from toril.records.console import AuditLine, Baseline, RunNote
from toril.records.document import why
from toril.runs.suites import NAME, checked_name
from toril.store import Reader, Store
from toril.store.records import find_record, get_record

BASELINES = "baselines/"


def add_note(store: Store, run_id: str, text: str, *, by: str, at: float) -> RunNote:
    """Adds a note to a run; OptionError for an empty or too long one, StoreError if there is no such run."""
    _check_run(store, run_id)
    try:
        note = RunNote(run_id=run_id, at=at, by=by, text=text.strip())
    except ValidationError as error:
        raise OptionError(f"the note is invalid: {why(error)}", code="invalid-note") from error
    store.put_once(f"notes/{run_id}/{_moment(at)}.json", note.to_json())
    return note


def notes_of(store: Reader, run_id: str) -> list[RunNote]:
    """Returns the notes of a run, oldest first."""
    files = store.find_many(store.keys(f"notes/{run_id}/"))
    return [RunNote.from_json(data, key) for key, data in sorted(files.items())]


def set_baseline(store: Store, suite: str, run_id: str, *, by: str, at: float) -> Baseline:
    """Makes a run the baseline of a suite, in place of another one; StoreError if there is no such run.

    OptionError for a try, whose times are those of one user.
    """
    if get_record(store, Plan, _check_run(store, run_id)).tried:
        raise OptionError(f"{run_id} is a try, and no baseline; choose a run", code="try-run")
    baseline = Baseline(suite=checked_name(suite), run_id=run_id, at=at, by=by)
    store.put(_baseline_key(suite), baseline.to_json())
    return baseline


def baseline_of(store: Reader, suite: str) -> Baseline | None:
    """Returns the baseline of a suite; None if there is none, also for a name that no stored suite can have."""
    if not NAME.fullmatch(suite):
        return None
    return find_record(store, Baseline, _baseline_key(suite))


def clear_baseline(store: Store, suite: str) -> None:
    """Removes the baseline of a suite, if there is one."""
    store.delete_many([_baseline_key(suite)])


def clear_baselines(store: Store, run_ids: Collection[str]) -> list[str]:
    """Removes the baselines that are one of these runs. Returns the names of their suites."""
    files = store.find_many(store.keys(BASELINES)) if run_ids else {}
    baselines = [Baseline.from_json(data, key) for key, data in sorted(files.items())]
    suites = [baseline.suite for baseline in baselines if baseline.run_id in run_ids]
    store.delete_many(map(_baseline_key, suites))
    return suites


def doubts_about(verdict: Verdict | None) -> str:
    """Returns what speaks against a run as a baseline, as a sentence; empty for a passed run."""
    if verdict is None or verdict.outcome == "passed":
        return "" if verdict else "It is not judged yet."
    return f"Its outcome is {verdict.outcome}: {'; '.join(reason.message.rstrip('.') for reason in verdict.reasons)}."


def audit(store: Store, line: AuditLine) -> None:
    """Adds a line to the audit of its day, in UTC."""
    store.put_once(f"audit/{datetime.fromtimestamp(line.at, UTC):%Y-%m-%d}/{_moment(line.at)}.json", line.to_json())


def _check_run(store: Store, run_id: str) -> str:
    """Returns the key of the run's plan."""
    key = run_key(run_id, "plan.json")
    if store.find(key, 0) is None:
        raise StoreError(f"{store.address(run_key(run_id))}: there is no such run", code="no-such-run")
    return key


def _baseline_key(suite: str) -> str:
    return f"{BASELINES}{checked_name(suite)}.json"


def _moment(at: float) -> str:
    """Returns a name that sorts by time and is unique."""
    return f"{datetime.fromtimestamp(at, UTC):%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(3)}"
