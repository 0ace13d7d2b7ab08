"""Measures how soon changes of nightly figures are found, and how often one is found that is none, beside Otava.

    python bench/trend.py [--series 200]

Nights are simulated: 60 runs whose figure varies by 5 %, with a step before night 45 or without one. Every rule reads
each series again after each night, from the tenth on. Otava runs with its own defaults (window 50, p 0.001) in
`.tools/oracle`, if that exists. The public series are in tests/data/series; their known changes are those of their
source.

A second table has 100 nights of other noise, with the same test as if nights were independent beside it: confirmed
places for the worse of 3 % or more, where none is, and the share of series that find +10 % within 15 nights.
"""

import argparse
import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from toril.regression.trend import (  # noqa: E402 - after the path
    CONFIDENCE,
    CONFIRMING,
    LEAST_CHANGE,
    OUTSIDE,
    PREDICTING,
)
from toril.stats.edivisive import splits  # noqa: E402
from toril.stats.paired import prediction  # noqa: E402
from toril.stats.quantiles import student_quantile  # noqa: E402

NIGHTS, STEP, VARIATION, FIRST = 60, 45, 0.05, 10
SIZES = (0.03, 0.05, 0.10, 0.20)
LONG, WITHIN = 100, 15  # nights of the series with other noise, and in which a change is looked for
NEAR = 2  # runs between a step and the place that counts as found
ORACLE = ROOT / ".tools/oracle/bin/python"
OTAVA = """
import json, sys
from otava.analysis import compute_change_points
for line in sys.stdin:
    found, _ = compute_change_points(json.loads(line), window_len=50, max_pvalue=0.001)
    print(json.dumps([int(one.index) for one in found]), flush=True)
"""

Series = Sequence[float]
Rule = Callable[[Series], list[int]]
Floats = NDArray[np.float64]
Noise = Callable[[np.random.Generator, int], Floats]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", type=int, default=200, help="of each kind; a thousand without a change")
    parser.add_argument("--noise", type=int, default=60, help="series of each noise")
    options = parser.parse_args()
    count = options.series
    rules: dict[str, Rule] = {
        "toril: confirmed": confirmed,
        "toril: confirmed or suspected": lambda values: confirmed(values) or suspected(values),
        "10 % above the mean of 14 nights": above_mean,
    }
    otava = Otava() if ORACLE.exists() else None
    if otava is None:
        print("Otava is not installed in .tools/oracle: `make oracle`\n")
    else:
        rules["Otava 0.8: window 50, p 0.001"] = otava
    sizes = " | ".join(f"+{100 * size:.0f} %: found, nights" for size in SIZES)
    print(f"| rule | {sizes} | false alarms a series | a night | ms a reading |")
    print("|---|" + "---|" * (len(SIZES) + 3))
    for name, rule in rules.items():
        flat = 1000 if rule is not otava else count
        cells = [after_step(rule, size, count) for size in SIZES]
        print(f"| {name} | {' | '.join(cells)} | {without_change(rule, flat)} |", flush=True)
    print("\n| noise | false places in 100 nights | series with one | +10 %: found, nights | as if independent | | |")
    print("|---|---|---|---|---|---|---|")
    for name, noise in NOISES.items():
        cells = [cell for rule in (worse, independent) for cell in beside_noise(rule, noise, options.noise)]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    print("\n| public series | values | known | toril | of these ≥ 3 % | Otava |\n|---|---|---|---|---|---|")
    for path in sorted((ROOT / "tests/data/series").glob("*.json")):
        for name, one in json.loads(path.read_text()).items():
            logs = np.log(one["values"]).tolist()
            all_places = [place.place for place in splits(logs, CONFIRMING, correlated=True)]
            ours = [all_places, confirmed(logs), otava(one["values"]) if otava else None]
            cells = [
                ", ".join(map(str, places)) if places is not None else "–" for places in ([*one["changes"]], *ours)
            ]
            print(f"| {path.stem}: {name} | {len(one['values'])} | {' | '.join(cell or 'none' for cell in cells)} |")


def night_values(seed: int, size: float) -> list[float]:
    """Returns logarithms of a figure: a step of `size` before night STEP."""
    values = np.random.default_rng(seed).normal(0, VARIATION, NIGHTS)
    values[STEP:] += np.log1p(size)
    return [float(one) for one in values + np.log(40_000)]


def after_step(rule: Rule, size: float, count: int) -> str:
    """Returns the share of series whose step is found, and the median number of nights until then."""
    nights = []
    for seed in range(count):
        values = night_values(seed, size)
        found = (
            night - STEP
            for night in range(STEP + 1, NIGHTS + 1)
            if any(abs(place - STEP) <= NEAR for place in rule(values[:night]))
        )
        if first := next(found, None):
            nights.append(first)
    return f"{100 * len(nights) / count:.0f} %, {statistics.median(nights):g}" if nights else "0 %, –"


