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


def test_the_first_pull_makes_the_repository_and_later_pulls_need_no_upstream(cloud, ecr, upstream):
    rule(ecr)
    ecr.create_repository_creation_template(
        prefix="public", appliedFor=["PULL_THROUGH_CACHE"], imageTagMutability="IMMUTABLE"
    )
    there = registry(cloud)
    assert there.pull(CACHED, "3.12") == PYTHON.blobs
    (repository,) = ecr.describe_repositories()["repositories"]
    assert (repository["repositoryName"], repository["imageTagMutability"]) == (CACHED, "IMMUTABLE")
    (image,) = ecr.describe_images(repositoryName=CACHED)["imageDetails"]
    assert (image["imageDigest"], image["imageTags"]) == (PYTHON.digest, ["3.12"])
    cloud.set_upstream("public.ecr.aws", up=False)
    assert there.pull(CACHED, "3.12") == there.pull(CACHED, PYTHON.digest) == PYTHON.blobs
    with pytest.raises(RegistryError, match=r"public\.ecr\.aws does not answer"):
        there.manifest(CACHED, "3.13")


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


def test_an_index_is_fetched_with_the_requested_image(cloud, ecr, upstream):
    rule(ecr)
    both = oci.index({"amd64": PYTHON})
    upstream.push_manifest(NAME, both, oci.INDEX, ["all"])
    there = registry(cloud)
    assert there.manifest(CACHED, "all") == both
    assert there.pull(CACHED, PYTHON.digest) == PYTHON.blobs


def test_an_upstream_may_require_the_rules_credential(cloud, ecr):
    Registry(cloud.upstream("registry-1.docker.io")).push("library/python", PYTHON, "3.12")
    cloud.set_upstream("registry-1.docker.io", login=("toril", "t0k3n"))
    secrets = cloud.client("secretsmanager", REGION)
    arn = secrets.create_secret(
        Name="ecr-pullthroughcache/hub", SecretString=json.dumps({"username": "toril", "accessToken": "old"})
    )["ARN"]
    rule(ecr, "hub", upstreamRegistryUrl="registry-1.docker.io", credentialArn=arn)
    there = registry(cloud)
    with pytest.raises(RegistryError, match="refuses the credential"):
        there.manifest("hub/library/python", "3.12")
    secrets.put_secret_value(SecretId=arn, SecretString=json.dumps({"username": "toril", "accessToken": "t0k3n"}))
    assert there.manifest("hub/library/python", "3.12") == PYTHON.manifest


def test_a_region_caches_images_of_the_hubs_registry(cloud, ecr):
    hub = cloud.client("ecr", "us-east-1")
    hub.create_repository(repositoryName="toril/worker")
    registry(cloud, "us-east-1").push("toril/worker", PYTHON, "1")
    rule(
        ecr,
        "hub",
        upstreamRegistryUrl=f"{cloud.account}.dkr.ecr.us-east-1.amazonaws.com",
        upstreamRepositoryPrefix="toril",
    )
    assert registry(cloud).pull("hub/worker", "1") == PYTHON.blobs


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
