"""Whatever somebody writes into a stack's file, the answer is settings or a sentence: where, what, and the fix."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from infra.settings import CREDENTIALS, HubSettings, RegionSettings, SettingError, parse
from infra.settings import _keys as keys
from tests.infra.cases import Case
from tests.infra.configurations import MARK
from tests.infra.laws import broken

STACKS: dict[str, type[BaseModel]] = {"hub": HubSettings, "us-east-1": RegionSettings}
SETTINGS = [(stack, key) for stack, model in STACKS.items() for key in keys(model)]
INJECTED = '","Effect":"Allow","Principal":"*","Action":"*'
HOSTILE: dict[str, Any] = {
    "null": None,
    "a number": 7,
    "a negative number": -1,
    "a huge number": 10**30,
    "no number": float("nan"),
    "true": True,
    "a text": "x",
    "a blank": " ",
    "a huge text": "x" * 100_000,
    "a line break": "toril\nmain",
    "a null byte": "a\0b",
    "unicode": "Ünïcode–☃\U0001f600",
    "half a character": "\ud800",
    "an injection": INJECTED,
    "a wildcard ARN": "arn:aws:iam::*:role/*",
    "an ARN with a line break": f"arn:aws:kms:us-east-1:{'1' * 12}:key/a\n",
    "other digits": "١٢٣٤٥٦٧٨٩٠١٢",  # which Unicode calls decimal too
    "an empty list": [],
    "a list of all": [None, 1, "x", [], {}],
    "a list of injections": [INJECTED],
    "a long list": ["a"] * 10_000,
    "an empty object": {},
    "an unknown key": {"nope": 1},
    "an object of objects": {"a": {"b": {"c": {}}}},
    "broken JSON": '{"a": [',
    "deep": json.loads("[" * 200 + "]" * 200),
}


# What is empty is a setting that is not set. Some of the others are settings that do no harm.
EMPTY = {"an empty list", "an empty object"}
NAMES = {"null", "true", "a huge number"}  # of buckets, as S3 takes them
TEXTS_AND_NUMBERS = {what for what, value in HOSTILE.items() if value is None or isinstance(value, str | int | float)}
HARMLESS = {
    ("hub", "bucket"): NAMES,
    ("hub", "stateBucket"): NAMES,
    ("us-east-1", "hub"): TEXTS_AND_NUMBERS,  # of which Pulumi finds a stack, or none
    **{(stack, "tags"): {"an unknown key"} for stack in STACKS},
    **{(stack, "protect"): {"true"} for stack in STACKS},
    **{("us-east-1", switch): {"true"} for switch in ("fips", "home", "idleAlarm")},
}


def refusal(stack: str, found: dict[str, Any], secret: frozenset[str] = frozenset()) -> str | None:
    """What is said against the settings; None if nothing is. Anything but SettingError fails the test."""
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in found.items()}
    try:
        parse(stack, texts, secret)
    except SettingError as refused:
        return str(refused)
    return None


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.parametrize(("stack", "key"), SETTINGS)
def test_a_hostile_value_is_refused_in_words(stack, key, what):
    said = refusal(stack, {key: HOSTILE[what]})
    if what in EMPTY | HARMLESS.get((stack, key), set()):
        assert said is None
        return
    assert said is not None
    assert f"Pulumi.{stack}.yaml" in said
    assert re.search(rf"toril:{key}\b", said), said
    assert len(said) < 6_000
    for line in said.splitlines()[1:]:
        assert re.search(r"toril:\S+: \S|… and \d+ more", line), line  # no value breaks out of its line


TEXTS = {
    "hub": {
        **{key: "{}" for key in ("account", "bucket", "encryption", "permissionsBoundary", "region", "stateBucket")},
        "stateKey": "{}",
        "emails": '["{}"]',
        "regionAccounts": '["{}"]',
        "github": '{{"home": {{"name": "{}", "ownerId": "1", "repositoryId": "2"}}}}',
        "budget": '{{"monthlyUsd": 1, "emails": ["{}"]}}',
        "publicRepository": '{{"name": "{}"}}',
    },
    "us-east-1": {
        **{key: "{}" for key in ("account", "encryption", "permissionsBoundary")},
        "caches": '["{}"]',
        "secrets": '["{}"]',
        "secretKeys": '["{}"]',
        "repositories": '[{{"name": "{}"}}]',
        "registry": '{{"replicateTo": ["{}"]}}',
        "flavours": '{{"{}": {{}}}}',
        "logs": '{{"encryption": "{}"}}',
        "network": '{{"mode": "existing", "vpc": "{}", "subnets": ["subnet-01234567"]}}',
        "targets": '{{"hosts": ["{}"]}}',
        "schedules": '[{{"name": "{}", "suite": "a", "cron": "rate(1 day)"}}]',
    },
}
INJECTIONS = ["*", "a*", "a b", 'a\\"', "a/../b", "${aws:username}", "a\\n", "A;B", "é", "a\\u0000", "$(id)", "%s"]


@pytest.mark.parametrize(("stack", "key"), [(stack, key) for stack, found in TEXTS.items() for key in found])
@pytest.mark.parametrize("text", INJECTIONS)
def test_nothing_that_policies_and_names_are_made_of_takes_a_wildcard_or_a_quote(stack, key, text):
    config = {key: TEXTS[stack][key].format(text)}
    if stack != "hub" and key == "schedules":
        config["home"] = "true"
    said = refusal(stack, config)
    assert said is not None
    assert f"toril:{key}" in said


@pytest.mark.parametrize("stack", STACKS)
def test_an_unknown_setting_is_named_with_the_one_that_was_meant(stack):
    assert "did you mean tags?" in str(refusal(stack, {"tag": "x"}))


@pytest.mark.parametrize("value", [None, 7, "x", [], {"docker-hub": 1}, {"docker-hub": {"username": MARK}}, {MARK: {}}])
def test_credentials_of_a_wrong_form_are_refused_without_showing_them(value):
    found = {"caches": ["docker-hub"], CREDENTIALS: value}
    said = refusal("us-east-1", found, frozenset({CREDENTIALS}))
    assert said is not None
    assert f"toril:{CREDENTIALS}" in said
    assert value == {MARK: {}} or MARK not in said


def test_credentials_in_plain_text_are_refused():
    login = {"docker-hub": {"username": "u", "accessToken": MARK}}
    said = refusal("us-east-1", {"caches": ["docker-hub"], CREDENTIALS: login})
    assert said is not None
    assert "--secret" in said
    assert MARK not in said


@pytest.mark.parametrize(
    "name", ["", "x", "Hub", "prod.", ".hub", "a.b.hub", "us-east", "prod.us-east-1 ", "é.hub", "-.hub"]
)
def test_a_stack_with_another_name_is_refused_with_the_names_there_are(name):
    said = refusal(name, {})
    assert said is not None
    assert "hub" in said


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(SETTINGS), JSON)
def test_any_value_of_any_setting_is_refused_in_words_or_is_a_setting(setting, value):
    stack, key = setting
    said = refusal(stack, {key: value})
    assert said is None or f"toril:{key}" in said


ARABIC = "".join(chr(0x660 + int(digit)) for digit in "123456789012")


@pytest.mark.parametrize("text", [ARABIC, f"arn:aws:iam::{ARABIC}:policy/a", "arn:aws:iam::123456789012:policy/é"])
@pytest.mark.parametrize(("stack", "key"), [("hub", "account"), ("hub", "permissionsBoundary"), ("hub", "bucket")])
def test_letters_and_digits_are_those_of_ascii(stack, key, text):
    assert f"toril:{key}" in str(refusal(stack, {key: text}))


@pytest.mark.parametrize(
    "tags",
    [{"": "x"}, {"aws:x": "x"}, {"k" * 129: "x"}, {"k": "v" * 257}, {"k": "a,b"}, {"☃": "x"}, {"toril:stack": "x"}],
)
@pytest.mark.parametrize("stack", STACKS)
def test_tags_that_aws_refuses_are_refused(stack, tags):
    assert "toril:tags" in str(refusal(stack, {"tags": tags}))


@pytest.mark.parametrize("stack", STACKS)
def test_as_many_tags_as_an_object_can_bear(stack):
    assert "toril:tags" in str(refusal(stack, {"tags": {f"k{one}": "v" for one in range(9)}}))
    case = Case(stack=stack, config={"tags": {f"k{one}": "v" for one in range(8)}})
    assert broken(case, case.found()) == []
