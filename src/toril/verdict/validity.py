"""Reasons for an inconclusive verdict: conditions that invalidate response times, and missing or surplus data."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from toril.criteria import criteria_of
from toril.records import Plan, Reason
from toril.records.summary import Generators
from toril.summary.completeness import Completeness
from toril.text import exact, plural
from toril.timeline import Timeline
from toril.timeline.intervals import TAGGED, VALUES

LATEST_START_S = 1.0
LATEST_START_OF_RAMP_UP = 0.1
LATEST_RATE_S = 1.0
CLOCK_LIMIT_S = 1.0
MOST_TAG_VALUES, MOST_METRICS, MOST_CHECKS = 50, 200, 1_000


def invalid_times(plan: Plan, completeness: Completeness, generators: Generators) -> Iterator[Reason]:
    """Yields the conditions that invalidate response times and load, saturated generators first."""
    yield from _saturated(plan, generators)
    yield from _late(plan, completeness)
    yield from _late_rates(plan, completeness)
    yield from _unsure_clocks(completeness)


def _saturated(plan: Plan, generators: Generators) -> Iterator[Reason]:
    """Yields a reason for each saturated worker; the first one explains the effect and the fix."""
    effect = f". Its response times include delays of the worker itself: {generators.advice}"
    for name in () if _of_stages_alone(plan) else generators.saturated:
        why = "; ".join(saturation.message for saturation in generators.workers[name].saturation)
        yield Reason("saturated", f"{why}{effect}")
        effect = ""


def _of_stages_alone(plan: Plan) -> bool:
    """Whether only a search is judged: its stages take saturation into account already."""
    subjects = {criterion.subject for criterion in criteria_of(plan.criteria)}
    return bool(plan.searched) and subjects <= {"capacity"}


def latest_start_s(ramp_up_s: float) -> float:
    """Returns the allowed lateness of an execution's start, in seconds."""
    return max(LATEST_START_S, LATEST_START_OF_RAMP_UP * ramp_up_s)


def _late(plan: Plan, completeness: Completeness) -> Iterator[Reason]:
    ramp_up_s = {execution.name: execution.ramp_up_s for execution in plan.executions}
    for (worker, execution), late_s in completeness.lateness_s.items():
        limit_s = latest_start_s(ramp_up_s.get(execution, 0.0))
        if late_s > limit_s:
            late = f"worker {worker} started {execution} {_above(late_s, limit_s)} s late (limit {limit_s:g} s)"
            yield Reason("late-start", f"{late}; find out what else keeps its machine busy")


def _above(value: float, limit: float) -> str:
    """Returns the value with enough digits to differ from the limit."""
    return next((shown for digits in (1, 2, 3) if float(shown := f"{value:.{digits}f}") > limit), f"{value:g}")


def _unsure_clocks(completeness: Completeness) -> Iterator[Reason]:
    for worker, (offset_s, uncertainty_s) in completeness.clock_s.items():
        if abs(offset_s) + uncertainty_s > CLOCK_LIMIT_S:
            off = f"the clock of worker {worker} is off by {offset_s:+.2f} s ± {uncertainty_s:.2f} s"
            yield Reason("unsure-clock", f"{off} (limit {CLOCK_LIMIT_S:g} s); synchronise it with NTP")


def _late_rates(plan: Plan, completeness: Completeness) -> Iterator[Reason]:
    """Yields the load changes that a worker applied so late that the load differed from the plan."""
    settle_s = {load.name: load.search.settle_s for load in plan.searched if load.search is not None}
    for rate in completeness.rates:
        limit_s = max(LATEST_RATE_S, settle_s.get(rate.execution, 0.0))
        late = completeness.latest(rate)
        if late is not None and late[1] > limit_s:
            yield Reason(
                "late-rate",
                f"worker {late[0]} changed {rate.execution} to {exact(rate.rps, rate.unit)} {late[1]:.1f} s late "
                f"(limit {limit_s:.1f} s); find out what else keeps its machine busy, or change the load less often",
            )


