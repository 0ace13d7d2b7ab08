"""Measures the duration of commands: `toril --version`, `--help`, `runs` and `plan`, and `toril run` without its load.

    python bench/command.py [ENGINE …] [--runs 5]

In turn, on one target: `toril run` with one worker, bzt on the same suite, and for Locust the equivalent
`locust --headless`. Between them runs `locust --version`, which takes as long as importing Locust. The target measures
the time to the first request. The time after the load is the rest of the command.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.overhead import BZT_LIMIT_S, bzt_command  # noqa: E402 - beside this file
from tests.targets import target  # noqa: E402 - the tests' own, beside the package

SECONDS = 3  # duration of the load
ENGINES = {"vegeta": {"throughput": 20}, "locust": {"concurrency": 2}, "jmeter": {"concurrency": 2}}
OF_BZT = {"locust", "jmeter"}  # bzt has no executor for vegeta
DEMO = ROOT / "loadtests" / "shop"
TORIL = (sys.executable, "-m", "toril")
LOCUST = (sys.executable, "-m", "locust")
LOCUSTFILE = """
from locust import HttpUser, task

class Plain(HttpUser):
    @task
    def home(self):
        self.client.get("/", name="home")
"""
COMMANDS: dict[str, Sequence[str]] = {
    "toril --version": (*TORIL, "--version"),
    "toril --help": (*TORIL, "--help"),
    "toril runs": (*TORIL, "runs", "--store", tempfile.gettempdir()),
    "toril plan loadtests/shop": (*TORIL, "plan", str(DEMO), "--env", "SHOP_URL=http://127.0.0.1:1"),
    "locust --version": (*LOCUST, "--version"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("engines", nargs="*", metavar="ENGINE", default=list(ENGINES), help="of " + ", ".join(ENGINES))
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    print("| command | median | at worst |\n|---|---|---|")
    turns = [{name: took(command) for name, command in COMMANDS.items()} for _ in range(arguments.runs)]
    for name in COMMANDS:
        walls = [turn[name] for turn in turns]
        print(f"| `{name}` | {statistics.median(walls):.2f} s | {max(walls):.2f} s |", flush=True)
    print("\n| engine | command | until the first request | after the load | together, median | at worst |")
    print("|---|---|---|---|---|---|")
    for engine in arguments.engines:
        runs: dict[str, list[tuple[float, float]]] = {}
        for _ in range(arguments.runs):
            for peer in peers(engine):
                runs.setdefault(peer, []).append(outside_load(peer, engine))
        for peer, found in runs.items():
            before, after = (statistics.median(column) for column in zip(*found, strict=True))
            both = [first + last for first, last in found]
            figures = " | ".join(f"{value:.2f} s" for value in (before, after, statistics.median(both), max(both)))
            print(f"| {engine} | {peer} | {figures} |", flush=True)


def took(command: Sequence[str]) -> float:
    began = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - began


def peers(engine: str) -> list[str]:
    return ["toril run", *(["bzt"] if engine in OF_BZT else []), *(["locust --headless"] if engine == "locust" else [])]


def outside_load(peer: str, engine: str) -> tuple[float, float]:
    """Returns the seconds from the command to its first request, and from the end of the load to its exit."""
    with target() as service, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = command_of(peer, folder, engine, service.url)
        began = time.time()
        subprocess.run(
            command, cwd=folder, check=True, timeout=BZT_LIMIT_S, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        ended = time.time()
        if service.first_at is None:
            raise RuntimeError(f"{peer} with {engine} sent no request")
        return service.first_at - began, ended - service.first_at - SECONDS


def command_of(peer: str, folder: Path, engine: str, url: str) -> list[str]:
    if peer == "locust --headless":
        (folder / "locustfile.py").write_text(LOCUSTFILE)
        return [*LOCUST, "--headless", "-u", "2", "-r", "2", "-t", f"{SECONDS}s", "-H", url, "--only-summary"]
    scenario: dict[str, Any] = {"requests": [f"{url}/"]}
    execution = {"executor": engine, "hold-for": f"{SECONDS}s", "scenario": scenario, **ENGINES[engine]}
    suite = folder / "suite.json"
    suite.write_text(json.dumps({"execution": [execution]}))
    if peer == "bzt":
        return bzt_command(folder, suite)
    return [*TORIL, "run", str(suite), "--store", str(folder / "store"), "--workers", "1", "--fail-on", "none"]


if __name__ == "__main__":
    main()
