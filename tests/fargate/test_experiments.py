"""Experiments of AWS FIS under a run on Fargate, with the rights of the stack's roles: none outlives its load."""

import json
import time

import pytest
import yaml

from tests.cloud.test_fis import status, template
from tests.fargate.stage import HOME, suite
from tests.fargate.test_roles import SWEPT_WITHIN_S, refused
from tests.outcomes import codes, passes

pytestmark = pytest.mark.xdist_group("guarded")
OURS = {"toril:environment": "main"}


def faulty(guarded, folder, url, hold_for="8s", **fault):
    """Writes a suite with an experiment that would last an hour. Returns its folder and the template's id."""
    of = template(guarded.cloud, region=HOME, lasts="PT1H", **OURS)
    written = suite(folder, url, {"hold-for": hold_for, "concurrency": 2}) / "suite.yml"
    content = yaml.safe_load(written.read_text())
    content["toril"]["faults"] = [{"at": "2s", "experiment": of, **fault}]
    written.write_text(yaml.safe_dump(content))
    return folder, of


def experiments(guarded, of):
    return guarded.cloud.client("fis", HOME).list_experiments(experimentTemplateId=of)["experiments"]


def stopped(guarded, of, within_s=10):
    """Waits until the only experiment of a template is stopped."""
    (one,), give_up = experiments(guarded, of), time.monotonic() + within_s
    while (now := status(guarded.cloud, one["id"], HOME)) in ("running", "stopping") and time.monotonic() < give_up:
        time.sleep(0.2)
    return now == "stopped"


def test_a_run_starts_and_stops_an_experiment_on_the_clock_of_its_load(guarded, tmp_path, service):
    folder, of = faulty(guarded, tmp_path, service.url, **{"for": "3s"})
    verdict = guarded.drive("run", "faulty", "--suite", folder, who=guarded.runner()).verdict()
    assert passes(verdict), verdict
    (one,) = experiments(guarded, of)
    assert one["tags"] == {**OURS, "toril:run": "faulty", "toril:fault": "1"}
    assert stopped(guarded, of, 0)
    (fault,) = guarded.summary("faulty")["faults"]
    assert 2 <= fault["from_s"] < 4 and 3 <= fault["to_s"] - fault["from_s"] < 6
    assert fault["what"] == one["id"]
    asked = [one for one in guarded.cloud.decisions() if one.role == "toril-run"]
    used = {sid for one in asked for sid in one.statements}
    assert {"StartFaults", "NewFaults", "TagFaults", "EndFaults"} <= used
    assert refused(guarded) == []


@pytest.mark.nightly
def test_without_the_setting_the_start_is_refused_and_the_run_says_which_right_is_missing(guarded, tmp_path, service):
    folder, of = faulty(guarded, tmp_path, service.url, "5s")
    iam, role = guarded.cloud.client("iam"), {"RoleName": "toril-run", "PolicyName": "run"}
    kept = iam.get_role_policy(**role)["PolicyDocument"]
    without = [one for one in kept["Statement"] if not one["Sid"].endswith("Faults")]
    iam.put_role_policy(**role, PolicyDocument=json.dumps({**kept, "Statement": without}))
    try:
        verdict = guarded.drive("run", "unfaulty", "--suite", folder, who=guarded.runner()).verdict()
    finally:
        iam.put_role_policy(**role, PolicyDocument=json.dumps(kept))
    assert "fault-failed" in codes(verdict)
    assert "fis:GetExperimentTemplate" in str(verdict["reasons"])
    assert experiments(guarded, of) == []


@pytest.mark.nightly
def test_another_coordinator_stops_the_experiment_of_a_lost_one(guarded, tmp_path, service):
    folder, of = faulty(guarded, tmp_path, service.url)
    driven = guarded.drive("run", "lost-owner", "--suite", folder, who=guarded.runner())
    driven.until("faults/1/started.json")
    driven.process.kill()
    assert driven.died()
    assert not stopped(guarded, of, 0)
    verdict = guarded.drive("take-over", "lost-owner", who=guarded.runner()).verdict()
    assert passes(verdict), verdict
    assert stopped(guarded, of)
    assert refused(guarded) == []


@pytest.mark.nightly
@pytest.mark.parametrize("by", ["stop", "deadline"])
def test_a_stop_and_the_deadline_end_the_experiment(guarded, tmp_path, service, by):
    folder, of = faulty(guarded, tmp_path, service.url, "10m")
    plan = {"max_duration_s": 6, "graceful_stop_s": 0} if by == "deadline" else {}
    words = ("--suite", folder, "--plan", json.dumps(plan))
    driven = guarded.drive("run", f"ended-by-{by}", *words, who=guarded.runner())
    driven.until("faults/1/started.json")
    if by == "stop":
        done = guarded.toril("stop", driven.run_id, who=guarded.runner())
        assert done.code == 0, done.output
    driven.verdict()
    assert stopped(guarded, of, 0)
    assert refused(guarded) == []


@pytest.mark.nightly
@pytest.mark.parametrize("lost", ["owner", "answer"])
def test_the_sweeper_stops_the_experiment_of_an_abandoned_run(guarded, tmp_path, service, lost):
    """The answer is lost if the coordinator dies between its request and the record of the experiment's id."""
    folder, of = faulty(guarded, tmp_path, service.url, "10m")
    plan = {"max_duration_s": 5, "graceful_stop_s": 0}
    pace = {"ready_timeout_s": 15, "kill_after_s": 1, "give_up_s": 1}
    last = ("--die-after", "faults/1/begun.json") if lost == "answer" else ()
    words = ("--suite", folder, "--plan", json.dumps(plan), "--pace", json.dumps(pace), *last)
    driven = guarded.drive("run", f"swept-{lost}", *words, who=guarded.runner())
    driven.until(f"faults/1/{'begun' if last else 'started'}.json")
    workers = guarded.running_tasks()
    driven.process.kill()
    assert driven.died()
    if last:  # AWS has done what the coordinator did not live to ask for
        tags = {**OURS, "toril:run": driven.run_id, "toril:fault": "1"}
        asked = {"experimentTemplateId": of, "clientToken": f"{driven.run_id}/1", "tags": tags}
        guarded.cloud.client("fis", HOME).start_experiment(**asked)
    for task in workers:
        guarded.cloud.freeze(task)
    give_up = json.loads(guarded.store.get(f"runs/{driven.run_id}/launch.json"))["deadline"] + SWEPT_WITHIN_S
    while guarded.store.find(f"runs/{driven.run_id}/verdict.json") is None:
        assert time.time() < give_up, guarded.cloud.invocations(HOME)
        time.sleep(0.5)
    assert stopped(guarded, of)
    of_sweeper = [one for one in guarded.cloud.decisions() if one.role == "toril-sweeper"]
    assert [one for one in of_sweeper if not one.allowed] == []
    for task in workers:
        guarded.cloud.kill(task)
        guarded.ended(task)
