"""Descriptions, lists and sizes of tasks, and the rights of a run's roles on them."""

import json
import time

import pytest

from infra.permissions.running import task_statements
from tests.cloud.refused import refused
from tests.cloud.tasks import GROUP, REGION, Place, place, role
from tests.infra.scopes import BARE

WAIT = "import time; print('up', flush=True); time.sleep(60)"
SPOT = [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
DIGEST = "sha256:" + "0" * 64
VCPU = {"Service": "Fargate", "Type": "Resource", "Resource": "vCPU"}


@pytest.fixture
def here(cloud) -> Place:
    return place(cloud)


@pytest.fixture
def ecs(cloud):
    return cloud.client("ecs", REGION)


def test_a_task_has_the_sizes_of_its_overrides(here):
    asked = {"cpu": "1 vCPU", "memory": "2 GB", "ephemeralStorage": {"sizeInGiB": 50}}
    task = here.run(here.define("one", WAIT), overrides=asked)["tasks"][0]
    for shown in (task, here.task(task["taskArn"])):
        assert (shown["cpu"], shown["memory"]) == ("1024", "2048")
        assert shown["ephemeralStorage"] == {"sizeInGiB": 50}
        assert shown["overrides"]["cpu"] == "1 vCPU"


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


def test_a_tasks_description_has_its_times_and_its_request(here):
    began = time.time() - 1
    tags = [{"key": "toril:run", "value": "r"}]
    overrides = {"containerOverrides": [{"name": "main", "environment": [{"name": "A", "value": "b"}]}]}
    one = here.define("one", WAIT, image=f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/toril/worker@{DIGEST}")
    more = {"launchType": None, "capacityProviderStrategy": SPOT}
    arn = here.start(one, tags=tags, overrides=overrides, startedBy="r", group="g", **more)
    task = here.wait(arn, "RUNNING")
    moments = [task[name].timestamp() for name in ("createdAt", "pullStartedAt", "pullStoppedAt", "startedAt")]
    assert began <= moments[0]
    assert moments == sorted(moments)
    assert (task["startedBy"], task["group"], task["overrides"]["containerOverrides"]) == (
        "r",
        "g",
        overrides["containerOverrides"],
    )
    assert (task["capacityProviderName"], task["launchType"]) == ("FARGATE_SPOT", "FARGATE")
    assert task["containers"][0]["imageDigest"] == DIGEST
    described = here.cloud.client("ecs", REGION).describe_tasks(cluster="toril", tasks=[arn], include=["TAGS"])
    assert described["tasks"][0]["tags"] == tags
    assert "capacityProviderName" not in here.run(one)["tasks"][0]


@pytest.mark.parametrize("mark", ["", "run.1", "a b", "x" * 129])
def test_started_by_has_at_most_128_letters_digits_hyphens_slashes_and_underscores(here, mark):
    with refused("InvalidParameterException", "startedBy"):
        here.run(here.define("one", WAIT), startedBy=mark)
    here.run(here.define("one", WAIT), startedBy="a/B_-" + "x" * 123)


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


def test_tasks_can_be_listed_by_started_by_without_other_filters(here, ecs):
    one = here.define("one", WAIT)
    arn, _ = here.start(one, startedBy="run-1"), here.start(one, startedBy="run-2")
    assert ecs.list_tasks(cluster="toril", startedBy="run-1")["taskArns"] == [arn]
    with refused("InvalidParameterException", "startedBy"):
        ecs.list_tasks(cluster="toril", startedBy="run-1", family="one")


def test_a_call_describes_a_hundred_tasks_and_lists_missing_ones_as_failures(here, ecs):
    none = f"arn:aws:ecs:{REGION}:123456789012:task/toril/{'0' * 32}"
    arn = here.start(here.define("one", WAIT))
    answer = ecs.describe_tasks(cluster="toril", tasks=[arn, *[none] * 99])
    assert [task["taskArn"] for task in answer["tasks"]] == [arn]
    assert answer["failures"][0] == {"arn": none, "reason": "MISSING"}
    with refused("InvalidParameterException"):
        ecs.describe_tasks(cluster="toril", tasks=[none] * 101)


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


def test_the_role_run_has_the_launchers_rights(strict):
    here = place(strict)
    trusting = {"AWS": f"arn:aws:iam::{strict.account}:root"}
    who = strict.assume(role(strict, "run", [dict(one) for one in task_statements(BARE)], trusting))
    ecr = strict.client("ecr", REGION)
    ecr.put_image(repositoryName="toril/worker", imageManifest=json.dumps({"schemaVersion": 2}), imageTag="1")
    arn = here.start(here.define("toril-worker", WAIT), cluster="toril", overrides={"cpu": "512", "memory": "1024"})
    here.output("toril-worker")

    def client(service):
        return strict.client(service, REGION, who)

    assert client("sts").get_caller_identity()["Account"] == strict.account
    assert client("ecr").batch_get_image(repositoryName="toril/worker", imageIds=[{"imageTag": "1"}])["images"]
    assert client("service-quotas").list_service_quotas(ServiceCode="fargate")["Quotas"]
    assert in_use(strict, "Standard/OnDemand", credentials=who) == 0.5
    stream = f"toril-worker/main/{arn.rpartition('/')[2]}"
    strict.client("logs", REGION)
    with refused("AccessDeniedException"):  # of another environment's log group
        client("logs").get_log_events(logGroupName=GROUP, logStreamName=stream)
    ours = BARE.names.log_group()
    strict.client("logs", REGION).create_log_group(logGroupName=ours)
    strict.client("logs", REGION).create_log_stream(logGroupName=ours, logStreamName="w")
    assert client("logs").get_log_events(logGroupName=ours, logStreamName="w")["events"] == []
    assert client("ecs").describe_tasks(cluster="toril", tasks=[arn])["tasks"]
    client("ecs").stop_task(cluster="toril", task=arn)
