"""Pull-through cache rules: validation and life cycle."""

import json

import pytest

from tests.cloud.refused import refused

REGION = "eu-west-1"
VALUE = json.dumps({"username": "toril", "accessToken": "t0k3n"})


@pytest.fixture
def ecr(cloud):
    return cloud.client("ecr", REGION)


def secret(cloud, region=REGION, name="ecr-pullthroughcache/docker-hub", value=VALUE):
    return cloud.client("secretsmanager", region).create_secret(Name=name, SecretString=value)["ARN"]


def docker_hub(ecr, arn=None, prefix="docker-hub"):
    credential = {} if arn is None else {"credentialArn": arn}
    return ecr.create_pull_through_cache_rule(
        ecrRepositoryPrefix=prefix, upstreamRegistryUrl="registry-1.docker.io", **credential
    )


def public(ecr, prefix="ecr-public"):
    return ecr.create_pull_through_cache_rule(ecrRepositoryPrefix=prefix, upstreamRegistryUrl="public.ecr.aws")


def test_a_prefix_has_one_rule(ecr):
    public(ecr)
    with refused("PullThroughCacheRuleAlreadyExistsException"):
        public(ecr, "ecr-public/")


def test_a_registry_has_at_most_fifty_rules_listed_in_pages(ecr):
    for number in range(50):
        public(ecr, f"p{number:02}")
    with refused("LimitExceededException"):
        public(ecr, "one-more")
    pages = ecr.get_paginator("describe_pull_through_cache_rules").paginate(PaginationConfig={"PageSize": 20})
    sizes = [len(page["pullThroughCacheRules"]) for page in pages]
    assert sizes == [20, 20, 10]


@pytest.mark.parametrize("prefix", ["A", "-a", "a//b", "a_", "root"])
def test_prefixes_follow_the_pattern(ecr, prefix):
    if prefix == "root":
        public(ecr, prefix)
        public(ecr, "ROOT")
        return
    with refused("InvalidParameterException", "ecrRepositoryPrefix"):
        public(ecr, "a" + prefix if len(prefix) < 2 else prefix)


@pytest.mark.parametrize(
    "url", ["registry-1.docker.io", "ghcr.io", "toril.azurecr.io", "registry.gitlab.com", "cgr.dev"]
)
def test_five_upstreams_need_a_credential(ecr, url):
    with refused("InvalidParameterException", "needs a credential"):
        ecr.create_pull_through_cache_rule(ecrRepositoryPrefix="up", upstreamRegistryUrl=url)


@pytest.mark.parametrize("url", ["docker.io", "example.com", "registry-1.docker.io.example.com"])
def test_other_registries_are_an_error(ecr, url):
    with refused("UnsupportedUpstreamRegistryException"):
        ecr.create_pull_through_cache_rule(ecrRepositoryPrefix="up", upstreamRegistryUrl=url)


def test_a_credential_must_be_a_valid_secret_of_the_same_region(cloud, ecr):
    with refused("InvalidParameterException", "own account and region"):
        docker_hub(ecr, secret(cloud, "us-east-1"))
    with refused("InvalidParameterException", "credentialArn"):
        docker_hub(ecr, secret(cloud, name="docker-hub"))
    with refused("SecretNotFoundException"):
        docker_hub(ecr, f"arn:aws:secretsmanager:{REGION}:{cloud.account}:secret:ecr-pullthroughcache/none-AbCdEf")
    wrong = secret(cloud, name="ecr-pullthroughcache/wrong", value=json.dumps({"username": "a", "password": "b"}))
    with refused("UnableToAccessSecretException", "accessToken"):
        docker_hub(ecr, wrong)
    empty = cloud.client("secretsmanager", REGION).create_secret(Name="ecr-pullthroughcache/empty")["ARN"]
    with refused("UnableToAccessSecretException"):
        docker_hub(ecr, empty)


def test_an_update_requires_a_credential_or_a_role(cloud, ecr):
    docker_hub(ecr, secret(cloud))
    with refused("InvalidParameterException"):
        ecr.update_pull_through_cache_rule(ecrRepositoryPrefix="docker-hub")


def test_another_accounts_registry_needs_a_custom_role(cloud, ecr):
    own, other = (f"{account}.dkr.ecr.us-east-1.amazonaws.com" for account in (cloud.account, "210987654321"))
    ecr.create_pull_through_cache_rule(ecrRepositoryPrefix="own", upstreamRegistryUrl=own)
    with refused("InvalidParameterException", "custom role"):
        ecr.create_pull_through_cache_rule(ecrRepositoryPrefix="other", upstreamRegistryUrl=other)
    role = f"arn:aws:iam::{cloud.account}:role/pull"
    rule = ecr.create_pull_through_cache_rule(
        ecrRepositoryPrefix="other", upstreamRegistryUrl=other, customRoleArn=role
    )
    assert rule["customRoleArn"] == role


def test_a_root_rule_keeps_the_upstreams_names(ecr):
    with refused("InvalidParameterException", "ROOT"):
        ecr.create_pull_through_cache_rule(
            ecrRepositoryPrefix="ROOT", upstreamRegistryUrl="quay.io", upstreamRepositoryPrefix="team"
        )


def test_validation_checks_whether_the_secret_is_still_a_credential(cloud, ecr):
    arn = secret(cloud)
    docker_hub(ecr, arn)
    assert ecr.validate_pull_through_cache_rule(ecrRepositoryPrefix="docker-hub")["isValid"]
    cloud.client("secretsmanager", REGION).put_secret_value(SecretId=arn, SecretString="{}")
    answer = ecr.validate_pull_through_cache_rule(ecrRepositoryPrefix="docker-hub")
    assert not answer["isValid"]
    assert "accessToken" in answer["failure"]
