"""`toril engines` lists every engine, and agrees with the checks of a suite and with the workers."""

import json

import pytest
from typer.testing import CliRunner

from toril import cli
from toril.engines.gatling.executor import Executor as Gatling
from toril.engines.jmeter.executor import Executor as JMeter
from toril.errors import SuiteError
from toril.suite import read_suite
from toril.suite.engines import ENGINES

KEYS = {"concurrency": 2, "throughput": 10, "iterations": 3}


def listed() -> dict[str, dict[str, object]]:
    done = CliRunner().invoke(cli.app, ["engines", "--format", "json"])
    assert done.exit_code == 0
    return {one["executor"]: one for one in json.loads(done.stdout)}


def test_the_command_lists_every_engine_in_both_formats():
    table = CliRunner().invoke(cli.app, ["engines"]).output

    assert list(listed()) == list(ENGINES)
    assert all(one["needs"] for one in listed().values())
    assert not [name for name in ENGINES if name not in table]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("executor", ["jmeter", "locust", "apiritif", "selenium", "playwright"])
def test_the_list_agrees_with_the_checks_of_a_suite(tmp_path, executor, key):
    load = {"hold-for": "5s", **({} if key == "concurrency" else {"concurrency": 1}), key: KEYS[key]}
    suite = {
        "execution": [{"executor": executor, "scenario": {"requests": ["http://127.0.0.1:1/"]}, **load}],
    }
    (tmp_path / "suite.json").write_text(json.dumps(suite))

    try:
        read_suite([tmp_path / "suite.json"])
    except SuiteError as error:
        assert (error.code, listed()[executor][key]) == ("ignored-load", False)
    else:
        assert listed()[executor][key] is True


def test_the_open_model_has_a_throughput_and_no_virtual_users():
    vegeta = listed()["vegeta"]

    assert vegeta["load_model"] == "open"
    assert [vegeta[key] for key in KEYS] == [False, True, False]


def test_the_resolutions_are_those_of_the_workers():
    assert ENGINES["jmeter"].resolution_us == JMeter.resolution_us
    assert ENGINES["gatling"].resolution_us == Gatling.resolution_us
