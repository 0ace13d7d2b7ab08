"""Runs generated suites and prints what an engine does otherwise than the model.

python -m tests.engines.differential 0-3000 [jmeter|apiritif|toril]
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.engines.differential.generate import generated
from tests.engines.differential.model import predicted
from tests.engines.differential.observe import observe

AT_ONCE = 100


def wrong(engine: str, seeds: Sequence[int]) -> list[str]:
    """Returns a text for each of these suites that the engine runs otherwise than the model predicts."""
    cases = [generated(seed) for seed in seeds]
    with tempfile.TemporaryDirectory() as folder:
        observed = observe(engine, cases, Path(folder))
    found = ((case, observed[case.name], predicted(case)) for case in cases if case.name in observed)
    return [f"{case.name}:\n{seen}\n instead of\n{wanted}" for case, seen, wanted in found if seen != wanted]


def main(seeds: str, engine: str = "toril") -> int:
    first, _, after = seeds.partition("-")
    span = range(int(first), int(after or int(first) + 1))
    bad = 0
    for start in range(span.start, span.stop, AT_ONCE):
        for text in wrong(engine, span[start - span.start : start - span.start + AT_ONCE]):
            print(text)  # noqa: T201
            bad += 1
    print(f"{len(span)} suites, {bad} differ")  # noqa: T201
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
