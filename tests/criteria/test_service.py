"""The standard metrics of a service's resources, and how ARNs select them."""

import pytest

from toril.criteria.service import METRICS, is_of_kind, service_queries, short_name
from toril.records import ServiceResource

BALANCER = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/app/shop/50dc6c495c0c9188"
GROUP = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/head/6d0ecf831eec9f09"
ARNS = {
    "load-balancer": (BALANCER, {"LoadBalancer": "app/shop/50dc6c495c0c9188"}),
    "ecs-service": (
        "arn:aws-us-gov:ecs:us-gov-west-1:111122223333:service/shop/web",
        {"ClusterName": "shop", "ServiceName": "web"},
    ),
    "lambda": ("arn:aws:lambda:eu-west-1:111122223333:function:orders", {"FunctionName": "orders"}),
    "auto-scaling-group": (
        "arn:aws:autoscaling:eu-west-1:111122223333:autoScalingGroup:5e5e-1:autoScalingGroupName/web",
        {"AutoScalingGroupName": "web"},
    ),
    "database": ("arn:aws:rds:eu-west-1:111122223333:cluster:orders", {"DBClusterIdentifier": "orders"}),
    "cache": ("arn:aws:elasticache:eu-west-1:111122223333:cluster:carts-001", {"CacheClusterId": "carts-001"}),
    "queue": ("arn:aws:sqs:eu-west-1:111122223333:orders.fifo", {"QueueName": "orders.fifo"}),
    "table": ("arn:aws:dynamodb:eu-west-1:111122223333:table/orders", {"TableName": "orders"}),
}


@pytest.mark.parametrize("kind", ARNS)
def test_dimensions_and_region_come_from_the_arn(kind):
    arn, dimensions = ARNS[kind]
    queries = service_queries([ServiceResource(kind=kind, id=arn)])
    assert len(queries) == len(METRICS[kind][1])
    assert {query.region for query in queries} == {arn.split(":")[3]}
    assert {query.resource for query in queries} == {arn}
    assert all(query.dimensions == dimensions for query in queries)


def test_a_target_group_is_measured_with_its_load_balancer():
    size = {"load_balancer": "app/shop/50dc6c495c0c9188"}
    queries = service_queries([ServiceResource(kind="target-group", id=GROUP, size=size)])
    of_group = {"TargetGroup": "targetgroup/head/6d0ecf831eec9f09", "LoadBalancer": size["load_balancer"]}
    assert all(query.dimensions == of_group for query in queries)
    assert service_queries([ServiceResource(kind="target-group", id=GROUP)]) == ()
    assert short_name(GROUP) == "head/6d0ecf831eec9f09"


def test_a_network_load_balancer_has_metrics_of_its_own():
    arn = BALANCER.replace("/app/", "/net/")
    assert {query.namespace for query in service_queries([ServiceResource(kind="load-balancer", id=arn)])} == {
        "AWS/NetworkELB"
    }


def test_an_arn_of_another_kind_is_recognised():
    assert is_of_kind("load-balancer", BALANCER)
    assert not is_of_kind("target-group", BALANCER)
    assert not is_of_kind("ecs-service", "arn:aws:ecs:eu-west-1:111122223333:service/web")
