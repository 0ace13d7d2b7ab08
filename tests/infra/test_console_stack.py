"""The console as the hub's stack deploys it, with IAM's decisions: who reaches it, and what its function may do."""

import json
import sys

import pytest

from tests.cloud.web import web
from tests.fargate.stage import HOME
from tests.infra.granted import ACCOUNT, BUCKET, RUN, denied
from toril.launchers.preflight.planned import PROBE

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("console")]
LOGS = "/toril/main/console"


@pytest.fixture
def browser(site):
    with web(site.world.cloud) as client:
        yield client


def test_a_second_update_changes_nothing(site):
    assert set(site.hub.up()) == {"same"}


def test_a_visitor_without_a_session_is_sent_to_the_login_page(site, browser):
    answer = browser.get(f"{site.address}/?suite=shop")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=%2F%3Fsuite%3Dshop")
    assert answer.headers["strict-transport-security"].startswith("max-age=31536000")
    assert "script-src 'self'" in answer.headers["content-security-policy"]


def test_static_files_come_from_the_bucket_and_may_be_kept_for_ever(site, browser):
    from toril.console.static import address_of, assets

    answer = browser.get(site.address + address_of("console.css"))
    assert answer.content == assets()["console.css"].content
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    bucket = f"toril-console-{ACCOUNT}-{HOME}"
    assert browser.get(f"https://{bucket}.s3.{HOME}.amazonaws.com/static/x").status_code in (403, 404)


def test_a_request_that_bypasses_cloudfront_is_refused(site, browser):
    (api,) = site.world.cloud.client("apigatewayv2", HOME).get_apis()["Items"]
    for headers in ({}, {"x-toril-origin": "guessed"}):
        answer = browser.get(f"{api['ApiEndpoint']}/", headers=headers)
        assert answer.status_code == 403


def test_the_function_has_only_the_digest_of_cloudfronts_header(site, browser):
    function = site.world.cloud.client("lambda", HOME).get_function_configuration(FunctionName="toril-console")
    shown = function["Environment"]["Variables"]["TORIL_CONSOLE_ORIGIN_DIGEST"]
    (api,) = site.world.cloud.client("apigatewayv2", HOME).get_apis()["Items"]
    assert browser.get(f"{api['ApiEndpoint']}/", headers={"x-toril-origin": shown}).status_code == 403


def test_the_log_has_json_with_request_ids_and_no_query(site, browser):
    browser.get(f"{site.address}/me?token=s3cret-in-a-query")
    events = site.world.cloud.client("logs", HOME).filter_log_events(logGroupName=LOGS)["events"]
    lines = [json.loads(one["message"]) for one in events if one["message"].startswith("{")]
    line = [one for one in lines if one.get("path") == "/me"][-1]
    assert {"timestamp", "level", "requestId", "request", "method", "ms"} <= line.keys()
    assert "s3cret-in-a-query" not in str(events)


def test_the_home_region_publishes_the_group_of_the_consoles_schedules(site):
    assert site.place.home.home.console_group == "toril-console"


def test_no_stack_knows_the_session_key(site, browser):
    browser.get(site.address)
    found = site.world.cloud.client("ssm", HOME).get_parameter(
        Name="/toril/main/console/session-key", WithDecryption=True
    )["Parameter"]
    assert found["Type"] == "SecureString"
    assert found["Value"] not in json.dumps(site.hub.automation.export_stack().deployment)
    assert not [name for name in site.world.cloud.client("lambda", HOME).get_function_configuration(
        FunctionName="toril-console"
    )["Environment"]["Variables"].values() if found["Value"] in name]  # fmt: skip


