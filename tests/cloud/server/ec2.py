"""EC2's networks: AWS's checks that MiniStack lacks, except for endpoints and NAT gateways."""

import ipaddress
from collections.abc import Callable
from typing import Any

from ministack.core.responses import get_region
from ministack.services import ec2

from tests.cloud.server import ec2_endpoints, ec2_nat, regions
from tests.cloud.server.errors import Refusal
from tests.cloud.server.gateway import Service

Record = dict[str, Any]
SMALLEST_PREFIX, LARGEST_PREFIX = 28, 16  # for blocks of VPCs and subnets


def _existing(ids: str, known: Any, code: str) -> Callable[[Record], None]:
    def check(request: Record) -> None:
        for one in request.get(ids, ()):
            if one not in known:
                raise Refusal(code, f"The ID '{one}' does not exist")

    return check


def _check_vpc(request: Record) -> None:
    _block(request["CidrBlock"], "InvalidVpc.Range")


def _check_subnet(request: Record) -> None:
    vpc = ec2._vpcs.get(request["VpcId"])
    if vpc is None:
        raise Refusal("InvalidVpcID.NotFound", f"The vpc ID '{request['VpcId']}' does not exist")
    block = _block(request["CidrBlock"], "InvalidSubnet.Range")
    if not block.subnet_of(ipaddress.IPv4Network(vpc["CidrBlock"])):
        raise Refusal("InvalidSubnet.Range", f"The CIDR '{block}' is invalid.")
    for other in ec2._subnets.values():
        if other["VpcId"] == request["VpcId"] and block.overlaps(ipaddress.IPv4Network(other["CidrBlock"])):
            raise Refusal("InvalidSubnet.Conflict", f"The CIDR '{block}' conflicts with another subnet")
    zone = request.get("AvailabilityZone")
    if zone is not None and zone[:-1] != get_region():
        raise Refusal("InvalidParameterValue", f"Value ({zone}) for parameter availabilityZone is invalid.")


def _block(text: str, code: str) -> ipaddress.IPv4Network:
    try:
        block = ipaddress.IPv4Network(text)
    except ValueError as error:
        raise Refusal("InvalidParameterValue", f"Value ({text}) for parameter cidrBlock is invalid: {error}") from error
    if not LARGEST_PREFIX <= block.prefixlen <= SMALLEST_PREFIX:
        raise Refusal(code, f"The CIDR '{text}' is invalid.")
    return block


def _check_route(request: Record) -> None:
    table = ec2._route_tables.get(request["RouteTableId"])
    if table and any(one["DestinationCidrBlock"] == request.get("DestinationCidrBlock") for one in table["Routes"]):
        raise Refusal(
            "RouteAlreadyExists", f"The route identified by {request['DestinationCidrBlock']} already exists."
        )
    for name, known, code in (
        ("GatewayId", ec2._internet_gateways, "InvalidGatewayID.NotFound"),
        ("NatGatewayId", ec2._nat_gateways, "InvalidNatGatewayID.NotFound"),
    ):
        if request.get(name) is not None and request[name] not in known:
            raise Refusal(code, f"The ID '{request[name]}' does not exist")


def _check_delete_route(request: Record) -> None:
    table = ec2._route_tables.get(request["RouteTableId"])
    if table and all(one["DestinationCidrBlock"] != request.get("DestinationCidrBlock") for one in table["Routes"]):
        raise Refusal("InvalidRoute.NotFound", f"no route with destination {request.get('DestinationCidrBlock')}")


def _check_rules(direction: str) -> Callable[[Record], None]:
    def check(request: Record) -> None:
        group = ec2._security_groups.get(request.get("GroupId"))
        there = {one for rule in (group or {}).get(direction, ()) for one in _targets(rule)}
        for rule in request.get("IpPermissions", ()):
            for one in _targets(rule):
                if one in there:
                    raise Refusal("InvalidPermission.Duplicate", f"the specified rule {one} already exists")
                there.add(one)

    return check


