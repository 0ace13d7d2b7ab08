"""The record that a region stack publishes, with everything a runner needs to start workers there."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import Field

from toril.records.document import Record, RecordPart

Architecture = Literal["x86-64", "arm64"]

SUFFIX_CHARS = 6  # Secrets Manager adds them to a name, after a hyphen, to make the ARN unique
_NAME = r"[A-Za-z0-9/_+=.@-]{1,512}"
_ARN = re.compile(
    rf"(?P<arn>arn:aws[a-z-]*:secretsmanager:(?P<region>[a-z0-9-]{{1,40}}):[0-9]{{12}}:secret:(?P<name>{_NAME}))"
    r"(?::(?P<key>[^:]*):(?P<stage>[^:]*):(?P<version>[^:]*))?"
)
_SUFFIX = rf"-[A-Za-z0-9]{{{SUFFIX_CHARS}}}"


class DeployedNetwork(RecordPart):
    """The network of tasks; RunTask's `awsvpcConfiguration`."""

    subnets: tuple[str, ...]
    security_groups: tuple[str, ...]
    public_addresses: bool
    internet: bool | None = None  # whether tasks reach the internet; None: unknown, as for the user's own subnets


class DeployedWorker(RecordPart):
    """One task definition: a flavour for an architecture."""

    flavour: str
    architecture: Architecture
    task_definition: str  # ARN with its revision
    container: str  # the name for overrides
    image: str  # the reference that the task pulls, with its digest if there is one
    digest: str | None = None  # None: no image is built yet, so no run can start with it
    tag: str | None = None  # of a cached image: ECR may fill a cache only by tag


class DeployedCache(RecordPart):
    """A pull-through cache rule."""

    prefix: str
    upstream: str  # the upstream's host
    uri: str  # the start of an image's reference, before its path: <registry>/<prefix>
    ready: bool = True
    reason: str = ""  # why it is not ready: a credential is still empty


class DeployedTargets(RecordPart):
    """The systems that may be put under load; both empty: any."""

    hosts: tuple[str, ...] = ()
    cidrs: tuple[str, ...] = ()
    enforced: tuple[Literal["addresses", "names"], ...] = ()  # by the network itself; others are checked at the start


class DeployedLimits(RecordPart):
    """The limits of one run in this region."""

    vcpus: int
    cost_usd: float
    duration_s: int


class DeployedHome(RecordPart):
    """The resources of coordinators and sweepers; in the home region only."""

    schedule_group: str
    scheduler_role: str  # ARN of the role with which EventBridge Scheduler starts a task
    sweeper_role: str  # ARN of the role with which it sweeps a run at its deadline
    coordinator: str  # ARN of the coordinator's task definition, with its revision
    dead_letters: str  # ARN of the queue of failed invocations
    console_group: str = ""  # the schedule group of the console's own schedules; "": the hub has no console


class Deployment(Record):
    """`deployments/<region>.json`: a region stack after its last `up`."""

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
    endpoints: dict[str, str] = Field(default_factory=dict)  # service → host, if it is not the default one
    targets: DeployedTargets = DeployedTargets()
    limits: DeployedLimits
    secrets: tuple[str, ...] = ()  # ARNs that workers may read
    cpu: int = 1024
    memory_mib: int = 2048
    home: DeployedHome | None = None


def deployment_key(region: str) -> str:
    """Returns `deployments/<region>.json`."""
    return f"deployments/{region}.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretReference:
    """One value in Secrets Manager, by name or ARN, in the syntax of ECS task definitions.

    The reference is `name` or `arn:aws:secretsmanager:eu-west-1:123456789012:secret:name-AbCdEf`. An ARN may end in
    `:key:stage:version`, of which each part may be empty: `…:secret:name-AbCdEf:password::` is the value of `password`
    in a JSON secret.
    """

    secret: str  # name or ARN, for the request
    name: str  # without the rest of the ARN
    region: str | None = None  # None: the worker's own
    key: str | None = None  # of a JSON secret; None: all of it
    stage: str | None = None
    version: str | None = None


def secret_reference(text: str) -> SecretReference:
    """Returns the reference in `text`; ValueError if it is none."""
    if match := _ARN.fullmatch(text):
        parts = {name: match[name] or None for name in ("key", "stage", "version")}
        return SecretReference(secret=match["arn"], name=match["name"], region=match["region"], **parts)
    if not text.startswith("arn:") and re.fullmatch(_NAME, text):
        return SecretReference(secret=text, name=text)
    raise ValueError("neither a name nor an ARN of a secret in Secrets Manager")


def secrets_outside(secrets: Mapping[str, str], allowed: Iterable[str], region: str | None = None) -> list[str]:
    """Returns the variables whose secret is not one of the allowed ARNs, so that a worker there cannot read it.

    A name means the secret of that name in the worker's region (with `region`: only there). Invalid references count
    as not allowed.
    """
    known = [secret_reference(arn) for arn in allowed]
    return [variable for variable, text in secrets.items() if not any(_is(text, ref, region) for ref in known)]


def _is(text: str, allowed: SecretReference, region: str | None) -> bool:
    try:
        wanted = secret_reference(text)
    except ValueError:
        return False
    if wanted.secret == allowed.secret:
        return True
    if wanted.region is not None:  # an ARN without the suffix is valid too
        return bool(re.fullmatch(re.escape(wanted.secret) + _SUFFIX, allowed.secret))
    named = wanted.name == allowed.name or re.fullmatch(re.escape(wanted.name) + _SUFFIX, allowed.name)
    return bool(named) and region in (None, allowed.region)
