"""The deploying role's rights on a region's own VPC.

| statement | purpose |
|---|---|
| CreateNetwork, InNetworks, ChangeNetwork | the region's own VPC; changes need the environment's tag |
| ReachOtherRegions | endpoints to a results bucket in another region |
| ReadRegions | the account's regions, for the home region's DNS Firewall |
| TagNetwork, RetagNetwork | tags on new resources and on the environment's own, but on no others |
| PrivateNames | AWS' own zones resolve the names of services to their endpoints in the VPC |
| CloseDefaultGroup | the VPC's default security group, which then allows nothing |
"""

from infra.permissions.reading import READ_REGIONS
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
    "ReplaceRouteTableAssociation",
    "RevokeSecurityGroupEgress",
    "RevokeSecurityGroupIngress",
)


def network_statements(scope: Scope) -> list[Statement]:
    """Returns the rights to make resources with the environment's tag, and to change only those."""

    def arns(*kinds: str) -> list[str]:
        return [scope.arn("ec2", f"{kind}/*") for kind in kinds]

    return [
        allow("CreateNetwork", calls("ec2", *_CREATE), arns(*_MADE), scope.new),
        # IAM also authorises the VPC of a new resource, which may be an existing one
        allow(
            "InNetworks",
            calls("ec2", "CreateNatGateway", "CreateSecurityGroup", "CreateVpcEndpoint"),
            arns("elastic-ip", "route-table", "security-group", "subnet", "vpc"),
        ),
        allow("ReachOtherRegions", ["vpce:AllowMultiRegion"], arns("vpc-endpoint")),
        READ_REGIONS,
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
            arns(*_MADE),
            scope.ours,
        ),
        # AWS lists it among the dependent actions of CreateVpcEndpoint
        allow(
            "PrivateNames",
            ["route53:AssociateVPCWithHostedZone"],
            [f"arn:{scope.partition}:route53:::hostedzone/*"],
        ),
        # A VPC's default group has no tag before it is closed. So this right covers all groups of the account.
        allow(
            "CloseDefaultGroup",
            calls("ec2", "CreateTags", "RevokeSecurityGroupEgress", "RevokeSecurityGroupIngress"),
            arns("security-group"),
        ),
        # tags on creation or on the environment's own resources: a tag never adopts another resource
        allow("TagNetwork", ["ec2:CreateTags"], arns(*_MADE), {"StringLike": {"ec2:CreateAction": "*"}}),
        allow("RetagNetwork", ["ec2:CreateTags"], arns(*_MADE), scope.ours),
    ]
