"""VPCs and their resources from create to delete, and EC2's errors."""

import pytest

from tests.cloud.refused import refused

REGION = "eu-west-1"


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
