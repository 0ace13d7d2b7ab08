"""Runs that the console starts on this machine: commands of their own, a few at a time."""

import contextlib
import json
import os
import signal
import time

import psutil
import pytest

from tests.outcomes import passes
from tests.refusals import refused
from tests.runs.test_suites import saved
from tests.targets import target as serving
from toril.console.starter import LocalStarter
from toril.desk.starting import request_run
from toril.errors import InfrastructureError
from toril.plan.options import RunOptions
from toril.runs import suites
from toril.runs.activity import unfinished
from toril.runs.requests import failure_of
from toril.store import FolderStore

pytestmark = pytest.mark.live

LIMIT_S = 90


def suite(url: str, hold_for: str = "2s") -> dict[str, bytes]:
    content = {
        "execution": [{"executor": "locust", "concurrency": 2, "hold-for": hold_for, "scenario": "home"}],
        "scenarios": {"home": {"requests": [{"url": f"{url}/home", "label": "home page"}]}},
        "reporting": [{"module": "passfail", "criteria": ["fail>0%"]}],
    }
    return {"suite.yml": json.dumps(content).encode()}


def until(happened, limit_s=LIMIT_S):
    give_up_at = time.monotonic() + limit_s
    while not (found := happened()):
        assert time.monotonic() < give_up_at
        time.sleep(0.1)
    return found


def commands(run_id: str) -> list[psutil.Process]:
    """The commands of a run that this process started."""
    found = []
    for one in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended
            found += [one] if run_id in one.cmdline() else []
    return found


@pytest.fixture
def store(tmp_path):
    return FolderStore(tmp_path / "store")


@pytest.fixture
def starter(store):
    return LocalStarter(store, most_runs=1)


@pytest.fixture
def request_one(store):
    """Requests a run; waits for the end of its command after the test."""
    made = []

    def ask(at=0.0):
        made.append(request_run(store, "shop", RunOptions(), by="anna", at=at or time.time()))
        return made[-1]

    yield ask
    for one in made:
        until(lambda run_id=one.run_id: not commands(run_id))


def test_a_requested_run_is_carried_out_and_judged(store, starter, request_one):
    with serving() as target:
        saved(store, suite(target.url))
        asked = request_one()
        starter.start(asked)
        starter.start(asked)  # the same run
        assert len(until(lambda: commands(asked.run_id))) == 1  # a new process has its own command line after a moment
        verdict = until(lambda: store.find(f"runs/{asked.run_id}/verdict.json"))
    assert passes(json.loads(verdict))
    plan = json.loads(store.get(f"runs/{asked.run_id}/plan.json"))
    assert plan["tags"] == {"suite-version": "1"}
    until(lambda: not commands(asked.run_id))
    starter.start(asked)  # it is over
    assert commands(asked.run_id) == []
    assert failure_of(store, asked.run_id) is None
    assert unfinished(store, time.time()) == []


def test_only_some_runs_go_on_at_a_time_and_outlive_the_terminal(store, starter, request_one):
    with serving() as target:
        saved(store, suite(target.url, "60s"))
        first, second = request_one(), request_one(time.time() + 1)
        starter.start(first)
        with refused("too-many-runs", error=InfrastructureError):
            starter.start(second)
        until(lambda: store.find(f"runs/{first.run_id}/start.json"))
        (process,) = commands(first.run_id)
        assert os.getsid(process.pid) == process.pid
        process.send_signal(signal.SIGINT)
        until(lambda: store.find(f"runs/{first.run_id}/verdict.json"))


def test_a_run_that_cannot_start_says_why(store, starter, request_one):
    saved(store, suite("http://127.0.0.1:1"))
    asked = request_one()
    suites.delete(store, "shop")
    starter.start(asked)
    assert until(lambda: failure_of(store, asked.run_id)).code == "no-such-suite"


def test_a_command_that_fails_before_it_reads_its_request_says_why(store, starter, request_one):
    saved(store, suite("http://127.0.0.1:1"))
    asked = request_one()
    store.put(f"requests/{asked.run_id}.json", b"{")
    starter.start(asked)
    failure = until(lambda: failure_of(store, asked.run_id))
    assert failure.code == "not-started"
    assert "damaged" in failure.message
