"""A role as a resource: path, boundary, trust, and inline policies for its rights.

Inline policies of a role have at most 10,240 characters in all. A role that needs more gets managed policies, of
6,144 characters each.
"""

from collections.abc import Collection, Mapping

import pulumi
import pulumi_aws as aws

from infra.permissions.statements import Document, render
from infra.place import Place

HOUR_S = 3600
LONGEST_S = 12 * HOUR_S  # the maximum of AWS; if the session ended before its run, the run would lose its coordinator


def make_role(
    name: str,
    place: Place,
    role: str,
    description: str,
    trust: pulumi.Input[Document],
    policies: Mapping[str, pulumi.Input[Document]],
    opts: pulumi.ResourceOptions,
    *,
    session_s: int = HOUR_S,
    managed: Collection[str] = (),
    path: str | None = None,
    extended: bool = False,
) -> "aws.iam.Role":
    """Makes the role `role` with these policies, those in `managed` as managed ones.

    Default of `path`: that of the environment. `extended`: other stacks add policies, which go when the role goes.
    """
    made = aws.iam.Role(
        name,
        name=role,
        path=path or place.names.iam_path,
        description=description,
        assume_role_policy=pulumi.Output.from_input(trust).apply(render),
        permissions_boundary=place.permissions_boundary,
        max_session_duration=session_s,
        force_detach_policies=extended or None,
        opts=opts,
    )
    for one, policy in sorted(policies.items()):
        text = pulumi.Output.from_input(policy).apply(render)
        if one in managed:
            its = aws.iam.Policy(
                f"{name}-{one}", name=f"{role}-{one}", path=place.names.iam_path, policy=text, opts=opts
            )
            aws.iam.RolePolicyAttachment(f"{name}-{one}", role=made.name, policy_arn=its.arn, opts=opts)
        else:
            aws.iam.RolePolicy(f"{name}-{one}", name=one, role=made.name, policy=text, opts=opts)
    return made
