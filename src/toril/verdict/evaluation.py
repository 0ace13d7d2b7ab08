"""One criterion, judged by what it is about: samples, the load, the generators, or the system under test.

Taurus states the failing case (`p95 of checkout>300ms for 30s`), so a criterion that comes true is a breach.
"""

from collections.abc import Sequence
from dataclasses import replace

from toril.criteria import GENERATOR, Criterion
from toril.records import Plan, ServerMetrics
from toril.summary import Completeness
from toril.timeline import Timeline
from toril.verdict.absence import Absence
from toril.verdict.capacity import Searches, on_capacity
from toril.verdict.generators import on_generators
from toril.verdict.load import on_load
from toril.verdict.result import CriterionResult
from toril.verdict.samples import on_samples
from toril.verdict.scope import Evidence
from toril.verdict.servers import on_servers


def evaluate(
    criterion: Criterion,
    where: str,
    executions: Sequence[str],
    timeline: Timeline,
    plan: Plan,
    absence: Absence | None = None,
    completeness: Completeness | None = None,
    metrics: ServerMetrics | None = None,
    capacity: Searches | None = None,
) -> CriterionResult:
    """Judge one criterion; what `absence` says is missing makes inconclusive what it could have changed."""
    evidence = Evidence(plan, timeline, absence or None, completeness, metrics, capacity or {})
    blank = CriterionResult(criterion=criterion, where=where, executions=tuple(executions))
    if criterion.server is not None:
        result = on_servers(blank, criterion.server, evidence)
    elif criterion.subject in GENERATOR:
        result = on_generators(blank, evidence)
    elif criterion.subject == "capacity":
        result = on_capacity(blank, evidence)
    elif criterion.subject == "load":
        result = on_load(blank, evidence)
    else:
        result = on_samples(blank, evidence)
    return with_own_message(result)


def with_own_message(result: CriterionResult) -> CriterionResult:
    """The result, told with the user's own words first."""
    own = result.criterion.message
    return replace(result, message=f"{own}: {result.message}") if own else result
