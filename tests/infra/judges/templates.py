"""Planned resources as CloudFormation's templates, whose schemas know the services' limits, patterns and values."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.infra.judges.policies import subject
from tests.infra.offline import Resource

# Type → CloudFormation's type, and its properties: those of Pulumi, or `Pulumi's:CloudFormation's`.
# A property that ends with `!` is a text of JSON. Left out is what CloudFormation has elsewhere, or not at all.
TYPES: Mapping[str, tuple[str, str]] = {
    "aws:apigatewayv2/api:Api": ("ApiGatewayV2::Api", "name protocolType description"),
    "aws:apigatewayv2/integration:Integration": (
        "ApiGatewayV2::Integration",
        "apiId integrationType integrationUri payloadFormatVersion timeoutMilliseconds:TimeoutInMillis",
    ),
    "aws:apigatewayv2/route:Route": ("ApiGatewayV2::Route", "apiId routeKey target"),
    "aws:apigatewayv2/stage:Stage": ("ApiGatewayV2::Stage", "apiId name:StageName autoDeploy defaultRouteSettings"),
    "aws:cloudfront/originAccessControl:OriginAccessControl": ("CloudFront::OriginAccessControl", ""),
    "aws:cloudwatch/eventBus:EventBus": ("Events::EventBus", "name"),
    "aws:cloudwatch/eventRule:EventRule": ("Events::Rule", "name eventBusName description eventPattern!"),
    "aws:cloudwatch/logGroup:LogGroup": ("Logs::LogGroup", "name:LogGroupName retentionInDays kmsKeyId"),
    "aws:cloudwatch/metricAlarm:MetricAlarm": (
        "CloudWatch::Alarm",
        "name:AlarmName alarmDescription alarmActions comparisonOperator datapointsToAlarm evaluationPeriods "
        "metricName namespace period statistic threshold treatMissingData",
    ),
    "aws:cognito/userGroup:UserGroup": ("Cognito::UserPoolGroup", "name:GroupName description userPoolId"),
    "aws:cognito/userPool:UserPool": (
        "Cognito::UserPool",
        "name:UserPoolName mfaConfiguration usernameAttributes autoVerifiedAttributes userPoolTier "
        "accountRecoverySetting usernameConfiguration",
    ),
    "aws:cognito/userPoolClient:UserPoolClient": (
        "Cognito::UserPoolClient",
        "name:ClientName userPoolId accessTokenValidity explicitAuthFlows preventUserExistenceErrors "
        "supportedIdentityProviders allowedOauthFlowsUserPoolClient:AllowedOAuthFlowsUserPoolClient "
        "allowedOauthFlows:AllowedOAuthFlows allowedOauthScopes:AllowedOAuthScopes generateSecret "
        "callbackUrls:CallbackURLs logoutUrls:LogoutURLs refreshTokenRotation",
    ),
    "aws:cognito/userPoolDomain:UserPoolDomain": ("Cognito::UserPoolDomain", "domain userPoolId managedLoginVersion"),
    "aws:ec2/securityGroup:SecurityGroup": ("EC2::SecurityGroup", "name:GroupName description:GroupDescription vpcId"),
    "aws:ec2/subnet:Subnet": ("EC2::Subnet", "vpcId cidrBlock availabilityZone mapPublicIpOnLaunch"),
    "aws:ec2/vpc:Vpc": ("EC2::VPC", "cidrBlock enableDnsHostnames enableDnsSupport"),
    "aws:ec2/vpcEndpoint:VpcEndpoint": (
        "EC2::VPCEndpoint",
        "vpcId serviceName serviceRegion vpcEndpointType privateDnsEnabled",
    ),
    "aws:ecr/pullThroughCacheRule:PullThroughCacheRule": (
        "ECR::PullThroughCacheRule",
        "ecrRepositoryPrefix upstreamRegistryUrl credentialArn customRoleArn upstreamRepositoryPrefix",
    ),
    "aws:ecr/registryScanningConfiguration:RegistryScanningConfiguration": (
        "ECR::RegistryScanningConfiguration",
        "scanType rules",
    ),
    "aws:ecr/replicationConfiguration:ReplicationConfiguration": (
        "ECR::ReplicationConfiguration",
        "replicationConfiguration",
    ),
    "aws:ecr/repository:Repository": (
        "ECR::Repository",
        "name:RepositoryName imageTagMutability imageScanningConfiguration",
    ),
    "aws:ecr/repositoryCreationTemplate:RepositoryCreationTemplate": (
        "ECR::RepositoryCreationTemplate",
        "prefix description appliedFors:AppliedFor customRoleArn imageTagMutability",
    ),
    "aws:ecrpublic/repository:Repository": ("ECR::PublicRepository", "repositoryName"),
    "aws:ecs/cluster:Cluster": ("ECS::Cluster", "name:ClusterName settings:ClusterSettings"),
    "aws:ecs/clusterCapacityProviders:ClusterCapacityProviders": (
        "ECS::ClusterCapacityProviderAssociations",
        "clusterName:Cluster capacityProviders defaultCapacityProviderStrategies:DefaultCapacityProviderStrategy",
    ),
    "aws:ecs/taskDefinition:TaskDefinition": (
        "ECS::TaskDefinition",
        "family cpu memory networkMode requiresCompatibilities executionRoleArn taskRoleArn runtimePlatform "
        "ephemeralStorage containerDefinitions!",
    ),
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider": (
        "IAM::OIDCProvider",
        "url clientIdLists:ClientIdList thumbprintLists:ThumbprintList",
    ),
    "aws:iam/policy:Policy": ("IAM::ManagedPolicy", "name:ManagedPolicyName path description"),
    "aws:iam/role:Role": (
        "IAM::Role",
        "name:RoleName path description maxSessionDuration permissionsBoundary",
    ),
    "aws:iam/rolePolicy:RolePolicy": ("IAM::RolePolicy", "name:PolicyName role:RoleName"),
    "aws:kms/alias:Alias": ("KMS::Alias", "name:AliasName targetKeyId"),
    "aws:kms/key:Key": (
        "KMS::Key",
        "description enableKeyRotation deletionWindowInDays:PendingWindowInDays",
    ),
    "aws:lambda/function:Function": (
        "Lambda::Function",
        "name:FunctionName description architectures handler memorySize runtime timeout role environment loggingConfig",
    ),
    "aws:lambda/permission:Permission": ("Lambda::Permission", "action principal sourceArn function:FunctionName"),
    "aws:route53/resolverFirewallDomainList:ResolverFirewallDomainList": (
        "Route53Resolver::FirewallDomainList",
        "name domains",
    ),
    "aws:route53/resolverFirewallRuleGroup:ResolverFirewallRuleGroup": ("Route53Resolver::FirewallRuleGroup", "name"),
    "aws:route53/resolverFirewallRuleGroupAssociation:ResolverFirewallRuleGroupAssociation": (
        "Route53Resolver::FirewallRuleGroupAssociation",
        "name priority vpcId firewallRuleGroupId",
    ),
    "aws:s3/bucket:Bucket": ("S3::Bucket", "bucket:BucketName"),
    "aws:scheduler/schedule:Schedule": (
        "Scheduler::Schedule",
        "name groupName description state scheduleExpression scheduleExpressionTimezone flexibleTimeWindow target",
    ),
    "aws:scheduler/scheduleGroup:ScheduleGroup": ("Scheduler::ScheduleGroup", "name"),
    "aws:secretsmanager/secret:Secret": ("SecretsManager::Secret", "name description kmsKeyId"),
    "aws:sns/topic:Topic": ("SNS::Topic", "name:TopicName"),
    "aws:sns/topicSubscription:TopicSubscription": ("SNS::Subscription", "topic:TopicArn protocol endpoint"),
    "aws:sqs/queue:Queue": (
        "SQS::Queue",
        "name:QueueName messageRetentionSeconds:MessageRetentionPeriod sqsManagedSseEnabled",
    ),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": (
        "EC2::SecurityGroupEgress",
        "securityGroupId:GroupId ipProtocol cidrIpv4:CidrIp cidrIpv6 fromPort toPort "
        "prefixListId:DestinationPrefixListId referencedSecurityGroupId:DestinationSecurityGroupId",
    ),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": (
        "EC2::SecurityGroupIngress",
        "securityGroupId:GroupId ipProtocol referencedSecurityGroupId:SourceSecurityGroupId fromPort toPort",
    ),
}
# What CloudFormation requires, and other judges check.
EMPTY: Mapping[str, Any] = {"Version": "2012-10-17", "Statement": []}
REQUIRED: Mapping[str, Mapping[str, Any]] = {
    "IAM::ManagedPolicy": {"PolicyDocument": EMPTY},
    "IAM::Role": {"AssumeRolePolicyDocument": EMPTY},
    "Lambda::Function": {"Code": {"ZipFile": "-"}},
}
FREE = ("EventPattern", "Options", "Variables")  # have keys of their own
RENAMED = {"SizeInGib": "SizeInGiB"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A template of one region, and the subjects of its resources by their ids."""

    body: Mapping[str, Any]
    subjects: Mapping[str, str]


