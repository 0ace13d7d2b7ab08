"""The functions that a program may call, in the embedded cloud."""

import pytest

from tests.infra.engine.cloud import Access, Account
from tests.infra.engine.functions import invoke
from tests.infra.engine.provider import Provider, Unsupported

REGION = "eu-west-1"


@pytest.fixture
def provider(cloud):
    return Provider(account=Account(Access(url=cloud.url)), region=REGION)


def test_identity_partition_and_region(provider, cloud):
    assert invoke(provider, "aws:index/getCallerIdentity:getCallerIdentity", {})["accountId"] == cloud.account
    assert invoke(provider, "aws:index/getRegion:getRegion", {})["region"] == REGION
    assert invoke(provider, "aws:index/getRegion:getRegion", {"region": "us-west-2"})["region"] == "us-west-2"
    assert invoke(provider, "aws:index/getPartition:getPartition", {})["partition"] == "aws"


def test_the_zones_of_a_region(provider):
    zones = invoke(provider, "aws:index/getAvailabilityZones:getAvailabilityZones", {"state": "available"})
    assert zones["names"][:2] == ["eu-west-1a", "eu-west-1b"]
    assert len(zones["zoneIds"]) == len(zones["names"])


def test_an_existing_network_is_found(provider, cloud):
    ec2 = cloud.client("ec2", REGION)
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    ec2.create_tags(Resources=[vpc], Tags=[{"Key": "Name", "Value": "shared"}])
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.9.{n}.0/24", AvailabilityZone=f"{REGION}a")["Subnet"]["SubnetId"]
        for n in range(2)
    ]
    assert invoke(provider, "aws:ec2/getVpc:getVpc", {"tags": {"Name": "shared"}})["id"] == vpc
    assert invoke(provider, "aws:ec2/getVpc:getVpc", {"id": vpc})["cidrBlock"] == "10.9.0.0/16"
    found = invoke(provider, "aws:ec2/getSubnets:getSubnets", {"filters": [{"name": "vpc-id", "values": [vpc]}]})
    assert found["ids"] == sorted(subnets)
    assert invoke(provider, "aws:ec2/getSubnet:getSubnet", {"id": subnets[0]})["vpcId"] == vpc
    with pytest.raises(LookupError, match="2 subnets match"):
        invoke(provider, "aws:ec2/getSubnet:getSubnet", {"vpcId": vpc})


def test_functions_return_names_and_versions_of_secrets_but_no_values(provider, cloud):
    secrets = cloud.client("secretsmanager", REGION)
    arn = secrets.create_secret(Name="ecr-pullthroughcache/token", SecretString="made up")["ARN"]
    found = invoke(provider, "aws:secretsmanager/getSecrets:getSecrets", {})
    versions = invoke(provider, "aws:secretsmanager/getSecretVersions:getSecretVersions", {"secretId": arn})
    assert (found["names"], found["arns"]) == (["ecr-pullthroughcache/token"], [arn])
    assert versions["versions"][0]["versionStages"] == ["AWSCURRENT"]
    assert "made up" not in str([found, versions])
    assert "GetSecretValue" not in {call.operation for call in provider.account.log}


def test_the_keys_below_a_prefix(provider, cloud):
    s3 = cloud.client("s3", REGION)
    s3.create_bucket(Bucket="results", CreateBucketConfiguration={"LocationConstraint": REGION})
    for key in ("deployments/a.json", "deployments/b.json", "runs/1"):
        s3.put_object(Bucket="results", Key=key, Body=b"")
    found = invoke(provider, "aws:s3/getObjects:getObjects", {"bucket": "results", "prefix": "deployments/"})
    assert found["keys"] == ["deployments/a.json", "deployments/b.json"]


def test_the_repositories_of_a_region(provider, cloud):
    cloud.client("ecr", REGION).create_repository(repositoryName="toril/worker")
    cloud.client("ecr", "us-west-2").create_repository(repositoryName="elsewhere")
    assert invoke(provider, "aws:ecr/getRepositories:getRepositories", {})["names"] == ["toril/worker"]


def test_the_error_about_an_unknown_function_names_it(provider):
    with pytest.raises(Unsupported, match="aws:ec2/getAmi:getAmi"):
        invoke(provider, "aws:ec2/getAmi:getAmi", {})
