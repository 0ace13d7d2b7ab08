"""What falsifies times, and the load with them: whatever was measured then proves nothing about the service."""

from collections.abc import Iterator

from toril.criteria import parse_criterion
from toril.records import Plan
from toril.records.summary import Generators
from toril.summary.completeness import Completeness

LATEST_START_S = 1.0
LATEST_START_OF_RAMP_UP = 0.1
LATEST_RATE_S = 1.0
CLOCK_LIMIT_S = 1.0

Doubt = tuple[str, str]  # a code, as in the table of `toril.verdict`, and a message


def doubts_about_times(plan: Plan, completeness: Completeness, generators: Generators) -> Iterator[Doubt]:
    """Everything that does, what concerns the generators first."""
    yield from _saturated(plan, generators)
    yield from _late(plan, completeness)
    yield from _late_rates(plan, completeness)
    yield from _unsure_clocks(completeness)


def _saturated(plan: Plan, generators: Generators) -> Iterator[Doubt]:
    """A reason for each worker; what that means and what mends it is said with the first."""
    so = f": part of its times is its own; {generators.advice}"
    for name in () if _of_stages_alone(plan) else generators.saturated:
        why = "; ".join(one.message for one in generators.workers[name].saturation)
        yield ("saturated", f"{why}{so}")
        so = ""


def _of_stages_alone(plan: Plan) -> bool:
    """Whether nothing but a search is judged: each of its stages has been asked already, and the result says so."""
    subjects = {parse_criterion(one.source, one.where, one.language).subject for one in plan.criteria}
    return bool(plan.searched) and subjects <= {"capacity"}


def latest_start_s(ramp_up_s: float) -> float:
    """How late an execution may begin."""
    return max(LATEST_START_S, LATEST_START_OF_RAMP_UP * ramp_up_s)


def _late(plan: Plan, completeness: Completeness) -> Iterator[Doubt]:
    ramp_up_s = {execution.name: execution.ramp_up_s for execution in plan.executions}
    for (worker, execution), late_s in completeness.lateness_s.items():
        limit_s = latest_start_s(ramp_up_s.get(execution, 0.0))
        if late_s > limit_s:
            what = f"worker {worker} began {execution} {_above(late_s, limit_s)} s late"
            yield ("late-start", f"{what}; at most {limit_s:g} s is allowed")


def _above(value: float, limit: float) -> str:
    """The value in as many digits as tell it from the limit."""
    return next((shown for digits in (1, 2, 3) if float(shown := f"{value:.{digits}f}") > limit), f"{value:g}")


def _unsure_clocks(completeness: Completeness) -> Iterator[Doubt]:
    for worker, (offset_s, uncertainty_s) in completeness.clock_s.items():
        if abs(offset_s) + uncertainty_s > CLOCK_LIMIT_S:
            off = f"the clock of worker {worker} is off by {offset_s:+.2f} s ± {uncertainty_s:.2f} s"
            yield ("unsure-clock", f"{off}; {CLOCK_LIMIT_S:g} s is allowed")


def _late_rates(plan: Plan, completeness: Completeness) -> Iterator[Doubt]:
    """Changes that a worker saw so late that for a while the load was not what it is judged by."""
    settle_s = {one.name: one.search.settle_s for one in plan.searched if one.search is not None}
    for rate in completeness.rates:
        limit_s = max(LATEST_RATE_S, settle_s.get(rate.execution, 0.0))
        late = completeness.latest(rate)
        if late is not None and late[1] > limit_s:
            yield (
                "late-rate",
                f"worker {late[0]} saw {late[1]:.1f} s late that {rate.execution} goes on at {rate.rps:,.10g}/s; "
                f"{limit_s:.1f} s are allowed",
            )