def incomplete(timeline: Timeline, completeness: Completeness) -> Iterator[Reason]:
    """Yields reasons for failed steps, and for missing or surplus data."""
    if why := completeness.failed_steps.get("setup"):
        yield Reason("setup-failed", why)
    if why := completeness.failed_steps.get("teardown"):
        yield Reason("teardown-failed", why)
    for number, fault in enumerate(completeness.faults, 1):
        if fault.failure:
            yield Reason("fault-failed", f"fault-{number} did not run as planned: {fault.failure}")
    if completeness.started_at is None and timeline.last_second is not None:
        unknown = "so its planned load cannot be checked"
        yield Reason("damaged-file", f"start.json is missing or unreadable, although the load has samples, {unknown}")
    for worker, reason in lost_workers(completeness):
        yield Reason("lost-worker", f"worker {worker} was lost: {reason}")
    for file in completeness.damaged:
        yield Reason("damaged-file", file)
    never_read = samples_never_read(timeline, completeness)
    if never_read and never_read > 0 and not completeness.damaged:
        missing = f"the files of workers lack {plural(never_read, 'request')} that the workers recorded"
        yield Reason("missing-samples", f"{missing}; please report this as a bug")
    if never_read and never_read < 0:
        surplus = f"the files of workers have {plural(-never_read, 'request')} more than the workers recorded"
        yield Reason("surplus-samples", f"{surplus}; find out what else writes to this run's folder, and run again")
    unreadable = unreadable_records(timeline, completeness)
    if unreadable:
        damaged = f"toril could not read {plural(unreadable, 'record')} of the engines"
        yield Reason("unreadable-records", f"{damaged}; see the engine's log")
    yield from too_many_names(timeline)


def too_many_names(timeline: Timeline) -> Iterator[Reason]:
    """Yields reasons for values of tags, metrics and checks beyond their limits."""
    values_of: defaultdict[str, set[str]] = defaultdict(set)
    for label in timeline.measured(TAGGED):
        tag, _, value = label.partition("=")
        if tag.startswith("{"):
            values_of[tag[1:]].add(value)
    for tag, values in values_of.items():
        if len(values) > MOST_TAG_VALUES:
            many = f"tag `{tag}` has more than {MOST_TAG_VALUES} values, so toril does not keep all of them apart"
            yield Reason("too-many-tag-values", f"{many}; use a tag with few values, such as a plan instead of a user")
    checks = len(timeline.measured("check"))
    metrics = sum(len(timeline.measured(kind)) for kind in VALUES) - checks
    for count, most, what in ((checks, MOST_CHECKS, "checks"), (metrics, MOST_METRICS, "metrics")):
        if count > most:
            fix = "give several of them one name"
            yield Reason("too-many-metrics", f"the scripts have {count:,} {what}, the limit is {most:,}; {fix}")


def lost_workers(completeness: Completeness) -> list[tuple[str, str]]:
    """Returns each lost worker and the reason."""
    heard = {*completeness.reported, *(worker for worker, _ in completeness.lost)}
    silent = [(worker, "it never reported; see its log") for worker in completeness.planned if worker not in heard]
    return [*completeness.lost, *silent]


def rows_of(plan: Plan, completeness: Completeness, reasons: Sequence[Reason]) -> Iterator[Reason]:
    """Yields notes on files whose rows are used once: too few of them, or some that stay unused."""
    lost, codes = {worker for worker, _ in lost_workers(completeness)}, {reason.code for reason in reasons}
    for path, rows in plan.consume_once.items():
        if {"ended-early", "unreached-load", "dropped-sends"} & codes and not lost:
            count = f"{rows:,}" if rows else "few"
            yield Reason("few-rows", f"{path} has {count} rows, each used at most once; users without a row end early")
        for share in plan.shares:
            if share.worker in lost and path in share.data_files:
                part, parts = share.data_files[path]
                own = f"{len(range(part, rows, parts)):,}" if rows else "its"
                text = f"worker {share.worker} was lost with {own} rows of {path}; no other worker gets them"
                yield Reason("unused-rows", f"{text}, since it may have used some")


def samples_never_read(timeline: Timeline, completeness: Completeness) -> int | None:
    """Returns the number of requests that are missing in the files; negative if the files hold too many.

    None if not every worker reported its number of requests.
    """
    if not set(completeness.exits) >= set(completeness.planned):
        return None
    written = sum(left.samples for left in completeness.exits.values())
    read = timeline.select().total.samples
    return written - read


def unreadable_records(timeline: Timeline, completeness: Completeness) -> int:
    return max(timeline.unreadable, completeness.unreadable_records)


def stopped(completeness: Completeness, *, by_criterion: bool = False) -> Iterator[Reason]:
    """Yields a reason if the load ended before its planned end, unless a criterion, a search or a decision did.

    `by_criterion`: the measurements confirm that a criterion stopped the load.
    """
    stop, stopped_s = completeness.stop, completeness.stopped_at_s
    if stop is None:
        return
    if completeness.intended_end_s is None or not (stop.cause in ("search", "decided") or by_criterion):
        when = "before it started" if stopped_s is None else f"after {stopped_s:.0f} s"
        # The reason `lost-worker` already has the details.
        lost = [worker for worker, why in completeness.lost if why and why in stop.message]
        why = f"worker {lost[0]} was lost" if lost else stop.message
        yield Reason("stopped", f"the load was stopped early, {when}: {why}")
