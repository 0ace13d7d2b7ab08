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
    rights: tuple[Literal["pull", "push"], ...] = Field(
        default=("pull",), min_length=1, description="Rights of the principal."
    )


class Repository(Setting):
    """A private repository."""

    name: str = Field(pattern=REPOSITORY, min_length=2, max_length=256, description="Name in the registry.")
    grants: tuple[Grant, ...] = Field(default=(), description="Repository policy.")
    keep: int = Field(default=50, ge=1, le=10_000, description="Number of images to keep.")
    keep_untagged_days: int = Field(default=7, ge=1, le=365, description="Days to keep an image without a tag.")


class Registry(Setting):
    """Settings of the whole registry. The stack changes only those that are set here: others may own them."""

    scanning: Literal["BASIC", "ENHANCED"] | None = Field(
        default=None,
        description="Kind of scan; replaces the registry's setting. `ENHANCED` enables Amazon Inspector, which needs "
        "an administrator's `pulumi up`.",
    )
    policy: tuple[Grant, ...] = Field(
        default=(), description="Rights on all repositories. The list replaces the registry policy."
    )
    replicate_to: tuple[RegionName, ...] = Field(
        default=(),
        max_length=25,
        description="Regions that get each pushed image. The list replaces the registry's replication.",
    )


class Flavour(Setting):
    """A kind of worker and its image, by default the stack's own image tagged with the flavour's name."""

    image: str | None = Field(
        default=None,
        max_length=512,
        description="Other image: path below a cache's prefix, reference in a cached upstream, private ECR, or "
        "registry with `credentials`. A cached image needs its tag.",
    )
    digest: Digest | None = Field(default=None, description="Digest of the image to run. Each run needs one.")
    credentials: SecretArn | None = Field(
        default=None, description="Secret with username and password, for a registry that is not ECR."
    )
    architectures: tuple[Architecture, ...] | None = Field(
        default=None, min_length=1, description="Processors of the image. Default: those of the stack."
    )


class WorkerSettings(Setting):
    """The size of the task definitions. toril overrides `cpu` and `memory` by those of the suite."""

    cpu: Literal[256, 512, 1024, 2048, 4096, 8192, 16384, 32768] = Field(
        default=1024, description="CPU units; 1024 are one vCPU. A run uses those of its suite instead."
    )
    memory: int = Field(
        default=2048, description="MiB; `cpu` limits the values. A run uses those of its suite instead."
    )
    storage: int | None = Field(default=None, ge=21, le=200, description="GiB of disk, 21 to 200. Default: 20, free.")

    @model_validator(mode="after")
    def _check(self) -> "WorkerSettings":
        known = MEMORY_OF_CPU[self.cpu]
        if self.memory not in known:
            raise ValueError(f"memory: With cpu {self.cpu}, Fargate allows {', '.join(map(str, known))}.")
        return self


class Logs(Setting):
    """The workers' log group, on which results never depend."""

    days: LogDays = Field(default=14, description="Days to keep logs.")
    blocking: bool = Field(
        default=False,
        description="Wait for CloudWatch, which can slow the load. Default: lose lines beyond a buffer of 10 MiB.",
    )
    encryption: KeyArn | None = Field(default=None, description="Key of the log group. Its policy must allow that.")


class RegionSettings(Setting):
    """The settings of a stack named after a region."""

    account: Account | None = Field(default=None, description="Account of the stack. Any other is refused.")
    hub: str | None = Field(
        default=None,
        description="Stack reference of the hub. Default: the hub of the same environment.",
    )
    home: bool = Field(default=False, description="Region of schedules, coordinators and sweepers. One region only.")
    repositories: tuple[Repository, ...] = Field(default=(), description="Additional private repositories.")
    registry: Registry = Field(default=Registry(), description="Settings of the whole registry.")
    caches: tuple[Cache, ...] = Field(default=(), max_length=MOST_RULES, description="Pull-through cache rules.")
    flavours: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,20}$")], Flavour] = Field(
        default={"slim": Flavour(), "full": Flavour()},
        min_length=1,
        description="Variants of the worker image, by name.",
    )
    architectures: tuple[Architecture, ...] = Field(
        default=("x86-64", "arm64"), min_length=1, description="Processors with task definitions."
    )
    worker: WorkerSettings = Field(default=WorkerSettings(), description="Size of the task definitions.")
    network: NetworkSettings = Field(default=NetworkSettings(), description="Network of the workers.")
    targets: Targets = Field(default=Targets(), description="Permitted targets. Default: all.")
    limits: Limits = Field(default=Limits(), description="Limits of one run.")
    fips: bool = Field(
        default=False,
        description="Use FIPS endpoints, except for quotas and prices; refuse the stack if a service has none.",
    )
    secrets: tuple[SecretArn, ...] = Field(default=(), description="Secrets that workers may read.")
    secret_keys: tuple[KeyArn, ...] = Field(
        default=(), description="KMS keys of those secrets and of the flavours' credentials."
    )
    encryption: Literal["AES256", "KMS"] | KeyArn = Field(
        default="AES256",
        description="Encryption of repositories and secrets: AWS' keys, a key of the stack ($1 a month; also for "
        "logs), or a key's ARN.",
    )
    protect: bool = Field(default=False, description="Refuse to destroy the repositories.")
    logs: Logs = Field(default=Logs(), description="Log group of the workers.")
    otlp: str | None = Field(
        default=None,
        pattern=r"^https?://[^/\s@]+(/\S*)?$",
        description="Address of an OpenTelemetry collector for the metrics of runs with a coordinator on AWS.",
    )
    schedules: tuple[Schedule, ...] = Field(default=(), description="Scheduled suites.")
    idle_alarm: bool = Field(
        default=True, description="Alarm if vCPU are in use for longer than any run may last ($0.20 a month)."
    )
    permissions_boundary: PolicyArn | None = Field(default=None, description="Permissions boundary of every role.")
    tags: Tags = Field(default_factory=dict, description="Additional tags of all resources.")

    @model_validator(mode="after")
    def _check(self) -> "RegionSettings":
        _check_unique("caches: prefix", [cache.prefix for cache in self.caches])
        _check_unique("repositories: name", [one.name for one in self.repositories])
        _check_unique("schedules: name", [one.name for one in self.schedules])
        if self.otlp and not self.home:
            raise ValueError("otlp: Only the home region has coordinators. Set `home: true`, or remove it.")
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
                "caches: The first pull through a cache does not work with `fips`. Remove them, and push the images."
            )
        return self


def _check_unique(what: str, values: list[Any]) -> None:
    twice = sorted({value for value in values if values.count(value) > 1})
    if twice:
        raise ValueError(f"{what}: `{', '.join(twice)}` occurs twice. Remove one.")
