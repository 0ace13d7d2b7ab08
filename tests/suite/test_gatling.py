"""Gatling in a suite: what its scripts are, and what it would ignore."""

import pytest

from tests.suite.reading import read, refusal


def suite(**keys):
    return {
        "execution": [{"executor": "gatling", "scenario": {"requests": ["http://shop/"]}, "hold-for": "1m", **keys}]
    }


def test_it_is_proved(tmp_path):
    assert read(tmp_path, suite(throughput=10)).warnings == ()


@pytest.mark.parametrize("name", ["Buying.scala", "simulations.jar"])
def test_without_load_keys_a_simulation_runs_its_own_load(tmp_path, name):
    (tmp_path / name).write_text("class Buying extends Simulation\n")
    found = read(tmp_path, {"execution": [{"executor": "gatling", "scenario": {"script": name}}]})
    assert found.executions[0].concurrency is found.executions[0].iterations is None


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"ramp-up": "5s", "steps": 3}, "steps is set, which Gatling ignores"),
        ({"throughput": 1.5}, "no whole number, and Gatling keeps no other"),
        (
            {"scenario": {"requests": [{"transaction": "t", "do": ["/"]}]}},
            "which Gatling's generated script does not have",
        ),
        ({"scenario": {"requests": [{"url": "/", "timeout": "1s"}]}}, "which Gatling's generated script does not have"),
        ({"scenario": {"script": "Buying.java"}}, "`Buying.java`, which Gatling cannot run"),
    ],
)
def test_what_it_would_ignore_is_refused(tmp_path, keys, says):
    (tmp_path / "Buying.java").write_text("class Buying {}\n")
    assert says in refusal(tmp_path, suite(**keys))
