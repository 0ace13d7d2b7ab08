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
