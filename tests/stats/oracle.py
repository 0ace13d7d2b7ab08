"""Computes values for the tests of `toril.stats` by SciPy. `make oracle` runs it and writes oracle.json.

It imports nothing of toril. SciPy has no group-sequential levels, so they come from its multivariate normal: with many
values, the statistics of several looks are normal, and the correlation of two is the root of the ratio of their sizes.
"""

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
from scipy import optimize, stats

FILE = Path(__file__).with_name("oracle.json")
FIRST = [0.012, 0.05, -0.02, 0.031, 0.044]
SECOND = [0.002, -0.013, 0.001, 0.009]
DESIGNS = [(0.05, (500, 1000)), (0.025, (300, 600, 1000)), (0.0125, (250, 400, 700, 1000))]


def values() -> dict[str, Any]:
    welch = stats.ttest_ind(FIRST, SECOND, equal_var=False)
    return {
        "student": [[p, nu, stats.t.ppf(p, nu)] for p in (0.8, 0.95, 0.9999) for nu in (1, 4.5, 9, 33.3, 200)],
        "bounds": [[FIRST, level, low_of(FIRST, level)] for level in (0.05, 0.004, 1e-6)],
        "welch": [FIRST, SECOND, welch.df, (np.mean(FIRST) - np.mean(SECOND)) / welch.statistic],
        "power": [[n, power, power_of(n, power)] for n in (5, 10, 40) for power in (0.8, 0.9)],
        "share": [[k, n, exact(k, n)] for k, n in ((1, 10), (3, 40), (1, 60), (60, 60))],
        "looks": [[alpha, list(at), levels(alpha, at)] for alpha, at in DESIGNS],
    }


def low_of(found: list[float], level: float) -> float:
    return float(stats.ttest_1samp(found, 0, alternative="greater").confidence_interval(1 - level).low)


def power_of(count: int, power: float) -> float:
    """Returns the true power of a test at 5 %, at the distance of t(0.95) + t(power) standard errors."""
    least = stats.t.ppf(0.95, count - 1)
    return float(stats.nct.sf(least, count - 1, least + stats.t.ppf(power, count - 1)))


def exact(part: int, whole: int) -> float:
    return float(stats.binomtest(part, whole, alternative="greater").proportion_ci(0.95, "exact").low)


def levels(alpha: float, looks: tuple[int, ...]) -> list[float]:
    """Returns the nominal levels that spend alpha · t²."""
    found: list[float] = []
    for number, look in enumerate(looks, 1):
        sizes = np.array(looks[:number])
        correlation = np.sqrt(np.minimum.outer(sizes, sizes) / np.maximum.outer(sizes, sizes))
        normal = stats.multivariate_normal(cov=correlation, allow_singular=True, maxpts=1_000_000, abseps=1e-8, seed=1)
        spent = alpha * (look / looks[-1]) ** 2

        def excess(limit: float, number: int = number, spent: float = spent, normal: Any = normal) -> float:
            return float(1 - normal.cdf([*found[: number - 1], limit]) - spent)

        found.append(optimize.brentq(excess, 1.0, 6.0, xtol=1e-8))
    return [float(stats.norm.sf(limit)) for limit in found]


def rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [rounded(one) for one in value]
    return value if isinstance(value, int) or math.isinf(value) else float(f"{value:.9g}")


def written() -> str:
    lines = (f" {json.dumps(key)}: {json.dumps(rounded(value))}" for key, value in values().items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    sys.stdout.write(written())