def test_the_function_reads_the_store_and_writes_only_records_of_people(site):
    s3 = site.place.client("s3", site.place.acting("console"), HOME)
    root = site.place.client("s3", None, HOME)
    for key in (f"{RUN}/plan.json", "deployments/x.json"):
        root.put_object(Bucket=BUCKET, Key=key, Body=b"{}")
        s3.get_object(Bucket=BUCKET, Key=key)
    for key in (
        f"{RUN}/stop.json",
        f"{RUN}/rates/1.json",
        PROBE,
        "versions/shop/000001.json",
        "notes/a/b.json",
        f"shares/{RUN.removeprefix('runs/')}/a.json",
        "audit/a.json",
    ):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"{}")
    of_others = ("deployments/x.json", "history/a/b.json", "suites/shop/suite.yml", "other")
    for key in (f"{RUN}/plan.json", f"{RUN}/verdict.json", f"{RUN}/workers/1/1.hist", *of_others):
        denied(s3.put_object, Bucket=BUCKET, Key=key, Body=b"{}")
    s3.delete_object(Bucket=BUCKET, Key=f"{RUN}/plan.json")
    denied(s3.delete_object, Bucket=BUCKET, Key="deployments/x.json")
    denied(s3.delete_object, Bucket=BUCKET, Key="audit/a.json")
    for one in root.list_objects_v2(Bucket=BUCKET)["Contents"]:
        if root.get_object(Bucket=BUCKET, Key=one["Key"])["Body"].read() == b"{}":
            root.delete_object(Bucket=BUCKET, Key=one["Key"])


def test_the_function_starts_coordinators_in_the_home_region_and_nothing_else(site):
    place, who = site.place, site.place.acting("console")
    ecs = place.client("ecs", who, HOME)
    site.stage.set_image([sys.executable, "-c", "import time; time.sleep(60)"])
    coordinator = place.task(place.home, taskDefinition=place.home.home.coordinator)
    assert ecs.run_task(**coordinator)["tasks"]
    denied(ecs.run_task, **place.task(place.home))
    for role in ("deploy", "sweeper", f"{HOME}-worker"):
        denied(ecs.run_task, **{**coordinator, "overrides": {"taskRoleArn": place.arn(role)}})
    denied(ecs.run_task, **{**coordinator, "enableExecuteCommand": True})
    denied(ecs.stop_task, cluster=place.home.cluster, task="a" * 32)
    denied(ecs.register_task_definition, family="toril_coordinator-x86-64", containerDefinitions=[{"name": "a"}])
    site.stage.end_tasks()
    site.stage.set_image()


def schedule(site, group, role):
    target = {
        "Arn": "arn:aws:scheduler:::aws-sdk:ecs:runTask",
        "RoleArn": role,
        "Input": json.dumps({"TaskDefinition": site.place.home.home.coordinator, "Cluster": site.place.home.cluster}),
    }
    at = {"ScheduleExpression": "at(2099-01-01T00:00:00)", "FlexibleTimeWindow": {"Mode": "OFF"}}
    return {"Name": "nightly", "GroupName": group, "Target": target, **at}


def test_the_function_writes_schedules_in_its_own_group_for_the_schedulers_role(site):
    home = site.place.home.home
    scheduler = site.place.client("scheduler", site.place.acting("console"), HOME)
    wanted = schedule(site, home.console_group, home.scheduler_role)
    scheduler.create_schedule(**wanted)
    scheduler.update_schedule(**wanted)
    assert [one["Name"] for one in scheduler.list_schedules(GroupName=home.console_group)["Schedules"]] == ["nightly"]
    scheduler.get_schedule(GroupName=home.console_group, Name="nightly")
    scheduler.delete_schedule(GroupName=home.console_group, Name="nightly")
    denied(scheduler.create_schedule, **schedule(site, home.schedule_group, home.scheduler_role))
    denied(scheduler.create_schedule, **schedule(site, home.console_group, home.sweeper_role))


def test_the_function_reads_quotas_but_no_logs_and_no_secrets(site):
    place, who = site.place, site.place.acting("console")
    denied(place.client("logs", who, HOME).describe_log_streams, logGroupName=place.home.log_group)
    place.client("service-quotas", who, HOME).list_service_quotas(ServiceCode="fargate")
    root, ssm = place.client("ssm", None, HOME), place.client("ssm", who, HOME)
    root.put_parameter(Name="/other/secret", Value="x", Type="SecureString")
    denied(ssm.get_parameter, Name="/other/secret")
    denied(ssm.put_parameter, Name="/toril/main/console/client-secret", Value="x", Type="SecureString", Overwrite=True)
    secret = place.client("secretsmanager", None, HOME).create_secret(Name="shop/api", SecretString="x")["ARN"]
    denied(place.client("secretsmanager", who, HOME).get_secret_value, SecretId=secret)
    denied(
        place.client("iam", who, HOME).put_role_policy, RoleName="toril-console", PolicyName="x", PolicyDocument="{}"
    )
