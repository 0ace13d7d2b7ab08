"""The environment of local workers."""

import json
import sys
import time

import pytest

from tests.launchers.plans import plan_of
from toril.errors import SuiteError
from toril.launchers.local import LocalLauncher
from toril.plan.options import RunOptions, plan_run
from toril.records import Launch
from toril.store import FolderStore

OF_THE_JOB = (
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_URL",
    "ACTIONS_RUNTIME_TOKEN",
    "GH_TOKEN",
    "GITHUB_ENV",
    "GITHUB_OUTPUT",
    "GITHUB_PATH",
    "GITHUB_STATE",
    "GITHUB_STEP_SUMMARY",
    "GITHUB_TOKEN",
    "TORIL_NOTIFY_SECRET",
    "TORIL_TOKEN",
)


@pytest.fixture
def started(tmp_path, monkeypatch):
    """The environment of a worker that was started in a GitHub job."""
    for name in (*OF_THE_JOB, "GITHUB_SHA", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "of the job")
    interpreter = tmp_path / "python"  # writes the worker's environment to a file
    interpreter.write_text(f"#!/bin/sh\nexec env > {tmp_path / 'got'}\n")
    interpreter.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(interpreter))
    plan = plan_of(tmp_path, workers=1, locations=None)
    launcher = LocalLauncher(FolderStore(tmp_path / "store"), {"GITHUB_TOKEN": "given"})
    (share,) = plan.shares
    launcher.launch(plan, Launch(at=0.0, deadline=1.0, attempts={share.worker: ("a1",)}))
    while not launcher.ended():
        time.sleep(0.01)
    return dict(line.partition("=")[::2] for line in (tmp_path / "got").read_text().splitlines())


def test_suite_code_gets_no_variable_of_the_job_unless_the_user_passes_it(started):
    assert [name for name in OF_THE_JOB if name in started] == ["GITHUB_TOKEN"]
    assert started["GITHUB_TOKEN"] == "given"  # --env
    assert started["GITHUB_SHA"] == "of the job"
    assert started["AWS_SESSION_TOKEN"] == "of the job"  # the worker needs it to read the suite's secrets


@pytest.mark.parametrize("name", [*OF_THE_JOB, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"])
def test_the_plan_contains_no_credentials_of_the_command(tmp_path, monkeypatch, name):
    monkeypatch.setenv(name, "s3cr3t-of-the-job")
    suite = {
        "execution": [{"concurrency": 1, "hold-for": "1s", "scenario": "s", "locations": {"here": 1}}],
        "scenarios": {"s": {"requests": [f"http://127.0.0.1/${{{name}}}"]}},
        "settings": {"env": {"COPY": f"${name}"}},
        "reporting": [{"module": "passfail", "criteria": ["p95 of ${COPY}>1s", f"p95 of ${{{name}}}>1s"]}],
    }
    (tmp_path / "suite.json").write_text(json.dumps(suite))
    try:
        text = plan_run([tmp_path / "suite.json"], RunOptions(), 0.0)[1].to_json().decode()
    except SuiteError as refusal:
        text = str(refusal)
    assert "s3cr3t-of-the-job" not in text
