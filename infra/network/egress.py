"""Decisions about the network's egress and about the targets that it enforces. Nothing here makes resources."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from infra.network import fips
from infra.permissions.grants import EVERYBODY, grant
from infra.permissions.statements import Document, Statement, document
from infra.place import Place
from infra.registry.hosts import PrivateRegistry
from infra.registry.images import Image
from infra.settings import RegionSettings

Enforced = Literal["addresses", "names"]

# calls of coordinators and sweepers
IN_EACH_REGION = ("api.ecr", "ecs", "fis", "logs", "monitoring", "servicequotas", "xray")
AT_HOME = ("events", "scheduler", "sts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """The results bucket."""

    name: str
    region: str


def enforced(settings: RegionSettings, place: Place, bucket: Bucket, images: Iterable[Image]) -> tuple[Enforced, ...]:
    """Returns the kinds of targets that the network enforces.

    Addresses: in private mode, if all targets are addresses, since a host name may have any address. Not if tasks need
    the NAT gateway for anything else than targets, and not in the home region, whose coordinators call other regions.
    Names: with the DNS firewall.
    """
    found: list[Enforced] = []
    targets, network = settings.targets, settings.network
    by_address = network.mode == "private" and targets.cidrs and not targets.hosts
    by_nat = network.nat and _leaves_region(settings, place, bucket, images)
    if by_address and not by_nat and not settings.home:
        found.append("addresses")
    if settings.network.dns_firewall and not targets.anything:
        found.append("names")
    return tuple(found)


def _leaves_region(settings: RegionSettings, place: Place, bucket: Bucket, images: Iterable[Image]) -> bool:
    """Whether the region's endpoints do not serve everything that a task needs."""
    far = [secret for secret in settings.secrets if secret.split(":")[3] != place.region]
    pulled = [
        image
        for image in images
        if image.cache or image.credentials or (image.registry and image.registry.region != place.region)
    ]
    return bucket.region != place.region or bool(far or pulled)


def interface_services(settings: RegionSettings) -> list[str]:
    """Returns the services whose interface endpoints workers need in private mode."""
    wanted = ["ecr.api", "ecr.dkr", "logs"]
    if settings.secrets or any(flavour.credentials for flavour in settings.flavours.values()):
        wanted.append("secretsmanager")
    return [fips.PRIVATE_LINK.get(one, one) if settings.fips else one for one in sorted(wanted)]


def service_name(region: str, service: str) -> str:
    """Returns the name of an AWS endpoint service."""
    return f"{'cn.' if region.startswith('cn-') and service.startswith('ecr') else ''}com.amazonaws.{region}.{service}"


def results_policy(place: Place, bucket: Bucket) -> Document:
    """Returns the policy of an endpoint to the results bucket. Roles decide which principals may use it."""
    return document(_results(place, bucket))


def gateway_policy(place: Place, bucket: Bucket, *, home: bool) -> Document:
    """Returns the policy of the S3 gateway in private mode: image layers, and the results bucket of the same region.

    ECR keeps layers in its own bucket in each region. Coordinators of the home region also pack the index of
    runs, and delete setup's values.
    """
    layers = f"arn:{place.partition}:s3:::prod-{place.region}-starport-layer-bucket/*"
    near = _results(place, bucket) if bucket.region == place.region else []
    if near and home:
        deleted = [f"arn:{place.partition}:s3:::{bucket.name}/{folder}/*" for folder in ("given", "index")]
        near.append(grant("PackIndex", EVERYBODY, ["s3:DeleteObject"], deleted))
    return document([grant("Layers", EVERYBODY, ["s3:GetObject"], [layers]), *near])


def _results(place: Place, bucket: Bucket) -> list[Statement]:
    arn = f"arn:{place.partition}:s3:::{bucket.name}"
    return [
        grant("List", EVERYBODY, ["s3:ListBucket"], [arn]),
        grant("Results", EVERYBODY, ["s3:GetObject", "s3:PutObject"], [f"{arn}/*"]),
    ]


def resolvable(
    place: Place, settings: RegionSettings, bucket: Bucket, images: Iterable[Image], regions: Iterable[str] = ()
) -> list[str]:
    """Returns the names that the DNS firewall allows: the targets', and those that the VPC's tasks need.

    `regions`: all regions of the account, which coordinators and sweepers of the home region call.
    """
    found = [*settings.targets.hosts, *names_of_tasks(place, settings, bucket, images)]
    if settings.home:
        found += names_of_coordinators(place, regions)
    if settings.otlp and (collector := urlsplit(settings.otlp).hostname):
        found.append(collector)
    return qualified(found)


def qualified(names: Iterable[str]) -> list[str]:
    """Returns names with a final dot, as Route 53 returns them: a refresh then changes nothing."""
    return sorted({f"{name}." for name in names})


def names_of_tasks(place: Place, settings: RegionSettings, bucket: Bucket, images: Iterable[Image]) -> list[str]:
    """Returns the host names that every task needs: of its store, logs, secrets and image, as far as AWS knows them.

    A registry outside AWS may redirect to other hosts.
    """
    pulled, suffix, near = list(images), place.suffix, [f"logs.{place.region}.{place.suffix}"]
    secrets = [*settings.secrets, *(image.credentials for image in pulled if image.credentials)]
    for region in {place.region, *(secret.split(":")[3] for secret in secrets)}:
        near.append(f"secretsmanager.{region}.{suffix}")
        near += [fips.SERVICES["secretsmanager"].host_in(region)] if settings.fips else []
    own = PrivateRegistry(place.account, place.region)
    for registry in {own, *(image.registry for image in pulled if image.registry)}:
        region = registry.region
        near += [
            registry.host(),
            f"api.ecr.{region}.{suffix}",
            f"prod-{region}-starport-layer-bucket.s3.{region}.{suffix}",
        ]
        if settings.fips:
            near += [registry.host(over_fips=True), f"api.ecr-fips.{region}.{suffix}"]
            near.append(fips.SERVICES["ecr"].host_in(region))
    near += [image.uri.partition("/")[0].partition(":")[0] for image in pulled if image.credentials]
    store = f"s3.{bucket.region}.{suffix}"
    near += [store, f"{bucket.name}.{store}"]
    if settings.fips:
        store = fips.SERVICES["s3"].host_in(bucket.region)
        near += [store, f"{bucket.name}.{store}", fips.SERVICES["logs"].host_in(place.region)]
    return near


def names_of_coordinators(place: Place, regions: Iterable[str]) -> list[str]:
    """Returns the AWS host names that coordinators and sweepers call: in each region of a run, and in their own."""
    found = [f"{service}.{region}.{place.suffix}" for region in regions for service in IN_EACH_REGION]
    found += [f"{service}.{place.region}.{place.suffix}" for service in AT_HOME]
    for region in {*regions, place.region} & (fips.US | fips.GOVCLOUD):
        services = ("ecs", "logs", "monitoring", *(AT_HOME if region == place.region else ()))
        found += [fips.SERVICES[service].host_in(region) for service in services]
        found += [f"{service}-fips.{region}.{place.suffix}" for service in ("api.ecr", "fis", "xray")]
        found.append(fips.SERVICES["ecr"].host_in(region))
    return found
