"""Findings of a finished run: each analysis looks for one kind of trouble and returns its findings, with figures.

Analyses are deterministic functions of plan, summary and timeline. Their limits are such that a service without
faults has no findings in hundreds of simulated runs: docs/explanation/findings.md.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from toril.records import Plan
from toril.records.summary import FindingCode, RunFinding, Summary
from toril.secrets.masking import mask
from toril.timeline import Timeline
from toril.verdict.findings.load import errors_began, idle_connections, service_saturated
from toril.verdict.findings.parts import dominant_label, slow_location
from toril.verdict.findings.seen import RunData
from toril.verdict.findings.times import drift, periodic_stall

ANALYSES: Mapping[FindingCode, Callable[[RunData], Iterator[RunFinding]]] = {  # most severe first
    "errors-began": errors_began,
    "idle-connections": idle_connections,
    "service-saturated": service_saturated,
    "drift": drift,
    "periodic-stall": periodic_stall,
    "dominant-label": dominant_label,
    "slow-location": slow_location,  # most often the way to another continent
}
# A saturated generator delays all requests: it can cause the others' results, but not these.
VALID_WHEN_SATURATED = frozenset({"errors-began", "idle-connections", "periodic-stall", "dominant-label"})
SHORTEST_S = 20
MOST = 8


def findings_of(plan: Plan, summary: Summary, timeline: Timeline) -> tuple[RunFinding, ...]:
    """Returns the findings of a run, most severe first. `plan` has the load that was carried out."""
    seen = RunData(plan, summary, timeline)
    if plan.duet is not None or plan.functional or plan.tried or seen.seconds < SHORTEST_S:
        return ()
    saturated = bool(summary.generators and summary.generators.saturated)
    findings: list[RunFinding] = []
    for code, analysis in ANALYSES.items():
        if code not in plan.audits_off and (not saturated or code in VALID_WHEN_SATURATED):
            findings += _results(code, analysis, seen)
    return tuple(findings[:MOST])


def _results(code: FindingCode, find: Callable[[RunData], Iterator[RunFinding]], seen: RunData) -> list[RunFinding]:
    """Returns the results of an analysis. If it fails, that is its result: a verdict must not depend on it."""
    try:
        return [replace(finding, message=mask(finding.message), label=mask(finding.label)) for finding in find(seen)]
    except Exception as error:
        return [RunFinding(code=code, message=mask(f"The analysis failed: {type(error).__name__}: {error}"))]
