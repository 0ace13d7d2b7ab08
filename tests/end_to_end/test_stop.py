"""A `stop` criterion is judged on the merged samples, and ends the load in every location."""

import json
import os
import signal
from pathlib import Path

import pytest

from tests.end_to_end.running import finish, run, running, suite_file, until, worker_pids
from tests.outcomes import fails, passes
from tests.targets import target as serving

PROMISED_S = 10.0  # from the breach to the end of the load, in every location
LOCUSTFILE = """
import os
import time

from locust import FastHttpUser, constant_throughput, task

BROKEN = os.environ["TORIL_LOCATION"] == "sevilla"


class Visitor(FastHttpUser):
    wait_time = constant_throughput(5)

    def on_start(self):
        self.began = time.monotonic()

    @task
    def look(self):
        broken = BROKEN and time.monotonic() - self.began > 4
        self.client.get("/status/503" if broken else "/", name="page")
"""


@pytest.mark.parametrize(
    ("criteria", "ours", "observed"),
    [
        (
            ["fail of page>60% for 3s in madrid", "fail of page>30% for 3s, stop as failed"],
            [],
            (30, 60),
        ),  # merged: half
        pytest.param(["fail of page>60% for 3s in sevilla, stop as failed"], [], (60, 100), marks=pytest.mark.nightly),
        pytest.param(
            ["fail>99% for 3s"],
            ["fail of page>60% for 3s in sevilla, stop as non-failed"],
            (60, 100),
            marks=pytest.mark.nightly,
        ),
    ],
)
def test_a_breach_in_one_location_ends_the_load_in_all(tmp_path: Path, criteria, ours, observed) -> None:
    (tmp_path / "locustfile.py").write_text(LOCUSTFILE)
    with serving() as target:
        suite = suite_file(
            tmp_path,
            target.url,
            execution={"concurrency": 4, "hold-for": "60s", "locations": {"madrid": 1, "sevilla": 1}},
            scenarios={"home": {"script": "locustfile.py", "default-address": target.url}},
            reporting=[{"module": "passfail", "criteria": criteria}],
            toril={"criteria": ours, "graceful-stop": "1s"},
        )
        done = run(tmp_path / "store", suite)
    verdict, summary = done.json("verdict.json"), done.json("summary.json")
    assert (passes if ours else fails)(verdict), done.stdout + done.stderr
    (breach,) = [one for one in verdict["criteria"] if one["outcome"] in ("failed", "triggered")]
    lowest, highest = observed  # users break one after another: the first seconds have some successes
    assert lowest < breach["observed"] <= highest
    began, stopped = done.json("start.json")["at"], done.json("stop.json")
    breached_at = began + breach["at_s"] + 1
    assert stopped["cause"] == "criterion"
    assert 0 <= stopped["at"] - breached_at <= PROMISED_S
    exits = [json.loads(path.read_text()) for path in done.folder.glob("workers/*/*/exit.json")]
    assert sorted(one["worker"] for one in exits) == ["madrid-1", "sevilla-1"]
    assert {one["outcome"] for one in exits} == {"stopped"}
    assert all(began + one["last_sample_s"] - breached_at <= PROMISED_S for one in exits)
    assert {name: len(place["labels"]) > 0 for name, place in summary["locations"].items()} == {
        "madrid": True,
        "sevilla": True,
    }


@pytest.mark.nightly
def test_a_stuck_worker_does_not_delay_a_stop_that_holds_without_it(tmp_path: Path) -> None:
    (tmp_path / "locustfile.py").write_text(LOCUSTFILE)
    with serving() as target:
        suite = suite_file(
            tmp_path,
            target.url,
            execution={"concurrency": 4, "hold-for": "60s", "locations": {"madrid": 1, "sevilla": 1}},
            scenarios={"home": {"script": "locustfile.py", "default-address": target.url}},
            reporting=[{"module": "passfail", "criteria": ["fail of page>30% for 3s, stop as failed"]}],
            toril={"graceful-stop": "1s"},
        )
        with running(tmp_path / "store", suite) as process:
            until(lambda: target.answered > 8, "the load")
            os.kill(worker_pids(tmp_path / "store")["madrid-1"], signal.SIGSTOP)
            done = finish(process, tmp_path / "store")
    (breach,) = done.json("verdict.json")["criteria"]
    breached_at = done.json("start.json")["at"] + breach["at_s"] + 1
    assert (done.code, breach["outcome"]) == (1, "failed"), done.stdout + done.stderr
    assert 0 <= done.json("stop.json")["at"] - breached_at <= PROMISED_S
