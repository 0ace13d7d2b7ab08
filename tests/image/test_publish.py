"""`image/publish.py` puts one index, by one digest, into every registry; skopeo and the registry are real."""

import json
import subprocess
import sys

import pytest

from image import publish
from tests.cloud import oci
from tests.cloud.embedded import Cloud, embedded_cloud
from tests.image.archives import archive
from tests.launchers.stage import deployment

REGIONS = ("eu-west-1", "us-east-1")
BUCKET = "results-of-tests"


@pytest.fixture(scope="module")
def cloud():
    with embedded_cloud() as found:
        found.client("s3").create_bucket(Bucket=BUCKET)
        for region in REGIONS:
            found.client("ecr", region).create_repository(repositoryName="toril/worker", imageTagMutability="IMMUTABLE")
            ours = deployment(region, account=found.account)
            worker = ours.workers[0].model_copy(
                update={"image": f"{found.account}.dkr.ecr.{region}.amazonaws.com/toril/worker"}
            )
            record = ours.model_copy(update={"workers": (worker,)})
            found.client("s3").put_object(Bucket=BUCKET, Key=f"deployments/{region}.json", Body=record.to_json())
        yield found


def published(cloud: Cloud, *words: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, publish.__file__, "slim", *map(str, words), "--store", f"s3://{BUCKET}"]
    return subprocess.run(
        [*command, "--registry", cloud.url.partition("://")[2]],
        env=cloud.environment(AWS_DEFAULT_REGION="us-east-1"),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def in_region(cloud: Cloud, region: str, tag: str) -> dict[str, str]:
    """The digests of a tag's images by architecture, and that of the index under the empty name."""
    registry = oci.Registry(cloud.registry(region), cloud.registry_login(region))
    index = registry.manifest("toril/worker", tag)
    parts = {one["platform"]["architecture"]: one["digest"] for one in json.loads(index)["manifests"]}
    return {"": oci.digest_of(index), **parts}


@pytest.mark.live
@pytest.mark.xdist_group("publish")
def test_each_region_gets_the_same_index_of_both_architectures_and_its_digest_is_handed_on(cloud, tmp_path):
    archives = [archive(tmp_path, "arm64"), archive(tmp_path, "amd64")]
    done = published(cloud, *archives, "--tag", "slim-1", "--out", tmp_path / "digests.json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = [in_region(cloud, region, "slim-1") for region in REGIONS]
    assert found[0] == found[1]
    assert set(found[0]) == {"", "amd64", "arm64"}
    assert json.loads((tmp_path / "digests.json").read_text()) == {"slim": found[0][""]}

    again = published(cloud, *reversed(archives), "--tag", "slim-1")
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("is there already") == 2

    other = published(cloud, archives[0], archive(tmp_path, "amd64", b"changed"), "--tag", "slim-1")
    assert other.returncode != 0
    assert "tags never move" in other.stderr


@pytest.mark.live
@pytest.mark.xdist_group("publish")
def test_two_images_of_one_architecture_are_refused(cloud, tmp_path):
    first = archive(tmp_path, "amd64").rename(tmp_path / "first.tar")
    done = published(cloud, first, archive(tmp_path, "amd64", b"other"), "--tag", "slim-2")
    assert done.returncode != 0
    assert "hold 1 architectures" in done.stderr


class Scanner:
    """A registry that has scanned; or that never does."""

    def __init__(self, *told):
        self.told = list(told)

    def describe_image_scan_findings(self, **_):
        return self.told.pop(0)


def scan(status, **findings):
    return {"imageScanStatus": {"status": status}, "imageScanFindings": findings}


def test_critical_findings_of_either_kind_of_scan_are_named():
    basic = scan(
        "COMPLETE", findings=[{"name": "CVE-1", "severity": "CRITICAL"}, {"name": "CVE-2", "severity": "HIGH"}]
    )
    enhanced = scan("ACTIVE", enhancedFindings=[{"title": "CVE-3", "severity": "CRITICAL"}])
    assert publish.findings(Scanner(basic, enhanced), "toril/worker", ["sha256:a", "sha256:b"]) == ["CVE-1", "CVE-3"]


def test_an_image_that_cannot_be_scanned_is_not_published_further():
    with pytest.raises(SystemExit, match="is not scanned"):
        publish.findings(Scanner(scan("FAILED")), "toril/worker", ["sha256:a"])
