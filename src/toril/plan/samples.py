"""The most samples that a planned load can make, as far as a plan knows it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from toril.grammar import Criterion, duration_s, samples_needed
from toril.suite import Execution
from toril.suite.engines import BLOCKS, PHASES
from toril.suite.open_model import OPEN_MODEL, curve_of


def too_few(
    criterion: Criterion, executions: Sequence[Execution], scenarios: Mapping[str, Any], *, steady_only: bool
) -> str:
    """Why these executions cannot decide a criterion on a percentile of the whole run; empty if they may."""
    needed = samples_needed(criterion)
    if criterion.percentile is None or criterion.logic != "total" or needed == 1 or not executions:
        return ""
    most = sum(_most(one, scenarios.get(one.scenario), criterion.label, steady_only=steady_only) for one in executions)
    if most >= needed:
        return ""
    what = f"`{criterion.text}` needs {needed:,} samples, and this load makes at most {math.floor(most):,}"
    if len(executions) > 1 or not executions[0].hold_for_s or not most:
        return f"{what}: make the load longer or higher"
    (one,), factor = executions, needed / most
    fixes = [f"hold for {math.ceil(factor * one.hold_for_s):,} s"]
    if one.throughput_rps is not None:
        fixes.append(f"use a throughput of {math.ceil(factor * one.throughput_rps):,}/s")
    elif one.concurrency is not None:
        fixes.append(f"use {math.ceil(factor * one.concurrency):,} users")
    return f"{what}: {', or '.join(fixes)}"


def _most(execution: Execution, scenario: Any, label: str, *, steady_only: bool) -> float:
    """By its rate, its iterations, or the think-times of its users; infinite where the plan knows none of them."""
    part, of_iteration, think_s = _iteration(scenario, label)
    rising_s, held_s = execution.ramp_up_s, execution.hold_for_s
    found = math.inf
    if execution.search is not None:
        return found
    if execution.throughput_rps is not None:
        curve = execution.curve or curve_of(execution.throughput_rps, rising_s, held_s, execution.steps)
        total = curve.total - (curve.count_to(rising_s) if steady_only else 0.0)
        share = part / of_iteration if of_iteration and execution.executor in OPEN_MODEL else 1.0
        found = total * share
    users = execution.concurrency
    if users is not None and execution.iterations is not None and of_iteration:
        found = min(found, users * execution.iterations * part)
    if users is not None and think_s and rising_s + held_s:
        time_s = held_s + (0.0 if steady_only else rising_s)
        found = min(found, users * (time_s / think_s + 1) * part)
    return found


def _iteration(scenario: Any, label: str) -> tuple[int, int, float]:
    """Requests with that label, all requests and seconds of think-time in an iteration; 0 where that is not known."""
    requests = scenario.get("requests") if isinstance(scenario, dict) and not scenario.get("script") else None
    if not isinstance(requests, list):
        return 1, 0, 0.0
    whole = [one if isinstance(one, dict) else {"url": one} for one in requests]
    if any(key in one for one in whole for key in (*BLOCKS, *PHASES)):
        return 1, 0, 0.0
    labels = [str(one.get("label") or one.get("url") or "") for one in whole]
    think_s = [_seconds(one.get("think-time", scenario.get("think-time"))) for one in whole]
    return (labels.count(label) or 1) if label else len(labels), len(labels), sum(think_s)


def _seconds(written: object) -> float:
    try:
        return float(duration_s(written)) if written else 0.0
    except ValueError:  # a reference, or a distribution
        return 0.0
