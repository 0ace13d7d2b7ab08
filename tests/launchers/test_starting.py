"""Starting workers: a fleet starts each worker once, at the account's rates, despite errors of ECS."""

import json

import pytest

from tests.launchers.fake_ecs import NO_CAPACITY, THROTTLED, error, timeout
from tests.launchers.stage import REGION, deployment
from toril.launchers.fargate.rate_limit import Rates, usual_rates
from toril.records import TaskSize

UNAUTHORISED = error("AccessDeniedException", "User: x is not authorized to perform: ecs:RunTask on resource: y")


def started(one):
    """Returns the number of tasks of each worker."""
    found = {share.worker: 0 for share in one.plan.shares}
    for task in one.ecs.tasks.values():
        found[variables(task)["TORIL_WORKER"]] += 1
    return found


def variables(request):
    return {one["name"]: one["value"] for one in request["overrides"]["containerOverrides"][0]["environment"]}


def test_a_run_task_request_names_worker_size_and_tags(fleet):
    one = fleet(1, task=TaskSize(cpu=1024, memory_mib=2048, storage_gib=40), tags={"commit": "ab12+", "by": "Zoë"})
    one.start_all()
    one.pass_time()
    (asked,) = one.ecs.asked("run_task")
    assert asked["overrides"] == {
        "containerOverrides": [
            {
                "name": "worker",
                "environment": [
                    {"name": "TORIL_RUN", "value": "run"},
                    {"name": "TORIL_WORKER", "value": f"{REGION}-1"},
                    {"name": "TORIL_ATTEMPT", "value": "first"},
                ],
            }
        ],
        "cpu": "1024",
        "memory": "2048",
        "ephemeralStorage": {"sizeInGiB": 40},
    }
    assert asked["taskDefinition"].endswith(":task-definition/toril-main-slim-arm64:7")
    assert (asked["count"], asked["platformVersion"], asked["startedBy"]) == (1, "1.4.0", "run")
    assert asked["networkConfiguration"]["awsvpcConfiguration"]["assignPublicIp"] == "ENABLED"
    assert {one["key"]: one["value"] for one in asked["tags"]} == {
        "toril:run": "run",
        "toril:suite": "shop",
        "toril:worker": f"{REGION}-1",
        "toril:location": REGION,
        "toril:tag:commit": "ab12+",
        "toril:tag:by": "Zo_",
    }
    assert asked["propagateTags"] == "TASK_DEFINITION"  # the budget counts the stack's tag
    assert len(json.dumps(asked["overrides"])) < 8192


def test_a_task_has_room_for_the_tags_of_its_definition(fleet):
    one = fleet(1, tags={str(number): "" for number in range(60)})
    one.start_all()
    one.pass_time()
    (asked,) = one.ecs.asked("run_task")
    assert len(asked["tags"]) == 40  # ECS allows 50; a stack has at most ten


def test_every_worker_starts_once_with_its_own_token(fleet):
    one = fleet(30)
    one.start_all()
    one.pass_time(5)
    assert set(started(one).values()) == {1}
    tokens = [asked["clientToken"] for asked in one.ecs.asked("run_task")]
    assert len(set(tokens)) == len(tokens) == 30
    assert all(len(token) <= 64 for token in tokens)


def test_a_lost_answer_starts_nothing_twice(fleet):
    one = fleet(3)
    one.ecs.fail("run_task", error("ServerException", "oops", 500), times=2, done=True)
    one.ecs.fail("run_task", timeout(), done=True)
    one.start_all()
    one.pass_time(10)
    assert set(started(one).values()) == {1}
    assert len(one.fleet.tasks()) == 3


def test_throttled_requests_are_repeated_with_the_same_token_and_backoff(fleet):
    one = fleet(1)
    one.ecs.fail("run_task", THROTTLED, times=6)
    one.start_all()
    one.pass_time(120)
    asked = one.ecs.asked("run_task")
    assert len(asked) == 7
    assert len({request["clientToken"] for request in asked}) == 1
    assert one.fleet.ended() == {}


def test_constant_throttling_causes_few_requests(fleet):
    one = fleet(100)
    one.ecs.fail("run_task", THROTTLED, times=float("inf"))
    one.start_all()
    one.pass_time(120)
    assert len(one.ecs.asked("run_task")) < 100 * 11
    one.ecs.heal()
    one.pass_time(60)
    assert set(started(one).values()) == {1}


