"""Measures the memory of worker and coordinator during ten minutes of load with 100 labels: it must not grow.

.venv/bin/python bench/soak.py [--minutes 10] [--workers 2]
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.overhead import target  # noqa: E402 - benchmarks share their target

LABELS = 100
EVERY_S = 5.0


def suite(folder: Path, url: str, seconds: int) -> Path:
    requests = [{"url": f"{url}/{number}", "label": f"label {number}"} for number in range(LABELS)]
    execution = {"executor": "locust", "concurrency": 10, "hold-for": f"{seconds}s", "scenario": "many"}
    path = folder / "suite.json"
    path.write_text(
        json.dumps({"execution": [execution], "scenarios": {"many": {"requests": requests, "think-time": "20ms"}}})
    )
    return path


def rss_mib(process: psutil.Process) -> float:
    return float(process.memory_info().rss) / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    coordinator: list[float] = []
    workers: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        with target(folder) as url:
            path = suite(folder, url, int(asked.minutes * 60))
            command = [sys.executable, "-m", "toril", "run", path, "--store", folder / "store", "--quiet"]
            command += ["--workers", asked.workers, "--fail-on", "none"]
            process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL)
            while process.poll() is None:
                time.sleep(EVERY_S)
                try:
                    family = psutil.Process(process.pid)
                    alive = [child for child in family.children() if "toril.worker" in child.cmdline()]
                    if alive and list(folder.glob("store/runs/*/workers/*/*/intervals-*")):
                        coordinator.append(rss_mib(family))
                        workers.append(max(map(rss_mib, alive)))
                except psutil.NoSuchProcess:
                    continue
    for who, series in (("worker", workers), ("coordinator", coordinator)):
        third = max(1, len(series) // 3)
        first, last = statistics.median(series[third : 2 * third]), statistics.median(series[-third:])
        sys.stdout.write(f"| {who} | {series[0]:.0f} MiB | {first:.0f} MiB | {last:.0f} MiB | {last / first:.3f} |\n")


if __name__ == "__main__":
    main()
