"""The account, region, names and tags of a stack's resources."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.names import Names
from infra.settings import SettingError, Stack


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One region of one account, in one environment."""

    region: str
    account: str
    partition: str
    names: Names
    permissions_boundary: str | None
    tags: Mapping[str, str]  # for resources that AWS makes itself; the provider's default tags do not reach them

    @property
    def suffix(self) -> str:
        """The suffix of the partition's host names."""
        return suffix_of(self.partition)

    def arn(self, service: str, resource: str, *, region: str | None = None) -> str:
        """Returns the ARN of a regional resource of this account, in this region or in `region`."""
        return f"arn:{self.partition}:{service}:{region or self.region}:{self.account}:{resource}"

    def role_arn(self, name: str) -> str:
        """Returns the ARN of a role of this environment, which need not exist yet."""
        return f"arn:{self.partition}:iam::{self.account}:role{self.names.iam_path}{name}"


def tags_of(stack: Stack) -> dict[str, str]:
    """Returns the tags of every resource: the cost tag and the user's own."""
    own = {"toril:environment": stack.name.environment, "toril:stack": stack.name.region or "hub"}
    return dict(sorted({**stack.settings.tags, **own}.items()))


def make_provider(stack: Stack, *, fips: bool) -> aws.Provider:
    """Makes the stack's only provider. Its region is a default that no regional resource relies on."""
    _check_region(stack)
    account = stack.settings.account
    return aws.Provider(
        "aws",
        region=stack.region,
        allowed_account_ids=[account] if account else None,
        default_tags={"tags": tags_of(stack)},
        use_fips_endpoint=fips or None,
    )


def _check_region(stack: Stack) -> None:
    """Raises SettingError for a region that the installed pulumi-aws does not know, such as a misspelt one."""
    known = [one.value for one in aws.Region]
    if stack.region in known:
        return
    where = f"Pulumi.{stack.names.hub_stack}.yaml: toril:region" if stack.name.region is None else "The stack's name"
    close = difflib.get_close_matches(stack.region, known, n=1)
    raise SettingError(
        f"{where}: AWS has no region `{stack.region}`. Use "
        + (f"{close[0]}, " if close else "")
        + "another region, or a newer pulumi-aws for a new region."
    )


def find_place(stack: Stack, provider: aws.Provider) -> Place:
    """Returns the place with the account and partition of the provider's credentials."""
    options = pulumi.InvokeOptions(provider=provider)
    return Place(
        region=stack.region,
        account=aws.get_caller_identity(opts=options).account_id,
        partition=partition_of(stack.region),
        names=stack.names,
        permissions_boundary=stack.settings.permissions_boundary,
        tags=tags_of(stack),
    )


def suffix_of(partition: str) -> str:
    """Returns the suffix of a partition's host names."""
    return "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com"


def partition_of(region: str) -> str:
    """Returns the partition of a region, by the same rules as botocore's endpoints."""
    if region.startswith("us-gov-"):
        return "aws-us-gov"
    return "aws-cn" if region.startswith("cn-") else "aws"
