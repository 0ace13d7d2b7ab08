"""The most samples that a planned load can make, as far as a plan knows it."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toril.grammar import Criterion, duration_s, samples_needed
from toril.suite import Execution
from toril.suite.engines import BLOCKS, PHASES
from toril.suite.open_model import OPEN_MODEL, curve_of


@dataclass(frozen=True, slots=True)
class Iteration:
    """What one pass through a generated scenario sends: requests by label, and its think-times in seconds."""

    labels: Counter[str]
    think_s: float

    @property
    def requests(self) -> int:
        return self.labels.total()

    def part(self, label: str) -> int:
        """Requests with that label, `""` is all; at least one, since an engine may know another label."""
        return (self.labels[label] or 1) if label else self.requests


def iteration_of(scenario: Any) -> Iteration | None:
    """None where a script or a block decides what an iteration sends."""
    requests = scenario.get("requests") if isinstance(scenario, dict) and not scenario.get("script") else None
    if not isinstance(requests, list):
        return None
    whole = [one if isinstance(one, dict) else {"url": one} for one in requests]
    if any(key in one for one in whole for key in (*BLOCKS, *PHASES)):
        return None
    labels = Counter(str(one.get("label") or one.get("url") or "") for one in whole)
    return Iteration(labels, sum(_seconds(one.get("think-time", scenario.get("think-time"))) for one in whole))


def too_few(
    criterion: Criterion,
    executions: Sequence[Execution],
    iterations: Mapping[str, Iteration | None],
    *,
    steady_only: bool,
) -> str:
    """Why these executions cannot decide a criterion on a percentile of the whole run; empty if they may."""
    needed = samples_needed(criterion)
    if criterion.percentile is None or criterion.logic != "total" or needed == 1 or not executions:
        return ""
    label = criterion.label
    most = sum(_most(one, iterations.get(one.scenario), label, steady_only=steady_only) for one in executions)
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


def _most(execution: Execution, iteration: Iteration | None, label: str, *, steady_only: bool) -> float:
    """By its rate, its iterations, or the think-times of its users; infinite where the plan knows none of them."""
    found, users = math.inf, execution.concurrency
    rising_s, held_s = execution.ramp_up_s, execution.hold_for_s
    if execution.search is not None:
        return found
    if execution.throughput_rps is not None:
        curve = execution.curve or curve_of(execution.throughput_rps, rising_s, held_s, execution.steps)
        found = curve.total - (curve.count_to(rising_s) if steady_only else 0.0)
    if iteration is None:
        return found
    part = iteration.part(label)
    if execution.executor in OPEN_MODEL:  # which takes the requests in turn
        found *= part / max(1, iteration.requests)
    if users is not None and execution.iterations is not None:
        found = min(found, users * execution.iterations * part)
    if users is not None and iteration.think_s and rising_s + held_s:
        time_s = held_s + (0.0 if steady_only else rising_s)
        found = min(found, users * (time_s / iteration.think_s + 1) * part)
    return found


def _seconds(written: object) -> float:
    try:
        return float(duration_s(written)) if written else 0.0
    except ValueError:  # a reference, or a distribution
        return 0.0
