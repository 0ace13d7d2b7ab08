"""Descriptions, lists and sizes of tasks, and the rights of a run's roles on them."""

import time

import pytest

from tests.cloud.refused import refused
from tests.cloud.tasks import REGION, Place, place

WAIT = "import time; print('up', flush=True); time.sleep(60)"
SPOT = [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
VCPU = {"Service": "Fargate", "Type": "Resource", "Resource": "vCPU"}


@pytest.fixture
def here(cloud) -> Place:
    return place(cloud)


@pytest.fixture
def ecs(cloud):
    return cloud.client("ecs", REGION)


@pytest.mark.parametrize(
    "overrides",
    [
        {"cpu": "300"},
        {"cpu": "1024"},  # with the definition's 512 MiB
        {"memory": "4096"},
        {"ephemeralStorage": {"sizeInGiB": 20}},
        {"ephemeralStorage": {"sizeInGiB": 201}},
        {"containerOverrides": [{"name": "main", "memory": 1024}]},
    ],
)
def test_overrides_with_an_invalid_size_are_an_error(here, overrides):
    with refused("ClientException"):
        here.run(here.define("one", WAIT), overrides=overrides)


def test_a_task_has_the_tags_of_its_definition_if_the_request_propagates_them(here, ecs):
    one = here.define("one", WAIT)
    ecs.tag_resource(resourceArn=one, tags=[{"key": "team", "value": "shop"}, {"key": "env", "value": "main"}])
    own = {"tags": [{"key": "env", "value": "prod"}]}
    assert tags_of(here, here.start(one, **own)) == {"env": "prod"}
    propagated = here.start(one, **own, propagateTags="TASK_DEFINITION")
    assert tags_of(here, propagated) == {"team": "shop", "env": "prod"}
    with refused("InvalidParameterException", "50 tags"):
        here.run(one, tags=[{"key": str(number), "value": ""} for number in range(49)], propagateTags="TASK_DEFINITION")


def tags_of(here, task):
    described = here.cloud.client("ecs", REGION).describe_tasks(cluster="toril", tasks=[task], include=["TAGS"])
    return {one["key"]: one["value"] for one in described["tasks"][0]["tags"]}


def test_the_vcpu_in_use_is_a_metric(cloud, here, ecs):
    one = here.define("one", WAIT)
    arns = [here.start(one, overrides={"cpu": "1024", "memory": "2048"}) for _ in range(2)]
    here.start(one, launchType=None, capacityProviderStrategy=SPOT)
    assert in_use(cloud, "Standard/OnDemand") == 2
    assert in_use(cloud, "Standard/Spot") == 0.25
    assert in_use(cloud, "Standard/OnDemand", "us-east-1") == 0
    ecs.stop_task(cluster="toril", task=arns[0])
    here.wait(arns[0])
    assert in_use(cloud, "Standard/OnDemand", stat="Minimum") == 1


def in_use(cloud, kind, region=REGION, stat="Maximum", credentials=None):
    dimensions = [{"Name": name, "Value": value} for name, value in {**VCPU, "Class": kind}.items()]
    metric = {"Namespace": "AWS/Usage", "MetricName": "ResourceCount", "Dimensions": dimensions}
    query = {"Id": "a", "MetricStat": {"Metric": metric, "Period": 60, "Stat": stat}}
    now = time.time()
    answer = cloud.client("cloudwatch", region, credentials).get_metric_data(
        MetricDataQueries=[query], StartTime=now - 300, EndTime=now + 60
    )
    return answer["MetricDataResults"][0]["Values"][-1]
