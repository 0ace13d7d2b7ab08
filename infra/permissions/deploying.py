"""The role that `pulumi up` and `destroy` need, for the hub and all regions of one account.

| statement | who needs it, for what |
|---|---|
| CreateNetwork, InNetworks, ChangeNetwork | the region's own VPC; only what bears the environment's tag is changed |
| TagNetwork, RetagNetwork | tags on what is made, and on what is ours already: nothing becomes ours by a tag |
| CreateRepositories, ChangeRepositories | the worker's and further private repositories, and those that caches made |
| CloseDefaultGroup | the VPC's default security group, which allows nothing |
| Registry | cache rules, creation templates, and where asked the registry's policy, scanning, replication |
| NewInCluster, Cluster, TaskDefinitions, OldTaskDefinitions | clusters, capacity providers; revisions of task definitions |
| Logs, Alarms, Secrets | log group; alarms; credentials of caches, by their names |
| Firewall | DNS Firewall, where the region has one |
| WriteRoles, BoundRoles | roles below the environment's path, and where a boundary is set only with it |
| WritePolicies, AttachPolicies | policies below that path, for roles below it |
| HandRolesToTasks, HandRolesToScheduler, HandRolesToEvents | task definitions, schedules, rules |
| HandRolesToRegistry, HandRolesToPullThrough | creation templates; caches of ECR in another account |
| ServiceRoles | a fresh account's service-linked roles |
| ListState, WriteState, StateKey | Pulumi's state and its secrets |
"""

from collections.abc import Callable

from infra.permissions import reading
from infra.permissions.deploying_hub import hub_statements
from infra.permissions.running import SCHEDULER_SERVICE, TASKS_SERVICE
from infra.permissions.scope import Scope, pass_roles
from infra.statements import ANY, Condition, Document, Statement, allow, calls, document

_MADE = (
    "elastic-ip",
    "internet-gateway",
    "natgateway",
    "route-table",
    "security-group",
    "security-group-rule",
    "subnet",
    "vpc",
    "vpc-endpoint",
)
_CREATE = (
    "AllocateAddress",
    "AuthorizeSecurityGroupEgress",
    "AuthorizeSecurityGroupIngress",
    "CreateInternetGateway",
    "CreateNatGateway",
    "CreateRouteTable",
    "CreateSecurityGroup",
    "CreateSubnet",
    "CreateVpc",
    "CreateVpcEndpoint",
)
_CHANGE = (
    "AssociateRouteTable",
    "AttachInternetGateway",
    "CreateRoute",
    "DeleteInternetGateway",
    "DeleteNatGateway",
    "DeleteRoute",
    "DeleteRouteTable",
    "DeleteSecurityGroup",
    "DeleteSubnet",
    "DeleteTags",
    "DeleteVpc",
    "DeleteVpcEndpoints",
    "DetachInternetGateway",
    "DisassociateAddress",
    "DisassociateRouteTable",
    "ModifySecurityGroupRules",
    "ModifySubnetAttribute",
    "ModifyVpcAttribute",
    "ModifyVpcEndpoint",
    "ReleaseAddress",
    "ReplaceRoute",
    "RevokeSecurityGroupEgress",
    "RevokeSecurityGroupIngress",
    "UpdateSecurityGroupRuleDescriptionsEgress",
)
# Services whose linked roles a first use makes; ECS' is made by the first cluster.
_LINKED = ("ecr", "ecs", "pullthroughcache.ecr", "replication.ecr")


def _tag(scope: Scope, kind: str) -> dict[str, str]:
    return {f"aws:{kind}Tag/toril:environment": scope.names.environment}


def _ours(scope: Scope) -> Condition:
    """Things without a name of their own are told by the tag that everything bears."""
    return {"StringEquals": _tag(scope, "Resource")}


def _new(scope: Scope) -> Condition:
    return {"StringEquals": _tag(scope, "Request")}


