"""Base and head under load in turns by real engines: the requests of each, and the comparison."""

import asyncio
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.running import Finished, toril
from tests.outcomes import fails, passes
from tests.targets import Target, opened
from toril.records import Plan, Start

LIMIT_S = 240
EARLY_S, LATE_S = 0.002, 0.02  # of a request against its turn; JMeter's clock has whole milliseconds
SLOW_S = 0.25  # of each response; more than a busy machine adds to both arms
WIDE = "100%"  # a margin above the noise of a busy machine
LOCUSTFILE = """
import os
from locust import FastHttpUser, task

class Visitor(FastHttpUser):
    host = os.environ["SHOP_URL"]

    @task
    def home(self):
        self.client.get(os.environ["SHOP_URL"] + "/home", name="home")
"""


class Service(Target):
    """A target that keeps the times of its requests."""

    def __init__(self, delay_s: float) -> None:
        super().__init__(delay_s, 200, b"all is well")
        self.times: list[float] = []

    async def answer(self, writer: asyncio.StreamWriter, method: str, path: str, sent: bytes) -> bool:
        self.times.append(time.time())
        return await super().answer(writer, method, path, sent)


def suite(folder: Path, engine: str, block: str = "1s", **scenario: Any) -> Path:
    """Writes a suite with four users or 60 requests a second, with a script if given."""
    load = {"throughput": 60} if engine == "vegeta" else {"concurrency": 4}
    (folder / "own.py").write_text(LOCUSTFILE)
    written = {"default-address": "${SHOP_URL}", "requests": [{"url": "/home", "label": "home"}], **scenario}
    if "script" in scenario:
        del written["requests"]
    content = {
        "execution": {"executor": engine, "hold-for": "8s", "scenario": "shop", **load},
        "scenarios": {"shop": written},
        "reporting": [{"module": "passfail", "criteria": ["p95 of home>30s", "fail>0%"]}],
        "toril": {"regression": {"block": block}},
    }
    path = folder / "suite.yml"
    path.write_text(json.dumps(content))
    return path


def duet(store: Path, path: Path, base: Target, head: Target, *options: str, blocks: int = 4) -> Finished:
    addresses = ("--base", base.url, "--head", head.url)
    command = toril("duet", path, *addresses, "--blocks", str(blocks), "--store", store, *options)
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode in (0, 1, 3), done.stdout + done.stderr
    return Finished(done.returncode, done.stdout, done.stderr, store)


@contextmanager
def two(base_s: float, head_s: float) -> Iterator[tuple[Service, Service]]:
    with opened(Service(base_s)) as base, opened(Service(head_s)) as head:
        yield base, head


def sums_are_right(done: Finished, base: Target, head: Target) -> None:
    """Check that each target's responses are its arm's samples, up to unfinished requests."""
    (left,) = (json.loads(path.read_text()) for path in done.folder.glob("workers/*/*/exit.json"))
    of_head = done.json("summary.json")["labels"][""]
    assert of_head["samples"] <= head.answered <= of_head["samples"] + of_head["unfinished"]
    of_base = left["samples"] - of_head["samples"]
    assert of_base <= base.answered <= of_base + left["unfinished"]


def requests_are_in_turns(done: Finished, base: Service, head: Service, late_s: float = LATE_S) -> None:
    """Check that each target got requests in the turns of its arm only, and in each of them."""
    plan = Plan.from_json((done.folder / "plan.json").read_bytes(), "plan.json")
    start = Start.from_json((done.folder / "start.json").read_bytes(), "start.json")
    assert plan.duet is not None and plan.duet.switched
    last_s = max(*base.times, *head.times) - start.at
    for arm, service in enumerate((base, head), 1):
        spans = [(turn.starts_s - EARLY_S, turn.ends_s + late_s) for turn in plan.duet.turns_of(arm)]
        times = [at - start.at for at in service.times]
        assert [at for at in times if not any(begin <= at <= end for begin, end in spans)] == []
        loaded = [(begin, end) for begin, end in spans if end <= last_s]  # a decision ends the load
        assert loaded and all(any(begin <= at <= end for at in times) for begin, end in loaded)


@pytest.fixture(scope="module")
def worse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Finished, Service, Service]]:
    """A duet with a slow head."""
    folder = tmp_path_factory.mktemp("worse")
    with two(0.01, SLOW_S) as (base, head):
        done = duet(folder / "store", suite(folder, "vegeta"), base, head, "--report", "junit")
        yield done, base, head


