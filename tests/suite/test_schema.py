"""The JSON Schema of suites: toril and the schema accept the same suites, and every key has its description."""

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import strategies as some
from jsonschema import Draft7Validator

from tests.tiers import examples
from toril.criteria.criterion import OPERATORS, TAURUS_KEYS
from toril.errors import UserError
from toril.suite import read_suite
from toril.suite.engines import BLOCKS, ENGINES, LOAD_KEYS, PHASES
from toril.suite.executions import FUNCTIONAL, KNOWN_KEYS, MAX_EXECUTIONS
from toril.suite.executions import LOAD as LOAD_CONSOLIDATOR
from toril.suite.schema import suite_schema

FOLDERS = sorted(path.parent for path in Path("loadtests").glob("*/suite.yml"))
SUITES = [yaml.safe_load((folder / "suite.yml").read_text()) for folder in FOLDERS]
SCHEMA = Draft7Validator(suite_schema())
SETTINGS = (
    {"workers": 3, "worker": {"cpu": 2048, "memory": 4096, "arch": "arm64", "spot": True, "storage": 50}},
    {"max-duration": "5m", "graceful-stop": 10, "metrics-wait": "10m", "quorum": "90%", "gate": True},
    {"regression": {"margin": "3%", "failures": 0.01, "blocks": 40, "block": "2s", "metrics": ["p95"]}},
    {"earlier-runs": {"runs": 12, "labels": "home", "margin": "3%"}, "page-size": "6MiB"},
    {"evidence": {"failures": 5, "body": "8KiB", "off": False}, "findings": {"drift": False}},
    {"notify": [{"webhook": "CHAT", "format": "slack", "on": ["failed"], "secret": "KEY"}], "secrets": {"CHAT": "a/b"}},
    {"vegeta": {"http2": True, "dns-ttl": "1s", "max-workers": 5, "redirects": 0, "insecure": True}},
    {"location-groups": {"europe": ["eu-west-1", "eu-central-1"]}, "tags": {"team": "shop"}, "description": "a"},
    {"metrics": {"items": "trend of buy"}, "request-tags": ["tenant"]},
    {"criteria": ["throughput<450/s"], "traceparent": True, "require-values": True, "split-data": []},
)
LOAD = {
    "concurrency": 10, "throughput": 5, "ramp-up": "30s", "hold-for": "1m30s", "steps": 3, "iterations": 2,
    "delay": "500ms", "locations": {"madrid": 1}, "locations-weighted": False, "files": [], "criteria": ["p95>1s"],
    "executor": "jmeter", "start-at": "10:00",
}  # fmt: skip
WITH_KEYS = ("execution", "scenario", "request", "reporter", "settings")
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 5, -1, 2.5, 10.0, 0.5, 10**12, "", "soon", "10", "90%", "1 h 30 m", "4KiB", "500/s", "2x",
    "yes", "p95>1s", [], {}, [1], ["a"], [None], [{}], {"a": 1}, {"local": 5, "cloud": 10}, {"path": "x"},
)  # fmt: skip

# What a schema cannot express, as `BEYOND` of toril.suite.schema lists it.
ELSEWHERE = {
    "unknown-scenario", "unknown-execution", "no-such-file", "bad-include", "recursive-include",  # names, files
    "conflicting-keys", "ignored-load", "missing-rate", "unsearched-capacity", "too-few-samples",  # between keys
    "unsupported-script", "unsupported-key", "unsupported-browser", "unsupported-search", "unsupported-curve",
    "missing-url", "missing-script", "missing-requests", "not-an-address", "bad-header", "refused-executor",  # engines
    "unsupported-executor", "unjudged-criterion", "unset-reference", "not-a-secret", "reserved-name",
}  # fmt: skip


def refusal(folder, document):
    """Returns code and message of toril's refusal of a suite; None if it accepts the suite."""
    file = folder / "drawn.suite.yml"
    try:
        file.write_text(yaml.safe_dump(document, sort_keys=False))
        read_suite([file], system={})
    except UserError as error:
        return error.code, str(error).partition(": ")[2]
    finally:
        file.unlink()
    return None


