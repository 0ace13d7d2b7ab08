"""Finds differences between two runs that limit the comparison, each as a sentence."""

from collections import Counter
from collections.abc import Iterable, Iterator

from toril import text
from toril.records import Plan, PlannedExecution
from toril.records.summary import Summary
from toril.reports.bundle import Bundle
from toril.reports.curves import has_curve, rate_of
from toril.text import plain

Names = tuple[str, str]
NAMES: Names = ("base", "head")  # what sentences call the two runs
USERS_TOLERANCE = 0.02  # as in the verdict: below 98 % of the virtual users, the load is not reached
WINDOW_TOLERANCE = 0.05
CAUTIONS = {
    "saturated": "its load generator was saturated and measured its own delays",
    "late-start": "a worker started late",
    "unsure-clock": "a worker's clock was off",
    "late-rate": "a worker changed its load late",
    "lost-worker": "a worker was lost",
    "damaged-file": "a file of its measurements is missing or damaged",
    "missing-samples": "some of its measurements are missing",
    "unreadable-records": "some of its records were unreadable",
    "stopped": "it was stopped early",
    "ended-early": "an engine ended early",
    "unreached-load": "it did not reach the planned load",
    "dropped-sends": "it dropped due requests",
    "no-success": "an execution had no successful request",
    "unanswered": "some requests had no response",
    "dead-label": "all requests of a label failed",
}
LOAD = {
    "executor": ("executor", ""),
    "concurrency": ("virtual users", ""),
    "throughput_rps": ("throughput", "/s"),
    "iterations": ("iterations", ""),
    "steps": ("steps", ""),
    "delay_s": ("delay", "s"),
    "ramp_up_s": ("ramp-up", "s"),
    "hold_for_s": ("hold", "s"),
}


def load_of(plan: Plan) -> str:
    """Returns the planned load in words: `visits: 240/s, 4 min`; the name only if there are several executions."""
    loads = []
    for planned in plan.executions:
        rate = planned.planned_rate()
        users = text.plural(planned.concurrency, "user") if planned.concurrency else ""
        rps = rate_of(planned, round(rate.peak_rps if rate else planned.throughput_rps or 0.0, 3))
        lasts_s = planned.ramp_up_s + planned.hold_for_s
        length = text.span(lasts_s) if lasts_s else text.plural(planned.iterations or 0, "iteration")
        words = ", ".join(filter(None, (users, rps if rate or planned.throughput_rps else "", length)))
        loads.append(f"{plain(planned.name)}: {words}" if len(plan.executions) > 1 else words)
    return "; ".join(loads)


def cautions(bundle: Bundle) -> list[str]:
    """Returns why the figures of a run are unreliable; a breach of a criterion is no such reason."""
    codes = dict.fromkeys(reason.code for reason in bundle.verdict.reasons)
    return [CAUTIONS[code] for code in codes if code in CAUTIONS]


def differences(base: Bundle, head: Bundle, names: Names = NAMES) -> Iterator[str]:
    """Yields sentences that name base first and head second; none for two runs with the same load."""
    if base.plan.run_id == head.plan.run_id:
        yield f"{names[0]} and {names[1]} are the same run"
        return
    yield from _plans(base.plan, head.plan, names)
    yield from _windows(base, head, names)
    yield from _achieved(base.summary, head.summary, names)
    for name, bundle in zip(names, (base, head), strict=True):
        yield from _cautions(name, bundle)
        if bundle.without_gaps() is not bundle:
            yield f"some interval files of {name} are missing or damaged, so its rates have no intervals"
    yield from _resolutions(base.summary, head.summary, names)


