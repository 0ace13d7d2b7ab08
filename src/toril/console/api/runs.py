"""`/api/v1/runs`: search, start, follow, stop, adjust, report, annotate and delete runs; `/api/v1/compare`."""

from itertools import chain
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Path, Query, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, Field

from toril.console.audit import no_change
from toril.console.described import STRICT
from toril.console.identity import Admin, Operator, Viewer
from toril.console.runs import head_of, present, seen, shown_to
from toril.console.web import clock_of, desk_of, download, store_of
from toril.desk.adjust import Adjusted
from toril.records import Outcome, Plan, Verdict, run_key
from toril.records.console import RequestFailure, RunNote, RunRequest, StartRun
from toril.records.document import document
from toril.records.evidence import Exchanges
from toril.records.history import IndexRow, Kind
from toril.records.summary import Summary
from toril.reports import FORMATS, TABLES, ComparedFormat, check, compared, pieces
from toril.runs import activity, index, notes
from toril.runs.find import RUN_ID, run_in
from toril.runs.live import StateName, changes
from toril.store.records import find_record

router = APIRouter(tags=["runs"])
MOST_ROWS = 500
HERE = "of this console"

RunId = Annotated[str, Path(pattern=f"^{RUN_ID.pattern}$", description="Run id.")]


class RunPage(BaseModel):
    """Some runs, newest first. `cursor`: where the next page begins; empty after the last one."""

    runs: tuple[IndexRow, ...]
    cursor: str


class InState(BaseModel):
    """The state of a run."""

    state: StateName
    since: Annotated[float | None, Field(description="Of `coordinator lost`: its last sign of life.")] = None
    step: Annotated[Literal["", "judge", "continue"], Field(description="What ends `coordinator lost`.")] = ""


class Running(InState):
    """A run that is not judged yet."""

    run_id: str


class Started(BaseModel):
    """A run that will start."""

    run_id: str


class RunDetails(InState):
    """One run: its state, and the records that exist."""

    run_id: str
    suite: str
    outcome: Outcome | None = None
    plan: Plan | None = None
    request: RunRequest | None = None
    failure: RequestFailure | None = None
    is_baseline: bool = False


class Live(InState):
    """A run as a watcher sees it."""

    age_s: float  # of `progress`
    progress: dict[str, Any] | None  # `toril.progress/1`; None before its first version


class NewRate(BaseModel):
    """A new rate: `500` (per second), `30/min`, `+20%`, `x2`, `0` or `resume`."""

    model_config = STRICT

    rate: Annotated[str, Field(max_length=40)]
    execution: str | None = None
    sure: Annotated[bool, Field(description="False: refuse a step beyond twice or a tenth, as `large-step`.")] = True


class NewNote(BaseModel):
    """A note on a run."""

    model_config = STRICT

    text: Annotated[str, Field(min_length=1, max_length=4_000)]


class Message(BaseModel):
    """What a change did."""

    message: str


@router.get("/runs")
def search_runs(
    request: Request,
    person: Viewer,
    suite: str = "",
    q: Annotated[str, Query(description="Part of the id, the suite's name or a tag's value.")] = "",
    outcome: Literal["", "passed", "failed", "inconclusive"] = "",
    kind: Kind | Literal[""] = "",
    location: str = "",
    commit: str = "",
    tag: Annotated[list[str], Query(max_length=20, description="`key=value`; a run has all of them.")] = [],  # noqa: B006
    since: Annotated[float | None, Query(description="Earliest start, in seconds since the epoch.")] = None,
    until: Annotated[float | None, Query(description="The start is before it.")] = None,
    cursor: str = "",
    limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 50,
) -> RunPage:
    """Returns judged runs, newest first."""
    wanted = index.Query(
        suite=suite,
        text=q,
        outcome=outcome,
        kind=kind,
        location=location,
        commit=commit,
        tags={key: value for key, _, value in (pair.partition("=") for pair in tag)},
        from_s=since,
        to_s=until,
    )
    page = index.search(store_of(request), wanted, cursor=cursor, limit=limit)
    return RunPage(runs=page.rows, cursor=page.cursor)


