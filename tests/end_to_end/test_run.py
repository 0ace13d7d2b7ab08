"""`toril run` from suite to exit code, with real workers, real bzt and a real target."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.running import (
    LIMIT_S,
    Finished,
    alive,
    descendants,
    finish,
    intervals,
    run,
    running,
    suite_file,
    until,
    worker_pids,
)
from tests.outcomes import fails, passes
from tests.targets import target as serving

CTRL_C_LIMIT_S = 8.0  # 6 s are promised; the rest is for a slow machine


def test_every_response_is_a_sample_and_a_met_criterion_passes(passed: Finished) -> None:
    summary = passed.json("summary.json")
    assert summary["labels"][""]["samples"] == passed.answered > 0
    assert summary["labels"]["home page"]["samples"] == passed.answered
    counted = {key: summary["workers"][key] for key in ("planned", "reported", "lost", "damaged_files")}
    assert counted == {"planned": 2, "reported": 2, "lost": [], "damaged_files": []}
    assert passes(passed.json("verdict.json"))
    assert (passed.folder / "report.html").is_file()
    assert passed.json("verdict.json")["outcome"] in passed.stdout.lower()


def test_every_breach_is_reported_with_the_observed_value(tmp_path: Path) -> None:
    criteria = ["fail>0%", "p50 of home page>20ms", "avg-rt>30ms", "hits<1"]
    with serving(delay_s=0.05) as target:
        suite = suite_file(tmp_path, target.url, reporting=[{"module": "passfail", "criteria": criteria}])
        done = run(tmp_path / "store", suite, "--report", "json=/dev/full")  # it changes only exit code 0
    assert done.code in (1, 3), done.stdout + done.stderr
    assert fails(done.json("verdict.json"))
    assert "/dev/full: cannot write the report" in done.stderr
    page = Path(done.stderr.splitlines()[-1].removeprefix("report: "))
    assert page.read_bytes().startswith(b"<!doctype html>")
    results = {result["criterion"]: result for result in done.json("verdict.json")["criteria"]}
    assert [r["code"] in ("breach", "excused-breach") for r in results.values()] == [False, True, True, False]
    assert all(results[text]["observed"] >= 50_000 for text in criteria[1:3])


@pytest.mark.nightly
def test_files_of_a_project_replace_no_module_of_toril(tmp_path: Path) -> None:
    for name in ("yaml.py", "numpy.py", "toril.py"):
        (tmp_path / name).write_text("raise SystemExit('not this one')")
    with serving() as target:
        suite = suite_file(tmp_path, target.url, execution={"hold-for": "1s"})
        command = [str(Path(sys.executable).parent / "toril"), "run", str(suite), "--smoke", "--store", str(tmp_path)]
        command += ["--fail-on", "none"]  # a busy machine makes it inconclusive
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert target.answered > 0


def test_a_verdict_that_cannot_be_stored_is_printed_and_does_not_exit_0(tmp_path: Path) -> None:
    (tmp_path / "store" / "runs" / "kept" / "summary.json").mkdir(parents=True)  # where a file should be
    with serving() as target:
        options = ("--smoke", "--run-id", "kept", "--report", "json=/dev/full", "--fail-on", "none")
        done = run(tmp_path / "store", suite_file(tmp_path, target.url), *options)
    assert done.code == 4, done.stdout + done.stderr
    assert "run kept" in done.stdout
    assert "Traceback" not in done.stderr
    assert [line for line in done.stderr.splitlines() if "summary.json cannot be written" in line]
    assert [line for line in done.stderr.splitlines() if "/dev/full: cannot write the report" in line]
    assert done.stderr.splitlines()[-1].startswith("exit code 4")  # after a verdict that may have passed


@pytest.mark.nightly
def test_a_target_that_is_down_never_passes(tmp_path: Path) -> None:
    with serving() as target:
        url = target.url
    suite = suite_file(tmp_path, url, execution={"hold-for": None, "iterations": 5}, reporting=[])
    done = run(tmp_path / "store", suite)
    assert done.code == 3, done.stdout + done.stderr
    assert "no-success" in done.reasons()


@pytest.mark.nightly
def test_a_label_that_never_appears_is_inconclusive_and_an_outcome_left_out_of_fail_on_exits_0(tmp_path: Path) -> None:
    criteria = ["p95 of hoem page>5s"]
    with serving() as target:
        suite = suite_file(tmp_path, target.url, reporting=[{"module": "passfail", "criteria": criteria}])
        done = run(tmp_path / "store", suite, "--fail-on", "failed")
    assert done.code == 0, done.stdout + done.stderr
    assert done.json("verdict.json")["outcome"] == "inconclusive"
    assert "unknown-label" in done.reasons()
    assert "hoem page" in done.stdout


def test_a_killed_worker_makes_the_run_inconclusive_and_leaves_no_process(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with (
        serving() as target,
        running(store, suite_file(tmp_path, target.url, execution={"hold-for": "20s"}), "--workers", "2") as process,
    ):
        until(lambda: len(intervals(store)) >= 4, "four interval files")
        family = descendants(process.pid)
        os.kill(worker_pids(store)["local-1"], signal.SIGKILL)
        done = finish(process, store)
    assert done.code == 3, done.stdout + done.stderr
    summary = done.json("summary.json")
    assert summary["labels"][""]["samples"] > 0
    assert "local-1" in str(summary["workers"]["lost"])
    until(lambda: not alive(family), f"no process left of {family}", 5)


@pytest.mark.solo
def test_a_run_interrupted_twice_exits_130_soon_keeps_its_results_and_leaves_no_process(tmp_path: Path) -> None:
    store = tmp_path / "store"
    suite_changes: dict[str, Any] = {"hold-for": "60s"}
    with (
        serving(delay_s=0.2) as target,
        running(store, suite_file(tmp_path, target.url, execution=suite_changes), "--workers", "2") as process,
    ):
        until(lambda: len(intervals(store)) >= 4, "four interval files")
        family = descendants(process.pid)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        until(lambda: process.poll() is not None, "the end after a signal", CTRL_C_LIMIT_S)
        done = finish(process, store)
        answered = target.answered
    assert done.code == 130, done.stdout + done.stderr
    total = done.json("summary.json")["labels"][""]
    assert 0 < total["samples"] <= answered <= total["samples"] + total["unfinished"]
    assert done.json("verdict.json")["outcome"] == "inconclusive"
    until(lambda: not alive(family), f"no process left of {family}", 5)


@pytest.mark.nightly
def test_workers_and_engines_end_with_their_coordinator(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with (
        serving() as target,
        running(store, suite_file(tmp_path, target.url, execution={"hold-for": "60s"}), "--workers", "2") as process,
    ):
        until(lambda: len(intervals(store)) >= 2, "two interval files")
        family = descendants(process.pid)
        assert len(family) >= 4
        process.kill()
        process.communicate()
        until(lambda: not alive(family), "no process left", 10)


def test_a_worker_that_cannot_start_aborts_the_run_at_once_with_its_reason(tmp_path: Path) -> None:
    script = tmp_path / "locustfile.py"
    script.write_text("import a_module_that_does_not_exist\n")
    suite = suite_file(tmp_path, "http://127.0.0.1:9", scenarios={"home": {"script": "locustfile.py"}})
    done = run(tmp_path / "store", suite, "--workers", "2")
    assert done.code == 4, done.stdout + done.stderr
    assert "a_module_that_does_not_exist" in done.stderr
    assert "Traceback (most recent call last)" not in done.stderr.split("error:")[0]


def test_a_bad_suite_is_exit_2_and_starts_nothing(tmp_path: Path) -> None:
    suite = suite_file(tmp_path, "http://127.0.0.1:9", toril={"wokers": 2})
    done = run(tmp_path / "store", suite)
    assert done.code == 2
    assert "workers" in done.stderr
    assert not (tmp_path / "store").exists()
