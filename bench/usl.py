"""Compares the forecasts of the Universal Scalability Law with simulated services whose limit is known.

    python bench/usl.py [--seeds 60]

An open service is a queue with exponential times between requests and exponential service times of 10 ms on one or more
servers. Its stages are those of a capacity search until p95 exceeds 100 ms, 15 s of 20 s each. A closed service has the
same servers and users that think for 100 ms; its runs have 1 to 256 users. The last services follow the law exactly.
Truth is the number of servers ÷ service time, and for twice the requests in progress Erlang's formula, exact mean value
analysis, or the law itself.

A row counts the services with a law, the intervals that contain the truth, and the median error. The script fails if
fewer than nine of ten intervals do, or if a search that ended at 60 % of the limit gets a law.
"""

import argparse
import heapq
import math
import statistics
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from toril.load.search import SearchRange, SearchResult, StageOutcome, next_stage  # noqa: E402 - after the path
from toril.stats.usl import Estimate, Law, NoLaw, fit  # noqa: E402

SERVICE_S, THINK_S, SETTLE_S, STEP_S = 0.01, 0.1, 5.0, 20.0
LATEST_S = 0.1  # p95 at which a search ends
USERS = (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256)
PROMISED = 0.9

Point = tuple[float, float]  # requests in progress, requests per second
Measured = tuple[list[Point], float]  # with the lowest rate at which the service fell behind
Truth = Callable[[float], float]  # requests in progress → requests per second


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=60, help="of each service")
    seeds = range(parser.parse_args().seeds)
    print("| service | fitted | limit in interval | median error | width | doubled in interval | refused |")
    print("|---|---|---|---|---|---|---|")
    broken = []
    for name, limit, truth, measure in services():
        measured = [measure(np.random.default_rng([seed, len(name)])) for seed in seeds]
        laws = [fit(*zip(*points, strict=True), [STEP_S - SETTLE_S] * len(points), high) for points, high in measured]
        fitted = [
            (law, max(points)[0]) for law, (points, _) in zip(laws, measured, strict=True) if isinstance(law, Law)
        ]
        refused = Counter(law.code for law in laws if isinstance(law, NoLaw))
        limits = [law.limit for law, _ in fitted]
        holds = [inside(one, limit) for one in limits]
        steps = [inside(law.doubled, truth(2 * most)) for law, most in fitted if law.doubled]
        error = f"{statistics.median(abs(one.value / limit - 1) for one in limits):.1%}" if limits else "–"
        width = f"{statistics.median(one.high / one.low for one in limits):.2f}" if limits else "–"
        codes = ", ".join(f"{code} {count}" for code, count in refused.most_common())
        print(f"| {name} | {len(fitted)} | {share(holds)} | {error} | {width} | {share(steps)} | {codes} |", flush=True)
        wrong = [one for one in (holds, steps) if len(one) >= 10 and sum(one) < PROMISED * len(one)]
        if wrong or (name.endswith("60 %") and fitted):
            broken.append(name)
    print(f"\nbroken promises: {', '.join(broken)}" if broken else "\nall promises hold")
    return bool(broken)


def inside(estimate: Estimate, truth: float) -> bool:
    return estimate.low <= truth <= estimate.high


def share(holds: Sequence[bool]) -> str:
    return f"{sum(holds)} of {len(holds)}" if holds else "–"


def services() -> Iterator[tuple[str, float, Truth, Callable[[np.random.Generator], Measured]]]:
    for servers in (1, 2, 4, 8, 16):
        limit = servers / SERVICE_S
        for top in (1.5, 0.6):
            name = f"open, {servers} server{'s' * (servers > 1)}" + (", search to 60 %" if top < 1 else "")
            yield (
                name,
                limit,
                lambda load, servers=servers: open_rate(load, servers),
                lambda random, servers=servers, top=top: searched(random, servers, top * servers / SERVICE_S),
            )
    for servers in (1, 4, 16):
        yield (
            f"closed, {servers} server{'s' * (servers > 1)}",
            servers / SERVICE_S,
            lambda load, servers=servers: closed_rate(load, servers),
            lambda random, servers=servers: ([closed_point(random, servers, users) for users in USERS], math.inf),
        )
    for alpha, beta in ((0.02, 0.0001), (0.05, 0.001), (0.2, 0.0)):
        law = lambda load, alpha=alpha, beta=beta: 100 * load / (1 + alpha * (load - 1) + beta * load * (load - 1))  # noqa: E731
        peak = math.sqrt((1 - alpha) / beta) if beta else math.inf
        yield (
            f"the law with α = {alpha:g}, β = {beta:g}",
            law(peak) if beta else 100 / alpha,
            law,
            lambda random, law=law: ([(users, random.poisson(law(users) * 15) / 15) for users in USERS[:-3]], math.inf),
        )


