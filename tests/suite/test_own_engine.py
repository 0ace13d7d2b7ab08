"""`executor: toril`: which suites the engine of toril accepts, and for which executions it replaces the executor."""

import re

import pytest

from tests.suite.reading import read, refuses
from toril.programs import ENGINE_SOURCES
from toril.suite.journeys import FUNCTIONS

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
    pages = {"scenario": {"requests": ["http://shop/"]}, "executor": "playwright", "hold-for": "1m"}
    document["execution"].append(pages)
    assert executors(tmp_path, document) == ["toril", "locust", "playwright"]
    functional = {**suite({"executor": "toril"}, executor="jmeter", concurrency=1, iterations=1)}
    functional["execution"][0].pop("hold-for")
    functional["settings"] = {"aggregator": "functional-consolidator"}
    assert executors(tmp_path, functional) == ["jmeter"]


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


@pytest.mark.parametrize(
    ("request_", "code", "path"),
    [
        ({"url": "/${__Randm(1,2)}"}, "unsupported-function", "requests[0]"),
        ({"url": "/", "body": "${__groovy(1)}"}, "unsupported-function", "requests[0]"),
        ({"set-variables": {"a": "${__jexl3(1)}"}}, "unsupported-function", "requests[0].set-variables"),
        ({"url": "/", "extract-regexp": {"a": {"regexp": "a", "scope": "children"}}}, "unknown-value", "a.scope"),
        ({"url": "/", "extract-jsonpath": {"a": {"match-no": 1}}}, "missing-key", "a.jsonpath"),
        ({"url": "/", "extract-xpath": {"a": {"xpath": "//a", "match-no": "one"}}}, "not-a-number", "a.match-no"),
        ({"url": "/", "assert": [{"contains": ["a"], "subject": "title"}]}, "unknown-value", "assert[0].subject"),
        ({"url": "/", "assert": "text"}, "not-a-list", "requests[0].assert"),
        ({"url": "/", "assert-jsonpath": [{"expected-value": 1}]}, "missing-key", "assert-jsonpath[0].jsonpath"),
        ({"url": "/", "assert-xpath": "//a"}, "not-a-list", "requests[0].assert-xpath"),
        ({"url": "/", "think-time": "uniform(a, b)"}, "not-a-duration", "requests[0].think-time"),
        ({"foreach": "items", "do": ["/"]}, "unknown-value", "requests[0].foreach"),
        ({"loop": "often", "do": ["/"]}, "not-a-number", "requests[0].loop"),
        ({"action": "jump"}, "unknown-value", "requests[0].action"),
        ({"action": "stop", "target": "me"}, "unknown-value", "requests[0].target"),
        ({"action": "pause", "pause-duration": "5x"}, "not-a-duration", "requests[0].pause-duration"),
        ({"url": "/", "extract-regexp": {"a": {"regexp": "a", "subject": ["body"]}}}, "unknown-value", "a.subject"),
        ({"url": "/", "extract-regexp": "a"}, "not-a-mapping", "requests[0].extract-regexp"),
        ({"url": "/", "extract-xpath": {"a": {"xpath": ["//a"]}}}, "not-a-text", "a.xpath"),
        ({"url": "/", "extract-jsonpath": {"a": {"jsonpath": "$", "concat": "${x}"}}}, "not-a-boolean", "a.concat"),
        ({"url": "/", "assert": [{"contains": ["a"], "regex": False}]}, "unknown-key", "assert[0].regex"),
        ({"url": "/", "assert-xpath": [{"xpath": "//a", "invert": "no way"}]}, "not-a-boolean", "[0].invert"),
        ({"url": "/", "upload-files": "a.png"}, "not-a-list", "requests[0].upload-files"),
        ({"url": "/", "upload-files": [{"path": "suite.yml", "name": "a"}]}, "unknown-key", "upload-files[0].name"),
        ({"url": "/", "timeout": "${t}"}, "unset-reference", "requests[0].timeout"),
        ({"set-variables": ["a"]}, "not-a-mapping", "requests[0].set-variables"),
        ({"include-scenario": None}, "not-a-text", "requests[0].include-scenario"),
        ({"include-scenario": "${name}"}, "unset-reference", "requests[0].include-scenario"),
        ({"while": True, "do": ["/"]}, "not-a-condition", "requests[0].while"),
        ({"loop": -2, "do": ["/"]}, "not-a-number", "requests[0].loop"),
        ({"if": '"a" == "a"', "then": ["/"], "else": "/"}, "not-a-list", "requests[0].else"),
        ({"transaction": "a", "do": ["/"], "think-time": "1s"}, "unknown-key", "requests[0].think-time"),
        ({"action": "pause", "pause-duration": "${__nope()}"}, "unsupported-function", "requests[0].pause-duration"),
    ],
)
def test_what_would_fail_at_the_start_is_found_in_the_plan(tmp_path, request_, code, path):
    document = suite(executor="toril")
    document["scenarios"]["shop"] = {"default-address": "http://shop", "requests": [request_]}
    refuses(tmp_path, document, code, path)


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        ("default-address", "shop", "not-an-address"),
        ("default-address", "http://${__nope()}", "unsupported-function"),
        ("headers", {"X-Time": "${__tim()}"}, "unsupported-function"),
        ("variables", {"now": "${__tim()}"}, "unsupported-function"),
        ("variables", ["now"], "not-a-mapping"),
        ("store-cookie", "sometimes", "not-a-boolean"),
        ("think-time", "${pause}", "unset-reference"),
        ("hosts", {"shop": "db.internal"}, "not-a-mapping"),
        ("hosts", {"http://shop": "10.0.0.7"}, "not-a-mapping"),
        ("hosts", {"shop": "10.0.0.7:99999"}, "not-a-mapping"),
        ("sign", {"service": "${service}"}, "not-a-mapping"),
        ("data-sources", [{"path": "suite.yml", "loop": "no way"}], "not-a-boolean"),
        ("data-sources", [{"path": "suite.yml", "variable-names": 3}], "not-a-list"),
    ],
)
def test_wrong_values_of_a_scenario_are_found_in_the_plan(tmp_path, key, value, code):
    document = suite(executor="toril")
    document["scenarios"]["shop"] = {"default-address": "http://shop", "requests": ["/"], key: value}
    refuses(tmp_path, document, code, f"scenarios.shop.{key}")