def templates(resources: Iterable[Resource]) -> dict[str, Template]:
    """Returns a template for each region with the resources that CloudFormation has, equal ones once."""
    found: dict[str, dict[str, str]] = {}
    for one in resources:
        if one.type in TYPES and "metricQueries" not in one.inputs:  # CloudFormation's metrics have another form
            region = str(one.inputs.get("region") or "us-east-1")
            found.setdefault(region, {}).setdefault(json.dumps(_converted(one)), subject(one))
    return {region: _template(converted) for region, converted in found.items()}


def _template(converted: Mapping[str, str]) -> Template:
    ids = {f"R{number}": text for number, text in enumerate(converted)}
    return Template(
        body={
            "AWSTemplateFormatVersion": "2010-09-09",
            "Resources": {name: json.loads(text) for name, text in ids.items()},
        },
        subjects={name: converted[text] for name, text in ids.items()},
    )


def _converted(one: Resource) -> dict[str, Any]:
    kind, names = TYPES[one.type]
    found: dict[str, Any] = dict(REQUIRED.get(kind, {}))
    if kind == "CloudFront::OriginAccessControl":
        found["OriginAccessControlConfig"] = _nested({**one.inputs, "region": None})
    for each in names.split():
        name, _, renamed = each.partition(":")
        plain = name.rstrip("!")
        value = one.inputs.get(plain)
        if value is not None:
            pascal = renamed or _pascal(plain)
            found |= _nested({pascal: json.loads(value) if plain != name else value})
    return {"Type": f"AWS::{kind}", "Properties": found}


def _pascal(name: str) -> str:
    pascal = name[:1].upper() + name[1:]
    return RENAMED.get(pascal, pascal)


def _nested(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            _pascal(key): item if _pascal(key) in FREE else _nested(item)
            for key, item in value.items()
            if item is not None
        }
    if isinstance(value, list):
        return [_nested(item) for item in value]
    return value
