"""`/`: what needs attention, the runs that are going on, and the suites; `/me`: the signed-in person."""

import re

from fastapi import APIRouter, Request
from fastapi.responses import Response

from toril.console import attention
from toril.console.identity import Viewer
from toril.console.marks import marks_of
from toril.console.pages.schedules import next_by_suite
from toril.console.web import desk_of, page
from toril.records.history import ListedRun
from toril.records.progress import Progress, progress_key
from toril.runs import activity, index, suites
from toril.store import Store
from toril.store.records import find_record

router = APIRouter()
MOST_GOING_ON, MOST_LINES = 12, 12
SEEN, KEPT_S = "toril-seen", 400 * 86_400  # a cookie: the end of the visit before, and the last view; its longest age
TIMES = re.compile(r"(\d{1,11})\.(\d{1,11})")
VISIT_S, FIRST_S = 1800, 14 * 86_400  # a later view begins another visit; what the first visit shows


@router.get("/")
def home(request: Request, person: Viewer, complete: bool = False) -> Response:
    """The page, with the changes of trends that are known; `complete`: with all, which may take seconds."""
    setup = request.app.state.setup
    now = setup.clock.now()
    rows, damaged = index.readable_rows(setup.store)
    names = suites.suite_names(setup.store)
    by_suite = index.by_suite(rows)
    marks = {name: marks_of(setup.store, setup.clock, name, own, compute=complete) for name, own in by_suite.items()}
    unfinished = activity.unfinished(setup.store, now, rows)
    schedules, upcoming, problem = next_by_suite(desk_of(request))
    going_on = [run for run in unfinished if run.going_on]
    before, seen = visit(request.cookies.get(SEEN, ""), now)
    begun = {row.suite: row.started_at for row in reversed([*(run.row for run in unfinished), *rows])}
    seen_at = before or now - FIRST_S
    every = [*by_suite, *sorted(set(names) - set(by_suite))]  # those with the newest runs first
    runs = {name: by_suite.get(name, []) for name in every}
    last = {name: next(index.compared(own), None) for name, own in runs.items() if not suites.is_draft(name, own)}
    lines = [
        *attention.lost(unfinished),
        *attention.broken(setup.store, attention.troubles(rows, seen_at, now), seen_at),
        *attention.late(schedules, begun, names, now),
        *attention.regressions(marks, {row.run_id: row.started_at for row in rows}, now),
        *attention.silent(setup.store, now),
        *attention.spending(filter(None, last.values()), setup.max_cost_usd, now),
    ]
    lines.sort(key=lambda line: (attention.ORDER.index(line.kind), line.over))
    answer = page(
        request,
        "home.html.jinja",
        title="Home",
        lines=lines[:MOST_LINES],
        more=len(lines[MOST_LINES:]),
        before=before,
        now=now,
        pending=None in marks.values(),
        last=last,
        drawn={suite: index.drawn(own) for suite, own in by_suite.items()},
        marks=marks,
        going_on=[(run, _progress(setup.store, run)) for run in going_on[:MOST_GOING_ON]],
        upcoming=upcoming,
        problem=problem,
        damaged=damaged,
    )
    if "hx-request" not in request.headers and not hasattr(request.state, "set_cookie"):  # a renewed session is first
        secure = setup.address.startswith("https:")
        answer.set_cookie(SEEN, seen, max_age=KEPT_S, httponly=True, samesite="lax", secure=secure)
    return answer


def visit(cookie: str, now: float) -> tuple[float | None, str]:
    """Returns when the visit before this one ended, None if it is unknown, and the cookie that says it later on."""
    match = TIMES.fullmatch(cookie)
    before, last = (int(match[1]), int(match[2])) if match else (0, 0)
    before = last if now - last > VISIT_S else before
    return min(before, now) or None, f"{before}.{now:.0f}"


@router.get("/me")
def me(request: Request, person: Viewer) -> Response:
    setup = request.app.state.setup
    return page(request, "me.html.jinja", title=person.name, sign_in=setup.identity.sign_in, address=setup.address)


def _progress(store: Store, run: ListedRun) -> Progress | None:
    """Returns the figures of a run that goes on; None before the first ones."""
    return None if run.state == "starting" else find_record(store, Progress, progress_key(run.row.run_id))
