"""An invented AWS: well-formed ids and ARNs for a program's resources, and answers to its functions.

Equal resources get equal answers, so that tests can compare two graphs.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.infra.engine.provider import kind_of, partition_of
from tests.infra.engine.shapes import UNKNOWN, Props

ACCOUNT = "123456789012"
# Zones with Fargate in regions where they are not the first three.
ZONES = {
    "us-east-1": (1, 2, 3, 4, 5, 6),
    "us-west-1": (1, 3),
    "ap-northeast-1": (1, 2, 4),
    "ca-central-1": (1, 2, 4),
    "cn-north-1": (1, 2),
}
REGIONS = ("ap-southeast-2", "eu-west-1", "us-east-1", "us-west-2")  # enabled in the account
DIRECTIONS = ("north", "south", "east", "west", "central", "gov")


class NotInvented(LookupError):
    """A type, output or function without an invented answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The environment of a program. `stacks` are the outputs of other stacks, by reference."""

    account: str = ACCOUNT
    stacks: Mapping[str, Mapping[str, Any]] | None = None
    filled_secrets: frozenset[str] = frozenset()
    deployments: tuple[str, ...] = ()  # keys in the results bucket


# ---- resources ----------------------------------------------------------------------------------------------------

# Type → its id, and its ARN after the partition. `#` is a unique number, `{…}` an input.
MADE: Mapping[str, tuple[str, str]] = {
    "aws:apigatewayv2/api:Api": ("#", "apigateway:@region::/apis/#"),
    "aws:apigatewayv2/integration:Integration": ("#", ""),
    "aws:apigatewayv2/route:Route": ("#", ""),
    "aws:apigatewayv2/stage:Stage": ("{name}", "apigateway:@region::/apis/#/stages/{name}"),
    "aws:budgets/budget:Budget": ("@account:{name}", "budgets::@account:budget/{name}"),
    "aws:cloudfront/distribution:Distribution": ("E#", "cloudfront::@account:distribution/E#"),
    "aws:cloudfront/originAccessControl:OriginAccessControl": ("E#", "cloudfront::@account:origin-access-control/E#"),
    "aws:cloudfront/responseHeadersPolicy:ResponseHeadersPolicy": (
        "@uuid",
        "cloudfront::@account:response-headers-policy/@uuid",
    ),
    "aws:cloudwatch/eventBus:EventBus": ("{name}", "events:@region:@account:event-bus/{name}"),
    "aws:cloudwatch/eventRule:EventRule": ("{name}", "events:@region:@account:rule/{name}"),
    "aws:cloudwatch/eventTarget:EventTarget": ("{rule}-#", ""),
    "aws:cloudwatch/logGroup:LogGroup": ("{name}", "logs:@region:@account:log-group:{name}"),
    "aws:cloudwatch/metricAlarm:MetricAlarm": ("{name}", "cloudwatch:@region:@account:alarm:{name}"),
    "aws:cognito/managedLoginBranding:ManagedLoginBranding": ("{userPoolId},@uuid", ""),
    "aws:cognito/user:User": ("{userPoolId}/{username}", ""),
    "aws:cognito/userGroup:UserGroup": ("{userPoolId}/{name}", ""),
    "aws:cognito/userInGroup:UserInGroup": ("{userPoolId}/{groupName}/{username}", ""),
    "aws:cognito/userPool:UserPool": ("@region_#", "cognito-idp:@region:@account:userpool/@region_#"),
    "aws:cognito/userPoolClient:UserPoolClient": ("#", ""),
    "aws:cognito/userPoolDomain:UserPoolDomain": ("{domain}", ""),
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": ("sg-#", "ec2:@region:@account:security-group/sg-#"),
    "aws:ec2/eip:Eip": ("eipalloc-#", "ec2:@region:@account:elastic-ip/eipalloc-#"),
    "aws:ec2/internetGateway:InternetGateway": ("igw-#", "ec2:@region:@account:internet-gateway/igw-#"),
    "aws:ec2/natGateway:NatGateway": ("nat-#", ""),
    "aws:ec2/route:Route": ("r-{routeTableId}", ""),
    "aws:ec2/routeTable:RouteTable": ("rtb-#", "ec2:@region:@account:route-table/rtb-#"),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": ("rtbassoc-#", ""),
    "aws:ec2/securityGroup:SecurityGroup": ("sg-#", "ec2:@region:@account:security-group/sg-#"),
    "aws:ec2/subnet:Subnet": ("subnet-#", "ec2:@region:@account:subnet/subnet-#"),
    "aws:ec2/vpc:Vpc": ("vpc-#", "ec2:@region:@account:vpc/vpc-#"),
    "aws:ec2/vpcEndpoint:VpcEndpoint": ("vpce-#", "ec2:@region:@account:vpc-endpoint/vpce-#"),
    "aws:ecr/accountSetting:AccountSetting": ("{name}", ""),
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": ("{repository}", ""),
    "aws:ecr/pullThroughCacheRule:PullThroughCacheRule": ("{ecrRepositoryPrefix}", ""),
    "aws:ecr/registryPolicy:RegistryPolicy": ("@account", ""),
    "aws:ecr/registryScanningConfiguration:RegistryScanningConfiguration": ("@account", ""),
    "aws:ecr/replicationConfiguration:ReplicationConfiguration": ("@account", ""),
    "aws:ecr/repository:Repository": ("{name}", "ecr:@region:@account:repository/{name}"),
    "aws:ecr/repositoryCreationTemplate:RepositoryCreationTemplate": ("{prefix}", ""),
    "aws:ecr/repositoryPolicy:RepositoryPolicy": ("{repository}", ""),
    "aws:ecrpublic/repository:Repository": ("{repositoryName}", "ecr-public::@account:repository/{repositoryName}"),
    "aws:ecrpublic/repositoryPolicy:RepositoryPolicy": ("{repositoryName}", ""),
    "aws:ecs/accountSettingDefault:AccountSettingDefault": ("{name}", ""),
    "aws:ecs/cluster:Cluster": (
        "arn:@partition:ecs:@region:@account:cluster/{name}",
        "ecs:@region:@account:cluster/{name}",
    ),
    "aws:ecs/clusterCapacityProviders:ClusterCapacityProviders": ("{clusterName}", ""),
    "aws:ecs/taskDefinition:TaskDefinition": ("{family}", "ecs:@region:@account:task-definition/{family}:1"),
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider": (
        "arn:@partition:iam::@account:oidc-provider/{url}",
        "iam::@account:oidc-provider/{url}",
    ),
    "aws:iam/policy:Policy": (
        "arn:@partition:iam::@account:policy{path}{name}",
        "iam::@account:policy{path}{name}",
    ),
    "aws:iam/role:Role": ("{name}", "iam::@account:role{path}{name}"),
    "aws:iam/rolePolicy:RolePolicy": ("{role}:{name}", ""),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": ("{role}-#", ""),
    "aws:kms/alias:Alias": ("{name}", "kms:@region:@account:{name}"),
    "aws:kms/key:Key": ("@uuid", "kms:@region:@account:key/@uuid"),
    "aws:lambda/function:Function": ("{name}", "lambda:@region:@account:function:{name}"),
    "aws:lambda/permission:Permission": ("{statementId}", ""),
    "aws:route53/resolverFirewallDomainList:ResolverFirewallDomainList": (
        "rslvr-fdl-#",
        "route53resolver:@region:@account:firewall-domain-list/rslvr-fdl-#",
    ),
    "aws:route53/resolverFirewallRule:ResolverFirewallRule": ("rslvr-frg-#:rslvr-fdl-#", ""),
    "aws:route53/resolverFirewallRuleGroup:ResolverFirewallRuleGroup": (
        "rslvr-frg-#",
        "route53resolver:@region:@account:firewall-rule-group/rslvr-frg-#",
    ),
    "aws:route53/resolverFirewallRuleGroupAssociation:ResolverFirewallRuleGroupAssociation": (
        "rslvr-frgassoc-#",
        "route53resolver:@region:@account:firewall-rule-group-association/rslvr-frgassoc-#",
    ),
    "aws:s3/bucket:Bucket": ("{bucket}", "s3:::{bucket}"),
    "aws:s3/bucketCorsConfiguration:BucketCorsConfiguration": ("{bucket}", ""),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": ("{bucket}", ""),
    "aws:s3/bucketObjectv2:BucketObjectv2": ("{bucket}/{key}", "s3:::{bucket}/{key}"),
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": ("{bucket}", ""),
    "aws:s3/bucketPolicy:BucketPolicy": ("{bucket}", ""),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": ("{bucket}", ""),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": ("{bucket}", ""),
    "aws:scheduler/schedule:Schedule": (
        "{groupName}/{name}",
        "scheduler:@region:@account:schedule/{groupName}/{name}",
    ),
    "aws:scheduler/scheduleGroup:ScheduleGroup": ("{name}", "scheduler:@region:@account:schedule-group/{name}"),
    "aws:secretsmanager/secret:Secret": (
        "arn:@partition:secretsmanager:@region:@account:secret:{name}-AbCdEf",
        "secretsmanager:@region:@account:secret:{name}-AbCdEf",
    ),
    "aws:secretsmanager/secretVersion:SecretVersion": ("{secretId}|@uuid", ""),
    "aws:sns/topic:Topic": ("arn:@partition:sns:@region:@account:{name}", "sns:@region:@account:{name}"),
    "aws:sns/topicSubscription:TopicSubscription": ("arn:@partition:sns:@region:@account:topic:@uuid", ""),
    "aws:sqs/queue:Queue": ("https://sqs.@region.@suffix/@account/{name}", "sqs:@region:@account:{name}"),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": (
        "sgr-#",
        "ec2:@region:@account:security-group-rule/sgr-#",
    ),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": (
        "sgr-#",
        "ec2:@region:@account:security-group-rule/sgr-#",
    ),
}
# Other outputs that programs may read.
OUTPUTS: Mapping[str, Mapping[str, str]] = {
    "aws:apigatewayv2/api:Api": {
        "apiEndpoint": "https://#.execute-api.@region.@suffix",
        "executionArn": "arn:@partition:execute-api:@region:@account:#",
    },
    "aws:cloudfront/distribution:Distribution": {"domainName": "d#.cloudfront.net"},
    "aws:s3/bucket:Bucket": {"bucketRegionalDomainName": "{bucket}.s3.@region.@suffix"},
    "aws:ec2/vpcEndpoint:VpcEndpoint": {"prefixListId": "pl-#"},
    "aws:ecr/repository:Repository": {
        "registryId": "@account",
        "repositoryUrl": "@account.dkr.ecr.@region.@suffix/{name}",
    },
    "aws:ecrpublic/repository:Repository": {"repositoryUri": "public.ecr.aws/a1b2c3d4/{repositoryName}"},
    "aws:kms/key:Key": {"keyId": "@uuid"},
    "aws:kms/alias:Alias": {"targetKeyArn": "arn:@partition:kms:@region:@account:key/@uuid"},
    "aws:secretsmanager/secretVersion:SecretVersion": {"secretArn": "{secretId}"},
    "aws:sqs/queue:Queue": {"url": "https://sqs.@region.@suffix/@account/{name}"},
}


def suffix_of(region: str) -> str:
    return "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"


def made(token: str, urn: str, inputs: Props, region: str, world: World) -> tuple[str, dict[str, str]]:
    """Returns the id of a resource, and the outputs that AWS chooses."""
    if token not in MADE:
        raise NotInvented(f"{token} has no id in tests/infra/invented.py")
    id, arn = MADE[token]
    wanted = dict(OUTPUTS.get(token, {}))
    if arn and "arn" in kind_of(token).outputs:
        wanted["arn"] = f"arn:@partition:{arn}"
    region = str(inputs.get("region") or region)
    return filled(id, urn, inputs, region, world.account), {
        name: filled(text, urn, inputs, region, world.account) for name, text in wanted.items()
    }


def filled(text: str, urn: str, inputs: Props, region: str, account: str) -> str:
    digest = hashlib.sha256(urn.encode()).hexdigest()
    names = {
        "@partition": partition_of(region),
        "@region": region,
        "@account": account,
        "@suffix": suffix_of(region),
        "@uuid": "-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:32])),
        "#": digest[:17],
    }
    found = re.sub(r"\{(\w+)\}", lambda match: str(inputs.get(match[1], UNKNOWN)), text)
    return re.sub("@[a-z]+|#", lambda match: names.get(match[0], match[0]), found)  # an address is no name


# ---- functions ----------------------------------------------------------------------------------------------------


def zone_ids(region: str) -> list[str]:
    """Returns zone ids in AWS's form: use1-az1, apne1-az4, usgw1-az2."""
    area, *words, number = region.split("-")
    short = "".join(
        "".join(one[0] for one in DIRECTIONS if one in word)
        if word not in ("northeast", "northwest", "southeast", "southwest")
        else word[0] + word[5]
        for word in words
    )
    return [f"{area}{short}{number}-az{zone}" for zone in ZONES.get(region, (1, 2, 3))]


