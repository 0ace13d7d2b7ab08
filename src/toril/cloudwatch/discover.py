"""Finds the resources behind an address or a tag, with read rights only.

A load balancer leads to its target groups, those to ECS services, functions and Auto Scaling groups. The settings of
services and functions lead to databases, caches, queues and tables. Their values are compared here and kept nowhere.
Values of secrets are not read: only the ARN of a secret that RDS manages leads to its database.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from toril.aws.client import Clients, ClientSettings, call, clients
from toril.criteria.service import ARNS, dimensions_of, is_of_kind
from toril.records import ServiceResource

SETTINGS = ClientSettings(attempts=4, mode="adaptive")
ARCHITECTURES = {"ARM64": "arm64", "X86_64": "x86-64"}
PREFIXES = {"elbv2": "elasticloadbalancing", "resourcegroupstaggingapi": "tag"}  # of rights, by botocore's name
SERVICES_PER_CALL = 10  # DescribeServices' maximum
RIGHTS = (
    "autoscaling:DescribeAutoScalingGroups", "dynamodb:DescribeTable", "dynamodb:ListTables", "ecs:DescribeServices",
    "ecs:DescribeTaskDefinition", "ecs:ListClusters", "ecs:ListServices", "elasticache:DescribeCacheClusters",
    "elasticache:DescribeReplicationGroups", "elasticloadbalancing:DescribeLoadBalancers",
    "elasticloadbalancing:DescribeTargetGroups", "elasticloadbalancing:DescribeTargetHealth",
    "lambda:GetFunctionConfiguration", "rds:DescribeDBClusters", "rds:DescribeDBInstances", "tag:GetResources",
)  # fmt: skip


@dataclass(slots=True)
class _Found:
    """The resources so far, by ARN, and the values of the settings of services and functions."""

    size: dict[str, dict[str, float | str]] = field(default_factory=dict)
    values: set[str] = field(default_factory=set)
    unread: set[str] = field(default_factory=set)  # names of secrets and parameters

    def add(self, arn: str, **size: float | str | None) -> None:
        self.size.setdefault(arn, {}).update({name: value for name, value in size.items() if value is not None})

    def of(self, kind: str) -> list[str]:
        return [arn for arn in self.size if is_of_kind(kind, arn)]


def discover(
    region: str,
    hosts: Collection[str],
    tags: Mapping[str, str],
    aws: Clients | None = None,
    resolve: Callable[[str], Collection[str]] = lambda _: (),
    unread: Callable[[str], object] = lambda _: None,
) -> tuple[ServiceResource, ...]:
    """Returns the resources of one region behind the host names of load balancers, or with all of these tags. AwsError.

    `region`: empty for the environment's. Without `hosts` only the tags count. `resolve` returns the addresses of a
    host name, so that a name of the service's own leads to its load balancer, too. `unread` gets the name of each
    secret or parameter that may name a database.
    """
    addresses = {address for host in hosts for address in resolve(host)}
    names = {host.lower().removeprefix("dualstack.") for host in hosts}
    account, found = _Account(aws or clients(SETTINGS), region), _Found()
    if tags:
        wanted = [{"Key": key, "Values": [value]} for key, value in tags.items()]
        tagging = ("resourcegroupstaggingapi", "get_resources", "ResourceTagMappingList")
        for resource in account.pages(*tagging, TagFilters=wanted):
            if any(is_of_kind(kind, resource["ResourceARN"]) for kind in ARNS):
                found.add(resource["ResourceARN"])
    for balancer in account.pages("elbv2", "describe_load_balancers", "LoadBalancers"):
        name = balancer.get("DNSName", "").lower()
        if name in names or (addresses and addresses & set(resolve(name))):
            found.add(balancer["LoadBalancerArn"])
    requests: list[dict[str, Any]] = [{"TargetGroupArns": [arn]} for arn in found.of("target-group")]
    requests += [{"LoadBalancerArn": arn} for arn in found.of("load-balancer")]
    for request in requests:
        for group in account.pages("elbv2", "describe_target_groups", "TargetGroups", **request):
            behind = (*group.get("LoadBalancerArns", ()), request.get("LoadBalancerArn", ""))
            found.add(group["TargetGroupArn"], load_balancer=dimensions_of(str(behind[0])).get("LoadBalancer"))
            if group.get("TargetType") == "lambda":
                health = account.ask("elbv2", "describe_target_health", TargetGroupArn=group["TargetGroupArn"])
                for target in health["TargetHealthDescriptions"]:
                    found.add(":".join(target["Target"]["Id"].split(":")[:7]))  # without a version or alias
    if not found.size and not tags:
        return ()
    _services(account, found)
    _groups(account, found, tags)
    _functions(account, found)
    _databases(account, found)
    _caches(account, found)
    _queues_and_tables(account, found)
    for name in sorted(found.unread):
        unread(name)
    return tuple(ServiceResource(kind=kind, id=arn, size=found.size[arn]) for kind in ARNS for arn in found.of(kind))


@dataclass(frozen=True, slots=True)
class _Account:
    """The calls of one account and region."""

    clients: Clients
    region: str

    def ask(self, service: str, method: str, **request: Any) -> Any:
        """Returns one answer."""
        client = self.clients(service, self.region)
        return call(getattr(client, method), _right(client, service, method), **request)

    def pages(self, service: str, method: str, key: str, **request: Any) -> Iterator[Any]:
        """Yields the items of all pages, with botocore's own description of the pages."""
        client = self.clients(service, self.region)
        pages = iter(client.get_paginator(method).paginate(**request))
        while (page := call(lambda: next(pages, None), _right(client, service, method))) is not None:
            yield from page.get(key, ())


