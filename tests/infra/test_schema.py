"""The settings as users read them: Pulumi.yaml declares what the program reads."""

import json
import re
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from infra.settings import CREDENTIALS, HubSettings, RegionSettings, SettingError, parse
from infra.settings import _keys as keys
from infra.settings.schema import PROJECT, declared, main, render_project, rows

PAGES = Path(__file__).parents[2].joinpath("docs").rglob("*.md")
BLOCK = re.compile(r"^```yaml\n(config:\n.*?)^```", re.MULTILINE | re.DOTALL)
SHOWN = [pytest.param(block, id=page.stem) for page in PAGES for block in BLOCK.findall(page.read_text())]
MODELS: dict[str, type[BaseModel]] = {"hub": HubSettings, "region": RegionSettings}


def as_pulumi_gives_them(changes):
    """Returns the settings that Pulumi gives a stack: its own, and all declared defaults."""
    texts = {}
    for key, one in declared().items():
        value = changes.get(key, one["default"])
        is_text = isinstance(value, str)
        texts[key] = value if is_text else json.dumps(value)
    return texts


def test_the_project_is_up_to_date():
    assert render_project(PROJECT.read_text()) == PROJECT.read_text()
    assert main([]) == 0


def test_pulumi_yaml_declares_exactly_the_programs_settings():
    read = {key for model in MODELS.values() for key in keys(model)}
    assert set(declared()) == read | {CREDENTIALS}
    assert set(yaml.safe_load(PROJECT.read_text())["config"]) == set(declared())


@pytest.mark.parametrize("stack", ["hub", "us-east-1", "prod.hub", "prod.eu-west-1"])
def test_declared_defaults_equal_the_settings_defaults_in_both_kinds_of_stack(stack):
    assert parse(stack, as_pulumi_gives_them({})) == parse(stack, {})


@pytest.mark.parametrize(("stack", "key", "value"), [("hub", "fips", "true"), ("us-east-1", "region", "eu-west-1")])
def test_a_setting_of_the_other_kind_of_stack_is_an_error_unless_it_has_its_default(stack, key, value):
    with pytest.raises(SettingError, match=key):
        parse(stack, as_pulumi_gives_them({key: value}))


def test_defaults_do_not_change_a_set_value():
    found = parse("us-east-1", as_pulumi_gives_them({"home": "true", "idleAlarm": "false"})).settings
    assert isinstance(found, RegionSettings)
    assert (found.home, found.idle_alarm) == (True, False)


@pytest.mark.parametrize("key", sorted(declared()))
def test_every_declared_key_has_a_description_and_a_default_of_its_type(key):
    one = declared()[key]
    assert one["description"].split(": ")[0] in ("hub", "region", "both")
    kinds = {"string": str, "boolean": bool, "array": list, "object": dict}
    assert "type" not in one or type(one["default"]) is kinds[one["type"]]
    assert ("items" in one) == (one.get("type") == "array")


def test_credentials_are_secret_and_untyped_since_their_default_is_not_encrypted():
    assert declared()[CREDENTIALS]["secret"] is True
    assert "type" not in declared()[CREDENTIALS]


def test_a_list_with_a_short_form_has_no_declared_type():
    assert "type" not in declared()["caches"]
    found = parse("us-east-1", as_pulumi_gives_them({"caches": ["ecr-public"]})).settings
    assert isinstance(found, RegionSettings)
    assert [cache.prefix for cache in found.caches] == ["ecr-public"]


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_every_setting_has_a_row_with_a_description(model):
    found = list(rows(model))
    assert {one.path.partition(".")[0].removesuffix("[]") for one in found} >= set(keys(model))
    assert all(one.description.endswith((".", ")")) for one in found), [one.path for one in found]


def test_nested_settings_have_their_path_as_name():
    paths = {one.path for one in rows(RegionSettings)} | {one.path for one in rows(HubSettings)}
    assert paths >= {
        "caches[].upstreamPrefix",
        "flavours.<name>.digest",
        "repositories[].grants[].rights",
        "github.home.repositoryId",
        "github.repositories[].run",
        "targets.cidrs",
    }


@pytest.mark.parametrize("block", SHOWN)
def test_settings_on_the_pages_are_valid(block):
    settings = {key.removeprefix("toril:"): value for key, value in yaml.safe_load(block)["config"].items()}
    stack = "hub" if set(settings) <= set(keys(HubSettings)) else "us-gov-west-1"
    parse(stack, {key: value if isinstance(value, str) else json.dumps(value) for key, value in settings.items()})
