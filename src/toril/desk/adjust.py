"""Changes the rate of an execution during its run."""

import math
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from toril.criteria import number, rate_per_s
from toril.errors import OptionError, RunOverError, StoreError
from toril.plan.division import CPU_UNITS_PER_CORE
from toril.records import Plan, PlannedExecution, Rate, Start, rate_key
from toril.runs.live import state_of
from toril.store import Store
from toril.store.records import next_rates, read_record
from toril.suite.engines import engine_of
from toril.suite.reader import MAX_NUMBER
from toril.text import exact, nearest

RATE = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,6})?(?P<per>/s|/sec|/min|/m|/h)?")
BY = re.compile(r"(?P<change>[+-][0-9]{1,6}(?:\.[0-9]{1,6})?)%")
TIMES = re.compile(r"[x×](?P<times>[0-9]{1,6}(?:\.[0-9]{1,6})?)")
MOST_TIMES, LEAST_PART = 2, 0.1  # of the present rate; a step beyond them may be a slip
RESUME = "resume"  # the rate that an execution would have without its pause
TRIES = 20  # because other commands may adjust the run at the same time


class LargeStepError(OptionError):
    """A step that needs a confirmation. `step`: from which rate to which."""

    step = ""


@dataclass(frozen=True, slots=True)
class Adjusted:
    """A requested change of a run's rate."""

    rate: Rate
    before_rps: float
    at_s: float  # seconds since the start signal
    in_s: float  # seconds from now
    warnings: tuple[str, ...] = ()
    present_rps: float = 0.0  # `before_rps`; in a pause, the rate before it


def parse_rate(text: str) -> Callable[[float], float]:
    """Returns the new rate as a function of the current one: `500`, `500/s`, `30/min`, `+20%`, `-20%`, `x2`, `0`.

    >>> [parse_rate(text)(100) for text in ("500", "30/min", "+20%", "x2")]
    [500.0, 0.5, 120.0, 200.0]
    """
    written = text.strip().replace(" ", "")
    if match := RATE.fullmatch(written):
        wanted = float(rate_per_s(written) if match["per"] else number(written))
        return lambda _: wanted
    if match := BY.fullmatch(written):
        factor = 1 + float(match["change"]) / 100
    elif match := TIMES.fullmatch(written):
        factor = float(match["times"])
    else:
        expected = "a rate such as `500` (per second) or `30/min`, or a change such as `+20%` or `x2`"
        raise OptionError(f"rate `{text[:40]}` is invalid; write {expected}", code="option-value")
    return lambda now: round(now * factor, 6)


def adjust(
    store: Store, run_id: str, rate: str, execution: str | None, now: float, by: str, *, sure: bool = True
) -> Adjusted:
    """Sets the rate of one execution of a running run, from a moment when all its workers have read it.

    `by`: the person. `rate`: as for `parse_rate`, or RESUME after a rate of 0. Without `sure`, a rate beyond MOST_TIMES
    or LEAST_PART of the present one, or of the one before a pause, is an OptionError with the code `large-step`.
    """
    wanted = (lambda paused: paused) if rate.strip() == RESUME else parse_rate(rate)
    plan, start, stop = read_record(store, run_id)
    if state_of(store, run_id, now, plan=plan).over:
        raise RunOverError(f"run {run_id} is over, so its rate cannot be changed", code="run-over")
    chosen = chosen_of(plan, execution)
    if stop is not None:
        text = f"run {run_id} is ending ({stop.message}), so its rate cannot be changed"
        raise RunOverError(text, code="run-ending")
    if start is None:
        text = f"run {run_id} has not started yet; wait until `toril watch {run_id}` shows load"
        raise StoreError(text, code="run-not-started")
    asked_at = sum(store.time())  # workers' clocks are synchronised with the store's; this machine's may differ
    for _ in range(TRIES):
        rates = tuple(next_rates(store, run_id, 0))
        adjusted = _change(plan, start, rates, chosen, wanted, rate, asked_at, by)
        present, rps = adjusted.present_rps, adjusted.rate.rps
        if not sure and not LEAST_PART * present <= rps <= MOST_TIMES * present:
            limit = "more than twice" if rps > present else "less than a tenth of"
            refused = LargeStepError(
                f"{chosen.name}: {exact(rps, chosen.rate_unit)} is {limit} the present rate; confirm it",
                code="large-step",
            )
            refused.step = f"from {exact(present, chosen.rate_unit)} to {exact(rps, chosen.rate_unit)}"
            raise refused
        if store.put_once(rate_key(run_id, adjusted.rate.number), adjusted.rate.to_json()):
            return adjusted
    raise StoreError(
        f"other commands are adjusting run {run_id} at the same time; try again", code="adjusted-by-others"
    )


