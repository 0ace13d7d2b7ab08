"""Whole runs with the permissions of the deployed roles; IAM checks every request."""

import json
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from tests.fargate.stage import AWAY, HOME, LATER, suite
from tests.outcomes import fails, passes
from toril.desk.starting import request_run
from toril.launchers.fargate.coordinator_task import FargateStarter
from toril.notify.events import kept
from toril.plan.options import RunOptions
from toril.runs.requests import failure_of

pytestmark = pytest.mark.xdist_group("guarded")
SOON_S = 2
VERDICT_WITHIN_S = 90
SWEPT_WITHIN_S = 120


def refused(guarded):
    return [one for one in guarded.cloud.decisions() if not one.allowed]


def test_a_suite_runs_in_two_regions_with_the_permissions_of_a_workflow(guarded, tmp_path, service):
    folder = suite(tmp_path / "shop", service.url, criteria=["p95>1s", "fail>1%"])
    done = guarded.toril("run", folder, "--on", "fargate", "--run-id", "both", who=guarded.runner())
    verdict = guarded.verdict("both")
    assert passes(verdict), done.output
    assert done.code == {"passed": 0, "inconclusive": 3}[verdict["outcome"]], done.output
    assert [one["outcome"] for one in verdict["criteria"]] == ["passed", "passed"]
    assert "for a million requests" in done.err
    summary = guarded.summary("both")
    assert summary["labels"][""]["samples"] == service.answered
    assert set(summary["locations"]) == {HOME, AWAY}
    assert guarded.running_tasks() == []
    assert refused(guarded) == []
    assert costs_of(guarded, "both") == {"main"}


def costs_of(guarded, run_id):
    """Returns the cost tags of a run's tasks, which the budget counts."""
    tags = []
    for region in (HOME, AWAY):
        ecs, cluster = guarded.cloud.client("ecs", region), guarded.world.deployment(region).cluster
        arns = ecs.list_tasks(cluster=cluster, startedBy=run_id, desiredStatus="STOPPED")["taskArns"]
        found = ecs.describe_tasks(cluster=cluster, tasks=arns, include=["TAGS"])["tasks"]
        tags += [{one["key"]: one["value"] for one in task["tags"]} for task in found]
    return {one.get("toril:environment") for one in tags}


@pytest.mark.nightly
def test_a_try_sends_each_request_once_from_a_task_and_is_recorded_as_one(guarded, tmp_path, service):
    folder = suite(tmp_path / "tried", service.url, criteria=["p95>1s"])
    words = ("try", folder, "--on", "fargate", "--locations", AWAY, "--run-id", "once", "--format", "json")
    done = guarded.toril(*words, who=guarded.runner())
    assert done.code == 0, done.output
    (shown,) = [json.loads(line) for line in done.out.splitlines()]
    assert (shown["status"], shown["location"], service.answered) == (200, AWAY, 1)
    (key,) = [key for key in guarded.store.keys("history/") if "-once." in key]
    assert json.loads(guarded.store.get(key))["kind"] == "try"
    assert guarded.running_tasks() == []
    assert refused(guarded) == []


@contextmanager
def due_soon(guarded):
    """Sets the time of the stack's schedule to some seconds from now."""
    scheduler = guarded.cloud.client("scheduler", HOME)
    made = scheduler.get_schedule(GroupName="toril", Name=LATER["name"])
    same = {name: made[name] for name in ("GroupName", "Name", "Target", "FlexibleTimeWindow")}
    same["ScheduleExpressionTimezone"] = made["ScheduleExpressionTimezone"]
    soon = datetime.now(UTC) + timedelta(seconds=SOON_S)
    scheduler.update_schedule(**same, ScheduleExpression=f"at({soon:%Y-%m-%dT%H:%M:%S})")
    yield
    scheduler.update_schedule(**same, ScheduleExpression=made["ScheduleExpression"])


@pytest.mark.nightly
def test_a_schedule_runs_a_pushed_suite_and_stores_its_verdict(guarded, tmp_path, service):
    folder = suite(tmp_path / LATER["suite"], service.url, {"hold-for": "5s"}, criteria=["p95>1ms"])
    pushed = guarded.toril("suite", "push", folder)
    assert pushed.code == 0, pushed.output
    with due_soon(guarded):
        verdict = verdict_of(guarded, LATER["suite"])
    assert fails(verdict), verdict
    (task,) = tasks_of(guarded, LATER["name"])
    # notices depend on these exit codes
    assert guarded.ended(task)["containers"][0]["exitCode"] == {"failed": 1, "inconclusive": 3}[verdict["outcome"]]
    finished = [one for one in kept(guarded.store)[0] if one.kind == "run-finished" and one.suite == LATER["suite"]]
    assert [(one.schedule, one.outcome) for one in finished] == [(LATER["name"], verdict["outcome"])]


