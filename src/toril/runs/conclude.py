"""Concludes a run: makes summary, verdict, page and cost from its measurements, and stores them."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from toril.cloudwatch import ClientFactory, Wait, authorization, fetch, unfetched
from toril.coordinator.evidence import gathered
from toril.coordinator.fold import Fold, collect, completeness_of
from toril.errors import InfrastructureError, Note, StoreError
from toril.launchers.prepare import read_deployments
from toril.launchers.pricing import cost_line, finished_cost
from toril.launchers.pricing.service import finished_service_cost
from toril.records import HEAD, Deployment, End, Launch, Plan, ServerMetrics, Verdict, run_key
from toril.records.cause import Cause
from toril.records.document import document
from toril.records.evidence import Exchanges
from toril.regression import judge_duet
from toril.regression.calibration import calibrate
from toril.regression.earlier import judge_earlier, with_earlier
from toril.reports import Bundle, render
from toril.reports.run_blocks import MOST_FAILURES
from toril.runs.causes import cause_of
from toril.runs.coordination import Coordination
from toril.runs.earlier import earlier_duets, earlier_runs
from toril.runs.history import fingerprint_of, record_of, remember
from toril.runs.index import pack
from toril.store import Reader, Store
from toril.store.records import find_record, read_launch
from toril.summary import Completeness, adjusted_plan, lasted_s, queued_plan, summarise, tests_of
from toril.timeline.arms import Arm, duet_of
from toril.verdict import judge, judge_tests, judge_try
from toril.verdict.capacity.progress import finished_searches
from toril.verdict.findings import findings_of
from toril.verdict.servers import queries


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A finished run: its plan, measurements and verdict."""

    bundle: Bundle
    interrupted: bool = False
    unwritten: tuple[str, ...] = ()  # errors of files that could not be written into the run's folder
    failed_store: bool = False  # the store failed during the load, so the verdict is of the measurements so far
    left: tuple[str, ...] = ()  # tasks that may still run, and why they could not be ended


def conclude(
    owner: Coordination,
    cloudwatch: ClientFactory,
    *,
    last_notes: Sequence[Note],
    problems: Sequence[str],
    failure: StoreError | None = None,
    amend: Callable[[Verdict], Verdict] | None = None,
) -> Judged:
    """Judges a run and stores the result; then InfrastructureError if the load never began.

    `last_notes`: the launcher's last notes before the load; `problems`: the launcher's problems with ending workers.
    `failure`: the store's error that ended the load; then the measurements so far are judged.
    """
    coordinator, store = owner.coordinator, owner.coordinator.store
    try:
        state = owner.with_retries(lambda: coordinator.finish(owner.launcher.tasks()))
    except StoreError as error:
        failure, state = failure or error, coordinator.state
        with suppress(StoreError):  # a full disk can be read
            while coordinator.fold.poll(owner.clock.now(), ending=True):
                pass
        coordinator.fold.finish()
    rates = tuple(coordinator.rates)
    completeness = owner.with_retries(
        lambda: completeness_of(coordinator.fold, state.start, state.stop, state.lost, rates)
    )
    bundle = _judge(coordinator.fold, completeness, _fetch_metrics(owner, completeness, cloudwatch), coordinator.launch)
    unwritten: tuple[str, ...] = () if failure is None else (f"the store failed during the load: {failure}",)
    left = tuple(problems)
    try:
        if amend is not None:
            bundle = replace(bundle, verdict=owner.with_retries(lambda: amend(bundle.verdict)).masked())
        bundle = owner.with_retries(lambda: with_cost(store, bundle))
        bundle = owner.with_retries(lambda: _beside_earlier(store, bundle, coordinator.launch))
        bundle = with_evidence(
            bundle, lambda: owner.with_retries(lambda: _gathered(coordinator.fold, coordinator.lease.renew))
        )
        bundle = _with_cause(owner, bundle, completeness)
        shown = owner.with_retries(lambda: with_pictures(store, bundle))
        owner.with_retries(lambda: _keep(shown, coordinator.keep))
        owner.report(phase="ended")
        owner.judged(shown)
    except StoreError as error:  # such as a full disk; the verdict is shown nevertheless
        unwritten = (*unwritten, str(error))
    if not unwritten:  # otherwise the sweep judges the run
        record = record_of(bundle, coordinator.launch)
        try:
            owner.with_retries(lambda: remember(store, record, coordinator.lease.renew))
        except StoreError as error:  # the next list of runs writes it
            unwritten = (str(error),)
        left += tuple(owner.launcher.cancel_sweep())
        with suppress(StoreError):  # the next run packs them
            pack(store, owner.clock.now())
    if state.abort_reason and not owner.interrupts:
        steps = completeness.failed_steps
        others = [text for step, text in steps.items() if step == "teardown"]
        why = "; ".join((state.abort_reason, *others, *(note.message for note in last_notes)))
        code = "setup-failed" if "setup" in steps else "not-started"
        raise InfrastructureError(f"run {coordinator.plan.run_id} could not start: {why}", code=code)
    return Judged(
        bundle=bundle,
        interrupted=bool(owner.interrupts),
        unwritten=unwritten,
        failed_store=failure is not None,
        left=left,
    )


