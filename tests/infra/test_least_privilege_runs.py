"""The roles beside deploy and worker, under IAM's enforcement: each can do what the security page says, no more."""

import json
import subprocess
import sys
from contextlib import suppress

import pytest

from image import publish
from tests.cloud.refused import refused
from tests.cloud.test_fis import template
from tests.image.archives import archive
from tests.infra.granted import BUCKET, HUB, OTHER_CLUSTER, REGION, RUN, denied
from tests.infra.world import acting

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("guarded")]
STACKS = ("hub", REGION)


def runner(place, role):
    return place.github("run", "environment:load-test") if role == "run" else place.acting(role)


@pytest.mark.parametrize("role", ["run", "coordinator"])
def test_the_role_starts_watches_and_stops_a_run(place, role):
    who = runner(place, role)
    ecs, s3 = place.client("ecs", who), place.client("s3", who, HUB)
    s3.get_object(Bucket=BUCKET, Key=f"deployments/{REGION}.json")
    s3.get_object(Bucket=BUCKET, Key="suites/shop/suite.yml")
    s3.put_object(Bucket=BUCKET, Key=f"{RUN}/lease.json", Body=b"{}")
    with refused("NoSuchKey"):
        s3.get_object(Bucket=BUCKET, Key=f"{RUN}/none.json")
    (task,) = ecs.run_task(**place.task())["tasks"]
    cluster = place.deployment.cluster
    assert ecs.list_tasks(cluster=cluster)["taskArns"]
    assert ecs.describe_tasks(cluster=cluster, tasks=[task["taskArn"]])["tasks"]
    ecs.stop_task(cluster=cluster, task=task["taskArn"])
    place.client("service-quotas", who).list_service_quotas(ServiceCode="fargate")
    place.client("cloudwatch", who).get_metric_data(MetricDataQueries=[], StartTime=0, EndTime=60)


def sweep(place, name="sweep-1", role=None, group="toril"):
    target = {
        "Arn": "arn:aws:scheduler:::aws-sdk:ecs:runTask",
        "RoleArn": role or place.home.home.sweeper_role,
        "Input": json.dumps({"TaskDefinition": place.home.home.coordinator, "Cluster": place.home.cluster}),
    }
    at = {"ScheduleExpression": "at(2030-01-01T00:00:00)", "FlexibleTimeWindow": {"Mode": "OFF"}}
    return {"Name": name, "GroupName": group, "Target": target, **at}


@pytest.mark.parametrize("role", ["run", "coordinator"])
def test_the_role_plans_sweeps_and_no_other_schedules(place, role):
    scheduler = place.client("scheduler", runner(place, role), HUB)
    scheduler.create_schedule(**sweep(place))
    scheduler.get_schedule(GroupName="toril", Name="sweep-1")
    scheduler.delete_schedule(GroupName="toril", Name="sweep-1")
    denied(scheduler.create_schedule, **sweep(place, name="nightly"))
    denied(scheduler.create_schedule, **sweep(place, group="default"))
    denied(scheduler.create_schedule, **sweep(place, role=place.home.home.scheduler_role))


@pytest.mark.parametrize("role", ["coordinator", "sweeper"])
def test_an_owner_puts_and_keeps_the_events_of_its_run_and_no_others(place, role):
    who = place.acting(role)
    events = place.client("events", who, HUB)
    entry = {"Source": "toril", "DetailType": "run-finished", "Detail": "{}"}
    assert events.put_events(Entries=[entry])["FailedEntryCount"] == 0
    denied(events.put_events, Entries=[{**entry, "Source": "shop"}])
    denied(events.put_events, Entries=[{**entry, "EventBusName": "toril-notices"}])
    place.client("s3", who, HUB).put_object(Bucket=BUCKET, Key="events/2026-11/1-r-run-finished.json", Body=b"{}")


def experiment(of, token, **tags):
    return {"experimentTemplateId": of, "clientToken": token, "tags": tags}


OURS, FOREIGN = {"toril:environment": "main"}, {"toril:environment": "prod"}


