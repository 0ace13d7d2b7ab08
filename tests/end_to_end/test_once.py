"""Setup and teardown of real runs: once, before and after the load of all workers, and never hidden."""

import json
import signal
from pathlib import Path

import pytest

from tests.end_to_end.running import Finished, finish, intervals, run, running, suite_file, until
from tests.engines.contract import STAND_IN
from tests.targets import target as serving

SCRIPT = """
import pathlib, time
SEEN = pathlib.Path({seen!r})

def setup():
    with SEEN.open("a") as file:
        print("setup", file=file)
    {setup}
    return {{"token": "tok-8d7f6a", "users.csv": [{{"user": f"user-{{number}}"}} for number in range(4)]}}

def teardown(given):
    with SEEN.open("a") as file:
        print("teardown", given.get("token"), file=file)
    {teardown}
"""


def suite(folder: Path, url: str, *, setup: str = "", teardown: str = "", hold: str = "2s") -> Path:
    (folder / "prepare.py").write_text(SCRIPT.format(seen=str(folder / "seen"), setup=setup, teardown=teardown))
    (folder / "users.csv").write_text("user\nnobody\n")
    request = {"url": f"{url}/home/${{user}}", "label": "home", "headers": {"Authorization": "Bearer ${token}"}}
    return suite_file(
        folder,
        url,
        execution={"executor": "apiritif", "concurrency": 2, "hold-for": hold},
        scenarios={"home": {"requests": [request], "data-sources": ["users.csv"], "think-time": "100ms"}},
        toril={"setup": {"script": "prepare.py", "time-limit": "20s"}, "teardown": "prepare.py", "workers": 2},
        reporting=[{"module": "passfail", "criteria": ["fail>0%"]}],
    )


def seen(folder: Path) -> list[str]:
    return (folder / "seen").read_text().splitlines()


def check_forgotten(done: Finished) -> None:
    assert not list(done.store.glob("given/*"))
    for path in done.store.rglob("*"):
        assert not path.is_file() or path.name == "prepare.py" or b"tok-8d7f6a" not in path.read_bytes(), path


def test_two_workers_load_with_what_one_of_them_prepared(tmp_path):
    with serving() as target:
        done = run(tmp_path / "store", suite(tmp_path, target.url))
    assert not {"setup-failed", "teardown-failed", "lost-worker"} & done.reasons(), done.stdout
    assert seen(tmp_path) == ["setup", "teardown tok-8d7f6a"]
    assert set(target.paths) == {f"/home/user-{number}" for number in range(4)}
    assert "Authorization: Bearer tok-8d7f6a" in target.headers
    check_forgotten(done)


def test_no_load_follows_a_failed_setup(tmp_path):
    with serving() as target:
        done = run(tmp_path / "store", suite(tmp_path, target.url, setup="raise SystemExit(0)"))
    assert (done.code, target.started) == (4, 0)
    assert "setup-failed" in done.reasons()
    assert seen(tmp_path) == ["setup", "teardown None"]


@pytest.mark.nightly
def test_a_failed_teardown_lets_no_run_pass(tmp_path):
    with serving() as target:
        done = run(tmp_path / "store", suite(tmp_path, target.url, teardown="1 / 0"))
    assert done.code == 3
    assert "teardown-failed" in done.reasons()
    check_forgotten(done)


@pytest.mark.parametrize("during", ["setup", pytest.param("load", marks=pytest.mark.nightly)])
def test_a_cancelled_run_is_torn_down(tmp_path, during):
    with serving() as target:
        written = suite(tmp_path, target.url, setup="time.sleep(60)" if during == "setup" else "", hold="30s")
        with running(tmp_path / "store", written) as process:
            begun = (
                (lambda: (tmp_path / "seen").exists()) if during == "setup" else (lambda: intervals(tmp_path / "store"))
            )
            until(begun, "the run has begun")
            process.send_signal(signal.SIGINT)
            done = finish(process, tmp_path / "store")
    assert seen(tmp_path) == ["setup", "teardown " + ("None" if during == "setup" else "tok-8d7f6a")]
    assert "teardown-failed" not in done.reasons(), done.stderr
    assert json.loads((done.folder / "stop.json").read_text())["cause"] == "signal"
    check_forgotten(done)


@pytest.mark.parametrize("executor", ["toril", pytest.param("apiritif", marks=pytest.mark.nightly)])
def test_each_row_is_used_once_and_a_lack_of_rows_is_no_pass(tmp_path, executor):
    (tmp_path / "users.csv").write_text("user\n" + "".join(f"user-{number}\n" for number in range(9)))
    with serving() as target:
        request = {"url": f"{target.url}/home/${{user}}", "label": "home"}
        written = suite_file(
            tmp_path,
            target.url,
            execution={"executor": executor, "concurrency": 4, "iterations": 3, "hold-for": 0},
            scenarios={"home": {"requests": [request], "data-sources": ["users.csv"]}},
            toril={"consume-once": ["users.csv"], "workers": 2},
            reporting=[{"module": "passfail", "criteria": ["fail>0%"]}],
        )
        done = run(tmp_path / "store", written)
    assert target.paths == {f"/home/user-{number}": 1 for number in range(9)}, done.stderr
    assert "ended-early" in done.reasons()
    assert "few-rows" in done.json("verdict.json")["note_codes"]
    assert "few-rows" in done.json("plan.json")["warning_codes"]


def k6_suite(folder: Path, url: str, **script: object) -> Path:
    """A k6 script with setup() and teardown(), for two workers and the stand-in for k6."""
    load = {"vus": 4, "iterations": 20, "sleep_s": 0.05, "urls": ["/home/${data}"], "setup": "/log-in", **script}
    (folder / "load.js").write_text(f"// {json.dumps(load)}\n")
    return suite_file(
        folder,
        url,
        execution={"executor": "k6", "concurrency": None, "hold-for": None},
        scenarios={"home": {"script": "load.js"}},
        settings={"env": {"URL": url}},
        modules={"k6": {"path": str(STAND_IN)}},
        toril={"workers": 2},
        reporting=[{"module": "passfail", "criteria": ["fail>0%"]}],
    )


def test_the_setup_of_a_k6_script_runs_once_and_all_workers_have_its_result(tmp_path):
    with serving() as target:
        done = run(tmp_path / "store", k6_suite(tmp_path, target.url))
    (token,) = {path.removeprefix("/home/") for path in target.paths if path.startswith("/home/")}
    assert target.paths == {"/log-in?": 1, f"/home/{token}": 20, f"/teardown/{token}": 1}, done.stderr
    assert "setup" not in done.json("summary.json")["labels"]
    assert not {"lost-worker", "missing-samples", "surplus-samples", "unreached-load"} & done.reasons()
    assert not list(done.store.glob("given/*"))


@pytest.mark.nightly
def test_a_failed_setup_of_a_k6_script_sends_no_load(tmp_path):
    with serving() as target:
        done = run(tmp_path / "store", k6_suite(tmp_path, target.url, setup_fails="TypeError: no shop"))
    assert (done.code, target.started) == (4, 0)
    assert "no shop" in done.stderr
