"""docs/tutorials: the blocks of each page are executed, in order, in an empty folder on this machine."""

import json
import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from tests.authoring.calling import started
from tests.workflows.acting import acting
from tests.workflows.repository import Repository, project

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(sh service|sh|text|(?:python|json|yaml) [\w.-]+|yaml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = {name: (ROOT / f"docs/tutorials/{name}.md").read_text() for name in ("test-your-api", "gate-a-pull-request")}
PORT = "8080"  # on the pages; the test takes a free one
STATE = 'code=$?; { pwd; env -0; } > "$STATE"; exit $code'  # after each block, as a terminal keeps it
(ACTION,) = re.findall(r"--action (\S+)@", PAGES["gate-a-pull-request"])


@dataclass
class Reader:
    """A reader with two terminals, who copies each block of a page."""

    folder: Path
    port: str
    environment: dict[str, str]
    workflow: str = ""
    output: str = ""
    service: ExitStack = field(default_factory=ExitStack)

    def copy(self, kind: str, text: str) -> None:
        text = text.replace(PORT, self.port)
        language, _, name = kind.partition(" ")
        if kind == "text":
            missing = [line for line in text.splitlines() if not shows(line, self.output)]
            assert not missing, f"{missing}\n{self.output}"
        elif kind == "sh service":
            self.service.close()
            self.service.enter_context(serving(text, self.folder, self.environment))
        elif language == "yaml":  # steps of the workflow, before the one that uses toril
            path = self.folder / ".github/workflows/loadtest.yml"
            path.write_text(path.read_text().replace(f"    - uses: {ACTION}@", f"{text}    - uses: {ACTION}@"))
        elif name:
            (self.folder / name).write_text(text)
        else:
            self.output = self.shell(text)

    def shell(self, command: str) -> str:
        state = Path(self.environment["STATE"])
        done = subprocess.run(
            ["bash", "-c", f"{command}\n{STATE}"],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        folder, _, variables = state.read_text().partition("\n")
        self.folder = Path(folder)
        self.environment = dict(pair.split("=", 1) for pair in variables.split("\0") if pair)
        return done.stdout


@contextmanager
def serving(command: str, folder: Path, environment: dict[str, str]) -> Iterator[None]:
    """Runs the command in the background, from its first line on to the end of the block."""
    process = subprocess.Popen(shlex.split(command), cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        yield
    finally:
        process.terminate()
        process.communicate(timeout=10)


def shows(line: str, output: str) -> bool:
    """Whether the output has the line; on a busy machine a run that should pass may prove nothing."""
    lines = ("exit code: 0", "exit code: 3") if line == "exit code: 0" else (line,)
    return any(" ".join(one.split()) in " ".join(output.split()) for one in lines)


@contextmanager
def read(page: str, folder: Path) -> Iterator[Reader]:
    """Yields a reader who has followed the page to its end, and whose service still runs."""
    (folder / "toril").symlink_to(ROOT)
    people = {f"GIT_{role}_{key}": "me@example.com" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")}
    environment = {
        **os.environ,
        **people,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "120",
        "STATE": str(folder / "state"),
    }
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])
    reader = Reader(folder, port, environment)
    with reader.service:
        for kind, text in BLOCK.findall(PAGES[page]):
            reader.copy(kind, text)
        yield reader


@pytest.mark.nightly
@pytest.mark.parametrize("page", PAGES)
def test_the_blocks_do_what_the_page_shows(page, tmp_path):
    with read(page, tmp_path):
        pass


@pytest.mark.parametrize("page", PAGES)
def test_every_kind_of_block_is_found(page):
    kinds = re.findall(r"^```(?!console$)(\w.*)$", PAGES[page], re.MULTILINE)
    assert kinds == [kind for kind, _ in BLOCK.findall(PAGES[page])]
    assert len(kinds) > 12


def test_the_required_check_is_the_job_of_the_written_workflow(tmp_path):
    found = re.search(r"<<'END'\n(.*?)^END$", PAGES["gate-a-pull-request"], re.MULTILINE | re.DOTALL)
    assert found
    (rule,) = json.loads(found[1])["rules"]
    started(tmp_path, "--url", "http://shop/")
    jobs = yaml.safe_load((tmp_path / ".github/workflows/loadtest.yml").read_text())["jobs"]
    assert [check["context"] for check in rule["parameters"]["required_status_checks"]] == [
        job["name"] for job in jobs.values()
    ]


@pytest.mark.nightly
@pytest.mark.timeout(900)
def test_the_pull_request_of_the_page_is_red_on_a_runner_and_green_after_the_revert(tmp_path):
    toril = project(tmp_path / "copy", name=ACTION)
    with read("gate-a-pull-request", tmp_path) as reader:
        pass
    shop = Repository(folder=reader.folder, name="YOUR_ORG/shop", branch="bad-change")
    shop.base, shop.head = shop.git("rev-parse", "main"), shop.git("rev-parse", "HEAD~1")
    with acting(tmp_path / "stage", shop, others={ACTION: toril.folder}) as stage:
        shop.git("checkout", "--quiet", "HEAD~1")
        red = stage.run("pull_request", shop.pull_request(), "loadtest.yml")
        shop.git("checkout", "--quiet", "bad-change")
        green = stage.run("pull_request", shop.pull_request(), "loadtest.yml")
    assert red.jobs == {"load-test": "failure"}, red.log
    assert "failed" in red.summaries[0].lower()
    assert any("fail>1%" in annotation["message"] for annotation in red.annotations())
    assert green.code == 0 or "inconclusive" in green.summaries[0].lower(), green.log