def _network(scope: Scope) -> list[Statement]:
    def those(*kinds: str) -> list[str]:
        return [scope.arn("ec2", f"{kind}/*") for kind in kinds]

    return [
        allow("CreateNetwork", calls("ec2", *_CREATE), those(*_MADE), _new(scope)),
        # what a new thing is made in is authorised, too, and may be an existing VPC's
        allow(
            "InNetworks",
            calls("ec2", "CreateNatGateway", "CreateSecurityGroup", "CreateVpcEndpoint"),
            those("elastic-ip", "route-table", "security-group", "subnet", "vpc"),
        ),
        allow(
            "ChangeNetwork",
            calls(
                "ec2",
                *_CHANGE,
                "AuthorizeSecurityGroupEgress",
                "AuthorizeSecurityGroupIngress",
                "CreateRouteTable",
                "CreateSubnet",
            ),
            those(*_MADE),
            _ours(scope),
        ),
        # A VPC's default group is closed, and has no tag before: any group of the account can be closed with this.
        allow(
            "CloseDefaultGroup",
            calls("ec2", "CreateTags", "RevokeSecurityGroupEgress", "RevokeSecurityGroupIngress"),
            those("security-group"),
        ),
        # tags on creation, or on what is already ours: nothing is made ours by a tag
        allow("TagNetwork", ["ec2:CreateTags"], those(*_MADE), {"StringLike": {"ec2:CreateAction": "*"}}),
        allow("RetagNetwork", ["ec2:CreateTags"], those(*_MADE), _ours(scope)),
    ]


def _registry(scope: Scope) -> list[Statement]:
    repositories = [scope.arn("ecr", "repository/*")]  # stacks choose the names of their further repositories
    return [
        allow("CreateRepositories", ["ecr:CreateRepository", "ecr:TagResource"], repositories, _new(scope)),
        allow(
            "ChangeRepositories",
            calls(
                "ecr",
                "BatchDeleteImage",
                "DeleteLifecyclePolicy",
                "DeleteRepository",
                "DeleteRepositoryPolicy",
                "ListImages",
                "PutImageScanningConfiguration",
                "PutImageTagMutability",
                "PutLifecyclePolicy",
                "SetRepositoryPolicy",
                "TagResource",
                "UntagResource",
            ),
            repositories,
            _ours(scope),
        ),
        allow(
            "Registry",  # none of these actions knows a resource
            calls(
                "ecr",
                "CreatePullThroughCacheRule",
                "CreateRepositoryCreationTemplate",
                "DeletePullThroughCacheRule",
                "DeleteRegistryPolicy",
                "DeleteRepositoryCreationTemplate",
                "PutRegistryPolicy",
                "PutRegistryScanningConfiguration",
                "PutReplicationConfiguration",
                "UpdatePullThroughCacheRule",
                "UpdateRepositoryCreationTemplate",
                "ValidatePullThroughCacheRule",
            ),
            ANY,
        ),
    ]


def _workers(scope: Scope) -> list[Statement]:
    logs = scope.arn("logs", f"log-group:{scope.names.log_group()}")
    return [
        allow(
            "Cluster",
            calls(
                "ecs",
                "DeleteCluster",
                "PutClusterCapacityProviders",
                "TagResource",
                "UntagResource",
                "UpdateCluster",
            ),
            [scope.cluster],
        ),
        # neither knows a resource before there is one
        allow("NewInCluster", ["ecs:CreateCluster", "ecs:RegisterTaskDefinition"], ANY, _new(scope)),
        allow(
            "TaskDefinitions",
            ["ecs:TagResource", "ecs:UntagResource"],
            [scope.arn("ecs", f"task-definition/{scope.names.base}-*:*")],
        ),
        allow("OldTaskDefinitions", ["ecs:DeregisterTaskDefinition"], ANY),  # knows no resource
        allow(
            "Logs",
            calls(
                "logs",
                "AssociateKmsKey",
                "CreateLogGroup",
                "DeleteLogGroup",
                "DeleteRetentionPolicy",
                "DisassociateKmsKey",
                "PutRetentionPolicy",
                "TagResource",
                "UntagResource",
            ),
            [logs, f"{logs}:*"],
        ),
        allow(
            "Alarms",
            calls("cloudwatch", "DeleteAlarms", "PutMetricAlarm", "TagResource", "UntagResource"),
            [reading.alarms(scope)],
        ),
        allow(
            "Secrets",
            calls(
                "secretsmanager",
                "CreateSecret",
                "DeleteSecret",
                "GetSecretValue",  # the provider compares a version with what it is to be
                "PutSecretValue",
                "TagResource",
                "UntagResource",
                "UpdateSecret",
                "UpdateSecretVersionStage",
            ),
            [reading.cache_secrets(scope)],
        ),
        allow(
            "Firewall",
            calls(
                "route53resolver",
                "AssociateFirewallRuleGroup",
                "CreateFirewallDomainList",
                "CreateFirewallRule",
                "CreateFirewallRuleGroup",
                "DeleteFirewallDomainList",
                "DeleteFirewallRule",
                "DeleteFirewallRuleGroup",
                "DisassociateFirewallRuleGroup",
                "TagResource",
                "UntagResource",
                "UpdateFirewallDomains",
                "UpdateFirewallRule",
                "UpdateFirewallRuleGroupAssociation",
            ),
            reading.firewalls(scope),
        ),
    ]


