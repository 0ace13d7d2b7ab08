"""Runs on Fargate from the stacks to the verdict, with tasks as processes."""

import json

import pytest

from tests.fargate.stage import AWAY, HOME, suite
from tests.targets import target

pytestmark = pytest.mark.slow


def test_a_suite_runs_in_two_regions_and_is_judged_once(on_stage, tmp_path):
    with target(delay_s=0.005) as service:
        folder = suite(tmp_path / "shop", service.url, criteria=["p95>1s", "fail>1%"])
        done = on_stage.toril("run", folder, "--on", "fargate", "--run-id", "both")
        verdict = json.loads(on_stage.store.get("runs/both/verdict.json"))
        crowded = {one["code"] for one in verdict["reasons"]} == {"saturated"}  # by other tests, at the same time
        assert done.code == (3 if crowded else 0), done.said
        assert [one["outcome"] for one in verdict["criteria"]] == ["passed", "passed"]
        assert "for a million requests" in done.err
        summary = json.loads(on_stage.store.get("runs/both/summary.json"))
        assert summary["labels"][""]["samples"] == service.answered
        assert set(summary["locations"]) == {HOME, AWAY}
        assert on_stage.running_tasks() == []
