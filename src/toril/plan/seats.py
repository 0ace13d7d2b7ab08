"""The workers of a run: how many, and where."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from toril.errors import SuiteError
from toril.load.shapes import OPEN_MODEL
from toril.suite import Execution, Suite

HERE = "local"  # the location of a suite that names none
MOST_WORKERS = 1000

# What one worker surely produces, with half of it as headroom (measured in reference runs of each engine with bzt, per
# core: JMeter 6 k, generated Locust 2 k, Apiritif 0.35 k requests per second; vegeta 25 k: bench/engines.py), and how
# many virtual users it bears.
REQUESTS_PER_CORE = {"jmeter": 3000, "locust": 1000, "apiritif": 150, "vegeta": 12_000}
USERS_PER_WORKER = {"jmeter": 1000, "locust": 1000, "apiritif": 100}
# How many browsers a core bears with times that are wrong by no more than a tenth (bench/browsers.py).
BROWSERS_PER_CORE = {"playwright": 2, "selenium": 2}
SINGLE_THREADED = frozenset({"locust"})
CPU_UNITS_PER_CORE = 1024


@dataclass(frozen=True, slots=True)
class Seat:
    """One worker of the run."""

    location: str
    number: int  # within its location, from 1
    index: int  # over all workers, from 0


def split(total: int, weights: Sequence[int | Fraction]) -> list[int]:
    """Divide `total` by weight, losing none (largest remainder; on a tie the earlier one gets more).

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
    """How much of the whole load each location of the run carries."""
    weights: dict[str, Fraction] = {}
    for execution in executions:
        whole = sum(execution.locations.values(), Fraction(0))
        for location, weight in execution.locations.items():
            weights[location] = weights.get(location, Fraction(0)) + weight / whole * (execution.concurrency or 1)
    return weights or {HERE: Fraction(1)}


def seats_of(suite: Suite, executions: Sequence[Execution], wanted: int | None) -> tuple[Seat, ...]:
    """The workers: as many as the suite counts out, as are wanted, or as the load needs."""
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
            raise SuiteError(
                f"{suite.source}: locations-weighted is false and counts out {sum(counts.values())}, not {wanted}; "
                "leave the number of workers, or locations-weighted, out"
            )
    elif wanted is None:
        counts = _needed(suite, executions, weights)
    else:
        counts = _spread(suite, wanted, weights)
    if sum(counts.values()) > MOST_WORKERS:
        raise SuiteError(
            f"{suite.source}: the load needs {sum(counts.values()):,} workers, more than {MOST_WORKERS:,}; "
            "lower it, or set toril.workers"
        )
    placed = [(location, number) for location, count in counts.items() for number in range(1, count + 1)]
    return tuple(Seat(location, number, index) for index, (location, number) in enumerate(placed))


def _spread(suite: Suite, workers: int, weights: Mapping[str, Fraction]) -> dict[str, int]:
    """`workers` over the locations by weight, at least one each."""
    if workers < len(weights):
        raise SuiteError(
            f"{suite.source}: workers is {workers}, fewer than the {len(weights)} locations ({', '.join(weights)}); "
            "raise `workers` or leave locations out"
        )
    counts = split(workers, list(weights.values()))
    while 0 in counts:
        counts[counts.index(max(counts))] -= 1
        counts[counts.index(0)] = 1
    return dict(zip(weights, counts, strict=True))


def _needed(suite: Suite, executions: Sequence[Execution], weights: Mapping[str, Fraction]) -> dict[str, int]:
    """As many workers for each location as its part of the load needs by the engines' known rates."""
    cores = max(1, suite.toril.worker.cpu // CPU_UNITS_PER_CORE)
    need = Fraction(0)
    for execution in executions:
        if execution.executor in REQUESTS_PER_CORE:
            usable = 1 if execution.executor in SINGLE_THREADED else cores
            requests = (execution.throughput_rps or 0) / Fraction(REQUESTS_PER_CORE[execution.executor] * usable)
            most = USERS_PER_WORKER.get(execution.executor)  # None: an open model has no users
            need += max(requests, Fraction(execution.concurrency or 1, most) if most else 0)
        elif execution.executor in BROWSERS_PER_CORE:
            need += Fraction(execution.concurrency or 1, BROWSERS_PER_CORE[execution.executor] * cores)
    whole = sum(weights.values(), Fraction(0))
    users_in = (
        {location: math.floor(users) for location, users in weights.items()}
        if any(e.locations for e in executions)
        else {}
    )
    everyone = sum((execution.concurrency or 1) // execution.groups for execution in executions)
    if any(execution.executor in OPEN_MODEL for execution in executions):  # whose rate any number of workers share
        users_in, everyone = {}, MOST_WORKERS
    return {
        location: max(1, min(math.ceil(need * weight / whole), users_in.get(location, everyone)))
        for location, weight in weights.items()
    }
