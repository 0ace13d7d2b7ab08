"""A duet of two workers on Fargate: a look ends it, also after a take-over."""

import json
from pathlib import Path

import pytest
import yaml

from tests.fargate.stage import AWAY, HOME, Stage
from tests.targets import Target

pytestmark = [pytest.mark.xdist_group("stage"), pytest.mark.nightly]


def test_another_owner_ends_the_duet_at_its_first_look(on_stage: Stage, service: Target, tmp_path: Path) -> None:
    """The first look is 15 s after the start, and the last turn would end after 90 s."""
    written = {
        "execution": {"executor": "locust", "concurrency": 4, "hold-for": "8s", "scenario": "s",
                      "locations": {HOME: 1, AWAY: 1}},
        "scenarios": {"s": {"default-address": "http://127.0.0.1", "think-time": "20ms", "requests": ["/"]}},
        "toril": {
            "regression": {"margin": "100%", "failures": "50%", "block": "1s", "blocks": 40},
            "worker": {"cpu": 1024, "memory": 2048, "arch": "x86_64"},
        },
    }  # fmt: skip
    (tmp_path / "suite.yml").write_text(yaml.safe_dump(written))
    driven = on_stage.drive("run", "duet", "--suite", tmp_path, "--duet", service.url)
    driven.until("intervals-000006")
    driven.process.kill()
    assert driven.died()
    found = on_stage.drive("take-over", "duet").verdict()
    stop = json.loads(on_stage.store.get("runs/duet/stop.json"))
    assert stop["cause"] == "decided", found
    comparison = on_stage.verdict("duet")["comparison"]
    assert comparison["outcome"] == "passed" and comparison["decided"], found
    exits = [json.loads(on_stage.store.get(key)) for key in on_stage.store.keys("runs/duet/workers/")
             if key.endswith("/exit.json")]  # fmt: skip
    assert len(exits) == 2 and sum(one["samples"] for one in exits) == service.answered
    assert on_stage.running_tasks() == []