def _fetch_metrics(owner: Coordination, completeness: Completeness, cloudwatch: ClientFactory) -> ServerMetrics | None:
    """Waits for the service's metrics of the load, and stores them; None if nothing needs them."""
    coordinator, plan, started_at = owner.coordinator, owner.coordinator.plan, completeness.started_at
    asked = queries(plan)
    sources = " and ".join(sorted({query.source for query in asked}))

    def keep_waiting(wait: Wait) -> bool:
        owner.report(phase="waiting", waiting=f"{sources}: {wait}")
        return coordinator.may_wait(owner.asked())

    if not asked:
        return None
    if started_at is None:
        metrics = unfetched(asked, "no metrics were requested, because there was no load")
    else:
        end_at = started_at + lasted_s(queued_plan(plan, completeness), coordinator.fold.timeline, completeness)
        metrics = fetch(
            asked, started_at, end_at, owner.clock, cloudwatch, limit_s=plan.metrics_wait_s,
            authorize=authorization(plan), keep_waiting=keep_waiting,
        )  # fmt: skip
    coordinator.store.put_once(run_key(plan.run_id, "metrics.json"), metrics.to_json())
    return metrics


def _with_cause(owner: Coordination, bundle: Bundle, completeness: Completeness) -> Bundle:
    """Adds the evidence for the run's causes, if the suite asks for it."""
    plan = adjusted_plan(owner.coordinator.plan, completeness.rates, completeness.started_at)

    def check() -> bool:
        owner.report(phase="waiting", waiting="X-Ray and CloudWatch Logs")
        return owner.coordinator.may_wait(owner.asked())

    return replace(bundle, cause=cause_of(bundle, plan, completeness.started_at, owner.clock, check=check))


def judge_again(store: Reader, run_id: str) -> Bundle:
    """Judges a stored run from its files, and stores the result if the store is writable."""
    fold, completeness = collect(store, run_id)
    launch = read_launch(store, run_id)
    bundle = _judge(fold, completeness, stored_metrics(store, fold.plan), launch)
    bundle = _beside_earlier(store, with_cost(store, bundle), launch)
    bundle = with_evidence(with_pictures(store, bundle), lambda: _gathered(fold))
    cause = find_record(store, Cause, run_key(run_id, "cause.json"))
    bundle = replace(bundle, cause=cause or cause_of(bundle, fold.plan, None))
    if not isinstance(store, Store):
        return bundle
    with suppress(StoreError):
        _keep(bundle, lambda name, data: store.put(run_key(run_id, name), data))
        remember(store, record_of(bundle, launch))
    return bundle


def stored_metrics(store: Reader, plan: Plan) -> ServerMetrics | None:
    """Returns the service's metrics, which were stored after the load; None if the plan needs none."""
    key = run_key(plan.run_id, "metrics.json")
    metrics = find_record(store, ServerMetrics, key)
    asked = queries(plan)
    if metrics is not None or not asked:
        return metrics
    return unfetched(asked, f"{key} is missing: the command ended before it read CloudWatch; run the suite again")


def _judge(fold: Fold, completeness: Completeness, metrics: ServerMetrics | None, launch: Launch | None) -> Bundle:
    """Returns summary and verdict of the measurements, for each kind of run."""
    plan, timeline = fold.plan, fold.timeline
    if plan.duet is not None:
        return _judge_duet(fold, completeness, metrics, launch)
    carried_out = adjusted_plan(plan, completeness.rates, completeness.started_at)
    summary = summarise(carried_out, timeline, completeness, completeness.started_at)
    if plan.functional:
        tests = tests_of(fold.cases)
        verdict = judge_tests(plan, timeline, completeness, tests).masked()
        return Bundle(plan=plan, summary=replace(summary, tests=tests), verdict=verdict, timeline=timeline)
    if plan.tried:
        verdict = judge_try(plan, timeline, completeness, summary).masked()
        return Bundle(plan=plan, summary=summary, verdict=verdict, timeline=timeline)
    searches = finished_searches(carried_out, completeness.rates, completeness.started_at, timeline)
    if searches:
        summary = replace(summary, capacity={search.execution.name: search.result() for search in searches})
    summary = replace(summary, service_cost=finished_service_cost(plan, metrics, summary))
    summary = replace(summary, standouts=findings_of(carried_out, summary, timeline))
    verdict = judge(carried_out, timeline, completeness, summary, metrics=metrics).masked()
    return Bundle(
        plan=plan, summary=summary, verdict=verdict, timeline=timeline, metrics=metrics, completeness=completeness
    )


