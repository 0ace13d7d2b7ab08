"""What needs attention on the home page: each line says what, since when, and the one action that helps."""

import textwrap
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from urllib.parse import quote, urlencode

from toril import text
from toril.console.marks import Marks
from toril.errors import StoreError
from toril.launchers.agents import seen_agents
from toril.records import Verdict, run_key
from toril.records.agent import LIVE_S
from toril.records.history import IndexRow, ListedRun
from toril.records.schedule import SuiteSchedule
from toril.reports.blocks import reason_words
from toril.runs.schedules import last_due
from toril.store import Store

RECENT_S = 30 * 86_400.0  # older trouble is how things are
LATE_S, NEAR_S = 900.0, 60.0  # a coordinator takes minutes if AWS lacks capacity; clocks differ by less
NEAR = 0.8  # of a limit
MOST_READ = 8  # verdicts
LONGEST = 160  # characters of a reason; the page of its run has the whole one
JUDGED = ("run", "functional", "duet")  # of smoke runs and tries, people see the results at once
ORDER = ("lost", "failed", "late", "regression", "silent", "spending", "inconclusive")


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionLine:
    """One thing that is wrong. `action`: the words on its button; `act`: where that leads."""

    kind: str  # of ORDER
    what: str
    address: str
    says: str
    since: float | None = None
    action: str
    act: str
    fresh: bool = False  # since the last visit
    run: ListedRun | None = None  # that is not going on, and not judged: its state is in the line, and what ends it
    over: bool = False  # the suite has passed again


@dataclass(frozen=True, slots=True)
class Trouble:
    """Runs of a suite in a row that did not pass, the newest first."""

    runs: Sequence[IndexRow]
    passed: IndexRow | None  # the last run before them that did
    over: bool  # whether a later run passed


def troubles(rows: Iterable[IndexRow], seen_at: float, now: float) -> Iterator[Trouble]:
    """Yields what did not pass: of each suite the newest runs, and those since `seen_at`."""
    suites: dict[tuple[str, str], list[IndexRow]] = {}
    for row in rows:
        if row.kind in JUDGED and not row.branch:
            suites.setdefault((row.suite, row.kind), []).append(row)
    for runs in suites.values():
        for passed, streak in groupby(runs, key=lambda row: row.outcome == "passed"):
            own = [*streak]
            newest, over = own[0], own[0] is not runs[0]
            if newest.started_at < (seen_at if over else now - RECENT_S):
                break
            if not passed:
                before = next((row for row in runs if row.stem > own[-1].stem), None)
                yield Trouble(own, before, over)


def broken(store: Store, found: Iterable[Trouble], seen_at: float) -> Iterator[AttentionLine]:
    """Yields a line for each trouble, with the criterion of its newest run. Reads MOST_READ verdicts."""
    listed = sorted(found, key=lambda one: (one.over, one.runs[0].outcome, -one.runs[0].started_at))
    keys = {one.runs[0].run_id: run_key(one.runs[0].run_id, "verdict.json") for one in listed[:MOST_READ]}
    files = store.find_many(keys.values())
    for one in listed:
        newest, oldest = one.runs[0], one.runs[-1]
        says = textwrap.shorten(_why(files.get(keys.get(newest.run_id, "")), newest), LONGEST, placeholder=" …")
        if len(one.runs) > 1:
            counts = sorted(Counter(row.outcome for row in one.runs).items())
            says += f" · {' and '.join(f'{count} {word}' for word, count in counts)} in a row"
        says += " · passes again" if one.over else ""
        address = f"/runs/{quote(newest.run_id, safe='')}"
        action, act = "Open", address
        if newest.outcome == "failed" and one.passed is not None:
            action = "Compare with the last passed run"
            act = "/compare?" + urlencode([("run", one.passed.run_id), ("run", newest.run_id)])
        yield AttentionLine(
            kind=newest.outcome, what=newest.suite, address=address, says=says, since=oldest.started_at,
            action=action, act=act, fresh=newest.started_at >= seen_at, over=one.over,
        )  # fmt: skip


