"""`toril.faults`: their place in the plan, and refusals of faults that a run could not start or judge."""

import pytest

from tests.refusals import refused
from tests.suite.reading import execution, read, refuses
from toril.criteria import parse_criterion
from toril.plan import make_plan
from toril.records import Fault

FIS = {"at": "10s", "for": "20s", "experiment": "EXT1a2b"}


def suite(*faults, criteria=(), **more):
    return {**execution(), "toril": {"faults": list(faults), "criteria": list(criteria), **more}}


def hook(folder, name="break.sh"):
    (folder / name).write_text("#!/bin/sh\n")
    (folder / name).chmod(0o755)
    return {"at": "10s", "for": "20s", "hook": f"./{name} web"}


def test_faults_are_part_of_the_plan_but_not_of_a_smoke_run(tmp_path):
    read_one = read(tmp_path, suite(hook(tmp_path), {"at": "40s", "experiment": "EXT1", "region": "eu-west-1"}))
    plan = make_plan(read_one, run_id="r", workers=None)
    assert plan.faults == (
        Fault(at_s=10, for_s=20, hook="break.sh web"),
        Fault(at_s=40, experiment="EXT1", region="eu-west-1"),
    )
    assert "break.sh" in [file.as_posix() for file in read_one.files]
    assert make_plan(read_one, run_id="r", workers=None, smoke=True).faults == ()


@pytest.mark.parametrize(
    ("faults", "code"),
    [
        ([{**FIS, "at": "45s"}], "fault-outside-load"),
        ([FIS, {**FIS, "at": "29s", "for": "5s"}], "fault-outside-load"),
        ([FIS, {**FIS, "at": "5s", "for": "1s"}], "fault-outside-load"),
        ([{**FIS, "hook": "./break.sh"}], "conflicting-keys"),
        ([{"at": "10s"}], "conflicting-keys"),
        ([{"at": "10s", "hook": "./break.sh"}], "conflicting-keys"),
        ([{"at": "10s", "for": "5s", "hook": "./missing.sh"}], "no-such-file"),
        ([{"at": "10s", "for": "5s", "hook": "/bin/sh -c true"}], "outside-folder"),
        ([{**FIS, "experiment": "EXT 1"}], "unusable-value"),
    ],
)
def test_faults_that_could_not_start_are_refused(tmp_path, faults, code):
    hook(tmp_path)
    refuses(tmp_path, suite(*faults), code, "toril.faults")


def test_a_hook_without_the_execute_permission_is_refused(tmp_path):
    fault = hook(tmp_path)
    (tmp_path / "break.sh").chmod(0o644)
    refuses(tmp_path, suite(fault), "not-executable", "toril.faults[0].hook", "break.sh")


def test_a_hook_needs_local_workers(tmp_path):
    refuses(tmp_path, suite(hook(tmp_path)), "unsupported-fault", "toril.faults[0]", on="fargate")
    assert read(tmp_path, suite(FIS), on="fargate").toril.faults


@pytest.mark.parametrize("rule", ["p95>1s during fault-2", "recovery-time>1s after fault-2"])
def test_a_criterion_on_an_unknown_fault_is_refused(tmp_path, rule):
    refuses(tmp_path, suite(FIS, criteria=[rule]), "unknown-fault", "fault-2")
    refuses(tmp_path, suite(criteria=["recovery-time>1s"]), "unknown-fault", "fault-1")


@pytest.mark.parametrize(
    "rule",
    [
        "p95 of checkout>400ms during fault-1",
        "recovery-time of checkout>30s after fault-2",
        "throughput<10/s for 5s in paris after fault-1",
        "fail>1% before fault-1, continue as non-failed",
    ],
)
def test_the_text_of_a_phase_parses_to_the_same_criterion_and_stops_nothing(rule):
    criterion = parse_criterion(rule, "x", "toril")
    assert criterion.text == rule
    assert parse_criterion(criterion.text, "x", "toril") == criterion
    assert not criterion.stop


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ("p95>1s during fault-x", "wrong-phase"),
        ("p95>1s during fault-1, stop as failed", "cannot-stop"),
        ("load<90% during fault-1", "unexpected-phase"),
        ("recovery-time<3s", "wrong-recovery"),
        ("recovery-time>3s for 10s", "wrong-recovery"),
        ("recovery-time>3s during fault-1", "wrong-recovery"),
    ],
)
def test_criteria_that_no_phase_could_decide_are_refused(rule, code):
    with refused(code):
        parse_criterion(rule, "x", "toril")


def test_taurus_does_not_have_phases():
    with refused("misplaced-key"):
        parse_criterion("p95>1s during fault-1", "x")
