"""Reasons for an inconclusive verdict: conditions that invalidate times, and data that is missing or surplus."""

from collections.abc import Iterator

from toril.criteria import criteria_of
from toril.records import Plan, Reason
from toril.records.summary import Generators
from toril.summary.completeness import Completeness
from toril.timeline import Timeline

LATEST_START_S = 1.0
LATEST_START_OF_RAMP_UP = 0.1
LATEST_RATE_S = 1.0
CLOCK_LIMIT_S = 1.0


def invalid_times(plan: Plan, completeness: Completeness, generators: Generators) -> Iterator[Reason]:
    """What invalidates times, and the load with them; what concerns the generators first."""
    yield from _saturated(plan, generators)
    yield from _late(plan, completeness)
    yield from _late_rates(plan, completeness)
    yield from _unsure_clocks(completeness)


def _saturated(plan: Plan, generators: Generators) -> Iterator[Reason]:
    """A reason for each worker; the first says what it means, and the fix."""
    so = f": part of its times is its own; {generators.advice}"
    for name in () if _of_stages_alone(plan) else generators.saturated:
        why = "; ".join(one.message for one in generators.workers[name].saturation)
        yield Reason("saturated", f"{why}{so}")
        so = ""


def _of_stages_alone(plan: Plan) -> bool:
    """Whether only a search is judged: the result of each of its stages takes saturation into account."""
    subjects = {one.subject for one in criteria_of(plan.criteria)}
    return bool(plan.searched) and subjects <= {"capacity"}


def latest_start_s(ramp_up_s: float) -> float:
    """The allowed lateness of an execution's start."""
    return max(LATEST_START_S, LATEST_START_OF_RAMP_UP * ramp_up_s)


def _late(plan: Plan, completeness: Completeness) -> Iterator[Reason]:
    ramp_up_s = {execution.name: execution.ramp_up_s for execution in plan.executions}
    for (worker, execution), late_s in completeness.lateness_s.items():
        limit_s = latest_start_s(ramp_up_s.get(execution, 0.0))
        if late_s > limit_s:
            what = f"worker {worker} began {execution} {_above(late_s, limit_s)} s late"
            yield Reason("late-start", f"{what}; at most {limit_s:g} s is allowed")


def _above(value: float, limit: float) -> str:
    """The value with enough digits to differ from the limit."""
    return next((shown for digits in (1, 2, 3) if float(shown := f"{value:.{digits}f}") > limit), f"{value:g}")


def _unsure_clocks(completeness: Completeness) -> Iterator[Reason]:
    for worker, (offset_s, uncertainty_s) in completeness.clock_s.items():
        if abs(offset_s) + uncertainty_s > CLOCK_LIMIT_S:
            off = f"the clock of worker {worker} is off by {offset_s:+.2f} s ± {uncertainty_s:.2f} s"
            yield Reason("unsure-clock", f"{off}; {CLOCK_LIMIT_S:g} s is allowed")


def _late_rates(plan: Plan, completeness: Completeness) -> Iterator[Reason]:
    """Changes that a worker saw so late that the load differed from the plan for a while."""
    settle_s = {one.name: one.search.settle_s for one in plan.searched if one.search is not None}
    for rate in completeness.rates:
        limit_s = max(LATEST_RATE_S, settle_s.get(rate.execution, 0.0))
        late = completeness.latest(rate)
        if late is not None and late[1] > limit_s:
            yield Reason(
                "late-rate",
                f"worker {late[0]} saw {late[1]:.1f} s late that {rate.execution} goes on at {rate.rps:,.10g}/s; "
                f"{limit_s:.1f} s are allowed",
            )


def incomplete(timeline: Timeline, completeness: Completeness) -> Iterator[Reason]:
    """Data that is missing or surplus."""
    for worker, reason in lost_workers(completeness):
        yield Reason("lost-worker", f"worker {worker} was lost: {reason}")
    for file in completeness.damaged:
        yield Reason("damaged-file", file)
    never_read = samples_never_read(timeline, completeness)
    if never_read and never_read > 0 and not completeness.damaged:
        yield Reason("missing-samples", f"{never_read:,} requests that workers recorded are in none of their files")
    if never_read and never_read < 0:
        surplus = f"the files of workers have {-never_read:,} requests more than the workers recorded"
        yield Reason("surplus-samples", f"{surplus}; run the suite again, and see who else may write its results")
    unreadable = unreadable_records(timeline, completeness)
    if unreadable:
        yield Reason("unreadable-records", f"{unreadable:,} records of the engines could not be read")


def lost_workers(completeness: Completeness) -> list[tuple[str, str]]:
    """Each lost worker, and why it was lost."""
    heard = {*completeness.reported, *(worker for worker, _ in completeness.lost)}
    silent = [(worker, "nothing was heard of it") for worker in completeness.planned if worker not in heard]
    return [*completeness.lost, *silent]


def samples_never_read(timeline: Timeline, completeness: Completeness) -> int | None:
    """The number of requests in unreadable files; None unless every worker reported how many it wrote.

    Below 0: the files hold more than workers wrote.
    """
    if not set(completeness.exits) >= set(completeness.planned):
        return None
    written = sum(left.samples for left in completeness.exits.values())
    read = timeline.select().total.samples
    return written - read


def unreadable_records(timeline: Timeline, completeness: Completeness) -> int:
    return max(timeline.unreadable, completeness.unreadable_records)


def stopped(completeness: Completeness, *, by_criterion: bool = False) -> Iterator[Reason]:
    """A load that was ended before its planned end, unless a criterion or a search did so rightly.

    `by_criterion`: the measurements confirm a criterion that stops the load.
    """
    stop, stopped_s = completeness.stop, completeness.stopped_at_s
    if stop is None:
        return
    if completeness.rightly_ended_s is None or not (stop.cause == "search" or by_criterion):
        when = "before it began" if stopped_s is None else f"after {stopped_s:.0f} s"
        lost = [worker for worker, why in completeness.lost if why and why in stop.message]  # a reason already
        why = f"worker {lost[0]} was lost" if lost else stop.message
        yield Reason("stopped", f"the load was ended early, {when}: {why}")
