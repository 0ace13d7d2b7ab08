"""Replays seeds: `python -m tests.simulation SEED [WHERE]` prints the trace, FROM-TO the seeds that violate a law.

WHERE: fargate, agents or both.
"""

import sys

from tests.simulation.scenario import PLACES, scenario_of
from tests.simulation.simulate import simulate

if __name__ == "__main__":
    first, _, last = sys.argv[1].partition("-")
    (where,) = [one for one in PLACES if one == (sys.argv[2] if len(sys.argv) > 2 else "fargate")]
    if last:
        for seed in range(int(first), int(last)):
            outcome = simulate(seed, scenario=scenario_of(seed, where))
            if outcome.violations:
                sys.stdout.write(f"{seed}: {'; '.join(outcome.violations)}\n")
    else:
        sys.stdout.write(f"{simulate(int(first), scenario=scenario_of(int(first), where))}\n")
