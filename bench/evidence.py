"""Measures what keeping requests and responses costs: CPU of a request with evidence, beside `evidence: {off: true}`.

Alternating runs of `toril run` with one worker at full load, as in bench/engines.py, against a target that answers all
requests with 200, and against one that fails all of them with 503. CPU is that of worker and engine without the first
seconds. A pair of runs, one with evidence and one without, gives a ratio. The table has the median of the ratios and
the smallest and largest of them.

    .venv/bin/python bench/evidence.py [ENGINE …] [--pairs 5] [--rate 25000]

It fails if a median is above 1 %.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.engines import BY_TORIL, WARM_S, Measured, steady  # noqa: E402 - scripts are run by their paths
from bench.overhead import target  # noqa: E402
from toril.timeline.intervals import decode  # noqa: E402

ENGINES = ("vegeta", "jmeter", "locust", "apiritif")
PATHS = {"0 %": "/", "100 %": "/status/503"}
GOAL = 0.01
SUITE = """
execution: [{{executor: {engine}, {load}, hold-for: {seconds}s, scenario: home}}]
scenarios: {{home: {{default-address: '{url}', keepalive: true, requests: [{{url: {path}, label: home}}]}}}}
reporting: [{{module: passfail, criteria: ['p95 of home>10s for 5s']}}]  # so the slowest request of `home` is kept, too
toril: {{evidence: {{"off": {off}}}}}
"""
HEAD = """
| engine | failures | µs of CPU a request without evidence | with | difference, median (goal ≤ 1 %) | of the pairs |
|---|---|---|---|---|---|
"""


def measured(engine: str, url: str, path: str, folder: Path, rate: int, *, off: bool) -> Measured:
    load = f"throughput: {rate}" if engine == "vegeta" else "concurrency: 10"
    seconds, suite = BY_TORIL[engine], folder / "suite.yml"
    text = SUITE.format(engine=engine, load=load, seconds=seconds, url=url, path=path, off=str(off).lower())
    suite.write_text(text)
    with tempfile.TemporaryDirectory(dir=folder) as store:
        command = [sys.executable, "-m", "toril", "run", suite, "--store", store, "--workers", "1", "--quiet"]
        subprocess.run([*map(str, command), "--fail-on", "none"], check=True, stdout=subprocess.DEVNULL)
        files = sorted(Path(store).glob("runs/*/workers/*/*/intervals-*"))
        return steady([decode(one.read_bytes(), one.name) for one in files], WARM_S.get(engine, 2), seconds - 1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("engines", nargs="*", metavar="ENGINE", default=list(ENGINES), help="of " + ", ".join(ENGINES))
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--rate", type=int, default=25_000, help="Rate for vegeta.")
    asked = parser.parse_args()
    sys.stdout.write(HEAD)
    worst = 0.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        with target(folder) as url:
            for engine in asked.engines:
                for failures, path in PATHS.items():
                    runs: dict[bool, list[float]] = {True: [], False: []}  # by `off`
                    for number in range(asked.pairs):
                        for off in (number % 2 == 0, number % 2 == 1):  # neither side is always the first one
                            runs[off].append(measured(engine, url, path, folder, asked.rate, off=off).cpu_us)
                    ratios = sorted(on / off - 1 for on, off in zip(runs[False], runs[True], strict=True))
                    middle = statistics.median(ratios)
                    worst = max(worst, middle)
                    without, with_it = (statistics.median(runs[off]) for off in (True, False))
                    sys.stdout.write(
                        f"| {engine} | {failures} | {without:.1f} | {with_it:.1f} | **{middle:+.1%}** "
                        f"| {ratios[0]:+.1%} to {ratios[-1]:+.1%} |\n"
                    )
                    sys.stdout.flush()
    return 1 if worst > GOAL else 0


if __name__ == "__main__":
    sys.exit(main())
