"""Two regions in the tests' embedded cloud, with the resources of their stacks that a run needs.

boto3 makes the resources, since a build of Pulumi's engine can take minutes. There is no coordinator, and no sweep at
the deadline.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from infra.workers.containers import environment  # noqa: E402 - part of a task definition
from tests.cloud.embedded import Cloud, embedded_cloud  # noqa: E402
from tests.cloud.stand_in import DIGEST, WORKER, push_stand_in  # noqa: E402
from tests.cloud.tasks import TASKS, role  # noqa: E402
from toril import __version__  # noqa: E402
from toril.records import (  # noqa: E402
    DeployedLimits,
    DeployedNetwork,
    DeployedWorker,
    Deployment,
    deployment_key,
)
from toril.store import Store, open_store  # noqa: E402

REGIONS = ("us-east-1", "eu-west-1")
REPOSITORY, GROUP, CLUSTER = "toril/worker", "/toril/main", "toril-main"


@dataclass(frozen=True, slots=True)
class Regions:
    """The regions, and the store that commands use."""

    cloud: Cloud
    address: str  # of the store

    def environment(self) -> dict[str, str]:
        return self.cloud.environment(AWS_DEFAULT_REGION=REGIONS[0], AWS_REGION=REGIONS[0], TORIL_STORE=self.address)

    @property
    def store(self) -> Store:
        os.environ.update(self.environment())
        return open_store(self.address)


@contextmanager
def regions() -> Iterator[Regions]:
    """Yields the regions. Their tasks are processes of this machine."""
    with embedded_cloud() as cloud:
        bucket = f"toril-{cloud.account}-{REGIONS[0]}"
        cloud.client("s3", REGIONS[0]).create_bucket(Bucket=bucket)
        made = Regions(cloud, f"s3://{bucket}")
        roles = {name: role(cloud, name, [], TASKS) for name in ("execution", "worker")}
        for region in REGIONS:
            cloud.client("ecr", region).create_repository(repositoryName=REPOSITORY)
        push_stand_in(cloud, REPOSITORY, REGIONS)
        for region in REGIONS:
            deployed = deployment(made, region, roles)
            made.store.put(deployment_key(region), deployed.to_json())
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        at_hand = {"AWS_ENDPOINT_URL": cloud.url, "NO_PROXY": "127.0.0.1,localhost", "PATH": path}
        cloud.set_image(REPOSITORY, WORKER, environment=at_hand)
        yield made


def deployment(made: Regions, region: str, roles: dict[str, str]) -> Deployment:
    """Makes network, cluster and task definition of a region. Returns the region's record."""
    ec2, ecs = made.cloud.client("ec2", region), made.cloud.client("ecs", region)
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="workers", Description="workers", VpcId=vpc)["GroupId"]
    cluster = ecs.create_cluster(clusterName=CLUSTER, capacityProviders=["FARGATE", "FARGATE_SPOT"])["cluster"]
    made.cloud.client("logs", region).create_log_group(logGroupName=GROUP)
    image = f"{made.cloud.account}.dkr.ecr.{region}.amazonaws.com/{REPOSITORY}@{DIGEST}"
    variables = environment(made.address, region, fips=False)
    definition = ecs.register_task_definition(
        family="toril-main-slim-x86-64",
        cpu="1024",
        memory="2048",
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        runtimePlatform={"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"},
        taskRoleArn=roles["worker"],
        executionRoleArn=roles["execution"],
        containerDefinitions=[
            {
                "name": "worker",
                "image": image,
                "environment": [{"name": name, "value": value} for name, value in variables.items()],
                "logConfiguration": {
                    "logDriver": "awslogs",
                    "options": {"awslogs-group": GROUP, "awslogs-region": region, "awslogs-stream-prefix": "slim"},
                },
            }
        ],
    )["taskDefinition"]["taskDefinitionArn"]
    worker = DeployedWorker(
        flavour="slim",
        architecture="x86-64",
        task_definition=definition,
        container="worker",
        image=image,
        digest=DIGEST,
    )
    return Deployment(
        toril_version=__version__,
        environment="main",
        region=region,
        account=made.cloud.account,
        store=made.address,
        store_region=REGIONS[0],
        cluster=cluster["clusterArn"],
        network=DeployedNetwork(subnets=(subnet,), security_groups=(group,), public_addresses=True),
        workers=(worker,),
        log_group=GROUP,
        execution_role=roles["execution"],
        worker_role=roles["worker"],
        limits=DeployedLimits(vcpus=64, cost_usd=10, duration_s=3600),
    )
