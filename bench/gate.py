"""Simulates gates on response times: how often each fails without a change, at the margin, and with a slowdown.

    python bench/gate.py [--trials 1600000] [--recorded FILE …]

The model: log-normal requests (σ = 0.5) whose scale has an effect of the run, an AR(1) drift (0.8 from block to block),
an effect of the block and, in one condition, of the arm's host. A run has 10 blocks of 2,000 requests. In a duet both
arms of a pair have the drift in common. Duets of the default length have five minutes of load. Exchanged ones have both
deployments on the other host in their second half; without that, toril knows that there are two hosts. Other rules
compare a run with stored ones. `--recorded` files hold
the pairs (base, head) of real duets without a change, for each label a list of duets. A trial draws pairs of all duets,
and inverts each at random. The other rules compare arms of different duets; an arm is the mean of its blocks.

Two more conditions have requests that are drawn one by one: of other shapes, with the number that each arm has, and of
two labels in a random mix. A closed model sends for a fixed time, so that a slower head has fewer requests. The last
table has means that toril does not use.

Prints Markdown rows, and exits with 1 if a promise is broken. Calm and noisy, with 10 pairs and with the default: at
most 1 % fail without a change, at most 5 % at the margin, and at least 97 % with +10 %. By default, at most 10 % (calm)
and 25 % (noisy) are undecided without a change. On two hosts, at most 1 % fail without a change, exchanged or not.
"""

import argparse
import json
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from toril.plan.turns import MIN_BLOCK_S, SWITCHED_BLOCK_S
from toril.regression.pairs import DuetFigure, time_at, weights_of
from toril.regression.rule import ALPHA, HOSTS, DecidedFigure, judged, levels_of, outcome_of
from toril.stats.histogram import Histogram
from toril.stats.paired import Mean, halves, sample_of
from toril.stats.quantiles import rank_of, student_quantile
from toril.stats.sequential import looks_of
from toril.suite.settings import Regression

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

