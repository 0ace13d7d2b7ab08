"""Whatever a file contains: a plan, or one line that says what is wrong; never a traceback, and never for long."""

import contextlib
import json
import random
import string
import time

import pytest
import yaml

from toril.duet import plan_duet
from toril.errors import SuiteError, UserError
from toril.plan import make_plan
from toril.records import Plan
from toril.run import RunOptions
from toril.suite import read_suite

GOOD = """
execution:
- executor: locust
  concurrency: 10
  ramp-up: 5s
  hold-for: 1m
  scenario: shop
  locations: {eu-west-1: 2, us-east-1: 1}
  criteria: [fail>1%, "slow: avg-rt of home>1s for 10s, stop as failed"]
- {scenario: {requests: [{url: http://127.0.0.1/, label: home}]}, throughput: 30, hold-for: 1m}
scenarios:
  shop: {requests: [/, {transaction: buy, do: [/cart]}], think-time: 1s}
settings: {env: {A: b}, ramp-up-exclude: true}
reporting: [{module: passfail, criteria: {slow: p95>300ms}}]
modules: {jmeter: {properties: {a: 1}}}
services: [shellexec]
toril: {workers: 3, quorum: 90%, worker: {cpu: 1024}}
"""

BOMBS = {
    "brackets": "[" * 10_000_000,
    "braces": "{" * 10_000_000,
    "json brackets": '{"a":' * 2_000_000,
    "json lists": '{"a":\t' + "[" * 5_000_000,
    "closed brackets": "a: " + "[" * 500 + "]" * 500,
    "dashes": "- " * 2_000_000,
    "questions": "? " * 2_000_000,
    "colons": ":" * 5_000_000,
    "indents": "\n".join(" " * level + "a:" for level in range(2_000)),
    "laughs": "a: &a [x, x]\n"
    + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]\n" for n in range(24)),
    "merged laughs": "a: &a {x: 1}\n"
    + "".join(
        f"k{n}: &k{n} {{<<: [*{'a' if not n else f'k{n - 1}'}, *{'a' if not n else f'k{n - 1}'}]}}\n" for n in range(30)
    ),
    "long laughs": "a: &a " + "x" * 100_000 + "\nb: [" + "*a, " * 20_000 + "]\n",
    "recursive list": "a: &a [*a]\n",
    "recursive mapping": "a: &a {b: *a}\n",
    "recursive merge": "a: &a {<<: *a}\n",
    "recursive key": "&a {*a : 1}\n",
    "anchors": "".join(f"a{n}: &a{n} x\n" for n in range(100_000)),
    "documents": "---\n" * 500_000,
    "many keys": "".join(f"k{n}: {n}\n" for n in range(300_000)),
    "same key": "a: 1\n" * 300_000,
    "many values": "a: [" + "1," * 2_000_000 + "]",
    "base 60": "a: 1" + ":10" * 1_000_000,
    "long number": "a: " + "1" * 1_000_000,
    "long json number": '{"a":\t' + "1" * 1_000_000 + "}",
    "long hexadecimal": "a: 0x" + "f" * 1_000_000,
    "long float": "a: 1." + "1" * 1_000_000,
    "one line": "a: " + "x" * 7_000_000,
    "too large": "#" * 9_000_000,
    "quotes": '"' + "x" * 5_000_000,
    "tabs": "\t" * 5_000_000,
    "tabs in lines": "\ta: 1\n" * 300_000,
    "nul": "a: \0",
    "bell": "a: \a",
    "directive": "%YAML 9.9\n---\na: 1\n",
    "unknown alias": "a: *nobody\n",
    "object tag": "a: !!python/object/apply:os.system [true]\n",
    "own tag": "a: !Ref b\n",
    "binary tag": "a: !!binary aGVsbG8=\n",
    "set tag": "a: !!set {x, y}\n",
    "omap tag": "a: !!omap [x: 1]\n",
    "bad int tag": "a: !!int x\n",
    "bad float tag": "a: !!float x\n",
    "bad date": "a: 2026-99-99\n",
    "equals": "a: =\n",
    "infinity": "execution: [{scenario: x, concurrency: .inf}]\n",
    "not a number": "a: .nan\n",
    "json infinity": '{"a":\tInfinity}',
    "surrogate": '{"a":\t"\\ud800"}',
    "list key": "? [a, b]\n: 1\n",
    "mapping key": "? {a: b}\n: 1\n",
    "number key": "1: 2\n",
    "null key": "~: 2\n",
    "empty key": "'': 2\n",
    "list document": "- a\n- b\n",
    "text document": "hello\n",
    "two texts": "a: 1\n--- x\n",
    "empty": "",
    "only null": "~\n",
    "html": "<!DOCTYPE html><html><body>Not found</body></html>",
}


def planned(path):
    """A plan that survives its own JSON, or what is wrong in a line."""
    try:
        plan = make_plan(read_suite([path], system={}), run_id="r", workers=None)
    except SuiteError as error:
        text = str(error)
        assert "\n" not in text
        assert len(text) < 900
        return text
    assert Plan.from_json(plan.to_json(), "plan.json") == plan
    return plan


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_answered_in_a_line(tmp_path, name):
    path = tmp_path / "suite.yml"
    path.write_text(BOMBS[name])
    assert isinstance(planned(path), str)


