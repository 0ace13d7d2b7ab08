"""The workers of a run, and the exact division of its load between them by largest remainder.

Each execution is divided between locations, then between the workers of each location.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, pairwise

from toril.errors import SuiteError
from toril.load.interleave import Interleave, interleave
from toril.plan.iteration import Iteration, iteration_of
from toril.records import ScriptLoad, Segment
from toril.suite import Execution, Suite
from toril.suite.engines import engine_of
from toril.suite.requests import OWN
from toril.suite.settings import MAX_WORKERS
from toril.text import plural

HERE = "local"  # the location of a suite without locations
CPU_UNITS_PER_CORE = 1024
FINEST = 10**9  # parts of a request per second
WHOLE = Segment(own="0:1", whole="0,1")  # of a worker that runs all of a script's load
RESPONSE_S = Fraction(1, 5)  # assumed for the pace of virtual users
HTTP2_COST = 2  # to a worker of 2 vCPU: 7,697 requests per CPU-second, and 93 KiB a user (bench/README.md, journeys)


@dataclass(frozen=True, slots=True)
class WorkerSlot:
    """One worker of the run."""

    location: str
    number: int  # within its location, from 1
    index: int  # over all workers, from 0


def split(total: int, weights: Sequence[int | Fraction]) -> list[int]:
    """Divides `total` by weight, losing none (largest remainder; on a tie the earlier one gets more).

    >>> split(100, [1, 1, 1])
    [34, 33, 33]
    """
    whole = sum(weights, Fraction(0))
    if total < 0 or whole <= 0 or min(weights) < 0:
        raise ValueError(f"{total} cannot be divided by the weights {list(weights)}")
    exact = [Fraction(weight) * total / whole for weight in weights]
    parts = [math.floor(part) for part in exact]
    by_remainder = sorted(range(len(parts)), key=lambda position: (parts[position] - exact[position], position))
    for position in by_remainder[: total - sum(parts)]:
        parts[position] += 1
    return parts


def weights_of(executions: Sequence[Execution]) -> dict[str, Fraction]:
    """Returns the part of the whole load of each location."""
    weights: dict[str, Fraction] = {}
    for execution in executions:
        whole = sum(execution.locations.values(), Fraction(0))
        for location, weight in execution.locations.items():
            weights[location] = weights.get(location, Fraction(0)) + weight / whole * (execution.concurrency or 1)
    return weights or {HERE: Fraction(1)}


def worker_slots(suite: Suite, executions: Sequence[Execution], wanted: int | None) -> tuple[WorkerSlot, ...]:
    """Returns the workers: the suite's numbers for its locations, else `wanted`, else as many as the load needs."""
    weights = weights_of(executions)
    exact: dict[str, int] = {}
    for execution in executions:
        if execution.exact_workers:
            for location, count in execution.locations.items():
                exact[location] = max(exact.get(location, 0), int(count))
    counted = {location: exact.get(location, 1) for location in weights}
    if exact:
        counts = counted
        if wanted not in (None, sum(counts.values())):
            what = f"{suite.source}: `locations-weighted: false` sets {sum(counts.values())} workers, not {wanted}"
            fix = "Remove `locations-weighted`, or the number of workers."
            raise SuiteError(f"{what}. {fix}", code="conflicting-workers")
    elif wanted is None:
        counts = _needed(suite, executions, weights)
    else:
        counts = _spread(suite, wanted, weights)
    if sum(counts.values()) > MAX_WORKERS:
        what = f"{suite.source}: The load needs {sum(counts.values()):,} workers, more than {MAX_WORKERS:,}"
        raise SuiteError(f"{what}. Lower it, or set toril.workers.", code="too-many-workers")
    placed = [(location, number) for location, count in counts.items() for number in range(1, count + 1)]
    return tuple(WorkerSlot(location, number, index) for index, (location, number) in enumerate(placed))


def _spread(suite: Suite, workers: int, weights: Mapping[str, Fraction]) -> dict[str, int]:
    """Divides `workers` between the locations by weight, at least one each."""
    if workers < len(weights):
        what = f"{suite.source}: {workers} workers are too few for {len(weights)} locations ({', '.join(weights)})"
        raise SuiteError(f"{what}. Raise `workers`, or remove locations.", code="too-few-workers")
    counts = split(workers, list(weights.values()))
    while 0 in counts:
        counts[counts.index(max(counts))] -= 1
        counts[counts.index(0)] = 1
    return dict(zip(weights, counts, strict=True))


