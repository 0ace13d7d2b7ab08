"""`/suites`: the list; a suite with its runs and versions; start, copy, delete and download."""

import io
import os
import zipfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import Response

from toril.console import planned, start_form, web
from toril.console.editor import in_words
from toril.console.identity import Operator, Viewer
from toril.console.marks import Marks, marks_of
from toril.console.pages.edit import checked_new_name, main_of
from toril.console.pages.schedules import next_by_suite
from toril.console.web import Posted, desk_of, page, see
from toril.desk.starting import StartEstimate, estimate, launcher_of
from toril.errors import UserError
from toril.launchers.agents import agents_by_location
from toril.plan.options import RunOptions
from toril.records import LauncherName
from toril.records.console import StartOptions, SuiteVersion
from toril.records.history import IndexRow, ListedRun
from toril.runs import activity, suites
from toril.runs.history import history
from toril.runs.index import by_suite, compared, drawn, readable_rows
from toril.runs.notes import baseline_of
from toril.secrets.masking import mask
from toril.store import Store

router = APIRouter()

SHOWN_RUNS = 20
SIZES = (20, 50, 100)  # suites on a page
COLUMNS = {"last": "Last run", "p95": "p95", "trend": "Trend of p95", "next": "Next run", "runs": "Runs"}
COLUMNS |= {"cost": "Last cost", "version": "Version", "tags": "Tags"}
USUAL = tuple(name for name in COLUMNS if name not in ("tags", "version"))
SORTED: dict[str, Callable[["SuiteLine"], Any]] = {  # None is last in either direction
    "name": lambda line: line.version.suite.casefold(),
    "last": lambda line: line.last and line.last.started_at,
    "p95": lambda line: line.last and line.last.p95_us,
    "cost": lambda line: line.last and line.last.cost_usd,
    "next": lambda line: line.next_at,
    "runs": lambda line: len(line.runs),
    "version": lambda line: line.version.at,
}
READERS = 8  # threads; a list reads one record of each suite


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteLine:
    """A suite in the list."""

    version: SuiteVersion
    runs: list[IndexRow]  # newest first
    drawn: list[IndexRow]  # those of its trend, oldest first
    marks: Marks | None
    next_at: float | None
    running: ListedRun | None  # the newest run that starts or goes on

    @property
    def last(self) -> IndexRow | None:
        """The last run that the trend has."""
        return next(compared(self.runs), None)

    def matches(self, wanted: str) -> bool:
        """Whether its name, description or a tag has this part."""
        it = self.version
        texts = (it.suite, it.description, *(f"{key}={value}" for key, value in it.tags.items()))
        return any(wanted.casefold() in text.casefold() for text in texts)


@router.get("/suites")
def list_suites(
    request: Request,
    person: Viewer,
    q: str = "",
    sort: Annotated[str, Query(pattern=f"^-?({'|'.join(SORTED)})$")] = "name",
    columns: Annotated[tuple[str, ...], Query()] = USUAL,
    size: Literal["20", "50", "100"] = "50",
    start: Annotated[int, Query(ge=0)] = 0,
) -> Response:
    setup = request.app.state.setup
    store: Store = setup.store
    rows, damaged = readable_rows(store)
    runs = by_suite(rows)
    names = [name for name in suites.suite_names(store) if q or not suites.is_draft(name, runs.get(name, []))]
    unfinished = activity.unfinished(store, setup.clock.now(), rows)
    going_on = {run.row.suite: run for run in reversed(unfinished) if run.going_on}
    _, due, problem = next_by_suite(desk_of(request))
    with ThreadPoolExecutor(READERS) as pool:
        versions = pool.map(lambda name: suites.current(store, name), names)
        lines = [
            SuiteLine(
                version=version,
                runs=runs.get(version.suite, []),
                drawn=drawn(runs.get(version.suite, [])),
                marks=marks_of(store, setup.clock, version.suite, runs.get(version.suite, [])),
                next_at=due.get(version.suite),
                running=going_on.get(version.suite),
            )
            for version in versions
        ]
    lines = _sorted([line for line in lines if line.matches(q.strip())], sort)
    end = start + int(size)
    return page(
        request,
        "suites.html.jinja",
        title="Suites",
        lines=lines[start:end],
        q=q,
        sort=sort,
        sortable=SORTED,
        columns=COLUMNS,
        chosen=[name for name in columns if name in COLUMNS],
        sizes=SIZES,
        size=int(size),
        before=max(0, start - int(size)) if start else None,
        after=end if end < len(lines) else None,
        problem=problem,
        damaged=damaged,
    )


def _sorted(lines: list[SuiteLine], sort: str) -> list[SuiteLine]:
    """Returns the suites in order, those without a value last. `sort`: a name of SORTED; `-` for the largest first."""
    value = SORTED[sort.removeprefix("-")]
    known = [line for line in lines if value(line) is not None]
    return sorted(known, key=value, reverse=sort.startswith("-")) + [line for line in lines if value(line) is None]


