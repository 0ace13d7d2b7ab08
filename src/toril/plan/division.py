"""Largest remainder: executions between locations, and within each between its workers; nothing lost or invented."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, pairwise

from toril.errors import SuiteError
from toril.load.interleave import Interleave, interleave
from toril.load.shapes import OPEN_MODEL
from toril.plan.seats import Seat, split, weights_of
from toril.records import Segment
from toril.suite import Execution, Suite

DIVIDE_SCRIPTS = frozenset({"k6"})  # executors that can do a part of what a script says of its load
FINEST = 10**9  # parts of a request per second


@dataclass(frozen=True, slots=True)
class Part:
    """What one worker does of one execution."""

    users: int
    throughput: Fraction | None
    interleave: Interleave | None = None  # of an open model
    segment: Segment | None = None  # of a script's own load


def divided_between(
    suite: Suite, executions: Sequence[Execution], seats: Sequence[Seat], *, chosen: bool
) -> list[dict[int, Part]]:
    """For each execution what each worker (by index) does of it; every worker has something to do."""
    everywhere = weights_of(executions)
    turns: dict[
        str, int
    ] = {}  # where the next odd virtual user of a location goes, so that they spread over its workers
    divided = [_parts(execution, everywhere, seats, turns) for execution in executions]
    for execution, parts in zip(executions, divided, strict=True):
        if execution.concurrency and min(part.users for part in parts.values()) < execution.groups:
            raise SuiteError(
                f"{suite.source}: execution[{execution.index}].concurrency is {execution.concurrency} for "
                f"{len(parts)} worker(s), and its JMX has {execution.groups} thread groups, each of which needs a user "
                f"on each worker; raise it to {execution.groups * len(parts)}, or lower `workers`"
            )
    for seat in seats:
        if not any(seat.index in parts for parts in divided):
            raise SuiteError(_idle(suite, executions, seats, seat, chosen=chosen))
    return divided


def _parts(
    execution: Execution, everywhere: Mapping[str, Fraction], seats: Sequence[Seat], turns: dict[str, int]
) -> dict[int, Part]:
    weights = execution.locations or everywhere
    if execution.executor in OPEN_MODEL:
        return _open_model(execution, weights, seats)
    if execution.executor in DIVIDE_SCRIPTS and execution.concurrency is None:
        return _segments(execution, weights, seats)
    users: dict[int, int] = {}
    by_location = dict(zip(weights, split(execution.concurrency or 1, list(weights.values())), strict=True))
    for location, count in by_location.items():
        there = [seat.index for seat in seats if seat.location == location]
        if execution.exact_workers:
            there = there[: int(weights[location])]
        each, odd = divmod(count, len(there))
        turn = turns.get(location, 0)
        lucky = {there[(turn + position) % len(there)] for position in range(odd)}
        turns[location] = turn + odd
        users |= {index: each + (index in lucky) for index in there if each + (index in lucky)}
    if execution.throughput_rps is None:
        return {index: Part(count, None) for index, count in users.items()}
    located = {seat.index: seat.location for seat in seats}
    throughput = divided_throughput(execution.throughput_rps, weights, users, located)
    return {index: Part(count, throughput[index]) for index, count in users.items()}


def _open_model(execution: Execution, weights: Mapping[str, Fraction], seats: Sequence[Seat]) -> dict[int, Part]:
    """The rate, and not users: a location's part in equal parts among its workers, however small they are."""
    shares = _by_weight(execution, weights, seats)
    places = sorted(shares)
    total = execution.throughput_rps or Fraction(0)
    by_place = zip(places, interleave([shares[index] for index in places]), strict=True)
    return {index: Part(0, total * one.part, one) for index, one in by_place}


def _segments(execution: Execution, weights: Mapping[str, Fraction], seats: Sequence[Seat]) -> dict[int, Part]:
    """All workers run the script, and each does the part of its load that lies between two fractions of the whole."""
    shares = _by_weight(execution, weights, seats)
    total = sum(shares.values(), Fraction(0))
    ends = list(accumulate((shares[index] / total for index in sorted(shares)), initial=Fraction(0)))
    whole = ",".join(map(str, ends))
    pairs = zip(sorted(shares), pairwise(ends), strict=True)
    return {index: Part(0, None, segment=Segment(own=f"{low}:{high}", whole=whole)) for index, (low, high) in pairs}


def _by_weight(execution: Execution, weights: Mapping[str, Fraction], seats: Sequence[Seat]) -> dict[int, Fraction]:
    """Each worker's part: a location's, in equal parts among its workers."""
    shares: dict[int, Fraction] = {}
    for location, weight in weights.items():
        there = [seat.index for seat in seats if seat.location == location]
        if execution.exact_workers:
            there = there[: int(weight)]
        shares |= {index: Fraction(weight) / len(there) for index in there}
    return shares


def divided_throughput(
    total: Fraction, weights: Mapping[str, Fraction], users: Mapping[int, int], located: Mapping[int, str]
) -> dict[int, Fraction]:
    """Whole requests per second where everybody with virtual users gets some, else finer parts; nothing is lost."""
    used = [location for location in weights if any(located[index] == location for index in users)]
    parts = 1
    while True:
        units = total * parts
        if units.denominator == 1 or parts >= FINEST:
            found: dict[int, Fraction] = {}
            for location, share in zip(
                used, split(math.floor(units), [weights[location] for location in used]), strict=True
            ):
                there = [index for index in users if located[index] == location]
                divided = split(share, [users[index] for index in there])
                found |= {index: Fraction(one, parts) for index, one in zip(there, divided, strict=True)}
            if all(found.values()) or parts >= FINEST:
                rest = total - sum(found.values(), Fraction(0))
                first = next(iter(found))
                return {**found, first: found[first] + rest}
        parts *= 10


def _idle(suite: Suite, executions: Sequence[Execution], seats: Sequence[Seat], seat: Seat, *, chosen: bool) -> str:
    """Why a worker would have nothing to do, and the fix."""
    closed = [execution for execution in executions if execution.executor not in OPEN_MODEL]
    most = max(closed or executions, key=lambda execution: execution.concurrency or 1)
    users = most.concurrency or 1
    where = f"{suite.source}: execution[{most.index}].concurrency is {users}"
    if most.exact_workers or (chosen and users < len(seats)):
        return f"{where}, fewer than the {len(seats)} workers; lower `workers` or raise `concurrency`"
    return (
        f"{where}, too few for the location {seat.location}, where worker {seat.number} would have nothing to do; "
        f"raise `concurrency`, or change the weight of {seat.location}"
    )