def complaints(document):
    """Returns what the schema says against a suite."""
    return [
        f"{error.json_path}: {error.message[:200]}" for error in SCHEMA.iter_errors(json.loads(json.dumps(document)))
    ]


def is_expressible(code, message, document):
    """Returns whether a schema can express the rule by which toril refuses a suite."""
    place = message.partition(":")[0]
    of_engine = place.startswith(("scenarios.", "execution")) and any(
        part in place for part in (".requests", ".data-", ".script", ".headers", ".recorded")
    )
    of_criterion = "criteria" in place or ".until" in place
    refers = "${" in json.dumps(document)
    between = code in ("out-of-range", "missing-key") and place.startswith(("toril.curves", "toril.capacity"))
    return code not in ELSEWHERE and not of_engine and not of_criterion and not refers and not between


def places(value, path=()):
    """Yields the path of each value below a value."""
    if isinstance(value, (dict, list)):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield (*path, key)
            yield from places(inner, (*path, key))


def at(document, path):
    for part in path:
        document = document[part]
    return document


def misspelt(key, place, letter, edit):
    """Returns a key with one wrong, missing or additional letter, or two in the wrong order."""
    place %= len(key)
    before, after = key[:place], key[place + 1 :]
    return {
        "wrong": before + letter + after,
        "missing": before + after,
        "additional": before + letter + key[place:],
        "swapped": before + after[:1] + key[place] + after[1:],
        "case": key.upper(),
    }[edit]


@some.composite
def changed_suites(draw):
    """Draws one of the suites in loadtests, with one change that may break it."""
    number = draw(some.integers(0, len(SUITES) - 1))
    document = copy.deepcopy(SUITES[number])
    if draw(some.booleans()):
        document["toril"] = {**(document.get("toril") or {}), **copy.deepcopy(draw(some.sampled_from(SETTINGS)))}
    executions = document["execution"] if isinstance(document["execution"], list) else [document["execution"]]
    if draw(some.booleans()):
        key = draw(some.sampled_from([*LOAD]))
        draw(some.sampled_from(executions))[key] = copy.deepcopy(LOAD[key])
    path = draw(some.sampled_from([*places(document)]))
    holder = at(document, path[:-1])
    kind = draw(some.sampled_from(["value", "value", "key", "gone", "good"]))
    if kind == "value":
        holder[path[-1]] = copy.deepcopy(draw(some.sampled_from(VALUES)))
    elif kind == "gone":
        del holder[path[-1]]
    elif kind == "key" and isinstance(path[-1], str):
        edit = draw(some.sampled_from(["wrong", "missing", "additional", "swapped", "case"]))
        key = misspelt(path[-1], draw(some.integers(0, 20)), draw(some.sampled_from("aeqz_-s")), edit)
        items = [(key if name == path[-1] else name, value) for name, value in holder.items() if key]
        holder.clear()
        holder.update(items)
    return FOLDERS[number].name, document


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    return shutil.copytree("loadtests", tmp_path_factory.mktemp("gallery") / "loadtests")


@given(drawn=changed_suites())
@examples(1000, suppress_health_check=[HealthCheck.too_slow])
def test_toril_and_the_schema_accept_the_same_suites(gallery, drawn):
    name, document = drawn
    refused, wrong = refusal(gallery / name, document), complaints(document)
    if refused is None:
        assert wrong == []
    else:
        code, message = refused
        assert wrong or not is_expressible(code, message, document), refused


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_schema_accepts_every_suite_of_the_gallery(folder):
    assert complaints(yaml.safe_load((folder / "suite.yml").read_text())) == []


GOOD = """
{concurrency: '${USERS}', hold-for: '${__P(hold,1m)}'}
{concurrency: {local: 5, cloud: 1000}, throughput: {local: 10, cloud: '2000'}, hold-for: 1m}
{throughput: [{ramp: {to: 500/s}, for: 5m}, {constant: 30k/min, for: 1d 2h}]}
{throughput: {points: [{at: 0s, rps: 10}, {at: 5m, rps: 500}]}}
{hold-for: '', ramp-up: null, iterations: '10', steps: 0}
{executor: null, hold-for: 90, locations-weighted: 'False', locations: {a: 1, 'b-${REGION}': 0.5}}
{criteria: {too slow: 'p95>1s', failed: {subject: fail, condition: '>', threshold: 1%}}}
{scenario: {script: load.jmx, think-time: uniform(1s, 2s)}}
"""


