"""Runs in which only a check, a threshold or an own metric is wrong: none passes."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.running import Finished, run, suite_file
from tests.engines.contract import STAND_IN
from tests.outcomes import fails, passes
from tests.targets import target

LOCUST = """
from locust import FastHttpUser, constant, task
from toril import metrics

class Visitor(FastHttpUser):
    wait_time = constant(0.05)
    @task
    def visit(self):
        with metrics.tags(tenant="big"):
            self.client.get("/home")
        {measured}
"""
APIRITIF = """
import os, time, unittest
import apiritif
from toril import metrics

class TestVisit(unittest.TestCase):
    def test_visit(self):
        with metrics.tags(tenant="big"):
            apiritif.http.get(os.environ["TARGET"] + "/home")
        {measured}
        time.sleep(0.05)
"""
K6 = '// {first}\nconst items = new Trend("items"); const options = {{ thresholds: {{ {thresholds} }} }};\n'


def outcome(folder: Path, url: str, files: dict[str, str], executor: str, **toril: Any) -> Finished:
    """Returns the run of the one script in `files`, with one iteration each 50 ms for two seconds."""
    (name,) = files
    program = folder / "k6"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{STAND_IN}" "$@"\n')
    program.chmod(0o755)
    load = {"executor": executor, "scenario": "shop", "concurrency": 1, "hold-for": "2s"}
    suite = suite_file(
        folder,
        url,
        execution=load,
        scenarios={"shop": {"script": name, "default-address": url}},
        reporting=[{"module": "passfail", "criteria": ["fail>0%"]}],
        modules={"k6": {"path": str(program), "cmdline": f"-e URL={url}"}},
        settings={"env": {"TARGET": url}},
        toril=toril,
    )
    (folder / name).write_text(files[name])
    return run(folder / "store", suite)


def k6(thresholds: str = "", **first: Any) -> dict[str, str]:
    first = {"urls": ["/home"], "sleep_s": 0.05, "tags": {"tenant": "big"}, **first}
    return {"load.js": K6.format(first=json.dumps(first), thresholds=thresholds)}


CHECK, TREND = 'metrics.check("has total", False)', 'metrics.trend("items", 7)'
TRENDS = [["trend", "items", 7]]
LIMITS = ["metric-p50 of items>5"]
CASES: dict[str, tuple[str, dict[str, str], dict[str, Any], str]] = {
    "locust check": ("locust", {"locustfile.py": LOCUST.format(measured=CHECK)}, {}, "failed-checks"),
    "apiritif check": ("apiritif", {"test_shop.py": APIRITIF.format(measured=CHECK)}, {}, "failed-checks"),
    "k6 check": ("k6", k6(checks={"has total": False}), {}, "failed-checks"),
    "locust metric": ("locust", {"locustfile.py": LOCUST.format(measured=TREND)}, {"criteria": LIMITS}, "breach"),
    "apiritif tag": (
        "apiritif",
        {"test_shop.py": APIRITIF.format(measured="")},
        {"criteria": ["p50 of {tenant=big}>1ms"], "request-tags": ["tenant"]},
        "breach",
    ),
    "k6 threshold": ("k6", k6("items: ['med<5']", metrics=TRENDS, crossed="items"), {}, "breach"),
    "k6 threshold of a check": ("k6", k6("checks: ['rate>0.9']", checks={"has total": False}), {}, "breach"),
    "k6 kept threshold": ("k6", k6("vus: ['value>5']", crossed="vus"), {}, "script-failed"),
}


@pytest.mark.parametrize("case", [name for name in CASES if name.startswith("k6")] + ["locust check"])
def test_a_run_in_which_only_this_is_wrong_does_not_pass(case: str, tmp_path: Path):
    executor, files, toril, code = CASES[case]
    with target(delay_s=0.01) as service:
        done = outcome(tmp_path, service.url, files, executor, **toril)
    assert done.code in (1, 3)
    assert code in done.reasons() if code != "breach" else fails(done.json("verdict.json")), done.stdout
    assert done.json("summary.json")["labels"][""]["failures"] == 0


@pytest.mark.nightly
@pytest.mark.parametrize("case", [name for name in CASES if not name.startswith("k6") and name != "locust check"])
def test_another_run_in_which_only_this_is_wrong_does_not_pass(case: str, tmp_path: Path):
    test_a_run_in_which_only_this_is_wrong_does_not_pass(case, tmp_path)


def test_a_threshold_that_only_one_workers_part_crosses_is_judged_on_the_whole(tmp_path: Path):
    with target(delay_s=0.01) as service:
        files = k6(
            "items: ['med<9'], checks: ['rate>0.9']", metrics=TRENDS, checks={"has total": True}, crossed="items"
        )
        done = outcome(tmp_path, service.url, files, "k6")
    assert passes(done.json("verdict.json")), done.stdout
