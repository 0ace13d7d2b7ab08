"""A small example of every resource type: its inputs, and a change in place."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

REGION = "eu-west-1"


@dataclass(frozen=True, slots=True)
class Of:
    """An output of another type's example, which has to exist first."""

    token: str
    output: str = "id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    inputs: Mapping[str, Any]
    change: Mapping[str, Any] = field(default_factory=dict)
    after: tuple[str, ...] = ()  # other types that have to exist
    outlives: bool = False  # its deletion keeps it, also with the real provider


def policy(action: str, resource: str | None = "*", principal: Any = "*", **more: Any) -> str:
    statement = {"Effect": "Allow", "Principal": principal, "Action": action, **more}
    if resource:
        statement["Resource"] = resource
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def trust(service: str) -> str:
    return policy("sts:AssumeRole", None, {"Service": service})


ACCOUNT_ROOT = {"AWS": "arn:aws:iam::123456789012:root"}
VPC, SUBNET, TABLE = "aws:ec2/vpc:Vpc", "aws:ec2/subnet:Subnet", "aws:ec2/routeTable:RouteTable"
GATEWAY, GROUP = "aws:ec2/internetGateway:InternetGateway", "aws:ec2/securityGroup:SecurityGroup"
BUCKET, ROLE, KEY = "aws:s3/bucket:Bucket", "aws:iam/role:Role", "aws:kms/key:Key"
REPOSITORY, PUBLIC = "aws:ecr/repository:Repository", "aws:ecrpublic/repository:Repository"
SECRET, CLUSTER, TASK = (
    "aws:secretsmanager/secret:Secret",
    "aws:ecs/cluster:Cluster",
    "aws:ecs/taskDefinition:TaskDefinition",
)
QUEUE, TOPIC, RULE = "aws:sqs/queue:Queue", "aws:sns/topic:Topic", "aws:cloudwatch/eventRule:EventRule"
FIREWALL = "aws:route53/resolverFirewallRuleGroup:ResolverFirewallRuleGroup"
DOMAINS = "aws:route53/resolverFirewallDomainList:ResolverFirewallDomainList"
TAGS = {"tags": {"owner": "tests"}}
RETAGGED = {"tags": {"owner": "nobody", "more": "yes"}}

CONTAINER = {"name": "worker", "image": "public.ecr.aws/docker/library/busybox:1", "essential": True}
ECS_TARGET = {"taskDefinitionArn": Of(TASK, "arn"), "taskCount": 1, "launchType": "FARGATE"}
AWSVPC = {"networkConfiguration": {"subnets": [Of(SUBNET)], "assignPublicIp": True}}
LIFECYCLE = {
    "rules": [
        {
            "rulePriority": 1,
            "selection": {"tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": 5},
            "action": {"type": "expire"},
        }
    ]
}