@pytest.mark.parametrize("role", ["run", "coordinator"])
def test_the_role_starts_only_experiments_of_tagged_templates(place, role):
    fis, as_root = place.client("fis", runner(place, role)), place.client("fis")
    ours, others = template(place.world.cloud, **OURS), [template(place.world.cloud, **tags) for tags in ({}, FOREIGN)]
    made = fis.start_experiment(**experiment(ours, f"{role}-1", **OURS))["experiment"]
    assert fis.get_experiment(id=made["id"])["experiment"]["state"]["status"] == "running"
    assert made["id"] in [one["id"] for one in fis.list_experiments()["experiments"]]
    fis.stop_experiment(id=made["id"])
    for tags in ({}, FOREIGN):
        denied(fis.start_experiment, **experiment(ours, f"{role}-2", **tags))
    for of in others:
        denied(fis.start_experiment, **experiment(of, f"{role}-3", **OURS))
        denied(fis.get_experiment_template, id=of)
    foreign = as_root.start_experiment(**experiment(ours, f"{role}-4", **FOREIGN))["experiment"]
    denied(fis.stop_experiment, id=foreign["id"])
    denied(fis.tag_resource, resourceArn=foreign["arn"], tags=OURS)
    wanted = as_root.get_experiment_template(id=ours)["experimentTemplate"]
    given = {name: wanted[name] for name in ("description", "stopConditions", "actions", "roleArn")}
    denied(fis.create_experiment_template, clientToken="5", tags=OURS, **given)


def test_the_sweeper_ends_experiments_and_starts_none(place):
    of, as_root = template(place.world.cloud, **OURS), place.client("fis")
    who = place.acting("sweeper")
    fis, s3 = place.client("fis", who), place.client("s3", who, HUB)
    made, foreign = (
        as_root.start_experiment(**experiment(of, tags["toril:environment"], **tags))["experiment"]
        for tags in (OURS, FOREIGN)
    )
    assert made["id"] in [one["id"] for one in fis.list_experiments()["experiments"]]
    fis.get_experiment(id=made["id"])
    fis.stop_experiment(id=made["id"])
    denied(fis.stop_experiment, id=foreign["id"])
    denied(fis.start_experiment, **experiment(of, "sweeper", **OURS))
    s3.put_object(Bucket=BUCKET, Key=f"{RUN}/faults/1/ended.json", Body=b"{}")


@pytest.mark.parametrize("role", ["run", "coordinator", "sweeper"])
def test_those_who_judge_runs_search_the_listed_log_groups_only(place, role):
    for group in ("/ecs/shop", "/ecs/shop-admin"):
        with suppress(place.client("logs").exceptions.ResourceAlreadyExistsException):
            place.client("logs").create_log_group(logGroupName=group)
    logs, times = place.client("logs", runner(place, role)), {"startTime": 1, "endTime": 2}
    asked = {**times, "queryString": "fields @message", "logGroupIdentifiers": ["/ecs/shop"]}
    query = logs.start_query(**asked)["queryId"]
    logs.get_query_results(queryId=query)
    denied(logs.start_query, **{**asked, "logGroupIdentifiers": ["/ecs/shop-admin"]})
    denied(logs.start_query, **{**asked, "logGroupIdentifiers": ["/ecs/shop", "/ecs/shop-admin"]})
    denied(logs.filter_log_events, logGroupName="/ecs/shop")


def test_the_role_run_finds_a_service_and_reads_no_consoles_variables(place):
    who = place.github("run", "environment:load-test")
    place.client("elbv2", who).describe_load_balancers()
    place.client("ecs", who).list_clusters()
    with refused("ResourceNotFoundException"):
        place.client("lambda", who).get_function_configuration(FunctionName="orders")
    for console in ("toril-console", "toril-prod-console", "toril-console:1"):
        denied(place.client("lambda", who).get_function_configuration, FunctionName=console)
    denied(place.client("lambda", place.acting("coordinator")).get_function_configuration, FunctionName="orders")


