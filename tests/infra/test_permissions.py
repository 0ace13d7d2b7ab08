"""The rights of the hub's roles: exact actions on this environment's resources, each with a reason."""

import re
from dataclasses import replace

import pytest

from infra.hub import CONSOLE_POLICIES
from infra.hub import POLICIES as USUAL
from infra.permissions import (
    console,
    deploying,
    deploying_console,
    deploying_hub,
    deploying_network,
    publish,
    reading,
    running,
    service,
)
from infra.permissions.console import home_policy
from infra.permissions.running import SCHEDULER_SERVICE, TASKS_SERVICE, service_trust
from infra.permissions.statements import render
from infra.place import Place
from infra.rules import WITHOUT_RESOURCE, reasons
from tests.infra.scopes import ACCOUNT, BARE, BOUNDARY, FULL, GOVERNMENT, SCOPES
from toril.launchers.preflight.planned import PROBE

POLICIES = {
    purpose: {**USUAL.get(purpose, {}), **CONSOLE_POLICIES.get(purpose, {})}
    for purpose in dict.fromkeys((*USUAL, *CONSOLE_POLICIES))
}
PLACE = Place(
    region="eu-west-1", account=ACCOUNT, partition="aws", names=FULL.names, permissions_boundary=None, tags={}
)
HOME = home_policy(
    PLACE,
    cluster=PLACE.arn("ecs", "cluster/toril-production12"),
    family="toril-production12_coordinator-arm64",
    group="toril-production12-console",
    schedules="toril-production12",
    roles=[PLACE.role_arn("toril-production12-coordinator"), PLACE.role_arn("toril-production12-eu-west-1-execution")],
    scheduler=PLACE.role_arn("toril-production12-scheduler"),
)
ALL = [
    pytest.param(scope, purpose, name, id=f"{label}-{purpose}-{name}")
    for label, scope in SCOPES.items()
    for purpose, policies in POLICIES.items()
    for name in policies
]
MODULES = {
    "preview": [reading],
    "drift": [reading, deploying_console],
    "publish": [publish],
    "deploy": [reading, deploying, deploying_console, deploying_hub, deploying_network],
    "console": [running, console],
    **{purpose: [running, service] for purpose in ("run", "coordinator", "scheduler", "sweeper")},
}
# The roles of creation templates have no path; see `infra.permissions.scope`.
OWN_ROLE = re.compile(rf"arn:aws:iam::{ACCOUNT}:role/(toril/production12/|toril-production12_\*-cache-templates$)")


BARE_OF = {name: getattr(BARE, name) for name in ("faults", "service", "service_logs")}


def statements(scope, purpose):
    home = HOME["Statement"] if purpose == "console" and scope is FULL else []
    return [*(one for policy in POLICIES[purpose].values() for one in policy(scope)["Statement"]), *home]


def actions(scope, purpose):
    return {action for one in statements(scope, purpose) for action in one["Action"]}


@pytest.mark.parametrize(("scope", "purpose", "name"), ALL)
def test_no_policy_breaks_the_rules_of_every_stack(scope, purpose, name):
    text = render(POLICIES[purpose][name](scope))
    assert reasons("aws:iam/rolePolicy:RolePolicy", {"policy": text}) == []


@pytest.mark.parametrize(("scope", "purpose", "name"), ALL)
def test_a_policy_is_within_iams_length_limit(scope, purpose, name):
    longest = replace(scope, public_repository=scope.public_repository and "w" * 200)
    assert len(render(POLICIES[purpose][name](longest))) <= (6144 if purpose == "deploy" else 10_240)


@pytest.mark.parametrize(("purpose", "modules"), MODULES.items())
def test_every_statement_has_its_reason_in_a_table(purpose, modules):
    rows = [line for module in modules for line in (module.__doc__ or "").splitlines() if line.startswith("| ")]
    explained = {sid.strip() for row in rows for sid in row.split("|")[1].split(",")}
    found = {one["Sid"] for scope in SCOPES.values() for one in statements(scope, purpose)}
    assert found - explained == set()


