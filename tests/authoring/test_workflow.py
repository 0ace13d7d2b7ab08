"""The workflow of `toril init`: short, with minimal permissions, and without untrusted values."""

import json
import os
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
import yaml

from tests.authoring import recordings
from tests.authoring.calling import refuses, scripts, started
from tests.suite.reading import codes
from toril.authoring import InitOptions, create, options
from toril.authoring.importing import suite_of
from toril.authoring.options import NO_ACTION, ImportOptions, Url, installed_action

ROOT = Path(__file__).parents[2]
SHOP = Url("http://shop", "/")
WORKFLOW = ".github/workflows/loadtest.yml"


@pytest.fixture(params=["url", "jmx"])
def workflow(request, tmp_path):
    """Returns the workflow of a suite per kind of engine."""
    options = {"url": ("--url", "http://shop/"), "jmx": (str(scripts(tmp_path / "mine") / "load.jmx"), "--workflow")}
    started(tmp_path / "repo", *options[request.param], "--action", "acme/toril@v1")
    return (tmp_path / "repo" / WORKFLOW).read_text()


def test_the_workflow_is_short_and_has_minimal_permissions(workflow):
    read = yaml.safe_load(workflow)
    (job,) = read["jobs"].values()
    assert len(workflow.splitlines()) <= 28
    assert read["permissions"] == {}
    assert job["permissions"] == {"contents": "read"}
    assert job["timeout-minutes"] > 20
    assert read["concurrency"]["cancel-in-progress"] is False
    assert set(read[True]) == {"pull_request", "workflow_dispatch"}  # YAML 1.1 reads `on` so
    assert job["steps"][0]["with"] == {"persist-credentials": False}


def test_no_value_reaches_a_shell(workflow):
    (job,) = yaml.safe_load(workflow)["jobs"].values()
    assert not [step for step in job["steps"] if "run" in step]
    assert set(re.findall(r"\$\{\{ (.*?) \}\}", workflow)) == {"github.ref", "steps.toril.outputs.report"}


def test_actions_are_pinned_with_a_version_comment(workflow):
    used = re.findall(r"uses: (\S+)(?: # (\S+))?", workflow)
    assert used.pop(1)[0] == "acme/toril@v1"
    for action, version in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action)
        assert re.fullmatch(r"v\d+\.\d+\.\d+", version)


def test_actions_are_the_same_as_in_our_workflows(workflow):
    used = set(re.findall(r"uses: (\S+@[0-9a-f]{40} # \S+)", workflow))
    own = "".join(file.read_text() for file in (ROOT / ".github/workflows").glob("*.yml"))
    assert len(used) == 2
    assert used <= set(re.findall(r"uses: (\S+@[0-9a-f]{40} # \S+)", own))


def test_all_inputs_of_the_action_exist(workflow):
    (job,) = yaml.safe_load(workflow)["jobs"].values()
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    assert job["steps"][1]["with"].keys() <= action["inputs"].keys()
    assert "report" in action["outputs"]


def test_jmeter_or_torils_engine_is_installed_if_the_suite_needs_it(tmp_path):
    for source, needed in ((("--url", "http://shop/"), None), ((scripts(tmp_path) / "load.jmx", "--workflow"), True)):
        started(tmp_path / str(needed), *map(str, source))
        (job,) = yaml.safe_load((tmp_path / str(needed) / WORKFLOW).read_text())["jobs"].values()
        assert job["steps"][1]["with"].get("jmeter") is needed
        assert job["steps"][1]["with"].get("engine") is (None if needed else True)


def test_a_long_suite_has_enough_time(tmp_path):
    started(tmp_path, "--url", "http://shop/", "--hold-for", "2h")
    (job,) = yaml.safe_load((tmp_path / WORKFLOW).read_text())["jobs"].values()
    assert job["timeout-minutes"] > 120


