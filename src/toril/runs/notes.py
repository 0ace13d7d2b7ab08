"""Records beside runs: notes of people, the baseline of a suite, and the lines of the audit."""

import secrets
from datetime import UTC, datetime

from toril.records import Verdict
from toril.records.console import AuditLine, Baseline, RunNote
from toril.runs.suites import NAME, checked_name
from toril.store import Reader, Store
from toril.store.records import find_record

BASELINES = "baselines/"


def notes_of(store: Reader, run_id: str) -> list[RunNote]:
    """Returns the notes of a run, oldest first."""
    files = store.find_many(store.keys(f"notes/{run_id}/"))
    return [RunNote.from_json(data, key) for key, data in sorted(files.items())]


def baseline_of(store: Reader, suite: str) -> Baseline | None:
    """Returns the baseline of a suite; None if there is none, also for a name that no stored suite can have."""
    if not NAME.fullmatch(suite):
        return None
    return find_record(store, Baseline, baseline_key(suite))


def doubts_about(verdict: Verdict | None) -> str:
    """Returns what speaks against a run as a baseline, as a sentence; empty for a passed run."""
    if verdict is None or verdict.outcome == "passed":
        return "" if verdict else "It is not judged yet."
    return f"Its outcome is {verdict.outcome}: {'; '.join(reason.message.rstrip('.') for reason in verdict.reasons)}."


def audit(store: Store, line: AuditLine) -> None:
    """Adds a line to the audit of its day, in UTC."""
    store.put_once(f"audit/{datetime.fromtimestamp(line.at, UTC):%Y-%m-%d}/{moment(line.at)}.json", line.to_json())


def baseline_key(suite: str) -> str:
    return f"{BASELINES}{checked_name(suite)}.json"


def moment(at: float) -> str:
    """Returns a name that sorts by time and is unique."""
    return f"{datetime.fromtimestamp(at, UTC):%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(3)}"
