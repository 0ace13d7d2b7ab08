"""`toril github comment` with a fake GitHub that is as strict as the real one."""

import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from tests.github.commanded import call, write_run
from tests.github.fake_api import TOKEN, GitHub, refused, serving
from tests.github.stories import NEUTRAL, REGRESSION, compared
from tests.reports import examples
from toril.reports import Bundle

COMMIT = "a" * 40


@pytest.fixture
def github():
    with serving(GitHub()) as served:
        yield served


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "artifact/runs/one", examples.failed())


def named(bundle: Bundle, suite: str, run_id: str = "1") -> Bundle:
    return replace(bundle, plan=bundle.plan.model_copy(update={"suite": suite, "run_id": run_id}))


def test_a_comment_is_created_once_and_then_updated(github, run, monkeypatch, capsys):
    assert call(monkeypatch, run, "--pull-request", 7, github=github) == 0
    write_run(run, examples.passed())
    assert call(monkeypatch, run, "--pull-request", 7, github=github) == 0

    (comment,) = github.comments
    assert comment["body"].startswith("## ✅ shop: passed")
    assert comment["body"].endswith("<!-- toril:shop -->")
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" https")[0] for line in lines] == ["shop: comment on #7 created", "shop: comment on #7 updated"]


def test_an_unchanged_comment_is_not_sent_again(github, run, monkeypatch):
    for _ in range(2):
        assert call(monkeypatch, run, "--pull-request", 7, github=github) == 0

    assert [request["method"] for request in github.requests] == ["GET", "POST", "GET", "GET"]


def test_each_suite_has_its_own_comment(github, tmp_path, monkeypatch):
    for suite in ("shop", "search", "sh"):
        write_run(tmp_path / "runs" / suite, named(examples.passed(), suite))

    assert call(monkeypatch, tmp_path, "--pull-request", 7, github=github) == 0

    assert [one["body"].split(":")[0] for one in github.comments] == ["## ✅ search", "## ✅ sh", "## ✅ shop"]


def test_a_run_on_fargate_or_a_stage_has_its_own_comment_which_says_so(github, tmp_path, monkeypatch):
    changes: list[dict[str, Any]] = [
        {"run_id": "1"},
        {"run_id": "2", "on": "fargate"},
        {"run_id": "3", "stage": "dev", "part": ("a", "b")},
    ]
    for change in changes:
        bundle = examples.passed()
        changed = replace(bundle, plan=bundle.plan.model_copy(update=change))
        write_run(tmp_path / "runs" / change["run_id"], changed)

    assert call(monkeypatch, tmp_path, "--pull-request", 7, github=github) == 0

    heads = [one["body"].partition(": ")[0] for one in github.comments]
    assert heads == ["## ✅ shop", "## ✅ shop on Fargate", "## ✅ shop, stage dev, only a, b"]
    assert "; stage dev; only a, b" in github.comments[2]["body"]


def test_a_run_and_a_duet_of_one_suite_share_a_comment(github, tmp_path, monkeypatch):
    write_run(tmp_path / "one", named(examples.passed(), "shop", "20261124T1000"))
    write_run(tmp_path / "two", named(compared(examples.passed(), REGRESSION, "regression"), "shop", "20261124T0900"))

    assert call(monkeypatch, tmp_path / "two", tmp_path / "one", "--pull-request", 7, github=github) == 0

    (comment,) = github.comments
    assert comment["body"].startswith("## ❌ shop: failed — p95 of POST /checkout is at least 5.2 % slower")
    assert "### ❌ Base and head" in comment["body"]
    assert "run <code>20261124T1000</code>" in comment["body"]


def test_an_unproven_comparison_keeps_the_outcome_of_a_passed_run(github, tmp_path, monkeypatch):
    write_run(tmp_path / "one", examples.passed())
    write_run(tmp_path / "two", compared(examples.passed(), NEUTRAL, "unproven"))

    assert call(monkeypatch, tmp_path, "--pull-request", 7, github=github) == 0

    assert github.comments[0]["body"].startswith("## ✅ shop: passed — both criteria hold")
    assert "### ⚪ Base and head: neutral, no proof in either direction" in github.comments[0]["body"]


def test_the_pull_request_is_found_by_its_branch_and_commit(github, run, monkeypatch):
    github.pulls = {
        3: ("acme:other", COMMIT),
        7: ("octocat:faster", COMMIT),
        8: ("octocat:faster", "b" * 40),
    }

    assert call(monkeypatch, run, "--branch", "octocat:faster", "--sha", COMMIT, github=github) == 0

    assert [one["pull"] for one in github.comments] == [7]
    assert github.requests[0]["query"]["head"] == "octocat:faster"
    whose = "commit <code>aaaaaaaaaaaa</code> of <code>octocat&#58;faster</code>, measured by the workflow of the fork"
    assert github.comments[0]["body"].splitlines()[2] == whose


def test_too_many_suites_of_a_fork_are_refused(github, tmp_path, monkeypatch, capsys):
    for number in range(51):
        write_run(tmp_path / f"many/{number}", named(examples.passed(), f"suite-{number}"))

    assert call(monkeypatch, tmp_path / "many", "--branch", "acme:faster", "--sha", COMMIT, github=github) == 2

    assert not github.requests
    assert "51 suites" in capsys.readouterr().err


def test_an_outdated_commit_gets_no_comment(github, run, monkeypatch, capsys):
    assert call(monkeypatch, run, "--branch", "acme:faster", "--sha", "c" * 40, github=github) == 0

    assert not github.comments
    assert "No comment posted" in capsys.readouterr().err


