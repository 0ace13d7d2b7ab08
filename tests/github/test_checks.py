"""`toril github comment --check` with a fake GitHub: one check run per suite, neutral if it is inconclusive."""

import pytest

from tests.github.commanded import call, write_run
from tests.github.fake_api import GitHub, serving
from tests.reports import examples
from tests.reports.test_annotations import PLACE, WHERE, located

COMMIT = "a" * 40
BUNDLES = {"passed": examples.passed, "failed": examples.failed, "inconclusive": examples.inconclusive}


@pytest.fixture
def github():
    with serving(GitHub()) as served:
        yield served


@pytest.mark.parametrize(
    ("outcome", "conclusion"), [("passed", "success"), ("failed", "failure"), ("inconclusive", "neutral")]
)
def test_a_check_run_has_the_verdict_of_its_suite(github, tmp_path, monkeypatch, outcome, conclusion):
    run = write_run(tmp_path / "run", BUNDLES[outcome]())
    address = "https://ci.example/1"

    assert call(monkeypatch, run, "--check", "--sha", COMMIT, "--report-url", address, github=github) == 0

    (check,) = github.checks
    assert (check["name"], check["head_sha"], check["status"]) == ("toril: shop", COMMIT, "completed")
    assert (check["conclusion"], check["details_url"]) == (conclusion, address)
    assert check["output"]["title"].startswith(f"{outcome}: ")
    assert check["output"]["summary"].startswith("## ")
    assert github.comments == []


def test_a_check_run_annotates_breached_criteria_at_their_lines(github, tmp_path, monkeypatch):
    run = write_run(tmp_path / "run", located(examples.failed()))
    assert call(monkeypatch, run, "--check", "--sha", COMMIT, github=github) == 0

    first, *others = github.checks[0]["output"]["annotations"]
    place = PLACE[WHERE]
    assert (first["path"], first["start_line"], first["end_line"]) == (place.file, place.line, place.line)
    assert first["annotation_level"] == "failure"
    assert {(note["path"], note["start_line"]) for note in others} <= {(place.file, 1)}


def test_the_same_run_has_one_check_run_and_a_second_run_its_own(github, tmp_path, monkeypatch):
    run = write_run(tmp_path / "run", examples.failed())
    github.lost_answers.add("POST")
    for _ in range(2):
        assert call(monkeypatch, run, "--check", "--sha", COMMIT, github=github) == 0
    assert len(github.checks) == 1

    write_run(run, examples.passed())
    assert call(monkeypatch, run, "--check", "--sha", COMMIT, github=github) == 0
    assert [check["conclusion"] for check in github.checks] == ["failure", "success"]


def test_a_pull_request_gets_the_comment_and_its_commit_the_check_run(github, tmp_path, monkeypatch):
    run = write_run(tmp_path / "run", examples.failed())
    assert call(monkeypatch, run, "--check", "--sha", COMMIT, "--pull-request", 7, github=github) == 0
    assert (len(github.comments), len(github.checks)) == (1, 1)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--check"], "option-value"),
        (["--check", "--sha", "4f2a"], "option-value"),
        (["--check", "--sha", COMMIT, "--branch", "eve:x"], "conflicting-options"),
    ],
)
def test_a_check_run_needs_a_commit_of_the_own_repository(github, tmp_path, monkeypatch, capsys, arguments, code):
    run = write_run(tmp_path / "run", examples.failed())
    assert call(monkeypatch, run, *arguments, github=github) == 2
    assert f"[{code}]" in capsys.readouterr().err
    assert github.checks == []


def test_a_token_without_the_right_is_an_error(github, tmp_path, monkeypatch, capsys):
    github.may_write = False
    run = write_run(tmp_path / "run", examples.failed())
    assert call(monkeypatch, run, "--check", "--sha", COMMIT, github=github) == 4
    assert "checks: write" in capsys.readouterr().err