def answer(world: World, token: str, region: str, args: Props) -> dict[str, Any]:
    """Returns the answer of a function."""
    if token not in FUNCTIONS:
        raise NotInvented(f"{token} has no answer in tests/infra/invented.py")
    here = str(args.get("region") or region)
    return {"region": here, "id": here, **args, **FUNCTIONS[token](world, here, args)}


def _identity(world: World, region: str, args: Props) -> dict[str, Any]:
    arn = f"arn:{partition_of(region)}:iam::{world.account}:user/deployer"
    return {"accountId": world.account, "arn": arn, "userId": "AIDAEXAMPLE", "id": world.account}


def _zones(world: World, region: str, args: Props) -> dict[str, Any]:
    ids = zone_ids(region)
    names = [f"{region}{letter}" for letter in "abcdef"[: len(ids)]]
    return {"names": names, "zoneIds": ids, "groupNames": [region]}


def _regions(world: World, region: str, args: Props) -> dict[str, Any]:
    near = REGIONS if partition_of(region) == "aws" else (region,)
    return {"names": sorted({*near, region})}


def _secrets(world: World, region: str, args: Props) -> dict[str, Any]:
    (wanted,) = args["filters"][0]["values"]
    found = sorted(one for one in world.filled_secrets if one.startswith(wanted))
    arn = f"arn:{partition_of(region)}:secretsmanager:{region}:{world.account}:secret:"
    return {"names": found, "arns": [f"{arn}{one}-AbCdEf" for one in found]}


def _versions(world: World, region: str, args: Props) -> dict[str, Any]:
    version = {"versionId": "1", "versionStages": ["AWSCURRENT"], "createdTime": "", "lastAccessedDate": ""}
    return {"versions": [version] if args["secretId"] in world.filled_secrets else [], "name": args["secretId"]}


def _objects(world: World, region: str, args: Props) -> dict[str, Any]:
    keys = [key for key in world.deployments if key.startswith(args.get("prefix", ""))]
    return {"id": args["bucket"], "keys": keys, "commonPrefixes": [], "owners": [], "requestCharged": ""}


FUNCTIONS: Mapping[str, Callable[[World, str, Props], dict[str, Any]]] = {
    "aws:index/getCallerIdentity:getCallerIdentity": _identity,
    "aws:index/getAvailabilityZones:getAvailabilityZones": _zones,
    "aws:index/getRegions:getRegions": _regions,
    "aws:secretsmanager/getSecrets:getSecrets": _secrets,
    "aws:secretsmanager/getSecretVersions:getSecretVersions": _versions,
    "aws:s3/getObjects:getObjects": _objects,
}
