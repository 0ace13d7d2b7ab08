"""The rights to refresh and preview the stacks: reads of exactly the services that the program uses.

| statement | purpose |
|---|---|
| ReadNetwork, ReadVpcs | own VPC, endpoints, security groups; zones and subnets of an existing VPC |
| ReadRegions | the account's regions, for the home region's DNS Firewall |
| ReadUnnamed | registry settings, task definitions, alarms: actions without resource-level permissions |
| ReadRepositories | private repositories, their policies and lifecycles |
| ReadCluster | clusters, their capacity providers, tags of task definitions |
| ListLogs, ReadLogs, ReadAlarms | log group; alarms |
| ReadSecrets | existence and versions of a cache's secret, never its value |
| ReadKeys | keys of the stacks: their policy, rotation, tags |
| ReadRoles, ReadPolicies, ReadProviders | the environment's roles and policies; identity providers of CIs |
| ReadBucket, ReadDeployments | the results bucket's settings; the regions' records. No runs, no suites |
| ReadTopic, ReadQueue, ReadSchedules, ReadRules | notices, dead letters, schedules, rules |
| ReadBudget, ReadPublicRepository, ReadFirewall | only if the stack has one |
| ReadFipsMode | in GovCloud, the account's setting for Fargate |
| ResultsKey | the regions' records, if the results bucket has its own key |
| ListState, ReadState | Pulumi's state, whose secrets stay encrypted |
"""

from infra.permissions.scope import Scope, use_bucket_key
from infra.permissions.statements import ANY, Document, Statement, allow, document
from infra.rules import GITHUB

_NETWORK = (
    "AddressesAttribute",
    "Addresses",
    "AvailabilityZones",
    "InternetGateways",
    "NatGateways",
    "NetworkAcls",
    "NetworkInterfaces",
    "PrefixLists",
    "RouteTables",
    "SecurityGroupRules",
    "SecurityGroups",
    "Subnets",
    "VpcEndpoints",
    "Vpcs",
)
READ_BUCKET = (
    "GetAccelerateConfiguration",
    "GetBucketAcl",
    "GetBucketCORS",
    "GetBucketLocation",
    "GetBucketLogging",
    "GetBucketObjectLockConfiguration",
    "GetBucketOwnershipControls",
    "GetBucketPolicy",
    "GetBucketPublicAccessBlock",
    "GetBucketRequestPayment",
    "GetBucketTagging",
    "GetBucketVersioning",
    "GetBucketWebsite",
    "GetEncryptionConfiguration",
    "GetLifecycleConfiguration",
    "GetReplicationConfiguration",
    "ListBucket",
    "ListTagsForResource",
)
_UNNAMED = (
    "ecr:DescribePullThroughCacheRules",
    "ecr:DescribeRegistry",
    "ecr:DescribeRepositoryCreationTemplates",
    "ecr:GetAccountSetting",
    "ecr:GetRegistryPolicy",
    "ecr:GetRegistryScanningConfiguration",
    "ecs:DescribeTaskDefinition",
    "kms:ListAliases",
    "cloudwatch:DescribeAlarms",
    "secretsmanager:ListSecrets",
    "sns:GetSubscriptionAttributes",
)

READ_REGIONS = allow("ReadRegions", ["ec2:DescribeRegions"], ANY)  # no resource-level permissions


def preview_policy(scope: Scope) -> Document:
    """Returns the rights to read the stacks and their state. They decrypt only the regions' records."""
    reads = [*read_statements(scope), *read_optional(scope), READ_REGIONS, read_providers(scope)]
    return document([*reads, *use_bucket_key(scope, write=False), *_read_state(scope)])


def read_providers(scope: Scope) -> Statement:
    return allow("ReadProviders", ["iam:GetOpenIDConnectProvider"], identity_providers(scope))


