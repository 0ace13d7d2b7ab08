"""Runs at a private location: real agents and workers that are killed, stopped and restarted. Twins of Fargate's."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.running import (
    alive,
    descendants,
    environment,
    finish,
    intervals,
    running,
    suite_file,
    until,
    worker_pids,
)
from tests.end_to_end.running import toril as command
from tests.outcomes import codes, passes
from tests.targets import target as serving

ROOT = Path(__file__).parents[2]
RUN = "20270115T080000Z-office-0001"


@contextmanager
def agent(store: Path, *options: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Runs `toril agent` of the location `office`; kills it at the end."""
    words = command("agent", "office", "--agent-name", "desk", "--slots", "2", "--store", store, *options)
    process = subprocess.Popen(words, stderr=subprocess.PIPE)
    try:
        announced = store / "runs/agents/workers/office-desk/announcement.json"
        until(lambda: announced.exists() and process.poll() is None, "an announcement")
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def owner(what: str, store: Path, *words: object) -> Iterator["subprocess.Popen[str]"]:
    """Runs a coordinator with a fast pace."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fargate.driver", what, RUN, *map(str, words)],
        env=environment(TORIL_STORE=str(store)),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
        for pipe in filter(None, (process.stdout, process.stderr)):
            pipe.close()


def verdict_of(process: "subprocess.Popen[str]") -> dict[str, Any]:
    out, errors = process.communicate(timeout=90)
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    assert "error" not in found, f"{found}\n{errors}"
    return found


def at_office(folder: Path, url: str, hold: str) -> Path:
    return suite_file(folder, url, execution={"hold-for": hold, "locations": {"office": 1}})


@pytest.mark.nightly
def test_a_killed_worker_is_lost_as_on_fargate(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with (
        serving() as target,
        agent(store),
        owner("run", store, "--suite", at_office(tmp_path, target.url, "60s")) as run,
    ):
        until(lambda: len(intervals(store)) > 1, "load")
        os.kill(worker_pids(store)["office-1"], signal.SIGKILL)
        found = verdict_of(run)
    assert found["outcome"] == "inconclusive"
    assert "lost-worker" in codes(found)
    assert "137" in str(found["reasons"])
    assert json.loads((store / f"runs/{RUN}/summary.json").read_text())["labels"][""]["samples"] > 0


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("number", "restarts", "reason"),
    [
        (signal.SIGKILL, True, "restarted"),
        (signal.SIGKILL, False, "its agent ended"),
        (signal.SIGTERM, False, "was stopped"),
    ],
    ids=["killed and restarted", "killed for good", "stopped"],
)
def test_an_agent_takes_its_workers_with_it(tmp_path: Path, number: int, restarts: bool, reason: str) -> None:
    store = tmp_path / "store"
    with serving() as target, owner("run", store, "--suite", at_office(tmp_path, target.url, "100s")) as run:
        with agent(store) as first:
            until(lambda: len(intervals(store)) > 1, "load")
            workers = descendants(first.pid)
            first.send_signal(number)
            first.wait(timeout=30)
        until(lambda: not alive(workers), "the end of the workers")
        if restarts:
            with agent(store):
                found = verdict_of(run)
        else:
            found = verdict_of(run)
    assert found["outcome"] == "inconclusive"
    assert reason in str(found["reasons"])
    assert "lost-worker" in codes(found)
    assert found["left"] == []


@pytest.mark.nightly
def test_a_run_at_a_private_location_passes_and_needs_no_aws(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with serving() as target, agent(store, "--target", "127.0.0.1"):
        suite = at_office(tmp_path, target.url, "3s")
        with running(store, suite, "--on", "fargate", "--run-id", RUN) as process:
            done = finish(process, store)
        found = json.loads((store / f"runs/{RUN}/verdict.json").read_text())
        assert passes(found), done.stdout + done.stderr
        assert done.code in (0, 3), done.stdout + done.stderr
        assert json.loads((store / "runs/agents/offers/office.json").read_text())["offers"] == []
        listed = subprocess.run(command("runs", "--store", store, "--format", "json"), capture_output=True, text=True)
        assert RUN in listed.stdout
        assert '"agents"' not in listed.stdout


@pytest.mark.nightly
def test_a_run_is_taken_over_while_its_agent_works(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with serving() as target, agent(store):
        with owner("run", store, "--suite", at_office(tmp_path, target.url, "15s"), "--die-after", "start.json") as one:
            one.wait(timeout=60)
        with owner("take-over", store) as run:
            found = verdict_of(run)
    assert passes(found), found


@pytest.mark.nightly
def test_a_run_without_an_agent_does_not_start(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with serving() as target, running(store, at_office(tmp_path, target.url, "3s"), "--on", "fargate") as process:
        done = finish(process, store)
    assert done.code == 4
    assert "toril agent office" in done.stderr


@pytest.mark.nightly
def test_a_second_agent_of_a_name_is_refused(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with agent(store):
        words = command("agent", "office", "--agent-name", "desk", "--store", store)
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 4
    assert "desk" in done.stderr