def test_a_missing_owner_is_noted_and_runs_no_code(tmp_path):
    created = create(InitOptions(urls=(SHOP,)), tmp_path)
    assert codes(created.notes) == ["no-action-owner"]
    assert "uses: YOUR_ORG/toril@main" in (tmp_path / WORKFLOW).read_text()


def test_a_folder_below_the_root_of_a_repository_is_noted(tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitignore").write_text(".toril\n")
    options = InitOptions(urls=(SHOP,), action="acme/toril@v1")
    (note,) = create(options, tmp_path / "below").notes
    assert note.code == "not-at-the-top"
    assert str(tmp_path) in note.message
    assert create(options, tmp_path).notes == ()


def test_an_unsafe_path_in_a_workflow_is_refused(tmp_path):
    file = tmp_path / "${{ github.token }}" / "load.yml"
    file.parent.mkdir()
    file.write_text("execution: [{scenario: {requests: ['http://shop/']}, hold-for: 1m}]")
    refuses(tmp_path, [str(file), "--workflow"], "unusable-name", "${{ github.token }}")
    started(tmp_path, str(file))


@pytest.mark.live
def test_linters_find_no_problems(tmp_path, workflow):
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "toril")
    actionlint = subprocess.run([ROOT / "tools/build", "actionlint", cache], capture_output=True, text=True, check=True)
    zizmor = [str(Path(sys.executable).parent / "zizmor"), "--offline", "--persona", "pedantic", "--strict-collection"]
    for command in ([actionlint.stdout.strip()], zizmor):
        done = subprocess.run([*command, WORKFLOW], capture_output=True, text=True, check=False, cwd=tmp_path / "repo")
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.live
def test_linters_find_seeded_problems(tmp_path, workflow):
    file = tmp_path / "repo" / WORKFLOW
    file.write_text(workflow.replace("permissions: {}", "permissions: write-all"))
    zizmor = [str(Path(sys.executable).parent / "zizmor"), "--offline", "--persona", "pedantic"]
    done = subprocess.run([*zizmor, str(file)], capture_output=True, text=True, check=False)
    assert done.returncode != 0


def test_credentials_of_an_imported_suite_are_secrets_of_the_repository(tmp_path):
    suite_of(recordings.api(), None, ImportOptions(workflow=True), tmp_path)
    (job,) = yaml.safe_load((tmp_path / WORKFLOW).read_text())["jobs"].values()
    wanted = {"API_USER": "${{ secrets.API_USER }}", "API_PASSWORD": "${{ secrets.API_PASSWORD }}"}
    assert job["steps"][1]["env"] == wanted


COMMIT = "6d5bef70c0ffee00c0ffee00c0ffee00c0ffee00"


@pytest.mark.parametrize(
    ("url", "commit", "expected"),
    [
        ("https://github.com/acme/toril", COMMIT, f"acme/toril@{COMMIT}"),
        ("ssh://git@github.com/acme/toril.git", COMMIT, f"acme/toril@{COMMIT}"),
        ("https://github.com.example/acme/toril", COMMIT, NO_ACTION),
        ("https://git.example/acme/toril", COMMIT, NO_ACTION),
        ("https://github.com/acme/toril/archive/main.zip", "", NO_ACTION),
        ("file:///home/ada/toril", "", NO_ACTION),
    ],
)
def test_the_action_is_that_of_the_commit_that_was_installed_from_github(url, commit, expected):
    origin = {"url": url, **({"vcs_info": {"vcs": "git", "commit_id": commit}} if commit else {"dir_info": {}})}
    assert installed_action(json.dumps(origin)) == expected


def test_toril_that_is_not_installed_has_no_action(monkeypatch):
    def none(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(options, "distribution", none)
    assert installed_action() == NO_ACTION


def test_the_action_of_an_installation_from_an_index_is_that_of_its_publisher(monkeypatch):
    assert installed_action("") == NO_ACTION
    monkeypatch.setattr(options, "ACTION", "acme/toril@v0")
    assert installed_action("") == "acme/toril@v0"