def without_change(rule: Rule, count: int) -> str:
    """Returns the shares of unchanged series and of their nights with a place, and the time of one reading."""
    series, alarms, began = 0, 0, time.process_time()
    for seed in range(10_000, 10_000 + count):
        values = night_values(seed, 0.0)
        nights = sum(bool(rule(values[:night])) for night in range(FIRST, NIGHTS + 1))
        series, alarms = series + bool(nights), alarms + nights
    readings = count * (NIGHTS + 1 - FIRST)
    took_ms = 1000 * (time.process_time() - began) / readings
    shown = f"{took_ms:.2f}" if not isinstance(rule, Otava) else "–"
    return f"{100 * series / count:.1f} % of {count} | {100 * alarms / readings:.2f} % | {shown}"


def worse(values: Series, *, correlated: bool = True) -> list[int]:
    found = splits(values, CONFIRMING, correlated=correlated)
    return [one.place for one in found if one.after - one.before > np.log1p(LEAST_CHANGE)]


def independent(values: Series) -> list[int]:
    return worse(values, correlated=False)


def beside_noise(rule: Rule, noise: Noise, count: int) -> list[str]:
    """Returns the new places in 100 nights without a change, the share of series with one, and how +10 % is found."""
    false, nights = [], []
    for seed in range(count):
        values, known = noise(np.random.default_rng(1000 + seed), LONG).tolist(), list[int]()
        for night in range(FIRST, LONG + 1):
            known += [one for one in rule(values[:night]) if all(abs(one - other) > NEAR for other in known)]
        false.append(len(known))
        stepped = noise(np.random.default_rng(5000 + seed), NIGHTS)
        stepped[STEP:] += np.log1p(0.1)
        ends = (rule(stepped[: STEP + look].tolist()) for look in range(1, WITHIN + 1))
        nights += [look for look, found in enumerate(ends, 1) if any(abs(one - STEP) <= NEAR for one in found)][:1]
    found = f"{100 * len(nights) / count:.0f} %, {statistics.median(nights):g}" if nights else "0 %, –"
    return [f"{np.mean(false):.2f}", f"{100 * np.mean([one > 0 for one in false]):.0f} %", found]


def autoregressive(chance: np.random.Generator, nights: int, correlation: float) -> Floats:
    steps = chance.normal(0, 0.03, nights)
    for night in range(1, nights):
        steps[night] = correlation * steps[night - 1] + math.sqrt(1 - correlation**2) * steps[night]
    return steps


def on_some(chance: np.random.Generator, chosen: NDArray[np.bool_], change: float) -> Floats:
    """Returns nights that vary by 3 %, and that are changed where `chosen`."""
    return np.asarray(chance.normal(0, 0.03, len(chosen)) + math.log1p(change) * chosen)


NOISES: dict[str, Noise] = {
    "independent, 3 %": lambda chance, nights: chance.normal(0, 0.03, nights),
    "independent, 5 %": lambda chance, nights: chance.normal(0, 0.05, nights),
    "independent, 10 %": lambda chance, nights: chance.normal(0, 0.1, nights),
    "heavy tails: t with 3 degrees of freedom, 3 %": lambda chance, nights: 0.03 * chance.standard_t(3, nights),
    "one night in 20 is 50 % slower": lambda chance, nights: on_some(chance, chance.random(nights) < 0.05, 0.5),
    "correlated, AR(0.5), 3 %": lambda chance, nights: autoregressive(chance, nights, 0.5),
    "correlated, AR(0.8), 3 %": lambda chance, nights: autoregressive(chance, nights, 0.8),
    "random walk, 1 % a night": lambda chance, nights: np.cumsum(chance.normal(0, 0.01, nights)),
    "weekends are 20 % faster": lambda chance, nights: on_some(chance, np.arange(nights) % 7 > 4, -0.2),
    "the last three nights of 30 are 15 % slower": lambda chance, nights: on_some(
        chance, np.arange(nights) % 30 > 26, 0.15
    ),
}


def confirmed(values: Series) -> list[int]:
    least = float(np.log1p(LEAST_CHANGE))
    return [
        one.place
        for one in splits(values, CONFIRMING, correlated=True)
        if abs(one.after - one.before) > max(least, student_quantile((1 + CONFIDENCE) / 2, one.freedom) * one.error)
    ]


def suspected(values: Series) -> list[int]:
    for count in (2, 1):
        old, new = values[-count - PREDICTING : -count], values[-count:]
        if len(old) == PREDICTING:
            _, low, high = prediction(old, OUTSIDE / 2)
            if min(new) > high or max(new) < low:
                return [len(values) - count]
    return []


def above_mean(values: Series) -> list[int]:
    return [len(values) - 1] if values[-1] > np.log(np.mean(np.exp(values[-15:-1]))) + np.log(1.1) else []


class Otava:
    """Apache Otava in an environment of its own; values are logarithms, as for the other rules."""

    def __init__(self) -> None:
        command = [str(ORACLE), "-c", OTAVA]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, values: Series) -> list[int]:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(list(values)) + "\n")
        self._process.stdin.flush()
        found: list[int] = json.loads(self._process.stdout.readline())
        return found


if __name__ == "__main__":
    main()
