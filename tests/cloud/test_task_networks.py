"""Requests of tasks through their VPC: names, routes, endpoint policies, and buckets of other regions."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from tests.cloud.embedded import Cloud, Credentials
from tests.cloud.refused import refused
from tests.cloud.tasks import REGION, Place, place

SHOW = """
import os, time, urllib.request
address, token = (os.environ["AWS_CONTAINER_" + one] for one in ("CREDENTIALS_FULL_URI", "AUTHORIZATION_TOKEN"))
request = urllib.request.Request(address, headers={"Authorization": token})
print(urllib.request.urlopen(request).read().decode(), flush=True)
time.sleep(60)
"""
ANYWHERE = "0.0.0.0/0"
LAYERS = f"arn:aws:s3:::prod-{REGION}-starport-layer-bucket/*"


@dataclass(frozen=True, slots=True)
class Task:
    """A running task, whose role the test uses in its place."""

    cloud: Cloud
    credentials: Credentials

    def call(self, service: str, operation: str, region: str = REGION, **asked: Any) -> Any:
        return getattr(self.cloud.client(service, region, self.credentials), operation)(**asked)


@pytest.fixture
def ec2(cloud):
    return cloud.client("ec2", REGION)


@pytest.fixture
def there(cloud) -> Place:
    return place(cloud)


@pytest.fixture
def vpc(ec2, there) -> str:
    (subnet,) = ec2.describe_subnets(SubnetIds=there.network["awsvpcConfiguration"]["subnets"])["Subnets"]
    return str(subnet["VpcId"])


@pytest.fixture
def table(ec2, vpc) -> str:
    (found,) = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["RouteTables"]
    return str(found["RouteTableId"])


@pytest.fixture
def task(cloud, there) -> Task:
    there.start(there.define("waiting", SHOW))
    found = json.loads(there.output("waiting")[0])
    keys = Credentials(access_key=found["AccessKeyId"], secret_key=found["SecretAccessKey"], token=found["Token"])
    return Task(cloud, keys)


def bucket(cloud, name: str, region: str) -> str:
    more = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    cloud.client("s3", region).create_bucket(Bucket=name, **more)
    return name


def gateway(ec2, vpc: str, table: str, *resources: str) -> str:
    """Makes a gateway endpoint of S3 that allows reads of these resources only."""
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": list(resources)}
    made = ec2.create_vpc_endpoint(
        VpcId=vpc,
        ServiceName=f"com.amazonaws.{REGION}.s3",
        VpcEndpointType="Gateway",
        RouteTableIds=[table],
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
    return str(made["VpcEndpoint"]["VpcEndpointId"])


def test_an_endpoints_policy_forbids_before_s3_can_redirect(cloud, ec2, there, vpc, table, task):
    name = bucket(cloud, "results", "us-east-1")
    cloud.client("s3").put_object(Bucket=name, Key="a", Body=b"1")
    gateway(ec2, vpc, table, LAYERS)
    with refused("AccessDenied", "VPC endpoint"):
        task.call("s3", "get_object", REGION, Bucket=name, Key="a")
    assert task.call("s3", "get_object", "us-east-1", Bucket=name, Key="a")["Body"].read() == b"1"
    assert [one["host"] for one in cloud.stopped_requests()] == [f"{name}.s3.{REGION}.amazonaws.com"]


def test_an_endpoints_policy_names_actions_and_objects(cloud, ec2, vpc, table, task):
    name = bucket(cloud, "results", REGION)
    task.call("s3", "put_object", Bucket=name, Key="a", Body=b"1")
    gateway(ec2, vpc, table, LAYERS, f"arn:aws:s3:::{name}/a")
    task.call("s3", "get_object", Bucket=name, Key="a")
    for operation, asked in (("get_object", {"Key": "b"}), ("put_object", {"Key": "a"}), ("list_objects_v2", {})):
        with refused("AccessDenied", "VPC endpoint"):
            task.call("s3", operation, Bucket=name, **asked)


def test_without_a_route_a_task_reaches_only_services_with_an_endpoint(cloud, ec2, vpc, table, task):
    name = bucket(cloud, "results", "us-east-1")
    ec2.delete_route(RouteTableId=table, DestinationCidrBlock=ANYWHERE)
    for service, operation in (("sts", "get_caller_identity"), ("logs", "describe_log_groups")):
        with refused("HostUnreachable"):
            task.call(service, operation)
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    ec2.create_vpc_endpoint(
        VpcId=vpc, ServiceName=f"com.amazonaws.{REGION}.logs", VpcEndpointType="Interface", PrivateDnsEnabled=True
    )
    task.call("logs", "describe_log_groups")
    with refused("HostUnreachable"):
        task.call("logs", "describe_log_groups", "us-east-1")
    with refused("HostUnreachable"):
        task.call("s3", "list_objects_v2", "us-east-1", Bucket=name)
    far = {"ServiceName": "com.amazonaws.us-east-1.s3", "ServiceRegion": "us-east-1", "VpcEndpointType": "Interface"}
    with refused("InvalidParameter", "must have a Gateway endpoint"):  # by default, names are not for the VPC itself
        ec2.create_vpc_endpoint(VpcId=vpc, **far, PrivateDnsEnabled=True)
    own = {"PrivateDnsOnlyForInboundResolverEndpoint": False}
    ec2.create_vpc_endpoint(VpcId=vpc, **far, PrivateDnsEnabled=True, DnsOptions=own)
    task.call("s3", "list_objects_v2", "us-east-1", Bucket=name)


def test_the_dns_firewall_blocks_names_for_the_tasks_of_its_vpc(cloud, vpc, task):
    resolver = cloud.client("route53resolver", REGION)
    group = resolver.create_firewall_rule_group(CreatorRequestId="1", Name="group")["FirewallRuleGroup"]["Id"]
    blocking = {"Action": "BLOCK", "BlockResponse": "NXDOMAIN"}
    for priority, (names, rule) in enumerate(
        [([f"sts.{REGION}.amazonaws.com"], {"Action": "ALLOW"}), (["*"], blocking)]
    ):
        made = resolver.create_firewall_domain_list(CreatorRequestId="1", Name=f"list-{priority}")
        domains = made["FirewallDomainList"]["Id"]
        resolver.update_firewall_domains(FirewallDomainListId=domains, Operation="ADD", Domains=names)
        own = {"FirewallRuleGroupId": group, "FirewallDomainListId": domains, "Priority": priority}
        resolver.create_firewall_rule(**own, CreatorRequestId="1", Name=f"rule-{priority}", **rule)
    task.call("ecs", "list_clusters")
    resolver.associate_firewall_rule_group(
        CreatorRequestId="1", FirewallRuleGroupId=group, VpcId=vpc, Priority=101, Name="association"
    )
    task.call("sts", "get_caller_identity")
    for service, operation, region in (("ecs", "list_clusters", REGION), ("sts", "get_caller_identity", "us-east-1")):
        with refused("NameNotResolved", f"{service}.{region}.amazonaws.com"):
            task.call(service, operation, region)
    cloud.client("ecs", REGION).list_clusters()  # not of a task


def test_a_task_without_a_way_to_its_image_does_not_start(cloud, ec2, there, vpc, table):
    ec2.delete_route(RouteTableId=table, DestinationCidrBlock=ANYWHERE)
    stopped = there.wait(there.start(there.define("private", "print(1)")))
    assert "CannotPullContainerError" in stopped["stoppedReason"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    gateway(ec2, vpc, table, LAYERS)
    for service in ("ecr.api", "ecr.dkr", "logs"):
        assert "no route to" in there.wait(there.start(there.define("private", "print(1)")))["stoppedReason"]
        name = f"com.amazonaws.{REGION}.{service}"
        ec2.create_vpc_endpoint(VpcId=vpc, ServiceName=name, VpcEndpointType="Interface", PrivateDnsEnabled=True)
    assert there.wait(there.start(there.define("private", "print(1)")))["stopCode"] == "EssentialContainerExited"
