"""EC2: networks and endpoints."""

import zlib
from typing import Any

from tests.infra.engine.kinds import ID, From, Kind, Tagging, View, call, changed, given, has, lacks, look

TAGGING = Tagging(
    add=call("CreateTags", Resources=lambda view: [view.id], Tags=lambda view: view.tags),
    remove=call("DeleteTags", Resources=lambda view: [view.id], Tags=lambda view: [{"Key": tag} for tag in view.tags]),
)


def tags_of(kind: str) -> From:
    return lambda view: [{"ResourceType": kind, "Tags": view.tags}] if view.tags else None


def ids(view: View) -> list[str]:
    return [view.id]


def arn_of(noun: str) -> Any:
    return lambda view, seen: f"arn:{view.partition}:ec2:{view.region}:{view.account}:{noun}/{view.id}"


def added(name: str) -> From:
    return lambda view: sorted(set(view[name] or []) - set(view.before.get(name) or [])) or None


def removed(name: str) -> From:
    return lambda view: sorted(set(view.before.get(name) or []) - set(view[name] or [])) or None


def _filter(name: str) -> From:
    return lambda view: [{"Name": name, "Values": [view.id]}]


# ---- routes -------------------------------------------------------------------------------------------------------

DESTINATION = "destinationCidrBlock"
TARGETS = "gatewayId natGatewayId"
ROUTE_TABLE = {"RouteTableIds": lambda view: [view["routeTableId"]]}


def _route_id(view: View) -> str:
    return f"r-{view['routeTableId']}{zlib.crc32(view[DESTINATION].encode())}"


def _the_route(view: View) -> str:
    return f"RouteTables[0].Routes[?DestinationCidrBlock=='{view[DESTINATION]}' && State!='blackhole'] | [0]"


INTERNET_GATEWAY = {"InternetGatewayId": ID}
DNS = tuple(
    call("ModifyVpcAttribute", VpcId=ID, **{member: lambda view, name=name: {"Value": view[name]}}, when=has(name))
    for name, member in (("enableDnsSupport", "EnableDnsSupport"), ("enableDnsHostnames", "EnableDnsHostnames"))
)
PUBLIC_ADDRESSES = call(
    "ModifySubnetAttribute", SubnetId=ID, MapPublicIpOnLaunch=lambda view: {"Value": bool(view["mapPublicIpOnLaunch"])}
)

