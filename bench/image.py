"""Measures the size of the worker image, and a container's time from its start to its first request.

.venv/bin/python bench/image.py [--runs 3]     --build only builds the images

The peers, in the same containers: the engine alone, and Python importing bzt.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.image.contained import PODMAN, built, contained, podman, task_options  # noqa: E402
from tests.targets import target  # noqa: E402
from tests.worker.driver import plan_of, planned, wait_until  # noqa: E402

GOALS = {("slim", "locust"): 2.5, ("full", "jmeter"): 5.0}
SIZES_MB = {"slim": 135, "full": 310}
LOCUST = """
from locust import FastHttpUser, task
class User(FastHttpUser):
    @task
    def home(self): self.client.get("/")
"""
JMX = """<jmeterTestPlan version="1.2" properties="5.0"><hashTree>
<TestPlan guiclass="TestPlanGui" testclass="TestPlan" testname="t"/><hashTree>
<ThreadGroup guiclass="ThreadGroupGui" testclass="ThreadGroup" testname="g">
<elementProp name="ThreadGroup.main_controller" elementType="LoopController">
<boolProp name="LoopController.continue_forever">false</boolProp><intProp name="LoopController.loops">1</intProp>
</elementProp><intProp name="ThreadGroup.num_threads">1</intProp></ThreadGroup><hashTree>
<HTTPSamplerProxy guiclass="HttpTestSampleGui" testclass="HTTPSamplerProxy" testname="r">
<stringProp name="HTTPSampler.domain">127.0.0.1</stringProp><stringProp name="HTTPSampler.port">PORT</stringProp>
<stringProp name="HTTPSampler.path">/</stringProp><stringProp name="HTTPSampler.method">GET</stringProp>
</HTTPSamplerProxy><hashTree/></hashTree></hashTree></hashTree></jmeterTestPlan>"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--build", action="store_true", help="measure nothing")
    asked = parser.parse_args()
    images = {name: built(name) for name in SIZES_MB}
    if asked.build:
        return
    print("\n| image | compressed | goal |\n|---|---|---|")
    for name, goal_mb in SIZES_MB.items():
        print(f"| {name} | **{compressed_mb(images[name]):.1f} MB** | {goal_mb} MB |", flush=True)
    print("\n| image, engine | start to first request, median | at worst | goal | engine alone | Python imports bzt |")
    print("|---|---|---|---|---|---|")
    for (name, engine), goal_s in GOALS.items():
        image = images[name]
        turns = [(worker(image, engine), alone(image, engine), importing(image)) for _ in range(asked.runs)]
        worker_s, *peers = zip(*turns, strict=True)
        alone_s, import_s = map(statistics.median, peers)
        figures = f"**{statistics.median(worker_s):.2f} s** | {max(worker_s):.2f} s | {goal_s:.1f} s"
        print(f"| {name}, {engine} | {figures} | {alone_s:.2f} s | {import_s:.2f} s |", flush=True)


def compressed_mb(image: str) -> float:
    """Returns the size in a registry: all layers by gzip, and the manifest."""
    with tempfile.TemporaryDirectory() as folder:
        podman("push", "--quiet", "--compression-format=gzip", image, f"oci:{folder}:image", limit_s=120)
        return sum(path.stat().st_size for path in Path(folder, "blobs").rglob("*") if path.is_file()) / 1e6


def worker(image: str, engine: str) -> float:
    """Measures a worker whose load starts as soon as it is ready."""
    with tempfile.TemporaryDirectory() as name, target() as service:
        plan = plan_of(
            [planned(engine, "home", concurrency=1, hold_for_s=1.0)],
            {"home": {"default-address": service.url, "requests": ["/"]}},
        )
        Path(name).chmod(0o755)
        with contained(plan, Path(name), image) as run:
            began = time.time()
            run.launch()
            run.wait_ready()
            run.start(within_s=0.0)
            wait_until(lambda: service.first_at is not None, run)
            return (service.first_at or 0.0) - began


def alone(image: str, engine: str) -> float:
    """Measures the engine without a worker, on the same target."""
    with tempfile.TemporaryDirectory() as name, target() as service:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "locustfile.py").write_text(LOCUST)
        (folder / "plan.jmx").write_text(JMX.replace("PORT", str(service.port)))
        command = ["locust", "--headless", "-u1", "-t1s", f"--host={service.url}", "-f/suite/locustfile.py"]
        if engine == "jmeter":
            command = ["/opt/jmeter/bin/jmeter", "-n", "-t/suite/plan.jmx", "-j/tmp/jmeter.log"]
        began = time.time()
        with running(image, command, "--volume", f"{folder}:/suite:ro") as process:
            while service.first_at is None:
                assert process.poll() is None, "the engine ended without a request"
                time.sleep(0.02)
        return service.first_at - began


def importing(image: str) -> float:
    began = time.time()
    with running(image, ["python", "-c", "import bzt.cli"]) as process:
        process.wait()
    return time.time() - began


@contextmanager
def running(image: str, command: list[str], *options: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Runs a program of the image. It and its container end with the block."""
    name = f"toril-bench-{uuid.uuid4().hex[:12]}"
    whole = [str(PODMAN), "run", "--rm", "--name", name, *task_options("host"), *options]
    whole += [f"--entrypoint={command[0]}", image, *command[1:]]
    process = subprocess.Popen(whole, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        podman("rm", "--force", "--volumes", "--time", "0", name, check=False)
        process.wait()


if __name__ == "__main__":
    main()