def _needed(suite: Suite, executions: Sequence[Execution], weights: Mapping[str, Fraction]) -> dict[str, int]:
    """Returns the workers of each location that its part of the load needs, by the engines' measured rates."""
    cores = max(1, suite.toril.worker.cpu // CPU_UNITS_PER_CORE)
    need = Fraction(0)
    scenarios = {execution.scenario for execution in executions}
    iterations = {name: iteration_of(suite.common["scenarios"].get(name)) for name in scenarios}
    for execution in executions:
        engine = engine_of("vegeta" if execution.model == "requests" else execution.executor)
        users, requests = _sized(execution, iterations[execution.scenario])
        if suite.toril.engine.http2 and execution.executor in OWN:
            users, requests = users * HTTP2_COST, requests * HTTP2_COST
        if engine.requests_per_core:
            requests /= engine.requests_per_core * (1 if engine.single_threaded else cores)
            most = engine.users_per_worker  # None: independent requests have no virtual users
            need += max(requests, Fraction(users, most) if most else 0)
        elif engine.browsers_per_core:
            need += Fraction(users, engine.browsers_per_core * cores)
    whole = sum(weights.values(), Fraction(0))
    located = any(execution.locations for execution in executions)
    users_in = {location: math.floor(users) for location, users in weights.items()} if located else {}
    most_workers = sum((execution.concurrency or 1) // execution.groups for execution in executions)
    if any(execution.by_schedule for execution in executions):  # any number of workers can share a rate
        users_in, most_workers = {}, MAX_WORKERS
    return {
        location: max(1, min(math.ceil(need * weight / whole), users_in.get(location, most_workers)))
        for location, weight in weights.items()
    }


def _sized(execution: Execution, iteration: Iteration | None) -> tuple[Fraction, Fraction]:
    """Returns the virtual users of an execution and its requests per second, as far as its workers depend on them.

    The pace of users without a limit counts with toril's engine alone: that of others ends at `users_per_worker`.
    """
    users, rate = Fraction(execution.concurrency or 1), execution.throughput_rps or Fraction(0)
    each = iteration.labels.total() if iteration else max(1, len(execution.labels))
    lasts_s = Fraction(iteration.think_s if iteration else 0) + each * RESPONSE_S
    if execution.model == "arrivals":
        return rate * lasts_s, rate * each
    paced = "arrivals" in engine_of(execution.executor).models and execution.model == "users"
    return users, rate or (users * each / lasts_s if paced else rate)


@dataclass(frozen=True, slots=True)
class WorkerLoad:
    """One worker's part of one execution's load."""

    users: int
    throughput: Fraction | None
    interleave: Interleave | None = None  # of a schedule, or of a script's own load
    segment: Segment | None = None  # for a script's own load
    script_users: tuple[int, ...] = ()  # of each group of a JMX


def divided_between(
    suite: Suite, executions: Sequence[Execution], slots: Sequence[WorkerSlot], *, chosen: bool
) -> list[dict[int, WorkerLoad]]:
    """Returns the load of each worker, by its index, for each execution; raises SuiteError if a worker gets none."""
    everywhere = weights_of(executions)
    turns: dict[str, int] = {}  # location → the worker that gets the next odd virtual user, so that they spread
    for execution in executions:
        _check_dividable(execution, execution.locations or everywhere, slots, suite)
    divided = [_parts(execution, everywhere, slots, turns) for execution in executions]
    for execution, parts in zip(executions, divided, strict=True):
        if execution.concurrency and min(part.users for part in parts.values()) < execution.groups:
            raise SuiteError(
                f"{suite.source}: execution[{execution.index}].concurrency: {execution.concurrency} is too low. "
                f"The JMX has {execution.groups} thread groups, and each needs a virtual user on each of "
                f"{plural(len(parts), 'worker')}. Raise it to {execution.groups * len(parts)}, or lower `workers`.",
                code="too-few-users",
            )
        if execution.executor == "gatling":
            _check_whole(execution, parts.values(), suite)
    for slot in slots:
        if not any(slot.index in parts for parts in divided):
            raise SuiteError(_idle(suite, executions, slots, slot, chosen=chosen), code="idle-worker")
    return divided


def _check_dividable(
    execution: Execution, weights: Mapping[str, Fraction], slots: Sequence[WorkerSlot], suite: Suite
) -> None:
    """Raises SuiteError for a script's own load that several workers cannot divide exactly."""
    own = execution.script_load
    workers = len(_by_weight(execution, weights, slots))
    if own is not None and own.mode == "divide" and own.undividable and workers > 1:
        what = f"{suite.source}: execution[{execution.index}]: {own.undividable}"
        whole = f"so {workers} workers cannot divide the load of {execution.scenario[:60]}"
        fix = "Run all of it on each worker by `toril: {script-load: repeat}`, or use one worker"
        raise SuiteError(f"{what}, {whole}. {fix}.", code="undividable-load")


def _check_whole(execution: Execution, parts: Iterable[WorkerLoad], suite: Suite) -> None:
    """Gatling has whole rates only, on each worker and in each step."""
    stairs = (execution.steps if execution.labels and execution.ramp_up_s else None) or 1  # no labels: own script
    for rate in [part.throughput for part in parts if part.throughput is not None]:
        if (rate / stairs).denominator != 1:
            steps = f" in {plural(stairs, 'step')}" * (stairs > 1)
            what = f"Gatling has whole rates only, and a worker would get {float(rate):g}/s{steps}"
            path = f"{suite.source}: execution[{execution.index}].throughput"
            raise SuiteError(f"{path}: {what}. Change `throughput`, `steps` or `workers`.", code="not-a-number")


def _parts(
    execution: Execution, everywhere: Mapping[str, Fraction], slots: Sequence[WorkerSlot], turns: dict[str, int]
) -> dict[int, WorkerLoad]:
    weights = execution.locations or everywhere
    if execution.by_schedule:
        return _open_model(execution, weights, slots)
    if execution.script_load is not None:
        return _of_script(execution, execution.script_load, weights, slots)
    users: dict[int, int] = {}
    by_location = dict(zip(weights, split(execution.concurrency or 1, list(weights.values())), strict=True))
    for location, count in by_location.items():
        there = [slot.index for slot in slots if slot.location == location]
        if execution.exact_workers:
            there = there[: int(weights[location])]
        each, odd = divmod(count, len(there))
        turn = turns.get(location, 0)
        extra = {there[(turn + position) % len(there)] for position in range(odd)}
        turns[location] = turn + odd
        users |= {index: each + (index in extra) for index in there if each + (index in extra)}
    if execution.throughput_rps is None:
        return {index: WorkerLoad(count, None) for index, count in users.items()}
    located = {slot.index: slot.location for slot in slots}
    throughput = divided_throughput(execution.throughput_rps, weights, users, located)
    if "arrivals" in engine_of(execution.executor).models:  # it limits all users by one schedule
        places = sorted(users)
        parts = dict(zip(places, interleave([throughput[index] for index in places]), strict=True))
        return {index: WorkerLoad(count, throughput[index], parts[index]) for index, count in users.items()}
    return {index: WorkerLoad(count, throughput[index]) for index, count in users.items()}


def _open_model(
    execution: Execution, weights: Mapping[str, Fraction], slots: Sequence[WorkerSlot]
) -> dict[int, WorkerLoad]:
    """Divides the rate instead of virtual users: a location's workers get equal parts of any size."""
    shares = _by_weight(execution, weights, slots)
    places = sorted(shares)
    total = execution.throughput_rps or Fraction(0)
    by_place = zip(places, interleave([shares[index] for index in places]), strict=True)
    return {index: WorkerLoad(0, total * load.part, load) for index, load in by_place}


def _of_script(
    execution: Execution, load: ScriptLoad, weights: Mapping[str, Fraction], slots: Sequence[WorkerSlot]
) -> dict[int, WorkerLoad]:
    """Returns each worker's part of a script's own load; none for a worker without users and arrivals.

    The users of all groups form one sequence, which the workers interleave.
    """
    shares = _by_weight(execution, weights, slots)
    whole = tuple(group.users for group in load.groups)
    dividable = load.mode == "divide" and not load.undividable
    if dividable and engine_of(execution.executor).splits_script_load:
        return _segments(execution, weights, slots)
    if not dividable or len(shares) == 1:
        segment = WHOLE if engine_of(execution.executor).splits_script_load else None
        return {index: WorkerLoad(0, None, script_users=whole, segment=segment) for index in shares}
    places, firsts = sorted(shares), list(accumulate(whole, initial=0))
    parts = zip(places, interleave([shares[index] for index in places]), strict=True)
    endless, loads = not load.groups or any(group.arrivals_per_s for group in load.groups), {}
    for index, part in parts:
        users = tuple(part.before(to) - part.before(first) for first, to in pairwise(firsts))
        if endless or any(users):
            loads[index] = WorkerLoad(0, None, part, script_users=users)
    return loads


def _segments(
    execution: Execution, weights: Mapping[str, Fraction], slots: Sequence[WorkerSlot]
) -> dict[int, WorkerLoad]:
    """Returns each worker's segment of the script's load: two fractions of the whole."""
    shares = _by_weight(execution, weights, slots)
    total = sum(shares.values(), Fraction(0))
    ends = list(accumulate((shares[index] / total for index in sorted(shares)), initial=Fraction(0)))
    whole = ",".join(map(str, ends))
    pairs = zip(sorted(shares), pairwise(ends), strict=True)
    return {
        index: WorkerLoad(0, None, segment=Segment(own=f"{low}:{high}", whole=whole)) for index, (low, high) in pairs
    }


def _by_weight(
    execution: Execution, weights: Mapping[str, Fraction], slots: Sequence[WorkerSlot]
) -> dict[int, Fraction]:
    """Returns each worker's weight: its location's, in equal parts."""
    shares: dict[int, Fraction] = {}
    for location, weight in weights.items():
        there = [slot.index for slot in slots if slot.location == location]
        if execution.exact_workers:
            there = there[: int(weight)]
        shares |= {index: Fraction(weight) / len(there) for index in there}
    return shares


def divided_throughput(
    total: Fraction, weights: Mapping[str, Fraction], users: Mapping[int, int], located: Mapping[int, str]
) -> dict[int, Fraction]:
    """Divides a throughput into whole requests per second, or finer parts if a worker would get none."""
    used = [location for location in weights if any(located[index] == location for index in users)]
    parts = 1
    while True:
        units = total * parts
        if units.denominator == 1 or parts >= FINEST:
            parts_of: dict[int, Fraction] = {}
            shares = split(math.floor(units), [weights[location] for location in used])
            for location, share in zip(used, shares, strict=True):
                there = [index for index in users if located[index] == location]
                divided = split(share, [users[index] for index in there])
                parts_of |= {index: Fraction(part, parts) for index, part in zip(there, divided, strict=True)}
            if all(parts_of.values()) or parts >= FINEST:
                rest = total - sum(parts_of.values(), Fraction(0))
                first = next(iter(parts_of))
                return {**parts_of, first: parts_of[first] + rest}
        parts *= 10


def _idle(
    suite: Suite, executions: Sequence[Execution], slots: Sequence[WorkerSlot], slot: WorkerSlot, *, chosen: bool
) -> str:
    """Returns the reason why a worker would have no load, and the fix."""
    closed = [execution for execution in executions if not execution.by_schedule]
    most = max(closed or executions, key=lambda execution: execution.concurrency or 1)
    users = most.concurrency or 1
    if most.script_load is not None:
        threads = plural(sum(group.users for group in most.script_load.groups), "thread")
        return f"{suite.source}: The script starts {threads} on {len(slots)} workers. Lower `workers`."
    what = f"{suite.source}: execution[{most.index}].concurrency: {users} is too low"
    if most.exact_workers or (chosen and users < len(slots)):
        return f"{what} for {len(slots)} workers. Lower `workers`, or raise `concurrency`."
    return (
        f"{what}: worker {slot.number} in the location {slot.location} has no load. "
        f"Raise `concurrency`, or change the weight of {slot.location}."
    )
