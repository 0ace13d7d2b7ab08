"""The stacks of `make demo-cloud`: the manual's commands, and the resources that they made."""

import shutil
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console

from tests.cloud.embedded import Cloud
from tests.infra.engine.stacks import Engine

ROOT = Path(__file__).resolve().parent.parent
HUB = "hub"
REGIONS = ("us-east-1", "eu-west-1")
STACKS = (HUB, *REGIONS)
COUNTED = ("created", "updated", "deleted", "unchanged")
UP = ("up", "--yes", "--skip-preview", "--stack")


def copy(project: Path) -> None:
    """Copies the program and its settings, since `stack init` writes the passphrase's salt into the settings."""
    for name in ("Pulumi.yaml", *(f"Pulumi.{stack}.yaml" for stack in STACKS)):
        shutil.copy(ROOT / name, project)
    shutil.copytree(ROOT / "infra", project / "infra", ignore=shutil.ignore_patterns("__pycache__"))


def start(console: Console, pulumi: Engine, project: Path) -> None:
    """Makes the stacks, without resources."""
    for stack in STACKS:
        run(console, pulumi, project, "stack", "init", stack)


def deploy(console: Console, pulumi: Engine, project: Path) -> None:
    """Deploys the hub, then the regions in parallel; then deploys again, to show that nothing changes."""
    run(console, pulumi, project, *UP, HUB)
    side_by_side(console, pulumi, project, [(*UP, region) for region in REGIONS])
    console.print("\nA second deployment changes nothing:\n")
    side_by_side(console, pulumi, project, [(*UP, stack, "--expect-no-changes") for stack in STACKS])


def set_digests(console: Console, pulumi: Engine, project: Path, digests: Mapping[str, str]) -> None:
    """Sets the image digest of each region's workers."""
    for region, digest in digests.items():
        words = ("config", "set", "--path", "toril:flavours.slim.digest", digest, "--stack", region)
        run(console, pulumi, project, *words)


def deploy_again(console: Console, pulumi: Engine, project: Path) -> None:
    """Deploys the changes of the regions."""
    side_by_side(console, pulumi, project, [(*UP, region) for region in REGIONS])


def side_by_side(console: Console, pulumi: Engine, project: Path, commands: list[tuple[str, ...]]) -> None:
    """Runs commands on several stacks in parallel."""
    with ThreadPoolExecutor(len(commands)) as pool:
        list(pool.map(lambda command: run(console, pulumi, project, *command), commands))


def run(console: Console, pulumi: Engine, project: Path, *command: str) -> None:
    """Runs a command, then prints it with the engine's counts of resources."""
    began = time.monotonic()
    done = pulumi.cli(*command, cwd=project)
    words = [line.strip().lstrip("+~- ").split() for line in done.stdout.splitlines()]
    counts = [" ".join(pair) for pair in words if len(pair) == 2 and pair[0].isdigit() and pair[1] in COUNTED]
    counts.append(f"{time.monotonic() - began:.1f} s")
    console.print(f"[bold]$ pulumi {' '.join(command)}[/bold]  [dim]{' · '.join(counts)}[/dim]")


def show(console: Console, cloud: Cloud) -> None:
    """Prints the resources, as the cloud reports them."""
    console.print("\nResources:\n")
    for region in REGIONS:
        _show_region(console, cloud, region)
    keys = cloud.client("s3").list_objects_v2(Bucket=f"toril-{cloud.account}-us-east-1")["Contents"]
    console.print(f"\nObjects in the results bucket: {', '.join(one['Key'] for one in keys)}\n")


def _show_region(console: Console, cloud: Cloud, region: str) -> None:
    ecr, ecs, ec2, logs = (cloud.client(service, region) for service in ("ecr", "ecs", "ec2", "logs"))
    caches = ecr.describe_pull_through_cache_rules()["pullThroughCacheRules"]
    own = [{"Name": "tag-key", "Values": ["toril:stack"]}]
    found: dict[str, Iterable[str]] = {
        "repository": (one["repositoryUri"] for one in ecr.describe_repositories()["repositories"]),
        "cache": (f"{one['upstreamRegistryUrl']} as {one['ecrRepositoryPrefix']}/…" for one in caches),
        "cluster": ecs.list_clusters()["clusterArns"],
        "task definitions": (arn.rpartition("/")[2] for arn in ecs.list_task_definitions()["taskDefinitionArns"]),
        "subnets": (one["AvailabilityZone"] for one in ec2.describe_subnets(Filters=own)["Subnets"]),
        "log group": (one["logGroupName"] for one in logs.describe_log_groups()["logGroups"]),
    }
    console.print(f"[bold]{region}[/bold]")
    for kind, names in found.items():
        console.print(f"  {kind:<18}{', '.join(sorted(names))}")
