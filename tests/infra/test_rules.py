"""The security rules of stacks: each rule reports its violation, and accepts compliant resources."""

import json

import pytest

from infra.rules import OF_A_BUCKET, reasons, stack_reasons

GITHUB = "token.actions.githubusercontent.com"
BLOCKED = dict.fromkeys(("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"), True)
CONTAINER = {
    "name": "worker",
    "user": "10001",
    "readonlyRootFilesystem": True,
    "logConfiguration": {"logDriver": "awslogs"},
}


def policy(effect="Allow", action=("s3:GetObject",), resource=("arn:aws:s3:::b/*",), **more):
    return json.dumps({"Statement": [{"Effect": effect, "Action": list(action), "Resource": list(resource), **more}]})


def trusted(**changes):
    equal = {f"{GITHUB}:aud": "sts.amazonaws.com", f"{GITHUB}:repository_id": "22", f"{GITHUB}:sub": "repo:a/b:x"}
    equal |= {f"{GITHUB}:{key}": value for key, value in changes.items()}
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": f"arn:aws:iam::1:oidc-provider/{GITHUB}"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {key: value for key, value in equal.items() if value}},
    }
    return {"assumeRolePolicy": json.dumps({"Statement": [statement]})}


def of_gitlab(**condition):
    statement = {"Effect": "Allow", "Principal": {"Federated": "arn:aws:iam::1:oidc-provider/gitlab.com"}}
    return {"assumeRolePolicy": json.dumps({"Statement": [{**statement, "Condition": condition}]})}


def of_account(**condition):
    statement = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::1:root"}, "Action": "sts:AssumeRole"}
    return {"assumeRolePolicy": json.dumps({"Statement": [{**statement, "Condition": condition}]})}


def tls_only(**changes):
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": "*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return {"policy": json.dumps({"Statement": [statement | changes]}), "region": "us-east-1"}


def container(**changes):
    return {"containerDefinitions": json.dumps([CONTAINER | changes]), "region": "us-east-1"}


BUCKET_POLICY = "aws:s3/bucketPolicy:BucketPolicy"
ROLE = "aws:iam/role:Role"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
TASK = "aws:ecs/taskDefinition:TaskDefinition"
REPOSITORY = "aws:ecr/repository:Repository"
HERE = {"region": "us-east-1"}

