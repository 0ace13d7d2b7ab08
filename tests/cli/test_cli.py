"""Every invocation of the command ends with a message and the documented exit code."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from toril import cli
from toril.errors import InfrastructureError, OptionError, SuiteError, UserError
from toril.store import FolderStore

ROOT = Path(__file__).parents[2]
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
        "init . --url http://shop/ --criterion nonsense",
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
        "run --request some-run --no-earlier-runs",
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


SHOWN = [name for name, place in cli.COMMANDS.items() if place and not cli.command(name).hidden]


def test_the_help_groups_the_commands(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "--help") == 0
    panels = re.findall(r"─ ([A-Z][A-Za-z ]+) ─", capsys.readouterr().out)
    assert panels == ["Options", "Run", "Results", "Suites", "Console", "Set up"]


@pytest.mark.parametrize("name", [name for name, place in cli.COMMANDS.items() if place])
def test_the_help_of_all_commands_begins_as_that_of_each(name: str) -> None:
    (summary,) = (commands[name][1] for commands in cli.PANELS.values() if name in commands)
    assert cli.command(name).help.split("\n\n")[0] == summary


def examples_of(name: str) -> list[list[str]]:
    return [shlex.split(line) for line in re.findall(r"^ *toril (.*)$", cli.command(name).help, re.MULTILINE)]


@pytest.mark.parametrize("name", SHOWN)
def test_every_command_has_two_examples_that_it_accepts(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    examples = examples_of(name)
    assert len(examples) >= 2
    for example in examples:
        words = name.split()
        assert example[: len(words)] == words
        of_shell = example.index(">") if ">" in example else None
        cli.command(name).make_context(name, example[len(words) : of_shell])


def test_an_option_means_the_same_in_every_command() -> None:
    meanings: dict[str, set[str]] = {}
    for name in SHOWN:
        for option in cli.command(name).params:
            for spelling in (*option.opts, *option.secondary_opts):
                if spelling.startswith("-"):
                    meanings.setdefault(spelling, set()).add(option.help)
    assert {spelling: helps for spelling, helps in meanings.items() if len(helps) > 1} == {}


@pytest.mark.parametrize(
    ("words", "meant"), [("runn", "run"), ("suite psh", "push"), ("github comments", "comment"), ("help runn", "run")]
)
def test_a_misspelt_command_gets_a_suggestion(monkeypatch, capsys, words, meant):
    assert call(monkeypatch, *words.split()) == 2
    assert f"Did you mean '{meant}'" in capsys.readouterr().err


@pytest.mark.parametrize("words", ["", "suite", "suite push", "run"])
def test_help_of_a_command_is_its_help(monkeypatch, capsys, words):
    assert call(monkeypatch, *words.split(), "--help") == 0
    expected = capsys.readouterr().out
    assert call(monkeypatch, "help", *words.split()) == 0
    assert capsys.readouterr().out == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("toril su", {"suite"}),
        ("toril suite p", {"push", "pin"}),
        ("toril github comment --rep", {"--repository", "--report-url"}),
        ("toril plan --on ", {"local", "fargate"}),
        ("toril watch 20261", {"20261124T150405Z-shop-1a2b"}),
    ],
)
@pytest.mark.live
def test_bash_completes_commands_options_values_and_runs(tmp_path: Path, line: str, expected: set[str]) -> None:
    (tmp_path / "store/runs/20261124T150405Z-shop-1a2b").mkdir(parents=True)
    program = tmp_path / "toril"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "from toril.cli import main; main()" "$@"\n')
    program.chmod(0o755)
    words = line.split(" ")
    script = f"""
        PATH="{tmp_path}:$PATH"
        export TORIL_STORE="{tmp_path}/store"
        source <(toril --show-completion)
        COMP_WORDS=({" ".join(word or "''" for word in words)}) COMP_CWORD={len(words) - 1}
        _toril_completion toril
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == expected


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
    def raise_it(**_: str) -> None:
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
