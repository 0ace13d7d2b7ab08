"""Pulls through a cache rule: an image is fetched once, and only by a rule."""

import json

import pytest

from tests.cloud import oci
from tests.cloud.oci import File, Registry, RegistryError
from tests.cloud.tasks import role

REGION = "eu-west-1"
PYTHON = oci.image({"python": File(content=b"#!")}, Env=["A=b"])
NAME = "docker/library/python"
CACHED = f"public/{NAME}"


@pytest.fixture
def upstream(cloud) -> Registry:
    there = Registry(cloud.upstream("public.ecr.aws"))
    there.push(NAME, PYTHON, "3.12")
    return there


@pytest.fixture
def ecr(cloud):
    return cloud.client("ecr", REGION)


def rule(ecr, prefix="public", **more):
    ecr.create_pull_through_cache_rule(ecrRepositoryPrefix=prefix, **{"upstreamRegistryUrl": "public.ecr.aws", **more})


def registry(cloud, region=REGION, credentials=None) -> Registry:
    return Registry(cloud.registry(region), cloud.registry_login(region, credentials))


def test_without_a_rule_nothing_is_fetched(cloud, ecr, upstream):
    rule(ecr, "other")
    with pytest.raises(RegistryError, match="NAME_UNKNOWN"):
        registry(cloud).manifest(CACHED, "3.12")
    assert ecr.describe_repositories()["repositories"] == []


def test_a_pull_by_digest_fills_no_cache(cloud, ecr, upstream):
    rule(ecr)
    there = registry(cloud)
    with pytest.raises(RegistryError, match="404"):
        there.manifest(CACHED, PYTHON.digest)
    assert ecr.describe_repositories()["repositories"] == []
    other = oci.image({"python": File(content=b"#!")}, Env=["A=c"])
    upstream.push(NAME, other, "3.13")
    there.pull(CACHED, "3.13")
    with pytest.raises(RegistryError, match="404 MANIFEST_UNKNOWN"):
        there.manifest(CACHED, PYTHON.digest)


def test_a_role_needs_the_right_to_import(strict):
    Registry(strict.upstream("public.ecr.aws")).push(NAME, PYTHON, "3.12")
    ecr = strict.client("ecr", REGION)
    rule(ecr)
    trusting = {"AWS": f"arn:aws:iam::{strict.account}:root"}
    login = {"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"}
    pull = {"Effect": "Allow", "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"], "Resource": "*"}
    arn = role(strict, "pull", [login, pull], trusting)
    there = registry(strict, REGION, strict.assume(arn))
    with pytest.raises(RegistryError, match=r"403 DENIED.*BatchImportUpstreamImage"):
        there.manifest(CACHED, "3.12")
    statement = {
        "Sid": "import",
        "Effect": "Allow",
        "Principal": {"AWS": arn},
        "Action": ["ecr:BatchImportUpstreamImage", "ecr:CreateRepository"],
        "Resource": f"arn:aws:ecr:{REGION}:{strict.account}:repository/public/*",
    }
    ecr.put_registry_policy(policyText=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    assert there.pull(CACHED, "3.12") == PYTHON.blobs
