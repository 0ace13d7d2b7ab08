"""The role for `pulumi up` and `destroy` of the hub and of all regions of one account.

| statement | purpose |
|---|---|
| CreateRepositories, ChangeRepositories | the worker's and other private repositories, and those of caches |
| ListRepositories | `tools.cache_repositories`: the repositories below a cache's prefix |
| Registry | cache rules, creation templates; if set, the registry's policy, its scope, scanning and replication |
| NewInCluster, Cluster | clusters and their capacity providers |
| TaskDefinitions, OldTaskDefinitions | revisions of task definitions |
| FipsMode | in GovCloud, the account's setting for Fargate |
| Logs, Alarms, Secrets | log group; alarms; credentials of caches, by their names |
| Firewall | DNS Firewall, if the region has one |
| WriteRoles, BoundRoles | the environment's roles; if a boundary is set, only with it |
| WritePolicies, AttachPolicies | policies below that path, for roles below it |
| HandRolesToTasks, HandRolesToScheduler, HandRolesToEvents | task definitions, schedules, rules |
| HandRolesToRegistry, HandRolesToPullThrough | creation templates; caches of ECR in another account |
| ServiceRoles | service-linked roles of a new account |
| ReadProviders, Providers | identity providers of CIs, if the stack makes them |
| ListState, WriteState, StateKey | Pulumi's state and its secrets |
"""

from collections.abc import Callable

from infra.permissions import reading
from infra.permissions.deploying_hub import hub_statements
from infra.permissions.deploying_network import network_statements
from infra.permissions.running import SCHEDULER_SERVICE, TASKS_SERVICE
from infra.permissions.scope import Scope, pass_roles
from infra.permissions.statements import ANY, Condition, Document, Statement, allow, calls, document

# AWS makes the linked roles of these services on first use. The first cluster makes that of ECS.
_LINKED = ("ecr", "ecs", "pullthroughcache.ecr", "replication.ecr")


def _registry(scope: Scope) -> list[Statement]:
    repositories = [scope.arn("ecr", "repository/*")]  # stacks choose the names of their other repositories
    return [
        allow("ListRepositories", ["ecr:DescribeRepositories"], ANY),  # a list has no resource
        allow("CreateRepositories", ["ecr:CreateRepository", "ecr:TagResource"], repositories, scope.new),
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
            scope.ours,
        ),
        allow(
            "Registry",  # these actions have no resource-level permissions
            calls(
                "ecr",
                "CreatePullThroughCacheRule",
                "CreateRepositoryCreationTemplate",
                "DeletePullThroughCacheRule",
                "DeleteRegistryPolicy",
                "DeleteRepositoryCreationTemplate",
                "PutAccountSetting",
                "PutRegistryPolicy",
                "PutRegistryScanningConfiguration",
                "PutReplicationConfiguration",
                "UpdatePullThroughCacheRule",
                "UpdateRepositoryCreationTemplate",
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
        # neither action has a resource before the resource exists
        allow("NewInCluster", ["ecs:CreateCluster", "ecs:RegisterTaskDefinition"], ANY, scope.new),
        allow(
            "TaskDefinitions",
            ["ecs:TagResource", "ecs:UntagResource"],
            [scope.families],
        ),
        allow("OldTaskDefinitions", ["ecs:DeregisterTaskDefinition"], ANY),  # no resource-level permissions
        *([allow("FipsMode", ["ecs:PutAccountSettingDefault"], ANY)] if scope.partition == "aws-us-gov" else []),
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
            reading.alarms(scope),
        ),
        allow(
            "Secrets",
            calls(
                "secretsmanager",
                "CreateSecret",
                "DeleteSecret",
                "GetSecretValue",  # the provider compares the stored version with the wanted one
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
    below = reading.roles(scope)
    bounded: Condition | None = (
        {"StringEquals": {"iam:PermissionsBoundary": scope.boundary}} if scope.boundary else None
    )
    return [
        # with a boundary, only roles that have it can be made or changed, so no role exceeds it
        allow("BoundRoles", ["iam:CreateRole", "iam:DeleteRolePolicy", "iam:PutRolePolicy"], below, bounded),
        allow(
            "WriteRoles",
            calls(
                "iam",
                "DeleteRole",
                "TagRole",
                "UntagRole",
                "UpdateAssumeRolePolicy",
                "UpdateRole",
                "UpdateRoleDescription",
            ),
            below,
        ),
        # the roles' own policies, if they are too long to be inline
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
        pass_roles("HandRolesToRegistry", [scope.cache_templates], "ecr.amazonaws.com"),
        pass_roles(
            "HandRolesToPullThrough", [scope.role("cache-upstreams", "*")], "pullthroughcache.ecr.amazonaws.com"
        ),
        pass_roles("HandRolesToEvents", [scope.role("notices"), scope.role("notices", "*")], "events.amazonaws.com"),
        allow(
            "ServiceRoles",
            ["iam:CreateServiceLinkedRole"],
            [f"arn:{scope.partition}:iam::{scope.account}:role/aws-service-role/*"],
            {"StringEquals": {"iam:AWSServiceName": [f"{service}.amazonaws.com" for service in _LINKED]}},
        ),
    ]


def _providers(scope: Scope) -> list[Statement]:
    return [
        reading.read_providers(scope),
        allow(
            "Providers",
            calls(
                "iam",
                "AddClientIDToOpenIDConnectProvider",
                "CreateOpenIDConnectProvider",
                "DeleteOpenIDConnectProvider",
                "RemoveClientIDFromOpenIDConnectProvider",
                "TagOpenIDConnectProvider",
                "UntagOpenIDConnectProvider",
                "UpdateOpenIDConnectProviderThumbprint",
            ),
            reading.identity_providers(scope),
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
    return document([*_roles(scope), *_providers(scope), *_state(scope)])


def _hub_policy(scope: Scope) -> Document:
    return document([*hub_statements(scope), *reading.read_optional(scope)])  # shorter than the policy `read`


def _regions_policy(scope: Scope) -> Document:
    return document([*_registry(scope), *_workers(scope)])


def _network_policy(scope: Scope) -> Document:
    return document(network_statements(scope))


# Managed policies by name; each has at most 6,144 characters.
DEPLOY_POLICIES: dict[str, Callable[[Scope], Document]] = {
    "hub": _hub_policy,
    "identity": _identity_policy,
    "network": _network_policy,
    "read": _read_policy,
    "regions": _regions_policy,
}
