"""Requests per CPU-second of a simulation in toril's launcher, and in plain Gatling, with the same jars.

`python bench/gatling.py [--rounds 1] [--seconds 60] [--rate 300]`. The simulation is the one of bench/journeys.py, with
`constantUsersPerSec`. CPU is that of the whole process, with its start and Java's compilation. The worker, which reads
the launcher's rows, is not in it.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from bench.journeys import SIMULATION, people, shop  # noqa: E402 - scripts are run by their paths
from toril.engines.gatling.executor import LAUNCHER, OPENS, OWN_JAR, SCALA  # noqa: E402
from toril.programs import gatling_home  # noqa: E402

REQUESTS = 6  # of a journey


def cpu_of(command: list[str], folder: Path) -> float:
    """Returns the CPU time of a command in seconds."""
    before = os.times()
    subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, check=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rate", type=int, default=300, help="Journeys per second.")
    asked = parser.parse_args()
    home, found = gatling_home(), dict[str, list[float]](toril=[], plain=[])
    jars = os.pathsep.join(map(str, (home / "conf", home / OWN_JAR, home / "lib" / "*")))
    with tempfile.TemporaryDirectory() as name, shop(Path(name)) as url:
        folder = Path(name)
        people(folder)
        (folder / "Shop.scala").write_text(SIMULATION.format(rate=asked.rate, seconds=asked.seconds, url=url))
        subprocess.run(
            ["java", "-cp", jars, SCALA, "-nowarn", "-d", name, "-cp", jars, "Shop.scala"], cwd=name, check=True
        )
        java = ["java", "-Xmx1g", OPENS, "-cp", f"{name}{os.pathsep}{jars}"]
        own = [*java[:3], f"-Dtoril.folder={name}", "-Dtoril.simulation=Shop", *java[3:], LAUNCHER]
        plain = [*java, "io.gatling.app.Gatling", "-s", "Shop", "-rf", name, "-nr"]
        for _ in range(asked.rounds):
            (folder / "gate").write_text(str(time.time()))
            for what, command in (("toril", own), ("plain", plain)):
                found[what].append(asked.rate * asked.seconds * REQUESTS / cpu_of(command, folder))
    for what, rates in found.items():
        print(f"{what}: {statistics.median(rates):,.0f} requests per CPU-second")


if __name__ == "__main__":
    main()
