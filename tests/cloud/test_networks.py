"""VPCs and their resources from create to delete, and EC2's errors."""

import pytest

from tests.cloud.refused import refused

REGION = "eu-west-1"
ANYWHERE = "0.0.0.0/0"


@pytest.fixture
def ec2(cloud):
    return cloud.client("ec2", REGION)


@pytest.fixture
def vpc(ec2):
    made = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=made, EnableDnsHostnames={"Value": True})
    return made


@pytest.fixture
def subnet(ec2, vpc):
    return subnet_of(ec2, vpc)


def subnet_of(ec2, vpc, block="10.0.0.0/24", zone="a"):
    made = ec2.create_subnet(VpcId=vpc, CidrBlock=block, AvailabilityZone=REGION + zone)
    return made["Subnet"]["SubnetId"]


def test_only_an_empty_vpc_can_be_deleted(ec2, vpc, subnet):
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock=ANYWHERE, GatewayId=gateway)
    link = ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)["AssociationId"]
    for call, asked in (
        ("delete_vpc", {"VpcId": vpc}),
        ("delete_route_table", {"RouteTableId": table}),
    ):
        with refused("DependencyViolation"):
            getattr(ec2, call)(**asked)
    ec2.disassociate_route_table(AssociationId=link)
    ec2.delete_route(RouteTableId=table, DestinationCidrBlock=ANYWHERE)
    with refused("InvalidRoute.NotFound"):
        ec2.delete_route(RouteTableId=table, DestinationCidrBlock=ANYWHERE)
    ec2.delete_route_table(RouteTableId=table)
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    ec2.delete_internet_gateway(InternetGatewayId=gateway)
    ec2.delete_subnet(SubnetId=subnet)
    ec2.delete_vpc(VpcId=vpc)
    for call, asked, code in (
        ("describe_vpcs", {"VpcIds": [vpc]}, "InvalidVpcID.NotFound"),
        ("describe_subnets", {"SubnetIds": [subnet]}, "InvalidSubnetID.NotFound"),
        ("describe_route_tables", {"RouteTableIds": [table]}, "InvalidRouteTableID.NotFound"),
        ("describe_internet_gateways", {"InternetGatewayIds": [gateway]}, "InvalidInternetGatewayID.NotFound"),
    ):
        with refused(code):
            getattr(ec2, call)(**asked)


def test_subnets_are_disjoint_and_within_the_vpc_and_its_region(ec2, vpc, subnet):
    for block, code in (
        ("10.0.0.128/25", "InvalidSubnet.Conflict"),
        ("10.1.0.0/24", "InvalidSubnet.Range"),
        ("10.0.1.0/29", "InvalidSubnet.Range"),
        ("10.0.1.1/24", "InvalidParameterValue"),
    ):
        with refused(code):
            subnet_of(ec2, vpc, block)
    with refused("InvalidParameterValue", "us-east-1a"):
        ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24", AvailabilityZone="us-east-1a")


def test_routes_are_unique_and_have_an_existing_target(ec2, vpc):
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    with refused("InvalidGatewayID.NotFound"):
        ec2.create_route(RouteTableId=table, DestinationCidrBlock=ANYWHERE, GatewayId="igw-0")
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock=ANYWHERE, GatewayId=gateway)
    with refused("RouteAlreadyExists"):
        ec2.create_route(RouteTableId=table, DestinationCidrBlock=ANYWHERE, GatewayId=gateway)


def test_the_address_and_subnet_of_a_nat_gateway_cannot_be_deleted(ec2, subnet):
    address = ec2.allocate_address(Domain="vpc")
    made = ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address["AllocationId"])["NatGateway"]
    (found,) = ec2.describe_nat_gateways(NatGatewayIds=[made["NatGatewayId"]])["NatGateways"]
    assert found["NatGatewayAddresses"][0]["AllocationId"] == address["AllocationId"]
    assert found["NatGatewayAddresses"][0]["PublicIp"] == address["PublicIp"]
    with refused("InvalidIPAddress.InUse"):
        ec2.release_address(AllocationId=address["AllocationId"])
    with refused("DependencyViolation"):
        ec2.delete_subnet(SubnetId=subnet)
    with refused("Resource.AlreadyAssociated"):
        ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address["AllocationId"])
    ec2.delete_nat_gateway(NatGatewayId=made["NatGatewayId"])
    assert ec2.describe_nat_gateways(NatGatewayIds=[made["NatGatewayId"]])["NatGateways"][0]["State"] == "deleted"
    ec2.release_address(AllocationId=address["AllocationId"])
    with refused("InvalidAllocationID.NotFound"):
        ec2.describe_addresses(AllocationIds=[address["AllocationId"]])
    with refused("NatGatewayNotFound"):
        ec2.describe_nat_gateways(NatGatewayIds=["nat-0"])


