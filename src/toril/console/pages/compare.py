"""`/compare?run=a&run=b…&reference=a`: two to five runs as one matrix, against one of them; else a form to choose."""

from string import ascii_uppercase
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from toril.console.identity import Viewer
from toril.console.web import page, why_unread
from toril.errors import UserError
from toril.reports import Bundle
from toril.reports.blocks import Headline, Report
from toril.reports.html import fragment
from toril.runs.find import checked_id
from toril.runs.index import Query as Wanted
from toril.runs.index import search
from toril.runs.notes import baseline_of

router = APIRouter()
MOST_RUNS = 5
OFFERED = 30  # runs to choose from


@router.get("/compare")
def compare_runs(
    request: Request, person: Viewer, reference: str = "", q: str = "", add: bool = False, detailed: bool = False,
    from_: Annotated[str, Query(alias="from")] = "", to: str = "",
) -> Response:  # fmt: skip
    """The comparison, of a window such as `&from=2m&to=4m` or of whole runs; or the form to choose runs."""
    from toril.runs.stored import judged, judged_at, recorded

    setup = request.app.state.setup
    wanted = list(dict.fromkeys(filter(None, request.query_params.getlist("run"))))
    bundles, problems = dict[str, Bundle](), list[str]()
    for run_id in wanted[:MOST_RUNS]:
        try:
            bundles[run_id] = judged(setup.store, checked_id(run_id), setup.clock.now())
        except UserError as error:  # a run that is not over, or was deleted; the others are compared nevertheless
            problems.append(f"{run_id[:200]}: {why_unread(error)}")
    if len(wanted) > MOST_RUNS:
        problems.append(f"At most {MOST_RUNS} runs can be compared at once; these are the first {MOST_RUNS}.")
    if len(bundles) < 2 or add:
        rows = search(setup.store, Wanted(text=q), limit=OFFERED).rows
        offered = [row for row in rows if row.run_id not in bundles and row.kind != "try"]
        return page(
            request, "compare_form.html.jinja", title="Compare", chosen=list(bundles), offered=offered,
            problems=problems, reference=reference, q=q, most=MOST_RUNS,
        )  # fmt: skip
    bundles = dict(sorted(bundles.items()))  # by time; A is the oldest
    known = {baseline_of(setup.store, suite) for suite in {bundle.plan.suite for bundle in bundles.values()}}
    baselines = {baseline.run_id for baseline in known if baseline is not None}
    usual = next((run_id for run_id in bundles if run_id in baselines), next(iter(bundles)))
    against = reference if reference in bundles else usual
    from toril.reports.charts import several
    from toril.reports.matrix import matrix_of
    from toril.runs.earlier import ordinary_runs

    names = dict(zip(bundles, ascii_uppercase, strict=False))
    runs = {names[run_id]: (bundle, recorded(setup.store, bundle)) for run_id, bundle in bundles.items()}
    base = names[against]
    ordinary = ordinary_runs(setup.store, runs[base][1], without=bundles)
    span = None
    if from_ or to:  # ordinary differences are those of whole runs
        times = ("json", from_ or None, to or None)
        at = {names[run_id]: judged_at(setup.store, run_id, setup.clock.now(), *times) for run_id in bundles}
        runs = {name: (bundle, recorded(setup.store, bundle)) for name, bundle in at.items()}
        ordinary, span = [], max(filter(None, (bundle.span for bundle in at.values())), default=None)
    matrix = matrix_of(runs, base, ordinary, detailed=detailed)
    charts = several({names[run_id]: bundle for run_id, bundle in bundles.items()}, base)
    content = fragment(Report(headline=Headline(suite="", text="", brief=""), blocks=(charts,)), hero=False)
    return page(
        request, "compare.html.jinja", title="Compare", matrix=matrix, reference=base, problems=problems,
        detailed=detailed, content=content.html, data=content.data | ({"span": span} if span else {}), most=MOST_RUNS,
        add=f"{_address(bundles, against)}&add=true",
        pins={names[run_id]: _address(bundles, run_id) for run_id in bundles},
        removals={names[run_id]: _address(bundles, against, run_id) for run_id in bundles},
    )  # fmt: skip


def _address(bundles: dict[str, Bundle], reference: str, without: str = "") -> str:
    kept = [("run", run_id) for run_id in bundles if run_id != without]
    return "/compare?" + urlencode([*kept, *([("reference", reference)] if reference != without else [])])