def _roles(scope: Scope) -> list[Statement]:
    below = [reading.roles(scope)]
    bounded: Condition | None = (
        {"StringEquals": {"iam:PermissionsBoundary": scope.boundary}} if scope.boundary else None
    )
    return [
        # with a boundary, a role is made and given rights only where it bears it, so that no role exceeds it
        allow("BoundRoles", ["iam:CreateRole", "iam:DeleteRolePolicy", "iam:PutRolePolicy"], below, bounded),
        allow(
            "WriteRoles",
            calls("iam", "DeleteRole", "TagRole", "UntagRole", "UpdateAssumeRolePolicy", "UpdateRole"),
            below,
        ),
        # the roles' own policies, where they are too long to be inline
        allow(
            "WritePolicies",
            calls(
                "iam",
                "CreatePolicy",
                "CreatePolicyVersion",
                "DeletePolicy",
                "DeletePolicyVersion",
                "TagPolicy",
                "UntagPolicy",
            ),
            [reading.own_policies(scope)],
        ),
        allow(
            "AttachPolicies",
            ["iam:AttachRolePolicy", "iam:DetachRolePolicy"],
            below,
            {**(bounded or {}), "ArnLike": {"iam:PolicyARN": reading.own_policies(scope)}},
        ),
        pass_roles(
            "HandRolesToTasks",
            [*(scope.role(one, "*") for one in ("execution", "worker")), scope.role("coordinator")],
            TASKS_SERVICE,
        ),
        pass_roles("HandRolesToScheduler", [scope.role("scheduler")], SCHEDULER_SERVICE),
        pass_roles("HandRolesToRegistry", [scope.role("cache-templates", "*")], "ecr.amazonaws.com"),
        pass_roles(
            "HandRolesToPullThrough", [scope.role("cache-upstreams", "*")], "pullthroughcache.ecr.amazonaws.com"
        ),
        pass_roles("HandRolesToEvents", [scope.role("notices", "*")], "events.amazonaws.com"),
        allow(
            "ServiceRoles",
            ["iam:CreateServiceLinkedRole"],
            [f"arn:{scope.partition}:iam::{scope.account}:role/aws-service-role/*"],
            {"StringEquals": {"iam:AWSServiceName": [f"{service}.amazonaws.com" for service in _LINKED]}},
        ),
    ]


def _state(scope: Scope) -> list[Statement]:
    found = []
    if scope.state_bucket is not None:
        bucket = f"arn:{scope.partition}:s3:::{scope.state_bucket}"
        found += [
            allow("ListState", ["s3:GetBucketLocation", "s3:ListBucket"], [bucket]),
            allow("WriteState", ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"], [f"{bucket}/*"]),
        ]
    if scope.state_key is not None:
        found.append(allow("StateKey", ["kms:Decrypt", "kms:Encrypt"], [scope.state_key]))
    return found


def _read_policy(scope: Scope) -> Document:
    return document(reading.read_statements(scope))


def _identity_policy(scope: Scope) -> Document:
    return document([*_roles(scope), *_state(scope)])


def _hub_policy(scope: Scope) -> Document:
    return document(hub_statements(scope))


def _regions_policy(scope: Scope) -> Document:
    return document([*_registry(scope), *_workers(scope)])


def _network_policy(scope: Scope) -> Document:
    return document(_network(scope))


# By name: managed policies, each within their 6,144 characters.
DEPLOY_POLICIES: dict[str, Callable[[Scope], Document]] = {
    "hub": _hub_policy,
    "identity": _identity_policy,
    "network": _network_policy,
    "read": _read_policy,
    "regions": _regions_policy,
}
