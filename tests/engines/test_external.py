"""Results of another tool under a real worker: a growing file, a recording, and a missing file."""

import sys
import time

import pytest

from tests.worker.driver import outcome, plan_of, planned, wait_until, workers

pytestmark = pytest.mark.live

HEADER = "timeStamp,elapsed,label,responseCode,responseMessage,success,bytes,allThreads,Latency\n"
LOADER = "external-results-loader"

TOOL = """
import time

with open("results.jtl", "w") as file:
    file.write({header!r})
    for number in range(40):
        now_ms = int(time.time() * 1000)

        rc, ok = (503, "false") if number % 4 == 0 else (200, "true")
        file.write(f"{{now_ms}},5,home,{{rc}},text,{{ok}},9,2,3\\n")
        file.flush()
        time.sleep(0.05)
"""


def external(**keys):
    """Returns a plan with one execution that reads results, with these keys."""
    return plan_of([planned(LOADER, LOADER)], {}, extra={"data-file": "results.jtl", "scenario": {}, **keys})


def row(at_s, elapsed_ms=5, label="home", *, ok=True):
    return f"{round(at_s * 1000)},{elapsed_ms},{label},{200 if ok else 503},text,{str(ok).lower()},9,2,3\n"


def test_a_file_that_grows_during_the_run_is_read_to_its_end_at_its_own_times(tmp_path):
    plan = external(**{"results-timeout": "1s"})
    shell = {
        "services": [{"module": "shellexec", "startup": [{"command": f"{sys.executable} tool.py", "background": True}]}]
    }
    plan = plan.model_copy(update={"common": {**plan.common, **shell}})
    tool = TOOL.format(header=HEADER).replace("import time\n", "import time\ntime.sleep(2)\n", 1)
    with workers(plan, tmp_path, {"tool.py": tool}) as run:
        run.launch()
        run.wait_ready()
        run.start(within_s=0.1)
        run.wait()
        found = run.outcome()
    assert found.exits[0].outcome == "finished", run.log()
    total = found.total()
    assert (total.samples, total.failures, found.samples) == (40, 10, 40)
    assert found.rcs() == {"200": 30, "503": 10}
    assert set(total.errors) == {("text", "503")}
    seconds = [second for second in found.timeline.select().seconds]
    assert 2 <= len(seconds) <= 5  # the tool writes for two seconds
    assert found.timeline.resolution_us == {LOADER: 1000}


@pytest.mark.parametrize("age_s", [30, 30 * 86_400, 9 * 365 * 86_400])
def test_results_that_are_older_than_the_run_are_refused(tmp_path, age_s):
    rows = "".join(row(time.time() - age_s + at_s) for at_s in range(5))
    found = outcome(external(), tmp_path, {"results.jtl": HEADER + rows})
    assert (found.exits[0].outcome, found.samples) == ("failed", 0)
    assert "`recorded: true`" in found.exits[0].message


@pytest.mark.nightly
def test_a_recording_is_moved_to_the_start_of_the_run(tmp_path):
    yesterday = time.time() - 86_400
    rows = "".join(row(yesterday + at_s, ok=at_s != 120) for at_s in (0.2, 0.4, 1.5, 1.6, 120))
    found = outcome(external(recorded=True), tmp_path, {"results.jtl": HEADER + rows})
    assert found.exits[0].outcome == "finished"
    assert (found.total().samples, found.total().failures, found.exits[0].unreadable_records) == (5, 1, 0)
    view = found.timeline.select()
    counts = {second: view.second(second).samples for second in view.seconds}
    assert counts == {0: 2, 1: 2, 119: 1}
    assert found.exits[0].first_sample_lateness_s == {LOADER: 0.0}


def test_unreadable_rows_are_counted(tmp_path):
    text = HEADER + row(time.time()) + "nonsense\n" + row(time.time()) + "1,2"
    found = outcome(external(recorded=True), tmp_path, {"results.jtl": text})
    assert (found.samples, found.exits[0].unreadable_records) == (2, 2)


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({}, "results.jtl did not appear within 1 s"),
        ({"results.jtl": ""}, "results.jtl had no complete line within 1 s"),
        ({"results.jtl": "hello\n"}, "begins with `hello`"),
    ],
)
def test_a_missing_or_empty_file_fails_the_worker_with_the_reason(tmp_path, files, why):
    found = outcome(external(**{"wait-for-file": "1s"}), tmp_path, files)
    assert found.exits[0].outcome == "failed"
    assert why in found.exits[0].message
    assert found.samples == 0


@pytest.mark.nightly
def test_the_newest_file_that_matches_a_pattern_is_read(tmp_path):
    files = {f"out/results-{number}.jtl": HEADER + row(time.time()) * number for number in (1, 3)}
    plan = external(**{"data-file": None, "data-file-pattern": "out/results-*.jtl", "recorded": True})
    found = outcome(plan, tmp_path, files)
    assert found.samples == 3


@pytest.mark.nightly
def test_a_stop_ends_the_reading_and_keeps_the_samples(tmp_path):
    plan = external(**{"results-timeout": "60s"})
    with workers(plan, tmp_path, {"results.jtl": HEADER + row(time.time() + 60)}) as run:
        run.launch()
        run.wait_ready()
        run.start(within_s=0.1)
        wait_until(run.recorded, run)
        run.stop()
        assert run.wait() == [0]
        found = run.outcome()
    assert (found.exits[0].outcome, found.samples) == ("stopped", 1)


@pytest.mark.nightly
def test_a_file_that_shrinks_fails_the_worker(tmp_path):
    file = tmp_path / "elsewhere.jtl"
    file.write_text(HEADER + row(time.time()) * 50)
    with workers(
        external(recorded=True, **{"data-file": str(file), "results-timeout": "60s"}), tmp_path / "run"
    ) as run:
        run.launch()
        run.wait_ready()
        run.start(within_s=0.1)
        wait_until(run.recorded, run)
        file.write_text(HEADER + row(time.time()))
        run.wait()
        found = run.outcome()
    assert found.exits[0].outcome == "failed"
    assert "shrank during the run" in found.exits[0].message
