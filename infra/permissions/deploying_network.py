"""What the deploying role needs for the own VPC of a region.

| statement | who needs it, for what |
|---|---|
| CreateNetwork, InNetworks, ChangeNetwork | the region's own VPC; changes only what has the environment's tag |
| TagNetwork, RetagNetwork | tags on what is made, and on what is ours already: nothing becomes ours by a tag |
| CloseDefaultGroup | the VPC's default security group, which allows nothing |
"""

from infra.permissions.scope import Scope
from infra.permissions.statements import Statement, allow, calls

_MADE = (
    "elastic-ip",
    "internet-gateway",
    "natgateway",
    "route-table",
    "security-group",
    "security-group-rule",
    "subnet",
    "vpc",
    "vpc-endpoint",
)
_CREATE = (
    "AllocateAddress",
    "AuthorizeSecurityGroupEgress",
    "AuthorizeSecurityGroupIngress",
    "CreateInternetGateway",
    "CreateNatGateway",
    "CreateRouteTable",
    "CreateSecurityGroup",
    "CreateSubnet",
    "CreateVpc",
    "CreateVpcEndpoint",
)
_CHANGE = (
    "AssociateRouteTable",
    "AttachInternetGateway",
    "CreateRoute",
    "DeleteInternetGateway",
    "DeleteNatGateway",
    "DeleteRoute",
    "DeleteRouteTable",
    "DeleteSecurityGroup",
    "DeleteSubnet",
    "DeleteTags",
    "DeleteVpc",
    "DeleteVpcEndpoints",
    "DetachInternetGateway",
    "DisassociateAddress",
    "DisassociateRouteTable",
    "ModifySecurityGroupRules",
    "ModifySubnetAttribute",
    "ModifyVpcAttribute",
    "ModifyVpcEndpoint",
    "ReleaseAddress",
    "ReplaceRoute",
    "RevokeSecurityGroupEgress",
    "RevokeSecurityGroupIngress",
    "UpdateSecurityGroupRuleDescriptionsEgress",
)


def network_statements(scope: Scope) -> list[Statement]:
    """Make resources with the environment's tag, and change those alone."""

    def those(*kinds: str) -> list[str]:
        return [scope.arn("ec2", f"{kind}/*") for kind in kinds]

    return [
        allow("CreateNetwork", calls("ec2", *_CREATE), those(*_MADE), scope.new),
        # what a new thing is made in is authorised, too, and may be an existing VPC's
        allow(
            "InNetworks",
            calls("ec2", "CreateNatGateway", "CreateSecurityGroup", "CreateVpcEndpoint"),
            those("elastic-ip", "route-table", "security-group", "subnet", "vpc"),
        ),
        allow(
            "ChangeNetwork",
            calls(
                "ec2",
                *_CHANGE,
                "AuthorizeSecurityGroupEgress",
                "AuthorizeSecurityGroupIngress",
                "CreateRouteTable",
                "CreateSubnet",
            ),
            those(*_MADE),
            scope.ours,
        ),
        # A VPC's default group is closed, and has no tag before: any group of the account can be closed with this.
        allow(
            "CloseDefaultGroup",
            calls("ec2", "CreateTags", "RevokeSecurityGroupEgress", "RevokeSecurityGroupIngress"),
            those("security-group"),
        ),
        # tags on creation, or on what is already ours: nothing is made ours by a tag
        allow("TagNetwork", ["ec2:CreateTags"], those(*_MADE), {"StringLike": {"ec2:CreateAction": "*"}}),
        allow("RetagNetwork", ["ec2:CreateTags"], those(*_MADE), scope.ours),
    ]