@router.get("/runs/running")
def running_runs(
    request: Request,
    person: Viewer,
    every: Annotated[bool, Query(description="Also return the runs without a coordinator or a verdict.")] = False,
) -> list[Running]:
    """Returns the runs that are starting, then those that have a coordinator, newest first."""
    runs = activity.unfinished(store_of(request), clock_of(request).now())
    return [
        Running(run_id=run.row.run_id, state=run.state, since=run.since, step=run.step)
        for run in runs
        if every or run.going_on
    ]


@router.post("/runs", status_code=202)
def post_run(
    request: Request,
    person: Operator,
    wanted: StartRun,
    idempotency_key: Annotated[str | None, Header(max_length=200, description="A repeated key starts one run.")] = None,
) -> Started:
    """Starts a run of a stored suite. It returns at once; the run's state tells whether it began."""
    return Started(run_id=desk_of(request).start(wanted, idempotency_key))


@router.get("/runs/{run_id}")
def get_run(request: Request, person: Viewer, run_id: RunId) -> RunDetails:
    """Returns the state of a run and its small records."""
    store = store_of(request)
    current = seen(store, run_id, clock_of(request).now())
    head = head_of(store, run_id, current)
    verdict = find_record(store, Verdict, run_key(run_id, "verdict.json")) if current.name == "judged" else None
    return RunDetails(
        run_id=run_id,
        state=current.name,
        since=current.since,
        step=current.step,
        outcome=verdict and verdict.outcome,
        suite=head.suite,
        plan=head.plan and shown_to(person, head.plan),
        request=head.request and shown_to(person, head.request),
        failure=current.failure,
        is_baseline=head.is_baseline,
    )


@router.get("/runs/{run_id}/live", response_model=Live, responses={304: {"description": "Nothing has changed."}})
def live(
    request: Request,
    person: Viewer,
    run_id: str,
    since: int | None = None,
    if_none_match: str | None = Header(default=None),
) -> Response:
    """Returns the progress of a run; poll every two seconds, and send the last `ETag` as `If-None-Match`.

    `since`: the last second that the client has; the answer then has only later ones in `progress.recent`.
    """
    setup = request.app.state.setup
    current = present(setup, run_id)
    headers = {"etag": current.etag, "cache-control": "no-store"}
    if if_none_match is not None and current.etag in (tag.strip() for tag in if_none_match.split(",")):
        return Response(status_code=304, headers=headers)
    state = {"state": current.name, "since": current.since, "step": current.step}
    content = {
        **state,
        "age_s": round(current.age_s, 3),
        "progress": current.progress and changes(current.progress, since),
    }
    return JSONResponse(content, headers=headers)


@router.get("/runs/{run_id}/summary", response_class=Response, responses={200: {"model": Summary}})
def get_summary(request: Request, person: Viewer, run_id: RunId) -> Response:
    """Returns the figures of a judged run, `summary.json`."""
    return _record(request, run_id, "summary.json")


@router.get("/runs/{run_id}/verdict", response_class=Response, responses={200: {"model": Verdict}})
def get_verdict(request: Request, person: Viewer, run_id: RunId) -> Response:
    """Returns the verdict of a judged run, `verdict.json`."""
    return _record(request, run_id, "verdict.json")


@router.get("/runs/{run_id}/evidence", response_class=Response, responses={200: {"model": Exchanges}})
def get_evidence(
    request: Request,
    person: Viewer,
    run_id: RunId,
    label: Annotated[str, Query(description="Only requests with this label.")] = "",
    error: Annotated[str, Query(description="Only requests whose error contains it.")] = "",
) -> Response:
    """Returns the first failures and the slowest requests with their responses, `evidence.json`."""
    from toril.runs.stored import read_evidence

    store = store_of(request)
    exchanges = read_evidence(store, run_in(store, run_id, HERE), label, error)
    return download(request, document(exchanges), "evidence.json", "application/json")


