"""A search for a commit in a real repository, with a real service and real duets."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.end_to_end.running import toril
from tests.versions import hook, repository

pytestmark = pytest.mark.solo  # a busy machine makes a duet inconclusive, and that ends the search

LIMIT_S = 240
FAST_S, SLOW_S = 0.02, 0.08
LOAD = {
    "execution": {"executor": "vegeta", "throughput": 60, "hold-for": "8s", "scenario": "own"},
    "scenarios": {"own": {"default-address": "${OWN_URL}", "requests": [{"url": "/", "label": "own"}]}},
    "toril": {"regression": {"block": "1s", "blocks": 8, "metrics": ["p95"]}},
}


def test_the_commit_that_made_a_service_slower_is_found(tmp_path: Path) -> None:
    hashes = repository(tmp_path / "clone", [FAST_S, FAST_S, SLOW_S])
    (tmp_path / "own.json").write_text(json.dumps(LOAD))
    arguments = ("--good", hashes[0], "--bad", hashes[2], "--clone", tmp_path / "clone", "--format", "json")
    command = toril(
        "bisect", tmp_path / "own.json", *arguments, "--start", hook(tmp_path), "--store", tmp_path / "store"
    )
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["outcome"], found["candidates"], found["metric"]) == ("found", [hashes[2]], "p95")
    assert found["low"] < SLOW_S / FAST_S - 1 < found["high"]
    assert {duet["commit"] for duet in found["duets"]} == set(hashes[1:3])
    assert not (tmp_path / "started").exists()  # all services are stopped
