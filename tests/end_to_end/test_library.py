"""The suites library: each example below loadtests/ runs as its README says, and measures what its service answered.

`make test` plans each, and runs one of each kind with `--smoke`; the nightly tier runs them all in full, two at a time.

A folder with a suite.yml is an example as soon as it is there. Its README has two commands: the service's, a line that
begins with `python loadtests/…`, and `toril run loadtests/…`. What the machine has to have beyond the project's own
environment stands in a line that begins with `Needs: `: programs between backticks.
"""

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.end_to_end.running import Finished, check_nothing_is_left_running, run
from tests.outcomes import crowded, passes
from toril.cli import app

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "loadtests"
EXAMPLES = sorted(path.parent.name for path in LIBRARY.glob("*/suite.yml"))
ADDRESS = "http://127.0.0.1:8080"  # of the shop in the READMEs
STAND_INS = {"k6": ROOT / "tests" / "engines" / "k6_stand_in.py"}  # for programs that this project may not have
LIMIT_S = 140  # a simulation in Scala is compiled first; twice it is less than a test's
SIDE_BY_SIDE = 2  # their load is small, and a falsified run reports that
SMOKED = ["functional", "k6", "locust-requests"]  # other tests of `make test` run the other engines
MOST_EXCUSED = 0.25  # share of the examples that may be inconclusive because of a busy machine
ONE_SAMPLE_A_REQUEST = {
    "locust",
    "jmeter",
    "apiritif",
    "toril",
    "k6",
    "gatling",
    "external-results-loader",  # the example's own tool writes a row for each
}  # others record page steps or test cases
Outcomes = dict[str, Future[Finished]]


def readme(name: str) -> str:
    return (LIBRARY / name / "README.md").read_text()


def command(name: str) -> list[str]:
    """Returns the arguments of `toril run` in its README."""
    lines = re.findall(rf"^\s*toril run (loadtests/{re.escape(name)}[ /].*)$", readme(name), re.MULTILINE)
    commands = [shlex.split(line, comments=True) for line in lines if "--on fargate" not in line]
    assert commands, f"loadtests/{name}/README.md has no line `toril run loadtests/{name} --env SHOP_URL={ADDRESS}`"
    return commands[0]


def missing(name: str) -> list[str]:
    lines = re.findall(r"^Needs: (.*)$", readme(name), re.MULTILINE)
    wanted = [program for line in lines for program in re.findall(r"`([^`]+)`", line)]
    return [program for program in wanted if not shutil.which(program) and program not in STAND_INS]


def stand_ins(name: str) -> list[str]:
    """Returns the options that replace a missing program by its stand-in."""
    programs = [program for program in STAND_INS if f"`{program}`" in readme(name) and not shutil.which(program)]
    return [word for program in programs for word in ("-o", f"modules.{program}.path={STAND_INS[program]}")]


@contextmanager
def open_service(name: str) -> Iterator["subprocess.Popen[str]"]:
    """Runs the example's service during the block; the first line of its output is its address."""
    started = re.search(r"^\s*python (loadtests/\S+)(.*) --port 8080", readme(name), re.MULTILINE)
    assert started, f"loadtests/{name}/README.md has no line that starts its service"
    with subprocess.Popen(
        [sys.executable, ROOT / started[1], *started[2].split(), "--until-stdin-closes"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as shop:  # fmt: skip
        yield shop


def once(name: str, store: Path, *options: str) -> Finished:
    """Runs the example's command; returns its results with the service's count of responses."""
    with open_service(name) as shop:
        assert shop.stdout is not None
        address = shop.stdout.readline().strip()
        words = [word.replace(ADDRESS, address) for word in command(name)]
        done = run(store, *words, *stand_ins(name), *options, folder=ROOT, limit_s=LIMIT_S)
        output, _ = shop.communicate(timeout=20)
    counted = re.search(r"^answered (\d+) requests", output, re.MULTILINE)
    assert counted, output
    return replace(done, answered=int(counted[1]))


def performed(name: str, folder: Path) -> Finished:
    """Runs the example, and once more if a busy machine falsified its times."""
    done = once(name, folder / name)
    return once(name, folder / f"{name}-again") if done.code == 3 and crowded(done.json("verdict.json")) else done


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcomes]:
    """Runs the selected examples, two at a time, in the order of the tests."""
    folder = tmp_path_factory.mktemp("library")
    items = [item for item in request.session.items if isinstance(item, pytest.Function)]
    selected = [item.callspec.params["name"] for item in items if {"outcomes", "name"} <= set(item.fixturenames)]
    pool = ThreadPoolExecutor(SIDE_BY_SIDE)
    yield {str(name): pool.submit(performed, str(name), folder) for name in selected if not missing(str(name))}
    pool.shutdown(cancel_futures=True)
    check_nothing_is_left_running()


def needed(name: str) -> None:
    if lacking := missing(name):
        pytest.skip(f"loadtests/{name} needs {', '.join(lacking)}, which this machine does not have")


def assert_measured(name: str, done: Finished) -> None:
    """Check that samples match the shop's responses, and that only a busy machine prevented a pass."""
    assert done.code in (0, 3) and passes(done.json("verdict.json")), done.stdout + done.stderr
    plan = done.json("plan.json")
    exits = [json.loads(path.read_text()) for path in done.folder.glob("workers/*/*/exit.json")]
    samples, unfinished = (sum(one[key] for one in exits) for key in ("samples", "unfinished"))
    assert samples > 0
    if {one["executor"] for one in plan["executions"]} <= ONE_SAMPLE_A_REQUEST:
        assert samples <= done.answered <= samples + unfinished


@pytest.mark.unit
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_planned_without_a_warning(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    done = CliRunner().invoke(app, ["plan", *command(name), *stand_ins(name), "--format", "json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["warnings"] == []


@pytest.mark.parametrize("name", SMOKED)
def test_an_example_runs_with_one_user_for_some_seconds(name: str, tmp_path: Path) -> None:
    needed(name)
    assert_measured(name, once(name, tmp_path / "store", "--smoke"))


@pytest.mark.nightly
@pytest.mark.solo
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs_as_in_its_readme_and_its_samples_match_the_responses(name: str, outcomes: Outcomes) -> None:
    needed(name)
    done = outcomes[name].result()
    assert_measured(name, done)
    assert done.json("plan.json")["warnings"] == []


@pytest.mark.nightly
@pytest.mark.solo
def test_few_examples_are_inconclusive_because_of_a_busy_machine(outcomes: Outcomes) -> None:
    excused = [name for name, done in outcomes.items() if done.result().code != 0]
    assert len(excused) <= MOST_EXCUSED * len(outcomes), excused


@pytest.mark.unit
@pytest.mark.parametrize("name", EXAMPLES)
def test_the_index_names_each_example(name: str) -> None:
    assert f"]({name}/README.md)" in (LIBRARY / "README.md").read_text()
