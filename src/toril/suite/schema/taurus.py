"""The JSON Schema of Taurus' keys: `taurus.yml`, with what the reader has tables of."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

from toril.criteria.criterion import TAURUS_KEYS
from toril.suite import values
from toril.suite.criteria import CRITERIA_KEYS
from toril.suite.engines import (
    BLOCKS,
    CASE_RUNNERS,
    ENGINES,
    NESTED,
    PHASES,
    RESULTS_LOADER,
    RESULTS_WAITS,
    TESTED,
    EngineRules,
    by_schedule,
)  # fmt: skip
from toril.suite.executions import EXECUTORS, KNOWN_KEYS, LOCATION, PROVISIONING, SIMILAR
from toril.suite.merge import SIMILAR as SIMILAR_TOP
from toril.suite.merge import TOP_KEYS
from toril.suite.reader import MAX_DURATION_S, MAX_NUMBER
from toril.suite.requests import HOLDERS, WITHOUT_REQUESTS
from toril.suite.schema.texts import described, texts_in
from toril.suite.schema.typos import misspelt
from toril.suite.values import Schema, any_case, number_or, ref, string

UNSUPPORTED = {"locust": "master", "jmeter": "distributed"}  # keys of an execution
RANDOM_PAUSE = rf"(?:{'|'.join(map(any_case, ('uniform', 'gaussian', 'poisson')))})\(.*\)"
PAGES = {"execution": "suite.md#execution", "reporter": "criteria.md", "criterion": "criteria.md"}
NUMBERS = {
    "number": number_or(rf"(?:{values.DECIMAL})?", "10", minimum=0, maximum=MAX_NUMBER),
    "whole": number_or(r"(?:[0-9][0-9 ]*(?:\.[0 ]*)?)?", "10", "integer", minimum=0, maximum=MAX_NUMBER),
    "time": number_or(rf"(?:{values.TIME})?", "30s or 1m30s", minimum=0, maximum=MAX_DURATION_S),
}


def definitions() -> dict[str, Schema]:
    """Returns the schemas of a suite (`suite`) and of its parts, by name."""
    written = deepcopy(texts_in("taurus.yml"))
    rules, parts = written.pop("rules"), written.pop("parts")
    found = {
        **_tables(),
        **parts,
        **{
            name: {"type": "object", "properties": _described(name, keys), **rules.get(name, {})}
            for name, keys in written.items()
        },
    }
    found["request"]["properties"] |= found.pop("block")["properties"]
    found["request"]["allOf"] = [*_blocks()]
    found["execution"]["allOf"] = [*_engine_rules()]
    found["criterion"] = {"anyOf": [values.RULE, *_criterion_forms(found["criterion"])]}
    wrong = {
        "suite": misspelt(TOP_KEYS, SIMILAR_TOP, right=written["suite"]),
        "usual-execution": misspelt(KNOWN_KEYS, SIMILAR),
        "modules": misspelt(EXECUTORS, SIMILAR, wrong=ref("own-module")),
    }
    for name in (*wrong, "module", "settings", "scenario", "reporter"):
        found[name]["patternProperties"] = wrong.get(name, {}) | _stray(name)
    return found


def _tables() -> dict[str, Schema]:
    """Returns the schemas of numbers and names, and the conditions that depend on names."""
    untested = {"executor": {"enum": [name for name in EXECUTORS if name not in TESTED]}}
    own_module = {"type": "object", "not": {"additionalProperties": {"not": ref("own-module")}}}
    numbers = {name: {**form, "type": [*form["type"], "null"]} for name, form in NUMBERS.items()}
    weights = {
        "type": "object",
        "propertyNames": {"pattern": rf"^[~^$]?{LOCATION.pattern}$|{values.REFERENCE}"},
        "additionalProperties": numbers["number"],
        "not": {"additionalProperties": {"enum": [0, None, "", "0"]}},
    }
    return {
        **numbers,
        **{f"placed-{name}": _placed(numbers[name], least) for name, least in (("number", 1), ("whole", 0))},
        "pause": {"anyOf": [values.DURATION.json_schema, string(RANDOM_PAUSE), ref("falsy")]},
        "weights": weights,
        "reference": string(),
        "rule": values.RULE,
        "boolean-text": string(*map(any_case, ("true", "false"))),
        "executor": {"anyOf": [{"enum": [*ENGINES, *CASE_RUNNERS]}, {"not": {"not": ref("falsy")}}, string()]},
        "untested": {"type": "object", "required": ["executor"], "properties": untested},
        "has-own-module": {"required": ["modules"], "properties": {"modules": own_module}},
    }


def _placed(number: Schema, least: int) -> Schema:
    """Returns the schema of a number for each launcher."""
    launchers = dict.fromkeys(PROVISIONING.values(), number)
    return {"type": "object", "properties": launchers, "additionalProperties": False, "minProperties": least}


def _described(name: str, keys: Mapping[str, Schema]) -> dict[str, Schema]:
    """Returns the schemas of keys; their descriptions name defaults, engines and pages."""
    found = {}
    for key, written in keys.items():
        engines = [engine.title for engine in ENGINES.values() if _accepts(engine, name, key)]
        engines = engines if 0 < len(engines) < len(TESTED) else []
        page = written.pop("page", PAGES.get(name, "scenarios.md"))
        text, default = written.pop("description"), written.pop("default", "")
        found[key] = {**written, "description": described(text, default, engines, page=f"reference/{page}")}
    return found


def _accepts(engine: EngineRules, name: str, key: str) -> bool:
    """Returns whether an engine accepts the key of an execution, a scenario, a request or a block."""
    if engine is ENGINES[RESULTS_LOADER]:
        return False
    match name:
        case "execution":
            return key not in engine.ignored_load
        case "scenario" if key in ("script", "files"):
            return bool(engine.scripts)
        case "scenario":
            known = engine.scenario_keys or (key,)
            return engine.generates and key in known and key not in engine.scenario_without
        case "request":
            known = engine.request_keys or (key,)
            fits = key != "actions" or engine.browser
            return engine.generates and key in known and key not in engine.without and fits
        case "block":
            return key in engine.blocks or (key in NESTED and bool(engine.blocks))
    return False


def _blocks() -> Iterator[Schema]:
    """Yields the rule that a block has a list of requests."""
    for block in (*BLOCKS, *PHASES):
        if block not in WITHOUT_REQUESTS:
            held = HOLDERS.get(block, "do")
            yield {"if": {"required": [block]}, "then": {"required": [held], "properties": {held: {"type": "array"}}}}


def _criterion_forms(whole: Schema) -> Iterator[Schema]:
    """Yields the forms of a criterion that are mappings: all of its keys, or a message with the rest."""
    yield {**whole, "required": ["subject", "condition", "threshold"], "additionalProperties": False}
    inner = {"anyOf": [values.RULE, {"type": "object"}]}
    names = {"propertyNames": {"not": {"enum": [*TAURUS_KEYS]}}, "additionalProperties": inner}
    yield {"type": "object", "minProperties": 1, "maxProperties": 1, **names}


def _stray(name: str) -> Schema:
    """Returns the `patternProperties` of criteria where bzt ignores them."""
    right = ("criteria",) if name in ("usual-execution", "scenario", "reporter") else ()
    wrong = "|".join(key for key in CRITERIA_KEYS if key not in right)
    return {f"^(?:{wrong})$": ref("falsy"), **misspelt(CRITERIA_KEYS, SIMILAR_TOP)}


def _engine_rules() -> Iterator[Schema]:
    """Yields the rules of executions that name their engine, and that of exact numbers of workers."""
    for name, engine in ENGINES.items():
        rules: dict[str, Schema] = dict.fromkeys(engine.ignored_load, ref("unused-rate"))
        if engine.no_curve:
            rules = {"throughput": ref("placed-rate"), **rules}
        if name in UNSUPPORTED:
            rules[UNSUPPORTED[name]] = ref("falsy")
        if by_schedule(name):
            rules["iterations"] = {"type": "null"}
        if name == RESULTS_LOADER:
            rules |= {"recorded": {"type": "boolean"}, **dict.fromkeys(RESULTS_WAITS, ref("time"))}
        yield _if("executor", [name], rules)
    exact = {"additionalProperties": {"anyOf": [{"type": "null"}, NUMBERS["whole"]]}}
    yield _if("locations-weighted", [False, "false"], {"locations": exact})


def _if(key: str, choices: list[Any], properties: dict[str, Schema]) -> Schema:
    condition = {"required": [key], "properties": {key: {"enum": choices}}}
    return {"if": {"not": condition}, "else": {"properties": properties}}  # editors propose no keys below `not`