MARGIN = 0.03
CHANGES = (0.0, MARGIN, 0.1, 0.2)
SIGMA, PERCENT = 0.5, 95
REQUESTS, BLOCKS = 2_000, 10  # of a run, and of each arm of a duet
SMALLER = 32  # all rows but the first have so many times fewer trials
PARTS = 8  # of the trials of the first row, which has the most
RATE = 200  # requests per second, from which minutes follow
# The default: requests of a block and pairs, if engines run through, and if they start for each block.
SHORT, STARTED = RATE * SWITCHED_BLOCK_S, RATE * MIN_BLOCK_S
MANY, FEWER = (int(Regression().time_s // (2 * block_s)) for block_s in (SWITCHED_BLOCK_S, MIN_BLOCK_S))
STORED = 10  # runs that Bencher's test compares with
MANN_WHITNEY = 400  # trials: each sorts 40,000 requests
RAW = 1_600  # trials of requests that are drawn one by one
MIXED, SLOW_SHARE, SLOW_FACTOR = 15_000, 0.1, 4  # pairs of two labels; the share and the factor of the slow one
CHECKED = 300  # trials that toril's own code decides as well
NORMAL = NormalDist()
GRID = np.linspace(1e-6, 1 - 1e-6, 200_001)
SCORES = np.array([NORMAL.inv_cdf(one) for one in GRID])


@dataclass(frozen=True)
class Noise:
    name: str
    run: float
    drift: float
    block: float
    host: float = 0.0
    own_drift: bool = False  # each turn has its own step of the drift

    undecided: float | None = None  # the promised share without a change


NOISES = (
    Noise("calm", 0.027, 0.02, 0.02, undecided=0.1),
    Noise("noisy", 0.08, 0.05, 0.03, undecided=0.25),
    Noise("noisy, two hosts", 0.08, 0.05, 0.03, host=0.02),
    Noise("noisy, drift from turn to turn", 0.08, 0.05, 0.03, own_drift=True),
)


@dataclass(frozen=True)
class Row:
    """One rule: the shares of failed and undecided trials by change, and the median minutes of load without a change
    and with +10 %."""

    rule: str
    failed: Mapping[float, float]
    undecided: Mapping[float, float]
    minutes: tuple[float, float]

    def __str__(self) -> str:
        failed = (f"{self.failed[change]:.1%}" for change in CHANGES)
        undecided = (f"{self.undecided[change]:.1%}" for change in (0.0, 0.1))
        minutes = ("–" if math.isnan(one) else f"{one:.1f}" for one in self.minutes)
        return "| " + " | ".join((self.rule, *failed, *undecided, *minutes)).replace("%", " %") + " |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=1_600_000)
    parser.add_argument("--recorded", type=Path, nargs="*", default=[])
    options = parser.parse_args()
    chance, broken = np.random.default_rng(18), False
    for noise in () if options.recorded else NOISES:
        print(HEAD.format(noise.name))
        for row in rows(chance, noise, options.trials):
            print(row, flush=True)
            broken |= is_broken(row, noise, options.trials)
    if not options.recorded:
        print(HEAD.format("requests of other shapes"))
        for name, shape in SHAPES.items():
            for blocks, requests in ((BLOCKS, 400), (40, 100)):
                print(shaped(f"{name}, {blocks} pairs of {requests}", chance, shape, blocks, requests, requests))
        for blocks in (BLOCKS, 40):
            print(shaped(f"log-normal, {blocks} pairs of 39 and 41", chance, SHAPES["log-normal"], blocks, 39, 41))
        print(closed("log-normal, closed model, 40 pairs of about 40", chance, 40, 40))
        print(HEAD.format("requests of two labels"))
        for row in mixed(chance):
            print(row, flush=True)
        print(MEANS)
        for line in other_means(chance):
            print(line, flush=True)
    for file in options.recorded:
        for label, duets in json.loads(file.read_text()).items():
            for line in recorded(chance, f"{file.stem}, {label or 'all requests'}", duets, options.trials // 16):
                print(line, flush=True)
    return int(broken)


OURS = f"**toril, {BLOCKS} pairs**"
DEFAULT, EXCHANGED = f"**toril, {MANY} pairs of {SHORT}**", "**toril, exchanged after half of the pairs**"
HEAD = """
**{}**

| rule | failed at ±0 | +3 % (margin) | +10 % | +20 % | undecided at ±0 | +10 % | minutes at ±0 | +10 % |
|---|---|---|---|---|---|---|---|---|"""


def is_broken(row: Row, noise: Noise, trials: int) -> bool:
    if noise.undecided is None or row.rule not in (OURS, DEFAULT):
        return noise.host > 0 and "toril" in row.rule and row.failed[0.0] > 0.01
    error = math.sqrt(ALPHA * (1 - ALPHA) / (trials if row.rule == OURS else trials // SMALLER))
    is_open = row.rule == DEFAULT and row.undecided[0.0] > noise.undecided
    return is_open or row.failed[0.0] > 0.01 or row.failed[MARGIN] > ALPHA + 2 * error or row.failed[0.1] < 0.97


def rows(chance: np.random.Generator, noise: Noise, trials: int) -> Iterator[Row]:
    apart = noise.host > 0
    parts = (pairs(chance, noise, trials // PARTS, BLOCKS, REQUESTS) for _ in range(PARTS))
    yield mean_of([ours(OURS, REQUESTS, own, two_hosts=apart) for own in parts])
    trials //= SMALLER
    others = (pairs(chance, noise, trials, BLOCKS, REQUESTS) for _ in range(3))
    yield ours(f"**toril, {BLOCKS} pairs**, one of three figures", REQUESTS, *others, two_hosts=apart)
    yield ours(f"**toril, 40 pairs of {SHORT}**", SHORT, pairs(chance, noise, trials, 40, SHORT), two_hosts=apart)
    yield ours(DEFAULT, SHORT, pairs(chance, noise, trials, MANY, SHORT), two_hosts=apart)
    others = (pairs(chance, noise, trials, MANY, SHORT) for _ in range(3))
    yield ours(f"{DEFAULT}, one of three figures", SHORT, *others, two_hosts=apart)
    started = pairs(chance, noise, trials, FEWER, STARTED)
    yield ours(f"**toril, {FEWER} pairs of {STARTED}**", STARTED, started, two_hosts=apart)
    if noise.host:
        yield exchanged(chance, noise, trials // 4)
    base, head = (run_percentiles(chance, noise, trials // 12) for _ in range(2))
    minutes = BLOCKS * REQUESTS / RATE / 60
    yield mann_whitney(chance, noise, minutes)
    stored = base[chance.integers(len(base), size=(len(head), STORED))]
    stored[:, 0] = base
    yield from stored_rules(head, stored, SIGMA * NORMAL.inv_cdf(PERCENT / 100), minutes)


def exchanged(chance: np.random.Generator, noise: Noise, trials: int) -> Row:
    """Returns the row of duets in two halves. In the second one, each version is on the other's host."""
    blocks = math.ceil(MANY / 2)
    host = chance.normal(0, math.sqrt(2) * noise.host, (trials, 1))
    parts = [pairs(chance, replace(noise, host=0.0), trials, blocks, SHORT) + sign * host for sign in (1, -1)]
    failed, undecided = {}, {}
    for change in CHANGES:
        outcomes = Counter[str]()
        for first, second in zip(*parts, strict=True):
            version, _ = halves(of_half(first + math.log1p(change)), of_half(second + math.log1p(change)))
            outcomes[outcome_of(judged([as_figure("", version)], (blocks,), 1))] += 1
        failed[change], undecided[change] = outcomes["failed"] / trials, outcomes["inconclusive"] / trials
    minutes = 2 * blocks * 2 * SHORT / RATE / 60
    return Row(EXCHANGED, failed, undecided, (minutes, minutes))


def of_half(values: Floats) -> Mean:
    spread, count = float(values.std(ddof=1)), len(values)
    return Mean(float(values.mean()), spread, count, spread / math.sqrt(count), count - 1)


def stored_rules(head: Floats, stored: Floats, usual: float, minutes: float) -> Iterator[Row]:
    """Yields the rules on stored runs, a trial for each row. `usual` is the percentile that a limit is written for."""
    for limit in (0.05, 0.1, 0.2):
        yield fixed(f"p95 > stored + {limit:.0%}", head - stored[:, 0], math.log1p(limit), minutes)
    yield fixed("p95 > limit: base's p95 + 20% (as k6)", head - usual, math.log(1.2), minutes)
    spread = stored.std(1, ddof=1) * math.sqrt(1 + 1 / STORED)
    limits = stored.mean(1) + student_quantile(0.95, STORED - 1) * spread
    yield fixed(f"t-test, 95%, {STORED} stored runs (as Bencher)", head - limits, 0.0, minutes)


def mean_of(rows: Sequence[Row]) -> Row:
    failed, undecided = (
        {change: float(np.mean([getattr(one, name)[change] for one in rows])) for change in CHANGES}
        for name in ("failed", "undecided")
    )
    return Row(rows[0].rule, failed, undecided, rows[0].minutes)


def pairs(chance: np.random.Generator, noise: Noise, trials: int, blocks: int, requests: int) -> Floats:
    """Returns the logarithms of the ratios of both arms' percentiles, a row for each trial."""
    rank = rank_of(PERCENT, requests)
    percentiles: Floats = SIGMA * np.interp(chance.beta(rank, requests - rank + 1, (2, trials, blocks)), GRID, SCORES)
    percentiles += chance.normal(0, noise.block, percentiles.shape)
    percentiles += chance.normal(0, noise.host, (2, trials, 1))
    if noise.own_drift:
        percentiles += drift(chance, noise, trials, 2 * blocks).reshape(trials, blocks, 2).transpose(2, 0, 1)
    return np.asarray(percentiles[1] - percentiles[0])


def run_percentiles(chance: np.random.Generator, noise: Noise, trials: int) -> Floats:
    """Returns the logarithm of the percentile of all requests of each run."""
    rank = rank_of(PERCENT, BLOCKS * REQUESTS) - 1
    return np.array([np.partition(requests_of(chance, noise), rank)[rank] for _ in range(trials)])


def requests_of(chance: np.random.Generator, noise: Noise) -> Floats:
    """Returns the logarithms of the response times of one run."""
    scales = drift(chance, noise, 1, BLOCKS)[0] + chance.normal(0, noise.block, BLOCKS)
    scales += chance.normal(0, noise.run) + chance.normal(0, noise.host)
    return np.ravel(scales[:, None] + SIGMA * chance.standard_normal((BLOCKS, REQUESTS)))


def drift(chance: np.random.Generator, noise: Noise, trials: int, blocks: int) -> Floats:
    """Returns a stationary AR(1) process for each trial."""
    steps = chance.normal(0, noise.drift, (trials, blocks))
    for block in range(1, blocks):
        steps[:, block] = 0.8 * steps[:, block - 1] + 0.6 * steps[:, block]
    return steps


def recorded(
    chance: np.random.Generator, name: str, duets: Sequence[Sequence[Sequence[float]]], trials: int
) -> Iterator[Row | str]:
    """Yields a heading, and the rows of the rules that need no single requests."""
    logs = [np.log(np.array(one)) for one in duets if len(one) >= BLOCKS]
    ratios = np.concatenate([one[:, 1] - one[:, 0] for one in logs])
    yield HEAD.format(f"{name}: {ratios.size:,} pairs of {len(logs)} duets, spread {ratios.std(ddof=1):.1%}")
    for blocks in (BLOCKS, 40, MANY):
        drawn = ratios[chance.integers(ratios.size, size=(trials, blocks))]
        yield ours(f"**toril, {blocks} pairs**", SHORT, np.asarray(drawn * chance.choice((-1.0, 1.0), drawn.shape)))
    runs = np.array([one.mean(0) for one in logs])
    of_runs = np.ravel(runs[:, 0])  # of the arms `base`, each from another duet
    chosen = np.array([chance.permutation(of_runs.size)[: STORED + 1] for _ in range(trials // 4)])
    head, stored = of_runs[chosen[:, 0]], of_runs[chosen[:, 1:]]
    yield from stored_rules(head, stored, float(of_runs.mean()), MANY * SHORT / RATE / 60)


SHAPES: dict[str, Callable[[np.random.Generator, tuple[int, ...]], Floats]] = {
    "log-normal": lambda chance, size: np.exp(SIGMA * chance.standard_normal(size)),
    "Pareto, 1.2": lambda chance, size: 1 + chance.pareto(1.2, size),
    "one request in 20 is ten times slower": lambda chance, size: (
        np.exp(0.2 * chance.standard_normal(size)) * np.where(chance.random(size) < 0.05, 10, 1)
    ),
    "one turn in ten is twice as slow": lambda chance, size: (
        np.exp(SIGMA * chance.standard_normal(size)) * np.where(chance.random((*size[:-1], 1)) < 0.1, 2, 1)
    ),
    "AR(0.98) within a turn": lambda chance, size: np.exp(SIGMA * within(chance, size)),
}


def within(chance: np.random.Generator, size: tuple[int, ...]) -> Floats:
    """Returns a stationary AR(1) process along the last axis."""
    steps = chance.standard_normal(size)
    for place in range(1, size[-1]):
        steps[..., place] = 0.98 * steps[..., place - 1] + math.sqrt(1 - 0.98**2) * steps[..., place]
    return steps


def shaped(
    rule: str,
    chance: np.random.Generator,
    shape: Callable[[np.random.Generator, tuple[int, ...]], Floats],
    blocks: int,
    of_base: int,
    of_head: int,
) -> Row:
    base, head = (shape(chance, (RAW, blocks, count)) for count in (of_base, of_head))
    counts = (np.full((RAW, blocks), count) for count in (of_base, of_head))
    return ours(rule, of_base, ratios(base, head, *counts))


def closed(rule: str, chance: np.random.Generator, blocks: int, requests: int) -> Row:
    failed, undecided = {}, {}
    time = requests * math.exp(SIGMA**2 / 2)  # of a block, in medians
    for change in CHANGES:
        base, head = (SHAPES["log-normal"](chance, (RAW, blocks, 2 * requests)) for _ in range(2))
        head *= 1 + change
        counts = ((one.cumsum(-1) <= time).sum(-1) for one in (base, head))
        outcome, _ = decide(ratios(base, head, *counts)[None])
        failed[change], undecided[change] = float((outcome == 1).mean()), float((outcome == 0).mean())
    return Row(rule, failed, undecided, (math.nan, math.nan))


def ratios(base: Floats, head: Floats, of_base: Counts, of_head: Counts) -> Floats:
    """Returns the logarithms of the ratios of both arms' p95, each of the given number of first requests.

    As in `toril.regression.pairs`, both are at the nearest rank of the arm with fewer requests.
    """
    fewest = np.minimum(of_base, of_head)
    rank = np.ceil(np.round(fewest * PERCENT / 100, 9))
    found = []
    for times, counts in ((base, of_base), (head, of_head)):
        kept = np.sort(np.where(np.arange(times.shape[-1]) < counts[..., None], times, np.inf), -1)
        beyond, place = np.modf(rank * (counts + 1) / (fewest + 1))
        ends = (place.astype(int) - 1, np.minimum(place.astype(int), counts - 1))
        low, high = (np.log(np.take_along_axis(kept, end[..., None], -1)[..., 0]) for end in ends)
        found.append(low + beyond * (high - low))
    return np.asarray(found[1] - found[0])


def ours(rule: str, requests: int, changing: Floats, *others: Floats, two_hosts: bool = False) -> Row:
    """Returns the row of toril's rule; checks that the vectors decide as toril's own code.

    The changes are of the first figure. Further ones do not change.
    """
    found = {change: decide(np.array([changing + math.log1p(change), *others]), two_hosts) for change in CHANGES}
    for place in range(CHECKED):
        values = [changing[place] + math.log1p(0.1), *(one[place] for one in others)]
        assert by_toril(values, two_hosts) == (found[0.1][0][place], found[0.1][1][place])
    minutes = [2 * requests / RATE / 60 * float(np.median(found[change][1])) for change in (0.0, 0.1)]
    failed = {change: float((outcome == 1).mean()) for change, (outcome, _) in found.items()}
    undecided = {change: float((outcome == 0).mean()) for change, (outcome, _) in found.items()}
    return Row(rule, failed, undecided, (minutes[0], minutes[1]))


def decide(ratios: Floats, two_hosts: bool = False) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns for each trial 1 (failed), -1 (passed) or 0 (undecided), and the pairs until then.

    `ratios` has figures, trials and pairs.
    """
    figures, trials, most = ratios.shape
    outcome, used = np.zeros(trials, np.int64), np.full(trials, most)
    for place, look in enumerate(looks_of(most)):
        seen = ratios[..., :look]
        beyond, error = seen.mean(-1) - math.log1p(MARGIN), seen.std(-1, ddof=1) / math.sqrt(look)
        t, t_worse = beyond / error, beyond / np.hypot(error, HOSTS if two_hosts else 0.0)
        worse, better = (
            student_quantile(1 - levels_of(left, looks_of(most))[place], look - 1) for left in (figures, 1)
        )
        new = np.where(t_worse.max(0) > worse, 1, np.where(t.max(0) < -better, -1, 0))
        new[outcome != 0] = 0
        outcome, used = outcome + new, np.where(new, look, used)
    return outcome, used


def as_figure(label: str, sample: Mean | None) -> DecidedFigure:
    return DecidedFigure(DuetFigure(label, "p95", 95.0, MARGIN), sample)


def by_toril(values: Sequence[Floats], two_hosts: bool) -> tuple[int, int]:
    looks = looks_of(len(values[0]))
    for number, look in enumerate(looks, 1):
        figures = [as_figure(str(place), sample_of(one[:look].tolist())) for place, one in enumerate(values)]
        found = outcome_of(judged(figures, looks, number, two_hosts=two_hosts))
        if found != "inconclusive":
            return (1 if found == "failed" else -1), look
    return 0, looks[-1]


def mixed(chance: np.random.Generator) -> Iterator[Row]:
    """Yields the rows of two labels, whose requests arrive in a random mix: as they are, and with a common mix.

    Trials draw from the same pairs, and invert each at random.
    """
    share = rank_of(PERCENT, SHORT) / (SHORT + 1)
    found = np.empty((2, MIXED))  # by rule
    for pair in range(MIXED):
        slow = chance.random((2, SHORT)) < SLOW_SHARE
        times_us = 10_000 * np.exp(SIGMA * chance.standard_normal(slow.shape)) * np.where(slow, SLOW_FACTOR, 1)
        arms = [
            [Histogram.of(values[is_slow == label].astype(np.int64)) for label in (False, True)]
            for values, is_slow in zip(times_us, slow, strict=True)
        ]
        weights = weights_of(np.array([[part.total for part in arm] for arm in arms]))
        for rule, own in enumerate((np.ones((2, 2)), weights)):
            base, head = (
                time_at(list(zip(arm, of_arm, strict=True)), share, 1 << 40) or math.nan
                for arm, of_arm in zip(arms, own.tolist(), strict=True)
            )
            found[rule, pair] = math.log(head / base)
    places = chance.integers(MIXED, size=(20_000, MANY))
    signs = chance.choice((-1.0, 1.0), places.shape)
    for name, values in zip(("as sent", "a common mix of labels"), found, strict=True):
        yield ours(f"{DEFAULT}, {name}", SHORT, values[places] * signs)


MEANS = """
| mean of 75 noisy pairs | undecided at ±0 | a head twice as slow in one slice of ten: passed | failed |
|---|---|---|---|"""


def other_means(chance: np.random.Generator) -> Iterator[str]:
    """Yields a row for each mean, with one interim analysis at the end.

    The reading of the machine explains all differences between blocks. A head that takes 10 % longer raises it by as
    much, in the last row.
    """
    noise, trials = NOISES[1], 20_000
    values = pairs(chance, replace(noise, block=0.0), trials, MANY, SHORT)
    reading = chance.normal(0, math.sqrt(2) * noise.block, values.shape)
    order = np.tile((1.0, -1.0), MANY)[:MANY]
    values += reading
    paused = values + math.log(2) * (chance.random(values.shape) < 0.1)
    cut = MANY // 10
    rules: dict[str, Callable[[Floats], Floats]] = {
        "mean (toril)": lambda own: own.mean(1) / (own.std(1, ddof=1) / math.sqrt(MANY)),
        "without the highest and the lowest tenth": lambda own: trimmed(own, cut),
        "adjusted for the order of the slices": lambda own: adjusted(own, np.broadcast_to(order, own.shape)),
        "adjusted for a reading": lambda own: adjusted(own, reading),
    }
    limit, margin = student_quantile(1 - ALPHA, MANY - 1), math.log1p(MARGIN)
    for name, rule in rules.items():
        equal, slow = rule(values - margin), rule(paused - margin)
        yield f"| {name} | {part(equal >= -limit)} | {part(slow < -limit)} | {part(slow > limit)} |"
    slower = adjusted(values + math.log1p(0.1) - margin, reading + math.log1p(0.1))
    name = "adjusted for a reading; head is 10 % slower, and raises it"
    yield f"| {name} | – | {part(slower < -limit)} | {part(slower > limit)} |"


def part(chosen: NDArray[np.bool_]) -> str:
    return f"{chosen.mean():.1%}".replace("%", " %")


def trimmed(values: Floats, cut: int) -> Floats:
    """Returns t of the mean without `cut` values at each end, by Tukey and McLaughlin (1963)."""
    kept = np.sort(values, 1)
    winsorised = np.clip(values, kept[:, [cut]], kept[:, [-cut - 1]])
    kept_share = 1 - 2 * cut / values.shape[1]
    error = winsorised.std(1, ddof=1) / (kept_share * math.sqrt(values.shape[1]))
    return np.asarray(kept[:, cut:-cut].mean(1) / error)


def adjusted(values: Floats, covariate: Floats) -> Floats:
    """Returns t of the mean at a covariate of 0, by least squares."""
    count = values.shape[1]
    centred = covariate - covariate.mean(1, keepdims=True)
    squares = (centred**2).sum(1)
    slope = (centred * values).sum(1) / squares
    rest = values - values.mean(1, keepdims=True) - slope[:, None] * centred
    variance = (rest**2).sum(1) / (count - 2) * (1 / count + covariate.mean(1) ** 2 / squares)
    return np.asarray((values.mean(1) - slope * covariate.mean(1)) / np.sqrt(variance))


def fixed(rule: str, differences: Floats, limit: float, minutes: float) -> Row:
    """Returns the row of a rule on one run, which fails if the difference exceeds a limit."""
    failed = {change: float((differences + math.log1p(change) > limit).mean()) for change in CHANGES}
    return Row(rule, failed, dict.fromkeys(CHANGES, 0.0), (minutes, minutes))


def mann_whitney(chance: np.random.Generator, noise: Noise, minutes: float) -> Row:
    """Returns the row of the rank test on requests against a stored run, at 1 %, two-sided."""
    failed = dict.fromkeys(CHANGES, 0.0)
    for _ in range(MANN_WHITNEY):
        base, head = np.sort(requests_of(chance, noise)), requests_of(chance, noise)
        for change in CHANGES:
            above = float(np.searchsorted(base, head + math.log1p(change)).sum())
            size = base.size
            score = (above - size * size / 2) / math.sqrt(size * size * (2 * size + 1) / 12)
            failed[change] += (score > NORMAL.inv_cdf(0.995)) / MANN_WHITNEY
    return Row(
        "Mann-Whitney on requests, 1%, against a stored run", failed, dict.fromkeys(CHANGES, 0.0), (minutes, minutes)
    )


if __name__ == "__main__":
    sys.exit(main())
