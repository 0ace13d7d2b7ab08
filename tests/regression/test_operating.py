"""How often the rule fails, passes and decides, by simulation with its own code."""

import math
import random

import pytest

from toril.regression.pairs import DuetFigure
from toril.regression.rule import DecidedFigure, judged, outcome_of
from toril.stats.paired import sample_of
from toril.stats.sequential import looks_of

LOOKS = looks_of(10)
MARGIN, SPREAD = 0.03, 0.054  # a noisy machine with 2,000 requests a block
NIGHT = pytest.mark.nightly


def decided(chance: random.Random, changes: tuple[float, ...]) -> str:
    """Returns the outcome of one duet, with a figure for each change."""
    values = [[math.log1p(change) + chance.gauss(0, SPREAD) for _ in range(LOOKS[-1])] for change in changes]
    for number, look in enumerate(LOOKS, 1):
        measured = [
            DecidedFigure(
                DuetFigure(str(place), "p95", 95.0, MARGIN), sample_of(one[:look]), None, None, 0.05, "inconclusive", ()
            )
            for place, one in enumerate(values)
        ]
        outcome = outcome_of(judged(measured, LOOKS, number))
        if outcome != "inconclusive":
            return outcome
    return "inconclusive"


@pytest.mark.parametrize("series", [400, pytest.param(20_000, marks=NIGHT)])
@pytest.mark.parametrize(
    ("changes", "outcome", "low", "high"),
    [
        ((0.0,), "failed", 0.0, 0.01),
        ((MARGIN,), "failed", 0.035, 0.05),
        ((MARGIN,), "passed", 0.035, 0.05),
        ((0.1,), "failed", 0.97, 1.0),
        ((-0.03,), "passed", 0.9, 1.0),
        ((MARGIN,) * 3, "failed", 0.025, 0.05),
    ],
)
def test_rates_are_those_promised(
    series: int, changes: tuple[float, ...], outcome: str, low: float, high: float
) -> None:
    chance = random.Random(18)
    rate = sum(decided(chance, changes) == outcome for _ in range(series)) / series
    error = 3 * math.sqrt(max(rate * (1 - rate), 0.01) / series)
    assert low - error <= rate <= high + error
