"""The programs that a command starts: their output, and their failures."""

import shlex
import sys

import pytest

from tests.refusals import refused
from toril.errors import OptionError
from toril.programs import run_hook


def python(code: str) -> str:
    return shlex.join([sys.executable, "-c", code])


def test_a_hook_gets_its_arguments_and_variables_and_returns_its_output() -> None:
    code = "import os, sys; print(sys.argv[1], os.environ['PLACE']); print('progress', file=sys.stderr)"
    assert run_hook(python(code), ["a b; c"], {"PLACE": "here"}, 30) == "a b; c here\n"


def test_a_hook_may_leave_a_server_running_that_writes_to_its_output() -> None:
    code = "import subprocess; subprocess.Popen(['sleep', '8']); print('base=http://127.0.0.1:1')"
    assert run_hook(python(code), (), {}, 5) == "base=http://127.0.0.1:1\n"


@pytest.mark.parametrize(
    ("command", "limit_s", "named"),
    [
        (python("print('half done'); raise SystemExit(3)"), 30, ("exit code 3", "half done")),
        ("sleep 30", 0.1, ("0.1 s",)),
        ("/nowhere/program", 30, ("/nowhere/program",)),
        ("an 'open quote", 30, ("an 'open quote",)),
        ("", 30, ()),
    ],
)
def test_a_failed_hook_is_reported_with_its_output(command: str, limit_s: float, named: tuple[str, ...]) -> None:
    with refused("hook-failed", *named, error=OptionError):
        run_hook(command, (), {}, limit_s)
