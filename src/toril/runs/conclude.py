"""From what was measured to what a run's folder keeps of it: summary, verdict, page."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from toril.capacity.course import courses
from toril.coordinator.collect import collect
from toril.coordinator.live import Fold
from toril.errors import StoreError
from toril.masking import masked
from toril.metrics import unfetched
from toril.records import Plan, ServerMetrics, Verdict, run_key
from toril.records.document import document
from toril.regression import judge_duet
from toril.reports import Bundle, render
from toril.reports.run_blocks import MOST_FAILURES
from toril.store import Store
from toril.store.records import find_record
from toril.summary import Completeness, summarise, tests_of
from toril.summary.adjusted import adjusted
from toril.verdict import judge
from toril.verdict.functional import judge_tests
from toril.verdict.servers import queries


def judge_again(store: Store, run_id: str) -> Bundle:
    """Merge, summarise and judge a stored run from its files alone, and keep that where the folder can be written."""
    fold, completeness = collect(store, run_id)
    bundle = with_pictures(store, judged(fold, completeness, stored_metrics(store, fold.plan)))
    with suppress(StoreError):
        keep(bundle, lambda name, data: store.put(run_key(run_id, name), data))
    return bundle


def stored_metrics(store: Store, plan: Plan) -> ServerMetrics | None:
    """What CloudWatch said when the load was over; None when the plan asks nothing of it."""
    key = run_key(plan.run_id, "metrics.json")
    found = find_record(store, ServerMetrics, key)
    if found is not None:
        return found
    asked = queries(plan)
    why = f"{key} is missing: the command ended before it had asked CloudWatch; run the suite again"
    return unfetched(asked, why) if asked else None


def judged(fold: Fold, completeness: Completeness, metrics: ServerMetrics | None) -> Bundle:
    plan = fold.plan
    if plan.duet is not None:
        duet = judge_duet(plan, fold.arms, fold.whole, completeness)
        verdict = Verdict.from_dict(masked(duet.verdict))
        return Bundle(plan=duet.plan, summary=duet.summary, verdict=verdict, timeline=fold.timeline)
    carried_out = adjusted(plan, completeness.rates, completeness.started_at)
    found = summarise(carried_out, fold.timeline, completeness, completeness.started_at)
    if plan.functional:
        tests = tests_of(fold.cases)
        verdict = judge_tests(plan, fold.timeline, completeness, tests).masked()
        return Bundle(plan=plan, summary=replace(found, tests=tests), verdict=verdict, timeline=fold.timeline)
    searches = courses(carried_out, completeness.rates, completeness.started_at, fold.timeline)
    if searches:
        found = replace(found, capacity={course.execution.name: course.result() for course in searches})
    verdict = judge(carried_out, fold.timeline, completeness, found, metrics=metrics).masked()
    return Bundle(plan=plan, summary=found, verdict=verdict, timeline=fold.timeline, metrics=metrics)


def with_pictures(store: Store, bundle: Bundle) -> Bundle:
    """The same, with the pictures that its page shows."""
    shown = bundle.summary.first_failures[:MOST_FAILURES]
    names = (name for one in shown for name in one.files if name.endswith(".jpg"))
    wanted = {run_key(bundle.plan.run_id, name): name for name in names}
    found = store.find_many(wanted) if wanted else {}
    return replace(bundle, pictures={wanted[key]: data for key, data in found.items()})


def keep(bundle: Bundle, put: Callable[[str, bytes], None]) -> None:
    """Leave what was found in the run's folder."""
    put("summary.json", document(bundle.summary.to_dict()))
    put("verdict.json", bundle.verdict.to_json())
    put("report.html", render("html", bundle))