def is_proven_worse(done: Finished, base: Target) -> None:
    verdict = done.json("verdict.json")
    comparison = verdict["comparison"]
    assert comparison["outcome"] == "failed", comparison
    (metric,) = (one for one in comparison["metrics"] if one["label"] == "home")
    assert (metric["metric"], metric["outcome"]) == ("p95", "failed")
    assert fails(verdict), verdict["reasons"]
    assert done.code == (1 if verdict["outcome"] == "failed" else 3)
    assert "p95 of home" in done.stdout and base.url in done.stdout
    assert "p95 of home against base" in (done.folder / "report.xml").read_text()
    assert "Base and head" in (done.folder / "report.html").read_text()


def test_a_slow_head_is_proven_to_be_worse(worse: tuple[Finished, Service, Service]) -> None:
    done, base, head = worse
    sums_are_right(done, base, head)
    requests_are_in_turns(done, base, head, late_s=0.5)  # half of the time until the next turn: other tests are busy
    is_proven_worse(done, base)


@pytest.mark.nightly
@pytest.mark.solo
@pytest.mark.parametrize("engine", ["locust", "apiritif", "jmeter"])
def test_every_other_engine_proves_a_slow_head(tmp_path: Path, engine: str) -> None:
    with two(0.01, SLOW_S) as (base, head):
        done = duet(tmp_path / "store", suite(tmp_path, engine, block="2s"), base, head, "--report", "junit", blocks=6)
    sums_are_right(done, base, head)
    is_proven_worse(done, base)
    if engine != "apiritif":  # which starts for each turn
        requests_are_in_turns(done, base, head)


@pytest.mark.nightly
@pytest.mark.solo
@pytest.mark.parametrize(("engine", "requests"), [("locust", 8), ("jmeter", 7)])
def test_think_times_continue_in_the_next_turn(tmp_path: Path, engine: str, requests: int) -> None:
    """A user sends as many requests in five turns as in 6 s without turns. In JMeter, it thinks first."""
    visit = [{"url": "/home", "think-time": "700ms"}, {"url": "/cart", "think-time": "800ms"}]
    with two(0.01, 0.01) as (base, head):
        path = suite(tmp_path, engine, requests=[{"transaction": "visit", "do": visit}])
        done = duet(tmp_path / "store", path, base, head, "--margin", WIDE)
    sums_are_right(done, base, head)
    for service in (base, head):  # users of a JVM on a busy machine may begin late, and then send one less
        assert 4 * requests - 4 <= service.answered <= 4 * requests
    assert done.json("summary.json")["labels"]["visit"]["response_us"]["max"] < 2_000_000  # without the pauses in it


@pytest.mark.nightly
@pytest.mark.solo
def test_the_suites_own_script_loads_each_arms_address(tmp_path: Path) -> None:
    with two(0.01, 0.01) as (base, head):
        done = duet(tmp_path / "store", suite(tmp_path, "locust", script="own.py"), base, head, "--margin", WIDE)
    sums_are_right(done, base, head)
    requests_are_in_turns(done, base, head)
    assert base.answered > 100 and head.answered > 100


@pytest.mark.nightly
@pytest.mark.solo
def test_the_same_service_twice_is_never_worse_than_itself(tmp_path: Path) -> None:
    with opened(Service(0.01)) as one:
        done = duet(tmp_path / "store", suite(tmp_path, "locust"), one, one, "--margin", WIDE, blocks=6)
    verdict = done.json("verdict.json")
    assert verdict["comparison"]["outcome"] != "failed"
    assert passes(verdict), verdict["reasons"]


def test_a_stored_duet_is_judged_again_from_its_plan_and_intervals_alone(
    worse: tuple[Finished, Service, Service], tmp_path: Path
) -> None:
    shutil.copytree(worse[0].store, tmp_path / "store")
    done = replace(worse[0], store=tmp_path / "store")
    first = done.json("verdict.json")
    for name in ("verdict.json", "summary.json", "report.html"):
        (done.folder / name).unlink()
    for arguments in (("report", "latest", "--format", "json"), ("report", "latest", "--format", "html"), ("runs",)):
        again = subprocess.run(
            toril(*arguments, "--store", done.store), capture_output=True, text=True, timeout=60, check=True
        )
        assert again.stdout
    assert done.json("verdict.json") == first