@pytest.mark.parametrize(("sha", "posted"), [(COMMIT, 1), ("c" * 40, 0)])
def test_a_number_with_an_outdated_commit_gets_no_comment(sha, posted, github, run, monkeypatch, capsys):
    assert call(monkeypatch, run, "--pull-request", 7, "--sha", sha, github=github) == 0

    assert len(github.comments) == posted
    assert ("No comment posted" in capsys.readouterr().err) == (not posted)


def test_an_ignored_filter_selects_no_foreign_pull_request(github, run, monkeypatch):
    """GitHub ignores an invalid filter and lists all pull requests."""
    github.pulls = {9: ("somebody:else", COMMIT)}

    assert call(monkeypatch, run, "--branch", "octo:cat/..", "--sha", COMMIT, github=github) == 0

    assert not github.comments


def test_an_unreadable_run_does_not_prevent_other_comments(github, tmp_path, monkeypatch, capsys):
    write_run(tmp_path / "good", examples.passed())
    (write_run(tmp_path / "unjudged", examples.passed()) / "verdict.json").unlink()
    (tmp_path / "empty").mkdir()
    folders = [tmp_path / name for name in ("empty", "good", "unjudged", "gone")]

    assert call(monkeypatch, *folders, "--pull-request", 7, github=github) == 2

    assert len(github.comments) == 1
    assert [line.split(": ")[0] for line in capsys.readouterr().err.splitlines()] == ["shop", "error", "error", "error"]


def test_a_dry_run_sends_no_requests(run, monkeypatch, capsys):
    assert call(monkeypatch, run, "--dry-run", "--report-url", "https://ci.example/1?a=b&c=(d") == 2
    assert call(monkeypatch, run, "--dry-run", "--report-url", "https://ci.example/1?a=b&c=d") == 0

    printed = capsys.readouterr().out
    assert printed.startswith("## ❌ shop: failed")
    assert "[Report](<https://ci.example/1?a=b&c=d>)" in printed


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("--pull-request 7 --branch a:b --sha x", "either --pull-request"),
        ("", "either --pull-request"),
        ("--branch a:b", "--sha"),
        ("--branch a --sha " + COMMIT, "OWNER:BRANCH"),
        ("--pull-request 7 --sha abc", "--sha"),
        ("--pull-request 7 --repository acme", "OWNER/NAME"),
        ("--pull-request 7 --repository acme/shop/../../x", "OWNER/NAME"),
        ("--pull-request 7 --repository ../..", "OWNER/NAME"),
        ("--pull-request 7 --report-url javascript:alert(1)", "--report-url"),
        ("--pull-request 7 --run-url https://a.example/)[x](http://b", "--run-url"),
    ],
)
def test_a_wrong_option_is_refused_before_any_write(arguments, expected, github, run, monkeypatch, capsys):
    assert call(monkeypatch, run, *arguments.split(), github=github) == 2

    assert expected in capsys.readouterr().err
    assert not [request for request in github.requests if request["method"] != "GET"]


def test_a_missing_token_is_refused_with_the_fix(run, monkeypatch, capsys):
    assert call(monkeypatch, run, "--repository", "acme/shop", "--pull-request", 7) == 2

    assert "GITHUB_TOKEN is not set" in capsys.readouterr().err


def test_a_token_is_never_sent_without_https(run, monkeypatch, capsys):
    assert call(monkeypatch, run, "--pull-request", 7, github=GitHub(url="http://api.github.example")) == 2

    assert "https" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("trouble", "expected"),
    [
        (refused(401, "Bad credentials"), "401 Bad credentials. GITHUB_TOKEN"),
        (refused(403, "Resource not accessible by integration"), "pull-requests: write"),
        (refused(404, "Not Found"), "--repository, --pull-request"),
        (refused(422, "Validation Failed", errors=[{"message": "locked"}]), "locked"),
        (refused(301, "Moved Permanently"), "--repository"),
    ],
)
def test_a_rejected_request_shows_the_fix_and_no_token(trouble, expected, github, run, monkeypatch, capsys):
    github.troubles = [trouble]

    assert call(monkeypatch, run, "--pull-request", 7, github=github) == 4

    err = capsys.readouterr().err
    assert expected in err
    assert TOKEN not in err
    assert "Traceback" not in err


@pytest.mark.live
def test_the_fake_also_serves_other_programs(tmp_path, run):
    """The tests of workflows start the fake as a process."""
    command = [sys.executable, "-m", "tests.github.fake_api", "--port", "0", "--state", str(tmp_path / "state")]
    command += ["--pull", f"5=acme:x@{COMMIT}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as served:
        try:
            assert served.stdout is not None
            address = served.stdout.readline().strip()
            environment = {"GITHUB_TOKEN": TOKEN, "GITHUB_API_URL": address, "GITHUB_REPOSITORY": "acme/shop"}
            toril = [
                sys.executable,
                "-m",
                "toril",
                "github",
                "comment",
                str(run),
                "--branch",
                "acme:x",
                "--sha",
                COMMIT,
            ]
            subprocess.run(toril, env=environment, check=True, timeout=60)
        finally:
            served.terminate()

    (kept,) = json.loads((tmp_path / "state/comments.json").read_text())
    assert kept["pull"] == 5
    first = (tmp_path / "state/requests/0001.json").read_text()
    assert json.loads(first)["path"] == "/repos/acme/shop/pulls"
    assert TOKEN not in first
