"""What a region stack tells about itself: all that a runner needs to start workers there."""

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from toril.records.base import Record

Architecture = Literal["x86-64", "arm64"]


class Part(BaseModel):
    """A part of the record; fields are only added within a version, so unknown ones are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class DeployedNetwork(Part):
    """Where tasks are put; RunTask's `awsvpcConfiguration`."""

    subnets: tuple[str, ...]
    security_groups: tuple[str, ...]
    public_addresses: bool


class DeployedWorker(Part):
    """One task definition: a flavour for an architecture."""

    flavour: str
    architecture: Architecture
    task_definition: str  # ARN with its revision
    container: str  # the name that overrides refer to
    image: str  # reference that the task pulls; with a digest when there is one
    digest: str | None = None  # None: no image is built yet, and no run can start with it


class DeployedCache(Part):
    """A pull-through cache rule."""

    prefix: str
    upstream: str  # the upstream's host
    uri: str  # what stands before the path of an image: <registry>/<prefix>
    ready: bool = True
    reason: str = ""  # why it is not: a credential that is still empty


class DeployedTargets(Part):
    """What may be put under load; both empty: anything."""

    hosts: tuple[str, ...] = ()
    cidrs: tuple[str, ...] = ()
    enforced: tuple[Literal["addresses", "names"], ...] = ()  # by the network itself, not only before the start


class DeployedLimits(Part):
    """The most that one run may use of this region."""

    vcpus: int
    cost_usd: float
    duration_s: int


class DeployedHome(Part):
    """What coordinators and sweepers need; in the home region only."""

    schedule_group: str
    scheduler_role: str  # ARN that EventBridge Scheduler takes to start a task
    sweeper_role: str  # … to sweep a run at its deadline
    coordinator: str  # ARN of the coordinator's task definition, with its revision
    dead_letters: str  # ARN of the queue of invocations that failed


class Deployment(Record):
    """`deployments/<region>.json`: a region stack, as its last `up` left it."""

    SCHEMA: ClassVar[str] = "toril.deployment/1"
    toril_version: str
    environment: str
    region: str
    account: str
    partition: str = "aws"
    store: str  # s3://<bucket>, the hub's
    store_region: str
    cluster: str  # ARN
    platform_version: str = "1.4.0"  # RunTask's; not part of a task definition
    capacity_providers: tuple[str, ...] = ("FARGATE", "FARGATE_SPOT")
    network: DeployedNetwork
    workers: tuple[DeployedWorker, ...]
    log_group: str
    execution_role: str
    worker_role: str
    caches: tuple[DeployedCache, ...] = ()
    fips: bool = False
    endpoints: dict[str, str] = Field(default_factory=dict)  # service → host, where it is not the usual one
    targets: DeployedTargets = DeployedTargets()
    limits: DeployedLimits
    secrets: tuple[str, ...] = ()  # ARNs that workers may read
    cpu: int = 1024
    memory_mib: int = 2048
    home: DeployedHome | None = None


def deployment_key(region: str) -> str:
    """`deployments/<region>.json`."""
    return f"deployments/{region}.json"
