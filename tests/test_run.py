"""The files that a run publishes before its workers start."""

import hashlib
import os
import socket
import subprocess
import sys
import time

import pytest

from toril.errors import OptionError, StoreError, SuiteError
from toril.plan.options import RunOptions, plan_run
from toril.records import Lease, Plan, SuiteOrigin
from toril.runs.publish import publish
from toril.runs.stored import judged, listing
from toril.store import FolderStore

SUITE = """
execution: [{executor: locust, concurrency: 2, hold-for: 5s, scenario: s}]
scenarios: {s: {requests: ["http://127.0.0.1:1/"]}}
"""
NOBODY = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}


def published(folder, tags=None):
    """Publishes a run. Returns its plan and the suite's origin."""
    (folder / "suite.yml").write_text(SUITE)
    store = FolderStore(folder / "store")
    suite, plan = plan_run([folder / "suite.yml"], RunOptions(run_id="r", tags=tags or {}), 0.0)
    returned = publish(store, suite, plan)
    assert returned == Plan.from_json(store.get("runs/r/plan.json"), "plan.json")
    origin = store.find("runs/r/suite.json")
    return returned, None if origin is None else SuiteOrigin.from_json(origin, "suite.json")


def repository(folder):
    (folder / "suite.yml").write_text(SUITE)
    who = ("-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgsign=false")
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-q", "-m", "first")):
        subprocess.run(["git", "-C", str(folder), *who, *words], check=True, env=NOBODY)


def test_the_suites_commit_is_stored_and_becomes_a_tag_of_the_run(tmp_path):
    repository(tmp_path)
    plan, origin = published(tmp_path)
    assert origin is not None
    assert plan.tags == {"commit": origin.commit[:12]}


def test_the_users_own_commit_tag_stays(tmp_path):
    repository(tmp_path)
    plan, origin = published(tmp_path, {"commit": "mine", "pull": "7"})
    assert origin is not None
    assert plan.tags == {"commit": "mine", "pull": "7", "suite-commit": origin.commit[:12]}


def test_a_suite_outside_a_repository_has_no_commit(tmp_path):
    plan, origin = published(tmp_path)
    assert origin is None
    assert plan.tags == {}


def test_a_suspended_machine_does_not_end_a_local_run_early(tmp_path):
    published(tmp_path)
    store = FolderStore(tmp_path / "store")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as coordinator:
        now = time.time()
        lease = Lease(owner="o", pid=coordinator.pid, host=socket.gethostname(), renewed_at=now)
        store.put("runs/r/lease.json", lease.to_json())
        with pytest.raises(StoreError, match="is not over yet"):
            judged(store, "r", now + 3600)
        assert [row.state for row in listing(store, now + 3600)] == ["starting"]
        assert store.find("runs/r/verdict.json") is None
        coordinator.kill()


def test_a_suite_with_an_unset_address_is_an_error_before_the_start(tmp_path):
    (tmp_path / "suite.yml").write_text(SUITE.replace("http://127.0.0.1:1/", "${NOWHERE_URL}/"))
    with pytest.raises(SuiteError) as refused:
        plan_run([tmp_path / "suite.yml"], RunOptions(), 0.0)
    assert (refused.value.exit_code, "NOWHERE_URL" in str(refused.value)) == (2, True)
    _, plan = plan_run([tmp_path / "suite.yml"], RunOptions(environment={"NOWHERE_URL": "http://shop"}), 0.0)
    assert not plan.warnings


def test_the_plan_lists_each_file_of_the_suite_with_its_hash(tmp_path):
    (tmp_path / "workers").mkdir()
    (tmp_path / "workers" / "users.csv").write_text("name\nanna\n")
    plan, _ = published(tmp_path)
    kept = tmp_path / "store/runs/r/suite"
    assert plan.files == {
        name: hashlib.sha256((kept / name).read_bytes()).hexdigest() for name in ("suite.yml", "workers/users.csv")
    }


def test_an_existing_file_in_the_runs_suite_is_not_overwritten(tmp_path):
    FolderStore(tmp_path / "store").put("runs/r/suite/suite.yml", b"planted")
    with pytest.raises(OptionError):
        published(tmp_path)
    assert (tmp_path / "store/runs/r/suite/suite.yml").read_bytes() == b"planted"
