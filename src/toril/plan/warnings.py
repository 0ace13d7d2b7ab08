"""Warnings about a planned load and its criteria: criteria that cannot be true, or cannot be decided."""

import math
from collections.abc import Iterator, Mapping, Sequence

from toril.criteria import Criterion, criteria_of, lint, load_for_samples, samples_needed
from toril.errors import Note, SuiteError
from toril.load.model import JOURNEY_START
from toril.load.shapes import curve_of
from toril.plan.division import WorkerSlot
from toril.plan.iteration import Iteration, iteration_of
from toril.records import PlannedCriterion
from toril.suite import Execution, Suite
from toril.suite.engines import TAGGED, TIMINGS, TRACED, engine_of


def load_warnings(
    suite: Suite,
    executions: Sequence[Execution],
    criteria: Sequence[PlannedCriterion],
    slots: Sequence[WorkerSlot],
    *,
    smoke: bool,
) -> Iterator[Note]:
    """Yields warnings about the load and the criteria; raises SuiteError for a criterion on an unknown location."""
    if smoke and not suite.functional:
        yield Note("smoke-run", "This is a smoke run: one virtual user for a few seconds, without criteria.")
    untraced = dict.fromkeys(execution.executor for execution in executions if execution.executor not in TRACED)
    if suite.toril.traceparent and untraced:
        what = f"The requests of {', '.join(untraced)} carry no trace context."
        yield Note("no-traceparent", f"{suite.source}: toril.traceparent: {what} Use one of: {', '.join(TRACED)}.")
    for key, asked, engines in (
        ("request-tags", suite.toril.request_tags, TAGGED),
        ("metrics", suite.toril.metrics, ("jmeter",)),
    ):
        if asked and not any(execution.executor in engines for execution in executions):
            what = f"No engine of the suite records them. Use one of: {', '.join(engines)}."
            yield Note("nothing-measured", f"{suite.source}: toril.{key}: {what}")
    duration_s = max(
        (execution.delay_s + execution.ramp_up_s + execution.hold_for_s for execution in executions), default=0.0
    )
    limit_s = suite.toril.max_duration_s
    if limit_s is not None and duration_s > limit_s:
        if any(execution.search for execution in executions):
            what = f"{limit_s:g} s may end the run before the search, which can take {duration_s:g} s."
        else:
            what = f"{limit_s:g} s end the run before its planned end at {duration_s:g} s."
        yield Note("short-max-duration", f"{suite.source}: toril.max-duration: {what}")
    yield from () if suite.toril.setup else _few_rows(suite, executions)
    locations = tuple(dict.fromkeys(slot.location for slot in slots))
    iterations = {name: iteration_of(scenario) for name, scenario in suite.common["scenarios"].items()}
    labels_of: dict[tuple[str, ...], tuple[set[str], str]] = {}  # by executions, since labels and criteria may be many
    for criterion in criteria_of(criteria):
        judged = [load for load in executions if not criterion.executions or load.name in criterion.executions]
        if criterion.location is not None and criterion.location not in locations:
            what = f"{criterion.where}: `{criterion.text}`: The run has no worker in this location"
            raise SuiteError(f"{what}. Known locations: {', '.join(locations)}.", code="unknown-location")
        if criterion.executions not in labels_of:
            sent = {label for execution in judged for label in execution.labels}
            labels_of[criterion.executions] = labels_sent(judged), ", ".join(sorted(sent)[:10])
        labels, known = labels_of[criterion.executions]
        label = "" if criterion.label in labels else criterion.request
        if label and label not in labels and all(execution.labels for execution in judged):
            text = f"{criterion.where}: No request has the label `{label}`. Known labels: {known}."
            yield Note("unknown-label", text)
        if criterion.tag not in ("", *suite.toril.request_tags) and criterion.label not in labels:
            fix = f"Add `{criterion.tag}` to `toril.request-tags`."
            yield Note("unknown-tag", f"{criterion.where}: `{criterion.text}`: The run does not record this tag. {fix}")
        yield from (Note(finding.code, f"{criterion.where}: {finding.message}") for finding in lint(criterion))
        if few := too_few(criterion, judged, iterations, steady_only=suite.ramp_up_exclude):
            yield Note("too-few-samples", f"{criterion.where}: {few}")
        lasts_s = _judged_s(judged, steady_only=suite.ramp_up_exclude)
        period_s = 0 if criterion.server is None else criterion.server.period_s  # two of which may lie half outside
        if criterion.logic in ("for", "over") and criterion.timeframe_s > lasts_s + 2 * period_s:
            what = f"{criterion.where}: `{criterion.text}` needs more seconds than the load has"
            yield Note("never-a-full-window", f"{what}, so it never fails a run.")


