"""The standard metrics of a service's resources, which are read after the load, and the queries of a Prometheus.

Dimensions come from the ARN, so that a resource needs neither a call nor a name of its own.
"""

import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from toril.records import PROMETHEUS, MetricQuery, ServiceResource

ARN = r"arn:aws[a-z-]*:{service}:(?P<region>[a-z0-9-]+):\d{{12}}:"
ARNS = {  # by kind; the names of groups are the names of dimensions
    "load-balancer": ARN.format(service="elasticloadbalancing")
    + r"loadbalancer/(?P<LoadBalancer>(?:app|net)/[^/]+/[^/]+)",
    "target-group": ARN.format(service="elasticloadbalancing") + r"(?P<TargetGroup>targetgroup/[^/]+/[^/]+)",
    "ecs-service": ARN.format(service="ecs") + r"service/(?P<ClusterName>[^/]+)/(?P<ServiceName>[^/]+)",
    "lambda": ARN.format(service="lambda") + r"function:(?P<FunctionName>[^:]+)",
    "auto-scaling-group": ARN.format(service="autoscaling")
    + r"autoScalingGroup:[^:]+:autoScalingGroupName/(?P<AutoScalingGroupName>.+)",
    "database": ARN.format(service="rds")
    + r"(?:db:(?P<DBInstanceIdentifier>[^:]+)|cluster:(?P<DBClusterIdentifier>[^:]+))",
    "cache": ARN.format(service="elasticache") + r"cluster:(?P<CacheClusterId>[^:]+)",
    "queue": ARN.format(service="sqs") + r"(?P<QueueName>[^:/]+)",
    "table": ARN.format(service="dynamodb") + r"table/(?P<TableName>[^/]+)",
}
BALANCED = ("TargetResponseTime p95", "HTTPCode_Target_5XX_Count Sum")
METRICS: Mapping[str, tuple[str, Sequence[str]]] = {  # kind → namespace, metrics with their statistics
    "load-balancer": (
        "AWS/ApplicationELB",
        ("RequestCount Sum", *BALANCED, "HTTPCode_ELB_5XX_Count Sum", "ActiveConnectionCount Sum", "ConsumedLCUs Sum"),
    ),
    "target-group": ("AWS/ApplicationELB", ("RequestCount Sum", *BALANCED, "HealthyHostCount Minimum")),
    "ecs-service": (
        "AWS/ECS",
        ("CPUUtilization Average", "CPUUtilization SampleCount", "MemoryUtilization Average"),
    ),
    "lambda": (
        "AWS/Lambda",
        (
            "Invocations Sum", "Duration p95", "Duration Sum", "Errors Sum", "Throttles Sum",
            "ConcurrentExecutions Maximum",
        ),
    ),
    "auto-scaling-group": ("AWS/EC2", ("CPUUtilization Average", "NetworkIn Sum", "NetworkOut Sum")),
    "database": (
        "AWS/RDS",
        (
            "CPUUtilization Average", "DatabaseConnections Maximum", "ReadLatency Average", "WriteLatency Average",
            "FreeableMemory Minimum",
        ),
    ),
    "cache": (
        "AWS/ElastiCache",
        (
            "CPUUtilization Average", "CurrConnections Maximum", "CacheHits Sum", "CacheMisses Sum", "Evictions Sum",
        ),
    ),
    "queue": (
        "AWS/SQS",
        (
            "ApproximateNumberOfMessagesVisible Maximum", "ApproximateAgeOfOldestMessage Maximum",
            "NumberOfMessagesSent Sum", "NumberOfMessagesReceived Sum", "NumberOfMessagesDeleted Sum",
            "NumberOfEmptyReceives Sum",
        ),
    ),
    "table": (
        "AWS/DynamoDB",
        (
            "ConsumedReadCapacityUnits Sum", "ConsumedWriteCapacityUnits Sum", "ReadThrottleEvents Sum",
            "WriteThrottleEvents Sum",
        ),
    ),
}  # fmt: skip
NETWORK = ("AWS/NetworkELB", ("ActiveFlowCount Average", "NewFlowCount Sum", "ProcessedBytes Sum", "ConsumedLCUs Sum"))


def is_of_kind(kind: str, arn: str) -> bool:
    """Whether the ARN is one of the kind's resources."""
    return re.fullmatch(ARNS[kind], arn) is not None


def dimensions_of(arn: str) -> dict[str, str]:
    """Returns CloudWatch's dimensions of a resource; empty if its ARN is of no kind."""
    match = next((match for pattern in ARNS.values() if (match := re.fullmatch(pattern, arn))), None)
    return {name: value for name, value in match.groupdict().items() if value and name != "region"} if match else {}


def short_name(arn: str) -> str:
    """Returns the resource's name for people: `shop/web` of an ECS service, `orders` of a queue, a Prometheus' host."""
    if "://" in arn:
        return urlsplit(arn).netloc
    return "/".join(value.removeprefix("targetgroup/") for value in dimensions_of(arn).values()) or arn


def service_queries(resources: Sequence[ServiceResource]) -> tuple[MetricQuery, ...]:
    """Returns the queries of all standard metrics; each period is a minute, as AWS publishes them."""
    return tuple(query for resource in resources for query in _queries(resource))


def _queries(resource: ServiceResource) -> list[MetricQuery]:
    if resource.kind == "prometheus":
        known = {"namespace": PROMETHEUS, "statistic": "value", "resource": resource.id, "version": resource.version}
        return [
            MetricQuery(metric=name, promql=text, period_s=resource.step_s, **known)
            for name, text in resource.queries.items()
        ]
    dimensions = dimensions_of(resource.id)
    if not dimensions:
        return []  # a plan of another version
    namespace, metrics = METRICS[resource.kind]
    if resource.kind == "target-group":  # AWS publishes its metrics with its load balancer's dimension only
        balancer = str(resource.size.get("load_balancer", ""))
        if not balancer.startswith("app/"):
            return []
        dimensions["LoadBalancer"] = balancer
    elif dimensions.get("LoadBalancer", "").startswith("net/"):
        namespace, metrics = NETWORK
    queries = []
    for metric, statistic in (text.split(" ") for text in metrics):
        query = MetricQuery(
            namespace=namespace, metric=metric, statistic=statistic, dimensions=dimensions, 
            region=resource.id.split(":")[3], resource=resource.id, version=resource.version,
        )  # fmt: skip
        queries.append(query)
    return queries
