"""The resources in a cloud, as its services list them, for comparison before and after a test."""

from typing import Any

from tests.cloud.embedded import Cloud

GLOBAL = "us-east-1"


def inventory(cloud: Cloud, *regions: str) -> set[str]:
    """Returns the names of all resources in these regions, and of global resources."""
    found = {f"global {one}" for one in _global(cloud)}
    return found.union(*({f"{region} {one}" for one in _regional(cloud, region)} for region in regions))


def _global(cloud: Cloud) -> list[str]:
    iam, budgets = cloud.client("iam", GLOBAL), cloud.client("budgets", GLOBAL)
    public = cloud.client("ecr-public", GLOBAL)
    return [
        *(one["Arn"] for one in iam.list_roles()["Roles"]),
        *(one["Arn"] for one in iam.list_policies(Scope="Local")["Policies"]),
        *(one["Arn"] for one in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]),
        *(one["Name"] for one in cloud.client("s3", GLOBAL).list_buckets()["Buckets"]),
        *(one["BudgetName"] for one in budgets.describe_budgets(AccountId=cloud.account).get("Budgets", [])),
        *(one["repositoryArn"] for one in public.describe_repositories()["repositories"]),
    ]


def _regional(cloud: Cloud, region: str) -> list[str]:
    def names(service: str, operation: str, at: str, key: str | None = None, **asked: Any) -> list[str]:
        answer = getattr(cloud.client(service, region), operation)(**asked)
        return [f"{service} {one[key] if key else one}" for one in answer.get(at, [])]

    kms = cloud.client("kms", region)
    keys = [one["KeyId"] for one in kms.list_keys()["Keys"]]
    kept = [f"key {one}" for one in keys if kms.describe_key(KeyId=one)["KeyMetadata"]["KeyState"] == "Enabled"]
    return [
        *kept,
        *names("kms", "list_aliases", "Aliases", "AliasName"),
        *names("ecr", "describe_repositories", "repositories", "repositoryArn"),
        *names("ecr", "describe_pull_through_cache_rules", "pullThroughCacheRules", "ecrRepositoryPrefix"),
        *names("ecr", "describe_repository_creation_templates", "repositoryCreationTemplates", "prefix"),
        *names("ecs", "list_clusters", "clusterArns"),
        *names("ecs", "list_task_definitions", "taskDefinitionArns", status="ACTIVE"),
        *names("ec2", "describe_vpcs", "Vpcs", "VpcId"),
        *names("ec2", "describe_subnets", "Subnets", "SubnetId"),
        *names("ec2", "describe_internet_gateways", "InternetGateways", "InternetGatewayId"),
        *names("ec2", "describe_route_tables", "RouteTables", "RouteTableId"),
        *names("ec2", "describe_security_groups", "SecurityGroups", "GroupId"),
        *names("ec2", "describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId"),
        *names("ec2", "describe_addresses", "Addresses", "AllocationId"),
        *(one for one in names("ec2", "describe_nat_gateways", "NatGateways", "NatGatewayId", Filter=_ALIVE)),
        *names("logs", "describe_log_groups", "logGroups", "logGroupName"),
        *names("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
        *names("secretsmanager", "list_secrets", "SecretList", "Name"),
        *names("sqs", "list_queues", "QueueUrls"),
        *names("sns", "list_topics", "Topics", "TopicArn"),
        *names("events", "list_event_buses", "EventBuses", "Name"),
        *names("events", "list_rules", "Rules", "Name"),
        *names("scheduler", "list_schedule_groups", "ScheduleGroups", "Name"),
        *names("scheduler", "list_schedules", "Schedules", "Name"),
        *names("route53resolver", "list_firewall_domain_lists", "FirewallDomainLists", "Name"),
    ]


_ALIVE = [{"Name": "state", "Values": ["available", "pending"]}]
