"""`toril github gates`: which suites a change has to pass."""

import json
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from toril import cli
from toril.errors import OptionError, SuiteError, UserError
from toril.github.gates import MOST, changed_since, choose

IDENTITY = ("-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")


def git(folder: Path, *words: str) -> str:
    command = ["git", *IDENTITY, *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


def suite(folder: Path, name: str, *, locations: dict[str, int] | None = None, **toril: object) -> None:
    execution: dict[str, object] = {"executor": "locust", "concurrency": 4, "hold-for": "1m", "scenario": "home"}
    if locations:
        execution["locations"] = locations
    content = {
        "execution": [execution],
        "scenarios": {"home": {"requests": ["http://127.0.0.1/"]}},
        "toril": toril,
    }
    (folder / name).mkdir(parents=True)
    (folder / name / "suite.yml").write_text(json.dumps(content))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a gate and three other suites: a plain one, one with regions, one with a secret."""
    loads = tmp_path / "loadtests"
    suite(loads, "gate", gate=True)
    suite(loads, "other")
    suite(loads, "regions", locations={"us-east-1": 1, "eu-west-1": 1})
    suite(loads, "secretive", secrets={"TOKEN": "shop-token"})
    (tmp_path / "service.py").write_text("")
    (tmp_path / "README.md").write_text("")
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "all")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def chosen(*paths: str, on: str = "local", every: bool = False) -> dict[str, str]:
    changed = {Path.cwd() / path for path in paths} if paths else None
    found = choose(Path("loadtests"), changed=changed, on=on, every=every, environment={})  # type: ignore[arg-type]
    return {one.name: one.why for one in found}


def test_gates_run_for_every_change_except_texts(project):
    assert chosen("service.py") == {"gate": "gate"}
    assert chosen("service.py", "README.md") == {"gate": "gate"}
    assert chosen("README.md") == {}


def test_a_changed_suite_runs_too(project):
    assert chosen("loadtests/other/users.csv") == {"gate": "gate", "other": "changed"}
    assert chosen("loadtests/other/README.md") == {"other": "changed"}
    assert chosen("loadtests/others/users.csv") == {"gate": "gate"}


def test_a_suite_with_gate_false_never_runs_for_a_change(project):
    suite(project / "loadtests", "example", gate=False)
    assert chosen("loadtests/example/suite.yml") == {"gate": "gate"}
    assert "example" in chosen(every=True)


def test_suites_that_need_aws_run_only_on_fargate(project):
    assert set(chosen("loadtests/regions/a.csv", "loadtests/secretive/a.csv")) == {"gate"}
    assert set(chosen("loadtests/regions/a.csv", "loadtests/gate/a.csv", on="fargate")) == {"regions"}


def test_a_gate_runs_for_every_location(project):
    suite(project / "loadtests", "both", locations={"us-east-1": 1}, gate=True)
    assert set(chosen("service.py")) == {"gate", "both"}
    assert set(chosen("service.py", on="fargate")) == {"both"}


def test_all_selects_all_suites_that_can_run(project):
    assert set(chosen(every=True)) == {"gate", "other"}
    assert set(chosen(every=True, on="fargate")) == {"regions"}


def test_an_unreadable_suite_is_named_even_if_unchanged(project):
    (project / "loadtests/other/suite.yml").write_text("toril: {gates: true}\nexecution: []")
    with pytest.raises(SuiteError, match=r"loadtests/other: .*`gate`"):
        chosen("service.py")


@pytest.mark.parametrize("name", ["a b", "$(id)", "`id`", "-rf", "a.b", "x" * 61, "ünder", "a\nb", '"]'])
def test_an_unsafe_name_is_refused(project, name):
    suite(project / "loadtests", name)
    with pytest.raises(SuiteError, match="invalid name for a suite"):
        chosen("service.py")


def test_the_change_is_the_difference_from_the_merge_base(project):
    git(project, "checkout", "-q", "-b", "change")
    (project / "service.py").write_text("# changed")
    git(project, "commit", "-q", "-am", "change")
    git(project, "checkout", "-q", "main")
    (project / "README.md").write_text("elsewhere")
    git(project, "commit", "-q", "-am", "meanwhile")
    git(project, "checkout", "-q", "change")
    (project / "loadtests/other/new\n.csv").write_text("")
    found = {path.relative_to(project.resolve()).as_posix() for path in changed_since("main", Path("loadtests"))}
    assert found == {"service.py", "loadtests/other/new\n.csv"}


def test_a_renamed_file_changes_both_suites(project):
    git(project, "mv", "loadtests/other/suite.yml", "loadtests/gate/more.yml")
    found = {path.relative_to(project.resolve()).as_posix() for path in changed_since("HEAD", Path("loadtests"))}
    assert found == {"loadtests/other/suite.yml", "loadtests/gate/more.yml"}


def test_sparse_linked_and_staged_files_count_as_in_git(project):
    (project / "link").symlink_to("service.py")
    (project / "gone.py").write_text("")
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "more")
    git(project, "sparse-checkout", "set", "loadtests/gate")
    assert not (project / "loadtests/other").exists()
    assert changed_since("HEAD", Path("loadtests")) == frozenset()
    (project / "link").unlink()
    (project / "link").symlink_to("README.md")
    git(project, "rm", "-q", "gone.py")
    (project / "staged.py").write_text("")
    git(project, "add", "staged.py")
    found = {path.relative_to(project.resolve()).as_posix() for path in changed_since("HEAD", Path("loadtests"))}
    assert found == {"link", "gone.py", "staged.py"}


@pytest.mark.parametrize("revision", ["--output=x", "a..b", "", "a b", "$(id)", "0" * 40, "unknown"])
def test_an_unknown_or_invalid_revision_is_refused(project, revision):
    with pytest.raises(OptionError):
        changed_since(revision, Path("loadtests"))


def test_a_folder_outside_a_repository_is_refused(tmp_path):
    with pytest.raises(UserError, match="not a git repository"):
        changed_since("main", tmp_path)


def run(*words: str) -> str:
    done = CliRunner().invoke(cli.app, ["github", "gates", *words])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_list_is_text_json_or_a_job_output(project):
    assert run("loadtests") == "gate: gate\nother: changed\n"
    assert run("loadtests", "--format", "json") == '["gate", "other"]\n'
    assert run("loadtests", "--changed-since", "HEAD", "--output-name", "suites") == "suites=[]\n"


@pytest.mark.parametrize("words", [["--output-name", "a\nb=c"], ["--all", "--changed-since", "main"]])
def test_conflicting_options_are_refused(project, words):
    assert isinstance(CliRunner().invoke(cli.app, ["github", "gates", *words]).exception, OptionError)


def test_more_suites_than_a_job_matrix_allows_are_refused(tmp_path):
    for number in range(MOST + 1):
        suite(tmp_path, f"s{number}")

    done = CliRunner().invoke(cli.app, ["github", "gates", str(tmp_path), "--output-name", "suites"])

    assert isinstance(done.exception, OptionError)
    assert done.exception.code == "too-many-suites"
    assert len(json.loads(run(str(tmp_path), "--format", "json"))) == MOST + 1