def test_a_fleet_waits_for_capacity_with_a_note(fleet):
    one = fleet(2)
    one.ecs.fail("run_task", NO_CAPACITY, times=float("inf"))
    one.start_all()
    one.pass_time(40)
    (note,) = one.fleet.notes()
    assert note.code == "workers-wait"
    assert all(text in note.message for text in (f"{REGION}: 0 of 2 ", NO_CAPACITY, "40 s"))
    tokens = [asked["clientToken"] for asked in one.ecs.asked("run_task")]
    assert len(set(tokens)) == len(tokens)  # each refusal uses up its token
    one.ecs.heal()
    one.pass_time(30)
    assert set(started(one).values()) == {1}


def test_spot_falls_back_to_on_demand_and_the_capacity_is_recorded(fleet):
    one = fleet(2, task=TaskSize(spot=True))
    one.ecs.fail("run_task", NO_CAPACITY, where=lambda asked: variables(asked)["TORIL_WORKER"] == f"{REGION}-2")
    one.start_all()
    one.pass_time(2)
    got = {worker: task.capacity for worker, task in one.fleet.tasks().items()}
    assert got == {f"{REGION}-1": "FARGATE_SPOT", f"{REGION}-2": "FARGATE"}
    asked = [request for request in one.ecs.asked("run_task") if variables(request)["TORIL_WORKER"] == f"{REGION}-2"]
    assert len({request["clientToken"] for request in asked}) == 2


@pytest.mark.parametrize(
    ("refusal", "code", "text"),
    [
        (UNAUTHORISED, "access-denied", "not authorized to perform: ecs:RunTask"),
        (error("ClusterNotFoundException", "Cluster not found."), "outdated-stack", "`pulumi up`"),
        (error("ClientException", "TaskDefinition is inactive"), "outdated-stack", "`pulumi up`"),
        (error("InvalidParameterException", "No such subnet"), "refused", "No such subnet"),
        (error("ExpiredTokenException", "The security token is expired"), "expired-credentials", "--take-over"),
    ],
)
def test_a_permanent_refusal_ends_the_worker_with_the_reason(fleet, refusal, code, text):
    one = fleet(1)
    one.ecs.fail("run_task", refusal, times=float("inf"))
    one.start_all()
    one.pass_time(60)
    assert one.codes() == {f"{REGION}-1": (code, False)}
    assert text in one.exit().reason
    assert len(one.ecs.asked("run_task")) == 1


def test_a_failure_other_than_capacity_ends_the_worker(fleet):
    one = fleet(1)
    one.ecs.fail("run_task", "MISSING")
    one.start_all()
    one.pass_time(5)
    assert one.codes() == {f"{REGION}-1": ("refused", False)}
    assert "MISSING" in one.exit().reason


def test_a_token_conflict_leads_to_the_existing_task(fleet):
    before = fleet(1)
    before.start_all()
    before.pass_time()
    before.ecs.unlisted |= set(before.ecs.tasks)  # ECS lists them late
    changed = deployment(network=deployment().network.model_copy(update={"subnets": ("subnet-9",)}))
    one = fleet(1, ecs=before.ecs, here=changed)
    one.start_all()
    one.pass_time()
    assert [task.arn for task in one.fleet.tasks().values()] == list(one.ecs.tasks)


def test_tasks_start_at_the_accounts_rate(fleet):
    one = fleet(60, rates=Rates(burst=10, sustained_per_s=2))
    one.start_all()
    counts = []
    for _ in range(30):
        one.pass_time(0.9, step_s=0.1)
        one.clock.at += 0.1
        counts.append(len(one.ecs.tasks))
    assert counts[0] <= 10 + 2
    assert all(count <= 10 + 2 * (second + 1) for second, count in enumerate(counts))
    assert counts[-1] == 60


def test_a_region_gets_at_most_20_run_task_calls_per_second(fleet):
    one = fleet(200, rates=Rates(burst=1000, sustained_per_s=1000))
    one.start_all()
    one.pass_time(5, step_s=0.1)
    assert len(one.ecs.tasks) <= 20 + 5 * 20
    one.pass_time(10, step_s=0.1)
    assert len(one.ecs.tasks) == 200


def test_regions_have_the_default_rates_of_aws():
    assert usual_rates("eu-west-1") == Rates(100, 20)
    assert usual_rates("af-south-1") == Rates(25, 5)


def test_no_task_starts_after_the_runs_deadline(fleet):
    one = fleet(1)
    one.clock.at = 5_000.0
    one.start_all()
    one.pass_time(5)
    assert one.ecs.asked("run_task") == []
    assert one.codes() == {f"{REGION}-1": ("deadline", False)}
