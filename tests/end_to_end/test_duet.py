"""Base and head loaded in turns by real engines: who got which requests, and what is made of them."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.running import Finished, toril
from tests.targets import Target
from tests.targets import target as serving

pytestmark = pytest.mark.slow

LIMIT_S = 240
WIDE = "100%"  # a margin that a busy machine's noise does not reach
LOCUSTFILE = """
import os
from locust import FastHttpUser, task

class Visitor(FastHttpUser):
    host = os.environ["SHOP_URL"]

    @task
    def home(self):
        self.client.get(os.environ["SHOP_URL"] + "/home", name="home")
"""


def suite(folder: Path, engine: str, **scenario: Any) -> Path:
    """Two seconds a block, four users; a script where one is given."""
    (folder / "own.py").write_text(LOCUSTFILE)
    content = {
        "execution": {"executor": engine, "concurrency": 4, "hold-for": "8s", "scenario": "shop"},
        "scenarios": {
            "shop": {
                "default-address": "${SHOP_URL}",
                **(scenario or {"requests": [{"url": "/home", "label": "home"}]}),
            }
        },
        "reporting": [{"module": "passfail", "criteria": ["p95 of home>30s", "fail>0%"]}],
        "toril": {"regression": {"block": "2s"}},
    }
    path = folder / "suite.yml"
    path.write_text(json.dumps(content))
    return path


def duet(store: Path, path: Path, base: Target, head: Target, *options: str) -> Finished:
    command = toril("duet", path, "--base", base.url, "--head", head.url, "--blocks", "4", "--store", store, *options)
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode in (0, 1, 3), done.stdout + done.stderr
    return Finished(done.returncode, done.stdout, done.stderr, store)


@contextmanager
def two(base_s: float, head_s: float) -> Iterator[tuple[Target, Target]]:
    with serving(delay_s=base_s) as base, serving(delay_s=head_s) as head:
        yield base, head


def sums_are_right(done: Finished, base: Target, head: Target) -> None:
    """Each target answered what its arm has, and no more than that and what was left unfinished."""
    (left,) = (json.loads(path.read_text()) for path in done.folder.glob("workers/*/*/exit.json"))
    of_head = done.json("summary.json")["labels"][""]
    assert of_head["samples"] <= head.answered <= of_head["samples"] + of_head["unfinished"]
    of_base = left["samples"] - of_head["samples"]
    assert of_base <= base.answered <= of_base + left["unfinished"]


@pytest.mark.parametrize("engine", ["locust", "apiritif", "jmeter"])
def test_a_head_six_times_as_slow_is_proven_to_be_worse(tmp_path: Path, engine: str) -> None:
    with two(0.01, 0.06) as (base, head):
        done = duet(tmp_path / "store", suite(tmp_path, engine), base, head, "--report", "junit")
    sums_are_right(done, base, head)
    verdict = done.json("verdict.json")
    comparison = verdict["comparison"]
    assert comparison["outcome"] == "failed", comparison
    (metric,) = (one for one in comparison["metrics"] if one["label"] == "home")
    assert (metric["metric"], metric["outcome"], metric["blocks"]) == ("p95", "failed", 4)
    # where other programs take the CPU nobody can vouch for times, and so for no regression
    assert (verdict["outcome"], done.code) == ("failed", 1) or "unsure-arms" in done.reasons()
    assert "p95 of home" in done.stdout and base.url in done.stdout
    assert "p95 of home against base" in (done.folder / "report.xml").read_text()
    assert "Base and head" in (done.folder / "report.html").read_text()


def test_the_same_service_twice_is_never_worse_than_itself(tmp_path: Path) -> None:
    with serving(delay_s=0.01) as one:
        done = duet(tmp_path / "store", suite(tmp_path, "locust"), one, one, "--margin", WIDE)
    assert done.json("verdict.json")["comparison"]["outcome"] != "failed" and done.code != 1


def test_a_script_of_ones_own_loads_each_arms_address(tmp_path: Path) -> None:
    with two(0.01, 0.01) as (base, head):
        done = duet(tmp_path / "store", suite(tmp_path, "locust", script="own.py"), base, head, "--margin", WIDE)
    sums_are_right(done, base, head)
    assert base.answered > 100 and head.answered > 100


def test_a_stored_duet_is_judged_again_from_its_plan_and_intervals_alone(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with two(0.01, 0.02) as (base, head):
        done = duet(store, suite(tmp_path, "locust"), base, head)
    first = done.json("verdict.json")
    for name in ("verdict.json", "summary.json", "report.html"):
        (done.folder / name).unlink()
    for arguments in (("report", "latest", "--format", "json"), ("report", "latest", "--format", "html"), ("runs",)):
        again = subprocess.run(
            toril(*arguments, "--store", store), capture_output=True, text=True, timeout=60, check=True
        )
        assert again.stdout
    assert done.json("verdict.json") == first
