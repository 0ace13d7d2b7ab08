"""Commands on running and stored runs: report, watch, stop, list, delete."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.end_to_end.running import LIMIT_S, Finished, finish, intervals, running, suite_file, toril, until
from tests.targets import target as serving
from toril.reports import EXPORTS, FORMATS


def command(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(toril(*arguments), capture_output=True, text=True, timeout=LIMIT_S, check=False)


@pytest.mark.parametrize(
    "name", ["json", "html", *(pytest.param(one, marks=pytest.mark.nightly) for one in ("terminal", "junit", "github"))]
)
def test_every_report_is_rebuilt_from_the_run_folder(passed: Finished, name: str) -> None:
    done = command("report", "latest", "--store", passed.store, "--format", name)
    assert done.returncode == 0, done.stderr
    assert "home page" in done.stdout


@pytest.mark.parametrize("name", EXPORTS)
def test_an_export_written_by_the_run_and_one_made_later_are_the_same(
    passed: Finished, tmp_path: Path, name: str
) -> None:
    out = tmp_path / "out"
    done = command("report", "latest", "--store", passed.store, "--format", name, "--out", out)
    assert done.returncode == 0, done.stderr
    assert out.read_bytes() == (passed.folder / f"report.{FORMATS[name].extension}").read_bytes()


def test_summary_and_verdict_are_the_same_when_recomputed_from_the_intervals(copied: Finished) -> None:
    before = [copied.json(name) for name in ("summary.json", "verdict.json")]
    for name in ("summary.json", "verdict.json"):
        (copied.folder / name).unlink()
    assert command("report", "latest", "--store", copied.store).returncode == 0
    assert [copied.json(name) for name in ("summary.json", "verdict.json")] == before


def test_runs_lists_the_run_with_its_outcome(passed: Finished) -> None:
    done = command("runs", "--store", passed.store)
    assert done.returncode == 0
    assert "passed" in done.stdout


def test_watching_a_finished_run_prints_its_verdict(passed: Finished) -> None:
    assert command("watch", "latest", "--store", passed.store, "--quiet").returncode == passed.code


def test_a_truncated_interval_file_is_named_and_makes_the_run_inconclusive(copied: Finished) -> None:
    first = intervals(copied.store)[0]
    first.write_bytes(first.read_bytes()[:-7])
    for name in ("summary.json", "verdict.json"):
        (copied.folder / name).unlink()
    done = command("report", "latest", "--store", copied.store, "--format", "json")
    assert done.returncode == 0, done.stderr
    verdict = copied.json("verdict.json")
    assert verdict["outcome"] == "inconclusive"
    assert first.name in json.dumps(verdict["reasons"])


@pytest.mark.nightly
def test_stop_ends_a_run_early_and_watch_sees_its_verdict(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with (
        serving() as target,
        running(store, suite_file(tmp_path, target.url, execution={"hold-for": "60s"})) as process,
    ):
        until(lambda: len(intervals(store)) >= 2, "two interval files")
        watcher = subprocess.Popen(toril("watch", "latest", "--store", store), text=True, stderr=-1, stdout=-1)
        try:
            stopped = command("stop", "latest", "--store", store)
            assert stopped.returncode == 0, stopped.stderr
            done = finish(process, store)
            assert done.code == 3, done.stdout + done.stderr
            assert watcher.wait(timeout=20) == 3
        finally:
            watcher.kill()
            watcher.communicate()
    assert done.json("summary.json")["labels"][""]["samples"] > 0
    assert command("stop", "latest", "--store", store).returncode == 2


def test_prune_deletes_only_old_runs(copied: Finished) -> None:
    assert "deleted 0" in command("runs", "--store", copied.store, "--prune", "1d").stderr
    assert "deleted 1" in command("runs", "--store", copied.store, "--prune", "0m").stderr
    assert not list((copied.store / "runs").iterdir())
