"""A pull request of a fork: its own workflow cannot comment; comment.yml comments from its artifact."""

import json
import shutil

import pytest

from tests.github.fake_api import TOKEN, GitHub, serving
from tests.outcomes import crowded, passes
from tests.workflows.acting import acting
from tests.workflows.repository import NUMBER
from tests.workflows.shop import assert_counted, runs, shop

pytestmark = [pytest.mark.xdist_group("fork"), pytest.mark.timeout(600), pytest.mark.nightly]


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fork")
    repository = shop(folder / "repository", with_base=False, fork="mallory/shop")
    with acting(folder / "stage", repository) as found:
        yield found


@pytest.fixture(scope="module")
def forked(stage):
    """Runs the workflow of the fork, which has a read-only token."""
    with serving(GitHub(may_write=False)) as stage.api:
        done = stage.run("pull_request", stage.repository.pull_request(), "pull-request.yml")
    stage.repository.on_main()
    return done, stage.api.requests


def commented(stage, run_id, **of_api):
    """Runs comment.yml on the artifacts of a run."""
    pulls = {NUMBER: (f"mallory:{stage.repository.branch}", stage.repository.head)}
    with serving(GitHub(pulls=pulls, **of_api)) as stage.api:
        done = stage.run(
            "workflow_run", stage.repository.workflow_run(run_id, "Pull request", "success"), "comment.yml"
        )
    return done, stage.api


def forged(stage, run_id, name, content):
    """Writes a forged artifact for another run."""
    folder = shutil.copytree(stage.folder / "artifacts" / "9001", stage.folder / "artifacts" / run_id)
    (path,) = folder.glob(f"*/*/{name}")
    path.write_text(content(json.loads(path.read_text())))


def test_the_workflow_of_a_fork_leaves_only_an_artifact(forked):
    done, requests = forked
    assert "comment" not in done.jobs, done.log
    assert requests == []
    found = runs(done)["run"]
    assert passes(found.verdict) or crowded(found.verdict)
    assert done.jobs["gate"] == ("success" if found.verdict["outcome"] == "passed" else "failure")
    assert_counted(done)


@pytest.mark.nightly
def test_the_workflow_of_the_default_branch_writes_the_comment(stage, forked):
    outcome = runs(forked[0])["run"].verdict["outcome"]
    done, api = commented(stage, "9001")
    assert (done.code, done.jobs) == (0, {"comment": "success"}), done.log
    (comment,) = api.comments
    assert comment["pull"] == NUMBER
    assert f"shop: {outcome}" in comment["body"].splitlines()[0]
    assert "https://github.com/acme/shop/actions/runs/9001" in comment["body"]
    assert TOKEN not in done.log and TOKEN not in json.dumps(api.requests)


def test_a_forged_artifact_is_refused_without_a_comment(stage, forked):
    forged(stage, "6661", "verdict.json", lambda verdict: json.dumps({**verdict, "outcome": "passed<script>"}))
    done, api = commented(stage, "6661")
    assert done.jobs == {"comment": "failure"}, done.log
    assert "verdict.json" in done.log
    assert api.comments == []
    assert [request for request in api.requests if request["method"] != "GET"] == []


@pytest.mark.nightly
def test_texts_of_a_forged_artifact_are_harmless(stage, forked):
    text = "@acme/owners see [this](https://evil.example) <img src=x>\n::error::gotcha\n<!-- toril:other -->"
    reason = [{"code": "breach", "message": text}]
    forged(
        stage,
        "6662",
        "verdict.json",
        lambda verdict: json.dumps({**verdict, "outcome": "failed", "reasons": reason, "criteria": []}),
    )
    done, api = commented(stage, "6662")
    assert done.code == 0, done.log
    (comment,) = api.comments
    body = comment["body"]
    assert "@acme" not in body and "](https://evil" not in body and "<img" not in body and "toril:other -->" not in body
    assert done.annotations() == []


@pytest.mark.nightly
def test_a_token_without_write_permission_is_refused_with_the_fix(stage, forked):
    done, api = commented(stage, "9001", may_write=False)
    assert done.jobs == {"comment": "failure"}, done.log
    assert "403" in done.log and "pull-requests: write" in done.log
    assert api.comments == []
