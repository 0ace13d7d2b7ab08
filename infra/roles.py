"""A role with its one policy: path, boundary and name as the stack's place demands."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.place import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """`ready` exists once the role may do what its policy says; depend on it where AWS tries the role at once."""

    arn: pulumi.Output[str]
    ready: pulumi.Resource


def make_role(
    name: str,
    place: Place,
    *,
    role: str,
    description: str,
    trust: str,
    policy: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
) -> Role:
    """The role with the physical name `role`."""
    made = aws.iam.Role(
        name,
        name=role,
        path=place.names.iam_path,
        description=description,
        assume_role_policy=trust,
        permissions_boundary=place.permissions_boundary,
        opts=opts,
    )
    attached = aws.iam.RolePolicy(
        name, name=role, role=made.name, policy=policy, opts=pulumi.ResourceOptions.merge(opts, parented(made))
    )
    return Role(arn=made.arn, ready=attached)


def parented(parent: pulumi.Resource) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions(parent=parent)