def test_every_row_of_a_table_has_its_statement():
    found = {one["Sid"] for scope in (*SCOPES.values(),) for purpose in POLICIES for one in statements(scope, purpose)}
    for module in {module for modules in MODULES.values() for module in modules}:
        for row in [line for line in (module.__doc__ or "").splitlines() if line.startswith("| ")][1:]:
            assert {sid.strip() for sid in row.split("|")[1].split(",")} <= found, row


def test_every_action_listed_without_a_resource_is_used():
    known = {action for scope in SCOPES.values() for purpose in POLICIES for action in actions(scope, purpose)}
    assert known >= WITHOUT_RESOURCE - {"ecr:GetAuthorizationToken"}


@pytest.mark.parametrize("purpose", ["preview", "drift"])
@pytest.mark.parametrize("scope", SCOPES.values(), ids=SCOPES)
def test_the_roles_that_only_read_read_no_secret_and_change_nothing(scope, purpose):
    for action in actions(scope, purpose) - {"kms:Decrypt"}:
        assert re.fullmatch(r"[a-z0-9-]+:(Admin)?(Describe|Get|GET|List|View)\w*", action), action
    assert not actions(scope, purpose) & {"secretsmanager:GetSecretValue", "ecr:GetAuthorizationToken"}


@pytest.mark.parametrize("scope", SCOPES.values(), ids=SCOPES)
def test_the_role_preview_reads_nothing_of_the_console(scope):
    services = {action.partition(":")[0] for action in actions(scope, "preview")}
    assert not services & {"apigateway", "cloudfront", "cognito-idp", "lambda", "ssm"}


