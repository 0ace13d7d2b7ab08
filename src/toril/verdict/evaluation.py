"""One criterion, judged by its subject: samples, the load, the generators, a capacity, or the system under test.

Taurus states the failing case (`p95 of checkout>300ms for 30s`), so a criterion that comes true is a breach.
"""

from collections.abc import Mapping
from dataclasses import replace

from toril import text
from toril.criteria import GENERATOR, Criterion
from toril.records.summary import Capacity
from toril.verdict.evidence import Evidence
from toril.verdict.generators import judge_generators
from toril.verdict.load import judge_load
from toril.verdict.result import CriterionResult, describe, settled
from toril.verdict.samples import judge_samples
from toril.verdict.servers import judge_server
from toril.verdict.windows import MORE, breaches


def evaluate(criterion: Criterion, evidence: Evidence) -> CriterionResult:
    """Judge one criterion. A result that the missing data could have changed is inconclusive."""
    blank = CriterionResult(criterion=criterion)
    if criterion.server is not None:
        result = judge_server(blank, criterion.server, evidence)
    elif criterion.subject in GENERATOR:
        result = judge_generators(blank, evidence)
    elif criterion.subject == "capacity":
        result = judge_capacity(blank, evidence)
    elif criterion.subject == "load":
        result = judge_load(blank, evidence)
    else:
        result = judge_samples(blank, evidence)
    return with_own_message(result)


def with_own_message(result: CriterionResult) -> CriterionResult:
    """The result, with the user's own message first."""
    own = result.criterion.message
    return replace(result, message=f"{own}: {result.message}") if own else result


# The capacity that a search has found: the highest rate that an execution's target sustained. A search that was not
# brought to its end knows bounds only, which may be enough: the highest rate that held, and the lowest that did not.


def judge_capacity(blank: CriterionResult, evidence: Evidence) -> CriterionResult:
    """Judge a criterion on a capacity."""
    found, criterion = _of(blank, evidence.capacity), blank.criterion
    if found is None:
        what = f"no search for the capacity of {criterion.label or 'an execution'} began"
        return replace(blank, outcome="inconclusive", code="not-measured", message=what)
    held, message, stages = found.held_rps, found.message, len(found.stages)
    if found.exact and held is None:
        return _below_the_lowest(replace(blank, samples=stages), found)
    if held is None:
        return _unknown(replace(blank, samples=stages, message=message), found)
    fired = breaches(criterion, held)
    if found.exact:
        message = f"{describe(criterion, held, None, fired=fired)}; {message}"
    else:
        message = f"{message}; a breach is {criterion.op} {text.limit(criterion.threshold, criterion.unit)}"
    result = replace(blank, observed=held, worst=held, fired=fired, samples=stages, message=message)
    above = found.breached_rps
    sure = found.exact or fired == (criterion.op in MORE)  # more than what held may be borne, but no less …
    sure = sure or (above is not None and above <= criterion.threshold)  # … and less than what was too much
    if not sure or (criterion.op == "=" and not found.exact):
        return _unknown(replace(result, fired=False), found)
    return settled(result, stands=True)


def _below_the_lowest(blank: CriterionResult, found: Capacity) -> CriterionResult:
    """Not even the lowest rate was held: all that is known is that the capacity is below it."""
    criterion, lowest = blank.criterion, found.breached_rps
    result = replace(blank, message=found.message)
    known = lowest is not None and lowest <= criterion.threshold
    if known and criterion.op in MORE:
        return result
    if known and criterion.op in ("<", "<="):
        return settled(replace(result, fired=True), stands=True)
    unknown = f"{found.message}; what it bears below that is not known: search from a lower rate"
    return replace(result, outcome="inconclusive", code="not-measured", message=unknown)


def _unknown(result: CriterionResult, found: Capacity) -> CriterionResult:
    """Undecided, for the reason for which the search came to no limit."""
    if found.limited_by == "generators":
        return replace(result, outcome="inconclusive", code="saturated")
    return replace(result, outcome="inconclusive", code="not-measured")


def _of(blank: CriterionResult, searches: Mapping[str, Capacity]) -> Capacity | None:
    if blank.criterion.label:
        return searches.get(blank.criterion.label)
    return next(iter(searches.values())) if len(searches) == 1 else None
