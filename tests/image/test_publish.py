"""`image/publish.py` publishes one index, by one digest, to every registry. Skopeo and the registry are real."""

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
    to = [] if "--to" in words else ["--store", f"s3://{BUCKET}"]
    user, _, password = cloud.registry_login().partition(":")
    return subprocess.run(
        [
            sys.executable,
            publish.__file__,
            "slim",
            *map(str, words),
            *to,
            "--registry",
            f"{cloud.url.partition('://')[2]}/",
        ],
        env=cloud.environment(AWS_DEFAULT_REGION="us-east-1", REGISTRY_USER=user, REGISTRY_PASSWORD=password),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def in_region(cloud: Cloud, region: str, tag: str) -> dict[str, str]:
    """Returns the digests of a tag's images by architecture, and the index's under the empty name."""
    registry = oci.Registry(cloud.registry(region), cloud.registry_login(region))
    index = registry.manifest("toril/worker", tag)
    parts = {one["platform"]["architecture"]: one["digest"] for one in json.loads(index)["manifests"]}
    return {"": oci.digest_of(index), **parts}


@pytest.mark.live
@pytest.mark.nightly
@pytest.mark.xdist_group("publish")
def test_each_region_gets_the_same_index_and_the_output_file_its_digest(cloud, tmp_path):
    archives = [archive(tmp_path, "arm64"), archive(tmp_path, "amd64")]
    done = published(cloud, *archives, "--tag", "slim-1", "--out", tmp_path / "digests.json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = [in_region(cloud, region, "slim-1") for region in REGIONS]
    assert found[0] == found[1]
    assert set(found[0]) == {"", "amd64", "arm64"}
    assert json.loads((tmp_path / "digests.json").read_text()) == {"slim": found[0][""]}

    again = published(cloud, *reversed(archives), "--tag", "slim-1")
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("already published") == 2

    other = published(cloud, archives[0], archive(tmp_path, "amd64", b"changed"), "--tag", "slim-1")
    assert other.returncode != 0
    assert "immutable" in other.stderr


@pytest.mark.live
@pytest.mark.nightly
@pytest.mark.xdist_group("publish")
def test_another_registry_gets_the_index_of_the_regions(cloud, tmp_path):
    archives = [archive(tmp_path, "arm64"), archive(tmp_path, "amd64")]
    cloud.client("ecr", "us-east-1").create_repository(repositoryName="acme/toril")
    host = cloud.registry().partition("/")[2]
    done = published(cloud, *archives, "--tag", "slim-7", "--to", f"{host}/Acme/toril", "--out", tmp_path / "out.json")
    assert done.returncode == 0, done.stderr
    registry = oci.Registry(cloud.registry(), cloud.registry_login())
    digest = oci.digest_of(registry.manifest("acme/toril", "slim-7"))
    assert json.loads((tmp_path / "out.json").read_text()) == {"slim": digest}
    assert published(cloud, *archives, "--tag", "slim-7").stdout.startswith(f"slim: {digest}")


@pytest.mark.live
@pytest.mark.nightly
@pytest.mark.xdist_group("publish")
def test_two_images_of_one_architecture_are_an_error(cloud, tmp_path):
    first = archive(tmp_path, "amd64").rename(tmp_path / "first.tar")
    done = published(cloud, first, archive(tmp_path, "amd64", b"other"), "--tag", "slim-2")
    assert done.returncode != 0
    assert "only 1 different" in done.stderr


class Scanner:
    """A registry that returns the given scans in turn."""

    def __init__(self, *scans):
        self.scans = list(scans)

    def describe_image_scan_findings(self, **_):
        return self.scans.pop(0)


def scan(status, **findings):
    return {"imageScanStatus": {"status": status}, "imageScanFindings": findings}


@pytest.mark.live
@pytest.mark.xdist_group("publish")
def test_findings_returns_the_critical_ones_of_all_pages_with_what_aws_reports_of_their_fixes(cloud):
    registry = cloud.client("ecr", REGIONS[0])
    made = oci.image({}, architecture="amd64")
    login = cloud.registry_login(REGIONS[0])
    oci.Registry(cloud.registry(REGIONS[0]), login).push("toril/worker", made, "scanned")
    many = [(f"CVE-{number}", "LOW", "YES") for number in range(150)]  # more than a page
    cloud.set_findings(*many, ("CVE-1", "CRITICAL", "YES"), ("CVE-2", "CRITICAL", "NO"), ("CVE-3", "HIGH", "NO"))
    try:
        assert publish.findings(registry, "toril/worker", [made.digest]) == {"CVE-1": "", "CVE-2": ""}
        registry.put_registry_scanning_configuration(scanType="ENHANCED", rules=[])
        assert publish.findings(registry, "toril/worker", [made.digest]) == {"CVE-1": "YES", "CVE-2": "NO"}
    finally:
        registry.put_registry_scanning_configuration(scanType="BASIC", rules=[])
        cloud.set_findings()


@pytest.mark.live
@pytest.mark.nightly
@pytest.mark.xdist_group("publish")
def test_a_critical_finding_stops_the_publication_until_it_is_accepted(cloud, tmp_path):
    words = [archive(tmp_path, "amd64"), "--tag", "slim-3", "--out", tmp_path / "digests.json"]
    cloud.set_findings(("CVE-1", "CRITICAL", ""), ("CVE-2", "CRITICAL", ""))
    try:
        stopped = published(cloud, *words)
        assert stopped.returncode == 1, stopped.stderr
        assert all(name in stopped.stderr for name in ("CVE-1", "CVE-2"))
        assert not (tmp_path / "digests.json").exists()
        accepted = tmp_path / "accepted.yml"
        accepted.write_text("CVE-1: not reachable\nCVE-2: no fix in Debian\n")
        done = published(cloud, *words, "--accepted", accepted)
        assert done.returncode == 0, done.stderr
        assert "not reachable" in done.stdout
        assert (tmp_path / "digests.json").exists()
    finally:
        cloud.set_findings()


def test_an_accepted_finding_needs_a_reason(tmp_path):
    (tmp_path / "accepted.yml").write_text("CVE-1:\n")
    with pytest.raises(SystemExit, match="REASON"):
        publish.accepted_findings(tmp_path / "accepted.yml")


@pytest.mark.parametrize("status", ["FAILED", "UNSUPPORTED_IMAGE", "SCAN_ELIGIBILITY_EXPIRED", "LIMIT_EXCEEDED"])
def test_a_scan_that_cannot_complete_stops_the_publication(status):
    with pytest.raises(SystemExit, match=f"did not complete: {status}"):
        publish.findings(Scanner(scan(status)), "toril/worker", ["sha256:a"])
