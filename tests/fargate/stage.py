"""A hub and two regions, deployed by the real program and engine in an embedded cloud; its tasks are real workers.

with stage() as one:
    done = one.toril("run", folder, "--on", "fargate")
    assert done.code == 0, done.output

A deployment takes seconds, so most tests share two stages (`on_stage` and `guarded` in tests/conftest.py).
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import yaml

from tests.cloud.embedded import Cloud, Credentials
from tests.cloud.oci import Registry
from tests.cloud.skopeo import push
from tests.cloud.stand_in import DIGEST, WORKER, push_stand_in
from tests.infra.full import FURTHER
from tests.infra.full import REPOSITORY as HOME_REPOSITORY
from tests.infra.world import World, committed, world
from toril.store import Store
from toril.store.s3 import S3Store

ROOT = Path(__file__).parents[2]
HOME, AWAY = "us-east-1", "eu-west-1"
REPOSITORY = "toril/worker"
GITHUB = {"home": HOME_REPOSITORY, "repositories": [FURTHER]}
SECRET = "shop-token"  # readable for workers of the second region
LATER = {"name": "later", "suite": "nightly", "cron": "at(2099-01-01T00:00:00)"}
FLAVOURS = json.dumps({"slim": {"digest": DIGEST}, "full": {"digest": DIGEST}})


@dataclass(frozen=True, slots=True)
class Done:
    """The result of a command."""

    code: int
    out: str
    err: str

    @property
    def output(self) -> str:
        return f"exit code {self.code}\n{self.out}\n{self.err}"


@dataclass(slots=True)
class Driven:
    """A coordinator that runs in the background of the test."""

    stage: "Stage"
    run_id: str
    process: "subprocess.Popen[str]"
    output: str = ""  # stderr

    def result(self, within_s: float = 180) -> dict[str, Any]:
        """Waits for the coordinator. Returns the result of the run, or its error."""
        out, self.output = self.process.communicate(timeout=within_s)
        try:
            found: dict[str, Any] = json.loads(out.splitlines()[-1])
        except (IndexError, ValueError):
            raise AssertionError(f"exit code {self.process.returncode}\n{out}\n{self.output}") from None
        return found

    def verdict(self) -> dict[str, Any]:
        """Returns the result of a judged run."""
        found = self.result()
        assert "error" not in found, f"{found}\n{self.output}"
        return found

    def died(self, within_s: float = 120) -> bool:
        """Waits for the coordinator. Returns whether it was killed."""
        self.process.communicate(timeout=within_s)
        return self.process.returncode == -signal.SIGKILL

    def until(self, name: str, within_s: float = 90) -> None:
        """Waits for a file of the run with this suffix."""
        give_up = time.monotonic() + within_s
        while not any(key.endswith(name) for key in self.stage.store.keys(f"runs/{self.run_id}/")):
            if time.monotonic() > give_up:
                self.process.terminate()
                raise AssertionError(f"no {name} after {within_s} s: {self.process.communicate(timeout=60)}")
            time.sleep(0.2)

    def task(self, region: str) -> str:
        """Returns the ARN of the worker's running task in a region."""
        cluster = self.stage.world.deployment(region).cluster
        (found,) = self.stage.cloud.client("ecs", region).list_tasks(cluster=cluster, startedBy=self.run_id)["taskArns"]
        return str(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The cloud, its stacks, and the command."""

    world: World
    bucket: str
    regions: tuple[str, ...]
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # of each stack
    more: dict[str, str] = field(default_factory=dict)  # environment of every command

    @property
    def cloud(self) -> Cloud:
        return self.world.cloud

    @property
    def address(self) -> str:
        return f"s3://{self.bucket}"

    @property
    def store(self) -> Store:
        return S3Store(self.bucket, "", self.cloud.client("s3", HOME))

    def environment(self, who: Credentials | None = None) -> dict[str, str]:
        """Returns the environment of a command, with the credentials of the account's root or of a role."""
        acting = {} if who is None else who.environment()
        named = {"AWS_DEFAULT_REGION": HOME, "AWS_REGION": HOME, "TORIL_STORE": self.address}
        return self.cloud.environment(**{**named, **self.more, **acting})

    def toril(self, *words: object, who: Credentials | None = None, within_s: float = 120) -> Done:
        """Runs a command to its end."""
        command = [sys.executable, "-m", "toril", *map(str, words)]
        done = subprocess.run(
            command, env=self.environment(who), capture_output=True, text=True, timeout=within_s, check=False
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def begin(self, *words: object, who: Credentials | None = None) -> "subprocess.Popen[str]":
        """Starts a command in the background of the test."""
        return subprocess.Popen(
            [sys.executable, "-m", "toril", *map(str, words)],
            env=self.environment(who),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def drive(self, what: str, run_id: str, *words: object, who: Credentials | None = None) -> "Driven":
        """Starts a coordinator with a fast pace (`driver.py`) in the background of the test."""
        command = [sys.executable, "-m", "tests.fargate.driver", what, run_id, *map(str, words)]
        process = subprocess.Popen(
            command, env=self.environment(who), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
        )
        return Driven(self, run_id, process)

    def runner(self) -> Credentials:
        """Returns credentials of the role of workflows that run load tests."""
        arn = f"arn:aws:iam::{self.cloud.account}:role/toril/main/toril-run"
        claims = {"sub": "repo:acme/shop:environment:load-test", "repository_id": "22"}
        return self.cloud.assume_with_github(arn, **claims)

    def verdict(self, run_id: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.store.get(f"runs/{run_id}/verdict.json"))
        return found

    def summary(self, run_id: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.store.get(f"runs/{run_id}/summary.json"))
        return found

    def running_tasks(self) -> list[str]:
        """Returns the ARNs of all running tasks."""
        found: list[str] = []
        for region in self.regions:
            ecs = self.cloud.client("ecs", region)
            found += ecs.list_tasks(cluster=self.world.deployment(region).cluster)["taskArns"]
        return found

    def set_image(self, entrypoint: Sequence[str] = WORKER) -> None:
        """Sets the entrypoint of the worker's image, which runs as a process of this machine."""
        self.cloud.set_image(REPOSITORY, entrypoint, environment=of_processes(self.cloud))

    def ended(self, task: str, within_s: float = 20) -> dict[str, Any]:
        """Waits for the end of a task. Returns ECS' description of it."""
        region = task.split(":")[3]
        ecs, cluster = self.cloud.client("ecs", region), self.world.deployment(region).cluster
        give_up = time.monotonic() + within_s
        while time.monotonic() < give_up:
            (found,) = ecs.describe_tasks(cluster=cluster, tasks=[task])["tasks"]
            if found["lastStatus"] == "STOPPED":
                return dict(found)
            time.sleep(0.1)
        raise AssertionError(f"{task} did not end: {found}")

    def tidy(self) -> None:
        """Restores faults, quotas and image, and stops running tasks."""
        self.cloud.mend()
        self.set_image()
        self.end_tasks()

    def end_tasks(self) -> None:
        """Stops running tasks, and waits until they have ended."""
        left = self.running_tasks()
        for task in left:
            region = task.split(":")[3]
            cluster = self.world.deployment(region).cluster
            self.cloud.client("ecs", region).stop_task(cluster=cluster, task=task)
            with suppress(HTTPError):  # no process yet
                self.cloud.kill(task)
        for task in left:
            self.ended(task)


@contextmanager
def stage(*, auth: bool = False, away: str = AWAY, **settings: Any) -> Iterator[Stage]:
    """Deploys everything; tasks are processes. `settings`: additional settings of both regions."""
    with world(auth=auth) as found:
        vault = found.cloud.client("secretsmanager", away)
        secret = vault.create_secret(Name=SECRET, SecretString="s3cr3t")["ARN"]
        stacks = {
            "hub": {
                **committed("hub"),
                "github": GITHUB,
                "faults": True,
                "service": True,
                "serviceLogs": ["/ecs/shop"],
            },
            HOME: {"flavours": FLAVOURS, "home": True, "caches": ["ecr-public"], "schedules": [LATER], **settings},
            away: {"flavours": FLAVOURS, "secrets": [secret], **settings},
        }
        for name, one in stacks.items():
            found.stack(name, **one).up()
        push_stand_in(found.cloud, REPOSITORY, (HOME, away))
        bucket = f"toril-{found.cloud.account}-{HOME}"
        made = Stage(world=found, bucket=bucket, regions=(HOME, away), settings=stacks)
        made.set_image()
        yield made


@contextmanager
def stage_with_containers(image: str) -> Iterator[Stage]:
    """Deploys everything with IAM checks; tasks are podman containers of a local image.

    One region has the image in its private registry; the other one pulls it through a cache rule.
    """
    with world(auth=True, containers=True) as found:
        cloud = found.cloud
        found.committed("hub", github=GITHUB).up()
        found.stack(HOME, home=True, caches=["ecr-public"]).up()
        digest = push(image, f"{cloud.registry(HOME)}/{REPOSITORY}:slim", cloud.registry_login(HOME))
        upstream = "public.ecr.aws/acme/toril"
        push(image, f"{cloud.upstream('public.ecr.aws')}/acme/toril:slim")
        found.stack(HOME, flavours={"slim": {"digest": digest}}).up()
        cached = {"slim": {"image": f"{upstream}:slim", "digest": digest}}
        found.stack(AWAY, flavours=cached, caches=["ecr-public"]).up()
        Registry(cloud.registry(AWAY), cloud.registry_login(AWAY)).manifest("ecr-public/acme/toril", "slim")
        yield Stage(world=found, bucket=f"toril-{cloud.account}-{HOME}", regions=(HOME, AWAY))


def of_processes(cloud: Cloud) -> dict[str, str]:
    """Returns the variables that a task needs in addition when it is a process of this machine."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {"AWS_ENDPOINT_URL": cloud.url, "NO_PROXY": "127.0.0.1,localhost", "PATH": path}


def suite(
    folder: Path, url: str, execution: Mapping[str, Any] | None = None, *, criteria: list[str] | None = None
) -> Path:
    """Writes a small suite with load from both regions. Returns its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    one = {"executor": "locust", "concurrency": 4, "hold-for": "8s", "scenario": "s", "locations": {HOME: 1, AWAY: 1}}
    written: dict[str, Any] = {
        "execution": [{**one, **(execution or {})}],
        "scenarios": {"s": {"think-time": "50ms", "requests": [url]}},
        "toril": {"worker": {"cpu": 1024, "memory": 2048, "arch": "x86_64"}},
    }
    if criteria is not None:
        written["reporting"] = [{"module": "passfail", "criteria": criteria}]
    (folder / "suite.yml").write_text(yaml.safe_dump(written))
    return folder
