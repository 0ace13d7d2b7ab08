"""Criteria on the capacity that a search has found: the highest rate that an execution's target held.

A search that was not brought to its end knows bounds only, which may be enough: what held is the lower one, and what
was too much, if anything was, the upper one.
"""

from collections.abc import Mapping
from dataclasses import replace

from toril.records.summary import Capacity
from toril.verdict.measure import MORE
from toril.verdict.result import CriterionResult, breach_in_words, exact, pass_in_words, settled
from toril.verdict.scope import Evidence
from toril.verdict.windows import breaches

Searches = Mapping[str, Capacity]  # by execution


def on_capacity(blank: CriterionResult, evidence: Evidence) -> CriterionResult:
    """Judge a criterion on a capacity."""
    found, criterion = _of(blank, evidence.capacity), blank.criterion
    if found is None:
        what = f"no search for the capacity of {criterion.label or 'an execution'} began"
        return replace(blank, outcome="inconclusive", code="not-measured", message=what)
    held, told, stages = found.held_rps, found.message, len(found.stages)
    if found.exact and held is None:
        return _below_the_lowest(replace(blank, samples=stages), found)
    if held is None:
        return _unknown(replace(blank, samples=stages, message=told), found)
    fired = breaches(criterion, held)
    if found.exact:
        told = f"{(breach_in_words if fired else pass_in_words)(criterion, held, None, blank.executions)}; {told}"
    else:
        told = f"{told}; a breach is {criterion.op} {exact(criterion.threshold, criterion.unit)}"
    result = replace(blank, observed=held, worst=held, fired=fired, samples=stages, message=told)
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


def _of(blank: CriterionResult, searches: Searches) -> Capacity | None:
    if blank.criterion.label:
        return searches.get(blank.criterion.label)
    return next(iter(searches.values())) if len(searches) == 1 else None
