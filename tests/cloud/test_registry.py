"""Images in the private registry: pushes, pulls, rights and ECR's descriptions."""

import json
import subprocess

import pytest

from tests.cloud import oci
from tests.cloud.oci import File, Registry, RegistryError
from tests.cloud.proxy import aws_proxy
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


def test_a_pushed_image_can_be_pulled_and_described_by_its_digest(cloud, ecr):
    there = registry(cloud)
    digest = there.push("toril/worker", ONE, "1", "latest")
    assert there.pull("toril/worker", digest) == there.pull("toril/worker", "latest") == ONE.blobs
    (image,) = ecr.describe_images(repositoryName="toril/worker", imageIds=[{"imageTag": "1"}])["imageDetails"]
    assert (image["imageDigest"], sorted(image["imageTags"])) == (digest, ["1", "latest"])
    manifest = json.loads(ONE.manifest)
    assert image["imageSizeInBytes"] == manifest["config"]["size"] + manifest["layers"][0]["size"]
    answer = ecr.batch_get_image(repositoryName="toril/worker", imageIds=[{"imageDigest": digest}])
    assert answer["images"][0]["imageManifest"].encode() == ONE.manifest
    assert there.tags("toril/worker") == ["1", "latest"]


def test_an_index_may_name_only_existing_images(cloud, ecr):
    there, both = registry(cloud), oci.index({"amd64": ONE, "arm64": TWO})
    there.push("toril/worker", ONE)
    with pytest.raises(RegistryError, match="MANIFEST_BLOB_UNKNOWN"):
        there.push_manifest("toril/worker", both, oci.INDEX, ["1"])
    there.push("toril/worker", TWO)
    digest = there.push_manifest("toril/worker", both, oci.INDEX, ["1"])
    (image,) = ecr.describe_images(repositoryName="toril/worker", filter={"tagStatus": "TAGGED"})["imageDetails"]
    assert (image["imageDigest"], image["imageManifestMediaType"]) == (digest, oci.INDEX)
    assert there.pull("toril/worker", TWO.digest) == TWO.blobs


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


def test_a_missing_image_is_an_error(cloud, ecr):
    with refused("ImageNotFoundException", "'2'"):
        ecr.describe_images(repositoryName="toril/worker", imageIds=[{"imageTag": "2"}])
    answer = ecr.batch_get_image(repositoryName="toril/worker", imageIds=[{"imageTag": "2"}])
    assert answer["failures"][0]["failureCode"] == "ImageNotFound"


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


def test_a_reset_empties_the_registry(cloud, ecr):
    registry(cloud).push("toril/worker", ONE, "1")
    cloud.reset()
    with pytest.raises(RegistryError, match="NAME_UNKNOWN"):
        registry(cloud).manifest("toril/worker", "1")


@pytest.mark.live
def test_skopeo_copies_images_to_and_from_the_registry(cloud, ecr, tmp_path):
    there = registry(cloud)
    digest = there.push("toril/worker", ONE, "1")
    ecr.create_repository(repositoryName="copy")

    def skopeo(*arguments):
        return subprocess.run(["skopeo", *arguments], check=True, capture_output=True, text=True).stdout

    source, target = f"docker://{there.address}/toril/worker:1", f"docker://{there.address}/copy:2"
    plain = ["--src-tls-verify=false", "--src-creds", there.login]
    skopeo("copy", *plain, source, f"dir:{tmp_path}")
    skopeo("copy", "--dest-tls-verify=false", "--dest-creds", there.login, f"dir:{tmp_path}", target)
    (image,) = ecr.describe_images(repositoryName="copy")["imageDetails"]
    assert (image["imageDigest"], image["imageTags"]) == (digest, ["2"])


@pytest.mark.live
def test_an_unmodified_client_pushes_to_the_registrys_own_name(cloud, ecr):
    there = registry(cloud)
    there.push("toril/worker", ONE, "1")
    name = f"docker://{cloud.account}.dkr.ecr.{REGION}.amazonaws.com/toril/worker"
    with aws_proxy(cloud) as proxy:
        creds = ["--src-creds", there.login, "--dest-creds", there.login]
        environment = proxy.environment(SSL_CERT_DIR="/nonexistent")
        subprocess.run(["skopeo", "copy", *creds, f"{name}:1", f"{name}:2"], env=environment, check=True)
    assert set(proxy.hosts) == {f"{cloud.account}.dkr.ecr.{REGION}.amazonaws.com"}
    assert there.tags("toril/worker") == ["1", "2"]
