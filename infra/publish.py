"""The region's record for launchers: `deployments/<region>.json` in the hub's bucket."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.hub.facts import HubFacts
from infra.network import fips
from infra.place import Place
from infra.settings import RegionSettings
from infra.workers.cluster import PROVIDERS
from infra.workers.containers import NAME
from infra.workers.task_definitions import WorkerKind
from toril import __version__
from toril.records.deployment import (
    DeployedCache,
    DeployedHome,
    DeployedLimits,
    DeployedNetwork,
    DeployedTargets,
    DeployedWorker,
    Deployment,
    deployment_key,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """Values that are known only after the resources exist."""

    cluster: str
    subnets: Sequence[str]
    security_group: str
    task_definitions: Sequence[str]  # in the order of the kinds of workers
    log_group: str
    execution_role: str
    worker_role: str
    home: DeployedHome | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """Values that are known before any resource exists."""

    settings: RegionSettings
    place: Place
    hub: HubFacts
    kinds: tuple[WorkerKind, ...]
    caches: tuple[DeployedCache, ...]
    targets: DeployedTargets
    public_addresses: bool
    internet: bool | None


def deployment(decided: Decided, made: Made) -> Deployment:
    """Returns the region's record."""
    settings, place, hub = decided.settings, decided.place, decided.hub
    services = fips.services_used(settings)
    return Deployment(
        toril_version=__version__,
        environment=place.names.environment,
        region=place.region,
        account=place.account,
        partition=place.partition,
        store=f"s3://{hub.bucket}",
        store_region=hub.bucket_region,
        cluster=made.cluster,
        capacity_providers=PROVIDERS,
        network=DeployedNetwork(
            subnets=tuple(made.subnets),
            security_groups=(made.security_group,),
            public_addresses=decided.public_addresses,
            internet=decided.internet,
        ),
        workers=tuple(
            DeployedWorker(
                flavour=kind.flavour,
                architecture=kind.architecture,
                task_definition=arn,
                container=NAME,
                image=kind.image.uri,
                digest=kind.image.digest,
                tag=kind.image.tag,
            )
            for kind, arn in zip(decided.kinds, made.task_definitions, strict=True)
        ),
        log_group=made.log_group,
        execution_role=made.execution_role,
        worker_role=made.worker_role,
        caches=tuple(sorted(decided.caches, key=lambda cache: cache.prefix)),
        fips=settings.fips,
        endpoints=fips.endpoints(place.region, hub.bucket_region, services) if settings.fips else {},
        targets=decided.targets,
        limits=DeployedLimits(**settings.limits.model_dump()),
        secrets=tuple(sorted(settings.secrets)),
        cpu=settings.worker.cpu,
        memory_mib=settings.worker.memory,
        home=made.home,
    )


def publish(
    name: str, decided: Decided, made: pulumi.Output[Made], opts: pulumi.ResourceOptions
) -> aws.s3.BucketObjectv2:
    """Writes the record. The bucket is in the hub's region."""
    return aws.s3.BucketObjectv2(
        name,
        region=decided.hub.bucket_region,
        bucket=decided.hub.bucket,
        key=deployment_key(decided.place.region),
        content=made.apply(lambda found: deployment(decided, found).to_json().decode()),
        content_type="application/json",
        opts=opts,
    )