@pytest.mark.parametrize("written", GOOD.strip().splitlines())
def test_the_schema_accepts_the_short_forms_of_taurus(written):
    execution = {"scenario": {"requests": ["http://shop/"]}, **yaml.safe_load(written)}
    for document in ({"execution": execution}, {"execution": [execution]}):
        assert complaints(document) == []


@pytest.mark.parametrize("prefix", ["~", "$"])
@pytest.mark.parametrize("key", ["execution", "scenarios", "modules", "reporting", "toril"])
def test_the_schema_accepts_the_prefixes_of_a_merge(key, prefix):
    document = {"execution": {"scenario": "a"}, "scenarios": {"a": {"requests": ["http://shop/"]}}}
    document[prefix + key] = document.pop(key, {})
    assert complaints(document) == []


def test_the_schema_leaves_reporters_to_bzt_that_toril_ignores():
    reporters = [{"module": "mock", "run-at": "mock"}, {"module": "passfail", "run-at": "cloud"}]
    assert complaints({"execution": {"scenario": {"requests": ["http://shop/"]}}, "reporting": reporters}) == []


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ("{execution: {scenario: a}, services: [{module: passfail}]}", "$.services"),
        ("{execution: {scenario: a}, reporting: [{module: passfail, run-at: mock}]}", "$.reporting"),
        ("{execution: {scenario: a, hold-fro: 1m}}", "execution"),
        ("{execution: {scenario: a}, scenarois: {}}", "$"),
        ("{execution: {scenario: a, executor: locust, throughput: 10}}", "execution"),
        ("{execution: {scenario: a, executor: jmetr}}", "execution"),
        ("{execution: {scenario: a}, toril: {wrokers: 3}}", "$.toril"),
        ("{execution: {scenario: a}, toril: {workers: 1001}}", "$.toril.workers"),
        ("{execution: {scenario: a}, modules: {passfail: {criteria: ['p95>1s']}}}", "$.modules.passfail"),
        ("{execution: {scenario: a}, scenarios: {a: {requests: [{once: /a}]}}}", "$.scenarios.a"),
    ],
)
def test_the_schema_refuses_mistakes(written, place):
    assert any(place in complaint for complaint in complaints(yaml.safe_load(written)))


def test_every_key_has_a_description_and_a_page_of_the_docs():
    schema = suite_schema()
    described = {name: one for name, one in schema["definitions"].items() if name[0].isupper() or name in WITH_KEYS}
    for name, section in {**described, "suite": schema}.items():
        for key, value in section["properties"].items():
            page = value["description"].rpartition("See docs/")[2].partition("#")[0]
            assert Path("docs", page).is_file(), (name, key)


def test_the_schema_has_every_key_that_toril_reads():
    found = suite_schema()["definitions"]
    assert {*KNOWN_KEYS, *LOAD_KEYS} <= {*found["execution"]["properties"]}
    assert {*BLOCKS, *PHASES} <= {*found["request"]["properties"]}
    assert found["executions"]["maxItems"] == MAX_EXECUTIONS
    assert found["criterion"]["anyOf"][1]["properties"]["condition"]["enum"] == [*OPERATORS]
    assert {*found["criterion"]["anyOf"][1]["properties"]} == {*TAURUS_KEYS}
    assert {*found["settings"]["properties"]["aggregator"]["enum"]} == {FUNCTIONAL, LOAD_CONSOLIDATOR, "", None}
    requests, scenarios = {*found["request"]["properties"]}, {*found["scenario"]["properties"]}
    for engine in ENGINES.values():
        assert {*engine.request_keys, *engine.without} <= requests | scenarios
        assert {*engine.scenario_keys, *engine.scenario_without} <= requests | scenarios