def _why(verdict: bytes | None, row: IndexRow) -> str:
    """Returns the first breached criterion, with the observed value and its limit; else the reasons."""
    messages = [reason_words(code) for code in row.reasons]
    with suppress(StoreError):  # the line stays if a verdict cannot be read
        if verdict is not None:
            judged = Verdict.from_json(verdict, row.run_id)
            breached = [one.message for one in judged.criteria if one.outcome == row.outcome == "failed"]
            messages = breached or [one.message for one in judged.reasons if one.message] or messages
    more = f", and {len(messages) - 1} more" if len(messages) > 1 else ""
    return messages[0] + more if messages else row.outcome


def lost(unfinished: Iterable[ListedRun]) -> Iterator[AttentionLine]:
    """Yields the runs that are not running any more, and not judged."""
    for run in unfinished:
        if not run.going_on:
            address = f"/runs/{quote(run.row.run_id, safe='')}"
            yield AttentionLine(
                kind="lost", what=run.row.suite or run.row.run_id, address=address, says="", run=run,
                since=run.since or run.row.started_at, action="Open", act=address,
            )  # fmt: skip


def late(
    schedules: Iterable[SuiteSchedule], begun: Mapping[str, float], names: Collection[str], now: float
) -> Iterator[AttentionLine]:
    """Yields the schedules that were due, and have begun no run. `begun`: the newest run of each suite."""
    for schedule in schedules:
        due = last_due(schedule, now - LATE_S)
        oldest = max(schedule.began_at or 0.0, now - RECENT_S, begun.get(schedule.suite, 0) + NEAR_S)
        if due is None or due < oldest:
            continue
        start = schedule.suite in names
        yield AttentionLine(
            kind="late", what=schedule.name, address=f"/schedules#{schedule.name}",
            says=f"no run of {schedule.suite} has begun since it was due", since=due,
            action=f"Start {schedule.suite}" if start else "Open schedules",
            act=f"/suites/{quote(schedule.suite, safe='')}/start" if start else "/schedules",
        )  # fmt: skip


def regressions(marks: Mapping[str, Marks | None], begun: Mapping[str, float], now: float) -> Iterator[AttentionLine]:
    """Yields the newest regression of each suite, as its trend says it. `begun`: the start of each run."""
    for suite, known in marks.items():
        for group in known.groups if known else ():
            at = begun.get(group.to_run, 0.0)
            if group.state in ("confirmed", "suspected") and group.worse and not group.small and at > now - RECENT_S:
                runs = urlencode([("run", group.from_run), ("run", group.to_run)])
                yield AttentionLine(
                    kind="regression", what=suite, address=f"/suites/{quote(suite, safe='')}/trend",
                    says=group.message.rstrip("."), since=at, action="Compare before and after", act=f"/compare?{runs}",
                )  # fmt: skip
                break


def silent(store: Store, now: float) -> Iterator[AttentionLine]:
    """Yields the agents that were there in the last day, did not say that they leave, and are silent."""
    for agent, age_s in seen_agents(store, now):
        if age_s > LIVE_S and not agent.leaving:
            yield AttentionLine(
                kind="silent", what=f"{agent.location}/{agent.agent}", address="/locations",
                says="agent has not reported", since=now - age_s, action="Open locations", act="/locations",
            )  # fmt: skip


def spending(newest: Iterable[IndexRow], limit_usd: float | None, now: float) -> Iterator[AttentionLine]:
    """Yields the suites whose last run cost almost what a run may cost. Without a limit, there are none."""
    for row in newest:
        if limit_usd and row.cost_usd and row.cost_usd >= NEAR * limit_usd and row.started_at > now - RECENT_S:
            yield AttentionLine(
                kind="spending", what=row.suite, address=f"/runs/{quote(row.run_id, safe='')}",
                says=f"last run: {text.dollars(row.cost_usd)} of the {text.dollars(limit_usd)} of console.maxCost",
                since=row.started_at, action="Edit the load", act=f"/suites/{quote(row.suite, safe='')}/edit",
            )  # fmt: skip
