"""`make demo-cloud`: the manual's commands, from an empty account to a verdict, in the embedded cloud of the tests.

Real parts: the Pulumi engine, and the image in the regions' registries. Tasks run as containers, or as processes if
podman is missing. The tests provide AWS itself and the engine's `aws` provider, on loopback only.

The hub has the console too, with a Cognito user pool. `KEEP=1` keeps everything until Ctrl-C, for a browser.

`python -m tools.demo_cloud OPTION…` passes options to `toril run`, such as `--report html=report.html`.
"""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from tests.cloud.embedded import Cloud, embedded_cloud
from tests.cloud.skopeo import push
from tests.cloud.stand_in import WORKER, push_stand_in
from tests.infra.engine.stacks import Engine, engine
from tools import demo_site as site
from tools import demo_stacks as stacks

ROOT = Path(__file__).resolve().parent.parent
SUITE = "loadtests/two-regions"
REPOSITORY = "toril/worker"
NEEDS = ("podman", "runc", "skopeo", "mmdebstrap")
ARCHITECTURES = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}

console = Console(highlight=False, soft_wrap=True)


def main() -> int:
    """Runs all steps in order. Returns the exit code of the run."""
    began = time.monotonic()
    contained = all(map(shutil.which, NEEDS))
    with (
        tempfile.TemporaryDirectory() as folder,
        embedded_cloud(containers=contained) as cloud,
        engine(cloud.url) as pulumi,
        shop() as address,
    ):
        demo = Demo(cloud, pulumi, Path(folder), contained)
        stacks.copy(demo.project)
        console.rule("Stacks")
        stacks.start(console, pulumi, demo.project)
        site.prepare(console, pulumi, demo.project)
        stacks.deploy(console, pulumi, demo.project)
        console.rule("Image")
        digests = demo.images() if contained else demo.processes()
        stacks.set_digests(console, pulumi, demo.project, digests)
        stacks.deploy_again(console, pulumi, demo.project)
        stacks.show(console, cloud)
        console.rule("Run")
        set_up_s = time.monotonic() - began
        code = demo.run(address, sys.argv[1:])
        console.rule("Console")
        site.show(console, cloud, site.address_of(pulumi, demo.project))
        console.rule("What is left")
        demo.show_what_is_left()
    console.print(
        f"\nSetting up took {set_up_s:.0f} s, the whole demo {time.monotonic() - began:.0f} s. Nothing of it is left."
    )
    console.print("On AWS: docs/how-to/set-up-aws.md.")
    return code


@dataclass(frozen=True, slots=True)
class Demo:
    """The cloud, the engine, and whether tasks are containers."""

    cloud: Cloud
    pulumi: Engine
    project: Path
    contained: bool

    def images(self) -> dict[str, str]:
        """Builds the image and pushes it to each region. Returns the digest by region."""
        base = output([ROOT / "image/base", cache()])
        run(["image/build", "slim", "--base", base, "--tag", "localhost/toril:slim", "--with", "podman"], quiet=True)
        found = {}
        for region in stacks.REGIONS:
            there = f"{self.cloud.registry(region)}/{REPOSITORY}:slim"
            began = time.monotonic()
            found[region] = push("localhost/toril:slim", there, self.cloud.registry_login(region))
            show_command(f"skopeo copy containers-storage:localhost/toril:slim docker://{there}", began)
        return found

    def processes(self) -> dict[str, str]:
        """Registers a stand-in image whose tasks are processes of this environment. Returns the digest by region."""
        console.print(f"Tasks run as processes: containers need {', '.join(NEEDS)}, and not all of them are installed.")
        self.cloud.set_image(REPOSITORY, WORKER, environment={"PATH": os.environ["PATH"]})
        return dict.fromkeys(stacks.REGIONS, push_stand_in(self.cloud, REPOSITORY, stacks.REGIONS))

    def run(self, address: str, options: list[str]) -> int:
        """Runs `toril doctor` and `toril run`. Returns the exit code of the run."""
        architecture = ARCHITECTURES.get(platform.machine(), "x86_64")
        command = ["run", SUITE, "--on", "fargate", "--env", f"SHOP_URL={address}"]
        command += [] if architecture == "arm64" else ["-o", f"toril.worker.arch={architecture}"]
        examined = ["doctor", SUITE, *command[2:]]
        console.print(f"[bold]$ export TORIL_STORE={self.store}[/bold]")
        self.toril(*examined)
        return self.toril(*command, *options)

    def show_what_is_left(self) -> None:
        """Prints the number of running tasks in each region, and the runs."""
        for region in stacks.REGIONS:
            ecs = self.cloud.client("ecs", region)
            tasks = [arn for cluster in ecs.list_clusters()["clusterArns"] for arn in listed(ecs, cluster)]
            console.print(f"Running tasks in {region}: {len(tasks)}")
        self.toril("runs")

    def toril(self, *words: str) -> int:
        console.print(f"[bold]$ toril {' '.join(words)}[/bold]")
        environment = self.cloud.environment(AWS_REGION="us-east-1", TORIL_STORE=self.store)
        return subprocess.run(
            [sys.executable, "-m", "toril", *words], cwd=ROOT, env=environment, check=False
        ).returncode

    @property
    def store(self) -> str:
        return f"s3://toril-{self.cloud.account}-us-east-1"


def listed(ecs: object, cluster: str) -> list[str]:
    found: list[str] = ecs.list_tasks(cluster=cluster)["taskArns"]  # type: ignore[attr-defined]
    return found


@contextmanager
def shop() -> Iterator[str]:
    """Starts the system under test on a free loopback port. Yields its address."""
    process = subprocess.Popen(
        [sys.executable, ROOT / "loadtests/shop/service.py", "--until-stdin-closes"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    try:
        yield process.stdout.readline().strip()
    finally:
        process.communicate(timeout=10)


def run(command: list[str], *, quiet: bool = False) -> None:
    """Runs a command of the manual, and exits with its output if it fails."""
    began = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, capture_output=quiet, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    show_command(" ".join(command), began)


def show_command(command: str, began: float) -> None:
    console.print(f"[bold]$ {command}[/bold]  [dim]{time.monotonic() - began:.1f} s[/dim]")


def output(command: list[str | Path]) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "toril"


if __name__ == "__main__":
    sys.exit(main())
