"""A small example of every resource type: what it is made with, and what may then change in place."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

REGION = "eu-west-1"


@dataclass(frozen=True, slots=True)
class Of:
    """An output of the example of another type, which has to exist first."""

    token: str
    output: str = "id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    inputs: Mapping[str, Any]
    change: Mapping[str, Any] = field(default_factory=dict)
    after: tuple[str, ...] = ()  # types that have to exist, though nothing refers to them
    outlives: bool = False  # its deletion leaves it as it is, with the real provider, too


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

REGISTRY = {
    REPOSITORY: Example(
        inputs={
            "name": "toril/worker",
            "imageTagMutability": "IMMUTABLE",
            "encryptionConfigurations": [{"encryptionType": "AES256"}],
            **TAGS,
        },
        change={"imageTagMutability": "MUTABLE", "imageScanningConfiguration": {"scanOnPush": True}, **RETAGGED},
    ),
    "aws:ecr/repositoryPolicy:RepositoryPolicy": Example(
        inputs={"repository": Of(REPOSITORY, "name"), "policy": policy("ecr:BatchGetImage", None, ACCOUNT_ROOT)},
        change={"policy": policy("ecr:GetDownloadUrlForLayer", None, ACCOUNT_ROOT)},
    ),
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": Example(
        inputs={"repository": Of(REPOSITORY, "name"), "policy": json.dumps(LIFECYCLE)}
    ),
    "aws:ecr/pullThroughCacheRule:PullThroughCacheRule": Example(
        inputs={"ecrRepositoryPrefix": "ecr-public", "upstreamRegistryUrl": "public.ecr.aws"}
    ),
    "aws:ecr/repositoryCreationTemplate:RepositoryCreationTemplate": Example(
        inputs={
            "prefix": "ecr-public",
            "appliedFors": ["PULL_THROUGH_CACHE"],
            "encryptionConfigurations": [{"encryptionType": "AES256"}],
        },
        change={"description": "what is cached", "imageTagMutability": "MUTABLE"},
    ),
    "aws:ecr/registryPolicy:RegistryPolicy": Example(
        inputs={
            "policy": policy(
                "ecr:CreateRepository", "arn:aws:ecr:eu-west-1:123456789012:repository/*", ACCOUNT_ROOT, Sid="cache"
            )
        },
        change={
            "policy": policy(
                "ecr:ReplicateImage", "arn:aws:ecr:eu-west-1:123456789012:repository/*", ACCOUNT_ROOT, Sid="cache"
            )
        },
    ),
    "aws:ecr/registryScanningConfiguration:RegistryScanningConfiguration": Example(
        inputs={
            "scanType": "BASIC",
            "rules": [
                {
                    "scanFrequency": "SCAN_ON_PUSH",
                    "repositoryFilters": [{"filter": "toril/*", "filterType": "WILDCARD"}],
                }
            ],
        },
        change={"rules": []},
        outlives=True,
    ),
    "aws:ecr/replicationConfiguration:ReplicationConfiguration": Example(
        inputs={
            "replicationConfiguration": {
                "rules": [{"destinations": [{"region": "us-east-1", "registryId": "123456789012"}]}]
            }
        },
        outlives=True,
    ),
    "aws:ecr/accountSetting:AccountSetting": Example(
        inputs={"name": "BASIC_SCAN_TYPE_VERSION", "value": "AWS_NATIVE"}, outlives=True
    ),
    PUBLIC: Example(
        inputs={"repositoryName": "toril", "catalogData": {"description": "workers"}, "region": "us-east-1", **TAGS},
        change={"catalogData": {"description": "workers of load tests"}},
    ),
    "aws:ecrpublic/repositoryPolicy:RepositoryPolicy": Example(
        inputs={
            "repositoryName": Of(PUBLIC, "repositoryName"),
            "policy": policy("ecr-public:DescribeImages", None),
            "region": "us-east-1",
        },
        change={"policy": policy("ecr-public:DescribeRepositories", None)},
    ),
}
SECRETS = {
    SECRET: Example(
        inputs={
            "name": "ecr-pullthroughcache/toril",
            "recoveryWindowInDays": 0,
            "replicas": [{"region": "us-west-2"}],
            **TAGS,
        },
        change={"description": "a token", "replicas": [], **RETAGGED},
    ),
    "aws:secretsmanager/secretVersion:SecretVersion": Example(
        inputs={"secretId": Of(SECRET), "secretString": "made up"}, outlives=True
    ),
    KEY: Example(
        inputs={"description": "results", "enableKeyRotation": True, "deletionWindowInDays": 7, **TAGS},
        change={
            "description": "the results",
            "policy": policy("kms:*", "*", ACCOUNT_ROOT),
            "enableKeyRotation": False,
            **RETAGGED,
        },
    ),
    "aws:kms/alias:Alias": Example(inputs={"name": "alias/toril", "targetKeyId": Of(KEY, "keyId")}),
}
IDENTITY = {
    ROLE: Example(
        inputs={
            "name": "worker",
            "path": "/toril/main/",
            "assumeRolePolicy": trust("ecs-tasks.amazonaws.com"),
            "permissionsBoundary": "arn:aws:iam::aws:policy/PowerUserAccess",
            **TAGS,
        },
        change={"description": "workers", "maxSessionDuration": 7200, "permissionsBoundary": None, **RETAGGED},
    ),
    "aws:iam/rolePolicy:RolePolicy": Example(
        inputs={
            "role": Of(ROLE),
            "policy": json.dumps(
                {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}
            ),
        },
        change={
            "policy": json.dumps(
                {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}]}
            )
        },
    ),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": Example(
        inputs={"role": Of(ROLE), "policyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}
    ),
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider": Example(
        inputs={
            "url": "https://token.actions.githubusercontent.com",
            "clientIdLists": ["sts.amazonaws.com"],
            **TAGS,
        },
        change={"clientIdLists": ["sts.amazonaws.com", "toril"]},
    ),
    "aws:iam/serviceLinkedRole:ServiceLinkedRole": Example(inputs={"awsServiceName": "ecs.amazonaws.com"}),
}
STORAGE = {
    BUCKET: Example(inputs={"bucket": "toril-results", "forceDestroy": True, **TAGS}, change=RETAGGED),
    "aws:s3/bucketPolicy:BucketPolicy": Example(
        inputs={
            "bucket": Of(BUCKET),
            "policy": policy("s3:GetObject", "arn:aws:s3:::toril-results/*", ACCOUNT_ROOT),
        },
        change={"policy": policy("s3:PutObject", "arn:aws:s3:::toril-results/*", ACCOUNT_ROOT)},
    ),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": Example(
        inputs={"bucket": Of(BUCKET), "blockPublicAcls": True, "blockPublicPolicy": True},
        change={"ignorePublicAcls": True},
    ),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": Example(
        inputs={
            "bucket": Of(BUCKET),
            "rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}, "bucketKeyEnabled": True}],
        },
        change={
            "rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms"}, "bucketKeyEnabled": True}]
        },
        outlives=True,
    ),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": Example(
        inputs={"bucket": Of(BUCKET), "rules": [{"id": "old", "status": "Enabled", "expiration": {"days": 90}}]},
        change={"rules": [{"id": "old", "status": "Enabled", "expiration": {"days": 30}}]},
    ),
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": Example(
        inputs={"bucket": Of(BUCKET), "rule": {"objectOwnership": "BucketOwnerEnforced"}},
        change={"rule": {"objectOwnership": "BucketOwnerPreferred"}},
    ),
    "aws:s3/bucketVersioning:BucketVersioning": Example(
        inputs={"bucket": Of(BUCKET), "versioningConfiguration": {"status": "Enabled"}}, outlives=True
    ),
    "aws:s3/bucketObjectv2:BucketObjectv2": Example(
        inputs={
            "bucket": Of(BUCKET),
            "key": "deployments/eu-west-1.json",
            "content": "{}",
            "contentType": "application/json",
            **TAGS,
        },
        change={"content": '{"a": 1}', **RETAGGED},
    ),
}
WATCHING = {
    "aws:cloudwatch/logGroup:LogGroup": Example(
        inputs={"name": "/toril/main/workers", "retentionInDays": 14, **TAGS},
        change={"retentionInDays": 30, **RETAGGED},
    ),
    "aws:cloudwatch/metricAlarm:MetricAlarm": Example(
        inputs={
            "name": "stuck",
            "comparisonOperator": "GreaterThanThreshold",
            "evaluationPeriods": 1,
            "metricName": "ApproximateNumberOfMessagesVisible",
            "namespace": "AWS/SQS",
            "dimensions": {"QueueName": "toril"},
            "period": 60,
            "statistic": "Maximum",
            "threshold": 0,
            **TAGS,
        },
        change={"threshold": 5, "alarmDescription": "something is stuck"},
    ),
    "aws:budgets/budget:Budget": Example(
        inputs={
            "name": "toril",
            "budgetType": "COST",
            "timeUnit": "MONTHLY",
            "limitAmount": "50",
            "limitUnit": "USD",
            "notifications": [
                {
                    "comparisonOperator": "GREATER_THAN",
                    "threshold": 80,
                    "thresholdType": "PERCENTAGE",
                    "notificationType": "ACTUAL",
                    "subscriberEmailAddresses": ["someone@example.org"],
                }
            ],
        },
        change={"limitAmount": "100"},
    ),
    RULE: Example(
        inputs={"name": "nightly", "scheduleExpression": "rate(1 day)", **TAGS},
        change={"description": "each night", "state": "DISABLED"},
    ),
    "aws:cloudwatch/eventTarget:EventTarget": Example(
        inputs={
            "rule": Of(RULE, "name"),
            "targetId": "run",
            "arn": Of(CLUSTER, "arn"),
            "roleArn": Of(ROLE, "arn"),
            "ecsTarget": {**ECS_TARGET, **AWSVPC},
        },
        change={"input": "{}"},
    ),
    "aws:scheduler/schedule:Schedule": Example(
        inputs={
            "name": "nightly",
            "groupName": Of("aws:scheduler/scheduleGroup:ScheduleGroup", "name"),
            "scheduleExpression": "rate(1 day)",
            "flexibleTimeWindow": {"mode": "OFF"},
            "target": {
                "arn": Of(CLUSTER, "arn"),
                "roleArn": Of(ROLE, "arn"),
                "ecsParameters": {**ECS_TARGET, **AWSVPC},
            },
        },
        change={"description": "each night", "state": "DISABLED"},
    ),
    "aws:scheduler/scheduleGroup:ScheduleGroup": Example(inputs={"name": "toril", **TAGS}, change=RETAGGED),
    QUEUE: Example(
        inputs={"name": "toril", "visibilityTimeoutSeconds": 60, "sqsManagedSseEnabled": True, **TAGS},
        change={"visibilityTimeoutSeconds": 90, **RETAGGED},
    ),
    "aws:sqs/queuePolicy:QueuePolicy": Example(
        inputs={
            "queueUrl": Of(QUEUE, "url"),
            "policy": policy("sqs:SendMessage", "arn:aws:sqs:eu-west-1:123456789012:toril", ACCOUNT_ROOT),
        },
        change={"policy": policy("sqs:ReceiveMessage", "arn:aws:sqs:eu-west-1:123456789012:toril", ACCOUNT_ROOT)},
    ),
    TOPIC: Example(inputs={"name": "toril", "displayName": "Toril", **TAGS}, change={"displayName": "T", **RETAGGED}),
    "aws:sns/topicPolicy:TopicPolicy": Example(
        inputs={
            "arn": Of(TOPIC, "arn"),
            "policy": policy(
                "sns:Publish", "arn:aws:sns:eu-west-1:123456789012:toril", {"Service": "budgets.amazonaws.com"}
            ),
        },
        outlives=True,
    ),
    "aws:sns/topicSubscription:TopicSubscription": Example(
        inputs={"topic": Of(TOPIC, "arn"), "protocol": "sqs", "endpoint": Of(QUEUE, "arn")},
        change={"rawMessageDelivery": True},
    ),
}
CONTAINERS = {
    CLUSTER: Example(
        inputs={"name": "toril", "settings": [{"name": "containerInsights", "value": "disabled"}], **TAGS},
        change={"settings": [{"name": "containerInsights", "value": "enabled"}], **RETAGGED},
    ),
    "aws:ecs/clusterCapacityProviders:ClusterCapacityProviders": Example(
        inputs={
            "clusterName": Of(CLUSTER, "name"),
            "capacityProviders": ["FARGATE", "FARGATE_SPOT"],
            "defaultCapacityProviderStrategies": [{"capacityProvider": "FARGATE", "weight": 1, "base": 0}],
        },
        change={"capacityProviders": ["FARGATE"]},
    ),
    TASK: Example(
        inputs={
            "family": "toril-locust-arm64",
            "cpu": "256",
            "memory": "512",
            "networkMode": "awsvpc",
            "requiresCompatibilities": ["FARGATE"],
            "executionRoleArn": Of(ROLE, "arn"),
            "runtimePlatform": {"cpuArchitecture": "ARM64", "operatingSystemFamily": "LINUX"},
            "volumes": [{"name": "scratch"}],
            "containerDefinitions": json.dumps([CONTAINER]),
            **TAGS,
        },
        change=RETAGGED,
    ),
    "aws:ecs/accountSettingDefault:AccountSettingDefault": Example(
        inputs={"name": "containerInsights", "value": "enabled"}, change={"value": "disabled"}, outlives=True
    ),
}
NETWORK = {
    VPC: Example(
        inputs={"cidrBlock": "10.20.0.0/16", "enableDnsHostnames": True, **TAGS},
        change={"enableDnsHostnames": False, **RETAGGED},
    ),
    SUBNET: Example(
        inputs={"vpcId": Of(VPC), "cidrBlock": "10.20.1.0/24", "availabilityZone": "eu-west-1a", **TAGS},
        change={"mapPublicIpOnLaunch": True, **RETAGGED},
    ),
    GATEWAY: Example(inputs={"vpcId": Of(VPC), **TAGS}, change=RETAGGED),
    TABLE: Example(inputs={"vpcId": Of(VPC), **TAGS}, change=RETAGGED),
    "aws:ec2/route:Route": Example(
        inputs={"routeTableId": Of(TABLE), "destinationCidrBlock": "0.0.0.0/0", "gatewayId": Of(GATEWAY)},
    ),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": Example(
        inputs={"routeTableId": Of(TABLE), "subnetId": Of(SUBNET)}
    ),
    "aws:ec2/eip:Eip": Example(inputs={"domain": "vpc", **TAGS}, change=RETAGGED),
    "aws:ec2/natGateway:NatGateway": Example(
        inputs={"allocationId": Of("aws:ec2/eip:Eip", "allocationId"), "subnetId": Of(SUBNET), **TAGS},
        change=RETAGGED,
        after=(GATEWAY,),
    ),
    "aws:ec2/vpcEndpoint:VpcEndpoint": Example(
        inputs={
            "vpcId": Of(VPC),
            "serviceName": "com.amazonaws.eu-west-1.ecr.api",
            "vpcEndpointType": "Interface",
            "subnetIds": [Of(SUBNET)],
            "securityGroupIds": [Of(GROUP)],
            "privateDnsEnabled": True,
            **TAGS,
        },
        change={"policy": policy("*"), **RETAGGED},
    ),
    GROUP: Example(inputs={"name": "workers", "vpcId": Of(VPC), **TAGS}, change=RETAGGED),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": Example(
        inputs={
            "securityGroupId": Of(GROUP),
            "ipProtocol": "tcp",
            "fromPort": 443,
            "toPort": 443,
            "cidrIpv4": "0.0.0.0/0",
            **TAGS,
        },
        change={"description": "to the service", **RETAGGED},
    ),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": Example(
        inputs={
            "securityGroupId": Of(GROUP),
            "ipProtocol": "tcp",
            "fromPort": 443,
            "toPort": 443,
            "referencedSecurityGroupId": Of(GROUP),
        }
    ),
    DOMAINS: Example(
        inputs={"name": "allowed", "domains": ["*.amazonaws.com."], **TAGS},
        change={"domains": ["*.amazonaws.com.", "example.org."]},
    ),
    FIREWALL: Example(inputs={"name": "toril", **TAGS}, change=RETAGGED),
    "aws:route53/resolverFirewallRule:ResolverFirewallRule": Example(
        inputs={
            "name": "allow",
            "action": "ALLOW",
            "priority": 100,
            "firewallRuleGroupId": Of(FIREWALL),
            "firewallDomainListId": Of(DOMAINS),
        },
        change={"priority": 200},
    ),
    "aws:route53/resolverFirewallRuleGroupAssociation:ResolverFirewallRuleGroupAssociation": Example(
        inputs={"name": "toril", "priority": 200, "firewallRuleGroupId": Of(FIREWALL), "vpcId": Of(VPC)},
        change={"priority": 300},
    ),
}

EXAMPLES: Mapping[str, Example] = {
    **REGISTRY,
    **SECRETS,
    **IDENTITY,
    **STORAGE,
    **WATCHING,
    **CONTAINERS,
    **NETWORK,
}
