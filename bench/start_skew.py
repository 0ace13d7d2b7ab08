"""How far the first requests of three workers are from the starting gun, as the workers themselves measured it.

.venv/bin/python bench/start_skew.py [ENGINE …] [--runs 5]
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.overhead import suite, target  # noqa: E402 - benches share their target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engines", nargs="*", metavar="ENGINE", default=["locust", "jmeter", "apiritif"])
    parser.add_argument("--runs", type=int, default=5)
    asked = parser.parse_args()
    sys.stdout.write("\n| engine | median | worst of three workers, median | at worst |\n|---|---|---|---|\n")
    for engine in asked.engines:
        sys.stdout.write(row(engine, asked.runs))
        sys.stdout.flush()


def row(engine: str, runs: int) -> str:
    """Lateness of each worker's first request, over all runs."""
    worst, all_s = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        with target(folder) as url:
            path = suite(folder, url, engine, 3)
            for number in range(runs):
                store = folder / f"store-{number}"
                command = [sys.executable, "-m", "toril", "run", path, "--store", store, "--workers", "3", "--quiet"]
                subprocess.run([*map(str, command), "--fail-on", "none"], check=True, stdout=subprocess.DEVNULL)
                exits = [json.loads(found.read_text()) for found in store.glob("runs/*/workers/*/*/exit.json")]
                late_s = [s for left in exits for s in left["first_sample_lateness_s"].values()]
                worst.append(max(late_s))
                all_s += late_s
    figures = (statistics.median(all_s), statistics.median(worst), max(worst))
    return f"| {engine} | " + " | ".join(f"{figure * 1000:.0f} ms" for figure in figures) + " |\n"


if __name__ == "__main__":
    main()