@pytest.mark.parametrize("role", ["run", "coordinator"])
def test_the_role_is_restricted_to_its_clusters_roles_and_keys(place, role):
    who = runner(place, role)
    ecs, s3 = place.client("ecs", who), place.client("s3", who, HUB)
    denied(ecs.run_task, **place.task(cluster=OTHER_CLUSTER))
    denied(ecs.list_tasks, cluster=OTHER_CLUSTER)
    denied(ecs.describe_clusters, clusters=[OTHER_CLUSTER])
    denied(ecs.run_task, **place.task(enableExecuteCommand=True))
    volume = {"name": "data", "managedEBSVolume": {"roleArn": place.arn("deploy"), "sizeInGiB": 1}}
    denied(ecs.run_task, **place.task(volumeConfigurations=[volume]))
    for family in ("toril-prod_worker-slim-x86-64", "toril-prod-slim-x86-64", "shop"):
        container = [{"name": "a", "image": "b", "memory": 128}]
        place.client("ecs").register_task_definition(family=family, containerDefinitions=container)
        denied(ecs.run_task, **place.task(taskDefinition=f"{family}:1"))
    denied(ecs.run_task, **place.task(taskDefinition=place.home.home.coordinator))
    denied(ecs.run_task, **place.task(overrides={"taskRoleArn": place.arn("deploy")}))
    denied(ecs.run_task, **place.task(overrides={"taskRoleArn": place.arn("coordinator")}))
    denied(place.client("ecs", who, HUB).run_task, **place.task(place.home, taskDefinition=place.home.home.coordinator))
    denied(
        ecs.register_task_definition,
        family="toril_worker-slim-x86-64",
        containerDefinitions=[{"name": "a", "image": "b"}],
    )
    denied(s3.put_object, Bucket=BUCKET, Key="suites/shop/suite.yml", Body=b"")
    denied(s3.put_object, Bucket=BUCKET, Key=f"deployments/{REGION}.json", Body=b"")
    denied(s3.delete_object, Bucket=BUCKET, Key=f"{RUN}/plan.json")
    denied(place.client("secretsmanager", who).get_secret_value, SecretId=place.listed)
    denied(place.client("ecr", who).put_image, repositoryName="toril/worker", imageManifest="{}")
    denied(place.client("iam", who, HUB).create_role, RoleName="x", AssumeRolePolicyDocument="{}")


def test_the_role_run_cannot_overwrite_a_workers_file(place):
    s3 = place.client("s3", runner(place, "run"), HUB)
    denied(s3.put_object, Bucket=BUCKET, Key=f"{RUN}/workers/9/a/1.hist", Body=b"")
    s3.put_object(Bucket=BUCKET, Key=f"{RUN}/workers/9/a/1.hist", Body=b"", IfNoneMatch="*")


def test_the_scheduler_starts_coordinators_and_nothing_else(place):
    who = place.acting("scheduler")
    ecs = place.client("ecs", who, HUB)
    coordinator = place.task(place.home, taskDefinition=place.home.home.coordinator)
    assert ecs.run_task(**coordinator)["tasks"]
    denied(ecs.run_task, **place.task(place.home))
    denied(ecs.run_task, **{**coordinator, "enableExecuteCommand": True})
    denied(ecs.run_task, **{**coordinator, "overrides": {"taskRoleArn": place.arn("deploy")}})
    denied(ecs.list_tasks, cluster=place.home.cluster)
    denied(place.client("s3", who, HUB).get_object, Bucket=BUCKET, Key=f"{RUN}/plan.json")
    queue = place.client("sqs", None, HUB).list_queues()["QueueUrls"][0]
    place.client("sqs", who, HUB).send_message(QueueUrl=queue, MessageBody="{}")
    denied(place.client("sqs", who, HUB).receive_message, QueueUrl=queue)


def test_the_sweeper_stops_tasks_and_records_the_stop(place):
    (task,) = place.client("ecs").run_task(**place.task())["tasks"]
    who = place.acting("sweeper")
    ecs, s3 = place.client("ecs", who), place.client("s3", who, HUB)
    s3.get_object(Bucket=BUCKET, Key=f"{RUN}/plan.json")
    for name in ("stop.json", "lease.json", "end.json", "progress.json", "summary.json", "verdict.json", "report.html"):
        s3.put_object(Bucket=BUCKET, Key=f"{RUN}/{name}", Body=b"{}")
    assert task["taskArn"] in ecs.list_tasks(cluster=place.deployment.cluster)["taskArns"]
    ecs.stop_task(cluster=place.deployment.cluster, task=task["taskArn"])
    itself = {"taskRoleArn": place.home.home.sweeper_role}
    swept = place.task(place.home, taskDefinition=place.home.home.coordinator, overrides=itself)
    assert place.client("ecs", who, HUB).run_task(**swept)["tasks"]
    denied(ecs.run_task, **place.task())
    denied(place.client("ecs", who, HUB).run_task, **{**swept, "overrides": {}})  # with the coordinator's rights
    denied(s3.put_object, Bucket=BUCKET, Key=f"{RUN}/plan.json", Body=b"")
    denied(s3.put_object, Bucket=BUCKET, Key=f"{RUN}/start.json", Body=b"")
    denied(s3.put_object, Bucket=BUCKET, Key=f"{RUN}/workers/w/a/exit.json", Body=b"")
    denied(s3.get_object, Bucket=BUCKET, Key="suites/shop/suite.yml")
    denied(ecs.list_tasks, cluster=OTHER_CLUSTER)