def _targets(rule: Record) -> set[tuple[Any, ...]]:
    """Returns the separate permissions of a rule."""
    ports = (None, None) if rule["IpProtocol"] == "-1" else (rule.get("FromPort"), rule.get("ToPort"))
    targets = [
        *(one["CidrIp"] for one in rule.get("IpRanges", ())),
        *(one["CidrIpv6"] for one in rule.get("Ipv6Ranges", ())),
        *(one["GroupId"] for one in rule.get("UserIdGroupPairs", ())),
        *(one["PrefixListId"] for one in rule.get("PrefixListIds", ())),
    ]
    return {(rule["IpProtocol"], *ports, target) for target in targets}


def _check_rule_ids(request: Record) -> None:
    there = {
        ec2._sg_rule_id(key, egress, rule)
        for key, group in ec2._security_groups.items()
        for egress, name in ((False, "IpPermissions"), (True, "IpPermissionsEgress"))
        for rule in group.get(name, ())
    }
    for one in request.get("SecurityGroupRuleIds", ()):
        if one not in there:
            raise Refusal("InvalidSecurityGroupRuleId.NotFound", f"The security group rule ID '{one}' does not exist")


def _check_delete_group(request: Record) -> None:
    group = request.get("GroupId")
    held = any(group == one["GroupId"] for endpoint in ec2._vpc_endpoints.values() for one in endpoint["Groups"])
    named = any(
        group == pair.get("GroupId")
        for key, other in ec2._security_groups.items()
        if key != group
        for rule in (*other.get("IpPermissions", ()), *other.get("IpPermissionsEgress", ()))
        for pair in rule.get("UserIdGroupPairs", ())
    )
    if held or named:
        raise Refusal("DependencyViolation", f"resource {group} has a dependent object")


def _check_delete_subnet(request: Record) -> None:
    subnet = request["SubnetId"]
    gateways = [one for one in ec2._nat_gateways.values() if one["State"] != "deleted"]
    if any(subnet == one["SubnetId"] for one in gateways) or any(
        subnet in one["SubnetIds"] for one in ec2._vpc_endpoints.values()
    ):
        raise Refusal("DependencyViolation", f"The subnet '{subnet}' has dependencies and cannot be deleted.")


def _check_delete_table(request: Record) -> None:
    table = ec2._route_tables.get(request["RouteTableId"])
    if table and table.get("Associations"):
        raise Refusal("DependencyViolation", f"The routeTable '{table['RouteTableId']}' has dependencies")


def _check_delete_vpc(request: Record) -> None:
    vpc = request["VpcId"]
    tables = [one for one in ec2._route_tables.values() if one["VpcId"] == vpc]
    own = any(not any(link.get("Main") for link in one.get("Associations", ())) for one in tables)
    if own or any(one["VpcId"] == vpc for one in ec2._vpc_endpoints.values()):
        raise Refusal("DependencyViolation", f"The vpc '{vpc}' has dependencies and cannot be deleted.")


SERVICE = Service(
    name="ec2",
    model="ec2",
    invalid="InvalidParameterValue",
    operations={
        "CreateVpcEndpoint": ec2_endpoints.create,
        "DescribeVpcEndpoints": ec2_endpoints.describe,
        "ModifyVpcEndpoint": ec2_endpoints.modify,
        "DeleteVpcEndpoints": ec2_endpoints.delete,
        "CreateNatGateway": ec2_nat.create,
        "DescribeNatGateways": ec2_nat.describe,
        "DeleteNatGateway": ec2_nat.delete,
        "DescribeAddresses": ec2_nat.describe_addresses,
        "DescribeRegions": regions.describe,
    },
    checks={
        "CreateVpc": _check_vpc,
        "CreateSubnet": _check_subnet,
        "CreateRoute": _check_route,
        "DeleteRoute": _check_delete_route,
        "AuthorizeSecurityGroupIngress": _check_rules("IpPermissions"),
        "AuthorizeSecurityGroupEgress": _check_rules("IpPermissionsEgress"),
        "DescribeSecurityGroupRules": _check_rule_ids,
        "DescribeRouteTables": _existing("RouteTableIds", ec2._route_tables, "InvalidRouteTableID.NotFound"),
        "ReleaseAddress": ec2_nat.check_release,
        "DeleteSecurityGroup": _check_delete_group,
        "DeleteSubnet": _check_delete_subnet,
        "DeleteRouteTable": _check_delete_table,
        "DeleteVpc": _check_delete_vpc,
    },
)
