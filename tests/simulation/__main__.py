"""Replays seeds: `python -m tests.simulation SEED` prints the trace; FROM-TO prints the seeds that violate a law."""

import sys

from tests.simulation.simulate import simulate, violating

if __name__ == "__main__":
    first, _, last = sys.argv[1].partition("-")
    if last:
        for outcome in violating(range(int(first), int(last))):
            sys.stdout.write(f"{outcome.seed}: {'; '.join(outcome.violations)}\n")
    else:
        sys.stdout.write(f"{simulate(int(first))}\n")
