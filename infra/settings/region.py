"""The settings of a region stack: registries, caches, network, workers and schedules."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from infra.settings.caches import MOST_RULES, Cache
from infra.settings.common import Account, KeyArn, LogDays, PolicyArn, RegionName, SecretArn, Setting, Tags
from infra.settings.network import Limits, NetworkSettings, Targets
from infra.settings.schedules import Schedule

REPOSITORY = r"^(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*$"
Architecture = Literal["x86-64", "arm64"]
Principal = Annotated[
    str,
    Field(
        pattern=r"^([0-9]{12}|arn:aws[A-Za-z0-9_-]*:iam::[0-9]{12}:(root|role/[A-Za-z0-9_+=,.@/-]+)|o-[a-z0-9]{10,32})$"
    ),
]
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]

# CPU units → MiB that Fargate allows with them. Amazon ECS developer guide, "Task definition parameters for Fargate".
MEMORY_OF_CPU: dict[int, tuple[int, ...]] = {
    256: (512, 1024, 2048),
    512: tuple(range(1024, 4096 + 1, 1024)),
    1024: tuple(range(2048, 8192 + 1, 1024)),
    2048: tuple(range(4096, 16384 + 1, 1024)),
    4096: tuple(range(8192, 30720 + 1, 1024)),
    8192: tuple(range(16384, 61440 + 1, 4096)),
    16384: tuple(range(32768, 122880 + 1, 8192)),
    32768: (61440, 122880, 249856),
}


class Grant(Setting):
    """The rights of one principal on a repository."""

    principal: Principal = Field(description="An account, the ARN of a role or root, or an organisation (`o-…`).")
    rights: tuple[Literal["pull", "push"], ...] = Field(default=("pull",), min_length=1, description="What it may do.")


class Repository(Setting):
    """A private repository."""

    name: str = Field(pattern=REPOSITORY, min_length=2, max_length=256, description="Its name in the registry.")
    grants: tuple[Grant, ...] = Field(default=(), description="Who else may use it: its repository policy.")
    keep: int = Field(default=50, ge=1, le=10_000, description="Images kept; the oldest go first.")
    keep_untagged_days: int = Field(default=7, ge=1, le=365, description="Days that an image without a tag is kept.")


class Registry(Setting):
    """Settings of the whole registry. The stack changes only those that are set here: others may own them."""

    scanning: Literal["BASIC", "ENHANCED"] | None = Field(
        default=None, description="Scanning of the whole registry; overwrites what is set there."
    )
    policy: tuple[Grant, ...] = Field(
        default=(), description="Rights on all repositories of the registry; overwrites its registry policy."
    )
    replicate_to: tuple[RegionName, ...] = Field(
        default=(), max_length=25, description="Regions that get every image pushed; overwrites the replication."
    )


class Flavour(Setting):
    """A kind of worker and its image, by default the stack's own image tagged with the flavour's name."""

    image: str | None = Field(
        default=None,
        max_length=512,
        description="Another image: a path below a cache's prefix, a full reference in a known upstream (both are "
        "rewritten to the cache), in a private ECR, or in a registry with `credentials`.",
    )
    digest: Digest | None = Field(
        default=None, description="What exactly runs. Without it, no run starts; set it once the image is pushed."
    )
    credentials: SecretArn | None = Field(
        default=None, description="Secret with username and password, for a registry that is not ECR."
    )
    architectures: tuple[Architecture, ...] | None = Field(
        default=None, min_length=1, description="Those that the image has; by default those of the stack."
    )


class WorkerSettings(Setting):
    """A worker's size, unless its suite sets another."""

    cpu: Literal[256, 512, 1024, 2048, 4096, 8192, 16384, 32768] = Field(
        default=1024, description="CPU units; 1024 are one vCPU."
    )
    memory: int = Field(default=2048, description="MiB; which values there are depends on cpu.")
    storage: int | None = Field(
        default=None, ge=21, le=200, description="GiB of disk, from 21 to 200; without it Fargate gives 20, free."
    )

    @model_validator(mode="after")
    def _check(self) -> "WorkerSettings":
        known = MEMORY_OF_CPU[self.cpu]
        if self.memory not in known:
            raise ValueError(f"memory: With cpu {self.cpu}, Fargate allows {', '.join(map(str, known))}.")
        return self


