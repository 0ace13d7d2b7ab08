"""Every policy of every stack against AWS's service authorization reference."""

import pytest

from infra.rules import WITHOUT_RESOURCE
from tests.infra.judges.authorisation import problems, reference
from tests.infra.judges.excused import REFERENCE, remaining
from tests.infra.judges.policies import IDENTITY, RESOURCE, Policy, listed, policies
from tests.infra.judges.rights import Place
from tests.infra.judges.stacks import stacks

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("judges")]
# actions that policies allow on every resource although the reference has resource types for them
BROADER = {
    "cloudwatch:DescribeAlarms": "lists alarms",
    "ecr:DescribeRepositories": "lists repositories",
    "ecs:CreateCluster": "only with the environment's tag; the cluster does not exist yet",
    "ecs:ListTasks": "its resource type is that of container instances, which Fargate does not have",
    "ecs:RegisterTaskDefinition": "only with the environment's tag; the revision does not exist yet",
    "logs:GetQueryResults": "a query has no ARN, and its id is known to who has started it",
    "kms:TagResource": "only with the environment's tag; the key has no id yet",
}
QUEUE = "arn:aws:sqs:us-east-1:123456789012:toril"


def test_no_policy_contradicts_the_reference():
    found = problems(reference(), policies(one for stack in stacks() for one in stack.aws))
    assert remaining(found, REFERENCE) == []


def test_every_action_listed_without_a_resource_has_none_or_a_reason():
    actions = {name: reference().action(name) for name in WITHOUT_RESOURCE}
    assert {name for name, action in actions.items() if action is None or action.arns} == BROADER.keys()


def statement(action="sqs:SendMessage", resource=QUEUE, condition=None):
    return {"Effect": "Allow", "Action": action, "Resource": resource, "Condition": condition or {}}


def found(*statements, kind=IDENTITY):
    policy = Policy(subject="iam/policy:Policy x", kind=kind, document={"Statement": [*statements]})
    return [one.code for one in problems(reference(), [policy])]


@pytest.mark.parametrize(
    ("planted", "code"),
    [
        (statement("sqs:SendMessages"), "unknown action"),
        (statement("sqsx:SendMessage"), "unknown action"),
        (statement("sqs:Shout*"), "unknown action"),
        (statement("sqs:SendMessage", "arn:aws:sns:us-east-1:123456789012:toril"), "no such resource"),
        (statement("sqs:SendMessage", [QUEUE, "arn:aws:sns:us-east-1:123456789012:toril"]), "useless resource"),
        (statement("s3:GetObject", "arn:aws:s3:::bucket"), "no such resource"),
        (statement("s3:ListBucket", "arn:aws:s3:::bucket/*"), "no such resource"),
        (statement("ecr:GetAuthorizationToken", "arn:aws:ecr:us-east-1:1:repository/a"), "no such resource"),
        (statement("ec2:CreateVpc", "arn:aws:ec2:us-east-1:1:subnet/*"), "no such resource"),
        (statement(condition={"StringEquals": {"sqs:Colour": "red"}}), "unsupported condition key"),
        (statement(condition={"StringEquals": {"aws:SourceAcount": "1"}}), "unsupported condition key"),
        (statement(condition={"ArnLike": {"ecs:cluster": "*"}}), "unsupported condition key"),
        (statement(condition={"StringEquals": {"aws:RequestTag/team": "a"}}), "unsupported condition key"),
        (statement("sqs:CreateQueue", condition={"StringEquals": {"aws:TagKeys": "a"}}), "wrong operator"),
        (statement(condition={"ForAllValues:StringEquals": {"aws:SourceAccount": "1"}}), "wrong operator"),
        (statement(condition={"StringEquals": {"aws:SecureTransport": "true"}}), "wrong operator"),
        (statement(condition={"NumericEquals": {"aws:SourceAccount": "1"}}), "wrong operator"),
        (statement(condition={"Bool": {"aws:SecureTransport": "no"}}), "wrong value"),
        (statement("sqs:*", condition={"Bool": {"aws:SecureTransport": "no"}}), "wrong value"),
        (statement("sqs:*", condition={"Bool": {"aws:SecureTransports": "true"}}), "unsupported condition key"),
        (statement(condition={"Null": {"aws:SourceArn": "no"}}), "wrong value"),
        (statement(condition={"ArnLike": {"aws:SourceArn": "arn:aws:ecs:123456789012:*"}}), "wrong value"),
        (
            statement("s3:ListBucket", "arn:aws:s3:::bucket", {"StringEquals": {"s3:prefix": "runs/*"}}),
            "wrong value",
        ),
        (
            statement("ecs:TagResource", "arn:aws:ecs:*:1:task/a/*", {"StringEquals": {"ecs:CreateAction": "Start"}}),
            "wrong value",
        ),
        (
            statement("iam:PassRole", "arn:aws:iam::1:role/a", {"StringEquals": {"iam:PassedToService": "ecs"}}),
            "wrong value",
        ),
        (
            statement("kms:Decrypt", "arn:aws:kms:*:1:key/*", {"StringEquals": {"kms:ViaService": "s3.amazonaws.com"}}),
            "wrong value",
        ),
        ({**statement(), "Principal": {"Service": "schedules.amazonaws.com"}}, "unknown service"),
    ],
)
def test_a_planted_fault_is_found(planted, code):
    assert code in found(planted)


@pytest.mark.parametrize(
    "right",
    [
        statement(),
        statement("sqs:*"),
        statement("s3:GetObject", "arn:aws:s3:::bucket/*"),
        statement("ecr:GetAuthorizationToken", "*"),
        statement("ecs:RunTask", "arn:aws:ecs:*:1:task-definition/a:*", {"ArnLike": {"ecs:cluster": "*"}}),
        statement("sqs:CreateQueue", condition={"StringEquals": {"aws:RequestTag/team": "a"}}),
        statement("sqs:CreateQueue", condition={"ForAllValues:StringEquals": {"aws:TagKeys": ["a"]}}),
        statement(
            condition={"Null": {"aws:SourceArn": "false"}, "ArnLikeIfExists": {"aws:sourcearn": "arn:aws:sns:*:1:*"}}
        ),
    ],
)
def test_a_right_statement_has_no_faults(right):
    assert found(right) == []


def test_a_resources_own_policy_may_name_any_resource():
    assert found(statement("sqs:SendMessage", "*"), kind=RESOURCE) == []


def test_the_policy_of_a_queue_topic_or_bucket_names_that_resource():
    own = {"aws:sqs/queue:Queue", "aws:sns/topic:Topic", "aws:s3/bucketPolicy:BucketPolicy"}
    foreign = [
        (one.name, arn)
        for stack in stacks()
        for one in stack.aws
        if one.type in own
        for policy in policies([one])
        for each in policy.statements
        for arn in listed(each["Resource"])
        if not arn.startswith(Place(stack).own(one)[0])
    ]
    assert foreign == []


def test_policies_are_found_in_every_input_that_has_one():
    types = {one.subject.split()[0] for stack in stacks() for one in policies(stack.aws)}
    assert types >= {
        "ec2/vpcEndpoint:VpcEndpoint",
        "ecr/registryPolicy:RegistryPolicy",
        "ecr/repositoryPolicy:RepositoryPolicy",
        "ecrpublic/repositoryPolicy:RepositoryPolicy",
        "iam/policy:Policy",
        "iam/role:Role",
        "iam/rolePolicy:RolePolicy",
        "kms/key:Key",
        "s3/bucketPolicy:BucketPolicy",
        "sns/topic:Topic",
        "sqs/queue:Queue",
    }
