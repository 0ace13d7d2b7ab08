"""Faults of calls: errors, delays, lost answers, throttling and expired credentials."""

import pytest

from tests.cloud.refused import refused
from tests.cloud.tasks import REGION, place, role

WAIT = "import time; time.sleep(60)"


@pytest.fixture
def s3(cloud):
    client = cloud.client("s3")
    client.create_bucket(Bucket="runs")
    return client


def test_a_bucket_answers_slow_down_the_requested_number_of_times(cloud, s3):
    cloud.fail_next("s3", "PutObject", "SlowDown", times=2, message="Please reduce your request rate.", status=503)
    for _ in range(2):
        with refused("SlowDown", "reduce"):
            s3.put_object(Bucket="runs", Key="a", Body=b"1")
    with refused("NoSuchKey"):
        s3.get_object(Bucket="runs", Key="a")
    s3.put_object(Bucket="runs", Key="a", Body=b"1")
    assert s3.get_object(Bucket="runs", Key="a")["Body"].read() == b"1"


def test_a_write_with_a_lost_answer_is_done(cloud, s3):
    cloud.lose_answers("s3", "PutObject", saying="ready.json")
    s3.put_object(Bucket="runs", Key="other", Body=b"1")
    with refused("InternalError"):
        s3.put_object(Bucket="runs", Key="w0/ready.json", Body=b"1", IfNoneMatch="*")
    with refused("PreconditionFailed"):
        s3.put_object(Bucket="runs", Key="w0/ready.json", Body=b"2", IfNoneMatch="*")
    assert s3.get_object(Bucket="runs", Key="w0/ready.json")["Body"].read() == b"1"


def test_a_run_task_with_a_lost_answer_starts_its_task(cloud):
    here = place(cloud)
    one = here.define("one", WAIT)
    cloud.lose_answers("ecs", "RunTask", "ServerException", region=REGION)
    with refused("ServerException"):
        here.run(one, clientToken="token")
    (arn,) = cloud.client("ecs", REGION).list_tasks(cluster="toril")["taskArns"]
    assert [task["taskArn"] for task in here.run(one, clientToken="token")["tasks"]] == [arn]


def test_a_fault_of_one_region_does_not_affect_others(cloud):
    cloud.fail_next("ecs", "ListClusters", region=REGION)
    cloud.client("ecs", "us-west-2").list_clusters()
    with refused("ThrottlingException"):
        cloud.client("ecs", REGION).list_clusters()


def test_every_service_rejects_expired_credentials(strict):
    everything = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
    arn = role(strict, "someone", everything, {"AWS": f"arn:aws:iam::{strict.account}:root"})
    old, new = strict.assume(arn), strict.assume(arn)
    strict.client("s3", credentials=old).create_bucket(Bucket="runs")
    strict.expire(old.access_key)
    with refused("ExpiredToken"):
        strict.client("s3", credentials=old).list_objects_v2(Bucket="runs")
    with refused("ExpiredTokenException"):
        strict.client("ecs", REGION, old).list_clusters()
    with refused("ExpiredToken"):
        strict.client("sts", credentials=old).get_caller_identity()
    strict.client("s3", credentials=new).list_objects_v2(Bucket="runs")
