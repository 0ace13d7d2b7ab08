"""The pages about suites: every suite on them is planned and means what stands below it; no key is left out.

What they say of criteria is tested in `test_criteria.py`.
"""

import ast
import re
import shlex
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel
from pydantic_core import PydanticUndefined
from typer.testing import CliRunner

from tests.suite.reading import read, refuses
from toril import cli
from toril.criteria import duration_s
from toril.criteria.criterion import OWN_KEYS, TAURUS_KEYS
from toril.criteria.quantities import size_bytes
from toril.errors import SuiteError
from toril.plan import make_plan
from toril.suite import TorilSettings, engines, read_suite
from toril.suite.curves import CurveSteps, Point, Ramp, Replay, Shape, Sine, Spikes
from toril.suite.requests import problems

ROOT = Path(__file__).parents[2]
NAMES = """
    reference/suite reference/scenarios reference/settings reference/engines reference/criteria
    how-to/start-a-suite how-to/use-your-script how-to/feed-data how-to/pass-secrets how-to/shape-the-load
    how-to/prepare-once how-to/break-the-service
    how-to/find-the-highest-rate how-to/test-in-a-browser how-to/check-functions how-to/test-other-protocols
    how-to/debug-a-suite how-to/run-a-part
    how-to/compare-base-and-head
"""
PAGES = {Path(name).name: (ROOT / "docs" / f"{name}.md").read_text() for name in NAMES.split()}
ALL = "\n".join(PAGES.values())
FENCE = re.compile(r"^( *)```(\w+)(?: (\S+))?\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
USERS = "user\n" + "".join(f"{number}\n" for number in range(6))
DAY = [40, 22, 12, 10, 14, 30, 70, 130, 190, 230, 250, 265, 270, 255, 240, 235, 240, 260, 300, 280, 220, 150, 100, 60]
RATES = "time,rps,orders\n" + "".join(f"2026-11-24T{hour:02}:00:00Z,{rps},{36 * rps}\n" for hour, rps in enumerate(DAY))
USERS_OF_JMX = '<stringProp name="ThreadGroup.num_threads">5</stringProp>'
JMX = f"""<jmeterTestPlan><hashTree><TestPlan/><hashTree>
<ThreadGroup testname="visitors">{USERS_OF_JMX}</ThreadGroup><hashTree/></hashTree></hashTree></jmeterTestPlan>
"""
BESIDE = {
    "locustfile.py": "from locust import HttpUser\n",
    "load.jmx": JMX,
    "users.csv": USERS,
    "rates.csv": RATES,
    "journey.py": "def test_",
    "load.js": "//",
    "prepare.py": "def setup(): ...",
    "Buying.scala": "class Buying extends Simulation",
    "shop/Buying.java": "package shop; public class Buying extends Simulation",
    "shop/Steps.java": "package shop; class Steps",
    "login.robot": "",
    "kill-one.sh": "#!/bin/sh\n",
    "requirements.txt": f"shopkit==1.2 --hash=sha256:{'a' * 64}\n",
    "plugins/shop.jar": "",
    "CartTest.java": "class CartTest",
    **dict.fromkeys(("ca.pem", "client.pem", "client.key"), "-----BEGIN"),
}


@dataclass
class Example:
    """Files, a command, and lines of what it says."""

    title: str
    files: dict[str, str]
    command: str = "toril plan suite.yml"
    says: list[str] = field(default_factory=list)


def examples() -> Iterator[Example]:
    for page, whole in PAGES.items():
        if page == "criteria":  # its examples are parts of suites
            continue
        for part in re.split(r"(?m)^(?=## )", whole):
            title = f"{page}: {part.splitlines()[0].strip('# ')}"
            files: dict[str, str] = {}
            found: list[Example] = []
            for language, name, text in fenced(part):
                if language == "yaml":
                    files = {**files, name: text} if name else {"suite.yml": text}
                    if not name:
                        found.append(Example(f"{title} {len(found) + 1}", files))
                elif language == "sh" and text.startswith("toril plan suite.yml "):
                    found[-1].command = text
                elif language == "sh" and text.startswith("toril plan ") and files:
                    found.append(Example(f"{title} {len(found) + 1}", files, text))
                elif language == "python":
                    compile(text, name, "exec")
                    assert BESIDE.get(name, "") in text
                elif language == "text":
                    found[-1].says += text.splitlines()
            yield from found


def fenced(text: str) -> Iterator[tuple[str, str, str]]:
    """Yields the language, the name and the text of each block of code."""
    for _, language, name, block in FENCE.findall(text):
        yield language, name, textwrap.dedent(block)


EXAMPLES = list(examples())
OF_SUITES = {
    "toril",
    "modules",
    "reporting",
    "reports",
    "settings",
    "services",
    "criteria",
    "scenarios",
    "provisioning",
}
SIMPLE = {"execution": {"scenario": {"requests": ["http://shop/"]}, "hold-for": "1m"}}


# The errors and notes that the pages describe in general: the code and an example.
ERRORS = [
    ("conflicting-keys", "{throughput: {ramp: {to: 10}}, ramp-up: 10s}"),
    ("ignored-load", "{throughput: 10, hold-for: 0}"),
    ("missing-rate", "{executor: vegeta}"),
    ("missing-script", "{executor: k6, scenario: {requests: ['http://shop/']}}"),
    ("no-such-file", "toril: {split-data: [gone.csv]}"),
    ("not-a-boolean", "locations-weighted: perhaps"),
    ("not-a-duration", "hold-for: soon"),
    ("not-a-number", "concurrency: 2.5"),
    ("out-of-range", "locations: {madrid: 0}"),
    ("refused-executor", "executor: ab"),
    ("stray-criteria", "modules: {passfail: {criteria: ['p95>1s']}}"),
    ("unknown-execution", "toril: {curves: {checkout: {ramp: {to: 10}}}}"),
    ("unknown-executor", "executor: jmetr"),
    ("unknown-key", "toril: {wrokers: 3}"),
    ("unknown-scenario", "scenario: chekout"),
    ("unknown-value", "reporting: [{module: passfail, run-at: clud}]"),
    ("unsupported-browser", "{executor: selenium, scenario: {browser: Firefox, requests: ['http://shop/']}}"),
    ("unsupported-curve", "{executor: locust, throughput: {ramp: {to: 10}}}"),
    ("unsupported-key", "modules: {vegeta: {verify-ssl: false}}"),
    ("unsupported-script", "{executor: k6, scenario: {script: locustfile.py}}"),
    ("unsupported-search", "toril: {capacity: {jmeter: {from: 1, to: 9, until: [p50>1s]}}}"),
    ("unknown-key", "{scenarios: {shop: {requests: ['http://shop/']}}, scenario: {shop: {}}}"),
    ("unknown-key", "throughput: {sin: {from: 1, to: 10, period: 1m}}"),
    ("unknown-key", "concurrency: {local: 5, clod: 10}"),
    (
        "unknown-key",
        "{executor: vegeta, throughput: 10, scenario: {requests: [{url: 'http://shop/', lable: home}]}}",
    ),
    ("ignored-load", "{executor: vegeta, throughput: 10, steps: 5}"),
    ("ignored-load", "settings: {aggregator: functional-consolidator}"),
    ("unsupported-curve", "{executor: apiritif, throughput: {ramp: {to: 10}}}"),
    ("refused-executor", "executor: siege"),
    ("unknown-execution", "toril: {capacity: {checkout: {from: 1, to: 10, until: [p50>1s]}}}"),
    ("stray-criteria", "criteria: ['p95>1s']"),
    ("stray-criteria", "services: [passfail]"),
    ("stray-criteria", "reporting: [{module: passfail, criterias: ['p95>1s']}]"),
    ("stray-criteria", "reporting: [{module: passfial, criteria: ['p95>1s']}]"),
    ("stray-criteria", "reports: [{module: passfail, criteria: ['p95>1s']}]"),
]
NOTES = [
    ("bare-seconds", "reporting: [{module: passfail, criteria: ['p95>300']}]"),
    ("default-load", "concurrency: {cloud: 1000}"),
    ("fails-good-runs", "reporting: [{module: passfail, criteria: ['p95<300ms']}]"),
    ("functional-by-executor", "{executor: pytest, scenario: locustfile.py, hold-for: 0}"),
    ("ignored-key", "start-at: '10:00'"),
    ("ignored-key", "provisioning: cloud"),
    (
        "ignored-key",
        "{executor: external-results-loader, data-file: users.csv, errors-file: errors.jtl, hold-for: 0}",
    ),
    ("ignored-key", "{executor: vegeta, throughput: 10, max-workers: 5}"),
    ("ignored-key", "{executor: vegeta, throughput: 10, concurrency: 5}"),
    ("ignored-reporter", "reporting: [{module: junit-xml}]"),
    ("in-turns", "modules: {local: {sequential: true}}"),
    ("in-turns", "modules: {local: {capacity: 1}}"),
    ("missing-percent", "reporting: [{module: passfail, criteria: ['fail>0.05']}]"),
    ("never-a-full-window", "reporting: [{module: passfail, criteria: ['p95>1s for 2m']}]"),
    ("no-criteria", "reporting: [{module: passfail, criteria: []}]"),
    ("no-criteria", "reporting: [{module: passfail, run-at: cloud, criteria: ['p95>1s']}]"),
    ("percentile-below-1", "reporting: [{module: passfail, criteria: ['p0.95>1s']}]"),
    ("unknown-label", "reporting: [{module: passfail, criteria: ['p95 of carts>1s']}]"),
    ("untested-executor", "{settings: {default-executor: warp}, modules: {warp: {class: my.Warp}}}"),
]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the pages describe."""
    folder = tmp_path / "shop"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name, text in BESIDE.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder


def flat(text: str) -> str:
    return " ".join(text.split())


def changed(written: str) -> dict[str, Any]:
    """A simple suite with these keys, at its top or in its execution."""
    snippet = yaml.safe_load(written)
    if set(snippet) & OF_SUITES:
        return {**SIMPLE, **snippet}
    return {"execution": {**SIMPLE["execution"], **snippet}}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.title)
def test_what_stands_below_a_suite_is_what_its_plan_says(shop, example):
    for name, text in example.files.items():
        (shop / name).write_text(text)
    done = CliRunner().invoke(cli.app, shlex.split(example.command)[1:], env={"COLUMNS": "200"})
    assert done.exception is None, done.exception
    for line in example.says:
        assert flat(line) in flat(done.output), f"{line}\n{done.output}"


def test_the_pages_have_examples_and_most_say_what_they_mean():
    assert len(EXAMPLES) > 30
    assert sum(bool(example.says) for example in EXAMPLES) >= 0.75 * len(EXAMPLES)


@pytest.mark.parametrize(("code", "written"), ERRORS)
def test_what_the_pages_call_an_error_is_one(shop, code, written):
    refuses(shop, changed(written), code)


@pytest.mark.parametrize(("code", "written"), NOTES)
def test_a_probable_slip_is_planned_with_a_note(shop, code, written):
    (shop / "suite.yml").write_text(yaml.safe_dump(changed(written)))
    plan = make_plan(read_suite([shop], system={}), run_id="docs", workers=None)
    assert code in plan.warning_codes, plan.warnings


# What engines take of `requests`

ENGINES = ("jmeter", "locust", "apiritif", "toril", "vegeta", "gatling", "selenium", "playwright")
MATRIX = re.findall(r"^\| (.*`.*?)" + r" \| (yes|refused)" * len(ENGINES) + r" \|$", PAGES["engines"], re.MULTILINE)
CELLS = [
    (key, engine, answer)
    for keys, *answers in MATRIX
    for key in re.findall(r"`([^`]+)`", keys)
    for engine, answer in zip(ENGINES, answers, strict=True)
]
BLOCKS = {
    "transaction": {"transaction": "t", "do": ["/"]},
    **{kind: {kind: value, "do": ["/"]} for kind, value in (("loop", 2), ("while", "x"), ("foreach", "a in b"))},
    "if": {"if": "x", "then": ["/"]},
    **{kind: {kind: ["/"]} for kind in ("once", "setup", "teardown")},
    "include-scenario": {"include-scenario": "other"},
    "action": {"action": "pause"},
    "set-variables": {"set-variables": {}},
}
VALUES = {
    "keepalive": True, "assert-jsonpath": ["$.a"], "assert-xpath": ["//a"], "upload-files": [{"path": "a.png"}],
    **{f"extract-{kind}": {"x": "//a"} for kind in ("regexp", "jsonpath", "css-jquery", "xpath")},
}  # fmt: skip


@pytest.mark.parametrize(("key", "engine", "answer"), CELLS)
def test_an_engine_takes_of_requests_what_the_page_says(key, engine, answer):
    scenario: dict[str, Any] = {"requests": [BLOCKS.get(key, {"url": "/", key: VALUES.get(key, "1s")})]}
    if key in ("data-sources", "variables"):
        scenario = {"requests": ["/"], key: ["x"] if key == "data-sources" else {"x": "y"}}
    scenario["default-address"] = "http://shop"
    assert ("refused" if list(problems(engine, scenario, "s")) else "yes") == answer


REFUSED_KEYS = [
    key
    for engine in engines.ENGINES.values()
    if not engine.request_keys  # of the others, only known keys are allowed
    for key in (*engine.without, *engine.scenario_without)
]


def test_and_nothing_is_refused_that_the_page_does_not_name():
    named = {key for key, *_ in CELLS} | {"headers", "assert"}  # in the sentence below the table
    assert set(REFUSED_KEYS) | {*engines.BLOCKS, *engines.PHASES} == named


def test_a_worker_gets_the_load_that_the_page_says():
    rows = re.findall(r"^\| ([^|`]+) \| ([0-9].*) \|$", PAGES["suite"], re.MULTILINE)
    written = {name: text.replace(",", "") for names, text in rows for name in names.split(", ")}
    for engine in engines.ENGINES.values():
        expected = {engine.users_per_worker, engine.requests_per_core, engine.browsers_per_core} - {None}
        figures = set(map(int, re.findall("[0-9]+", written.get(engine.title, ""))))
        assert figures <= expected, engine.title
        assert bool(figures) == bool(expected), engine.title


def test_the_page_names_each_refused_executor():
    section = PAGES["engines"].partition("## Refused executors")[2]
    named = {
        name for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for name in re.findall("`([^`]+)`", row)
    }
    assert named == set(engines.REFUSED)


REFUSALS = [
    (engine, refusal)
    for names, refusals in (
        ("jmeter", ["distributed: [host]"]),
        ("locust", ["throughput", "steps", "master: true"]),
        ("apiritif", ["throughput", "test-mode: selenium"]),
        ("vegeta", ["script", "iterations", "think-time", "loop: false", "random-order: true"]),
        ("selenium playwright", ["throughput", "runner: mocha", "browser: Firefox", "remote"]),
        ("gatling", ["throughput: 1.5", "steps"]),
        ("k6", ["throughput", "steps", "requests"]),
        (
            "external-results-loader",
            ["concurrency", "throughput", "iterations", "steps", "ramp-up", "hold-for"],
        ),
    )
    for engine in names.split()
    for refusal in refusals
]
LOAD = {"concurrency": 5, "throughput": 10, "iterations": 5, "steps": 5, "ramp-up": "5s", "hold-for": "5s"}
IN_SCENARIOS = ("script", "think-time", "browser", "remote", "requests", "loop", "random-order")


@pytest.mark.parametrize(("engine", "refusal"), REFUSALS)
def test_an_engine_refuses_a_key_that_it_does_not_support(shop, engine, refusal):
    key, value = next(iter(yaml.safe_load(f"{{{refusal}}}").items()))
    execution: dict[str, Any] = {"executor": engine}
    if engine == "vegeta":
        execution["throughput"] = 10
    if engine == "k6":
        execution["scenario"] = "load.js"
    if engine == "external-results-loader":
        execution |= {"data-file": "users.csv", "scenario": {"data-file": "users.csv"}}
    if key in ("loop", "random-order"):
        execution["scenario"] = {"requests": ["http://shop/"], "data-sources": [{"path": "users.csv", key: value}]}
    elif key == "think-time":
        execution["scenario"] = {"requests": [{"url": "http://shop/", key: "1s"}]}
    elif key == "script":
        execution["scenario"] = "load.jmx"
    elif key == "requests":
        execution["scenario"] = {"requests": ["http://shop/"]}
    elif key in IN_SCENARIOS:
        execution["scenario"] = {"requests": ["http://shop/"], key: value or "x"}
    else:
        execution[key] = LOAD[key] if value is None else value
    with pytest.raises(SuiteError) as refused:
        length = 0 if "loader" in engine else "1m"
        suite = read(shop, {"execution": {**SIMPLE["execution"], "hold-for": length, **execution}})
        make_plan(suite, run_id="docs", workers=None)
    assert {"requests": "script"}.get(key, key) in str(refused.value)


def test_the_table_names_all_load_that_an_engine_ignores():
    for executor, engine in engines.ENGINES.items():
        assert set(engine.ignored_load) <= {key for one, key in REFUSALS if one == executor}


# No key is left out


def keys_of(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield str(key).lstrip("$^~")
            yield from keys_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys_of(inner)


def keys_in_examples() -> set[str]:
    """Every key of every suite on the pages, and of the errors and notes above."""
    suites = [yaml.safe_load(text) for language, _, text in fenced(ALL) if language == "yaml"]
    snippets = [yaml.safe_load(written) for _, written in (*ERRORS, *NOTES)]
    return {key for value in (*suites, *snippets) for key in keys_of(value)}


def settings_of(block: type[BaseModel], path: str = "") -> Iterator[tuple[str, object]]:
    for name, told in block.model_fields.items():
        key = f"{path}{told.alias or name}"
        inner = next((one for one in _types(told.annotation) if issubclass(one, BaseModel)), None)
        if inner is None:
            yield key, told.get_default(call_default_factory=True)
        else:
            yield from settings_of(inner, f"{key}.")


def _types(annotation: Any) -> list[type]:
    return [one for one in (annotation, *getattr(annotation, "__args__", ())) if isinstance(one, type)]


def test_every_key_of_ours_is_in_the_table_with_its_default_and_in_an_example():
    table = dict(re.findall(r"^\| `([a-z0-9.-]+)` \| ([^|]+) \| [^|]+ \|$", PAGES["settings"], re.MULTILINE))
    ours = dict(settings_of(TorilSettings))
    assert set(ours) == set(table)
    for key, default in ours.items():
        assert key.split(".")[-1] in keys_in_examples(), key
        assert _is(table[key], default), f"{key}: {table[key]} is {default!r}"


def _is(written: str, default: object) -> bool:
    if written == "required":
        return default is PydanticUndefined
    if written in ("none", "from the load"):
        return not default
    if written.endswith("%"):
        return float(written[:-1]) / 100 == default
    if written.endswith("iB"):
        return size_bytes(written) == default
    if isinstance(default, tuple):
        return tuple(yaml.safe_load(written)) == default
    if isinstance(default, float):
        return float(duration_s(written)) == default
    return bool(yaml.safe_load(written) == default)


def test_every_key_of_a_criterion_is_in_an_example():
    assert {*TAURUS_KEYS, *OWN_KEYS} - {"class"} <= keys_in_examples()  # a class of bzt's: refused, see the differences


NO_KEYS = {  # what the code looks up that is no key of a suite
    "${",
    *("://", "%"),  # of an address
    ".git",  # of a path
    "local",  # a place, and a module of bzt's
    "class",  # of a module: what else bzt's passfail is called
    *("apiritif", "selenium"),  # engines
    "browserName",  # of a refused browser's capabilities
    "testng-xml",  # of a refused executor
    '"steps"',  # in a simulation
    "every_s",  # a field of a section
    *("enabled", "name"),  # of a JMX
    "plugins",  # of bzt's manager of plug-ins, which workers do not have
    "search_paths",  # a property of JMeter, which toril adds to
    "",
}
IN_LOOPS = ("label", "think-time", "properties", "jmeter", "ramp-up", "data-sources")  # which no search finds
NO_DOCUMENTS = {
    "documents.py", "git.py", "k6.py", "settings.py", "reader.py", "script_load.py", "sections.py", "steps.py",
}  # fmt: skip


def keys_that_are_read() -> Iterator[str]:
    """What `suite/` looks up in mappings, by `.get("key")`, `["key"]` and `"key" in`."""
    for path in (ROOT / "src" / "toril" / "suite").glob("*.py"):
        if path.name in NO_DOCUMENTS:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            asked: list[ast.expr] = []
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("get", "pop"):
                asked = node.args[:1]
            elif isinstance(node, ast.Call):  # the readers' own: self._placed(item, "throughput", …)
                asked = [
                    one for one in node.args[1:2] if getattr(node.func, "attr", "") in ("_placed", "_check_listed")
                ]
            elif isinstance(node, ast.Subscript):
                asked = [node.slice]
            elif isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In):
                asked = [node.left]
            yield from (one.value for one in asked if isinstance(one, ast.Constant) and isinstance(one.value, str))
    for section in (Shape, Ramp, CurveSteps, Spikes, Sine, Point, Replay):
        yield from (str(field.alias) for field in section.model_fields.values())
    yield from (*IN_LOOPS, "requests", *engines.NESTED, *engines.BLOCKS, *engines.PHASES, *REFUSED_KEYS)


def test_every_key_that_is_read_of_a_suite_is_in_an_example():
    named = {key for key, *_ in CELLS} | {refusal.partition(":")[0] for _, refusal in REFUSALS}
    asked = set(keys_that_are_read()) - NO_KEYS
    assert {"throughput", "locations-weighted", "run-at", "included-configs", "script-file", "provisioning"} <= asked
    assert asked <= keys_in_examples() | named
