"""`/find`: suites, runs, pages and actions by a part of their name, for the command palette."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import Response

from toril.console.identity import Person, Viewer
from toril.console.web import page, store_of
from toril.records.history import IndexRow
from toril.runs import activity, index, suites

router = APIRouter()
MOST_SUITES, MOST_RUNS, MOST_ACTIONS = 8, 8, 10
PAGES = {
    "Home": "/", "Runs": "/runs", "Failed runs": "/runs?outcome=failed", "Suites": "/suites", "Compare": "/compare",
    "Schedules": "/schedules", "Events": "/events", "Locations": "/locations", "API": "/api",
    "Account and sign-out": "/me",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Found:
    """One line of the palette. `about`: in small type; `at`: when it started, in seconds since the epoch."""

    words: str
    address: str
    about: str = ""
    at: float | None = None


@router.get("/find")
def find(request: Request, person: Viewer, q: str = "") -> Response:
    wanted = q.casefold().split()
    store = store_of(request)
    names = [name for name in suites.suite_names(store) if not suites.is_draft(name, ())]
    rows = index.readable_rows(store)[0] if wanted else []
    runs = islice((row for row in rows if _has(_texts(row), wanted)), MOST_RUNS)
    unfinished = activity.unfinished(store, request.app.state.setup.clock.now(), rows) if wanted else []
    live = [(run, f"/runs/{quote(run.row.run_id, safe='')}") for run in unfinished if run.going_on]
    stops = [Found(f"Stop {run.row.suite}", f"{address}/stop", run.state, run.row.started_at) for run, address in live]
    pages = PAGES | ({"Audit": "/audit"} if person.may("admin") else {})
    groups = {
        "Running now": _best(
            wanted, [Found(run.row.run_id, address, run.state, run.row.started_at) for run, address in live]
        ),
        "Suites": _best(wanted, (Found(name, f"/suites/{quote(name, safe='')}") for name in names))[:MOST_SUITES],
        "Actions": _best(wanted, [*_actions(person, names, bool(wanted)), *(stops if person.may("operator") else ())])[
            :MOST_ACTIONS
        ],
        "Pages": _best(wanted, (Found(name, address) for name, address in pages.items())),
        "Runs": [Found(row.run_id, f"/runs/{quote(row.run_id, safe='')}", row.outcome, row.started_at) for row in runs],
    }
    return page(request, "find.html.jinja", title="Find", groups=groups, q=q)


def _texts(row: IndexRow) -> str:
    """Returns what finds a run: its id, outcome and tags."""
    return " ".join((row.run_id, row.outcome, *(f"{key}={value}" for key, value in row.tags.items())))


def _has(text: str, wanted: Iterable[str]) -> bool:
    folded = text.casefold()
    return all(part in folded for part in wanted)


def _best(wanted: list[str], every: Iterable[Found]) -> list[Found]:
    """Returns what has all of these parts in its words, those that begin with the first one before others."""
    found = [one for one in every if _has(one.words, wanted)]
    return sorted(found, key=lambda one: bool(wanted) and not one.words.casefold().startswith(wanted[0]))


def _actions(person: Person, names: Iterable[str], of_suites: bool) -> Iterator[Found]:
    """Yields what this person may do; actions of each suite only if something is searched."""
    if person.may("operator"):
        yield Found("New suite", "/suites/new")
        yield Found("New schedule", "/schedules#schedule")
    yield Found("Compare runs", "/compare")
    for name in names if of_suites else ():
        address = f"/suites/{quote(name, safe='')}"
        if person.may("operator"):
            yield from (Found(f"{word} {name}", f"{address}/{word.lower()}") for word in ("Start", "Edit"))
            yield Found(f"Try {name}", f"{address}/start?tried=1")
        yield Found(f"Trend of {name}", f"{address}/trend")
        yield Found(f"Baseline of {name}", f"{address}/baseline")
        yield Found(f"Runs of {name}", f"/runs?suite={quote(name, safe='')}")
