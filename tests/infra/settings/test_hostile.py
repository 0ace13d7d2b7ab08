"""Any content of a stack's file gives either settings or an error: where, what, and the fix."""

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


# An empty value counts as not set. Some of the other values are valid settings.
EMPTY = {"an empty list", "an empty object"}
NAMES = {"null", "true", "a huge number"}  # valid names of S3 buckets
TEXTS_AND_NUMBERS = {what for what, value in HOSTILE.items() if value is None or isinstance(value, str | int | float)}
HARMLESS = {
    ("hub", "bucket"): NAMES,
    ("hub", "stateBucket"): NAMES,
    ("us-east-1", "hub"): TEXTS_AND_NUMBERS,  # Pulumi checks whether the stack exists
    **{(stack, "tags"): {"an unknown key"} for stack in STACKS},
    **{(stack, "protect"): {"true"} for stack in STACKS},
    **{("us-east-1", switch): {"true"} for switch in ("fips", "home", "idleAlarm")},
    **{("hub", switch): {"true"} for switch in ("faults", "service")},
}


def refusal(stack: str, found: dict[str, Any], secret: frozenset[str] = frozenset()) -> str | None:
    """Returns the error about the settings, or None. Any exception but SettingError fails the test."""
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in found.items()}
    try:
        parse(stack, texts, secret)
    except SettingError as refused:
        return str(refused)
    return None


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.parametrize(("stack", "key"), SETTINGS)
def test_a_hostile_value_gives_a_readable_error(stack, key, what):
    message = refusal(stack, {key: HOSTILE[what]})
    if what in EMPTY | HARMLESS.get((stack, key), set()):
        assert message is None
        return
    assert message is not None
    assert f"Pulumi.{stack}.yaml" in message
    assert re.search(rf"toril:{key}\b", message), message
    assert len(message) < 6_000
    for line in message.splitlines()[1:]:
        assert re.search(r"toril:\S+: \S|… and \d+ more", line), line  # no value breaks out of its line


TEXTS = {
    "hub": {
        **{key: "{}" for key in ("account", "bucket", "encryption", "permissionsBoundary", "region", "stateBucket")},
        "stateKey": "{}",
        "emails": '["{}"]',
        "access": '[{{"roles": ["run"], "principals": ["{}"]}}]',
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
def test_settings_used_in_policies_and_names_accept_no_wildcard_or_quote(stack, key, text):
    config = {key: TEXTS[stack][key].format(text)}
    if stack != "hub" and key == "schedules":
        config["home"] = "true"
    message = refusal(stack, config)
    assert message is not None
    assert f"toril:{key}" in message


@pytest.mark.parametrize("stack", STACKS)
def test_the_error_about_an_unknown_setting_suggests_a_similar_one(stack):
    assert "`tags`" in str(refusal(stack, {"tag": "x"}))


@pytest.mark.parametrize("value", [None, 7, "x", [], {"docker-hub": 1}, {"docker-hub": {"username": MARK}}, {MARK: {}}])
def test_an_error_about_malformed_credentials_does_not_show_them(value):
    found = {"caches": ["docker-hub"], CREDENTIALS: value}
    message = refusal("us-east-1", found, frozenset({CREDENTIALS}))
    assert message is not None
    assert f"toril:{CREDENTIALS}" in message
    assert value == {MARK: {}} or MARK not in message


def test_credentials_in_plain_text_are_an_error():
    login = {"docker-hub": {"username": "u", "accessToken": MARK}}
    message = refusal("us-east-1", {"caches": ["docker-hub"], CREDENTIALS: login})
    assert message is not None
    assert "--secret" in message
    assert MARK not in message


@pytest.mark.parametrize(
    "name", ["", "x", "Hub", "prod.", ".hub", "a.b.hub", "us-east", "prod.us-east-1 ", "é.hub", "-.hub"]
)
def test_the_error_about_a_stacks_name_lists_valid_names(name):
    message = refusal(name, {})
    assert message is not None
    assert "hub" in message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(SETTINGS), JSON)
def test_any_value_is_a_valid_setting_or_gives_an_error_with_its_key(setting, value):
    stack, key = setting
    message = refusal(stack, {key: value})
    assert message is None or f"toril:{key}" in message


ARABIC = "".join(chr(0x660 + int(digit)) for digit in "123456789012")


@pytest.mark.parametrize("text", [ARABIC, f"arn:aws:iam::{ARABIC}:policy/a", "arn:aws:iam::123456789012:policy/é"])
@pytest.mark.parametrize(("stack", "key"), [("hub", "account"), ("hub", "permissionsBoundary"), ("hub", "bucket")])
def test_settings_accept_only_ascii_letters_and_digits(stack, key, text):
    assert f"toril:{key}" in str(refusal(stack, {key: text}))


@pytest.mark.parametrize(
    "tags",
    [{"": "x"}, {"aws:x": "x"}, {"k" * 129: "x"}, {"k": "v" * 257}, {"k": "a,b"}, {"☃": "x"}, {"toril:stack": "x"}],
)
@pytest.mark.parametrize("stack", STACKS)
def test_tags_that_aws_rejects_are_an_error(stack, tags):
    assert "toril:tags" in str(refusal(stack, {"tags": tags}))


@pytest.mark.parametrize("stack", STACKS)
def test_a_stack_accepts_eight_tags_and_no_more(stack):
    assert "toril:tags" in str(refusal(stack, {"tags": {f"k{one}": "v" for one in range(9)}}))
    case = Case(stack=stack, config={"tags": {f"k{one}": "v" for one in range(8)}})
    assert broken(case, case.found()) == []
