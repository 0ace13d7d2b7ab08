"""Records beside runs: notes of people, the baseline of a suite, and the lines of the audit."""

import secrets
from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime

from toril.errors import UserError
from toril.plan.options import RunOptions
from toril.records import Plan, Verdict, run_key
from toril.records.console import AuditLine, Baseline, RunNote
from toril.runs import suites
from toril.runs.shares import SHARES
from toril.runs.suites import NAME, checked_name
from toril.store import Reader, Store
from toril.store.records import find_record, get_record
from toril.text import plural

BASELINES = "baselines/"


def notes_of(store: Reader, run_id: str) -> list[RunNote]:
    """Returns the notes of a run, oldest first."""
    files = store.find_many(store.keys(f"notes/{run_id}/"))
    return [RunNote.from_json(data, key) for key, data in sorted(files.items())]


def baseline_of(store: Reader, suite: str, *, cleared: bool = False) -> Baseline | None:
    """Returns the baseline of a suite; None if there is none, also for a name that no stored suite can have.

    `cleared`: also returns the record of a cleared baseline, for its changes.
    """
    kept = find_record(store, Baseline, baseline_key(suite)) if NAME.fullmatch(suite) else None
    return kept if kept is not None and (kept.run_id or cleared) else None


def doubts_about(store: Reader, run_id: str, now: float) -> list[str]:
    """Returns what speaks against a run as the baseline of its suite, as sentences."""
    from toril.reports.differences import load_of

    verdict, doubts = find_record(store, Verdict, run_key(run_id, "verdict.json")), []
    plan = get_record(store, Plan, run_key(run_id, "plan.json"))
    if verdict is None:
        doubts.append("It is not judged yet.")
    elif verdict.outcome != "passed":
        reasons = "; ".join(reason.message.rstrip(".") for reason in verdict.reasons)
        doubts.append(f"Its outcome is {verdict.outcome}: {reasons}.")
    load, baseline, current = load_of(plan), baseline_of(store, plan.suite), None
    with suppress(UserError):  # the suite is not stored
        _, files = suites.read(store, plan.suite)
        current = suites.validate(files, RunOptions(on=plan.on), name=plan.suite, now=now).plan
    before = baseline and find_record(store, Plan, run_key(baseline.run_id, "plan.json"))
    for of, other in (("the present baseline", before), ("the suite's current version", current)):
        if other and load_of(other) != load:
            doubts.append(f"Its load is {load}, and that of {of} is {load_of(other)}.")
    return doubts


def suites_with(store: Reader, run_ids: Collection[str]) -> list[str]:
    """Returns the suites whose baseline is one of these runs."""
    files = store.find_many(store.keys(BASELINES)) if run_ids else {}
    baselines = [Baseline.from_json(data, key) for key, data in sorted(files.items())]
    return [baseline.suite for baseline in baselines if baseline.run_id in run_ids]


def goes_along(store: Reader, run_id: str) -> list[str]:
    """Returns what is deleted with a run, beside its files: `the baseline of shop`, `3 notes`."""
    words = [f"the baseline of {suite}" for suite in suites_with(store, [run_id])]
    counts = {"note": f"notes/{run_id}/", "shared link": f"{SHARES}{run_id}/"}
    return words + [plural(count, noun) for noun, top in counts.items() if (count := sum(1 for _ in store.keys(top)))]


def audit(store: Store, line: AuditLine) -> None:
    """Adds a line to the audit of its day, in UTC."""
    store.put_once(f"audit/{datetime.fromtimestamp(line.at, UTC):%Y-%m-%d}/{moment(line.at)}.json", line.to_json())


def baseline_key(suite: str) -> str:
    return f"{BASELINES}{checked_name(suite)}.json"


def moment(at: float) -> str:
    """Returns a name that sorts by time and is unique."""
    return f"{datetime.fromtimestamp(at, UTC):%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(3)}"
