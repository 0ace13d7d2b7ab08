"""The scope of an environment's roles: its resources by name."""

from collections.abc import Iterable
from dataclasses import dataclass

from infra.names import Names
from infra.permissions.statements import Condition, Statement, allow
from infra.place import suffix_of

ANY_REGION = "*"  # the set of region stacks changes; the environment's names restrict a role


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """One environment in the hub's account. `bucket_key` and `state_key` are ARNs, or None."""

    partition: str
    account: str
    region: str  # the hub's
    names: Names
    bucket: str
    bucket_key: str | None = None
    boundary: str | None = None
    state_bucket: str | None = None
    state_key: str | None = None
    issuers: tuple[str, ...] = ()  # of the setting `access`, without https://
    public_repository: str | None = None
    protect: bool = True  # whether the results bucket may not be destroyed
    faults: bool = False
    service: bool = False
    service_logs: tuple[str, ...] = ()

    def arn(self, service: str, resource: str, region: str = ANY_REGION) -> str:
        return f"arn:{self.partition}:{service}:{region}:{self.account}:{resource}"

    def role(self, purpose: str, region: str | None = None) -> str:
        """Returns the ARN of a role of this environment. Region `*` covers each region stack."""
        name = self.names.role(purpose, region)
        return f"arn:{self.partition}:iam::{self.account}:role{self.names.iam_path}{name}"

    @property
    def cache_templates(self) -> str:
        """The roles of creation templates, the only ones outside the environment's path: their ARN has no path."""
        return f"arn:{self.partition}:iam::{self.account}:role/{self.names.cache_templates(ANY_REGION)}"

    def objects(self, *patterns: str) -> list[str]:
        return [f"arn:{self.partition}:s3:::{self.bucket}/{pattern}" for pattern in patterns]

    @property
    def bucket_arn(self) -> str:
        return f"arn:{self.partition}:s3:::{self.bucket}"

    @property
    def cluster(self) -> str:
        return self.arn("ecs", f"cluster/{self.names.cluster()}")

    @property
    def in_cluster(self) -> Condition:
        """The condition: only in this environment's clusters."""
        return {"ArnLike": {"ecs:cluster": self.cluster}}

    @property
    def started(self) -> Condition:
        """The condition of RunTask: no shell in the task, and no volume that could cost more than the run.

        ECS has no condition keys for network, size or role.
        """
        never = {"ecs:enable-ebs-volumes": "false", "ecs:enable-execute-command": "false"}
        return {**self.in_cluster, "StringEqualsIfExists": never}

    @property
    def ours(self) -> Condition:
        """The condition for resources without a name: the environment's tag, which all its resources have."""
        return {"StringEquals": {"aws:ResourceTag/toril:environment": self.names.environment}}

    @property
    def new(self) -> Condition:
        """The condition for new resources: the request sets the environment's tag."""
        return {"StringEquals": {"aws:RequestTag/toril:environment": self.names.environment}}

    @property
    def unclaimed(self) -> Condition:
        """As `new`, for tags that a request for a new resource sets: no resource of another environment gets them."""
        return {**self.new, "Null": {"aws:ResourceTag/toril:environment": "true"}}

    @property
    def tasks(self) -> str:
        return self.arn("ecs", f"task/{self.names.cluster()}/*")

    @property
    def workers(self) -> str:
        """The task definitions of workers: all flavours, architectures and revisions."""
        return self.arn("ecs", f"task-definition/{self.names.family('*', '*')}:*")

    @property
    def coordinators(self) -> str:
        """The task definitions of coordinators."""
        return self.arn("ecs", f"task-definition/{self.names.coordinator('*')}:*")

    @property
    def families(self) -> str:
        """The task definitions of workers and coordinators."""
        return self.arn("ecs", f"task-definition/{self.names.families}*:*")

    @property
    def dead_letters(self) -> str:
        return self.arn("sqs", self.names.dead_letters())


def pass_roles(sid: str, roles: Iterable[str], service: str) -> Statement:
    """Returns the right to pass roles to one AWS service."""
    return allow(sid, ["iam:PassRole"], roles, {"StringEquals": {"iam:PassedToService": service}})


def use_bucket_key(scope: Scope, *, write: bool) -> list[Statement]:
    """Returns the right to use the bucket's own key, through S3 only."""
    if scope.bucket_key is None:
        return []
    actions = ["kms:Decrypt", *(["kms:GenerateDataKey"] if write else [])]
    through_s3 = {"StringEquals": {"kms:ViaService": f"s3.{scope.region}.{suffix_of(scope.partition)}"}}
    return [allow("ResultsKey", actions, [scope.bucket_key], through_s3)]
