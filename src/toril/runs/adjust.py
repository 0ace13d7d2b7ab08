"""Changes the rate of an execution while its run goes on."""

import getpass
import math
import os
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass

from toril.criteria import number, rate_per_s
from toril.errors import OptionError, RunOverError, StoreError
from toril.plan.division import CPU_UNITS_PER_CORE
from toril.records import Plan, PlannedExecution, Rate, Start, rate_key
from toril.runs.stored import has_ended
from toril.store import Store
from toril.store.records import next_rates, read_record
from toril.suite.engines import engine_of
from toril.suite.reader import MAX_NUMBER
from toril.summary import adjusted_plan
from toril.text import nearest

RATE = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,6})?(?P<per>/s|/sec|/min|/m|/h)?")
BY = re.compile(r"(?P<sign>[+-])(?P<percent>[0-9]{1,6}(?:\.[0-9]{1,6})?)%")
TIMES = re.compile(r"[x×](?P<times>[0-9]{1,6}(?:\.[0-9]{1,6})?)")
TRIES = 20  # others may adjust the run at the same time


@dataclass(frozen=True, slots=True)
class Adjusted:
    """What was asked of a run."""

    rate: Rate
    before_rps: float
    at_s: float  # seconds since the start signal
    in_s: float  # from now on
    warnings: tuple[str, ...] = ()


def parse_rate(text: str) -> Callable[[float], float]:
    """From the rate that there is to the one that is wanted: `500`, `500/s`, `30/min`, `+20%`, `-20%`, `x2`.

    >>> [parse_rate(text)(100) for text in ("500", "30/min", "+20%", "x2")]
    [500.0, 0.5, 120.0, 200.0]
    """
    written = text.strip().replace(" ", "")
    if match := RATE.fullmatch(written):
        wanted = float(rate_per_s(written) if match["per"] else number(written))
        return lambda _: wanted
    if match := BY.fullmatch(written):
        factor = 1 + (1 if match["sign"] == "+" else -1) * float(match["percent"]) / 100
        return lambda now: round(now * factor, 6)
    if match := TIMES.fullmatch(written):
        times = float(match["times"])
        return lambda now: round(now * times, 6)
    raise OptionError(
        f"--rate {text}: expected requests per second such as 500 or 30/min, or a change: +20%, -20%, x2",
        code="option-value",
    )


def adjust(store: Store, run_id: str, rate: str, execution: str | None, now: float) -> Adjusted:
    """Let one execution of a running run go on at another rate, from shortly on; by when all workers will know it."""
    wanted = parse_rate(rate)
    plan, start, stop = read_record(store, run_id)
    if has_ended(store, plan, now):
        raise RunOverError(f"run {run_id} is over; its rate cannot be changed any more", code="run-over")
    chosen = chosen_of(plan, execution)
    if stop is not None:
        raise RunOverError(
            f"run {run_id} is ending ({stop.message}); its rate cannot be changed any more", code="run-ending"
        )
    if start is None:
        raise StoreError(
            f"run {run_id} has not started yet; change its rate when `toril watch {run_id}` shows load",
            code="run-not-started",
        )
    said, later = store.time()  # workers' clocks are near the store's; this machine's may not be
    for _ in range(TRIES):
        rates = tuple(next_rates(store, run_id, 0))
        found = _change(plan, start, rates, chosen, wanted, rate, said + later)
        if store.put_once(rate_key(run_id, found.rate.number), found.rate.to_json()):
            return found
    raise StoreError(f"run {run_id} is adjusted by somebody else all the time; try again", code="adjusted-by-others")


def _change(
    plan: Plan,
    start: Start,
    rates: tuple[Rate, ...],
    execution: PlannedExecution,
    wanted: Callable[[float], float],
    written: str,
    now: float,
) -> Adjusted:
    at_s = math.ceil(max(now + plan.pace.start_lead_s - start.at, execution.delay_s))
    curve = next(
        one for one in adjusted_plan(plan, rates, start.at).executions if one.name == execution.name
    ).planned_rate()
    since_s = at_s - execution.delay_s
    if curve is None or since_s >= curve.length_s:
        raise RunOverError(
            f"run {plan.run_id}: the load of {execution.name} ends before its workers could know of it",
            code="run-ending",
        )
    before = curve.rate_at(since_s)
    rps = wanted(before)
    if not 0 < rps <= MAX_NUMBER:
        fix = f"to end the load use `toril stop {plan.run_id}`" if rps <= 0 else "write a smaller one"
        raise OptionError(
            f"--rate {written}: {rps:,g}/s is not above 0 and at most {MAX_NUMBER:,}/s; {fix}", code="rate-out-of-range"
        )
    return Adjusted(
        rate=Rate(
            number=len(rates) + 1,
            execution=execution.name,
            rps=rps,
            at=start.at + at_s,
            asked_at=now,
            cause="user",
            by=_whoever(),
        ),
        before_rps=before,
        at_s=at_s,
        in_s=start.at + at_s - now,
        warnings=tuple(_too_much(plan, execution, rps)),
    )


def chosen_of(plan: Plan, name: str | None) -> PlannedExecution:
    """The execution that is meant; OptionError says which could be, and why others could not."""
    names = [one.name for one in plan.executions]
    open_ones = [one.name for one in plan.adjustable]
    if plan.searched:
        what = ", ".join(one.name for one in plan.searched)
        raise OptionError(
            f"run {plan.run_id} looks for the capacity of {what}: the search alone sets its rates", code="searched-rate"
        )
    if name is not None and name not in names:
        close = nearest(name, names, cutoff=0.3)
        meant = f"did you mean `{close}`?" if close else f"there are {', '.join(names)}"
        raise OptionError(
            f"--execution {name}: run {plan.run_id} has no such execution; {meant}", code="no-such-execution"
        )
    if not open_ones or (name is not None and name not in open_ones):
        closed = next(one for one in plan.executions if name in (None, one.name))
        fix = f"; of this run {', '.join(open_ones)} can be" if open_ones else "; `executor: vegeta` sends at a rate"
        raise OptionError(
            f"the rate of {closed.name} cannot be changed while it goes on: {closed.executor} has virtual users, "
            f"who wait for answers{fix}",
            code="fixed-rate",
        )
    if name is None and len(open_ones) > 1:
        raise OptionError(
            f"run {plan.run_id} has several rates; say --execution {' or --execution '.join(open_ones)}",
            code="no-execution-named",
        )
    return next(one for one in plan.executions if one.name == (name or open_ones[0]))


def _too_much(plan: Plan, execution: PlannedExecution, rps: float) -> list[str]:
    known = engine_of(execution.executor).requests_per_core
    workers = sum(any(part.execution == execution.name for part in share.executions) for share in plan.shares)
    if known is None or not workers:
        return []
    cores = workers * max(1, plan.task.cpu // CPU_UNITS_PER_CORE) if plan.task else os.cpu_count() or 1
    if rps <= known * cores:
        return []
    bear = f"surely bear {known * cores:,}/s: {cores} cores, {known:,}/s each"
    return [f"{rps:,g}/s is more than the generators of this run {bear}; saturated ones make a run inconclusive"]


def _whoever() -> str:
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (KeyError, OSError):  # in a container that has no user of that number
        return socket.gethostname()