def _change(
    plan: Plan,
    start: Start,
    rates: tuple[Rate, ...],
    execution: PlannedExecution,
    wanted: Callable[[float], float],
    written: str,
    now: float,
    by: str,
) -> Adjusted:
    from toril.summary import adjusted_plan  # imports numpy

    curve, unpaused = (
        next(
            one for one in adjusted_plan(plan, known, start.at).executions if one.name == execution.name
        ).planned_rate()
        for known in (rates, [rate for rate in rates if rate.rps])
    )
    at_s = math.ceil(max(now + plan.pace.start_lead_s - start.at, execution.delay_s))
    since_s = at_s - execution.delay_s
    if curve is None or since_s >= curve.length_s:
        text = f"run {plan.run_id}: the load of {execution.name} ends before its workers can read a new rate"
        raise RunOverError(text, code="run-ending")
    before = curve.rate_at(since_s)
    present = before or (unpaused.rate_at(since_s) if unpaused else 0.0)
    rps = wanted(present)
    if not 0 <= rps <= MAX_NUMBER:
        what = f"rate `{written}`: {exact(rps, execution.rate_unit)} is out of range"
        text = f"{what} (from 0, which pauses the load, to {MAX_NUMBER:,}/s)"
        raise OptionError(text, code="rate-out-of-range")
    rate = Rate(
        number=len(rates) + 1,
        execution=execution.name,
        rps=rps,
        at=start.at + at_s,
        asked_at=now,
        cause="user",
        by=by,
        before_rps=before,
        unit=execution.rate_unit,
    )
    return Adjusted(rate, before, at_s, rate.at - now, tuple(_warnings(plan, execution, rps)), present)


def chosen_of(plan: Plan, name: str | None) -> PlannedExecution:
    """Returns the execution of that name, or the only adjustable one; OptionError if there is none."""
    adjustable = {execution.name: execution for execution in plan.adjustable}
    if plan.searched:
        what = ", ".join(execution.name for execution in plan.searched)
        text = f"run {plan.run_id} searches for the capacity of {what}, so only the search sets rates"
        raise OptionError(text, code="searched-rate")
    if name in adjustable:
        return adjustable[name]
    names = [execution.name for execution in plan.executions]
    if name is not None and name not in names:
        close = nearest(name, names, cutoff=0.3)
        meant = f"did you mean `{close}`?" if close else f"use {' or '.join(names)}"
        text = f"--execution {name}: run {plan.run_id} has no such execution; {meant}"
        raise OptionError(text, code="no-such-execution")
    if name is None and len(adjustable) == 1:
        return plan.adjustable[0]
    if name is None and adjustable:
        text = f"run {plan.run_id} has several adjustable executions; add --execution {' or '.join(adjustable)}"
        raise OptionError(text, code="no-execution-named")
    closed = next(execution for execution in plan.executions if name in (None, execution.name))
    fix = "in the next run, give users of toril's engine a `throughput`, or use `toril.arrivals` or `executor: vegeta`"
    if adjustable:
        fix = f"use --execution {' or '.join(adjustable)}"
    why = f"{closed.executor} has virtual users, which wait for responses"
    text = f"the rate of {closed.name} cannot be changed during the run: {why}; {fix}"
    raise OptionError(text, code="fixed-rate")


def _warnings(plan: Plan, execution: PlannedExecution, rps: float) -> Iterator[str]:
    known = engine_of("vegeta" if execution.model == "requests" else execution.executor).requests_per_core
    workers = sum(any(part.execution == execution.name for part in share.executions) for share in plan.shares)
    if known is None or not workers:
        return
    cores = workers * max(1, plan.task.cpu // CPU_UNITS_PER_CORE) if plan.task else os.cpu_count() or 1
    if rps * execution.requests_per_due > known * cores:
        limit = f"the {known * cores:,}/s that the run's generators sustain ({cores} cores with {known:,}/s each)"
        yield f"{exact(rps, execution.rate_unit)} is above {limit}; saturated generators make a run inconclusive"
