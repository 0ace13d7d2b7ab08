"""Errors about a region stack as a whole name the setting and the fix."""

from typing import Any

import pytest

from infra.checks import check_hub, check_images, check_settings
from infra.place import Place
from infra.registry.hosts import PrivateRegistry
from infra.registry.images import Image
from infra.settings import RegionSettings, SettingError
from tests.infra.cases import Case
from tests.infra.regions import ACCOUNT, OTHER, hub, key, place, secret, settings

PRIVATE = {"mode": "private"}
ELSEWHERE = Image(uri="elsewhere", digest=None, registry=PrivateRegistry(ACCOUNT, "eu-west-1"), repository="a")
OUTSIDE = Image(uri="outside", digest=None, credentials=secret())


@pytest.mark.parametrize(
    ("found", "parts"),
    [
        ({"encryption": key("eu-west-1")}, ["toril:encryption:", "eu-west-1", "us-east-1"]),
        ({"logs": {"encryption": key("eu-west-1")}}, ["toril:logs.encryption:", "eu-west-1"]),
        (
            {"caches": [{"upstream": "ghcr", "secret": secret("x-AbCdEf")}]},
            ["toril:caches:", "`x-AbCdEf`", "`ecr-pullthroughcache/`"],
        ),
        (
            {"caches": [{"upstream": "ghcr", "secret": secret("ecr-pullthroughcache/x", "eu-west-1")}]},
            ["toril:caches:", f"{ACCOUNT}, eu-west-1", f"{ACCOUNT}, us-east-1"],
        ),
        ({"caches": [{"upstream": "ecr-public", "prefix": "toril"}]}, ["toril:caches:", "`toril`", "`toril/worker`"]),
        (
            {"caches": ["quay"], "repositories": [{"name": "quay/app"}]},
            ["toril:caches:", "`quay`", "`quay/app`"],
        ),
        ({"repositories": [{"name": "toril/worker"}]}, ["toril:repositories:", "`toril/worker`"]),
        ({"caches": [{"upstream": "ecr", "account": ACCOUNT}]}, ["toril:caches:", "this stack's own registry"]),
        ({"limits": {"durationS": 7 * 86_400}}, ["toril:idleAlarm:", "`limits.durationS`"]),
        ({"registry": {"replicateTo": ["us-east-1"]}}, ["toril:registry.replicateTo:", "`us-east-1`"]),
        ({"registry": {"replicateTo": ["cn-north-1"]}}, ["toril:registry.replicateTo:", "`cn-north-1`", "partition"]),
        ({"home": True, "network": PRIVATE}, ["toril:network.nat:", "coordinators"]),
        (
            {"secrets": ["arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:x"]},
            ["toril:secrets:", "partition"],
        ),
    ],
)
def test_contradictory_settings_are_an_error(found, parts):
    with pytest.raises(SettingError) as refused:
        check_settings(settings(**found), place())
    assert [part for part in parts if part not in str(refused.value)] == []


def test_with_fips_the_region_needs_endpoints_of_every_service():
    check_settings(settings(fips=True), place("us-west-2"))
    with pytest.raises(SettingError, match="in ca-central-1"):
        check_settings(settings(fips=True), place("ca-central-1"))


@pytest.mark.parametrize(
    ("found", "part"),
    [
        ({"secrets": [secret(region="eu-west-1")]}, "toril:secrets: "),
        ({"flavours": {"slim": {"image": f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/a:1"}}}, "toril:flavours: "),
        ({"flavours": {"slim": {"image": f"{ACCOUNT}.dkr.ecr.ca-west-1.amazonaws.com/a:1"}}}, "toril:flavours: "),
    ],
)
def test_with_fips_a_task_takes_nothing_from_a_region_without_endpoints(found, part):
    refusal = Case(stack="us-west-2", config={"fips": True, **found}).found().refusal
    assert str(refusal).startswith(part) and "has no FIPS endpoint" in str(refusal)
    assert Case(stack="us-west-2", config=found).found().refusal is None


@pytest.mark.parametrize(
    ("stack", "found", "part"),
    [
        ("us-west-2", {"network": {"zones": 6}}, "toril:network.zones: `6`"),
        ("eu-north-9", {}, "The stack's name: AWS has no region `eu-north-9`. Use eu-north-1, "),
        ("hub", {"region": "us-west-9"}, "Pulumi.hub.yaml: toril:region: AWS has no region `us-west-9`. Use us-west-"),
        ("us-gov-west-1", {"fips": True}, "toril:architectures: "),
        (
            "us-gov-west-1",
            {"fips": True, "architectures": ["x86-64"], "flavours": {"slim": {"architectures": ["arm64"]}}},
            "toril:flavours.slim.architectures: ",
        ),
    ],
)
def test_a_refused_stack_makes_nothing(stack, found, part):
    refused = Case(stack=stack, config=found).found()
    assert str(refused.refusal).startswith(part)
    assert refused.aws == []


def test_china_has_no_caches():
    with pytest.raises(SettingError, match="ECR has no pull-through caches in cn-north-1"):
        check_settings(settings(caches=["quay"]), place("cn-north-1"))


@pytest.mark.parametrize(
    ("found", "images", "part"),
    [
        ({}, [ELSEWHERE], "`elsewhere` is in another region"),
        ({}, [OUTSIDE], "`outside` is outside AWS"),
        ({"secrets": [secret(region="eu-west-1")]}, [], f"`{secret(region='eu-west-1')}` is in another region"),
    ],
)
def test_destinations_beyond_the_endpoints_need_nat(found, images, part):
    with pytest.raises(SettingError) as refused:
        check_images(settings(network=PRIVATE, **found), place(), images)
    assert str(refused.value).startswith("toril:network.nat: ")
    assert part in str(refused.value)
    check_images(settings(network={**PRIVATE, "nat": True}, **found), place(), images)
    check_images(settings(**found), place(), images)


def test_an_image_of_another_partition_is_an_error():
    there = Image(uri="there", digest=None, registry=PrivateRegistry(ACCOUNT, "us-gov-west-1"), repository="a")
    with pytest.raises(SettingError, match="`there` is in another AWS partition than us-east-1"):
        check_images(settings(), place(), [there])


def hub_error(found: RegionSettings, where: Place, **facts: str) -> str:
    with pytest.raises(SettingError) as refused:
        check_hub(found, where, hub(**facts))
    return str(refused.value)


def test_an_unreachable_results_bucket_is_an_error():
    check_hub(settings(), place("eu-west-1"), hub())
    assert "another AWS partition than us-gov-west-1" in hub_error(settings(), place("us-gov-west-1"))
    assert "no FIPS endpoint in eu-west-1" in hub_error(settings(fips=True), place(), bucket_region="eu-west-1")
    over_fips: dict[str, Any] = {"fips": True, "network": PRIVATE}
    check_hub(settings(**over_fips), place(), hub())
    assert "no FIPS hosts" in hub_error(settings(**over_fips), place(), bucket_region="us-west-2")


def test_a_region_has_to_be_in_the_hubs_account():
    found = hub_error(settings(), place(), account=OTHER)
    assert found.startswith("toril:hub: ")
    assert OTHER in found
    assert ACCOUNT in found
