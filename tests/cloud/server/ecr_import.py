"""The first pull of an image through a cache rule: its rights and the new repository."""

import json
import time

from ministack.core.responses import get_account_id, get_region
from ministack.services import ecr

from tests.cloud.server import ecr_pull_through, ecr_templates, registry_store, roles
from tests.cloud.server.ecr_registry import REGISTRIES

NEEDED = ("ecr:BatchImportUpstreamImage", "ecr:CreateRepository")


def imported(repository: str, reference: str, role: str, *, fips: bool, real: bool, way_out: bool) -> str | None:
    """Returns the reason if an image of this repository cannot be pulled, or None.

    If images are not `real`, makes the repository with an empty image.
    """
    there, by_digest = repository in ecr._repositories, reference.startswith("sha256:")
    cached = ecr_pull_through.rule_of(repository) is not None
    if there and (not cached or (way_out and not by_digest) or registry_store.image(repository, reference)):
        return None
    if not cached:
        return f"The repository with name '{repository}' does not exist in the registry with id '{get_account_id()}'"
    if by_digest:
        return f"{repository}@{reference}: not found"  # ECR fills no cache by digest
    if not way_out:
        return "the first pull through a cache rule needs a way to the internet"
    if fips:
        return "the first pull through a cache rule has no FIPS endpoint"
    arn = f"arn:aws:ecr:{get_region()}:{get_account_id()}:repository/{repository}"
    for action in NEEDED:
        if not roles.allows(role, action, arn, policy=REGISTRIES.here().policy):
            return f"{role} is not authorized to perform: {action} on resource: {arn}"
    if not real:
        create(repository)
        manifest = json.dumps({"schemaVersion": 2, "imported": time.time()})
        ecr._put_image({"repositoryName": repository, "imageManifest": manifest, "imageTag": "latest"})
    return None


def create(repository: str) -> None:
    """Makes a cache's repository by its creation template."""
    template = ecr_templates.for_repository(repository, "PULL_THROUGH_CACHE") or ecr_templates.DEFAULTS
    ecr._create_repository(
        {
            "repositoryName": repository,
            "imageTagMutability": template["imageTagMutability"],
            "encryptionConfiguration": template["encryptionConfiguration"],
            "tags": template.get("resourceTags", []),
        }
    )
    if template.get("imageTagMutabilityExclusionFilters"):
        ecr._repositories[repository]["imageTagMutabilityExclusionFilters"] = template[
            "imageTagMutabilityExclusionFilters"
        ]
    if template.get("repositoryPolicy"):
        ecr._set_repository_policy({"repositoryName": repository, "policyText": template["repositoryPolicy"]})
    if template.get("lifecyclePolicy"):
        ecr._put_lifecycle_policy({"repositoryName": repository, "lifecyclePolicyText": template["lifecyclePolicy"]})