def test_values_from_the_environment_are_checked_as_workers_read_them(tmp_path):
    document = suite(executor="toril")
    document["scenarios"]["shop"] = {"default-address": "${URL}", "timeout": "${T}", "requests": ["/"]}
    given = {"URL": "http://shop", "T": "3s"}
    assert executors(tmp_path, document | {"settings": {"env": given}}) == ["toril"]
    refuses(tmp_path, document, "not-a-duration", "shop.timeout", env=given | {"T": "soon"})


@pytest.mark.parametrize("key", ["hosts", "sign"])
def test_an_included_scenario_cannot_have_other_addresses_and_signatures(tmp_path, key):
    value = {"hosts": {"shop": "10.0.0.7"}, "sign": {"service": "execute-api"}}[key]
    document = suite(executor="toril")
    document["scenarios"]["shop"] = {"default-address": "http://shop", "requests": [{"include-scenario": "inner"}]}
    document["scenarios"]["inner"] = {"requests": ["/inner"], key: value}
    refuses(tmp_path, document, "unsupported-key", f"scenarios.inner.{key}")
    document["scenarios"]["shop"][key] = value
    assert executors(tmp_path, document) == ["toril"]


@pytest.mark.parametrize("executor", ["siege", "ab", "tsung", "pbench", "unheard-of"])
def test_the_setting_replaces_executors_that_toril_refuses(tmp_path, executor):
    assert executors(tmp_path, suite({"executor": "toril"}, executor=executor)) == ["toril"]


def test_settings_of_an_engine_that_no_execution_uses_are_noted(tmp_path):
    found = read(tmp_path, suite({"engine": {"poisson": True}}, executor="jmeter"))
    assert [note.code for note in found.warnings] == ["ignored-key"]
    assert "toril.engine" in found.warnings[0].message


def test_a_rate_of_requests_does_not_accept_functions_of_the_scenario(tmp_path):
    document = suite(executor="vegeta", throughput=10)
    document["scenarios"]["shop"] = {"requests": ["http://shop/"], "headers": {"X-Id": "${__UUID()}"}}
    refuses(tmp_path, document, "unsupported-key", "scenarios.shop.headers", "__UUID")


def test_the_functions_are_those_of_the_engines_program():
    source = (ENGINE_SOURCES / "internal" / "text" / "functions.go").read_text()
    assert set(re.findall(r'^\t\t"(__\w+)": +\{', source, re.MULTILINE)) == set(FUNCTIONS)


def test_an_included_scenario_may_leave_the_address_to_the_one_that_includes_it(tmp_path):
    document = suite(executor="toril")
    document["scenarios"]["shop"] = {"default-address": "http://shop", "requests": [{"include-scenario": "inner"}]}
    document["scenarios"]["inner"] = {"requests": ["/inner"]}
    assert executors(tmp_path, document) == ["toril"]


@pytest.mark.parametrize(
    ("key", "value", "engine", "code"),
    [
        ("hosts", {"shop": "10.0.0.7:8443"}, "toril", ""),
        ("hosts", {"shop": 7}, "toril", "not-a-mapping"),
        ("hosts", {"shop": "10.0.0.7"}, "jmeter", "unsupported-key"),
        ("sign", {"service": "execute-api", "region": "eu-west-1"}, "toril", ""),
        ("sign", {"service": "execute-api"}, "apiritif", ""),
        ("sign", {"region": "eu-west-1"}, "apiritif", "not-a-mapping"),
        ("sign", {"service": "s3", "key": "x"}, "toril", "not-a-mapping"),
        ("sign", {"service": "s3"}, "jmeter", "unsupported-key"),
    ],
)
def test_the_keys_of_a_scenario_beyond_those_of_taurus(tmp_path, key, value, engine, code):
    document = suite(executor=engine)
    document["scenarios"]["shop"] = {"requests": ["http://shop/"], key: value}
    if code:
        refuses(tmp_path, document, code, f"scenarios.shop.{key}")
    else:
        assert read(tmp_path, document).common["scenarios"]["shop"][key] == value


def test_certificates_are_files_of_the_suite(tmp_path):
    for name in ("ca.pem", "cert.pem", "key.pem"):
        (tmp_path / name).write_text("")
    whole = {"ca": "./ca.pem", "cert": "cert.pem", "key": "key.pem"}
    found = read(tmp_path, suite({"engine": whole}, executor="toril"))
    assert (found.toril.engine.ca, found.toril.engine.key) == ("ca.pem", "key.pem")
    assert {"ca.pem", "cert.pem", "key.pem"} <= {file.name for file in found.named}
    refuses(tmp_path, suite({"engine": {"ca": "no.pem"}}, executor="toril"), "no-such-file", "toril.engine.ca")
    refuses(tmp_path, suite({"engine": {"key": "key.pem"}}, executor="toril"), "missing-key", "toril.engine.cert")
    refuses(tmp_path, suite({"engine": whole}, executor="jmeter"), "unsupported-key", "toril.engine.ca")