@pytest.mark.nightly
def test_a_requested_run_has_the_permissions_of_a_coordinator_and_says_why_it_cannot_start(guarded, tmp_path, service):
    folder = suite(tmp_path / "asked", service.url, {"hold-for": "3s"}, criteria=["p95>1s"])
    pushed = guarded.toril("suite", "push", folder)
    assert pushed.code == 0, pushed.output
    options = RunOptions(on="fargate")
    good = request_run(guarded.store, "asked", options, by="anna", at=time.time(), key="k")
    dear = request_run(
        guarded.store, "asked", options.model_copy(update={"max_cost_usd": 0.0}), by="anna", at=time.time()
    )
    starter = FargateStarter(lambda: (guarded.world.deployment(HOME), guarded.cloud.client))
    for request in (good, dear, good):
        starter.start(request)
    assert passes(json.loads(until(lambda: guarded.store.find(f"runs/{good.run_id}/verdict.json"))))
    assert until(lambda: failure_of(guarded.store, dear.run_id)).code == "over-max-cost"
    until(lambda: not guarded.running_tasks())
    assert refused(guarded) == []


def until(found):
    give_up = time.monotonic() + VERDICT_WITHIN_S
    while not (result := found()):
        assert time.monotonic() < give_up
        time.sleep(0.5)
    return result


def tasks_of(guarded, schedule):
    """Returns the tasks that a schedule has started."""
    (found,) = [one for one in guarded.cloud.invocations(HOME) if one["schedule"] == schedule]
    return found["tasks"]


def verdict_of(guarded, name):
    """Waits for the verdict of the first run of a suite."""
    give_up = time.monotonic() + VERDICT_WITHIN_S
    while time.monotonic() < give_up:
        found = [key for key in guarded.store.keys("runs/") if f"-{name}-" in key and key.endswith("/verdict.json")]
        if found:
            return json.loads(guarded.store.get(found[0]))
        time.sleep(0.5)
    raise AssertionError(f"no verdict of {name}: {guarded.cloud.invocations(HOME)}")


@pytest.mark.nightly
def test_the_sweeper_ends_and_judges_an_abandoned_run(guarded, tmp_path, service):
    """The coordinator is dead and the workers are frozen, so only the schedule at the deadline can end the run.

    Its id has a dot, as on GitHub.
    """
    words = (
        "--plan",
        '{"max_duration_s": 4, "graceful_stop_s": 0}',
        "--pace",
        '{"ready_timeout_s": 15, "kill_after_s": 1, "give_up_s": 1}',
    )
    folder = suite(tmp_path / "long", service.url, {"hold-for": "10m", "concurrency": 2})
    driven = guarded.drive("run", "forgotten.1", "--suite", folder, *words, who=guarded.runner())
    driven.until("intervals-000002")
    workers = guarded.running_tasks()
    driven.process.kill()
    assert driven.died()
    for task in workers:
        guarded.cloud.freeze(task)
    give_up = json.loads(guarded.store.get("runs/forgotten.1/launch.json"))["deadline"] + SWEPT_WITHIN_S
    while guarded.store.find("runs/forgotten.1/verdict.json") is None or set(workers) & set(guarded.running_tasks()):
        assert time.time() < give_up, (guarded.cloud.invocations(HOME), guarded.running_tasks())
        time.sleep(0.5)
    assert guarded.verdict("forgotten.1")["outcome"] == "inconclusive"
    (task,) = tasks_of(guarded, "sweep-forgotten.1")
    assert guarded.ended(task)["containers"][0]["exitCode"] == 0
    asked = [one for one in guarded.cloud.decisions() if one.role == "toril-sweeper"]
    assert {"ecs:ListTasks", "ecs:StopTask", "s3:PutObject"} <= {one.action for one in asked}
    assert [one for one in asked if not one.allowed] == []
    for task in workers:  # like Fargate after the stopTimeout of two minutes
        guarded.cloud.kill(task)
        guarded.ended(task)