KINDS = {
    "aws:ec2/vpc:Vpc": Kind(
        service="ec2",
        create=(call("CreateVpc", "cidrBlock", TagSpecifications=tags_of("vpc")), *DNS),
        id="Vpc.VpcId",
        read=(
            look("DescribeVpcs", "Vpcs[0]", VpcIds=ids),
            look(
                "DescribeVpcAttribute",
                "{enableDnsSupport: EnableDnsSupport.Value}",
                VpcId=ID,
                Attribute="enableDnsSupport",
            ),
            look(
                "DescribeVpcAttribute",
                "{enableDnsHostnames: EnableDnsHostnames.Value}",
                VpcId=ID,
                Attribute="enableDnsHostnames",
            ),
            look(
                "DescribeRouteTables",
                "{main: RouteTables[?Associations[?Main]] | [0].RouteTableId}",
                Filters=_filter("vpc-id"),
            ),
            look(
                "DescribeSecurityGroups",
                "{group: SecurityGroups[?GroupName=='default'] | [0].GroupId}",
                Filters=_filter("vpc-id"),
            ),
        ),
        delete=(call("DeleteVpc", VpcId=ID),),
        replaces="cidrBlock",
        updates={"enableDnsSupport enableDnsHostnames": DNS},
        outputs={
            "arn": arn_of("vpc"),
            "ownerId": "OwnerId",
            "mainRouteTableId": "main",
            "defaultRouteTableId": "main",
            "defaultSecurityGroupId": "group",
        },
        tagging=TAGGING,
    ),
    "aws:ec2/subnet:Subnet": Kind(
        service="ec2",
        create=(
            call(
                "CreateSubnet",
                "vpcId cidrBlock availabilityZone",
                TagSpecifications=tags_of("subnet"),
            ),
            call(
                "ModifySubnetAttribute",
                SubnetId=ID,
                MapPublicIpOnLaunch={"Value": True},
                when=lambda view: bool(view["mapPublicIpOnLaunch"]),
            ),
        ),
        id="Subnet.SubnetId",
        read=(look("DescribeSubnets", "Subnets[0]", SubnetIds=ids),),
        delete=(call("DeleteSubnet", SubnetId=ID),),
        replaces="vpcId cidrBlock availabilityZone",
        updates={"mapPublicIpOnLaunch": (PUBLIC_ADDRESSES,)},
        outputs={
            "arn": "SubnetArn",
            "ownerId": "OwnerId",
            "availabilityZone": "AvailabilityZone",
            "availabilityZoneId": "AvailabilityZoneId",
        },
        tagging=TAGGING,
    ),
    "aws:ec2/internetGateway:InternetGateway": Kind(
        service="ec2",
        create=(
            call("CreateInternetGateway", TagSpecifications=tags_of("internet-gateway")),
            call("AttachInternetGateway", "vpcId", **INTERNET_GATEWAY, when=has("vpcId")),
        ),
        id="InternetGateway.InternetGatewayId",
        read=(look("DescribeInternetGateways", "InternetGateways[0]", InternetGatewayIds=ids),),
        delete=(
            call("DetachInternetGateway", "vpcId", **INTERNET_GATEWAY, when=has("vpcId")),
            call("DeleteInternetGateway", **INTERNET_GATEWAY),
        ),
        updates={
            "vpcId": (
                call(
                    "DetachInternetGateway",
                    **INTERNET_GATEWAY,
                    VpcId=lambda view: view.before["vpcId"],
                    when=lambda view: view.before.get("vpcId") is not None,
                ),
                call("AttachInternetGateway", "vpcId", **INTERNET_GATEWAY, when=has("vpcId")),
            )
        },
        outputs={"arn": arn_of("internet-gateway"), "ownerId": "OwnerId"},
        seen_as={"vpcId": "Attachments[0].VpcId"},
        tagging=TAGGING,
    ),
    "aws:ec2/routeTable:RouteTable": Kind(
        service="ec2",
        create=(call("CreateRouteTable", "vpcId", TagSpecifications=tags_of("route-table")),),
        id="RouteTable.RouteTableId",
        read=(look("DescribeRouteTables", "RouteTables[0]", RouteTableIds=ids),),
        delete=(call("DeleteRouteTable", RouteTableId=ID),),
        replaces="vpcId",
        outputs={"arn": arn_of("route-table"), "ownerId": "OwnerId"},
        tagging=TAGGING,
    ),
    "aws:ec2/route:Route": Kind(
        service="ec2",
        create=(call("CreateRoute", f"routeTableId {DESTINATION} {TARGETS}"),),
        id=_route_id,
        read=(look("DescribeRouteTables", _the_route, **ROUTE_TABLE),),
        delete=(call("DeleteRoute", f"routeTableId {DESTINATION}"),),
        replaces=f"routeTableId {DESTINATION}",
        updates={TARGETS: (call("ReplaceRoute", f"routeTableId {DESTINATION} {TARGETS}"),)},
        outputs={"origin": "Origin", "state": "State"},
    ),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": Kind(
        service="ec2",
        create=(call("AssociateRouteTable", "routeTableId subnetId"),),
        id="AssociationId",
        read=(
            look(
                "DescribeRouteTables",
                lambda view: f"RouteTables[0].Associations[?RouteTableAssociationId=='{view.id}'] | [0]",
                **ROUTE_TABLE,
            ),
        ),
        delete=(call("DisassociateRouteTable", AssociationId=ID),),
        # The real provider moves an association to another table, which changes its id; here it is replaced.
        replaces="subnetId routeTableId",
        replaced_in_place=True,
    ),
    "aws:ec2/eip:Eip": Kind(
        service="ec2",
        create=(call("AllocateAddress", Domain=given("domain", "vpc"), TagSpecifications=tags_of("elastic-ip")),),
        id="AllocationId",
        read=(look("DescribeAddresses", "Addresses[0]", AllocationIds=ids),),
        delete=(call("ReleaseAddress", AllocationId=ID),),
        replaces="domain",
        outputs={"allocationId": "AllocationId", "publicIp": "PublicIp", "arn": arn_of("elastic-ip")},
        tagging=TAGGING,
    ),
    "aws:ec2/natGateway:NatGateway": Kind(
        service="ec2",
        create=(
            call(
                "CreateNatGateway",
                "allocationId subnetId",
                TagSpecifications=tags_of("natgateway"),
            ),
        ),
        id="NatGateway.NatGatewayId",
        read=(look("DescribeNatGateways", "NatGateways[0]", NatGatewayIds=ids),),
        delete=(call("DeleteNatGateway", NatGatewayId=ID),),
        replaces="allocationId subnetId",
        outputs={
            "publicIp": "NatGatewayAddresses[0].PublicIp",
            "networkInterfaceId": "NatGatewayAddresses[0].NetworkInterfaceId",
        },
        seen_as={"allocationId": "NatGatewayAddresses[0].AllocationId"},
        alive="State != 'deleted' && State != 'deleting'",
        tagging=TAGGING,
    ),
    "aws:ec2/vpcEndpoint:VpcEndpoint": Kind(
        service="ec2",
        create=(
            call(
                "CreateVpcEndpoint",
                "vpcId serviceName serviceRegion vpcEndpointType policy:PolicyDocument routeTableIds subnetIds "
                "securityGroupIds privateDnsEnabled dnsOptions",
                TagSpecifications=tags_of("vpc-endpoint"),
            ),
        ),
        id="VpcEndpoint.VpcEndpointId",
        read=(
            look("DescribeVpcEndpoints", "VpcEndpoints[0]", VpcEndpointIds=ids),
            look(
                "DescribePrefixLists",
                "{list: PrefixLists[0].PrefixListId, cidrs: PrefixLists[0].Cidrs}",
                Filters=lambda view: [{"Name": "prefix-list-name", "Values": [view["serviceName"]]}],
            ),
        ),
        delete=(call("DeleteVpcEndpoints", VpcEndpointIds=ids),),
        replaces="vpcId serviceName serviceRegion vpcEndpointType",
        updates={
            "policy routeTableIds subnetIds securityGroupIds privateDnsEnabled dnsOptions": (
                call(
                    "ModifyVpcEndpoint",
                    "dnsOptions",
                    VpcEndpointId=ID,
                    PolicyDocument=lambda view: view["policy"] if changed("policy")(view) else None,
                    ResetPolicy=lambda view: True if changed("policy")(view) and lacks("policy")(view) else None,
                    AddRouteTableIds=added("routeTableIds"),
                    RemoveRouteTableIds=removed("routeTableIds"),
                    AddSubnetIds=added("subnetIds"),
                    RemoveSubnetIds=removed("subnetIds"),
                    AddSecurityGroupIds=added("securityGroupIds"),
                    RemoveSecurityGroupIds=removed("securityGroupIds"),
                    PrivateDnsEnabled=lambda view: (
                        bool(view["privateDnsEnabled"]) if changed("privateDnsEnabled")(view) else None
                    ),
                ),
            )
        },
        outputs={
            "arn": arn_of("vpc-endpoint"),
            "state": "State",
            "ownerId": "OwnerId",
            "prefixListId": "list",
            "cidrBlocks": "cidrs",
            "networkInterfaceIds": "NetworkInterfaceIds",
            "dnsEntries": "DnsEntries[].{dnsName: DnsName, hostedZoneId: HostedZoneId}",
        },
        seen_as={"policy": "PolicyDocument", "securityGroupIds": "Groups[].GroupId"},
        alive="State != 'deleted' && State != 'deleting'",
        tagging=TAGGING,
    ),
}
