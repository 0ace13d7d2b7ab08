"""`/runs`: search, compare and delete runs. All figures come from the store's index."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import Response

from toril import text
from toril.console.identity import Admin, Operator, Viewer
from toril.console.pages.run_actions import become_baseline
from toril.console.web import desk_of, download, page, see
from toril.errors import OptionError
from toril.records.history import IndexRow, Kind, ListedRun
from toril.runs import activity, index
from toril.runs.find import checked_id
from toril.runs.notes import baseline_of, goes_along
from toril.store import Store

router = APIRouter()
SIZES = ("20", "50", "100")  # runs on a page
FILTERS = ("q", "suite", "outcome", "kind", "location", "tag", "from", "to")
Differences = Literal["percent", "values", "none"]
MOST_DELETED = 100
MOST_IN_CSV = 10_000


@dataclass(frozen=True, slots=True)
class RunColumn:
    """A column that people can choose."""

    title: str
    show: Callable[[IndexRow], str]
    number: bool = True
    compared: Callable[[IndexRow], float | None] | None = None  # in µs or 1/s; the difference to the baseline is shown
    unit: str = ""


def _share(row: IndexRow) -> float | None:
    return 100 * row.failures / row.samples if row.samples else None


COLUMNS: dict[str, RunColumn] = {
    "duration": RunColumn("Duration", lambda row: "–" if row.duration_s is None else text.span(row.duration_s)),
    "requests": RunColumn("Requests", lambda row: text.number(row.samples)),
    "failed": RunColumn(
        "Failed", lambda row: text.share(row.failures, row.samples) if row.failures else "0", True, _share, "%"
    ),
    "p95": RunColumn("p95", lambda row: text.time(row.p95_us), True, lambda row: row.p95_us, "us"),
    "rate": RunColumn(
        "Rate", lambda row: "–" if row.rps is None else f"{text.number(row.rps)}/s", True, lambda row: row.rps, "/s"
    ),
    "cost": RunColumn("Cost", lambda row: text.dollars(row.cost_usd)),
    "workers": RunColumn("Workers", lambda row: text.number(row.workers)),
    "locations": RunColumn("Locations", lambda row: ", ".join(row.locations) or "this machine", number=False),
    "tags": RunColumn("Tags", lambda row: " ".join(f"{key}={value}" for key, value in row.tags.items()), number=False),
}
USUAL = ("duration", "requests", "failed", "p95", "rate", "cost", "tags")


def query_of(
    q: str = "",
    suite: str = "",
    outcome: Literal["", "passed", "failed", "inconclusive"] = "",
    kind: Kind | Literal[""] = "",
    location: str = "",
    tag: str = "",
    since: Annotated[str, Query(alias="from")] = "",
    until: Annotated[str, Query(alias="to")] = "",
) -> index.Query:
    """Returns the search that the query parameters describe; OptionError for an invalid date or tag."""
    key, equals, value = tag.partition("=")
    if tag and not (key and equals):
        raise OptionError(f"tag `{tag}`: write key=value.", code="option-value")
    return index.Query(
        text=q.strip(),
        suite=suite,
        outcome=outcome,
        kind=kind,
        location=location.strip(),
        tags={key: value} if tag else {},
        from_s=_day(since) if since else None,
        to_s=_day(until) + timedelta(days=1).total_seconds() if until else None,
    )


Wanted = Annotated[index.Query, Depends(query_of)]


@router.get("/runs")
def runs(
    request: Request,
    person: Viewer,
    wanted: Wanted,
    tag: str = "",
    columns: Annotated[tuple[str, ...], Query()] = USUAL,
    size: Literal["20", "50", "100"] = "50",
    differences: Differences = "percent",
    cursor: str = "",
) -> Response:
    setup = request.app.state.setup
    every, damaged = index.readable_rows(setup.store)
    matching = index.page_of(every, wanted, cursor=cursor, limit=int(size))
    chosen = [name for name in columns if name in COLUMNS]
    baselines = _baselines(setup.store, matching.rows, every)
    rows = [
        (row, {name: _change(COLUMNS[name], row, baselines.get(row.suite), differences) for name in chosen})
        for row in matching.rows
    ]
    return page(
        request,
        "runs.html.jinja",
        title="Runs",
        wanted=wanted,
        tag=tag,
        filters=[(name, value) for name in FILTERS if (value := request.query_params.get(name, "").strip())],
        suites=sorted({row.suite for row in every}),
        locations=sorted({name for row in every for name in row.locations}),
        rows=rows,
        baselines=[row.run_id for row in baselines.values()],
        compared=any(change for _, changes in rows for change in changes.values()),
        unfinished=()
        if cursor or wanted != index.Query()
        else activity.unfinished(setup.store, setup.clock.now(), every),
        columns=COLUMNS,
        chosen=chosen,
        size=size,
        sizes=SIZES,
        differences=differences,
        next_cursor=matching.cursor,
        damaged=damaged,
    )


@router.get("/runs.csv")
def as_csv(
    request: Request,
    person: Viewer,
    wanted: Wanted,
) -> Response:
    matching = index.search(request.app.state.setup.store, wanted, limit=MOST_IN_CSV)
    from toril.reports import runs_table  # imports rich and numpy

    table = runs_table.as_csv([ListedRun(row, row.outcome) for row in matching.rows])
    return download(request, table, "runs.csv", "text/csv; charset=utf-8")


@router.get("/delete")
def ask_delete(request: Request, person: Admin, run: Annotated[tuple[str, ...], Query()] = ()) -> Response:
    """Asks before the selected runs are deleted, and says what goes along."""
    store = request.app.state.setup.store
    runs = {run_id: goes_along(store, checked_id(run_id)) for run_id in run[:MOST_DELETED]}
    return page(request, "run_delete.html.jinja", title="Delete", runs=runs, action="/runs")


@router.post("/runs")
def delete(request: Request, person: Admin, run: Annotated[tuple[str, ...], Form()] = ()) -> Response:
    """Deletes the selected runs: their files and their history."""
    if not 0 < len(run) <= MOST_DELETED:
        raise OptionError(f"Select 1 to {MOST_DELETED} runs.", code="no-run-named")
    for run_id in run:
        desk_of(request).delete_run(run_id)
    return see(_list_of(request), request)


@router.post("/runs/baseline")
def baseline(request: Request, person: Operator, run: Annotated[tuple[str, ...], Form()] = ()) -> Response:
    """Makes the selected run the baseline of its suite."""
    if len(run) != 1:
        raise OptionError("Select one run.", code="no-run-named")
    return become_baseline(request, run[0])


def _list_of(request: Request) -> str:
    """Returns the address of the list that sent the form, with its search."""
    came_from = urlsplit(request.headers.get("referer", ""))
    return "/runs" + (f"?{came_from.query}" if came_from.query and came_from.path == "/runs" else "")


def _baselines(store: Store, rows: Sequence[IndexRow], every: Sequence[IndexRow]) -> dict[str, IndexRow]:
    """Returns the baselines of the rows' suites, by suite."""
    kept = (baseline_of(store, suite) for suite in {row.suite for row in rows})
    ids = {baseline.run_id for baseline in kept if baseline is not None}
    return {row.suite: row for row in every if row.run_id in ids}


def _change(column: RunColumn, row: IndexRow, base: IndexRow | None, differences: Differences) -> str:
    """Returns the difference to the baseline: of shares in points, else as asked; both at the precision of the page."""
    if base is None or base.run_id == row.run_id or (base.kind, base.stage) != (row.kind, row.stage):
        return ""
    if column.compared is None or differences == "none":
        return ""
    own, other = column.compared(row), column.compared(base)
    if own is None or other is None:
        return ""
    if column.unit == "%" or not other or differences == "values":
        return text.difference(round(own - other, 2), column.unit)
    return text.signed_percent(round(100 * (own / other - 1), 1))


def _day(written: str) -> float:
    try:
        return datetime.strptime(written, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()
    except ValueError as error:
        raise OptionError(f"`{written}` is not a date; write it as 2026-11-27.", code="option-value") from error
