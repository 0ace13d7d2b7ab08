"""Answers about a repository's images that differ between MiniStack and ECR."""

from collections import Counter
from typing import Any

from ministack.services import ecr

from tests.cloud.server import registry_store
from tests.cloud.server.ecr_registry import REGISTRIES
from tests.cloud.server.ecr_repositories import repository_of
from tests.cloud.server.errors import Refusal
from tests.cloud.server.paging import page
from tests.cloud.server.state import on_reset

SHOWN = ("registryId", "repositoryName", "imageDigest", "imagePushedAt", "imageManifestMediaType")
FINDINGS: list[dict[str, str]] = []  # of all scans: id, severity, package, fix
on_reset(FINDINGS.clear)


def describe(request: dict[str, Any]) -> dict[str, Any]:
    name = request["repositoryName"]
    repository_of(name)
    found = [_image(name, one) for one in request["imageIds"]] if request.get("imageIds") else ecr._images.get(name, [])
    wanted = request.get("filter", {}).get("tagStatus", "ANY")
    found = [one for one in found if wanted == "ANY" or bool(one["imageTags"]) == (wanted == "TAGGED")]
    shown, more = page(found, request)
    return {"imageDetails": [_shown(one) for one in shown], **more}


def scanned(request: dict[str, Any]) -> dict[str, Any]:
    """Returns a page of a completed scan with the findings that a test set: the cloud does not examine layers."""
    name = request["repositoryName"]
    repository_of(name)
    image = _image(name, request["imageId"])
    enhanced = REGISTRIES.here().scanning["scanType"] == "ENHANCED"
    shown, more = page(FINDINGS, request)
    found = {"enhancedFindings": list(map(_enhanced, shown))} if enhanced else {"findings": list(map(_basic, shown))}
    return {
        "registryId": image["registryId"],
        "repositoryName": name,
        "imageId": {"imageDigest": image["imageDigest"]},
        "imageScanStatus": {"status": "ACTIVE" if enhanced else "COMPLETE"},
        "imageScanFindings": {**found, "findingSeverityCounts": Counter(one["severity"] for one in FINDINGS)},
        **more,
    }


def _basic(finding: dict[str, str]) -> dict[str, Any]:
    """Basic scanning reports package and version, but no fix."""
    attributes = [{"key": "package_name", "value": finding["package"]}, {"key": "package_version", "value": "1.0-1"}]
    uri = f"https://security-tracker.debian.org/tracker/{finding['id']}"
    return {"name": finding["id"], "uri": uri, "severity": finding["severity"], "attributes": attributes}


def _enhanced(finding: dict[str, str]) -> dict[str, Any]:
    package = {"name": finding["package"], "version": "1.0", "packageManager": "OS"}
    return {
        "title": f"{finding['id']} - {finding['package']}",
        "type": "PACKAGE_VULNERABILITY",
        "status": "ACTIVE",
        "severity": finding["severity"],
        "fixAvailable": finding["fix"],
        "packageVulnerabilityDetails": {"vulnerabilityId": finding["id"], "vulnerablePackages": [package]},
    }


def check_put(request: dict[str, Any]) -> None:
    """Rejects a push that would move an immutable tag, or repeat an existing image and tag."""
    name, tag = request["repositoryName"], request.get("imageTag")
    repository_of(name)
    if tag and ecr._find_image(name, {"imageTag": tag}) and registry_store.immutable(name, tag):
        raise Refusal("ImageTagAlreadyExistsException", moved(name, tag))


def moved(repository: str, tag: str) -> str:
    return (
        f"The image tag '{tag}' already exists in the '{repository}' repository and cannot be overwritten because the "
        "repository is immutable."
    )


def _image(name: str, asked: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] | None = ecr._find_image(name, asked)
    if found is None:
        image_id = ", ".join(f"{key}:'{value}'" for key, value in sorted(asked.items()))
        message = f"The image with imageId {{{image_id}}} does not exist within the repository with name '{name}'"
        raise Refusal("ImageNotFoundException", message)
    return found


def _shown(image: dict[str, Any]) -> dict[str, Any]:
    size = image.get("imageSizeInBytes", len(image.get("imageManifest", "")))
    tags = {"imageTags": image["imageTags"]} if image["imageTags"] else {}
    return {**{name: image[name] for name in SHOWN if name in image}, **tags, "imageSizeInBytes": size}
