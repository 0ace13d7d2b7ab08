"""Agents that reach the bucket through a network which fails: the same outcomes as for tasks."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.fargate.stage import HOME, Stage, suite
from tests.outcomes import codes, passes
from tests.troubled_network import Forwarder, forwarding

pytestmark = [pytest.mark.xdist_group("stage"), pytest.mark.nightly]


@contextmanager
def agent(stage: Stage, network: Forwarder) -> Iterator[None]:
    words = [sys.executable, "-m", "toril", "agent", "office", "--agent-name", "desk", "--slots", "2"]
    environment = {**stage.environment(), "AWS_ENDPOINT_URL": network.url, "NO_PROXY": "127.0.0.1"}
    process = subprocess.Popen(words, env=environment)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=150)


@pytest.mark.parametrize(("cut_s", "lasts"), [(6, True), (40, False)])
def test_a_short_cut_of_the_network_changes_nothing_and_a_long_one_ends_the_load(
    on_stage, service, tmp_path, cut_s, lasts
):
    places = {"locations": {"office": 1, HOME: 1}, "hold-for": "20s" if lasts else "60s"}
    folder = suite(tmp_path / "shop", service.url, places)
    run_id = f"cut-{cut_s}"
    with forwarding(on_stage.cloud.url) as network, agent(on_stage, network):
        driven = on_stage.drive("run", run_id, "--suite", folder)
        driven.until("start.json")
        attempt = json.loads(on_stage.store.get(f"runs/{run_id}/start.json"))["attempts"]["office-1"]
        driven.until(f"office-1/{attempt}/intervals-000002")
        network.cut()
        time.sleep(cut_s)
        network.mend()
        found = driven.verdict()
        if lasts:
            assert passes(found), driven.output
            assert on_stage.summary(run_id)["labels"][""]["samples"] == service.answered
        else:
            assert found["outcome"] == "inconclusive"
            assert codes(found) & {"lost-worker", "ended-early"}
    assert on_stage.running_tasks() == []
