"""Fetches the images that pull-through caches lack, so that networks without internet access can pull them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from toril.aws.client import Clients
from toril.aws.registry import Registry
from toril.clock import Clock
from toril.launchers.findings import Finding, checked, ok
from toril.launchers.preflight.regions import ECR, CommandContext, Region, images
from toril.records import DeployedWorker, Deployment


def fill_caches(
    deployments: dict[str, Deployment], clients: Clients, context: CommandContext, clock: Clock
) -> list[Finding]:
    """Requests each image that a cache lacks, in all regions at once. Returns the findings about all images."""
    regions = [Region(deployment=one, clients=clients, context=context) for one in deployments.values()]
    with ThreadPoolExecutor(max(1, len(regions))) as pool:
        found = pool.map(lambda region: checked("image", partial(_filled, region, clock), region.name), regions)
        return [finding for findings in found for finding in findings]


def _filled(region: Region, clock: Clock) -> Iterator[Finding]:
    for kind, found in zip(region.kinds, images(region), strict=True):
        place = ECR.fullmatch(kind.image)
        if found.code == "not-cached" and place is not None:
            fetch = partial(_fetched, region, place["repository"], kind, clock)
            yield from checked(found.name, fetch)
        else:
            yield found


def _fetched(region: Region, repository: str, kind: DeployedWorker, clock: Clock) -> Finding:
    """Requests an image that its cache lacks. InfrastructureError if ECR cannot provide it."""
    login = region.ask("ecr", "get_authorization_token")["authorizationData"][0]
    registry = Registry(address=login["proxyEndpoint"], token=login["authorizationToken"], clock=clock)
    registry.pull(repository, str(kind.digest), kind.tag)
    return ok(f"{repository}@{kind.digest} is cached now")
