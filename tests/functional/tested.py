"""Simulated functional runs."""

from dataclasses import replace
from typing import Any

from tests.measured import START, left, plan_of
from toril.records import Case, CaseOutcome, Plan, PlannedExecution
from toril.reports import Bundle
from toril.summary import Completeness, summarise, tests_of
from toril.timeline import Timeline
from toril.verdict import judge_tests

EXECUTION = PlannedExecution(name="api", index=0, executor="apiritif", scenario="api", concurrency=1, iterations=1)


def case(name: str, outcome: CaseOutcome = "passed", **changes: Any) -> Case:
    message = "" if outcome == "passed" else f"{name} is why"
    return Case(
        **{"name": name, "suite": "TestCart", "execution": "api", "outcome": outcome, "at_s": 0.5}
        | {"duration_us": 12_000, "message": message}
        | changes
    )


def functional_plan(**changes: Any) -> Plan:
    return plan_of(executions=[EXECUTION]).model_copy(update={"functional": True, **changes})


def functional_run(*cases: Case, **circumstances: Any) -> Bundle:
    """Returns a functional run, complete except for these circumstances."""
    plan = functional_plan()
    complete: dict[str, Any] = {
        "planned": ("local-1",),
        "reported": ("local-1",),
        "exits": {"local-1": left()},
        "started_at": START,
    }
    completeness = Completeness(**complete | circumstances)
    timeline = Timeline()
    tests = tests_of(cases)
    summary = replace(summarise(plan, timeline, completeness, START), tests=tests)
    verdict = judge_tests(plan, timeline, completeness, tests)
    return Bundle(plan=plan, summary=summary, verdict=verdict, timeline=timeline)
