"""A run with the real image: pushed, pulled by digest and through a cache, and run by podman."""

import json

import pytest

from tests.fargate.stage import AWAY, HOME, stage_with_containers, suite
from tests.image.contained import built, trouble
from tests.outcomes import passes
from tests.targets import target

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.xdist_group("image"),
    pytest.mark.timeout(600),  # if no layer of the image is cached yet
]


@pytest.fixture(scope="module")
def on_stage():
    if why := trouble():
        pytest.skip(f"podman cannot run a container here: {why}")
    with stage_with_containers(built("slim")) as found:
        yield found


def test_workers_run_as_containers_of_the_pushed_image(on_stage, tmp_path):
    with target(delay_s=0.005) as service:
        folder = suite(tmp_path / "shop", service.url, criteria=["p95>1s", "fail>1%"])
        who = on_stage.runner()
        done = on_stage.toril("run", folder, "--on", "fargate", "--run-id", "boxes", who=who, within_s=180)
        assert passes(on_stage.verdict("boxes")), done.output
        summary = on_stage.summary("boxes")
        assert summary["labels"][""]["samples"] == service.answered
        assert set(summary["locations"]) == {HOME, AWAY}
    digests = {one.workers[0].digest for one in map(on_stage.world.deployment, (HOME, AWAY))}
    readies = [key for key in on_stage.store.keys("runs/boxes/workers/") if key.endswith("/ready.json")]
    assert len(readies) == 2
    assert {json.loads(on_stage.store.get(key))["image_digest"] for key in readies} == digests
    assert on_stage.running_tasks() == []
