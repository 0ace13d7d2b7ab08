"""docs/tutorial.md: its commands are run, in order, in an empty folder, against the demo shop on this machine."""

import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(sh service|sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGE = (ROOT / "docs" / "tutorial.md").read_text()
STEPS = BLOCK.findall(PAGE)
PORT = "8080"  # on the page; the test takes a free one


def free_port() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return str(taken.getsockname()[1])


@contextmanager
def service(command: str, folder: Path, environment: dict[str, str]) -> Iterator[None]:
    """Runs the command in the background, from its first line on to the end of the block."""
    process = subprocess.Popen(shlex.split(command), cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        yield
    finally:
        process.terminate()
        process.communicate(timeout=10)


def shell(command: str, folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def shows(line: str, output: str) -> bool:
    """Whether the output has the line; on a busy machine a run that should pass may prove nothing."""
    lines = ("exit code: 0", "exit code: 3") if line == "exit code: 0" else (line,)
    return any(" ".join(one.split()) in " ".join(output.split()) for one in lines)


def test_the_commands_do_what_the_page_shows(tmp_path):
    (tmp_path / "toril").symlink_to(ROOT)
    people = {f"GIT_{role}_{key}": "me@example.com" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")}
    environment = {
        **os.environ,
        **people,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "120",
    }
    port, folder, output = free_port(), tmp_path, ""
    with ExitStack() as second_terminal:
        for kind, text in STEPS:
            text = text.replace(PORT, port)
            if kind == "text":
                assert not [line for line in text.splitlines() if not shows(line, output)], output
            elif kind == "sh service":
                second_terminal.close()
                second_terminal.enter_context(service(text, folder, environment))
            else:
                output = shell(text, folder, environment)
                if "\ncd shop" in text:
                    folder = tmp_path / "shop"


def test_every_kind_of_step_is_found():
    assert len(STEPS) == PAGE.count("\n```sh") + PAGE.count("\n```text") > 12