class Logs(Setting):
    """The workers' log group, on which results never depend."""

    days: LogDays = Field(default=14, description="Days that logs are kept.")
    blocking: bool = Field(
        default=False,
        description="Wait for CloudWatch rather than lose lines: a slow log would slow the load. By default lines "
        "beyond a buffer of 10 MiB are lost.",
    )
    encryption: KeyArn | None = Field(default=None, description="A key for the log group, whose policy allows it.")


class RegionSettings(Setting):
    """The settings of a stack named after a region."""

    account: Account | None = Field(default=None, description="Deploy into no other account than this one.")
    hub: str | None = Field(
        default=None,
        description="Stack reference of the hub; by default the one of the same environment in this project.",
    )
    home: bool = Field(default=False, description="Schedules, coordinators and sweepers live here. One region only.")
    repositories: tuple[Repository, ...] = Field(default=(), description="Private repositories beside the workers'.")
    registry: Registry = Field(default=Registry(), description="Settings of the whole registry; none by default.")
    caches: tuple[Cache, ...] = Field(default=(), max_length=MOST_RULES, description="Pull-through cache rules.")
    flavours: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,20}$")], Flavour] = Field(
        default={"slim": Flavour(), "full": Flavour()}, min_length=1, description="Kinds of workers, by name."
    )
    architectures: tuple[Architecture, ...] = Field(
        default=("x86-64", "arm64"), min_length=1, description="Processors for which there are task definitions."
    )
    worker: WorkerSettings = Field(default=WorkerSettings(), description="What a worker gets by default.")
    network: NetworkSettings = Field(default=NetworkSettings(), description="Where workers run.")
    targets: Targets = Field(default=Targets(), description="What may be put under load.")
    limits: Limits = Field(default=Limits(), description="The most that one run may use.")
    fips: bool = Field(default=False, description="FIPS endpoints for every call, or no stack at all.")
    secrets: tuple[SecretArn, ...] = Field(
        default=(), description="Secrets that workers may read, for suites that name them."
    )
    secret_keys: tuple[KeyArn, ...] = Field(
        default=(), description="Customer keys with which those secrets, or the flavours' credentials, are encrypted."
    )
    encryption: Literal["AES256", "KMS"] | KeyArn = Field(
        default="AES256",
        description="Of repositories and secrets: AWS' own keys, a key of the stack ($1 a month; also for logs), or a "
        "key's ARN.",
    )
    protect: bool = Field(default=False, description="Refuse to destroy the repositories, and the images in them.")
    logs: Logs = Field(default=Logs(), description="The workers' log group.")
    schedules: tuple[Schedule, ...] = Field(default=(), description="Suites that run by themselves.")
    idle_alarm: bool = Field(
        default=True, description="Alarm when vCPU are in use for longer than any run may last ($0.20 a month)."
    )
    permissions_boundary: PolicyArn | None = Field(default=None, description="Boundary of every role made here.")
    tags: Tags = Field(default_factory=dict, description="On everything, beside toril's own.")

    @model_validator(mode="after")
    def _check(self) -> "RegionSettings":
        _check_unique("caches: prefix", [cache.prefix for cache in self.caches])
        _check_unique("repositories: name", [one.name for one in self.repositories])
        _check_unique("schedules: name", [one.name for one in self.schedules])
        if self.schedules and not self.home:
            raise ValueError("schedules: Only the home region has schedules. Set `home: true`, or remove them.")
        if taken := [one.name for one in self.schedules if one.name.startswith("sweep-")]:
            raise ValueError(
                f"schedules: `{taken[0]}`: The prefix sweep- is reserved for deadlines of runs. Choose another name."
            )
        if "coordinator" in self.flavours:
            raise ValueError("flavours: `coordinator` is reserved for the coordinator. Choose another name.")
        if self.fips and self.caches:
            raise ValueError(
                "caches: The first pull through a cache does not work over FIPS. Remove them, and push the images."
            )
        return self


def _check_unique(what: str, values: list[Any]) -> None:
    twice = sorted({value for value in values if values.count(value) > 1})
    if twice:
        raise ValueError(f"{what}: `{', '.join(twice)}` occurs twice. Remove one.")
