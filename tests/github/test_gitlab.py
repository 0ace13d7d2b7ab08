"""`toril gitlab comment` with a fake GitLab."""

import sys
from dataclasses import replace

import pytest

from tests.github.commanded import write_run
from tests.github.fake_gitlab import TOKEN, GitLab, serving
from tests.reports import examples
from toril import cli
from toril.github.gitlab import QUICK_ACTION


@pytest.fixture
def gitlab():
    with serving(GitLab()) as served:
        yield served


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "runs/one", examples.failed())


def call(monkeypatch, gitlab, *arguments, **environment):
    """Returns the exit code of the command in a job of GitLab."""
    job = {
        "CI_API_V4_URL": gitlab.url,
        "CI_PROJECT_ID": gitlab.project,
        "CI_MERGE_REQUEST_IID": str(gitlab.number),
        "GITLAB_TOKEN": TOKEN,
    }
    monkeypatch.setattr(sys, "argv", ["toril", "gitlab", "comment", *map(str, arguments)])
    for name, value in {**job, **environment}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def test_a_comment_is_created_once_and_then_updated(gitlab, run, monkeypatch):
    gitlab.note("<!-- toril:shop -->", author=2)  # by somebody else
    for number in range(150):
        gitlab.note(f"Comment {number}", author=gitlab.owner)
    for _ in range(2):
        assert call(monkeypatch, gitlab, run) == 0
    write_run(run, examples.passed())
    assert call(monkeypatch, gitlab, run) == 0

    own = [note["body"] for note in gitlab.notes if "toril:shop" in note["body"]]
    assert own[0] == "<!-- toril:shop -->"
    (body,) = own[1:]
    assert body.startswith("## ✅ shop: passed") and body.endswith("<!-- toril:shop -->")
    assert [method for method, _ in gitlab.requests if method != "GET"] == ["POST", "PUT"]


def test_each_suite_has_its_own_comment(gitlab, run, tmp_path, monkeypatch):
    bundle = examples.passed()
    plan = bundle.plan.model_copy(update={"suite": "search", "run_id": "2"})
    write_run(tmp_path / "runs/two", replace(bundle, plan=plan))
    assert call(monkeypatch, gitlab, tmp_path) == 0
    assert [note["body"].split(":")[0] for note in gitlab.notes] == ["## ✅ search", "## ❌ shop"]


def test_no_line_of_a_comment_is_a_command_to_gitlab():
    assert QUICK_ACTION.sub(r"\1&#47;", "a /b\n/close\n  /merge") == "a /b\n&#47;close\n  &#47;merge"


@pytest.mark.parametrize(
    ("environment", "exit_code", "code"),
    [
        ({"GITLAB_TOKEN": ""}, 2, "no-token"),
        ({"GITLAB_TOKEN": "another"}, 4, "github-refused"),
        ({"CI_PROJECT_ID": "acme/other"}, 4, "github-refused"),
        ({"CI_PROJECT_ID": ""}, 2, "no-pull-request"),
        ({"CI_API_V4_URL": "http://gitlab.example/api/v4"}, 2, "bad-api-url"),
    ],
)
def test_a_wrong_job_comments_nothing(gitlab, run, monkeypatch, capsys, environment, exit_code, code):
    assert call(monkeypatch, gitlab, run, **environment) == exit_code
    assert f"[{code}]" in capsys.readouterr().err
    assert gitlab.notes == []