def _plans(base: Plan, head: Plan, names: Names) -> Iterator[str]:
    if base.suite != head.suite:
        yield f"the suites are {plain(base.suite)} and {plain(head.suite)}"
    yield from _executions(base, head, names)
    for noun, of_base, of_head in (
        ("worker", len(base.shares), len(head.shares)),
        ("location", len(base.locations), len(head.locations)),
    ):
        if of_base != of_head:
            yield f"{names[0]} had {text.plural(of_base, noun)}, {names[1]} had {text.plural(of_head, noun)}"
    workers = [Counter(share.location for share in plan.shares) for plan in (base, head)]
    if len(base.locations) == len(head.locations) and set(base.locations) != set(head.locations):
        yield f"the locations were {_names(base.locations)} in {names[0]}, {_names(head.locations)} in {names[1]}"
    elif len(base.shares) == len(head.shares) and workers[0] != workers[1]:
        yield "the number of workers per location differs"
    changed = [key for key in sorted({*base.common, *head.common}) if base.common.get(key) != head.common.get(key)]
    if changed:
        yield f"the suites differ in {_names(changed)}"
    if base.toril_version != head.toril_version:
        versions = plain(base.toril_version), plain(head.toril_version)
        yield f"toril's version was {versions[0]} in {names[0]}, {versions[1]} in {names[1]}"


def _executions(base: Plan, head: Plan, names: Names) -> Iterator[str]:
    of_base, of_head = ({execution.name: execution for execution in plan.executions} for plan in (base, head))
    for name in sorted({*of_base, *of_head}):
        shown = f"execution {plain(name)}"
        if name not in of_head or name not in of_base:
            yield f"{shown} exists only in {names[name not in of_base]}"
            continue
        for field, (noun, unit) in LOAD.items():
            values = [_load(execution, field, unit) for execution in (of_base[name], of_head[name])]
            if values[0] != values[1]:
                yield f"{shown}: {noun} was {values[0]} in {names[0]}, {values[1]} in {names[1]}"
        both = (of_base[name], of_head[name])
        if any(map(has_curve, both)) and both[0].curve != both[1].curve:
            totals = [_planned_total(execution) for execution in both]
            yield f"{shown}: the load curve differs, with {totals[0]} in {names[0]} and {totals[1]} in {names[1]}"


def _planned_total(execution: PlannedExecution) -> str:
    rate, noun = execution.planned_rate(), "journey" if execution.model == "arrivals" else "request"
    return "no planned rate" if rate is None else text.plural(round(rate.total), noun)


def _load(execution: PlannedExecution, field: str, unit: str) -> str:
    value = getattr(execution, field)
    if value is None:
        return "not set"
    return plain(value) if isinstance(value, str) else text.exact(float(value), unit)


def _windows(base: Bundle, head: Bundle, names: Names) -> Iterator[str]:
    if base.plan.ramp_up_exclude != head.plan.ramp_up_exclude:
        whole, steady = names if head.plan.ramp_up_exclude else names[::-1]
        yield f"the figures of {whole} cover the whole run, those of {steady} only the steady state"
    lengths = [float(bundle.summary.duration_s or 0) for bundle in (base, head)]
    if abs(lengths[0] - lengths[1]) > max(2.0, WINDOW_TOLERANCE * max(lengths)):
        yield f"the load lasted {text.span(lengths[0])} in {names[0]}, {text.span(lengths[1])} in {names[1]}"


def _achieved(base: Summary, head: Summary, names: Names) -> Iterator[str]:
    achieved = [summary.load.achieved.virtual_users for summary in (base, head)]
    users = [float(count) for count in achieved if count is not None]
    if len(users) == 2 and abs(users[0] - users[1]) > USERS_TOLERANCE * max(users):
        shown = [text.number(round(count, 1)) for count in users]
        yield f"on average {shown[0]} virtual users were active in {names[0]}, {shown[1]} in {names[1]}"


def _cautions(name: str, bundle: Bundle) -> Iterator[str]:
    if known := cautions(bundle):
        yield f"{name} is {bundle.outcome}: {', '.join(known)}"
    elif bundle.outcome == "inconclusive":
        yield f"{name} is inconclusive"


def _resolutions(base: Summary, head: Summary, names: Names) -> Iterator[str]:
    resolutions = [summary.total.resolution_us for summary in (base, head)]
    if None not in resolutions and resolutions[0] != resolutions[1]:
        shown = [text.time(value) for value in resolutions]
        yield f"the resolution of the times was {shown[0]} in {names[0]}, {shown[1]} in {names[1]}"


def _names(names: Iterable[str]) -> str:
    return ", ".join(plain(name) for name in sorted(names))
