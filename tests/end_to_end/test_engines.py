"""Each engine through `toril run`: samples match responses however the run ends; own scripts and data."""

import json
import math
import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.running import alive, descendants, finish, intervals, run, running, until, worker_pids
from tests.outcomes import fails
from tests.targets import Target
from tests.targets import target as serving

ENGINES = ["jmeter", "locust", "apiritif"]
ANY_MACHINE = ("--fail-on", "failed")  # sums hold on a busy machine, too, whose generators are saturated
CTRL_C_LIMIT_S = 30.0  # on a machine that other tests keep busy; test_run.py checks the promised time
LABELS = {"home": 'home, "sweet" – é 🎉', "moved": "http://shop.test/moved?to=1,2", "slow": "slow", "page": "page"}

LOCUSTFILE = """
import csv, os
from locust import HttpUser, constant, task

with open("data/users.csv", newline="") as file:
    ROWS = [row["user"] for row in csv.DictReader(file)]
WHO = "/".join(os.environ["TORIL_" + name] for name in ("LOCATION", "WORKER_INDEX", "WORKER_COUNT"))

class Visitor(HttpUser):
    wait_time = constant(0.05)

    @task
    def sign_in(self):
        if ROWS:
            self.client.get(f"/in/{ROWS.pop()}/{WHO}", name="sign in", headers={"X-Token": os.environ["TOKEN"]})
"""


def written(folder: Path, suite: dict[str, Any], files: dict[str, str] | None = None) -> Path:
    """Writes the suite with its files; returns its folder."""
    for name, text in {"suite.yml": json.dumps(suite), **(files or {})}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def suite(engine: str, requests: list[Any], load: dict[str, Any], *criteria: str) -> dict[str, Any]:
    return {
        "execution": [{"executor": engine, "concurrency": 6, "scenario": "shop", **load}],
        "scenarios": {"shop": {"requests": requests}},
        "reporting": [{"module": "passfail", "criteria": list(criteria)}],
    }


def visits(engine: str, target: Target) -> list[dict[str, str]]:
    """Returns plain, redirected and slow requests of an engine, and for JMeter a page whose pictures it fetches."""
    paths = {"home": f"/home?{engine}", "moved": "/redirect/2", "slow": "/delay/0.3"}
    paths |= {"page": "/page/3"} if engine == "jmeter" else {}
    return [{"url": f"{target.url}{path}", "label": LABELS[name]} for name, path in paths.items()]


@pytest.mark.parametrize("load", [{"hold-for": "4s"}, pytest.param({"iterations": 4}, marks=pytest.mark.nightly)])
def test_samples_of_all_engines_side_by_side_match_the_responses(tmp_path: Path, load: dict[str, Any]) -> None:
    engines = ENGINES if "iterations" in load else [*ENGINES, "vegeta"]  # vegeta has a rate instead of iterations
    with serving(delay_s=0.01) as target:
        visited = {engine: visits(engine, target) for engine in engines}
        users = {engine: {"throughput": 40} if engine == "vegeta" else {"concurrency": 6} for engine in engines}
        side_by_side = {
            "execution": [{"executor": engine, "scenario": engine, **users[engine], **load} for engine in engines],
            "scenarios": {engine: {"requests": requests} for engine, requests in visited.items()},
            "reporting": [{"module": "passfail", "criteria": ["fail>0%"]}],
        }
        workers = "1" if "iterations" in load else "2"  # with slow responses in flight at the end of a hold
        folder = written(tmp_path / "shop", side_by_side)
        done = run(tmp_path / "store", folder, "--workers", workers, *ANY_MACHINE)
    assert done.code == 0, done.stdout + done.stderr
    summary = done.json("summary.json")
    assert summary["labels"][""]["samples"] == target.answered == target.started - target.hops - target.parts
    of_engine = {engine: summary["executions"][engine]["labels"] for engine in engines}
    for engine, labels in of_engine.items():
        sent, planned = labels.keys() - {""}, [request["label"] for request in visited[engine]]
        assert sent == set(planned[: len(sent)])  # in this order; on a busy machine the hold may end before any of them
        assert labels.get(LABELS["home"], {"samples": 0})["samples"] == target.paths[f"/home?{engine}"]
        if "iterations" in load:
            assert labels[""]["samples"] == 6 * 4 * len(planned) and len(sent) == len(planned)
    moved = [labels.get(LABELS["moved"], {"samples": 0}) for labels in of_engine.values()]
    assert target.hops == 2 * sum(figures["samples"] for figures in moved)
    assert target.parts == 3 * target.paths["/page/3"]


@pytest.mark.parametrize(
    ("engine", "name"), [pytest.param("jmeter", "SIGINT", marks=pytest.mark.nightly), ("apiritif", "SIGTERM")]
)
def test_an_interrupted_run_accounts_for_every_request(tmp_path: Path, engine: str, name: str) -> None:
    store = tmp_path / "store"
    with serving(delay_s=0.05) as target:
        requests = [f"{target.url}/home", f"{target.url}/delay/1", f"{target.url}/delay/20"]
        folder = written(tmp_path / "shop", suite(engine, requests, {"hold-for": "60s"}))
        with running(store, folder, "--workers", "2") as process:
            until(lambda: target.answered >= 12, "both requests of six users")
            family = descendants(process.pid)
            process.send_signal(getattr(signal, name))
            until(lambda: process.poll() is not None, "the end after a signal", CTRL_C_LIMIT_S)
            done = finish(process, store)
        answered = target.answered
    assert done.code == 130, done.stdout + done.stderr
    total = done.json("summary.json")["labels"][""]
    assert total["failures"] == 0  # requests that the end cut off are not failures
    assert total["samples"] <= answered <= total["samples"] + total["unfinished"]
    assert total["unfinished"] >= 6
    until(lambda: not alive(family), "no process left", 5)


