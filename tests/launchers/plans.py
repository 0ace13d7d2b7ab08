"""Plans and deployments for launchers."""

import json
from pathlib import Path
from typing import Any

from toril import __version__
from toril.plan import make_plan
from toril.records import (
    DeployedHome,
    DeployedLimits,
    DeployedNetwork,
    DeployedWorker,
    Deployment,
    Plan,
)
from toril.suite import read_suite

ACCOUNT = "123456789012"
HOME, AWAY = "us-east-1", "eu-west-1"
DIGEST = "sha256:" + "ab" * 32
EXECUTION = {
    "executor": "jmeter",
    "scenario": {"requests": ["http://shop.example.com/"]},
    "concurrency": 100,
    "throughput": 1000,
    "hold-for": "10m",
    "locations": {HOME: 1, AWAY: 1},
}
WORKER = {"cpu": 1024, "memory": 2048, "arch": "x86_64"}


def plan_of(
    folder: Path,
    *,
    workers: int | None = 10,
    worker: dict[str, Any] | None = None,
    toril: dict[str, Any] | None = None,
    env: dict[str, str] | None = None,
    more: dict[str, Any] | None = None,
    **execution: Any,
) -> Plan:
    """A plan with one execution; keys with the value None are left out."""
    changed = {key.replace("_", "-"): value for key, value in execution.items()}
    one = {key: value for key, value in {**EXECUTION, **changed}.items() if value is not None}
    written = {"execution": [one], "toril": {"worker": {**WORKER, **(worker or {})}, **(toril or {})}, **(more or {})}
    file = folder / "shop.json"
    file.write_text(json.dumps(written))
    suite = read_suite([file], on="fargate", system={}, env=env)
    return make_plan(suite, run_id="shop-1", workers=workers, on="fargate", environment=env)


def deployment_of(region: str = HOME, **other: Any) -> Deployment:
    """The record of a deployed stack, with one image."""
    registry = f"{ACCOUNT}.dkr.ecr.{region}.amazonaws.com"
    cluster = f"arn:aws:ecs:{region}:{ACCOUNT}:cluster/toril"
    home = DeployedHome(
        schedule_group="toril", scheduler_role="s", sweeper_role="w", coordinator="c:1", dead_letters="q"
    )
    found: dict[str, Any] = {
        "toril_version": __version__,
        "environment": "main",
        "region": region,
        "account": ACCOUNT,
        "store": "s3://toril-results",
        "store_region": HOME,
        "cluster": cluster,
        "network": DeployedNetwork(subnets=("subnet-a",), security_groups=("sg-a",), public_addresses=True),
        "workers": tuple(
            DeployedWorker(
                flavour="full",
                architecture=architecture,
                task_definition=f"arn:aws:ecs:{region}:{ACCOUNT}:task-definition/toril-full-{architecture}:3",
                container="worker",
                image=f"{registry}/toril/worker@{DIGEST}",
                digest=DIGEST,
            )
            for architecture in ("x86-64", "arm64")
        ),
        "log_group": "/toril/main/workers",
        "execution_role": "execution",
        "worker_role": "worker",
        "limits": DeployedLimits(vcpus=256, cost_usd=50, duration_s=14_400),
        "home": home if region == HOME else None,
    }
    return Deployment(**{**found, **other})


def both(**other: Any) -> dict[str, Deployment]:
    return {region: deployment_of(region, **other) for region in (HOME, AWAY)}
