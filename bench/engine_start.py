"""What an engine takes until it is parked: seconds, and seconds of CPU. The gap between turns of a duet is made of it.

    python bench/engine_start.py [--runs 3]

Each run is `toril run` with one worker for a second of load; its log says what the engine took.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.targets import target  # noqa: E402 - the tests' own, beside the package

ENGINES = ("locust", "apiritif", "jmeter")
PARKED = re.compile(r"its engine was parked after ([0-9.]+) s and ([0-9.]+) s of CPU")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    runs = parser.parse_args().runs
    print("| engine | parked after, median | at worst | CPU, median | at worst |")
    print("|---|---|---|---|---|")
    with target() as service, tempfile.TemporaryDirectory() as folder:
        for engine in ENGINES:
            took = [measured(Path(folder) / f"{engine}-{run}", engine, service.url) for run in range(runs)]
            wall, cpu = zip(*took, strict=True)
            figures = (statistics.median(wall), max(wall), statistics.median(cpu), max(cpu))
            print(f"| {engine} | " + " | ".join(f"{figure:.2f} s" for figure in figures) + " |", flush=True)


def measured(store: Path, engine: str, url: str) -> tuple[float, float]:
    store.mkdir(parents=True)
    suite = store / "suite.json"
    execution = {"scenario": {"requests": [f"{url}/"]}, "executor": engine, "concurrency": 2, "hold-for": "1s"}
    suite.write_text(json.dumps({"execution": execution}))
    command = [sys.executable, "-m", "toril", "run", str(suite), "--store", str(store), "--quiet", "--fail-on", "none"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (log,) = store.glob("runs/*/workers/*/*/bzt.log")
    found = PARKED.search(log.read_text())
    if found is None:
        raise RuntimeError(f"{log} does not say when the engine was parked")
    return float(found[1]), float(found[2])


if __name__ == "__main__":
    main()
