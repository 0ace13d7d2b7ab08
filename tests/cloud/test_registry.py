"""Images in the private registry: pushes, pulls, rights and ECR's descriptions."""

import pytest

from tests.cloud import oci
from tests.cloud.oci import File, Registry, RegistryError
from tests.cloud.refused import refused
from tests.cloud.tasks import role

REGION = "eu-west-1"
ONE = oci.image({"hello": File(content=b"one")}, Entrypoint=["/hello"])
TWO = oci.image({"hello": File(content=b"two" * 1000)}, architecture="arm64")
PUSH = [
    *("ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload", "ecr:BatchCheckLayerAvailability"),
    "ecr:PutImage",
]
PULL = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]


@pytest.fixture
def ecr(cloud):
    client = cloud.client("ecr", REGION)
    client.create_repository(repositoryName="toril/worker")
    return client


def registry(cloud, credentials=None, region=REGION) -> Registry:
    return Registry(cloud.registry(region), cloud.registry_login(region, credentials))


def test_a_repository_belongs_to_one_account_and_region(cloud, ecr):
    registry(cloud).push("toril/worker", ONE, "1")
    with pytest.raises(RegistryError, match="NAME_UNKNOWN"):
        registry(cloud, region="us-east-1").push("toril/worker", ONE, "1")
    cloud.client("ecr", "us-east-1").create_repository(repositoryName="toril/worker")
    assert not registry(cloud, region="us-east-1").has("toril/worker", next(iter(ONE.blobs)))
    with pytest.raises(RegistryError, match="MANIFEST_UNKNOWN"):
        registry(cloud, region="us-east-1").manifest("toril/worker", "1")


def test_an_immutable_tag_cannot_move_but_others_can(cloud, ecr):
    there = registry(cloud)
    ecr.put_image_tag_mutability(
        repositoryName="toril/worker",
        imageTagMutability="IMMUTABLE_WITH_EXCLUSION",
        imageTagMutabilityExclusionFilters=[{"filterType": "WILDCARD", "filter": "dev*"}],
    )
    there.push("toril/worker", ONE, "1", "dev1")
    with pytest.raises(RegistryError, match="TAG_INVALID"):
        there.push("toril/worker", TWO, "1")
    with refused("ImageTagAlreadyExistsException"):
        ecr.put_image(repositoryName="toril/worker", imageManifest=TWO.manifest.decode(), imageTag="1")
    there.push("toril/worker", ONE, "1")
    there.push("toril/worker", TWO, "dev1")
    assert there.manifest("toril/worker", "1") == ONE.manifest
    assert there.manifest("toril/worker", "dev1") == TWO.manifest


def test_a_damaged_upload_is_an_error(cloud, ecr):
    wrong = oci.Image(manifest=ONE.manifest, blobs={digest: data + b"x" for digest, data in ONE.blobs.items()})
    with pytest.raises(RegistryError, match="DIGEST_INVALID"):
        registry(cloud).push("toril/worker", wrong, "1")
    with pytest.raises(RegistryError, match="MANIFEST_BLOB_UNKNOWN"):
        registry(cloud).push_manifest("toril/worker", ONE.manifest, oci.MANIFEST, ["1"])


def test_the_registry_requires_a_token(cloud, ecr):
    for login in ("AWS:wrong", "someone:else", ""):
        with pytest.raises(RegistryError, match="401"):
            Registry(cloud.registry(REGION), login).tags("toril/worker")


def test_a_role_pushes_and_pulls_only_within_its_rights(strict):
    ecr = strict.client("ecr", REGION)
    arns = {
        name: ecr.create_repository(repositoryName=name)["repository"]["repositoryArn"] for name in ("ours", "theirs")
    }
    registry(strict).push("theirs", ONE, "1")
    trusting = {"AWS": f"arn:aws:iam::{strict.account}:root"}
    login = {"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"}
    rights = {"Effect": "Allow", "Action": [*PUSH, *PULL], "Resource": arns["ours"]}
    there = registry(strict, strict.assume(role(strict, "publish", [login, rights], trusting)))
    assert there.push("ours", ONE, "1") == ONE.digest
    assert there.pull("ours", "1") == ONE.blobs
    for refusing in (
        lambda: there.push("theirs", ONE, "2"),
        lambda: there.manifest("theirs", "1"),
        lambda: there.tags("ours"),
    ):
        with pytest.raises(RegistryError, match="403 DENIED"):
            refusing()
