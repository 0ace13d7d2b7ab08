"""Rate changes while vegeta sends, by a person or by a search, as the target counts them."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.end_to_end.running import LIMIT_S, Finished, finish, run, running, toril, until
from tests.outcomes import passes
from tests.targets import target as serving

pytestmark = pytest.mark.solo
BEARS_RPS = 170


def suite_of(folder: Path, url: str, ours: dict, **execution) -> Path:
    suite = {
        "execution": [{"executor": "vegeta", "scenario": "shop"} | execution],
        "scenarios": {"shop": {"requests": [{"url": f"{url}/home", "label": "home"}]}},
        "toril": ours,
    }
    path = folder / "suite.json"
    path.write_text(json.dumps(suite))
    return path


def adjust(store: Path, *arguments: str) -> str:
    done = subprocess.run(
        toril("adjust", "latest", "--store", store, *arguments),
        capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("load", [{}, pytest.param({"executor": "toril", "concurrency": 8}, marks=pytest.mark.nightly)])
def test_a_running_load_continues_at_the_new_rate(tmp_path: Path, load: dict[str, str | int]) -> None:
    with serving() as target:
        suite = suite_of(
            tmp_path, target.url, {"criteria": ["load<95%"]}, **{"throughput": 100, "hold-for": "12s", **load}
        )
        with running(tmp_path / "store", suite, "--workers", "2") as process:
            until(lambda: target.answered > 100, "load")
            output = adjust(tmp_path / "store", "--rate", "x3")
            done = finish(process, tmp_path / "store")
    verdict, summary = done.json("verdict.json"), done.json("summary.json")
    assert passes(verdict), done.stdout + done.stderr
    at_s = int(re.search(r"at second (\d+) of the load", output)[1])  # type: ignore[index]
    due = 100 * at_s + 300 * (12 - at_s)
    assert target.answered == pytest.approx(due, abs=3)
    (note,) = verdict["notes"]
    assert f" changed the load of shop to 300/s at {at_s} s" in note
    assert summary["series"][at_s + 1]["planned_rps"] == 300
    assert f"to 300/s at {at_s} s" in " ".join(done.stdout.split())
    assert (done.folder / "rates" / "000001.json").is_file()


@pytest.mark.nightly
def test_a_search_finds_the_capacity_of_a_service(tmp_path: Path) -> None:
    """On a busy machine the search runs once more; if the machine stays busy, the run is inconclusive."""
    done = searched(tmp_path / "first")
    if limited_by(done) == "generators":
        done = searched(tmp_path / "second")
    if limited_by(done) == "generators":
        assert passes(done.json("verdict.json")), done.stdout
        return
    found = done.json("summary.json")["capacity"]["shop"]
    assert found["held_rps"] <= BEARS_RPS < found["breached_rps"] <= found["held_rps"] * 1.301, found
    assert found["limited_by"] == "p95>300ms"
    assert done.code == 0, done.stdout
    assert f"shop sustained {found['held_rps']:g}/s" in " ".join(done.stdout.split())


def limited_by(done: Finished) -> str:
    return str(done.json("summary.json")["capacity"]["shop"]["limited_by"])


def searched(folder: Path) -> Finished:
    folder.mkdir()
    search = {"from": 120, "to": 600, "until": ["p95>300ms", "fail>5%"], "step": "5s", "settle": "2s"}
    with serving(bears_rps=BEARS_RPS) as target:
        ours = {"capacity": {"shop": {**search, "precision": "30%"}}, "criteria": ["capacity of shop<140/s"]}
        return run(folder / "store", suite_of(folder, target.url, ours))