def _judge_duet(fold: Fold, completeness: Completeness, metrics: ServerMetrics | None, launch: Launch | None) -> Bundle:
    """Returns a duet's verdict, with the experience from earlier duets and with its first half, if it has one."""
    plan, store, first, calibration = fold.plan, fold.store, None, None
    duet = duet_of(plan)
    if duet.first_half:
        half = find_record(store, Verdict, run_key(duet.first_half, "verdict.json"))
        if half is None or half.comparison is None:
            raise InfrastructureError(
                f"The first half of this duet, run {duet.first_half}, has no verdict in the store. Judge it first: "
                f"`toril report {duet.first_half}`.",
                code="no-first-half",
            )
        first = half.comparison
    with suppress(StoreError):  # a verdict needs no experience
        like = fingerprint_of(Arm(plan, HEAD).as_run(), launch)
        calibration = calibrate((duet for duet in earlier_duets(store, plan.suite) if duet.run_id != plan.run_id), like)
    found = judge_duet(plan, fold.arms, fold.whole, completeness, metrics=metrics, calibration=calibration, first=first)
    verdict = found.verdict.masked()
    return Bundle(plan=found.plan, summary=found.summary, verdict=verdict, timeline=fold.timeline, metrics=metrics)


def _beside_earlier(store: Reader, bundle: Bundle, launch: Launch | None) -> Bundle:
    """Adds the comparison with earlier runs to the verdict, if the plan wants it. A duet has a base of its own."""
    if bundle.plan.earlier is None or bundle.verdict.comparison is not None:
        return bundle
    record = record_of(bundle, launch)
    runs = judge_earlier(bundle.plan, record, earlier_runs(store, record, bundle.plan.earlier.runs))
    return replace(bundle, verdict=with_earlier(bundle.verdict, runs).masked())


def with_pictures(store: Reader, bundle: Bundle) -> Bundle:
    """Adds the screenshots of the run's page."""
    shown = bundle.summary.first_failures[:MOST_FAILURES]
    names = (name for failure in shown for name in failure.files if name.endswith(".jpg"))
    wanted = {run_key(bundle.plan.run_id, name): name for name in names}
    pictures = store.find_many(wanted) if wanted else {}
    return replace(bundle, pictures={wanted[key]: data for key, data in pictures.items()})


def _gathered(fold: Fold, check: Callable[[], object] = lambda: None) -> Exchanges | None:
    return gathered(fold.store, fold.plan, fold.attempts, fold.exits, check)


def with_evidence(bundle: Bundle, read: Callable[[], Exchanges | None]) -> Bundle:
    """Adds requests and responses; if they cannot be read, a note."""
    try:
        return replace(bundle, evidence=read())
    except StoreError as error:
        fault = str(error).partition(";")[0]
        note = (
            f"Requests with their responses are missing in this report: {fault}. To make them again, delete "
            "evidence.json, summary.json and verdict.json, and run `toril report`."
        )
        plan = bundle.plan.model_copy(update={"warnings": (*bundle.plan.warnings, note)})
        return replace(bundle, plan=plan)


def _keep(bundle: Bundle, put: Callable[[str, bytes], None]) -> None:
    put("summary.json", document(bundle.summary))
    put("verdict.json", bundle.verdict.to_json())
    if bundle.evidence is not None:
        put("evidence.json", document(bundle.evidence))
    if bundle.cause is not None:
        put("cause.json", bundle.cause.to_json())
    put("report.html", render("html", bundle))


def with_cost(store: Reader, bundle: Bundle) -> Bundle:
    """Adds the cost of a run on Fargate, if its tasks are recorded; local workers cost nothing."""
    plan, summary = bundle.plan, bundle.summary
    if plan.on != "fargate":
        return bundle
    end = find_record(store, End, run_key(plan.run_id, "end.json"))
    if end is None:
        return bundle
    deployments: dict[str, Deployment] = {}
    with suppress(InfrastructureError):  # a copied run has no deployments, so default stacks are assumed
        deployments = read_deployments(store, [])
    load_s, requests = summary.duration_s or 0.0, summary.total.samples or None
    estimate = finished_cost(plan, end, deployments, load_s=load_s, requests=requests)
    return replace(bundle, cost=cost_line(plan, estimate), cost_usd=estimate.total_usd if estimate else None)
