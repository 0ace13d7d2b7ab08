"""`executor: toril`: which suites the engine of toril accepts, and for which executions it replaces the executor."""

import pytest

from tests.suite.reading import read, refuses

JOURNEY = [
    {"url": "http://shop/login", "method": "POST", "body": {"name": "${user}"}, "think-time": "uniform(1s, 500ms)"},
    {"url": "http://shop/list", "extract-jsonpath": {"id": "$.id"}, "assert": ["items"], "timeout": "2s"},
    {"transaction": "buy", "do": [{"if": '"${id}" != ""', "then": ["http://shop/${id}"]}]},
    {"action": "pause", "pause-duration": "1s"},
]


def suite(toril=None, **more):
    shop = {"scenario": "shop", "executor": "apiritif", "concurrency": 2, "hold-for": "1m", **more}
    scenarios = {"shop": {"requests": JOURNEY, "variables": {"user": "ann"}, "store-cookie": True}}
    return {"execution": [shop], "scenarios": scenarios, "toril": toril or {}}


def executors(folder, document):
    return [execution.executor for execution in read(folder, document).executions]


def test_a_journey_runs_on_the_engine_of_toril(tmp_path):
    (execution,) = read(tmp_path, suite(executor="toril")).executions
    assert (execution.executor, execution.concurrency, execution.labels[-2:]) == (
        "toril",
        2,
        ("buy", "http://shop/${id}"),
    )


def test_the_setting_replaces_the_executor_of_executions_with_requests(tmp_path):
    document = suite({"executor": "toril"}, executor="jmeter")
    (tmp_path / "load.py").write_text("")
    document["execution"].append({"scenario": {"script": "load.py"}, "executor": "locust", "hold-for": "1m"})
    assert executors(tmp_path, document) == ["toril", "locust"]


def test_the_setting_may_name_executions(tmp_path):
    document = suite({"executor": {"shop#2": "toril"}}, executor="jmeter")
    document["execution"].append(document["execution"][0])
    assert executors(tmp_path, document) == ["jmeter", "toril"]


@pytest.mark.parametrize(
    ("setting", "code", "path"),
    [
        ({"shpo": "toril"}, "unknown-execution", "toril.executor.shpo"),
        ({"shop": "torl"}, "unknown-executor", "toril.executor.shop"),
        ("ab", "refused-executor", "toril.executor"),
        (7, "not-a-text", "toril.executor"),
    ],
)
def test_a_wrong_setting_is_rejected(tmp_path, setting, code, path):
    refuses(tmp_path, suite({"executor": setting}, executor="jmeter"), code, path)


@pytest.mark.parametrize(
    ("request_", "code", "path", "fix"),
    [
        ({"url": "http://shop/", "jsr223": "x"}, "unsupported-key", "requests[0].jsr223", "executor: jmeter"),
        ({"url": "/"}, "not-an-address", "requests[0].url", "default-address"),
        ({"url": "http://shop/", "asert": ["x"]}, "unknown-key", "requests[0].asert", "assert"),
        ({"url": "http://shop/", "think-time": "long"}, "not-a-duration", "requests[0].think-time", "30s"),
    ],
)
def test_what_the_engine_cannot_do_is_rejected(tmp_path, request_, code, path, fix):
    document = suite(executor="toril")
    document["scenarios"]["shop"]["requests"] = [request_]
    refuses(tmp_path, document, code, path, fix)
