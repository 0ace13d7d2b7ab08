"""The Universal Scalability Law: how the throughput of a service depends on the requests in progress.

    X(N) = γN / (1 + α(N − 1) + βN(N − 1))

- X: requests answered per second
- N: mean number of requests in progress
- γ: throughput of one request at a time
- α: share of the work that waits for one shared resource (contention)
- β: cost of keeping copies consistent (coherency)

Gunther (2007), Guerrilla Capacity Planning. In an open model the rate is set and N follows: by Little's law it is the
rate times the mean response time. The response time N / X is linear in 1, N and N(N − 1), so the fit is linear least
squares of relative errors, with coefficients of at least 0.

No service follows the law exactly. With several servers the bend is sharper: the whole law then expects too low a
limit, and the law without coherency too high a limit. So an estimate is the mean of both laws, and its interval
contains the 95 % intervals of both (bootstrap) and 5 % on both sides. A wide interval is refused. The whole law alone
decides about a limit that the measurements enclose, and about a decline that they show. Only the rates with the most
requests in progress count.

Near the limit the requests in progress vary slowly, so a short measurement may miss their mean. Their standard
deviation is about their mean, and they are correlated for about R / (1 − ρ). R is the mean response time, and ρ the
share of the limit. So a rate that was measured for D seconds has the relative error √(2 R (1 − ρ) / D). A factor of 1.5
covers service times that vary more than exponential ones. The error weights the rate, and the bootstrap draws it.

`bench/usl.py` compares the estimates with simulated queues.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from toril.stats import CONFIDENCE
from toril.stats.quantiles import NORMAL_REACH, student_quantile

Floats = NDArray[np.float64]
Refused = Literal["too-few-rates", "narrow-range", "no-bend", "poor-fit", "wide-interval", "fell-behind"]

LEAST = 6  # different rates
LEAST_RANGE = 4.0  # the most requests in progress ÷ the fewest
LEAST_RISE = 4.0  # the longest mean response time ÷ the shortest: below it, the limit is too far
BEND = 2.0  # times the shortest mean response time
BEND_ERROR = 1.25  # of a ratio of two mean response times
MOST_ERROR = 0.08  # between a measured throughput and the law
SLOW_VARIATION = 1.5  # times the error of exponential service times
USUAL_ERROR = 0.03  # of a rate that was measured for a long time
LEAST_ERROR = 0.05  # half an interval, at least: so much real services differ from the law
WIDEST = 1.5  # upper ÷ lower bound of the highest throughput
WIDEST_DOUBLED = 1.3  # of the highest throughput and of the one with twice the requests in progress
# Requests in progress at the peak ÷ the most measured: below it, the measurements enclose the limit.
MEASURED_PEAK = 0.7
DECLINE = 0.95  # throughput with the most requests in progress ÷ highest throughput: below it, the decline is measured
SAMPLES = 1000  # of the bootstrap

FULL = [chosen for size in (3, 2, 1) for chosen in combinations(range(3), size)]
WITHOUT_COHERENCY = [chosen for chosen in FULL if 2 not in chosen]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """The fitted law. Rates have the unit of the measured ones."""

    gamma: Estimate
    alpha: Estimate
    beta: Estimate
    bend: tuple[float, float]  # between these measured rates the mean response time passes twice the shortest one
    limit: Estimate  # highest rate
    doubled: Estimate | None  # rate with twice the most measured requests in progress; None: its interval is too wide


@dataclass(frozen=True, slots=True)
class NoLaw:
    """Why the measurements do not support a fit."""

    code: Refused
    value: float  # the figure below or above the limit of that code


def fit(
    in_progress: Sequence[float], rates: Sequence[float], seconds: Sequence[float], too_high: float = math.inf
) -> Law | NoLaw:
    """Returns the law of the requests in progress and rates that were measured for some seconds, all above 0.

    `too_high` is the lowest rate at which the service did not answer all requests.
    """
    order = np.argsort(in_progress)
    n, x, measured_s = (np.array(values, np.float64)[order] for values in (in_progress, rates, seconds))
    times, most = n / x, float(n[-1])
    distinct = {float(f"{rate:.3g}"): place for place, rate in enumerate(x.tolist())}  # with the last place of each
    if len(distinct) < LEAST:
        return NoLaw("too-few-rates", len(distinct))
    if most < LEAST_RANGE * n[0]:
        return NoLaw("narrow-range", most / float(n[0]))
    if times.max() < LEAST_RISE * times.min():
        return NoLaw("no-bend", float(times.max() / times.min()))
    near = slice(sorted(distinct.values())[-LEAST], None)  # lower rates say little about the limit
    n_near, times_near = n[near], times[near]
    design = np.stack([np.ones_like(n_near), n_near, n_near * (n_near - 1)], axis=1) / times_near[:, None]
    first = _fitted(design, np.ones((1, len(design))), FULL)
    with np.errstate(divide="ignore"):  # a law without a limit
        idle = np.clip(1 - x[near] / _limit(first), 0, 1)
    errors = SLOW_VARIATION * np.sqrt(2 * times_near * idle / measured_s[near])
    weights = 1 / np.hypot(USUAL_ERROR, errors)
    p, _, r = whole = _fitted(design * weights[:, None], weights[None], FULL)[0]
    error = float(np.abs(1 - design @ whole).max())
    if error > MOST_ERROR:
        return NoLaw("poor-fit", error)
    random = np.random.default_rng(LEAST)  # the same measurements always have the same intervals
    laws = [_resampled(design, weights, errors, chosen, random) for chosen in (FULL, WITHOUT_COHERENCY)]
    enclosed, declines = p < r * (MEASURED_PEAK * most) ** 2, x[-1] < DECLINE * x.max()
    limit = _estimate(_limit, laws[:1] if enclosed else laws)
    doubled = _estimate(lambda law: _rate_at(law, 2 * most), laws[:1] if declines else laws)
    width = limit.high / limit.low
    if not width <= WIDEST:  # also for a bound that is no number
        return NoLaw("wide-interval", width)
    if limit.low > too_high:
        return NoLaw("fell-behind", too_high / limit.low)
    return Law(
        gamma=_estimate(lambda law: 1 / law[:, :2].sum(axis=1), laws[:1]),
        alpha=_estimate(lambda law: law[:, 1] / law[:, :2].sum(axis=1), laws[:1]),
        beta=_estimate(lambda law: law[:, 2] / law[:, :2].sum(axis=1), laws[:1]),
        bend=_bend(n, x),
        limit=limit,
        doubled=doubled if max(width, doubled.high / doubled.low) <= WIDEST_DOUBLED else None,
    )


def _fitted(design: Floats, targets: Floats, subsets: Sequence[tuple[int, ...]]) -> Floats:
    """Returns the coefficients of each row of targets: the best of the least-squares fits without a negative one."""
    best, coefficients = np.full(len(targets), np.inf), np.zeros((len(targets), 3))
    for chosen in subsets:
        part = design[:, chosen]
        found = targets @ np.linalg.pinv(part).T
        residuals = ((found @ part.T - targets) ** 2).sum(axis=1)
        better = (found >= 0).all(axis=1) & (residuals < best)
        best[better], coefficients[better] = residuals[better], 0.0
        coefficients[np.ix_(better, chosen)] = found[better]
    return coefficients


def _resampled(
    design: Floats, weights: Floats, errors: Floats, subsets: Sequence[tuple[int, ...]], random: np.random.Generator
) -> Floats:
    """Returns the coefficients of the fit in the first row, then those of fits to it with errors drawn anew."""
    points, weighted = len(design), design * weights[:, None]
    fitted = _fitted(weighted, weights[None], subsets)
    expected = design @ fitted[0]
    freedom = points - int(np.count_nonzero(fitted))
    reach = student_quantile((1 + CONFIDENCE) / 2, freedom) / NORMAL_REACH  # few points: their residuals are too small
    residuals = (1 - expected) * reach * math.sqrt(points / freedom)
    drawn = random.choice(residuals - residuals.mean(), (SAMPLES, points)) + errors * random.normal(
        size=(SAMPLES, points)
    )
    return np.concatenate([fitted, _fitted(weighted, (expected + drawn) * weights, subsets)])


def _estimate(of: Callable[[Floats], Floats], laws: Sequence[Floats]) -> Estimate:
    """Returns the mean of a figure of all laws, and an interval that contains the interval of each."""
    tails = [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]
    with np.errstate(divide="ignore", invalid="ignore"):  # a law without a limit
        figures = [of(law) for law in laws]
    ends = [np.quantile(values[1:], tails, method="nearest") for values in figures]
    value = float(np.mean([values[0] for values in figures]))
    low, high = min(low for low, _ in ends), max(high for _, high in ends)
    return Estimate(value, float(min(low, value * (1 - LEAST_ERROR))), float(max(high, value * (1 + LEAST_ERROR))))


def _limit(coefficients: Floats) -> Floats:
    p, q, r = coefficients.T
    limit: Floats = 1 / np.maximum(0.0, 2 * np.sqrt(p * r) + q - r)
    return limit


def _bend(n: Floats, x: Floats) -> tuple[float, float]:
    """Returns the measured rates around the bend; `n` ascends."""
    rise = n / x / (BEND * (n / x).min())
    first, last = int((rise >= 1 / BEND_ERROR).argmax()), len(n) - 1 - int((rise < BEND_ERROR)[::-1].argmax())
    around = x[max(0, first - 1) : last + 2]
    return float(around.min()), float(around.max())


def _rate_at(coefficients: Floats, in_progress: float) -> Floats:
    p, q, r = coefficients.T
    rate: Floats = in_progress / (p + q * in_progress + r * in_progress * (in_progress - 1))
    return rate
