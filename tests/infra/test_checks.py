"""What is wrong with a region stack as a whole is said, with the fix, before anything is made."""

from typing import Any

import pytest

from infra.checks import check_hub, check_images, check_settings
from infra.place import Place
from infra.registry.hosts import PrivateRegistry
from infra.registry.images import Image
from infra.settings import RegionSettings, SettingError
from tests.infra.regions import ACCOUNT, OTHER, hub, key, place, secret, settings

PRIVATE = {"mode": "private"}
ELSEWHERE = Image(uri="elsewhere", digest=None, registry=PrivateRegistry(ACCOUNT, "eu-west-1"), repository="a")
OUTSIDE = Image(uri="outside", digest=None, credentials=secret())


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"encryption": key("eu-west-1")}, "toril:encryption: the key is in eu-west-1, this stack in us-east-1"),
        ({"logs": {"encryption": key("eu-west-1")}}, "toril:logs.encryption: the key is in eu-west-1"),
        ({"caches": [{"upstream": "ghcr", "secret": secret("x-AbCdEf")}]}, "begins with ecr-pullthroughcache/"),
        (
            {"caches": [{"upstream": "ghcr", "secret": secret("ecr-pullthroughcache/x", "eu-west-1")}]},
            f"is in {ACCOUNT}, eu-west-1; ECR demands one of the rule's own account and region",
        ),
        ({"caches": [{"upstream": "ecr-public", "prefix": "toril"}]}, "would cover the repository toril/worker"),
        (
            {"caches": ["quay"], "repositories": [{"name": "quay/app"}]},
            "prefix quay would cover the repository quay/app; choose another prefix",
        ),
        ({"repositories": [{"name": "toril/worker"}]}, "is there anyway"),
        ({"caches": [{"upstream": "ecr", "account": ACCOUNT}]}, "caches this very registry"),
        ({"limits": {"durationS": 7 * 86_400}}, "toril:idleAlarm: CloudWatch looks back a week at most"),
        ({"registry": {"replicateTo": ["us-east-1"]}}, "this region itself"),
        ({"registry": {"replicateTo": ["cn-north-1"]}}, "cn-north-1 is in another partition of AWS than us-east-1"),
        ({"home": True, "network": PRIVATE}, "toril:network.nat: coordinators call ECS in other regions"),
        ({"secrets": ["arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:x"]}, "another partition"),
    ],
)
def test_settings_that_do_not_fit_each_other_are_refused(found, said):
    with pytest.raises(SettingError) as refused:
        check_settings(settings(**found), place())
    assert said in str(refused.value)


def test_over_fips_the_region_has_to_have_every_service():
    check_settings(settings(fips=True), place("us-west-2"))
    with pytest.raises(SettingError, match="in ca-central-1"):
        check_settings(settings(fips=True), place("ca-central-1"))


def test_china_has_no_caches():
    with pytest.raises(SettingError, match="ECR has no pull-through caches in cn-north-1"):
        check_settings(settings(caches=["quay"]), place("cn-north-1"))


@pytest.mark.parametrize(
    ("found", "images", "said"),
    [
        ({"caches": ["quay"]}, [], "the first pull through a cache needs a way to the internet"),
        ({}, [ELSEWHERE], "elsewhere is in another region, and endpoints serve their own"),
        ({}, [OUTSIDE], "outside is outside of AWS"),
        ({"secrets": [secret(region="eu-west-1")]}, [], "or replicate the secret into this region"),
    ],
)
def test_what_endpoints_do_not_reach_needs_nat(found, images, said):
    with pytest.raises(SettingError) as refused:
        check_images(settings(network=PRIVATE, **found), place(), images)
    assert str(refused.value).startswith("toril:network.nat: ")
    assert said in str(refused.value)
    check_images(settings(network={**PRIVATE, "nat": True}, **found), place(), images)
    check_images(settings(**found), place(), images)


def test_an_image_of_another_partition_is_refused():
    there = Image(uri="there", digest=None, registry=PrivateRegistry(ACCOUNT, "us-gov-west-1"), repository="a")
    with pytest.raises(SettingError, match="there is in another partition of AWS than us-east-1"):
        check_images(settings(), place(), [there])


def far(found: RegionSettings, where: Place, **facts: str) -> str:
    with pytest.raises(SettingError) as refused:
        check_hub(found, where, hub(**facts))
    return str(refused.value)


def test_the_results_bucket_has_to_be_within_reach():
    check_hub(settings(), place("eu-west-1"), hub())
    assert "they share nothing" in far(settings(), place("us-gov-west-1"))
    assert "no FIPS endpoint in eu-west-1, where the results bucket is" in far(
        settings(fips=True), place(), bucket_region="eu-west-1"
    )
    over_fips: dict[str, Any] = {"fips": True, "network": PRIVATE}
    check_hub(settings(**over_fips), place(), hub())
    assert "no FIPS hosts" in far(settings(**over_fips), place(), bucket_region="us-west-2")


def test_the_home_is_in_the_hubs_account():
    assert "make a region of the hub's account the home" in far(settings(home=True), place(), account=OTHER)
    check_hub(settings(), place(), hub(account=OTHER))
