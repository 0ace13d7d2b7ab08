"""Gatling in a suite: its scripts, and the rejection of keys that it ignores."""

from zipfile import ZipFile

import pytest

from tests.suite.reading import read, refuses
from toril.errors import SuiteError
from toril.plan import make_plan


def suite(**keys):
    return {
        "execution": [{"executor": "gatling", "scenario": {"requests": ["http://shop/"]}, "hold-for": "1m", **keys}]
    }


def test_gatling_is_a_tested_engine(tmp_path):
    assert read(tmp_path, suite(throughput=10)).warnings == ()
    assert read(tmp_path, suite(**{"ramp-up": "5s", "steps": 3})).executions[0].steps == 3


@pytest.mark.parametrize("name", ["Buying.scala", "Buying.java", "simulations.jar"])
def test_without_load_keys_a_simulation_runs_its_own_load(tmp_path, name):
    (tmp_path / name).write_text("class Buying extends Simulation\n")
    found = read(tmp_path, {"execution": [{"executor": "gatling", "scenario": {"script": name}}]})
    assert found.executions[0].concurrency is found.executions[0].iterations is None
    parts = [share.executions[0].segment for share in make_plan(found, run_id="r", workers=2).shares]
    assert [part.own for part in parts if part] == ["0:1/2", "1/2:1"]


@pytest.mark.parametrize("name", ["Meeting.scala", "meeting.jar"])
def test_workers_do_not_divide_users_who_wait_for_each_other(tmp_path, name):
    code = "class Meeting extends Simulation { scenario.rendezVous(10) }\n"
    (tmp_path / "Meeting.scala").write_text(code)
    with ZipFile(tmp_path / "meeting.jar", "w") as jar:
        jar.writestr("Meeting.class", code)
        jar.writestr("io/gatling/core/Predef.class", "rendezVous")
    found = read(tmp_path, {"execution": [{"executor": "gatling", "scenario": {"script": name}}]})
    assert make_plan(found, run_id="r", workers=1).shares
    with pytest.raises(SuiteError, match="rendezVous") as refusal:
        make_plan(found, run_id="r", workers=2)
    assert refusal.value.code == "undividable-load"


@pytest.mark.parametrize(
    ("keys", "refusal"),
    [
        ({"steps": 3}, ("ignored-load", "execution[0].steps", "ramp-up")),
        (
            {"scenario": {"script": "Flat.scala"}, "ramp-up": "5s", "steps": 3},
            ("ignored-load", "execution[0].steps", "simulation"),
        ),
        (
            {"scenario": {"requests": [{"transaction": "t", "do": ["/"]}]}},
            ("unsupported-key", "execution[0].scenario.requests[0].transaction"),
        ),
        (
            {"scenario": {"requests": [{"url": "/", "timeout": "1s"}]}},
            ("unsupported-key", "execution[0].scenario.requests[0].timeout"),
        ),
        (
            {"scenario": {"requests": [{"url": "/", "assert": ["a", {"subject": "headers", "contains": ["b"]}]}]}},
            ("unsupported-key", "execution[0].scenario.requests[0].assert[1].subject"),
        ),
        ({"scenario": {"script": "Buying.kt"}}, ("unsupported-script", "execution[0].scenario.script", "a jar")),
        ({"scenario": {"script": "buying.gatling.ts"}}, ("unsupported-script", "execution[0].scenario.script", "Java")),
    ],
)
def test_keys_that_gatling_ignores_are_rejected(tmp_path, keys, refusal):
    for name in ("Buying.kt", "buying.gatling.ts"):
        (tmp_path / name).write_text("class Buying\n")
    (tmp_path / "Flat.scala").write_text("class Flat extends Simulation {}\n")
    refuses(tmp_path, suite(**keys), *refusal)


@pytest.mark.parametrize(
    ("keys", "workers"),
    [
        ({"throughput": 1.5}, 1),
        ({"throughput": 1, "concurrency": 2}, 2),
        ({"throughput": 20, "ramp-up": "6s", "steps": 3}, 1),
        ({"throughput": 6, "concurrency": 2, "ramp-up": "6s", "steps": 2}, 2),
    ],
)
def test_gatling_has_whole_rates_on_each_worker_and_in_each_step(tmp_path, keys, workers):
    found = read(tmp_path, suite(**keys))
    with pytest.raises(SuiteError, match=r"execution\[0\]\.throughput") as refusal:
        make_plan(found, run_id="r", workers=workers)
    assert refusal.value.code == "not-a-number"


def test_a_simulation_divides_its_rate_itself(tmp_path):
    (tmp_path / "Own.scala").write_text('class Own extends Simulation { Integer.getInteger("steps") }\n')
    keys = {"scenario": {"script": "Own.scala"}, "throughput": 20, "ramp-up": "6s", "steps": 3}
    assert make_plan(read(tmp_path, suite(**keys)), run_id="r", workers=1).shares
