"""Stages: addresses, secrets and criteria of one environment, and the load of the suite."""

from typing import Any

import pytest

from tests.suite.reading import read, refuses, write
from toril.plan.options import RunOptions, plan_run
from toril.runs.history import fingerprint_of

ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:"
SHOP: dict[str, Any] = {
    "execution": [{"scenario": "buy", "concurrency": 2, "hold-for": "1m", "criteria": ["p95>${LIMIT}"]}],
    "scenarios": {"buy": {"default-address": "${BASE}", "requests": [{"url": "/", "headers": {"Key": "${KEY}"}}]}},
    "settings": {"env": {"BASE": "http://one.example", "LIMIT": "1s", "THINK": "1s"}},
    "toril": {
        "secrets": {"KEY": "one/key"},
        "criteria": ["throughput<1/s"],
        "stages": {
            "staging": {
                "env": {"BASE": "http://${HOST}", "LIMIT": "2s", "HOST": "two.example", "THINK": "2s"},
                "secrets": {"KEY": "two/key", "OTHER": ARN + "other"},
                "criteria": ["bytes>1000000"],
            },
            "local": {"default-address": "http://127.0.0.1:8080/"},
        },
    },
}


def changed(**keys: Any) -> dict[str, Any]:
    return {**SHOP, **keys}


def test_a_stage_changes_addresses_secrets_and_limits_alone(tmp_path):
    plain, staged = read(tmp_path, SHOP), read(tmp_path, SHOP, stage="staging")
    assert (plain.stage, staged.stage) == ("", "staging")
    assert staged.executions == plain.executions
    assert staged.scenarios["buy"]["default-address"] == "http://two.example"
    assert staged.toril.secrets == {"KEY": "two/key", "OTHER": ARN + "other"}
    assert [rule.source for rule in plain.criteria] == ["p95>1s", "throughput<1/s"]
    assert [rule.source for rule in staged.criteria] == ["p95>2s", "throughput<1/s", "bytes>1000000"]
    assert staged.criteria[-1].where == "suite.yml: toril.stages.staging.criteria[0]"


def test_an_address_of_a_stage_replaces_the_suites_and_the_option_both(tmp_path):
    own = read(tmp_path, SHOP, stage="local")
    assert own.scenarios["buy"]["default-address"] == "http://127.0.0.1:8080"
    option = read(tmp_path, SHOP, stage="local", against="http://other.example")
    assert option.scenarios["buy"]["default-address"] == "http://other.example"


def test_the_options_variables_replace_those_of_a_stage(tmp_path):
    staged = read(tmp_path, SHOP, stage="staging", env={"LIMIT": "3s"})
    assert staged.criteria[0].source == "p95>3s"


def test_runs_of_different_stages_are_not_compared(tmp_path):
    plain, staged = (
        plan_run([write(tmp_path, SHOP)], RunOptions(run_id="r", confined=True, stage=stage), 0.0)[1]
        for stage in (None, "staging")
    )
    assert (staged.stage, staged.tags) == ("staging", {"stage": "staging"})
    assert (plain.stage, plain.tags) == ("", {})
    assert fingerprint_of(plain, None) != fingerprint_of(staged, None)
    assert fingerprint_of(staged, None).stage == "staging"


@pytest.mark.parametrize(
    ("execution", "scenario"),
    [
        ({"concurrency": "${USERS}"}, {}),
        ({"hold-for": "${AGAIN}s"}, {}),
        ({"locations": {"home": "${USERS}"}}, {}),
        ({}, {"think-time": "${USERS}s"}),
        ({}, {"requests": ["http://one.example/", {"loop": "${USERS}", "do": ["/"]}]}),
    ],
)
@pytest.mark.parametrize("suites", ["1", None])
def test_a_stage_whose_variable_changes_the_load_is_refused(tmp_path, execution, scenario, suites):
    own = {"AGAIN": "${USERS}", **({"USERS": suites} if suites else {})}
    suite = changed(
        execution=[{"scenario": "buy", "hold-for": "1m", **execution}],
        scenarios={"buy": {"default-address": "http://one.example", "requests": ["/"], **scenario}},
        settings={"env": own},
        toril={"stages": {"big": {"env": {"USERS": "50"}}}},
    )
    refuses(tmp_path, suite, "stage-changes-load", "toril.stages.big.env", stage="big")


@pytest.mark.parametrize(
    ("stages", "code", "name"),
    [
        ({"staging": {"workers": 3}}, "stage-changes-load", "workers"),
        ({"staging": {"evn": {}}}, "stage-changes-load", "`env`"),
        ({"staging": {"criteria": ["p95>"]}}, "missing-threshold", "staging"),
        ({"staging": {"env": {"A": ["b"]}}}, "not-a-mapping", "settings.env"),
        ({"staging": {"default-address": "two"}}, "not-an-address", "staging"),
        ({"stagging": {}}, "unknown-stage", "`stagging`"),
        ({}, "unknown-stage", "toril.stages"),
    ],
)
def test_a_wrong_stage_is_refused(tmp_path, stages, code, name):
    suite = changed(toril={"stages": stages}, scenarios={"buy": {"requests": ["http://one.example/"]}})
    refuses(tmp_path, suite, code, name, stage="staging")
