"""`make demo-cloud`: the manual's own commands deploy a hub and two regions into the embedded cloud of the tests.

The engine is the real one; its `aws` provider and AWS itself are the tests' own, on loopback: nothing leaves it.
"""

import json
import shutil
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console

from tests.cloud.embedded import Cloud, embedded_cloud
from tests.infra.engine.stacks import Engine, engine

ROOT = Path(__file__).resolve().parent.parent
HUB = "hub"
REGIONS = ("us-east-1", "eu-west-1")
STACKS = (HUB, *REGIONS)
COUNTED = ("created", "updated", "deleted", "unchanged")

console = Console(highlight=False, soft_wrap=True)


def main() -> None:
    """Deploy, deploy again, and show what is there."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, embedded_cloud() as cloud, engine(cloud.url) as pulumi:
        project = Path(folder)
        for name in ("Pulumi.yaml", *(f"Pulumi.{stack}.yaml" for stack in STACKS)):
            shutil.copy(ROOT / name, project)  # `stack init` writes the passphrase's salt into it
        shutil.copytree(ROOT / "infra", project / "infra", ignore=shutil.ignore_patterns("__pycache__"))
        for stack in STACKS:
            run(pulumi, project, "stack", "init", stack)
        up = ("up", "--yes", "--skip-preview", "--stack")
        run(pulumi, project, *up, HUB)
        side_by_side(pulumi, project, [(*up, region) for region in REGIONS])
        console.print("\nThe same again changes nothing:\n")
        side_by_side(pulumi, project, [(*up, stack, "--expect-no-changes") for stack in STACKS])
        console.print("\nWhat is there now:\n")
        for region in REGIONS:
            show_region(cloud, region)
        show_bucket(cloud, pulumi, project)
    console.print(f"\nThat took {time.monotonic() - began:.0f} s, and is gone. On AWS: docs/operations.md.")


def side_by_side(pulumi: Engine, project: Path, commands: list[tuple[str, ...]]) -> None:
    """Stacks that don't wait for each other, as in terminals beside each other."""
    with ThreadPoolExecutor(len(commands)) as pool:
        list(pool.map(lambda command: run(pulumi, project, *command), commands))


def run(pulumi: Engine, project: Path, *command: str) -> None:
    """The literal command; printed with what the engine counted, once it is done."""
    began = time.monotonic()
    done = pulumi.cli(*command, cwd=project)
    words = [line.strip().lstrip("+~- ").split() for line in done.stdout.splitlines()]
    counts = [" ".join(pair) for pair in words if len(pair) == 2 and pair[0].isdigit() and pair[1] in COUNTED]
    counts.append(f"{time.monotonic() - began:.1f} s")
    console.print(f"[bold]$ pulumi {' '.join(command)}[/bold]  [dim]{' · '.join(counts)}[/dim]")


def show_region(cloud: Cloud, region: str) -> None:
    """What the region has, asked of the cloud itself."""
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


def show_bucket(cloud: Cloud, pulumi: Engine, project: Path) -> None:
    """The results bucket, and what a runner needs to know."""
    bucket = json.loads(pulumi.cli("stack", "output", "--json", "--stack", HUB, cwd=project).stdout)["bucket"]
    keys = [one["Key"] for one in cloud.client("s3").list_objects_v2(Bucket=bucket)["Contents"]]
    console.print(f"\nIn the results bucket: {', '.join(keys)}")
    console.print(f"A runner needs one thing only: [bold]TORIL_STORE=s3://{bucket}[/bold]")


if __name__ == "__main__":
    main()
