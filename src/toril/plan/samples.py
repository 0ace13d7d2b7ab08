"""The most samples that a planned load can make, as far as a plan knows it."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from toril.criteria import Criterion, duration_s, load_for_samples, samples_needed
from toril.load.shapes import OPEN_MODEL, curve_of
from toril.suite import Execution
from toril.suite.engines import BLOCKS, PHASES


class Iteration(NamedTuple):
    """What one pass through a generated scenario sends: requests by label, and its think-times in seconds."""

    labels: Counter[str]
    think_s: float


def iteration_of(scenario: Any) -> Iteration | None:
    """None where a script or a block decides what an iteration sends."""
    requests = scenario.get("requests") if isinstance(scenario, dict) and not scenario.get("script") else None
    whole = [one if isinstance(one, dict) else {"url": one} for one in requests or ()]
    if not whole or any(key in one for one in whole for key in (*BLOCKS, *PHASES)):
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
    needed, label = samples_needed(criterion), criterion.label
    if criterion.percentile is None or criterion.logic != "total" or needed == 1 or not executions:
        return ""
    most = sum(_most(one, iterations.get(one.scenario), label, steady_only=steady_only) for one in executions)
    if most >= needed:
        return ""
    one, what = executions[0], f"`{criterion.text}` needs {needed:,} samples, and this load makes at most {most:,.0f}"
    advice = "" if len(executions) > 1 or not one.hold_for_s or not most else load_for_samples(needed / most, one)
    return f"{what}: {advice or 'make the load longer or higher'}"


def _most(execution: Execution, iteration: Iteration | None, label: str, *, steady_only: bool) -> float:
    """By its rate, its iterations, or the think-times of its users; infinite where the plan knows none of them."""
    found, users, time_s = math.inf, execution.concurrency or math.inf, execution.hold_for_s
    if execution.search is not None:
        return found
    if execution.throughput_rps is not None:
        times = execution.ramp_up_s, execution.hold_for_s
        curve = execution.curve or curve_of(execution.throughput_rps, *times, execution.steps)
        found = curve.total - (curve.count_to(execution.ramp_up_s) if steady_only else 0.0)
    if iteration is None:
        return found
    part = (iteration.labels[label] or 1) if label else iteration.labels.total()  # an engine may have another label
    if execution.executor in OPEN_MODEL:  # which takes the requests in turn
        return found * part / iteration.labels.total()
    if execution.iterations is not None:
        found = min(found, users * execution.iterations * part)
    time_s += 0.0 if steady_only else execution.ramp_up_s
    return min(found, users * (time_s / iteration.think_s + 1) * part) if iteration.think_s and time_s else found


def _seconds(written: object) -> float:
    try:
        return float(duration_s(written)) if written else 0.0
    except ValueError:  # a reference, or a distribution
        return 0.0
