"""Every stack with valid settings keeps the laws; contradictory settings give an error."""

import re
from dataclasses import replace

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from infra.settings.caches import UPSTREAMS
from infra.settings.schema import ROOT
from tests.infra.cases import Case
from tests.infra.configurations import REGIONS, examples, hubs, regions
from tests.infra.laws import broken
from tests.infra.stack_files import committed

MOST_RESOURCES, MOST_FOR_AN_UPSTREAM = 40, 4
DIGEST = "sha256:" + "ab" * 32


@given(hubs())
@examples(30)
def test_every_hub_keeps_the_laws(case):
    found = case.found()
    assert found.refusal is None
    assert broken(case, found) == []


@given(regions())
@examples(40)
def test_every_region_keeps_the_laws(case):
    found = case.found()
    assert found.refusal is None
    assert broken(case, found) == []


@pytest.mark.parametrize("case", committed(), ids=lambda case: case.stack)
def test_every_committed_stack_keeps_the_laws(case):
    found = case.found()
    assert found.refusal is None
    assert broken(case, found) == []


@given(regions(), regions())
@examples(20)
def test_combined_settings_of_two_stacks_keep_the_laws_or_give_an_error_with_the_key(one, other):
    mixed = replace(one, config={**one.config, **other.config})
    found = mixed.found()
    if found.refusal is None:
        assert broken(mixed, found) == []
    else:
        assert re.search(r"toril:[a-z]\w+", str(found.refusal)), found.refusal


@given(st.one_of(hubs(), regions()))
@examples(10)
def test_a_preview_has_the_same_resources_as_the_update(case):
    foreseen, made = case.found(preview=True), case.found()
    assert foreseen.urns().keys() == made.urns().keys()
    assert not foreseen.faults
    for urn, resource in foreseen.urns().items():
        assert resource.inputs.keys() == made.urns()[urn].inputs.keys()


def test_a_default_region_has_few_resources_and_an_upstream_adds_few():
    config = {"caches": ["ecr-public"]}
    base = Case(stack="us-east-1", config=config).found()
    assert len(base.aws) <= MOST_RESOURCES
    for name in sorted(UPSTREAMS.keys() - {"ecr-public"}):
        one = {"upstream": name}
        one |= {"acr": {"registry": "acmeregistry.azurecr.io"}, "ecr": {"account": "210987654321"}}.get(name, {})
        login = {UPSTREAMS[name].prefix: {"username": "u", "accessToken": "t"}} if UPSTREAMS[name].keyed else {}
        more = Case(stack="us-east-1", config={"caches": ["ecr-public", one], "credentials": login}).found()
        assert more.refusal is None
        assert len(more.aws) - len(base.aws) <= MOST_FOR_AN_UPSTREAM, name


def test_an_image_without_the_tag_that_fills_its_cache_is_allowed_with_a_warning():
    for version, count in ((f"@{DIGEST}", 1), (f":1@{DIGEST}", 0)):
        flavours = {"slim": {"image": f"quay.io/acme/worker{version}"}}
        found = Case(stack="us-east-1", config={"caches": ["quay"], "flavours": flavours}).found()
        assert found.refusal is None
        warnings = [one for one in found.messages if "toril:flavours: Add the tag" in one]
        assert len(warnings) == count
        assert all(f"quay/acme/worker@{DIGEST}" in one for one in warnings)


def test_the_expected_stack_files_are_committed():
    files = {path.name.removeprefix("Pulumi.").removesuffix(".yaml") for path in ROOT.glob("Pulumi.*.yaml")}
    assert {case.stack for case in committed()} == files


def test_twelve_regions_and_a_second_environment_share_no_physical_name():
    names: dict[tuple[str, str, str], str] = {}
    config = {"home": True, "protect": True, "encryption": "KMS", "caches": [{"upstream": "ecr", "account": "2" * 12}]}
    cases = [Case(stack="hub", config={"region": "us-east-1"}), Case(stack="prod.hub", config={"region": "us-east-1"})]
    cases += [Case(stack=region, config=config) for region in REGIONS]
    other = {**config, "caches": [{"upstream": "ecr", "account": "2" * 12, "prefix": "prod-ecr"}]}
    cases.append(Case(stack="prod.us-east-1", config=other))
    for case in cases:
        found = case.found()
        assert found.refusal is None, found.refusal
        for one in found.aws:
            for key in NAMES & one.inputs.keys():
                if one.type.endswith(":RolePolicy") or (key == "bucket" and not one.type.endswith(":Bucket")):
                    continue
                place = (one.type, str(one.inputs.get("region", "")), str(one.inputs[key]))
                assert place not in names, f"{one.urn} and {names[place]} have the same name {place}"
                names[place] = one.urn


NAMES = {"name", "family", "bucket", "ecrRepositoryPrefix", "repositoryName"}


def test_stack_files_are_read_like_pulumi_reads_them():
    for path in ROOT.glob("Pulumi.*.yaml"):
        assert all(key.startswith("toril:") for key in yaml.safe_load(path.read_text())["config"])
