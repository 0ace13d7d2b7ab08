"""A worker's two roles under IAM: their rights, their limits, and the need of each statement."""

import json
import time

import pytest

from tests.cloud.refused import refused
from tests.fargate.stage import SECRET
from tests.infra.granted import BUCKET, HUB, REGION, RUN, denied

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("guarded")]


def test_a_worker_adds_results_once_and_reads_runs(place):
    s3 = place.client("s3", place.acting(f"{REGION}-worker"), HUB)
    result = {"Bucket": BUCKET, "Key": f"{RUN}/workers/0/1.hist", "Body": b"1"}
    assert s3.get_object(Bucket=BUCKET, Key=f"{RUN}/plan.json")["Body"].read() == b"{}"
    denied(s3.put_object, **result)
    s3.put_object(**result, IfNoneMatch="*")
    with refused("PreconditionFailed"):
        s3.put_object(**result, IfNoneMatch="*")
    with refused("NoSuchKey"):  # not AccessDenied: a worker waits for this file
        s3.get_object(Bucket=BUCKET, Key=f"{RUN}/start.json")
    listed = {one["Key"] for one in s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{RUN}/")["Contents"]}
    assert {f"{RUN}/plan.json", result["Key"]} <= listed


def test_a_worker_cannot_write_into_a_suites_folder_called_workers(place):
    key = {"Bucket": BUCKET, "Key": f"{RUN}/suite/workers/sitecustomize.py", "Body": b"", "IfNoneMatch": "*"}
    denied(place.client("s3", place.acting(f"{REGION}-worker"), HUB).put_object, **key)
    place.client("s3", place.github("run", "environment:load-test"), HUB).put_object(**key)  # the launcher publishes it


def test_a_worker_has_no_other_rights_on_the_store(place):
    s3 = place.client("s3", place.acting(f"{REGION}-worker"), HUB)
    for key in (f"{RUN}/stop.json", f"{RUN}/plan.json", "runs/verdict.json", "deployments/x.json", "suites/x"):
        denied(s3.put_object, Bucket=BUCKET, Key=key, Body=b"", IfNoneMatch="*")
    for key in (f"{RUN}/workers/0/1.hist", f"{RUN}/plan.json"):
        denied(s3.delete_object, Bucket=BUCKET, Key=key)
    for key in (f"deployments/{REGION}.json", "suites/shop/suite.yml"):
        denied(s3.get_object, Bucket=BUCKET, Key=key)
    denied(s3.list_objects_v2, Bucket=BUCKET)
    denied(s3.list_objects_v2, Bucket=BUCKET, Prefix="suites/")


def test_a_worker_reads_only_the_listed_secrets(place):
    secrets = place.client("secretsmanager", place.acting(f"{REGION}-worker"))
    assert secrets.get_secret_value(SecretId=place.listed)["SecretString"] == "s3cr3t"
    denied(secrets.get_secret_value, SecretId=place.unlisted)
    denied(secrets.put_secret_value, SecretId=place.listed, SecretString="x")
    denied(place.client("ecs", place.acting(f"{REGION}-worker")).list_tasks, cluster=place.deployment.cluster)


def policy(place, role):
    (name,) = place.client("iam").list_role_policies(RoleName=f"toril-{role}")["PolicyNames"]
    return name, place.client("iam").get_role_policy(RoleName=f"toril-{role}", PolicyName=name)["PolicyDocument"]


def without(place, role, sid):
    """Removes one statement from a role's policy. Returns a function that restores it."""
    name, document = policy(place, role)
    kept = [one for one in document["Statement"] if one["Sid"] != sid]
    assert len(kept) == len(document["Statement"]) - 1
    iam, put = place.client("iam"), {"RoleName": f"toril-{role}", "PolicyName": name}
    iam.put_role_policy(**put, PolicyDocument=json.dumps({**document, "Statement": kept}))
    return lambda: iam.put_role_policy(**put, PolicyDocument=json.dumps(document))


def started(place) -> str:
    """Starts a worker's task. Returns the reason of its stop, or its status."""
    ecs = place.client("ecs")
    (task,) = ecs.run_task(**place.task())["tasks"]
    until = time.monotonic() + 20
    while time.monotonic() < until:
        (now,) = ecs.describe_tasks(cluster=place.deployment.cluster, tasks=[task["taskArn"]])["tasks"]
        if now["lastStatus"] in ("RUNNING", "STOPPED"):
            ecs.stop_task(cluster=place.deployment.cluster, task=task["taskArn"])
            return str(now.get("stoppedReason") or now["lastStatus"])
        time.sleep(0.05)
    raise TimeoutError(now["lastStatus"])


def test_a_task_starts_with_its_execution_role(place):
    assert started(place) == "RUNNING"


@pytest.mark.parametrize("sid", ["LogIn", "Pull", "Log"])
def test_a_task_needs_each_statement_of_its_execution_role(place, sid):
    restore = without(place, f"{REGION}-execution", sid)
    try:
        assert "AccessDeniedException" in started(place)
    finally:
        restore()


def test_the_execution_role_pulls_and_logs_only_for_workers(place):
    role = place.acting(f"{REGION}-execution")
    assert {one["Sid"] for one in policy(place, f"{REGION}-execution")[1]["Statement"]} == {"LogIn", "Pull", "Log"}
    denied(place.client("ecr", role).batch_get_image, repositoryName="ecr-public/nginx", imageIds=[{"imageTag": "1"}])
    denied(place.client("ecr", role).put_image, repositoryName="toril/worker", imageManifest="{}")
    denied(place.client("logs", role).create_log_stream, logGroupName="/elsewhere", logStreamName="x")
    denied(place.client("s3", role, HUB).get_object, Bucket=BUCKET, Key=f"{RUN}/plan.json")
    denied(place.client("secretsmanager", role).get_secret_value, SecretId=place.listed)


@pytest.mark.parametrize(
    ("sid", "service", "operation", "asked"),
    [
        ("ReadRuns", "s3", "get_object", {"Bucket": BUCKET, "Key": f"{RUN}/plan.json"}),
        ("ListRuns", "s3", "get_object", {"Bucket": BUCKET, "Key": f"{RUN}/none.json"}),
        ("AddResults", "s3", "put_object", {"Bucket": BUCKET, "Key": f"{RUN}/workers/1/a", "IfNoneMatch": "*"}),
        ("ReadSecrets", "secretsmanager", "get_secret_value", {"SecretId": SECRET}),
    ],
)
def test_a_worker_needs_each_of_its_statements(place, sid, service, operation, asked):
    role = f"{REGION}-worker"
    client = place.client(service, place.acting(role), HUB if service == "s3" else REGION)
    restore = without(place, role, sid)
    try:
        denied(getattr(client, operation), **asked)
    finally:
        restore()


def test_a_worker_has_no_other_statements(place):
    sids = {one["Sid"] for one in policy(place, f"{REGION}-worker")[1]["Statement"]}
    assert sids == {"ReadRuns", "ListRuns", "AddResults", "LeaveSuites", "LeaveAgents", "ReadSecrets"}
