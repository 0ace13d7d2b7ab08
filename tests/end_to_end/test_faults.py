"""Faults of local runs, from the suite to the report: by hooks, on the load's clock, with an end in every case."""

import signal
from pathlib import Path

import pytest

from tests.end_to_end.running import run, running, suite_file, until
from tests.targets import target as serving


def suite(folder: Path, url: str, *, fails: str = "", for_s: int = 2, hold_s: int = 6) -> Path:
    hook = folder / "break.sh"
    hook.write_text(f'#!/bin/sh\necho "$@" >> {folder}/seen\n{fails}\n')
    hook.chmod(0o755)
    return suite_file(
        folder,
        url,
        execution={"executor": "apiritif", "concurrency": 1, "hold-for": f"{hold_s}s"},
        scenarios={"home": {"requests": [{"url": f"{url}/home", "label": "home"}], "think-time": "50ms"}},
        reporting=[],
        toril={
            "faults": [{"at": "2s", "for": f"{for_s}s", "hook": "./break.sh"}],
            "criteria": ["fail>0% before fault-1", "succ of home>0% during fault-1", "fail>0% after fault-1"],
        },
    )


def seen(folder: Path) -> list[str]:
    return (folder / "seen").read_text().split()


@pytest.mark.live
def test_a_hook_breaks_the_service_in_the_middle_of_the_load(tmp_path):
    with serving() as target:
        done = run(tmp_path / "store", suite(tmp_path, target.url))
    assert done.code == 1, done.stdout + done.stderr
    assert seen(tmp_path) == ["start", "stop"]
    assert [criterion["outcome"] for criterion in done.json("verdict.json")["criteria"]] == [
        "passed",
        "failed",
        "passed",
    ]
    (fault,) = done.json("summary.json")["faults"]
    assert 2 <= fault["from_s"] < 3 and 4 <= fault["to_s"] < 5.5
    assert list(fault["figures"]) == ["before", "during", "after"]
    assert "fault-1" in (done.folder / "report.html").read_text()


@pytest.mark.live
def test_a_fault_that_fails_makes_the_run_inconclusive(tmp_path):
    with serving() as target:
        done = run(tmp_path / "store", suite(tmp_path, target.url, fails="exit 9"))
    assert "fault-failed" in done.reasons()


@pytest.mark.live
@pytest.mark.parametrize("sent", [pytest.param(signal.SIGTERM, marks=pytest.mark.nightly), signal.SIGKILL])
def test_a_fault_ends_with_the_command(tmp_path, sent):
    with serving() as target, running(tmp_path / "store", suite(tmp_path, target.url, for_s=50, hold_s=60)) as process:
        until((tmp_path / "seen").is_file, "the begin of the fault")
        process.send_signal(sent)
        process.communicate(timeout=30)
    until(lambda: seen(tmp_path) == ["start", "stop"], "the end of the fault")
