"""Where a stack's resources are made, and how they are called and tagged."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.names import Names
from infra.settings import Stack


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One region of one account, in one environment."""

    region: str
    account: str
    partition: str
    names: Names
    permissions_boundary: str | None
    tags: Mapping[str, str]  # for what AWS makes by itself and a provider's default tags don't reach

    @property
    def suffix(self) -> str:
        """Of the partition's host names."""
        return suffix_of(self.partition)

    def arn(self, service: str, resource: str, *, region: str | None = None) -> str:
        """Of a regional resource of this account; `region` for another one."""
        return f"arn:{self.partition}:{service}:{region or self.region}:{self.account}:{resource}"

    def role_arn(self, name: str) -> str:
        """Of a role of this environment, which need not exist yet."""
        return f"arn:{self.partition}:iam::{self.account}:role{self.names.iam_path}{name}"


def tags_of(stack: Stack) -> dict[str, str]:
    """The tags of every resource: those that separate costs, and the stack's own."""
    own = {"toril:environment": stack.name.environment, "toril:stack": stack.name.region or "hub"}
    return dict(sorted({**stack.settings.tags, **own}.items()))


def make_provider(stack: Stack, *, fips: bool) -> aws.Provider:
    """The one provider of a stack. Its region is only the default: each regional resource names its own."""
    account = stack.settings.account
    return aws.Provider(
        "aws",
        region=stack.region,
        allowed_account_ids=[account] if account else None,
        default_tags={"tags": tags_of(stack)},
        use_fips_endpoint=fips or None,
    )


def find_place(stack: Stack, provider: aws.Provider) -> Place:
    """The account and partition that the provider's credentials belong to."""
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
    """Of the host names of a partition."""
    return "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com"


def partition_of(region: str) -> str:
    """The partition that a region is in, by its name as botocore's endpoint rules do."""
    if region.startswith("us-gov-"):
        return "aws-us-gov"
    return "aws-cn" if region.startswith("cn-") else "aws"
