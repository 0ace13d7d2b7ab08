"""Judges one criterion by its subject: samples, the load, generators, a capacity, the system under test, or its cost.

A criterion states the failing case, as in Taurus (`p95 of checkout>300ms for 30s`): if it is true, it is breached.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from toril import text
from toril.criteria import Criterion, Source
from toril.verdict.evidence import Evidence
from toril.verdict.generators import judge_generators
from toril.verdict.load import judge_load
from toril.verdict.phases import in_phase, judge_recovery
from toril.verdict.result import CriterionResult, describe, settled, undecided, with_value
from toril.verdict.samples import judge_samples
from toril.verdict.servers import judge_server
from toril.verdict.windows import MORE, breaches


def evaluate(criterion: Criterion, evidence: Evidence) -> CriterionResult:
    """Returns the result of one criterion; inconclusive if missing data could change it."""
    blank = CriterionResult(criterion=criterion)
    part = in_phase(criterion, evidence)
    if part is None:
        what = f"the phase {criterion.phase} fault-{criterion.fault} has no whole second, or did not begin"
        return with_own_message(undecided(blank, "not-measured", what))
    return with_own_message(JUDGES[criterion.metric.source](blank, part))


def with_own_message(result: CriterionResult) -> CriterionResult:
    """Returns the result with the user's own message first."""
    own = result.criterion.message
    return replace(result, message=f"{own}: {result.message}") if own else result


def judge_capacity(blank: CriterionResult, evidence: Evidence) -> CriterionResult:
    """Returns the result of a criterion on the highest rate that the system under test sustained.

    An unfinished search knows only bounds: the highest sustained rate, and the lowest one that breached. They may be
    enough for a result.
    """
    searches, criterion = evidence.capacity, blank.criterion
    capacity = searches.get(criterion.label) if criterion.label else None
    if not criterion.label and len(searches) == 1:
        (capacity,) = searches.values()
    if capacity is None:
        what = f"no search for the capacity of {criterion.label or 'an execution'} started"
        return undecided(blank, "not-measured", what)
    held, above, message = capacity.held_rps, capacity.breached_rps, capacity.message
    known = capacity.exact and held is not None
    fired = breaches(criterion, held or 0.0)
    # The capacity lies between the highest sustained rate and the lowest breached one.
    sure = (capacity.exact or held is not None) and criterion.op != "="
    sure = sure and (fired == (criterion.op in MORE) or (above is not None and above <= criterion.threshold))
    if known:
        message = f"{describe(criterion, held or 0.0)}; {message}"
    elif held is not None:
        message = f"{message}; breach if {criterion.op} {text.limit(criterion.threshold, criterion.unit)}"
    elif capacity.exact and not sure:
        message = f"{message}; lower rates were not measured: start the search at a lower rate"
    result = replace(blank, observed=held, worst=held, samples=len(capacity.stages), message=message)
    if known or sure:
        return settled(replace(result, fired=fired), stands=True)
    code = "saturated" if capacity.limited_by == "generators" else "not-measured"
    return undecided(result, code, message)


def judge_cost(blank: CriterionResult, evidence: Evidence) -> CriterionResult:
    """Returns the result of a criterion on the price of a million requests of the service."""
    cost = evidence.cost
    if cost is None:
        what = "the suite names no resources of the service; name them in `toril.service`"
        return undecided(blank, "not-priced", what)
    usd = cost.per_million_usd
    if usd is None:
        why = (
            "; ".join(f"{item.resource}: {item.message}" for item in cost.unpriced)
            or "no request, or no resource that costs something"
        )
        return undecided(blank, "not-priced", f"not priced: {why}")
    result = with_value(replace(blank, samples=cost.requests), usd)
    return settled(result, stands=not (result.fired and evidence.missing))  # fewer requests cost more each


JUDGES: Mapping[Source, Callable[[CriterionResult, Evidence], CriterionResult]] = {
    "samples": judge_samples,
    "load": judge_load,
    "capacity": judge_capacity,
    "cost": judge_cost,
    "generators": judge_generators,
    "server": judge_server,
    "faults": judge_recovery,
}