@router.get("/runs/{run_id}/report", response_class=StreamingResponse, response_description="The report.")
def get_report(
    request: Request,
    person: Viewer,
    run_id: RunId,
    format: Annotated[str, Query(json_schema_extra={"enum": [*FORMATS]})] = "json",
    table: Annotated[
        str, Query(json_schema_extra={"enum": [*TABLES]}, description="Of `csv` and `parquet`.")
    ] = "cells",
    from_: Annotated[str | None, Query(alias="from", description="Start of a window, such as `2m`.")] = None,
    to: Annotated[str | None, Query(description="End of a window, such as `4m30s`.")] = None,
) -> Response:
    """Returns a report of a judged run, or of a window, in any format of `toril report`, as a file."""
    from toril.runs import stored

    check(format, table=table)
    store = store_of(request)
    run_id = run_in(store, run_id, HERE)
    report = pieces(format, stored.judged_at(store, run_id, clock_of(request).now(), format, from_, to), table)
    first = next(report, b"")  # an error is answered as a problem, before the answer begins
    name = f"{run_id}.{FORMATS[format].extension}"
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    media_type = FORMATS[format].media_type
    if request.app.state.setup.presign is not None:  # a function cannot stream
        return download(request, b"".join((first, *report)), name, media_type)
    return StreamingResponse(chain((first,), report), media_type=media_type, headers=headers)


@router.post("/runs/{run_id}/stop")
def stop_run(request: Request, person: Operator, run_id: RunId) -> Message:
    """Ends the load early; the measurements are kept and judged."""
    return Message(message=desk_of(request).stop(run_id))


@router.post("/runs/{run_id}/rates")
def change_rate(request: Request, person: Operator, run_id: RunId, wanted: NewRate) -> Adjusted:
    """Changes the rate of one execution of a running run."""
    return desk_of(request).adjust(run_id, wanted.rate, wanted.execution, sure=wanted.sure)


@router.get("/runs/{run_id}/notes")
def get_notes(request: Request, person: Viewer, run_id: RunId) -> list[RunNote]:
    """Returns the notes that people added, oldest first."""
    return notes.notes_of(store_of(request), run_id)


@router.post("/runs/{run_id}/notes", status_code=201)
def add_note(request: Request, person: Operator, run_id: RunId, wanted: NewNote) -> RunNote:
    """Adds a note to a run."""
    return desk_of(request).add_note(run_in(store_of(request), run_id, HERE), wanted.text)


@router.put("/runs/{run_id}/baseline")
def use_as_baseline(request: Request, person: Operator, run_id: RunId) -> Message:
    """Makes this run the baseline of its suite. The message says what speaks against it, such as a failure."""
    store = store_of(request)
    run_id = run_in(store, run_id, HERE)
    doubts = notes.doubts_about(store, run_id, clock_of(request).now())
    if already := head_of(store, run_id).is_baseline:
        no_change(request)
    desk_of(request).set_baseline(run_id)
    told = f"{run_id} {'already was' if already else 'is'} the baseline of its suite."
    return Message(message=" ".join([told, *doubts]))


@router.delete("/runs/{run_id}")
def delete_run(request: Request, person: Admin, run_id: RunId) -> Message:
    """Deletes a run: its files and its history. It cannot be undone. If it was a baseline, its suite has none then."""
    cleared = desk_of(request).delete_run(run_id)
    return Message(message="; ".join([f"{run_id} is deleted", *(f"{name} has no baseline now" for name in cleared)]))


@router.get("/compare", response_class=Response, response_description="The comparison.")
def compare_runs(
    request: Request,
    person: Viewer,
    base: str,
    head: str,
    format: ComparedFormat = "json",
) -> Response:
    """Compares two runs in a format of `toril compare`."""
    from toril.runs import stored

    store, now = store_of(request), clock_of(request).now()
    runs = [stored.judged(store, run_in(store, name, HERE), now, measurements=True) for name in (base, head)]
    media_type = FORMATS[format].media_type
    return download(request, compared(format, *runs), f"compared.{format}", media_type)


def _record(request: Request, run_id: str, name: str) -> Response:
    store = store_of(request)
    run_id = run_in(store, run_id, HERE)
    return download(request, store.get(run_key(run_id, name)), name, "application/json")
