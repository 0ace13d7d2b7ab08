"""`toril init` on a terminal: a wrong answer shows an error and repeats the question."""

import os
import pty
import select
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.authoring.calling import tree, written

pytestmark = pytest.mark.live

ADDRESS = "Addresses separated by spaces: "
RATE = "Largest throughput in requests per second (empty: no limit): "
LIMITS = "Criteria that fail a run, separated by ; [p95>500ms; fail>1%]: "
LOCATIONS = "Locations, e.g. eu-west-1=2 us-east-1=1 (empty: this machine): "
END_OF_INPUT, INTERRUPT = "\x04", "\x03"


class Terminal:
    """A user at a terminal."""

    def __init__(self, process: "subprocess.Popen[bytes]", ours: int) -> None:
        self.process, self.ours = process, ours
        self.shown = ""

    def answer(self, question: str, text: str) -> None:
        """Waits for the question, and types the answer."""
        while not self.shown.endswith(question):
            assert self.read(), f"{question!r} was not asked after {self.shown[-500:]!r}"
        os.write(self.ours, text.encode())
        self.shown += "\n"

    def read(self, patience_s: float = 20.0) -> bool:
        """Reads the next output; returns whether there was any."""
        if not select.select([self.ours], [], [], patience_s)[0]:
            return False
        try:
            part = os.read(self.ours, 65_536)
        except OSError:  # on Linux, the other end is closed
            return False
        self.shown += part.decode().replace("\r\n", "\n")
        return bool(part)

    def leave(self, key: str) -> int:
        """Presses the key until the command ends, because Python's input() may miss the first one."""
        while self.process.poll() is None:
            os.write(self.ours, key.encode())
            while self.read(0.5):
                pass
        return self.end()

    def end(self) -> int:
        while self.read():
            pass
        return self.process.wait(20)


# Enables Ctrl-C in the command; it is ignored if tests run in the background. A process of its own does it:
# a `preexec_fn` would fork this one, and the threads of the Pulumi tests' gRPC would write to the terminal.
AS_A_SHELL_STARTS_IT = """
import os, signal, sys
os.close(os.open(os.ttyname(0), os.O_RDWR))
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


@contextmanager
def asked(folder: Path, *arguments: str) -> Iterator[Terminal]:
    folder.mkdir(parents=True, exist_ok=True)
    ours, theirs = pty.openpty()
    settings = termios.tcgetattr(theirs)
    settings[3] &= ~termios.ECHO
    termios.tcsetattr(theirs, termios.TCSANOW, settings)
    command = [sys.executable, "-c", AS_A_SHELL_STARTS_IT, "-m", "toril", "init", *arguments]
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, start_new_session=True
    ) as process:
        os.close(theirs)
        try:
            yield Terminal(process, ours)
        finally:
            process.kill()
            os.close(ours)


def test_answers_make_a_suite_and_a_wrong_answer_repeats_the_question(tmp_path):
    with asked(tmp_path) as terminal:
        terminal.answer(ADDRESS, "shop.example.com\n")
        terminal.answer(ADDRESS, "https://shop.example.com/ https://shop.example.com/cart\n")
        terminal.answer(RATE, "\n")
        terminal.answer("Virtual users [10]: ", "many\n")
        terminal.answer("Virtual users [10]: ", "20\n")
        terminal.answer("Ramp-up [5s]: ", "\n")
        terminal.answer("Hold for [25s]: ", "1m\n")
        terminal.answer(LIMITS, "p95\n")
        terminal.answer(LIMITS, "p95>300ms; fail>0%\n")
        terminal.answer(LOCATIONS, "madrid=2, sevilla\n")
        terminal.answer("Name of the suite [shop]: ", "\n")
        code = terminal.end()
    assert code == 0, terminal.shown
    for refusal in ("`shop.example.com`", "`many`", "`p95`"):
        assert terminal.shown.count(refusal) == 1
    (execution,) = written(tmp_path, "shop").executions
    assert (execution.concurrency, execution.hold_for_s) == (20, 60)
    assert execution.locations == {"madrid": 2, "sevilla": 1}
    assert execution.labels == ("/", "/cart")
    assert [one.source for one in written(tmp_path, "shop").criteria] == ["p95>300ms", "fail>0%"]
    assert (tmp_path / ".github/workflows/loadtest.yml").is_file()


def test_options_replace_questions(tmp_path):
    options = ("--users", "3", "--criterion", "fail>0%", "--locations", "here", "--name", "mine", "--no-workflow")
    with asked(tmp_path, *options, "--ramp-up", "0", "--hold-for", "2s") as terminal:
        terminal.answer(ADDRESS, "http://shop/\n")
        terminal.answer(RATE, "\n")
        code = terminal.end()
    assert code == 0, terminal.shown
    assert written(tmp_path, "mine").executions[0].concurrency == 3


def test_an_existing_workflow_is_refused_before_any_question(tmp_path):
    (tmp_path / ".github/workflows").mkdir(parents=True)
    (tmp_path / ".github/workflows/loadtest.yml").write_text("mine")
    with asked(tmp_path) as terminal:
        code = terminal.end()
    assert code == 2
    assert ".github/workflows/loadtest.yml" in terminal.shown
    assert "address" not in terminal.shown


def test_a_taken_name_repeats_the_question(tmp_path):
    (tmp_path / "loadtests/shop").mkdir(parents=True)
    (tmp_path / "loadtests/shop/suite.json").write_text("mine")
    with asked(tmp_path, "--users", "3", "--criterion", "fail>0%", "--locations", "here", "--ramp-up", "0") as terminal:
        terminal.answer(ADDRESS, "http://shop/\n")
        terminal.answer(RATE, "\n")
        terminal.answer("Hold for [25s]: ", "\n")
        terminal.answer("Name of the suite [shop]: ", "\n")
        terminal.answer("Name of the suite [shop]: ", "another\n")
        code = terminal.end()
    assert code == 0, terminal.shown
    assert terminal.shown.count("loadtests/shop/suite.json") == 1
    assert written(tmp_path, "another").executions[0].concurrency == 3


@pytest.mark.parametrize("key", [END_OF_INPUT, INTERRUPT])
def test_leaving_the_questions_writes_nothing(tmp_path, key):
    with asked(tmp_path) as terminal:
        terminal.answer(ADDRESS, "http://shop/\n")
        terminal.answer(RATE, "")
        code = terminal.leave(key)
    assert code == 130, terminal.shown
    assert terminal.shown.endswith("No files written.\n")
    assert tree(tmp_path) == {}
