"""The Go program passes its own tests, and its arrivals are those of the plan."""

import json
import os
import subprocess
import sys
from fractions import Fraction
from itertools import takewhile
from pathlib import Path

import pytest

from toril.load.curve import Curve
from toril.load.interleave import interleave

ROOT = Path(__file__).parents[2]
CURVES = (
    ((0.0, 40.0), (3.0, 40.0)),
    ((0.0, 0.0), (4.0, 100.0), (4.0, 20.0), (9.0, 20.0)),
    ((0.0, 90.0), (2.0, 0.0), (5.0, 0.0), (5.0, 33.3), (7.5, 12.25)),
)
WEIGHTS: tuple[list[int | Fraction], ...] = (
    [1],
    [1, 1, 1],
    [2, 1],
    [Fraction(1, 3), Fraction(1, 3), Fraction(5, 7), 4],
)
CHANGES = ((), ((1.0, 10.0),), ((0.5, 80.0), (2.5, 5.5)))


def cases():
    for points in CURVES:
        for weights in WEIGHTS:
            for changes in CHANGES:
                curve = Curve(points)
                for at_s, rps in changes:
                    curve = curve.changed(at_s, rps)
                for stripe in interleave(weights):
                    places = [stripe.place_of(own) for own in range(400)]
                    yield {
                        "points": points,
                        "stripe": {
                            "weight": stripe.weight,
                            "mates": [[group.weight, group.workers, group.before] for group in stripe.groups],
                        },
                        "changes": changes,
                        "places": places,
                        "due": list(curve.times_of(takewhile(lambda place: place < 10**9, places))),
                    }


@pytest.mark.nightly
@pytest.mark.solo  # some of them bound times
def test_the_program_s_own_tests_pass_and_its_arrivals_are_the_plan_s(tmp_path):
    arrivals = tmp_path / "arrivals.json"
    arrivals.write_text(json.dumps(list(cases())))
    command = [sys.executable, str(ROOT / "tools" / "golang.py"), str(ROOT / "tools" / "engine"), "test", "./..."]
    environment = {**os.environ, "TORIL_ARRIVALS": str(arrivals)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
