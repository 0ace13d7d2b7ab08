"""The cost of the service under test: of its resources' sizes and use, and never without saying what has no price."""

from dataclasses import replace

import pytest

from tests.measured import plan_of
from toril.errors import OptionError
from toril.launchers.pricing import list_prices
from toril.launchers.pricing.service import refuse_unpriced, service_cost
from toril.records import MetricSeries, ServerMetrics
from toril.records.plan import PlannedCriterion, ServiceResource
from toril.records.summary import LabelFigures, Summary, Window

GROUP, CACHE, NODE = "auto-scaling-group", "cache", "cache.r5.4xlarge"
ARN = "arn:aws:{}:us-east-1:123456789012:{}"
REQUESTS = 360_000
ALB = ARN.format("elasticloadbalancing", "loadbalancer/app/shop/50dc6c495c0c9188")
WEB = ARN.format("ecs", "service/shop/web")


def summary(from_s=0.0, to_s=360.0) -> Summary:
    return Summary(window=Window(from_s=from_s, to_s=to_s), labels={"": LabelFigures(samples=REQUESTS)})


def series(resource, metric, *values, statistic="Sum", answered=True):
    points = tuple((60.0 * minute, float(value)) for minute, value in enumerate(values))
    about = {"namespace": "AWS/Any", "metric": metric, "statistic": statistic, "resource": resource}
    return MetricSeries(**about, points=points, answered=answered)


def cost(*resources, metrics=(), of=None):
    found = service_cost(resources, ServerMetrics(queries=metrics), of or summary(), list_prices())
    assert found is not None
    return found


def one(kind, arn, metrics=(), **size):
    """Returns dollars an hour of a single resource."""
    return sum(item.usd_hour for item in cost(ServiceResource(kind=kind, id=arn, size=size), metrics=metrics).items)


def test_tasks_cost_their_size_by_the_hour():
    usd = one("ecs-service", WEB, tasks=4, vcpu=1, memory_mib=2048, arch="arm64")
    assert usd == pytest.approx(4 * (0.03238 + 2 * 0.00356))


def test_tasks_are_counted_by_their_minutes_of_cpu():
    counts = series(WEB, "CPUUtilization", 2, 2, 2, 4, 4, 4, statistic="SampleCount")
    usd = one("ecs-service", WEB, (counts,), tasks=1, vcpu=1, memory_mib=1024)
    assert usd == pytest.approx(3 * (0.04048 + 0.004445))


def test_a_load_balancer_costs_hours_and_capacity_units():
    lcus = series(ALB, "ConsumedLCUs", *[0.5] * 6)
    assert one("load-balancer", ALB, (lcus,)) == pytest.approx(0.0225 + 30 * 0.008)


def test_a_function_costs_its_calls_and_its_time_by_memory():
    arn = ARN.format("lambda", "function:cart")
    use = (series(arn, "Invocations", *[60_000] * 6), series(arn, "Duration", *[1_200_000] * 6))
    usd = one("lambda", arn, use, memory_mib=512, arch="arm64")
    assert usd == pytest.approx(3_600_000 * 2e-7 + 72_000 * 0.5 * 0.0000133334)


@pytest.mark.parametrize(
    ("kind", "arn", "size", "usd"),
    [
        (GROUP, ARN.format("autoscaling", "x"), {"instances": 3, "class": "m7g.large"}, 3 * 0.0816),
        ("database", ARN.format("rds", "db:a"), {"instances": 2, "class": "db.t3.large", "engine": "mysql"}, 0.272),
        (CACHE, ARN.format("elasticache", "c"), {"instances": 1, "class": NODE, "engine": "redis"}, 1.724),
        ("target-group", ARN.format("elasticloadbalancing", "targetgroup/a/1"), {}, 0),
    ],
)  # fmt: skip
def test_instances_cost_their_class(kind, arn, size, usd):
    assert one(kind, arn, **size) == pytest.approx(usd)


def test_a_table_and_a_queue_cost_what_they_answer():
    table, queue = ARN.format("dynamodb", "table/carts"), ARN.format("sqs", "orders")
    reads = (series(table, "ConsumedReadCapacityUnits", *[6e5] * 6), series(table, "ConsumedWriteCapacityUnits"))
    assert one("table", table, reads) == pytest.approx(3.6e7 * 1.25e-7)
    names = ("NumberOfMessagesSent", "NumberOfMessagesReceived", "NumberOfMessagesDeleted", "NumberOfEmptyReceives")
    sent = tuple(series(queue, name, *[1e4] * 6) for name in names)
    assert one("queue", queue, sent) == pytest.approx(4 * 6e5 * 4e-7)


