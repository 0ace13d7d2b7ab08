"""Every invocation of the command ends with a message and the documented exit code."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from toril import cli
from toril.errors import InfrastructureError, OptionError, SuiteError, UserError
from toril.store import FolderStore

SUITE = {
    "execution": [{"executor": "locust", "concurrency": 2, "hold-for": "3s", "scenario": "home"}],
    "scenarios": {"home": {"requests": ["http://127.0.0.1:1/"]}},
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: a good suite, two folders of suites, an empty one, and files that are no suites."""
    monkeypatch.chdir(tmp_path)
    for name in ("good.json", "one/suite.json", "two/suite.json", "empty/none", "bytes.yml", "brackets.yml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(json.dumps(SUITE))
    (tmp_path / "bytes.yml").write_bytes(bytes(range(256)))
    (tmp_path / "brackets.yml").write_text("[" * 1000)
    return tmp_path


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> object:
    monkeypatch.setattr(sys, "argv", ["toril", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code


@pytest.mark.parametrize(
    "arguments",
    [
        "nonsense",
        "--nonsense",
        "plan",
        "plan missing.yml",
        "plan empty",
        "plan one two",
        "plan one good.json",
        "plan bytes.yml",
        "plan brackets.yml",
        "plan /dev/null",
        "plan good.json --workers 0",
        "plan good.json --workers many",
        "plan good.json --workers 99999999",
        "plan good.json --on mars",
        "plan good.json --format xml",
        "plan good.json -o nonsense",
        "plan good.json -o =1",
        "plan good.json -o execution.0.concurrency=lots",
        "plan good.json -o execution.9.concurrency=1",
        "plan good.json -o execution.name=1",
        "plan good.json -o execution=3",
        "plan good.json -o execution.0.hold-for=99999999999d",
        "plan good.json -o execution.0.executor=ab",
        "plan good.json -o toril.wrokers=3",
        "plan good.json -o toril=3",
        "plan good.json --env NAME",
        "plan good.json --env =value",
        "init",
        "init . --url nonsense",
        "init . --url http://shop/ --limit nonsense",
        "init . --taurus good.json --jmx good.json",
        "init good.json --url http://shop/",
        "init /proc/none --url http://shop/",
        "run good.json --report nonsense",
        "run good.json --report html=empty",
        "run good.json --report html=good.json/out.html",
        "run good.json --report html=/proc/none/out.html",
        "run good.json --report html=",
        "run good.json --store=",
        "run",
        "run --request none",
        "run good.json --request some-run",
        "run --request some-run --workers 2",
        "run --request some-run --baseline off",
        "run good.json --baseline sometimes",
        "run --request some-run --on fargate",
        "run --request ../../etc",
        "runs --store=",
        "run good.json --store good.json",
        "run good.json --store s3://bucket",
        "run good.json --store http://bucket",
        "run good.json --store /proc/none",
        "run good.json --run-id ../outside",
        "run good.json --run-id=",
        "run good.json --fail-on maybe",
        "run good.json --fail-on=",
        "run good.json --tag novalue",
        "report nonsense",
        "report latest",
        "report latest --format csv",
        "report latest --store good.json",
        "report ../..",
        "watch nonsense",
        "stop nonsense",
        "adjust nonsense --rate 5",
        "adjust latest",
        "adjust latest --rate fast",
        "runs --prune soon",
        "runs --prune 99999999999999999999d",
        "runs --store good.json",
        "worker",
        "worker --store . --run x --worker y --attempt z",
    ],
)
def test_a_wrong_invocation_exits_with_code_2(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: str
) -> None:
    assert call(monkeypatch, *arguments.split()) == 2
    printed = capsys.readouterr()
    assert printed.err
    assert "Traceback" not in printed.err
    assert not printed.out
    assert not (folder / ".toril").exists()


@pytest.mark.parametrize("name", ["report", "watch", "stop"])
def test_an_empty_run_argument_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert call(monkeypatch, name, "") == 2
    assert "RUN is empty" in capsys.readouterr().err


def test_the_help_groups_the_commands(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "--help") == 0
    panels = re.findall(r"─ ([A-Z][A-Za-z ]+) ─", capsys.readouterr().out)
    assert panels == ["Options", "Run", "Results", "Compare", "Console", "GitHub", "Elsewhere", "Set up"]


def test_every_command_has_an_example() -> None:
    shown = [name for name in cli.COMMANDS if not cli.command(name).hidden]
    assert "run" in shown
    assert not [name for name in shown if f"Example: toril {name}" not in cli.command(name).help]


@pytest.mark.live
@pytest.mark.parametrize("format", ["text", "json"])
def test_a_closed_pipe_keeps_the_exit_code(folder: Path, format: str) -> None:
    command = [sys.executable, "-m", "toril", "plan", "good.json", "--format", format]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 0


@pytest.mark.live
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full")
def test_a_full_disk_is_a_user_error(folder: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-m", "toril", "plan", "good.json", "--format", "json"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 4
    assert done.stderr.startswith("error: cannot write the output")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SuiteError("https://joe:hunter2@shop.example: no such suite", code="no-suite"), 2),
        (InfrastructureError("https://joe:hunter2@shop.example: no answer", code="unreachable"), 4),
        (ZeroDivisionError("a bug"), 70),
    ],
)
def test_each_kind_of_error_has_its_exit_code_and_shows_no_password(monkeypatch, capsys, error, code):
    def raise_it() -> None:
        raise error

    monkeypatch.setattr(cli, "app", raise_it)
    assert call(monkeypatch, "plan") == code
    shown = capsys.readouterr().err
    assert shown
    assert "hunter2" not in shown


def test_a_run_has_the_options_of_its_schedule(tmp_path):
    with pytest.raises(OptionError, match="workers"):
        cli.command("run").main(
            ["suite", "--store", str(tmp_path), "--options", '{"workers": 0}'], standalone_mode=False
        )


@pytest.mark.parametrize("schedule", [[], ["--env", "TORIL_SCHEDULE=nightly"]])
def test_a_variable_of_the_suite_does_not_steer_the_owner_of_the_run(tmp_path, schedule):
    with pytest.raises(UserError):
        cli.command("run").main(
            [str(tmp_path / "none.yml"), "--store", str(tmp_path), *schedule], standalone_mode=False
        )
    assert not list(FolderStore(tmp_path).keys("events/"))