def test_the_role_preview_decrypts_results_through_s3_but_not_the_state():
    (decrypting,) = [one for one in statements(FULL, "preview") if "kms:Decrypt" in one["Action"]]
    assert decrypting["Resource"] == [FULL.bucket_key] != [FULL.state_key]
    assert decrypting["Condition"] == {"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}}
    assert "kms:Decrypt" not in actions(BARE, "preview")


def test_the_role_preview_reads_the_state_but_no_runs():
    objects = [arn for one in statements(FULL, "preview") for arn in one["Resource"] if arn.startswith("arn:aws:s3:::")]
    assert "arn:aws:s3:::acme-state/*" in objects
    assert not [arn for arn in objects if "runs" in arn or arn.endswith("results/*")]


@pytest.mark.parametrize("purpose", ["run", "coordinator", "scheduler", "sweeper"])
def test_roles_that_run_load_tests_delete_nothing_and_change_no_stack(purpose):
    changing = {one for one in actions(FULL, purpose) if re.match(r"[a-z]+:(Delete|Create|Update|Register)", one)}
    assert changing <= {"iam:CreateServiceLinkedRole", "scheduler:CreateSchedule", "scheduler:DeleteSchedule"}


def test_the_role_run_passes_only_the_roles_of_workers_and_the_sweeper():
    handed = {
        (service, arn.rpartition("/")[2])
        for one in statements(BARE, "run")
        if one["Action"] == ["iam:PassRole"]
        for service in [one["Condition"]["StringEquals"]["iam:PassedToService"]]
        for arn in one["Resource"]
    }
    assert handed == {
        (TASKS_SERVICE, "toril-*-worker"),
        (TASKS_SERVICE, "toril-*-execution"),
        (SCHEDULER_SERVICE, "toril-sweeper"),
    }


def test_the_role_run_plans_sweeps_and_cannot_change_nightly_schedules():
    (planned,) = [one for one in statements(BARE, "run") if "scheduler:CreateSchedule" in one["Action"]]
    assert planned["Resource"] == [f"arn:aws:scheduler:*:{ACCOUNT}:schedule/toril/sweep-*"]


def test_tasks_start_only_in_the_environments_clusters():
    for purpose in ("run", "scheduler", "sweeper"):
        for one in statements(FULL, purpose):
            if "ecs:RunTask" in one["Action"]:
                assert one["Condition"] == {
                    "ArnLike": {"ecs:cluster": f"arn:aws:ecs:*:{ACCOUNT}:cluster/toril-production12"},
                    "StringEqualsIfExists": {"ecs:enable-ebs-volumes": "false", "ecs:enable-execute-command": "false"},
                }


def test_the_scheduler_starts_coordinators_and_no_workers():
    (started,) = [one for one in statements(BARE, "scheduler") if "ecs:RunTask" in one["Action"]]
    assert started["Resource"] == [f"arn:aws:ecs:*:{ACCOUNT}:task-definition/toril_coordinator-*:*"]


def test_the_sweeper_writes_only_the_end_of_a_run_and_the_history():
    (written,) = [one["Resource"] for one in statements(BARE, "sweeper") if "s3:PutObject" in one["Action"]]
    names = {resource.removeprefix(f"arn:aws:s3:::toril-{ACCOUNT}-us-east-1/") for resource in written}
    ending = ("cause", "end", "evidence", "lease", "metrics", "progress", "report", "stop", "summary", "verdict")
    files = {f"runs/*/{name}.{'html' if name == 'report' else 'json'}" for name in ending}
    setup = "runs/*/workers/*/setup/begun.json"  # then setup cannot begin after the end
    assert names == {"events/*", "history/*", "index/*", "runs/agents/offers/*", setup, *files}


@pytest.mark.parametrize(
    ("setting", "service", "wanted"),
    [
        ("faults", "fis", {"run": 6, "coordinator": 6, "sweeper": 3}),
        ("service", "xray", {"run": 1, "coordinator": 1, "sweeper": 1}),
        ("service", "tag", {"run": 1, "coordinator": 0, "sweeper": 0}),
        ("service_logs", "logs", {"run": 4, "coordinator": 4, "sweeper": 3}),
    ],
)
def test_rights_on_the_service_need_their_setting(setting, service, wanted):
    """The roles that start tasks read the last lines of the workers' logs without a setting."""
    usual = {"run": 1, "coordinator": 1, "sweeper": 0} if service == "logs" else dict.fromkeys(wanted, 0)
    for scope, expected in ((replace(FULL, **{setting: BARE_OF[setting]}), usual), (FULL, wanted)):
        found = {
            purpose: {one for one in actions(scope, purpose) if one.startswith(f"{service}:")} for purpose in wanted
        }
        assert {purpose: len(its) for purpose, its in found.items()} == expected


@pytest.mark.parametrize("purpose", ["coordinator", "sweeper"])
def test_owners_put_events_of_runs_alone_on_the_bus(purpose):
    (put,) = [one for one in statements(BARE, purpose) if one["Action"] == ["events:PutEvents"]]
    assert put["Resource"] == [f"arn:aws:events:*:{ACCOUNT}:event-bus/default"]
    assert put["Condition"] == {
        "ForAllValues:StringEquals": {"events:source": "toril"},
        "Null": {"events:source": "false"},
    }


@pytest.mark.parametrize("purpose", ["run", "coordinator", "sweeper"])
def test_those_who_judge_runs_delete_only_index_rows_and_the_values_of_setup(purpose):
    deleted = [one["Resource"] for one in statements(BARE, purpose) if "s3:DeleteObject" in one["Action"]]
    bucket = f"arn:aws:s3:::toril-{ACCOUNT}-us-east-1"
    assert deleted == [[f"{bucket}/given/*", f"{bucket}/index/*"]]


@pytest.mark.parametrize("purpose", ["run", "coordinator", "sweeper", "publish"])
def test_only_workers_read_the_values_of_setup(purpose):
    for read in [one for one in statements(BARE, purpose) if "s3:GetObject" in one["Action"]]:
        assert not [arn for arn in read["Resource"] if arn.partition("/")[2].startswith(("given", "*"))]


def test_with_a_boundary_every_deployed_role_has_it():
    giving = {"iam:AttachRolePolicy", "iam:CreateRole", "iam:PutRolePolicy"}
    for one in statements(FULL, "deploy"):
        if giving & set(one["Action"]):
            assert one["Condition"]["StringEquals"]["iam:PermissionsBoundary"] == BOUNDARY
    taking = {"iam:DeleteRolePermissionsBoundary", "iam:PutRolePermissionsBoundary"}
    assert not taking & actions(FULL, "deploy")


@pytest.mark.parametrize("purpose", POLICIES)
def test_each_role_is_passed_by_name_and_to_one_service(purpose):
    for one in statements(FULL, purpose):
        if "iam:PassRole" in one["Action"]:
            assert isinstance(one["Condition"]["StringEquals"]["iam:PassedToService"], str)
            assert all(OWN_ROLE.match(arn) for arn in one["Resource"])
            assert not [arn for arn in one["Resource"] if arn.endswith("/*")]


def test_the_role_deploy_writes_iam_of_its_environment_only():
    for one in statements(FULL, "deploy"):
        if any(action.startswith("iam:") for action in one["Action"]):
            for arn in one["Resource"]:
                others = r":policy/toril/production12/|:oidc-provider/|:role/aws-service-role/"
                assert OWN_ROLE.match(arn) or re.search(others, arn), arn


def test_the_role_deploy_makes_and_deletes_the_consoles_group_of_schedules():
    group = f"arn:aws:scheduler:*:{ACCOUNT}:schedule-group/toril-console"
    deploying = {"scheduler:CreateScheduleGroup", "scheduler:DeleteScheduleGroup", "scheduler:TagResource"}
    assert deploying <= on(group, "deploy")
    for purpose in ("deploy", "drift"):
        assert {"scheduler:GetScheduleGroup", "scheduler:ListTagsForResource"} <= on(group, purpose)


def on(resource, purpose):
    """Returns the actions that a role of a hub with a console has on a resource."""
    return {action for one in statements(BARE, purpose) if resource in one["Resource"] for action in one["Action"]}


def test_the_role_deploy_cannot_empty_a_protected_bucket():
    assert "s3:DeleteObjectVersion" not in actions(BARE, "deploy")
    assert "s3:DeleteObjectVersion" in actions(FULL, "deploy")


def test_the_role_deploy_may_reach_results_in_another_region_by_an_endpoint():
    assert "vpce:AllowMultiRegion" in actions(FULL, "deploy")


def test_the_role_publish_starts_nothing_and_pushes_only_into_worker_repositories():
    assert not [action for action in actions(FULL, "publish") if action.startswith(("ecs:", "iam:", "scheduler:"))]
    pushed = {arn for one in statements(FULL, "publish") if "ecr:PutImage" in one["Action"] for arn in one["Resource"]}
    assert pushed == {f"arn:aws:ecr:*:{ACCOUNT}:repository/toril/production12/worker"}


@pytest.mark.parametrize("purpose", POLICIES)
def test_policies_in_another_partition_have_its_arns(purpose):
    text = "".join(render(policy(GOVERNMENT)) for policy in POLICIES[purpose].values())
    assert "arn:aws-us-gov:" in text
    assert "arn:aws:" not in text
    assert "budgets:" not in text
    assert "ecr-public:" not in text


@pytest.mark.parametrize("purpose", POLICIES)
def test_an_environment_names_nothing_of_another(purpose):
    for one in statements(FULL, purpose):
        for arn in one["Resource"]:
            assert "toril-main" not in arn
            assert not re.search(r"toril(/main|-\*|/\*|/worker)", arn), arn


def test_services_assume_roles_only_for_this_account():
    trust = service_trust((SCHEDULER_SERVICE, TASKS_SERVICE), "aws", ACCOUNT, BARE.names)
    for one in trust["Statement"]:
        assert one["Condition"]["StringEquals"] == {"aws:SourceAccount": ACCOUNT}
    assert trust["Statement"][1]["Condition"]["ArnLike"] == {
        "aws:SourceArn": f"arn:aws:scheduler:*:{ACCOUNT}:schedule-group/toril"
    }


def test_the_console_starts_coordinators_of_the_home_region_and_nothing_else():
    started = [one for one in statements(FULL, "console") if "ecs:RunTask" in one["Action"]]
    assert [one["Resource"] for one in started] == [
        [f"arn:aws:ecs:eu-west-1:{ACCOUNT}:task-definition/toril-production12_coordinator-arm64:*"]
    ]
    assert started[0]["Condition"]["ArnLike"] == {
        "ecs:cluster": f"arn:aws:ecs:eu-west-1:{ACCOUNT}:cluster/toril-production12"
    }
    assert not {"ecs:RunTask", "ecs:StopTask", "iam:PassRole"} & actions(BARE, "console")


def test_the_console_passes_the_roles_of_coordinators_and_the_scheduler_only():
    handed = {
        (one["Condition"]["StringEquals"]["iam:PassedToService"], arn.rpartition("/")[2])
        for one in statements(FULL, "console")
        if "iam:PassRole" in one["Action"]
        for arn in one["Resource"]
    }
    assert handed == {
        (TASKS_SERVICE, "toril-production12-coordinator"),
        (TASKS_SERVICE, "toril-production12-eu-west-1-execution"),
        (SCHEDULER_SERVICE, "toril-production12-scheduler"),
    }


def test_the_console_writes_schedules_in_its_own_group_only():
    written = [
        one["Resource"]
        for one in statements(FULL, "console")
        if {"scheduler:CreateSchedule", "scheduler:UpdateSchedule", "scheduler:DeleteSchedule"} & set(one["Action"])
    ]
    assert written == [[f"arn:aws:scheduler:eu-west-1:{ACCOUNT}:schedule/toril-production12-console/*"]]


def test_the_console_writes_no_results_and_no_deployments():
    bucket = f"arn:aws:s3:::{FULL.bucket}/"
    written = {
        arn.removeprefix(bucket)
        for one in statements(FULL, "console")
        if "s3:PutObject" in one["Action"]
        for arn in one["Resource"]
    }
    assert {arn for arn in written if arn.startswith("runs/")} == {"runs/*/stop.json", "runs/*/rates/*", PROBE}
    assert not [arn for arn in written if arn.startswith(("deployments", "history", "suites", "*"))]


def test_the_console_reads_no_secret_but_its_own():
    assert not [action for action in actions(FULL, "console") if action.startswith("secretsmanager:")]
    read = [one["Resource"] for one in statements(FULL, "console") if "ssm:GetParameter" in one["Action"]]
    assert read == [[f"arn:aws:ssm:eu-west-1:{ACCOUNT}:parameter/toril/production12/console/*"]]
    assert not [
        action for purpose in ("preview", "drift", "deploy") for action in actions(FULL, purpose) if "ssm:" in action
    ]


def test_schedules_of_the_console_use_the_schedulers_role():
    (trust,) = service_trust((SCHEDULER_SERVICE,), "aws", ACCOUNT, BARE.names, console=True)["Statement"]
    group = f"arn:aws:scheduler:*:{ACCOUNT}:schedule-group/toril"
    assert trust["Condition"]["ArnLike"]["aws:SourceArn"] == [group, f"{group}-console"]


@pytest.mark.parametrize("sid", ["TagDistributions", "TagUserPools"])
def test_deploy_tags_what_it_makes_and_nothing_of_another_environment(sid):
    (found,) = [one for one in statements(FULL, "deploy") if one.get("Sid") == sid]
    assert found["Condition"] == {
        "StringEquals": {"aws:RequestTag/toril:environment": "production12"},
        "Null": {"aws:ResourceTag/toril:environment": "true"},
    }