def read_statements(scope: Scope) -> list[Statement]:
    return [
        allow("ReadNetwork", [f"ec2:Describe{what}" for what in _NETWORK], ANY),  # no resource-level permissions
        allow("ReadVpcs", ["ec2:DescribeVpcAttribute"], [scope.arn("ec2", "vpc/*")]),
        allow("ReadUnnamed", _UNNAMED, ANY),  # no resource-level permissions
        allow(
            "ReadRepositories",
            [
                "ecr:DescribeRepositories",
                "ecr:GetLifecyclePolicy",
                "ecr:GetRepositoryPolicy",
                "ecr:ListTagsForResource",
            ],
            [scope.arn("ecr", "repository/*")],
        ),
        allow(
            "ReadCluster",
            ["ecs:DescribeClusters", "ecs:ListTagsForResource"],
            [scope.cluster, scope.families],
        ),
        # IAM authorises it on all log groups, whatever the requested prefix
        allow("ListLogs", ["logs:DescribeLogGroups"], [scope.arn("logs", "log-group:*")]),
        allow("ReadLogs", ["logs:ListTagsForResource"], [scope.arn("logs", f"log-group:{scope.names.log_group()}")]),
        allow("ReadAlarms", ["cloudwatch:ListTagsForResource"], alarms(scope)),
        allow(
            "ReadSecrets",
            [
                "secretsmanager:DescribeSecret",
                "secretsmanager:GetResourcePolicy",
                "secretsmanager:ListSecretVersionIds",
            ],
            [cache_secrets(scope)],
        ),
        allow(
            "ReadKeys",
            ["kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListResourceTags"],
            [scope.arn("kms", "key/*")],
        ),
        allow(
            "ReadRoles",
            [
                "iam:GetRole",
                "iam:GetRolePolicy",
                "iam:ListAttachedRolePolicies",
                "iam:ListInstanceProfilesForRole",
                "iam:ListRolePolicies",
                "iam:ListRoleTags",
            ],
            roles(scope),
        ),
        allow(
            "ReadPolicies",
            ["iam:GetPolicy", "iam:GetPolicyVersion", "iam:ListPolicyTags", "iam:ListPolicyVersions"],
            [own_policies(scope)],
        ),
        allow("ReadBucket", [f"s3:{action}" for action in READ_BUCKET], [scope.bucket_arn]),
        allow("ReadDeployments", ["s3:GetObject", "s3:GetObjectTagging"], scope.objects("deployments/*")),
        allow(
            "ReadTopic",
            ["sns:GetTopicAttributes", "sns:ListSubscriptionsByTopic", "sns:ListTagsForResource"],
            [topic(scope)],
        ),
        allow("ReadQueue", ["sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ListQueueTags"], [scope.dead_letters]),
        allow(
            "ReadSchedules",
            ["scheduler:GetSchedule", "scheduler:GetScheduleGroup", "scheduler:ListTagsForResource"],
            schedules(scope),
        ),
        allow(
            "ReadRules",
            [
                "events:DescribeEventBus",
                "events:DescribeRule",
                "events:ListTagsForResource",
                "events:ListTargetsByRule",
            ],
            rules(scope),
        ),
        allow(
            "ReadFirewall",
            [f"route53resolver:{action}" for action in _FIREWALL],
            firewalls(scope),
        ),
    ]


_FIREWALL = (
    "GetFirewallDomainList",
    "GetFirewallRuleGroup",
    "GetFirewallRuleGroupAssociation",
    "ListFirewallDomains",
    "ListFirewallRules",
    "ListTagsForResource",
)


def read_optional(scope: Scope) -> list[Statement]:
    found = []
    if scope.partition == "aws":
        found.append(allow("ReadBudget", ["budgets:ListTagsForResource", "budgets:ViewBudget"], [budget(scope)]))
    if scope.partition == "aws-us-gov":
        found.append(allow("ReadFipsMode", ["ecs:ListAccountSettings"], ANY))
    if scope.public_repository is not None:
        actions = ["DescribeRepositories", "GetRepositoryCatalogData", "GetRepositoryPolicy", "ListTagsForResource"]
        found.append(
            allow("ReadPublicRepository", [f"ecr-public:{action}" for action in actions], [public_repository(scope)])
        )
    return found


def _read_state(scope: Scope) -> list[Statement]:
    if scope.state_bucket is None:
        return []
    bucket = f"arn:{scope.partition}:s3:::{scope.state_bucket}"
    return [
        allow("ListState", ["s3:GetBucketLocation", "s3:ListBucket"], [bucket]),
        allow("ReadState", ["s3:GetObject"], [f"{bucket}/*"]),
    ]


def alarms(scope: Scope) -> list[str]:
    names = scope.names
    return [scope.arn("cloudwatch", f"alarm:{one}") for one in (names.idle_alarm(), names.undelivered_alarm())]


def cache_secrets(scope: Scope) -> str:
    return scope.arn("secretsmanager", f"secret:{scope.names.cache_secret('*')}")


def roles(scope: Scope) -> list[str]:
    return [f"arn:{scope.partition}:iam::{scope.account}:role{scope.names.iam_path}*", scope.cache_templates]


def own_policies(scope: Scope) -> str:
    return f"arn:{scope.partition}:iam::{scope.account}:policy{scope.names.iam_path}*"


def identity_providers(scope: Scope) -> list[str]:
    issuers = (GITHUB, *scope.issuers)
    return [f"arn:{scope.partition}:iam::{scope.account}:oidc-provider/{issuer}" for issuer in issuers]


def topic(scope: Scope) -> str:
    return scope.arn("sns", scope.names.notices())


def rules(scope: Scope) -> list[str]:
    """Returns the ARNs of the regions' rules, of the rules on the hub's bus, and of the bus."""
    return [
        scope.arn("events", f"event-bus/{scope.names.notices()}"),
        scope.arn("events", f"rule/{scope.names.notices()}/{scope.names.notices()}"),
        scope.arn("events", f"rule/{scope.names.notices()}/{scope.names.run_notices()}"),
        *(scope.arn("events", f"rule/{one}") for one in scope.names.notice_rules().values()),
    ]


def schedules(scope: Scope) -> list[str]:
    group = scope.names.schedule_group()
    return [scope.arn("scheduler", f"schedule-group/{group}"), scope.arn("scheduler", f"schedule/{group}/*")]


def firewalls(scope: Scope) -> list[str]:
    """Returns patterns of ARNs, which contain an id and no name."""
    kinds = ("firewall-domain-list", "firewall-rule-group", "firewall-rule-group-association")
    return [scope.arn("route53resolver", f"{kind}/*") for kind in kinds]


def budget(scope: Scope) -> str:
    return f"arn:{scope.partition}:budgets::{scope.account}:budget/{scope.names.base}"


def public_repository(scope: Scope) -> str:
    return f"arn:{scope.partition}:ecr-public::{scope.account}:repository/{scope.public_repository}"