def test_a_million_requests_cost_the_hours_of_the_load():
    """6 minutes of one task: a tenth of $0.04937, for 360,000 requests."""
    found = cost(ServiceResource(kind="ecs-service", id=WEB, size={"tasks": 1, "vcpu": 1, "memory_mib": 2048}))
    assert found.per_million_usd == pytest.approx((0.04048 + 2 * 0.004445) / 10 / 0.36)


def test_only_the_use_in_the_judged_time_counts():
    """The window from 30 s to 90 s has half of both periods."""
    lcus = series(ALB, "ConsumedLCUs", 1, 3)
    found = cost(ServiceResource(kind="load-balancer", id=ALB), metrics=(lcus,), of=summary(30, 90))
    assert found.items[1].usd_hour == pytest.approx((0.5 + 1.5) * 60 * 0.008)


@pytest.mark.parametrize(
    ("kind", "arn", "size", "metrics", "names"),
    [
        ("ecs-service", WEB, {"tasks": 2}, (), "vcpu"),
        (GROUP, ARN.format("autoscaling", "x"), {"instances": 1, "class": "u-24tb1.metal"}, (), "u-24tb1"),
        ("load-balancer", ALB, {}, (), "ConsumedLCUs"),
        ("load-balancer", ALB, {}, (series(ALB, "ConsumedLCUs", 1, answered=False),), "ConsumedLCUs"),
        ("load-balancer", ALB.replace("us-east-1", "eu-north-1"), {}, (), "load-balancer/app"),
        ("table", ARN.format("dynamodb", "table/carts"), {"billing": "PROVISIONED"}, (), "provisioned"),
    ],
)  # fmt: skip
def test_what_has_no_price_says_so_and_the_service_has_none(kind, arn, size, metrics, names):
    task = ServiceResource(kind="ecs-service", id=WEB, size={"tasks": 1, "vcpu": 1, "memory_mib": 2048})
    found = cost(task, ServiceResource(kind=kind, id=arn, size=size), metrics=metrics)
    (unpriced,) = found.unpriced
    assert names in unpriced.message
    assert found.per_million_usd is None


JUDGED = PlannedCriterion(where="suite.yml: toril.criteria[0]", source="cost-per-million>0.40", language="toril")


@pytest.mark.parametrize(
    ("resource", "names"),
    [
        (ServiceResource(kind="load-balancer", id=ALB.replace("us-east-1", "eu-west-1")), '"load-balancer/app": …'),
        (ServiceResource(kind=CACHE, id=ARN.format("elasticache", "c"), size={"instances": 1}), "class"),
    ],
)
def test_a_judged_service_without_a_price_is_refused_before_the_load(resource, names):
    plan = plan_of()
    priced = ServiceResource(kind="ecs-service", id=WEB, size={"vcpu": 1, "memory_mib": 2048})
    of = {"service": (priced, ServiceResource(kind="prometheus", id="https://prom.example.com"), resource)}
    refuse_unpriced(plan.model_copy(update=of), list_prices())
    with pytest.raises(OptionError) as refused:
        refuse_unpriced(plan.model_copy(update={**of, "criteria": (JUDGED,)}), list_prices())
    assert refused.value.code == "no-price"
    assert names in str(refused.value)


def test_a_prometheus_costs_nothing():
    assert service_cost((ServiceResource(kind="prometheus", id="https://a"),), None, summary(), list_prices()) is None


def test_the_prices_have_the_dates_of_their_kinds_and_the_name_of_the_users_file():
    group = ServiceResource(kind=GROUP, id=ARN.format("autoscaling", "x"), size={"instances": 1, "class": "m7g.large"})
    table = list_prices()
    assert cost(group).as_of == table.sources[GROUP].as_of
    found = service_cost((group,), None, summary(), table.model_copy(update={"own": "ours.json"}))
    assert found is not None
    assert found.as_of == f"{table.sources[GROUP].as_of} and ours.json"


def test_a_run_without_load_has_no_cost():
    assert (
        service_cost((ServiceResource(kind="cache", id=WEB),), None, replace(summary(), window=None), list_prices())
        is None
    )
