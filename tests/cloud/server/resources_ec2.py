"""The resources of an EC2 request for authorisation: new and named ones, each with its own condition keys.

Source: Service Authorization Reference, "Actions, resources, and condition keys for Amazon EC2", November 2026.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ministack.services import ec2

MADE = {
    "AllocateAddress": "elastic-ip",
    "AuthorizeSecurityGroupEgress": "security-group-rule",
    "AuthorizeSecurityGroupIngress": "security-group-rule",
    "CreateInternetGateway": "internet-gateway",
    "CreateNatGateway": "natgateway",
    "CreateRouteTable": "route-table",
    "CreateSecurityGroup": "security-group",
    "CreateSubnet": "subnet",
    "CreateVpc": "vpc",
    "CreateVpcEndpoint": "vpc-endpoint",
}
KINDS = {
    "eigw": "egress-only-internet-gateway", "eipalloc": "elastic-ip", "igw": "internet-gateway", "nat": "natgateway",
    "rtb": "route-table", "sg": "security-group", "sgr": "security-group-rule", "subnet": "subnet", "vpc": "vpc",
    "vpce": "vpc-endpoint",
}  # fmt: skip
ID = re.compile(r"([a-z]+)-[0-9a-f]+")
TAG = re.compile(r"(?:TagSpecification\.\d+\.)?Tag\.\d+\.Key")
ASSOCIATION = re.compile(r"(rtbassoc|eipassoc)-[0-9a-f]+")


def made(action: str, place: str) -> str | None:
    """Returns an ARN for the kind of resource that a request makes, without an id."""
    return f"arn:aws:ec2:{place}:{MADE[action]}/*" if action in MADE else None


def named(action: str, params: Mapping[str, Any], place: str) -> list[str]:
    """Returns the ARNs that a request names. Describing requests have none, except for attributes."""
    if action.startswith("Describe") and action != "DescribeVpcAttribute":
        return []
    found = dict.fromkeys(_ids(action, params))
    return [f"arn:aws:ec2:{place}:{KINDS[match[1]]}/{match[0]}" for one in found if (match := ID.fullmatch(one))]


def tags_of(arn: str) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in ec2._tags.get(arn.rpartition("/")[2]) or ()}


def new_tags(params: Mapping[str, Any]) -> dict[str, str]:
    """Returns the tags that a request sets, as condition keys."""
    keys = [name for name in params if TAG.fullmatch(name)]
    return {f"aws:RequestTag/{_first(params[name])}": _first(params.get(name[:-3] + "Value", "")) for name in keys}


def _ids(action: str, params: Mapping[str, Any]) -> Iterator[str]:
    for name, value in sorted(params.items()):
        text = _first(value)
        if name.startswith(("Filter.", "TagSpecification.", "Tag.")):
            continue
        if ASSOCIATION.fullmatch(text):
            yield from _associated(text)
        elif (match := ID.fullmatch(text)) and match[1] in KINDS and _counts(action, name):
            yield text


def _counts(action: str, name: str) -> bool:
    """Whether a parameter names a changed resource rather than the target of a route or rule."""
    leads = action in ("CreateRoute", "ReplaceRoute") and not name.startswith("RouteTable")
    return not leads and not name.startswith("IpPermissions.")


def _associated(association: str) -> list[str]:
    """Returns the resources of an association."""
    tables = (
        table["RouteTableId"]
        for table in ec2._route_tables.values()
        for one in table.get("Associations", ())
        if one.get("RouteTableAssociationId") == association
    )
    addresses = (
        address["AllocationId"] for address in ec2._addresses.values() if address.get("AssociationId") == association
    )
    return [*tables, *addresses]


def _first(value: Any) -> str:
    return str(value[0] if isinstance(value, list) else value)
