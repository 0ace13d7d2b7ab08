"""Each environment has its own cache prefixes, since a registry has each prefix once."""

import json

import pytest

from infra.settings import RegionSettings, SettingError, parse

LOGIN = {"username": "reader", "accessToken": "made-up"}


def region(stack: str, *caches: object, **credentials: object) -> tuple[RegionSettings, dict[str, object]]:
    found = parse(
        stack, {"caches": json.dumps(caches), "credentials": json.dumps(credentials)}, frozenset({"credentials"})
    )
    assert isinstance(found.settings, RegionSettings)
    return found.settings, dict(found.credentials)


def prefixes(stack: str, *caches: object) -> list[str]:
    return [cache.prefix for cache in region(stack, *caches)[0].caches]


def test_the_main_environment_has_the_usual_prefixes():
    assert prefixes("us-east-1", "ecr-public", {"upstream": "k8s"}) == ["ecr-public", "kubernetes"]


def test_another_environment_has_default_prefixes_below_its_name_and_keeps_explicit_ones():
    caches = ("ecr-public", {"upstream": "k8s"}, {"upstream": "quay", "prefix": "quay"})
    assert prefixes("prod.us-east-1", *caches) == ["prod/ecr-public", "prod/kubernetes", "quay"]


def test_the_longest_environment_leaves_room_for_every_upstream():
    keyless = ("ecr-public", "k8s", "quay", {"upstream": "ecr", "region": "eu-west-1"})
    keyed = [{"upstream": one, "secret": "later"} for one in ("docker-hub", "ghcr", "gitlab", "chainguard")]
    registry = {"upstream": "acr", "registry": "acmeload.azurecr.io", "secret": "later"}
    assert max(map(len, prefixes("productionxx.us-east-1", *keyless, *keyed, registry))) <= 30


@pytest.mark.parametrize("name", ["docker-hub", "prod/docker-hub"])
def test_a_login_is_found_under_the_usual_prefix_or_the_caches_own(name):
    _, credentials = region("prod.us-east-1", "docker-hub", **{name: LOGIN})
    assert credentials == {"prod/docker-hub": LOGIN}


def test_a_cache_without_its_login_is_an_error():
    with pytest.raises(SettingError, match=r"credentials\.prod/docker-hub: "):
        region("prod.us-east-1", "docker-hub")