GOOD = [
    (ROLE_POLICY, {"policy": policy()}),
    (ROLE_POLICY, {"policy": policy(action=["ecr:GetAuthorizationToken", "ec2:DescribeVpcs"], resource=["*"])}),
    (ROLE_POLICY, {"policy": None}),  # not known yet
    (ROLE, trusted()),
    (ROLE, of_gitlab(StringEquals={"gitlab.com:aud": "a"}, StringLike={"gitlab.com:sub": "project_path:a/b:*"})),
    (ROLE, of_account(ArnLike={"aws:PrincipalArn": "arn:aws:iam::1:role/a"})),
    (BUCKET_POLICY, tls_only()),
    ("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", BLOCKED | HERE),
    (TASK, container()),
    (REPOSITORY, {"imageTagMutability": "IMMUTABLE", "imageScanningConfiguration": {"scanOnPush": True}, **HERE}),
    ("aws:ec2/securityGroup:SecurityGroup", HERE),
    ("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", {"referencedSecurityGroupId": "sg-1", **HERE}),
    ("aws:cloudwatch/logGroup:LogGroup", {"retentionInDays": 14, **HERE}),
    ("aws:sqs/queue:Queue", {"sqsManagedSseEnabled": True, **HERE}),
    ("aws:cloudfront/distribution:Distribution", {"defaultCacheBehavior": {"viewerProtocolPolicy": "https-only"}}),
    ("aws:cognito/userPool:UserPool", {"adminCreateUserConfig": {"allowAdminCreateUserOnly": True}, **HERE}),
    ("toril:hub:Hub", {}),
]
BAD = [
    (ROLE_POLICY, {"policy": policy(action=["s3:*"])}, "wildcard"),
    (ROLE_POLICY, {"policy": policy(action=["ecs:Describe*"])}, "wildcard"),
    (ROLE_POLICY, {"policy": policy(resource=["*"])}, "every resource"),
    (ROLE_POLICY, {"policy": policy(NotResource=["arn:aws:s3:::a"])}, "everything except"),
    ("aws:iam/policy:Policy", {"policy": policy(action=["iam:*"])}, "wildcard"),
    (ROLE, trusted(sub="repo:a/*"), "exact sub"),
    (ROLE, trusted(sub=["repo:a/b:x", "repo:a/b:*"]), "exact sub"),
    (ROLE, trusted(sub=None), "exact sub"),
    (ROLE, trusted(aud=None), "exact aud"),
    (ROLE, trusted(repository_id=None), "exact repository_id"),
    (ROLE, {"assumeRolePolicy": trusted()["assumeRolePolicy"].replace("StringEquals", "StringLike")}, "StringEquals"),
    (ROLE, {"assumeRolePolicy": policy(Principal={"AWS": "*"})}, "every principal"),
    (ROLE, of_account(), "every principal of an account"),
    (ROLE, of_account(StringEquals={"aws:PrincipalTag/a": "b"}), "every principal of an account"),
    (ROLE, of_gitlab(StringEquals={"gitlab.com:sub": "project_path:a/b:ref_type:branch:ref:c"}), "exact audience"),
    (ROLE, of_gitlab(StringEquals={"gitlab.com:aud": "a"}), "subjects of one project"),
    (
        ROLE,
        of_gitlab(StringEquals={"gitlab.com:aud": "a"}, StringLike={"gitlab.com:sub": "project_path:a/*"}),
        "subjects of one project",
    ),
    (BUCKET_POLICY, tls_only(Effect="Allow", Condition={"Bool": {}}), "without TLS"),
    (BUCKET_POLICY, tls_only(Action="s3:GetObject"), "without TLS"),
    (BUCKET_POLICY, tls_only(Principal={"AWS": "arn:aws:iam::1:root"}), "without TLS"),
    ("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", BLOCKED | HERE | {"blockPublicAcls": False}, "blockPub"),
    (
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        {"rules": [{"applyServerSideEncryptionByDefault": {}}], **HERE},
        "algorithm",
    ),
    ("aws:s3/bucketOwnershipControls:BucketOwnershipControls", {"rule": {}, **HERE}, "owner"),
    ("aws:sqs/queue:Queue", {"policy": policy(Principal="*"), "sqsManagedSseEnabled": True, **HERE}, "every principal"),
    ("aws:sqs/queue:Queue", HERE, "not encrypted"),
    ("aws:kms/key:Key", {"policy": policy(action=["kms:*"]), **HERE}, "wildcard"),
    (TASK, container(user="root"), "as root"),
    (TASK, container(user="0:0"), "as root"),
    (TASK, container(user=""), "as root"),
    (TASK, container(readonlyRootFilesystem=False), "file system"),
    (TASK, container(logConfiguration={"logDriver": "splunk"}), "CloudWatch log"),
    (TASK, container(privileged=True), "privileged"),
    (REPOSITORY, {"imageTagMutability": "MUTABLE", "imageScanningConfiguration": {"scanOnPush": True}, **HERE}, "tags"),
    (REPOSITORY, {"imageTagMutability": "IMMUTABLE", **HERE}, "scan"),
    ("aws:ec2/securityGroup:SecurityGroup", {"ingress": [{"cidrBlocks": ["10.0.0.0/8"]}], **HERE}, "ingress"),
    (
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        {"cidrIpv4": "0.0.0.0/0", **HERE},
        "from addresses",
    ),
    ("aws:cloudwatch/logGroup:LogGroup", HERE, "forever"),
    (
        "aws:cloudfront/distribution:Distribution",
        {"orderedCacheBehaviors": [{"viewerProtocolPolicy": "allow-all"}]},
        "viewers without TLS",
    ),
    (
        "aws:cloudfront/distribution:Distribution",
        {"viewerCertificate": {"acmCertificateArn": "arn", "minimumProtocolVersion": "TLSv1.1_2016"}},
        "older than 1.2",
    ),
    ("aws:cognito/userPool:UserPool", HERE, "register"),
    ("aws:ecs/cluster:Cluster", {}, "no region"),
]


@pytest.mark.parametrize(("kind", "inputs"), GOOD)
def test_a_compliant_resource_has_no_violations(kind, inputs):
    assert reasons(kind, inputs) == []


@pytest.mark.parametrize(("kind", "inputs", "reason"), BAD)
def test_each_broken_rule_is_reported(kind, inputs, reason):
    found = reasons(kind, inputs)
    assert [one for one in found if reason in one], found


def test_a_bucket_without_one_of_its_parts_is_a_violation():
    bucket = ("aws:s3/bucket:Bucket", HERE)
    parts = [(kind, HERE) for kind in OF_A_BUCKET]
    assert stack_reasons([bucket, *parts]) == []
    for missing in parts:
        (reason,) = stack_reasons([bucket, *(part for part in parts if part != missing)])
        assert missing[0] in reason