# ── an open service


def searched(random: np.random.Generator, servers: int, to_rps: float) -> Measured:
    """Returns the stages of a capacity search at which the service kept up, and the lowest rate of the others."""
    wanted = SearchRange(0.05 * servers / SERVICE_S, to_rps, 0.05)
    judged: list[StageOutcome] = []
    points: list[Point] = []
    too_high = math.inf
    while not isinstance(stage := next_stage(wanted, judged), SearchResult):
        if stage.kind == "recover":
            judged.append(StageOutcome(stage, "held"))
            continue
        times, answered, due = open_stage(random, servers, stage.rps)
        late = float(np.quantile(times, 0.95)) > LATEST_S
        judged.append(StageOutcome(stage, "breached" if late or answered < 0.95 * due else "held", "p95" * late))
        if answered >= 0.98 * due:
            points.append((times.sum() / (STEP_S - SETTLE_S), due / (STEP_S - SETTLE_S)))
        else:
            too_high = min(too_high, stage.rps)
    return points, too_high


def open_stage(random: np.random.Generator, servers: int, rps: float) -> tuple[np.ndarray, int, int]:
    """Returns the response times of the judged seconds, and the numbers of answered and due requests."""
    arrivals = np.cumsum(random.exponential(1 / rps, int(rps * STEP_S * 1.2) + 50))
    arrivals = arrivals[arrivals < STEP_S]
    ends = np.empty_like(arrivals)
    free = [0.0] * servers
    for place, (arrival, work) in enumerate(
        zip(arrivals.tolist(), random.exponential(SERVICE_S, arrivals.size).tolist(), strict=True)
    ):
        end = max(arrival, free[0]) + work
        heapq.heapreplace(free, end)
        ends[place] = end
    within = (ends >= SETTLE_S) & (ends < STEP_S)
    return (ends - arrivals)[within], int(within.sum()), int((arrivals >= SETTLE_S).sum())


def open_rate(in_progress: float, servers: int) -> float:
    """Returns the rate with that mean number of requests in progress, by Erlang's formula C."""
    low, high = 0.0, 1.0
    for _ in range(60):
        busy = (low + high) / 2
        offered, term, total = busy * servers, 1.0, 1.0
        for k in range(1, servers):
            term *= offered / k
            total += term
        last = term * offered / servers / (1 - busy)
        waits = last / (total + last)
        low, high = (busy, high) if offered + waits * busy / (1 - busy) < in_progress else (low, busy)
    return low * servers / SERVICE_S


# ── a closed service


def closed_point(random: np.random.Generator, servers: int, users: int) -> Point:
    """Returns the mean requests in progress and the rate of a run with a constant number of users."""
    sends = [(float(at), user) for user, at in enumerate(random.exponential(THINK_S, users))]
    heapq.heapify(sends)
    free = [0.0] * servers
    total_s, answered, work, think = 0.0, 0, iter(()), iter(())
    while sends[0][0] < STEP_S:
        at, user = sends[0]
        if (spent := next(work, None)) is None:
            work, think = (iter(random.exponential(mean, 1000).tolist()) for mean in (SERVICE_S, THINK_S))
            spent = next(work)
        end = max(at, free[0]) + spent
        heapq.heapreplace(free, end)
        heapq.heapreplace(sends, (end + next(think), user))
        if SETTLE_S <= end < STEP_S:
            total_s, answered = total_s + end - at, answered + 1
    return total_s / (STEP_S - SETTLE_S), answered / (STEP_S - SETTLE_S)


def closed_rate(in_progress: float, servers: int) -> float:
    """Returns the rate of that mean number of requests in progress."""
    loads, rates = zip(*mean_values(servers), strict=True)
    return float(np.interp(in_progress, loads, rates))


@cache
def mean_values(servers: int) -> list[Point]:
    """Returns requests in progress and rate of 1 to 600 users, by exact mean value analysis."""
    chances, found = [1.0], []  # of 0, 1, … requests in progress
    for users in range(1, 601):
        speeds = [min(count, servers) / SERVICE_S for count in range(1, users + 1)]
        response_s = sum(
            count / speed * chance for count, (speed, chance) in enumerate(zip(speeds, chances, strict=True), 1)
        )
        rate = users / (THINK_S + response_s)
        chances = [0.0, *(rate / speed * chance for speed, chance in zip(speeds, chances, strict=True))]
        chances[0] = max(0.0, 1 - sum(chances))
        found.append((rate * response_s, rate))
    return found


if __name__ == "__main__":
    sys.exit(main())