def _right(client: Any, service: str, method: str) -> str:
    return f"{PREFIXES.get(service, service)}:{client.meta.method_to_api_mapping[method]}"


def _services(account: _Account, found: _Found) -> None:
    groups = set(found.of("target-group"))
    for cluster in account.pages("ecs", "list_clusters", "clusterArns"):
        arns = list(account.pages("ecs", "list_services", "serviceArns", cluster=cluster))
        for first in range(0, len(arns), SERVICES_PER_CALL):
            names = arns[first : first + SERVICES_PER_CALL]
            for service in account.ask("ecs", "describe_services", cluster=cluster, services=names)["services"]:
                behind = {balanced.get("targetGroupArn") for balanced in service.get("loadBalancers", ())}
                if service["serviceArn"] in found.size or behind & groups:
                    _service(account, found, service)


def _service(account: _Account, found: _Found, service: Mapping[str, Any]) -> None:
    name = service["taskDefinition"]
    task = account.ask("ecs", "describe_task_definition", taskDefinition=name)["taskDefinition"]
    found.add(
        service["serviceArn"],
        tasks=float(service["desiredCount"]),
        vcpu=float(task["cpu"]) / 1024 if task.get("cpu") else None,
        memory_mib=float(task["memory"]) if task.get("memory") else None,
        arch=ARCHITECTURES.get(task.get("runtimePlatform", {}).get("cpuArchitecture", "X86_64")),
    )
    for container in task["containerDefinitions"]:
        found.values.update(str(pair.get("value", "")) for pair in container.get("environment", ()))
        for secret in container.get("secrets", ()):
            (found.values if ":secret:rds!" in secret["valueFrom"] else found.unread).add(secret["valueFrom"])


def _groups(account: _Account, found: _Found, tags: Mapping[str, str]) -> None:
    """Adds Auto Scaling groups, which the tagging API does not list."""
    groups = set(found.of("target-group"))
    for group in account.pages("autoscaling", "describe_auto_scaling_groups", "AutoScalingGroups"):
        own = {(tag["Key"], tag.get("Value", "")) for tag in group.get("Tags", ())}
        if groups & set(group.get("TargetGroupARNs", ())) or (tags and set(tags.items()) <= own):
            classes = {instance.get("InstanceType") for instance in group.get("Instances", ())}
            one = classes.pop() if len(classes) == 1 else None
            found.add(group["AutoScalingGroupARN"], instances=float(group["DesiredCapacity"]), **{"class": one})


