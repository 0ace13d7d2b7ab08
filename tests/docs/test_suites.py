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

from tests.suite.reading import refuses
from toril import cli
from toril.criteria import duration_s
from toril.criteria.criterion import OWN_KEYS, TAURUS_KEYS
from toril.plan import make_plan
from toril.suite import TorilSettings, engines, read_suite

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = {
    path.stem: path.read_text()
    for path in (
        *(DOCS / "reference" / f"{name}.md" for name in ("suite", "scenarios", "settings", "engines", "criteria")),
        *(
            DOCS / "how-to" / f"{name}.md"
            for name in (
                "start-a-suite", "use-your-script", "feed-data", "pass-secrets", "shape-the-load", "find-the-highest-rate",
                "test-in-a-browser", "check-functions", "debug-a-suite", "compare-base-and-head",
            )
        ),
    )
}  # fmt: skip
ALL = "\n".join(PAGES.values())
FENCE = re.compile(r"^( *)```(\w+)(?: (\S+))?\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
USERS = "user\n" + "".join(f"{number}\n" for number in range(6))
DAY = [40, 22, 12, 10, 14, 30, 70, 130, 190, 230, 250, 265, 270, 255, 240, 235, 240, 260, 300, 280, 220, 150, 100, 60]
RATES = "time,rps,orders\n" + "".join(f"2026-11-24T{hour:02}:00:00Z,{rps},{36 * rps}\n" for hour, rps in enumerate(DAY))
BESIDE = {
    "locustfile.py": "from locust import HttpUser\n",
    "load.jmx": "<jmeterTestPlan/>\n",
    "users.csv": USERS,
    "rates.csv": RATES,
    "journey.py": "def test_",
    "load.js": "//",
    "Buying.scala": "class Buying extends Simulation",
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
ROW = re.compile(r"^\| (execution|suite) \| `([^`]+)` \| `([a-z-]+)` \|.* \|$", re.MULTILINE)
SIMPLE = {"execution": {"scenario": {"requests": ["http://shop/"]}, "hold-for": "1m"}}


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the pages describe."""
    folder = tmp_path / "shop"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name, text in BESIDE.items():
        (folder / name).write_text(text)
    return folder


def flat(text: str) -> str:
    return " ".join(text.split())


def changed(where: str, written: str) -> dict[str, Any]:
    snippet = yaml.safe_load(written)
    if where == "suite":
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
    assert sum(bool(example.says) for example in EXAMPLES) >= 0.8 * len(EXAMPLES)


def rows(kind: str) -> list[tuple[str, str, str]]:
    """The rows of all tables of what is `written` and refused, or only `noted`."""
    return [
        row
        for page in PAGES.values()
        for table in page.split("\n\n")
        if table.startswith(f"| place | {kind} | code |")
        for row in ROW.findall(table)
    ]


@pytest.mark.parametrize(("where", "written", "code"), rows("written"))
def test_what_the_pages_call_refused_is_refused_for_that_reason(shop, where, written, code):
    refuses(shop, changed(where, written), code)


@pytest.mark.parametrize(("where", "written", "code"), rows("noted"))
def test_what_the_pages_call_noted_is_noted(shop, where, written, code):
    (shop / "suite.yml").write_text(yaml.safe_dump(changed(where, written)))
    plan = make_plan(read_suite([shop], system={}), run_id="docs", workers=None)
    assert code in plan.warning_codes, plan.warnings


# What engines take of `requests`

ENGINES = ("jmeter", "locust", "apiritif", "vegeta", "gatling", "selenium", "playwright")
MATRIX = re.findall(r"^\| (.*`.*?)" + r" \| (yes|refused)" * len(ENGINES) + r" \|$", PAGES["engines"], re.MULTILINE)
CELLS = [
    (key, engine, answer)
    for keys, *answers in MATRIX
    for key in re.findall(r"`([^`]+)`", keys)
    for engine, answer in zip(ENGINES, answers, strict=True)
]
BLOCKS = {
    "transaction": {"transaction": "t", "do": ["/"]},
    **{kind: {kind: "x", "do": ["/"]} for kind in ("loop", "while", "foreach")},
    "if": {"if": "x", "then": ["/"]},
    **{kind: {kind: ["/"]} for kind in ("once", "setup", "teardown")},
    "include-scenario": {"include-scenario": "other"},
    "action": {"action": "pause"},
    "set-variables": {"set-variables": {}},
}


@pytest.mark.parametrize(("key", "engine", "answer"), CELLS)
def test_an_engine_takes_of_requests_what_the_page_says(key, engine, answer):
    scenario: dict[str, Any] = {"requests": [BLOCKS.get(key, {"url": "/", key: "1s"})]}
    if key in ("data-sources", "variables"):
        scenario = {"requests": ["/"], key: ["x"]}
    scenario["default-address"] = "http://shop"
    assert ("refused" if list(engines.problems(engine, scenario, "s")) else "yes") == answer


REFUSED_KEYS = [key for one in engines.ENGINES.values() for key in (*one.without, *one.scenario_without)]


def test_and_nothing_is_refused_that_the_page_does_not_name():
    named = {key for key, *_ in CELLS} | {"headers", "assert"}  # in the sentence below the table
    assert set(REFUSED_KEYS) | {*engines.BLOCKS, *engines.PHASES} == named


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
    """Every key of every suite on the pages, and of what they call refused or ignored."""
    suites = [yaml.safe_load(text) for language, _, text in fenced(ALL) if language == "yaml"]
    snippets = [yaml.safe_load(written) for _, written, _ in ROW.findall(ALL)]
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
    if isinstance(default, float):
        return float(duration_s(written)) == default
    return bool(yaml.safe_load(written) == default)


def test_every_key_of_a_criterion_is_in_an_example():
    assert {*TAURUS_KEYS, *OWN_KEYS} - {"class"} <= keys_in_examples()  # a class of bzt's: refused, see the differences


NO_KEYS = {  # what the code looks up that is no key of a suite
    "${",
    "://",  # of an address
    "local",  # a place, and a module of bzt's
    "class",  # of a module: what else bzt's passfail is called
    "apiritif",  # an engine
    *("enabled", "name"),  # of a JMX
    "",
}
IN_LOOPS = ("label", "think-time", "properties", "jmeter", "ramp-up", "data-sources")  # which no search finds
NO_DOCUMENTS = {"documents.py", "git.py", "settings.py", "reader.py"}


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
    yield from (*IN_LOOPS, "requests", *engines.NESTED, *engines.BLOCKS, *engines.PHASES, *REFUSED_KEYS)


def test_every_key_that_is_read_of_a_suite_is_in_an_example():
    named = {key for key, *_ in CELLS}
    read = set(keys_that_are_read()) - NO_KEYS
    assert {"throughput", "locations-weighted", "run-at", "included-configs", "script-file", "provisioning"} <= read
    assert read <= keys_in_examples() | named