@pytest.mark.nightly
@pytest.mark.parametrize("engine", ["jmeter", "apiritif"])
def test_a_killed_worker_ends_its_engine_and_the_rest_is_reported(tmp_path: Path, engine: str) -> None:
    store = tmp_path / "store"
    with serving(delay_s=0.05) as target:
        folder = written(tmp_path / "shop", suite(engine, [f"{target.url}/home"], {"hold-for": "60s"}))
        with running(store, folder, "--workers", "2") as process:
            until(lambda: len(intervals(store)) >= 4, "four interval files")
            family = descendants(process.pid)
            os.kill(worker_pids(store)["local-2"], signal.SIGKILL)
            done = finish(process, store)
    assert done.code == 3, done.stdout + done.stderr
    assert "lost-worker" in done.reasons()
    assert done.json("summary.json")["labels"][""]["samples"] > 0
    until(lambda: not alive(family), "no process left", 5)


@pytest.mark.solo
def test_engines_side_by_side_are_judged_separately_with_the_services_percentiles(tmp_path: Path) -> None:
    with serving() as target:
        kinds = [("locust", "fast", [100, 100, 100, 400]), ("apiritif", "slow", [600])]
        mixed = {
            "execution": [
                {"executor": engine, "concurrency": 4, "hold-for": "4s", "scenario": name, "criteria": ["p50>300ms"]}
                for engine, name, _ in kinds
            ],
            "scenarios": {
                name: {"requests": [{"url": f"{target.url}/delay/{ms / 1000}?{name}", "label": "it"} for ms in delays]}
                for _, name, delays in kinds
            },
        }
        done = run(tmp_path / "store", written(tmp_path / "mixed", mixed), "--workers", "2")
    assert fails(done.json("verdict.json")), done.stdout + done.stderr
    judged = {tuple(one["scope"]["executions"]): one["code"] for one in done.json("verdict.json")["criteria"]}
    assert judged[("slow",)] in ("breach", "excused-breach")
    assert judged[("fast",)] not in ("breach", "excused-breach")
    summary = done.json("summary.json")
    raw = sorted(
        float(path.split("?")[0].removeprefix("/delay/")) * 1e6
        for path, count in target.paths.items()
        for _ in range(count)
    )
    for name, q in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99)):
        served_us = raw[math.ceil(q * len(raw)) - 1]
        assert served_us <= summary["labels"][""]["response_us"][name] < served_us + 150_000  # a busy machine's delay
    assert summary["executions"]["fast"]["labels"]["it"]["samples"] == sum(
        count for path, count in target.paths.items() if path.endswith("?fast")
    )


@pytest.mark.nightly
def test_the_suites_own_script_has_its_worker_index_and_rows_from_any_folder(tmp_path: Path) -> None:
    names = [f"user {number}, {number % 7}" for number in range(31)]
    rows = "user\n" + "".join(f'"{name}"\n' for name in names)
    with serving() as target:
        own: dict[str, Any] = {
            "execution": [
                {
                    "executor": "locust",
                    "concurrency": "${USERS}",
                    "hold-for": "2s",
                    "scenario": "shop",
                    "locations": {"eu-west-1": 2, "us-east-1": 1},
                    "files": ["data/users.csv"],
                }
            ],
            "scenarios": {"shop": {"script": "locustfile.py", "default-address": "${SHOP}"}},
            "toril": {"workers": 3, "split-data": ["data/users.csv"]},
        }
        folder = written(tmp_path / "the shop ü", own, {"locustfile.py": LOCUSTFILE, "data/users.csv": rows})
        given = ["--env", f"SHOP={target.url}", "--env", "USERS=6", "--env", "TOKEN=a-secret"]
        done = run(tmp_path / "my runs", folder, *given, *ANY_MACHINE, folder=Path("/"))
    assert done.code == 0, done.stdout + done.stderr
    requested = [path.split("/") for path in target.paths.elements()]
    assert sorted(parts[2].replace("%20", " ") for parts in requested) == sorted(names)
    assert {"/".join(parts[3:]) for parts in requested} == {"eu-west-1/0/3", "eu-west-1/1/3", "us-east-1/2/3"}
    kept = [path for path in done.folder.rglob("*") if path.is_file() and b"a-secret" in path.read_bytes()]
    assert kept == []


@pytest.mark.solo
@pytest.mark.nightly
def test_a_throughput_is_kept_by_all_workers_together_and_each_row_is_used_once(tmp_path: Path) -> None:
    rows = [f"{number},x" for number in range(400)]
    with serving(delay_s=0.02) as target:
        limited = suite(
            "jmeter",
            [{"url": f"{target.url}/row/${{id}}?${{TORIL_WORKER_INDEX}}", "label": "row"}],
            {"concurrency": 30, "throughput": 40, "hold-for": "4s", "delay": "1s"},
        )
        limited["scenarios"]["shop"]["data-sources"] = ["rows.csv"]
        limited["toril"] = {"split-data": ["rows.csv"]}
        files = {"rows.csv": "id,name\n" + "\n".join(rows)}
        done = run(tmp_path / "store", written(tmp_path / "shop", limited, files), "--workers", "2", *ANY_MACHINE)
    assert done.code == 0, done.stdout + done.stderr
    summary = done.json("summary.json")
    assert summary["labels"][""]["samples"] == target.answered
    assert abs(summary["load"]["achieved"]["rps"] / 40 - 1) < 0.05
    assert summary["series"][0]["samples"] == 0
    used = Counter(path.partition("?")[0] for path in target.paths.elements())
    assert set(used.values()) == {1}
    assert {path.partition("?")[2] for path in target.paths} == {"0", "1"}