@router.get("/suites/{name}")
def show_suite(request: Request, name: str, person: Viewer) -> Response:
    setup = request.app.state.setup
    version, files = suites.read(setup.store, name)
    on = launcher_of(setup.store)
    checked = suites.validate(files, RunOptions(on=on), name=name, now=setup.clock.now())
    words = ""
    if checked.plan is not None:
        with suppress(UserError):  # a start says why
            words = planned.in_words(estimate(setup.store, checked.plan, os.environ))
    main = main_of(files)
    schedules, due, problem = next_by_suite(desk_of(request))
    rows, damaged = readable_rows(setup.store)
    runs = history(setup.store, name, SHOWN_RUNS)
    own = by_suite(rows).get(name, [])
    unfinished = [run for run in activity.unfinished(setup.store, setup.clock.now(), rows) if run.row.suite == name]
    return page(
        request,
        "suite.html.jinja",
        title=name,
        version=version,
        versions=suites.versions(setup.store, name),
        sizes={path: len(data) for path, data in files.items()},
        main=main,
        content=files.get(main, b"").decode(errors="replace"),
        checked=checked,
        curve=planned.curve_of(checked.plan) if checked.plan else None,
        words=words,
        criteria=[mask(in_words(criterion.source)) for criterion in checked.plan.criteria] if checked.plan else [],
        runs=runs,
        with_versions=any("suite-version" in record.tags for record in runs),
        last=next(compared(own), None),
        drawn=drawn(own),
        marks=marks_of(setup.store, setup.clock, name, own),
        unfinished=unfinished,
        damaged=damaged,
        schedules=[schedule for schedule in schedules if schedule.suite == name],
        due=due.get(name),
        problem=problem,
        kept=baseline_of(setup.store, name, cleared=True),
    )


@router.get("/suites/{name}/versions/{number}")
def show_version(request: Request, name: str, number: int, person: Viewer, against: int | None = None) -> Response:
    """Shows a version, and its difference to another one; by default to the one before."""
    store: Store = request.app.state.setup.store
    version, files = suites.read(store, name, number)
    known = suites.versions(store, name)
    if against is None:
        against = max((other.number for other in known if other.number < number), default=None)
    before: Mapping[str, bytes] = {} if against is None else suites.read(store, name, against)[1]
    return page(
        request,
        "version.html.jinja",
        title=f"{name}, version {number}",
        name=name,
        shown=version,
        versions=known,
        against=against,
        changes=mask(suites.diff(before, files)),
        content=files.get(main_of(files), b"").decode(errors="replace"),
    )


@router.post("/suites/{name}/versions/{number}")
def restore(request: Request, name: str, number: int, person: Operator) -> Response:
    """Saves an earlier version again, as the newest one."""
    desk_of(request).restore(name, number)
    return see(f"/suites/{name}", request)


@router.get("/suites/{name}/start")
def ask_start(request: Request, name: str, person: Operator) -> Response:
    """Shows the options of a start, and what they would use and cost."""
    version, files = suites.read(request.app.state.setup.store, name)
    query = start_form.EMPTY | dict(request.query_params)
    return start_page(request, "start.html.jinja", f"Start {name}", name, files, query, version=version.number)


def start_page(
    request: Request, template: str, title: str, name: str, files: Mapping[str, bytes], fields: Mapping[str, str],
    kept: StartOptions = start_form.NOTHING, on: LauncherName | None = None, **model: Any,
) -> Response:  # fmt: skip
    """Renders the options of a start with its price. `kept`: those that the page does not show."""
    setup = request.app.state.setup
    price: StartEstimate | None = None
    found, wrong = None, ""
    try:
        found = start_form.asked(desk_of(request), name, files, fields, kept, on)
        wrong = found.wrong
        price = estimate(setup.store, found.plan, os.environ) if found.plan else None
    except UserError as error:  # without a region the start would fail, too
        wrong = str(error)
    plan = found.plan if found else None
    return page(
        request,
        template,
        title=title,
        name=name,
        fields=fields,
        opened="workers" not in request.query_params,
        found=found,
        places=[*(found.places if found else ()), ("", "")],
        regions=[*planned.deployments(setup.store), *agents_by_location(setup.store, setup.clock.now())],
        wrong=mask(wrong),
        words=planned.load_in_words(plan, price) if plan and price else "",
        start=price,
        plan=plan,
        curve=planned.curve_of(plan) if plan and not plan.tried else None,
        targets=planned.targets_of(plan) if plan else [],
        **{"again": False, "kept": kept, **model},
    )


@router.post("/suites/{name}/start")
def start_now(request: Request, name: str, person: Operator, fields: Posted) -> Response:
    typed = start_form.EMPTY | {key: value for key, value in fields.items() if isinstance(value, str)}
    _, files = suites.read(request.app.state.setup.store, name)
    wanted = start_form.asked(desk_of(request), name, files, typed).wanted
    return see(f"/runs/{desk_of(request).start(wanted)}", request)


@router.post("/suites/{name}/copy")
def copy(request: Request, name: str, person: Operator, to: Annotated[str, Form()]) -> Response:
    new_name = checked_new_name(to.strip())
    desk_of(request).copy(name, new_name)
    return see(f"/suites/{new_name}", request)


@router.post("/suites/{name}/delete")
def delete(request: Request, name: str, person: Operator) -> Response:
    """Deletes a suite; its runs stay. Schedules that use it have to go first, because they would fail."""
    desk_of(request).delete_suite(name)
    return see("/suites", request)


@router.get("/suites/{name}/download")
def download(request: Request, name: str, person: Viewer, version: int | None = None) -> Response:
    """Returns the files of a version as a zip."""
    kept, files = suites.read(request.app.state.setup.store, name, version)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in sorted(files.items()):
            archive.writestr(f"{name}/{path}", data)
    return web.download(request, packed.getvalue(), f"{kept.suite}-{kept.number}.zip", "application/zip")
