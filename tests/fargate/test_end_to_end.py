"""Runs on Fargate from the stacks to the verdict, with tasks as processes."""

import pytest

from tests.fargate.stage import stage, suite
from tests.targets import target

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def on_stage():
    with stage() as found:
        yield found


def test_a_suite_runs_in_two_regions_and_is_judged_once(on_stage, tmp_path):
    with target(delay_s=0.005) as service:
        folder = suite(tmp_path / "shop", service.url, criteria=["p95>1s", "fail>1%"])
        done = on_stage.toril(
            "run", folder, "--on", "fargate", "--run-id", "both", "--report", f"json={tmp_path}/r.json"
        )
        print(done.said)
        assert done.code == 0, done.said
        assert on_stage.running_tasks() == []