def test_the_role_publish_pushes_images_and_suites_and_starts_nothing(place):
    who = place.github("publish", "environment:publish")
    ecr, s3 = place.client("ecr", who), place.client("s3", who, HUB)
    ecr.get_authorization_token()
    ecr.initiate_layer_upload(repositoryName="toril/worker")
    s3.put_object(Bucket=BUCKET, Key="suites/shop/new.yml", Body=b"")
    s3.delete_object(Bucket=BUCKET, Key="suites/shop/new.yml")
    s3.get_object(Bucket=BUCKET, Key=f"deployments/{REGION}.json")
    denied(ecr.initiate_layer_upload, repositoryName="elsewhere")
    denied(ecr.batch_delete_image, repositoryName="toril/worker", imageIds=[{"imageTag": "slim"}])
    denied(s3.put_object, Bucket=BUCKET, Key=f"{RUN}/lease.json", Body=b"")
    denied(s3.get_object, Bucket=BUCKET, Key=f"{RUN}/plan.json")
    denied(place.client("ecs", who).run_task, **place.task())


def test_the_role_publish_has_all_rights_to_publish_an_image(place, tmp_path):
    cloud, who = place.world.cloud, place.github("publish", "environment:publish")
    options = ["--tag", "slim-role", "--store", f"s3://{BUCKET}", "--registry", cloud.url.partition("://")[2] + "/"]
    archives = [archive(tmp_path, "arm64"), archive(tmp_path, "amd64")]
    command = [sys.executable, publish.__file__, "slim", *map(str, archives), *options]
    environment = cloud.environment(AWS_DEFAULT_REGION=HUB, **who.environment())
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = place.client("ecr").describe_images(repositoryName="toril/worker", imageIds=[{"imageTag": "slim-role"}])
    assert found["imageDetails"][0]["imageDigest"] in done.stdout


def test_the_role_preview_reads_no_secret_and_no_run_and_changes_nothing(place):
    who = place.github("preview", "pull_request")
    denied(place.client("secretsmanager", who).get_secret_value, SecretId=place.listed)
    denied(place.client("s3", who, HUB).get_object, Bucket=BUCKET, Key=f"{RUN}/plan.json")
    denied(place.client("s3", who, HUB).put_object, Bucket=BUCKET, Key="deployments/x.json", Body=b"")
    key = place.client("kms").create_key()["KeyMetadata"]["KeyId"]
    sealed = place.client("kms").encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    denied(place.client("kms", who).decrypt, CiphertextBlob=sealed)
    denied(place.client("ecs", who).run_task, **place.task())
    denied(place.client("iam", who, HUB).put_role_policy, RoleName="toril-run", PolicyName="x", PolicyDocument="{}")
    denied(place.client("ec2", who).create_vpc, CidrBlock="10.9.0.0/16")


@pytest.mark.nightly
def test_the_role_drift_can_refresh_stacks(place):
    states = {name: place.world.pulumi.stack(name, program=lambda: None).automation.export_stack() for name in STACKS}
    with acting(place.world, place.github("drift", "ref:refs/heads/main")) as reading:
        stacks = {name: reading.stack(name, **place.stage.settings[name]) for name in STACKS}
        for name, stack in stacks.items():
            stack.automation.import_stack(states[name])
        for stack in stacks.values():
            assert set(stack.preview(refresh=True, expect_no_changes=True)) == {"same"}