def _functions(account: _Account, found: _Found) -> None:
    for arn in found.of("lambda"):
        function = account.ask("lambda", "get_function_configuration", FunctionName=arn)
        arch = ARCHITECTURES.get(str(function.get("Architectures", ["x86_64"])[0]).upper())
        found.add(arn, memory_mib=float(function["MemorySize"]), arch=arch)
        found.values.update(function.get("Environment", {}).get("Variables", {}).values())


def _databases(account: _Account, found: _Found) -> None:
    named = _named_by(found.values)
    clusters = list(account.pages("rds", "describe_db_clusters", "DBClusters"))
    wanted = set[str]()
    for cluster in clusters:
        hosts = (cluster.get("Endpoint"), cluster.get("ReaderEndpoint"), cluster["DBClusterArn"], _secret(cluster))
        if cluster["DBClusterArn"] in found.size or named(hosts):
            wanted.add(cluster["DBClusterIdentifier"])
    for database in account.pages("rds", "describe_db_instances", "DBInstances"):
        arn = database["DBInstanceArn"]
        if (
            arn in found.size
            or database.get("DBClusterIdentifier") in wanted
            or named((database.get("Endpoint", {}).get("Address"), arn, _secret(database)))
        ):
            size = {"class": database["DBInstanceClass"], "engine": database["Engine"]}
            found.add(arn, instances=1.0, storage_gib=float(database.get("AllocatedStorage", 0)), **size)
    for cluster in clusters:  # its instances are the ones with metrics and a price
        found.size.pop(cluster["DBClusterArn"], None)


def _secret(database: Mapping[str, Any]) -> str | None:
    arn: str | None = database.get("MasterUserSecret", {}).get("SecretArn")
    return arn


def _caches(account: _Account, found: _Found) -> None:
    named, members = _named_by(found.values), set[str]()
    for group in account.pages("elasticache", "describe_replication_groups", "ReplicationGroups"):
        ends = [group.get("ConfigurationEndpoint", {})]
        for shard in group.get("NodeGroups", ()):
            ends += [shard.get("PrimaryEndpoint", {}), shard.get("ReaderEndpoint", {})]
        if named((*(end.get("Address") for end in ends), group.get("ARN"))):
            members.update(group.get("MemberClusters", ()))
    caches = account.pages("elasticache", "describe_cache_clusters", "CacheClusters", ShowCacheNodeInfo=True)
    for cache in caches:
        nodes = [node.get("Endpoint", {}).get("Address") for node in cache.get("CacheNodes", ())]
        hosts = (cache.get("ConfigurationEndpoint", {}).get("Address"), *nodes, cache["ARN"])
        if cache["ARN"] in found.size or cache["CacheClusterId"] in members or named(hosts):
            size = {"class": cache["CacheNodeType"], "engine": cache["Engine"]}
            found.add(cache["ARN"], instances=float(cache["NumCacheNodes"]), **size)


def _queues_and_tables(account: _Account, found: _Found) -> None:
    for value in found.values:
        if is_of_kind("queue", value):
            found.add(value)
        elif value.startswith("https://sqs.") and value.count("/") == 4:  # https://host/account/name
            host, owner, name = value.removeprefix("https://").split("/")
            partition = next(iter(found.size)).split(":")[1]  # an account is in one
            found.add(f"arn:{partition}:sqs:{host.split('.')[1]}:{owner}:{name}")
    tagged = {dimensions_of(arn)["TableName"] for arn in found.of("table")}
    given = {dimensions_of(value)["TableName"] if is_of_kind("table", value) else value for value in found.values}
    for name in account.pages("dynamodb", "list_tables", "TableNames"):
        if name in tagged or name in given:
            table = account.ask("dynamodb", "describe_table", TableName=name)["Table"]
            billing = table.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED")
            found.add(table["TableArn"], billing=billing)


def _named_by(values: Iterable[str]) -> Any:
    """Returns a function: whether one of some names is in the values, alone or within an address."""
    texts = [value.lower() for value in values]
    return lambda names: any(name and any(name.lower() in text for text in texts) for name in names)
