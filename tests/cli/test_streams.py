"""In GitHub Actions, output contains no workflow commands but toril's own, for any text and any split into writes."""

import io
import json
import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from tests.github.commanded import write_run
from tests.reports import examples
from toril.cli.streams import CommandFilter, echo, without_commands
from toril.reports import screen

PIECES = st.lists(
    st.sampled_from(
        ["::", ":", "##[", "#", "[", "]", "error", "add-mask::x", " ", "\t", "\n", "\r", "\u200b", "\u00ad", "é"]
    ),
    max_size=12,
)  # fmt: skip
NAMES = "error|warning|add-mask|set-output|stop-commands|group"


def commands(text: str) -> list[str]:
    """Returns the lines that the runner would run: `::…` at the start of a line, after blanks; `##[…]` anywhere.

    The runner splits at any line end, and its culture-sensitive comparison ignores some characters.
    """
    seen = re.sub("[\u200b\u00ad]", "", text)
    return [
        line
        for line in re.split(r"[\r\n]", seen)
        if re.match(rf"\s*::(?:{NAMES})?.*::", line) or re.search(r"##\[[^\]]*\]", line)
    ]


@given(PIECES)
def test_a_filtered_text_has_no_workflow_command(pieces):
    assert commands(without_commands("".join(pieces))) == []


@given(PIECES)
def test_a_command_split_over_several_writes_is_blocked(pieces):
    stream = io.StringIO()
    output = CommandFilter(stream)
    for piece in pieces:
        assert output.write(piece) == len(piece)

    assert commands(stream.getvalue()) == []
    assert stream.getvalue() == without_commands("".join(pieces))


@pytest.mark.parametrize("text", ["12:30", "a::b", "p95: 3 ms", "# [x]", "error: x: y", "std::vector", ""])
def test_other_texts_stay_unchanged(text):
    assert without_commands(text) == text


ATTACK = "x\n::error::a\n##[set-env name=B]c\n  ::stop-commands::d"


@pytest.mark.live
@pytest.mark.parametrize(
    "arguments",
    [
        ["plan", ATTACK],
        ["plan", f"--{ATTACK}"],
        ["report", ATTACK],
        ["github", "comment", ATTACK, "--pull-request", "1"],
        ["github", "comment", "{run}", "--dry-run"],
        ["report", "{run}"],
        ["report", "{run}", "--format", "github"],
        ["report", "{run}", "--format", "annotations"],
        ["runs", "--store", "{store}"],
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", pytest.param("ascii", marks=pytest.mark.nightly)])
def test_the_command_prints_no_injected_workflow_command(encoding, arguments, tmp_path):
    run = examples.hostile()
    labels = {f"{ATTACK}{number}": examples.figures(10) for number in range(3)}
    labels[""] = examples.figures(errors=[{"message": ATTACK, "rc": ATTACK, "count": 3}])
    rule = {**run.verdict.to_dict()["criteria"][0], "criterion": ATTACK, "message": ATTACK}
    run = examples.with_verdict(examples.with_summary(run, labels=labels), criteria=[rule])
    plan = run.plan.model_copy(update={"run_id": "one", "suite": ATTACK, "warnings": (ATTACK,), "tags": {"a": ATTACK}})
    run = type(run)(plan, run.summary, run.verdict)
    write_run(tmp_path / "runs/one", run)
    filled = [one.format(run=tmp_path / "runs/one", store=tmp_path) for one in arguments]
    environment = {"GITHUB_ACTIONS": "true", "PATH": "/usr/bin:/bin", "COLUMNS": "40", "PYTHONIOENCODING": encoding}

    done = subprocess.run([sys.executable, "-m", "toril", *filled], env=environment, capture_output=True, text=True)

    found = commands(done.stdout) + commands(done.stderr)
    if "annotations" in arguments:
        assert found
        assert all(line.startswith(("::error title=", "::warning title=")) for line in found)
    else:
        assert found == []
    assert "Traceback" not in done.stderr


HOSTILE = "\x1b]0;pwned\x07\x9b31m\u202e\r\x7f\U000e0001"
SHOWN = "\\u001b]0;pwned\\u0007\\u009b31m\\u202e\\u000d\\u007f\\udb40\\udc01"


def test_printed_texts_have_escapes_that_json_reads_instead_of_invisible_characters(capsys):
    echo(f"ä\n\t→ {HOSTILE}")
    echo(json.dumps({"a": HOSTILE}, ensure_ascii=False), err=True)
    out, err = capsys.readouterr()
    assert out == f"ä\n\t→ {SHOWN}\n"
    assert json.loads(err) == {"a": HOSTILE}
    assert err.strip().isprintable()


def test_consoles_escape_the_invisible_characters_of_texts_and_keep_their_own_colours(capsys):
    screen.Output(force_terminal=True, color_system="standard", width=200).print(Text(f"a{HOSTILE}", style="red"))
    shown = SHOWN.replace("\\u0007", "").replace("\\u000d", "")  # rich removes these itself
    assert capsys.readouterr().out == f"\x1b[31ma{shown}\x1b[0m\n"


@pytest.mark.live
def test_a_command_prints_no_control_character_of_a_suite_or_an_error(tmp_path):
    suite = {
        "execution": [{"scenario": HOSTILE, "executor": "locust", "hold-for": "10s", HOSTILE: 1}],
        "scenarios": {HOSTILE: {"requests": ["http://127.0.0.1/"]}},
        "toril": {"curves": {HOSTILE: {"to": "5/s"}}},
    }
    (tmp_path / "suite.yml").write_text(json.dumps(suite))
    del suite["toril"]
    (tmp_path / "good.yml").write_text(json.dumps(suite))
    for name in ("suite.yml", "good.yml", f"{HOSTILE}.yml"):
        done = subprocess.run([sys.executable, "-m", "toril", "plan", tmp_path / name], capture_output=True, text=True)
        assert "pwned" in done.stdout + done.stderr
        assert (done.stdout + done.stderr).replace("\n", "").isprintable()
