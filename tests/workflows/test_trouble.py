"""Pull requests with inconclusive, invalid or cancelled suites fail with the reason and leave no processes."""

import psutil
import pytest

from tests.github.fake_api import GitHub, serving
from tests.workflows.acting import acting
from tests.workflows.repository import NUMBER
from tests.workflows.shop import SUITE, SUITE_FILE, assert_counted, runs, shop

pytestmark = pytest.mark.timeout(600)
WORKFLOW = "pull-request.yml"


@pytest.fixture
def stage(tmp_path):
    """Returns a pull request that adds the shop, without a base to compare with."""
    repository = shop(tmp_path / "repository", with_base=False)
    with (
        serving(GitHub(pulls={NUMBER: (f"acme:{repository.branch}", repository.head)})) as api,
        acting(tmp_path / "stage", repository, api=api) as found,
    ):
        yield found


def push(stage, files):
    stage.repository.amend(files)
    stage.api.pulls = {NUMBER: (f"acme:{stage.repository.branch}", stage.repository.head)}
    return stage.repository.pull_request()


@pytest.mark.nightly
def test_an_inconclusive_run_fails_the_build_with_its_reason(stage):
    event = push(stage, {SUITE_FILE: SUITE.replace("p95 of checkout", "p95 of chekcout")})
    done = stage.run("pull_request", event, WORKFLOW)
    assert done.code == 1
    assert done.jobs == {"suites": "success", "runner": "failure", "comment": "success", "gate": "failure"}, done.log
    found = runs(done)
    assert list(found) == ["run"]  # no base, no comparison
    assert "no base to compare with" in done.annotations("notice")[0]["message"]
    assert found["run"].verdict["outcome"] == "inconclusive"
    assert_counted(done)
    (summary,) = done.summaries
    (comment,) = stage.api.comments
    for text in (summary, comment["body"]):
        assert "shop: inconclusive" in text.splitlines()[0]
        assert "chekcout" in text


@pytest.mark.nightly
def test_an_invalid_suite_fails_the_build_with_its_place(stage):
    event = push(stage, {SUITE_FILE: SUITE.replace("concurrency: 12", "concurrency: many")})
    done = stage.run("pull_request", event, WORKFLOW)
    assert done.code == 1
    assert done.jobs["suites"] == done.jobs["gate"] == "failure", done.log
    assert "exit status 2" in done.log
    assert "execution[1].concurrency" in done.log
    assert stage.api.comments == []  # no run, no comment


@pytest.mark.nightly
def test_an_engine_that_cannot_start_fails_the_build_with_its_message(stage):
    event = push(stage, {"loadtests/shop/buy.py": "import a_module_that_nobody_has\n"})
    done = stage.run("pull_request", event, WORKFLOW)
    assert done.code == 1
    assert done.jobs["runner"] == done.jobs["gate"] == "failure", done.log
    assert "exit status 4" in done.log
    assert "could not start" in done.log and "a_module_that_nobody_has" in done.log
    assert_counted_nothing(done)
    (summary,) = done.summaries
    assert "shop: inconclusive — worker local-1 was lost" in summary.splitlines()[0]


def assert_counted_nothing(done):
    (log,) = done.scratch.glob("shop-head-*.log")
    assert "answered 0 requests" in log.read_text()


@pytest.mark.nightly
def test_a_cancelled_run_is_judged_and_leaves_no_processes(stage):
    event = push(stage, {SUITE_FILE: SUITE.replace("hold-for: 8s", "hold-for: 90s")})
    with stage.running("pull_request", event, WORKFLOW) as one:
        one.until("14/14 VUs, ")  # the load has started
        one.cancel()
        done = one.result()
        assert living(stage.folder) == []
    assert done.code == 1
    assert done.jobs["runner"] == done.jobs["gate"] == "failure", done.log
    assert done.steps("runner")["Run and judge the suite"] == "failure"
    assert {done.steps("runner")[name] for name in ("End the run", "Stop the shops", "Upload the runs")} == {"success"}
    found = runs(done)["run"]
    assert found.verdict["outcome"] == "inconclusive"
    assert found.json("stop.json")["cause"] == "signal"
    assert_counted(done)
    assert "shop: inconclusive" in done.summaries[0].splitlines()[0]
    assert stage.api.comments == []  # a cancelled run needs no comment


def living(folder):
    """Returns the running processes of jobs of this stage."""
    found = []
    for process in psutil.process_iter():
        try:
            if str(folder) in " ".join(process.cmdline()) or str(folder) in process.environ().get("TMPDIR", ""):
                found.append(process.cmdline())
        except psutil.Error:
            continue
    return [words for words in found if not words[0].endswith("/act")]
