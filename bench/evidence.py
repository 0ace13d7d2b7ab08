"""Measures what keeping requests and responses costs: CPU of a request with evidence, beside `evidence: {off: true}`.

A pair are two runs of `toril run` at the same time, one with evidence and one without, with one worker each at full
load, against a target that answers all requests with 200, and against one that fails all of them with 503. What
disturbs the machine then disturbs both. CPU is that of worker and engine, without the first seconds. A pair gives a
ratio; the table has the mean of the ratios with its 95 % interval by Student's t.

    .venv/bin/python bench/evidence.py [ENGINE …] [--pairs 10] [--rate 20000]

It fails if the lower bound of an interval is above 1 %: then a higher cost is proven.
"""

import argparse
import math
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.engines import Measured, steady  # noqa: E402 - scripts are run by their paths
from bench.overhead import target  # noqa: E402
from toril.stats.quantiles import student_quantile  # noqa: E402
from toril.timeline.intervals import decode  # noqa: E402

ENGINES = {"vegeta": (2, 12), "jmeter": (12, 25), "locust": (2, 12), "apiritif": (2, 12)}  # warm-up and load in seconds
PATHS = {"0 %": "/", "100 %": "/status/503"}
GOAL = 0.01
SUITE = """
execution: [{{executor: {engine}, {load}, hold-for: {seconds}s, scenario: home}}]
scenarios: {{home: {{default-address: '{url}', keepalive: true, requests: [{{url: {path}, label: home}}]}}}}
reporting: [{{module: passfail, criteria: ['p95 of home>10s for 5s']}}]  # so the slowest request of `home` is kept, too
toril: {{evidence: {{"off": {off}}}}}
"""
HEAD = """
| engine | failures | µs of CPU a request without, median | with | difference, mean (goal ≤ 1 %) | its 95 % interval |
|---|---|---|---|---|---|
"""


class Running:
    """A run of toril; `measured` waits for its end."""

    def __init__(self, engine: str, url: str, path: str, folder: Path, rate: int, *, off: bool) -> None:
        self.warm_s, self.seconds = ENGINES[engine]
        load = f"throughput: {rate}" if engine == "vegeta" else "concurrency: 10"
        self.store = folder / "store"
        self.store.mkdir(parents=True)
        text = SUITE.format(engine=engine, load=load, seconds=self.seconds, url=url, path=path, off=str(off).lower())
        (folder / "suite.yml").write_text(text)
        command = [sys.executable, "-m", "toril", "run", folder / "suite.yml", "--store", self.store, "--workers", "1"]
        command += ["--quiet", "--fail-on", "none"]
        self.process = subprocess.Popen([*map(str, command)], stdout=subprocess.DEVNULL)

    def measured(self) -> Measured:
        if self.process.wait():
            raise subprocess.CalledProcessError(self.process.returncode, self.process.args)
        files = sorted(self.store.glob("runs/*/workers/*/*/intervals-*"))
        return steady([decode(one.read_bytes(), one.name) for one in files], self.warm_s, self.seconds - 1)


def pair(engine: str, url: str, path: str, rate: int, *, off_first: bool) -> dict[bool, float]:
    """Returns the CPU of a request by `off`, in µs, of two runs at the same time."""
    with tempfile.TemporaryDirectory() as name:
        both = {}
        for off in (off_first, not off_first):
            both[off] = Running(engine, url, path, Path(name) / str(off), rate, off=off)
        return {off: one.measured().cpu_us for off, one in both.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("engines", nargs="*", metavar="ENGINE", default=list(ENGINES), help="of " + ", ".join(ENGINES))
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--rate", type=int, default=20_000, help="Rate for vegeta, of each of both runs.")
    asked = parser.parse_args()
    sys.stdout.write(HEAD)
    proven = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        with target(folder) as url:
            for engine in asked.engines:
                for failures, path in PATHS.items():
                    pairs = [
                        pair(engine, url, path, asked.rate, off_first=number % 2 == 0) for number in range(asked.pairs)
                    ]
                    changes = [math.log(one[False] / one[True]) for one in pairs]
                    mean = statistics.mean(changes)
                    reach = student_quantile(0.975, len(changes) - 1) * statistics.stdev(changes)
                    reach /= math.sqrt(len(changes))
                    low, middle, high = (math.expm1(one) for one in (mean - reach, mean, mean + reach))
                    proven |= low > GOAL
                    without, with_it = (statistics.median(one[off] for one in pairs) for off in (True, False))
                    sys.stdout.write(
                        f"| {engine} | {failures} | {without:.1f} | {with_it:.1f} | **{middle:+.1%}** "
                        f"| {low:+.1%} to {high:+.1%} |\n"
                    )
                    sys.stdout.flush()
    return int(proven)


if __name__ == "__main__":
    sys.exit(main())
