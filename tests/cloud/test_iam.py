"""IAM in the embedded cloud: decisions of policies on resources, condition keys and roles."""

import json

import pytest

from tests.cloud.embedded import ACCOUNT
from tests.cloud.refused import refused
from tests.cloud.tasks import REGION, TASKS, document, place, role

ANYONE = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
ECS = f"arn:aws:ecs:{REGION}:{ACCOUNT}"
DENIED = "AccessDeniedException"
WAIT = "import time; time.sleep(60)"


def allow(action, resource="*", **condition):
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    return {**statement, "Condition": condition} if condition else statement


def acting(cloud, name, *statements):
    return cloud.assume(role(cloud, name, statements, ANYONE))


@pytest.fixture
def here(strict):
    return place(strict)


def test_actions_without_an_allowing_policy_are_denied_by_all_services(strict):
    nobody, reader = acting(strict, "nobody"), acting(strict, "reader", allow("ecr:Describe*"))
    for service, call in (
        ("ecr", "describe_pull_through_cache_rules"),
        ("ecr-public", "describe_repositories"),
        ("route53resolver", "list_firewall_domain_lists"),
    ):
        with refused(DENIED):
            getattr(strict.client(service, "us-east-1", nobody), call)()
    assert strict.client("ecr", REGION, reader).describe_pull_through_cache_rules()["pullThroughCacheRules"] == []
    with refused(DENIED):
        strict.client("ecr", REGION, reader).create_pull_through_cache_rule(
            ecrRepositoryPrefix="quay", upstreamRegistryUrl="quay.io"
        )
    with refused(DENIED):
        strict.client("service-quotas", REGION, nobody).get_service_quota(ServiceCode="fargate", QuotaCode="L-3032A538")


def test_tags_at_creation_need_their_own_right(here, strict):
    definition, tags = here.define("worker", WAIT), [{"key": "run", "value": "1"}]
    basic = (allow("ecs:RunTask"), allow("iam:PassRole"))
    with refused(DENIED, "ecs:TagResource"):
        here.run(definition, acting(strict, "untagged", *basic), tags=tags)
    on_run = {"StringEquals": {"ecs:CreateAction": "RunTask"}}
    tagging = allow("ecs:TagResource", f"{ECS}:task/toril/*", **on_run)
    here.run(definition, acting(strict, "tagging", *basic, tagging), tags=tags)


def test_policy_variables_are_replaced(strict):
    strict.client("s3").create_bucket(Bucket="toril-results")
    own = "arn:aws:s3:::toril-results/${aws:PrincipalAccount}/*"
    writer = strict.client("s3", credentials=acting(strict, "writer", allow("s3:PutObject", own)))
    writer.put_object(Bucket="toril-results", Key=f"{ACCOUNT}/a", Body=b"1")
    with refused("AccessDenied"):
        writer.put_object(Bucket="toril-results", Key="210987654321/a", Body=b"1")


def test_a_boundary_limits_a_role_and_can_be_required(strict):
    iam = strict.client("iam")
    boundary = iam.create_policy(PolicyName="boundary", PolicyDocument=document([allow("s3:*")]))["Policy"]["Arn"]
    limited = strict.assume(role(strict, "limited", [allow("*")], ANYONE, PermissionsBoundary=boundary, Path="/toril/"))
    assert strict.client("s3", credentials=limited).list_buckets()["Buckets"] == []
    with refused(DENIED):
        strict.client("ecr", REGION, limited).describe_registry()
    bounded = {"StringEquals": {"iam:PermissionsBoundary": boundary}}
    on_roles = f"arn:aws:iam::{ACCOUNT}:role/toril/*"
    maker = acting(strict, "maker", allow(["iam:CreateRole", "iam:PutRolePolicy"], on_roles, **bounded))
    made = {"AssumeRolePolicyDocument": document([{"Effect": "Allow", "Principal": TASKS, "Action": "sts:AssumeRole"}])}
    making = strict.client("iam", credentials=maker)
    with refused("AccessDenied"):
        making.create_role(RoleName="free", Path="/toril/", **made)
    with refused("AccessDenied"):
        making.create_role(RoleName="outside", PermissionsBoundary=boundary, **made)
    making.create_role(RoleName="bound", Path="/toril/", PermissionsBoundary=boundary, **made)
    making.put_role_policy(
        RoleName="bound",
        PolicyName="a",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allow("*")]}),
    )


def test_rights_on_network_resources_can_depend_on_their_tag(strict):
    new = {"StringEquals": {"aws:RequestTag/of": "toril"}}
    ours = {"StringEquals": {"aws:ResourceTag/of": "toril"}}
    at_creation = {"StringEquals": {"ec2:CreateAction": ["CreateVpc", "CreateSubnet"]}}
    who = acting(
        strict,
        "network",
        allow(["ec2:CreateVpc", "ec2:CreateSubnet"], **new),
        allow(["ec2:CreateSubnet", "ec2:DeleteVpc"], **ours),
        allow("ec2:CreateTags", **at_creation),
    )
    ec2, root = strict.client("ec2", REGION, who), strict.client("ec2", REGION)

    def tagged(kind):
        return [{"ResourceType": kind, "Tags": [{"Key": "of", "Value": "toril"}]}]

    with refused("UnauthorizedOperation"):
        ec2.create_vpc(CidrBlock="10.0.0.0/16")
    own = ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=tagged("vpc"))["Vpc"]["VpcId"]
    other = root.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    with refused("UnauthorizedOperation"):
        ec2.create_subnet(VpcId=own, CidrBlock="10.0.1.0/24")
    with refused("UnauthorizedOperation"):
        ec2.create_subnet(VpcId=other, CidrBlock="10.1.1.0/24", TagSpecifications=tagged("subnet"))
    with refused("UnauthorizedOperation"):
        ec2.create_tags(Resources=[other], Tags=[{"Key": "of", "Value": "toril"}])
    with refused("UnauthorizedOperation"):
        ec2.delete_vpc(VpcId=other)
    made = ec2.create_subnet(VpcId=own, CidrBlock="10.0.1.0/24", TagSpecifications=tagged("subnet"))["Subnet"]
    root.delete_subnet(SubnetId=made["SubnetId"])
    ec2.delete_vpc(VpcId=own)


def test_an_endpoint_to_another_region_needs_a_right_of_its_own(strict):
    vpc = strict.client("ec2", REGION).create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    far = {"ServiceName": "com.amazonaws.us-east-1.s3", "ServiceRegion": "us-east-1", "VpcEndpointType": "Interface"}
    asked = {"VpcId": vpc, **far, "PrivateDnsEnabled": False}
    one = acting(strict, "one", allow("ec2:CreateVpcEndpoint"))
    with refused("UnauthorizedOperation"):
        strict.client("ec2", REGION, one).create_vpc_endpoint(**asked)
    both = acting(strict, "both", allow(["ec2:CreateVpcEndpoint", "vpce:AllowMultiRegion"]))
    strict.client("ec2", REGION, both).create_vpc_endpoint(**asked)


def test_recorded_decisions_have_the_statements_that_allowed_them(strict):
    who = acting(strict, "reader", {**allow("ecr:DescribeRegistry"), "Sid": "Registry"})
    strict.client("ecr", REGION, who).describe_registry()
    with refused(DENIED):
        strict.client("ecr", REGION, who).describe_repositories()
    decided = {one.action: (one.role, one.allowed, set(one.statements)) for one in strict.decisions()}
    assert decided["ecr:DescribeRegistry"] == ("reader", True, {"Registry"})
    assert decided["ecr:DescribeRepositories"] == ("reader", False, set())