@pytest.mark.parametrize(
    "data", [b"\xff\xfea\0:\0", b"\x80abc", bytes(range(256)) * 100, b"PK\x03\x04" * 1000, "ä: 1".encode("latin-1")]
)
def test_what_is_no_text_is_refused(tmp_path, data):
    path = tmp_path / "suite.yml"
    path.write_bytes(data)
    assert isinstance(planned(path), str)


def test_the_suite_that_is_mutilated_below_is_good(tmp_path):
    path = tmp_path / "suite.yml"
    path.write_text(GOOD)
    assert isinstance(planned(path), Plan)


def test_hundreds_of_mutilated_texts_are_answered(tmp_path):
    random_ = random.Random(1)
    path = tmp_path / "suite.yml"
    for _ in range(300):
        text = GOOD
        for _ in range(random_.randint(1, 4)):
            at = random_.randrange(len(text))
            what = random_.choice(
                [
                    "",
                    random_.choice(string.printable),
                    "\0",
                    "\t",
                    "&a ",
                    "*a",
                    "!!x ",
                    "[[[",
                    "${A}",
                    "<<: ",
                    "é",
                    "- ",
                    "\n---\n",
                ]
            )
            text = text[:at] + what + text[at + random_.randint(0, 20) :]
        path.write_text(text)
        planned(path)


WRONG: list = [
    None,
    True,
    0,
    -1,
    3.5,
    "",
    "x",
    "5s",
    [],
    {},
    [None],
    [[]],
    [{}],
    {"a": None},
    {"": 1},
    "${A}",
    "${B}",
    10**30,
    "-1",
    ["x"] * 3,
]


def places(value, path=()):
    """Every place in a document."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


def replaced(document, place, value):
    """A copy of the document with that value in that place."""
    copy = json.loads(json.dumps(document))
    holder = copy
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = value
    return copy


def test_any_wrong_value_at_any_place_is_answered(tmp_path):
    path = tmp_path / "suite.json"
    good = yaml.safe_load(GOOD)
    for place in places(good):
        if not place:
            continue
        for wrong in WRONG:
            path.write_text(json.dumps(replaced(good, place, wrong)))
            planned(path)


def test_so_it_is_where_another_address_is_loaded_and_two_are_compared(tmp_path):
    path = tmp_path / "suite.json"
    good = yaml.safe_load(GOOD)
    good["execution"][1]["scenario"]["requests"][0]["url"] = "${SHOP}/"
    good["scenarios"]["shop"]["default-address"] = "${SHOP}"
    good["settings"]["env"] |= {"SHOP": "http://127.0.0.1", "API": "${SHOP}/api"}
    for place in places(good):
        for wrong in WRONG if place and place[0] in ("execution", "scenarios", "settings", "modules") else ():
            path.write_text(json.dumps(replaced(good, place, wrong)))
            with contextlib.suppress(UserError):
                plan_duet([path], RunOptions(), 0.0, base="http://base.example", head="http://head.example")


@pytest.mark.parametrize(("labels", "criteria", "executions"), [(20_000, 3_000, 1), (30_000, 1, 250)])
def test_a_large_suite_is_planned_in_moments(tmp_path, labels, criteria, executions):
    document = {
        "execution": [{"scenario": "shop", "hold-for": "1m"}] * executions,
        "scenarios": {"shop": {"requests": [f"/{number}" for number in range(labels)]}},
        "reporting": [{"module": "passfail", "criteria": [f"p95 of gone {n}>1s" for n in range(criteria)]}],
    }
    path = tmp_path / "suite.json"
    path.write_text(json.dumps(document))
    began = time.process_time()
    plan = make_plan(read_suite([path], system={}), run_id="r", workers=None)
    assert len([text for text in plan.warnings if "no request is labelled" in text]) == criteria
    assert time.process_time() - began < 15  # it takes two


def test_a_slip_among_very_many_names_is_answered_in_moments(tmp_path):
    scenarios = {f"{number} shop{'x' * 50}": {"requests": ["/"]} for number in range(12_000)}
    path = tmp_path / "suite.json"
    path.write_text(json.dumps({"execution": {"scenario": f"1 shp{'x' * 50}"}, "scenarios": scenarios}))
    began = time.process_time()
    assert "did you mean `1 shop" in planned(path)
    assert time.process_time() - began < 8  # it takes one


def test_wrong_overrides_are_answered(tmp_path):
    path = tmp_path / "suite.yml"
    path.write_text(GOOD)
    random_ = random.Random(2)
    parts = [
        "execution",
        "0",
        "1",
        "-1",
        "scenarios",
        "shop",
        "requests",
        "toril",
        "workers",
        "settings",
        "env",
        "^",
        "*",
        "",
        "concurrency",
    ]
    for _ in range(300):
        name = ".".join(random_.choice(parts) for _ in range(random_.randint(1, 5)))
        override = name + random_.choice(["=", "=5", "=[[[", "={a: 1}", "=!!x", "", "=.inf", "=" + "[" * 10_000])
        try:
            make_plan(read_suite([path], overrides=[override], system={}), run_id="r", workers=None)
        except SuiteError as error:
            assert "\n" not in str(error)
