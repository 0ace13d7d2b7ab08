"""`/`: the suites with their last results, and the runs that are going on; `/me`: the signed-in person."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import Response

from toril.console.identity import Viewer
from toril.console.pages.schedules import next_by_suite
from toril.console.web import desk_of, page
from toril.records.history import IndexRow, ListedRun
from toril.records.progress import Progress, progress_key
from toril.runs import activity, index, suites
from toril.store import Store
from toril.store.records import find_record

router = APIRouter()
MOST_GOING_ON, MOST_ABANDONED = 12, 4


@dataclass(frozen=True, slots=True)
class SuiteCard:
    """A suite on the home page: its last run, and the p95 of the last ones, oldest first, of `index.trend`."""

    name: str
    last: IndexRow | None
    p95_us: Sequence[float | None]
    runs: int
    stored: bool  # whether the console can start it


@router.get("/")
def home(request: Request, person: Viewer) -> Response:
    setup = request.app.state.setup
    rows, damaged = index.readable_rows(setup.store)
    cards = cards_of(rows, suites.suite_names(setup.store))
    unfinished = activity.unfinished(setup.store, setup.clock.now(), rows)
    _, upcoming, problem = next_by_suite(desk_of(request))
    return page(
        request,
        "home.html.jinja",
        title="Home",
        cards=cards,
        going_on=going_on_of(setup.store, [run for run in unfinished if run.going_on][:MOST_GOING_ON]),
        abandoned=[run for run in unfinished if not run.going_on][:MOST_ABANDONED],
        upcoming=upcoming,
        problem=problem,
        damaged=damaged,
    )


@router.get("/me")
def me(request: Request, person: Viewer) -> Response:
    setup = request.app.state.setup
    return page(request, "me.html.jinja", title=person.name, sign_in=setup.identity.sign_in, address=setup.address)


def going_on_of(store: Store, running: Iterable[ListedRun]) -> list[tuple[ListedRun, Progress | None]]:
    """Returns the runs that are going on, each with its figures; None before the first ones."""
    return [
        (run, None if run.state == "starting" else find_record(store, Progress, progress_key(run.row.run_id)))
        for run in running
    ]


def cards_of(rows: Iterable[IndexRow], stored: Iterable[str]) -> list[SuiteCard]:
    """Returns one card for each suite: those with the newest runs first. `rows`: newest first."""
    by_suite = index.by_suite(rows)
    names = set(stored)
    cards = []
    for name in [*by_suite, *sorted(names - set(by_suite))]:
        known = by_suite.get(name, [])
        cards.append(SuiteCard(name, next(index.compared(known), None), index.trend(known), len(known), name in names))
    return cards
