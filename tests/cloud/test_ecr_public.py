"""ECR Public: one registry per account, with a catalogue."""

import json

import pytest

from tests.cloud.refused import refused

POLICY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*"}]})


@pytest.fixture
def public(cloud):
    return cloud.client("ecr-public", "us-east-1")


def test_us_west_2_has_the_same_registry_and_other_regions_have_none(cloud, public):
    public.create_repository(repositoryName="worker")
    assert cloud.client("ecr-public", "us-west-2").describe_repositories()["repositories"]
    with refused("UnknownOperationException"):
        cloud.client("ecr-public", "eu-west-1").describe_repositories()


def test_ecr_public_returns_a_token(public):
    assert public.get_authorization_token()["authorizationData"]["authorizationToken"]
