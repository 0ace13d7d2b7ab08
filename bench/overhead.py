"""Measures toril's overhead over plain bzt: requests per generator CPU-second, and wall time outside the load.

Alternating runs of the same suite, engine and target: `toril run` with one worker, then `bzt`. The CPU of toril is that
of worker and engine (the coordinator's is separate), that of bzt its whole process tree. The target is nginx, with one
process and a fixed small answer, or the tests' own if nginx is not installed.

    .venv/bin/python bench/overhead.py [ENGINE …] [--pairs 3] [--seconds 3]
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.targets import target as serving  # noqa: E402 - the tests' target is outside the package
from toril.programs import JMETER_VERSION, jmeter_home  # noqa: E402

NGINX = """
worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log; daemon off;
events {{ worker_connections 1024; }}
http {{ access_log off; client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
uwsgi_temp_path {folder}; scgi_temp_path {folder}; keepalive_requests 10000000;
server {{ listen 127.0.0.1:{port}; location / {{ return 200 "{body}"; }}
location = /status/503 {{ return 503 "{body}"; }} }} }}
"""
BZT_LIMIT_S, BZT_TRIES = 40, 3  # bzt with Apiritif sometimes hangs: its load generator waits for itself
SECONDS = {"jmeter": 6}  # minimum duration of the load, for the JVM's warm-up
ENGINES = {
    "fast": "Locust, own `FastHttpUser`",
    "jmeter": "JMeter",
    "apiritif": "Apiritif",
    "locust": "Locust, generated",
}
USUAL = ("fast", "jmeter")
HEAD = """
| engine | toril: requests per generator CPU-s | bzt | ratio (goal 1.0) | coordinator CPU | wall outside load | bzt |
|---|---|---|---|---|---|---|
"""
FAST_SCRIPT = """
from locust import FastHttpUser, task

class Fast(FastHttpUser):
    @task
    def home(self):
        self.client.get("/", name="home")
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: samples, CPU-seconds of generator and coordinator, wall-clock seconds."""

    samples: int
    generator_cpu_s: float
    coordinator_cpu_s: float
    wall_s: float

    @property
    def rps_per_core(self) -> float:
        return self.samples / self.generator_cpu_s


@contextmanager
def target(folder: Path) -> Iterator[str]:
    """Yields the address of a target that is much faster than any engine."""
    program = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if program is None:
        with serving() as own:
            yield own.url
        return
    port = 18000 + os.getpid() % 1000
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port, body="0123456789abcdef" * 4))
    process = subprocess.Popen(
        [program, "-c", str(folder / "nginx.conf"), "-p", str(folder)], stderr=subprocess.DEVNULL
    )
    try:
        time.sleep(0.5)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def suite(folder: Path, url: str, engine: str, seconds: int) -> Path:
    execution: dict[str, Any] = {"executor": engine, "concurrency": 10, "hold-for": f"{seconds}s", "scenario": "home"}
    scenario: dict[str, Any] = {"requests": [{"url": f"{url}/", "label": "home"}], "default-address": url}
    if engine == "fast":
        execution["executor"] = "locust"
        scenario = {"script": "fast.py", "default-address": url}
        (folder / "fast.py").write_text(FAST_SCRIPT)
    if engine == "jmeter":
        scenario["keepalive"] = True
    path = folder / "suite.json"
    path.write_text(json.dumps({"execution": [execution], "scenarios": {"home": scenario}}))
    return path


def children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def toril(folder: Path, suite_path: Path) -> Measured:
    store = Path(tempfile.mkdtemp(dir=folder))
    before, began = children_cpu_s(), time.monotonic()
    command = [sys.executable, "-m", "toril", "run", suite_path, "--store", store, "--workers", "1", "--quiet"]
    subprocess.run([*map(str, command), "--fail-on", "none"], check=True, stdout=subprocess.DEVNULL)
    wall_s, cpu_s = time.monotonic() - began, children_cpu_s() - before
    (exit_file,) = store.glob("runs/*/workers/*/*/exit.json")
    left = json.loads(exit_file.read_text())
    generator = left["cpu_worker_s"] + left["cpu_engines_s"]
    return Measured(left["samples"], generator, max(0.0, cpu_s - generator), wall_s)


def bzt_command(folder: Path, suite_path: Path, *more: Path) -> list[str]:
    """Returns the command of plain bzt without network and screen, with its artifacts in the folder."""
    base = {
        "settings": {"check-updates": False, "artifacts-dir": str(folder)},
        "modules": {
            "apiritif": {"dry-install": True},
            "jmeter": {
                "path": str(jmeter_home() / "bin" / "jmeter"),
                "version": JMETER_VERSION,
                "detect-plugins": False,
                "force-ctg": False,
            },
            "console": {"disable": True},
        },
    }
    base_path = folder / "base.json"
    base_path.write_text(json.dumps(base))
    return list(map(str, [Path(sys.executable).parent / "bzt", "-q", base_path, *more, suite_path]))


@contextmanager
def started(command: list[str], folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Runs a program. It and its child processes end with the block."""
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        for one in family:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        process.kill()
        process.wait()


def bzt(folder: Path, suite_path: Path) -> Measured:
    for _ in range(BZT_TRIES):
        artifacts = Path(tempfile.mkdtemp(dir=folder))
        before, began = children_cpu_s(), time.monotonic()
        with started(bzt_command(artifacts, suite_path), artifacts) as process, suppress(subprocess.TimeoutExpired):
            if process.wait(BZT_LIMIT_S):
                raise RuntimeError(f"bzt ended with exit code {process.returncode}")
            wall_s, cpu_s = time.monotonic() - began, children_cpu_s() - before
            rows = sum(
                max(0, sum(1 for _ in path.open()) - 1)
                for path in (*artifacts.glob("kpi*.jtl"), *artifacts.glob("apiritif*.csv"))
            )
            return Measured(rows, cpu_s, 0.0, wall_s)
    raise RuntimeError(f"bzt did not end within {BZT_LIMIT_S} s, {BZT_TRIES} times")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engines", nargs="*", metavar="ENGINE", default=list(USUAL), help="of " + ", ".join(ENGINES))
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    asked = parser.parse_args()
    sys.stdout.write(HEAD)
    for engine in asked.engines:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            folder.chmod(0o755)
            with target(folder) as url:
                seconds = max(asked.seconds, SECONDS.get(engine, 0))
                path = suite(folder, url, engine, seconds)
                runs = [(toril(folder, path), bzt(folder, path)) for _ in range(asked.pairs)]
        sys.stdout.write(row(engine, runs, seconds))
        sys.stdout.flush()


def row(engine: str, runs: list[tuple[Measured, Measured]], seconds: int) -> str:
    """Returns a table row of medians. The ratio is the median of the pairs' ratios."""
    ours, theirs = ([pair[side] for pair in runs] for side in (0, 1))
    ratio = statistics.median(a.rps_per_core / b.rps_per_core for a, b in runs)
    outside = [statistics.median(m.wall_s - seconds for m in side) for side in (ours, theirs)]
    return (
        f"| {ENGINES[engine]} | {statistics.median(m.rps_per_core for m in ours):,.0f} "
        f"| {statistics.median(m.rps_per_core for m in theirs):,.0f} | **{ratio:.2f}** "
        f"| {statistics.median(m.coordinator_cpu_s for m in ours):.1f} s | {outside[0]:.1f} s | {outside[1]:.1f} s |\n"
    )


if __name__ == "__main__":
    main()