def test_an_interface_endpoint_has_names_interfaces_and_groups(ec2, vpc, subnet):
    group = ec2.create_security_group(GroupName="endpoint", Description="d", VpcId=vpc)["GroupId"]
    asked = {"VpcId": vpc, "ServiceName": f"com.amazonaws.{REGION}.ecr.api", "VpcEndpointType": "Interface"}
    made = ec2.create_vpc_endpoint(**asked, SubnetIds=[subnet], SecurityGroupIds=[group], PrivateDnsEnabled=True)
    found = made["VpcEndpoint"]
    assert f"api.ecr.{REGION}.amazonaws.com" in [one["DnsName"] for one in found["DnsEntries"]]
    assert len(found["NetworkInterfaceIds"]) == 1
    assert found["Groups"] == [{"GroupId": group, "GroupName": "endpoint"}]
    with refused("InvalidParameter", "conflicting"):
        ec2.create_vpc_endpoint(**asked, SubnetIds=[subnet], PrivateDnsEnabled=True)
    for call, name in (("delete_security_group", {"GroupId": group}), ("delete_subnet", {"SubnetId": subnet})):
        with refused("DependencyViolation"):
            getattr(ec2, call)(**name)
    other = subnet_of(ec2, vpc, "10.0.1.0/24", "b")
    ec2.modify_vpc_endpoint(VpcEndpointId=found["VpcEndpointId"], AddSubnetIds=[other], RemoveSubnetIds=[subnet])
    (changed,) = ec2.describe_vpc_endpoints(VpcEndpointIds=[found["VpcEndpointId"]])["VpcEndpoints"]
    assert changed["SubnetIds"] == [other]
    ec2.delete_vpc_endpoints(VpcEndpointIds=[found["VpcEndpointId"]])
    with refused("InvalidVpcEndpointId.NotFound"):
        ec2.describe_vpc_endpoints(VpcEndpointIds=[found["VpcEndpointId"]])


def test_private_dns_needs_a_vpc_with_host_names(ec2):
    vpc = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    with refused("InvalidParameter", "enableDnsHostnames"):
        ec2.create_vpc_endpoint(
            VpcId=vpc, ServiceName=f"com.amazonaws.{REGION}.logs", VpcEndpointType="Interface", PrivateDnsEnabled=True
        )


@pytest.mark.parametrize(
    ("region", "service", "kind", "there"),
    [
        ("eu-west-1", "s3", "Gateway", True),
        ("eu-west-1", "ecr.dkr", "Interface", True),
        ("eu-west-1", "kms-fips", "Interface", True),
        ("us-east-1", "ecr-fips.api", "Interface", True),
        ("us-east-1", "sts-fips", "Interface", True),
        ("eu-west-1", "ecr-fips.api", "Interface", False),
        ("ca-central-1", "ecr-fips.dkr", "Interface", False),
        ("us-east-1", "logs-fips", "Interface", False),
        ("us-east-1", "ecr", "Interface", False),
        ("us-east-1", "ecr.api", "Gateway", False),
    ],
)
def test_endpoints_exist_only_for_existing_services(cloud, region, service, kind, there):
    ec2 = cloud.client("ec2", region)
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    asked = {"VpcId": vpc, "ServiceName": f"com.amazonaws.{region}.{service}", "VpcEndpointType": kind}
    if there:
        assert ec2.create_vpc_endpoint(**asked, PrivateDnsEnabled=False)["VpcEndpoint"]["State"] == "available"
        return
    with refused("InvalidServiceName", service):
        ec2.create_vpc_endpoint(**asked, PrivateDnsEnabled=False)


@pytest.mark.parametrize("region", ["us-east-1", "eu-south-2", "ap-southeast-5", "il-central-1", "mx-central-1"])
def test_every_region_has_zones(cloud, region):
    zones = cloud.client("ec2", region).describe_availability_zones()["AvailabilityZones"]
    assert len({zone["ZoneId"] for zone in zones}) == len(zones) >= 3
    assert all(zone["ZoneName"].startswith(region) for zone in zones)