def _few_rows(suite: Suite, executions: Sequence[Execution]) -> Iterator[Note]:
    """Yields a warning for each file of `consume-once` with fewer rows than its load is known to need."""
    for path in suite.once:
        for load in [load for load in executions if path in load.files]:
            users = (load.concurrency or 0) * (load.iterations or 1)
            needed = math.floor(load.curve.total) if load.curve and load.model == "arrivals" else users
            if needed > suite.data_rows[path]:
                what = f"`{path}` has {suite.data_rows[path]:,} rows, and {load.name} needs at least {needed:,}."
                yield Note("few-rows", f"{suite.source}: toril.consume-once: {what} Users without a row end early.")


def labels_sent(executions: Sequence[Execution]) -> set[str]:
    """Returns the known labels, with those that engines add: timings of browsers' steps, and starts of journeys."""
    sent = {label for execution in executions for label in execution.labels}
    steps = {label for execution in executions if engine_of(execution.executor).browser for label in execution.labels}
    started = {JOURNEY_START for execution in executions if execution.model == "arrivals"}
    return sent | started | ({f"{step}{timing}" for step in (*steps, "") for timing in TIMINGS} if steps else set())


def _judged_s(executions: Sequence[Execution], *, steady_only: bool) -> float:
    """Returns the seconds from the first to the last judged moment; infinite if only iterations limit an execution."""
    if not all(execution.ramp_up_s + execution.hold_for_s for execution in executions):
        return math.inf
    starts_s = (execution.delay_s + steady_only * execution.ramp_up_s for execution in executions)
    return max(load.delay_s + load.ramp_up_s + load.hold_for_s for load in executions) - min(starts_s)


def too_few(
    criterion: Criterion,
    executions: Sequence[Execution],
    iterations: Mapping[str, Iteration | None],
    *,
    steady_only: bool,
) -> str:
    """Returns why these executions cannot decide a criterion on a percentile of the whole run; empty if they can."""
    needed, label = samples_needed(criterion), criterion.request
    if criterion.subject != "p" or criterion.logic != "total" or needed == 1 or not executions:
        return ""
    most = sum(_most(load, iterations.get(load.scenario), label, steady_only=steady_only) for load in executions)
    if most >= needed:
        return ""
    first, what = executions[0], f"`{criterion.text}` needs {needed:,} samples, but this load makes at most {most:,.0f}"
    advice, iteration = "", iterations.get(first.scenario)
    if len(executions) == 1 and first.hold_for_s and most:
        counted_s = iteration.think_s if iteration else 0.0  # the first iteration begins at once
        advice = load_for_samples(needed / most, first, counted_s + (0.0 if steady_only else first.ramp_up_s))
    advice = advice or "make the load longer or higher"
    return f"{what}. {advice[0].upper()}{advice[1:]}."


def _most(execution: Execution, iteration: Iteration | None, label: str, *, steady_only: bool) -> float:
    """Returns the most samples, by rate, iterations or think-times; infinite if the plan has none of them."""
    most, users, time_s = math.inf, execution.concurrency or math.inf, execution.hold_for_s
    if execution.search is not None:
        return most
    if execution.throughput_rps is not None:
        times = execution.ramp_up_s, execution.hold_for_s
        curve = execution.curve or curve_of(execution.throughput_rps, *times, execution.steps)
        most = curve.total - (curve.count_to(execution.ramp_up_s) if steady_only else 0.0)
    if iteration is None:
        return math.inf if execution.model == "arrivals" else most  # a journey has several requests
    part = (iteration.labels[label] or 1) if label else iteration.labels.total()  # the engine may change a label
    if execution.by_schedule:  # requests in turn, or journeys
        return most * part / (iteration.labels.total() if execution.model == "requests" else 1)
    if execution.iterations is not None:
        most = min(most, users * execution.iterations * part)
    time_s += 0.0 if steady_only else execution.ramp_up_s
    return min(most, users * (time_s / iteration.think_s + 1) * part) if iteration.think_s and time_s else most
