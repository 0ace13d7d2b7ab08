"""What the network itself lets through, and what it says about that: decided without making anything."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from infra.network import fips
from infra.permissions.grants import EVERYBODY, grant
from infra.permissions.statements import Document, Statement, document
from infra.place import Place
from infra.registry.images import Image
from infra.settings import RegionSettings

Enforced = Literal["addresses", "names"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """The results bucket."""

    name: str
    region: str


def enforced(settings: RegionSettings, images: Iterable[Image]) -> tuple[Enforced, ...]:
    """Which of the targets the network enforces.

    Addresses: in private mode, when all targets are addresses; behind a host name may be any. Not where an image comes
    from outside on its first pull, and not for coordinators, which call other regions. Names: by the DNS firewall.
    """
    found: list[Enforced] = []
    targets, outside = settings.targets, any(image.cache or image.credentials for image in images)
    by_address = settings.network.mode == "private" and targets.cidrs and not targets.hosts
    if by_address and not outside and not settings.home:
        found.append("addresses")
    if settings.network.dns_firewall and not targets.anything:
        found.append("names")
    return tuple(found)


def interface_services(settings: RegionSettings) -> list[str]:
    """The interface endpoints that workers need in private mode, by their part of the service's name."""
    wanted = ["ecr.api", "ecr.dkr", "logs"]
    if settings.secrets or any(flavour.credentials for flavour in settings.flavours.values()):
        wanted.append("secretsmanager")
    return [fips.PRIVATE_LINK.get(one, one) if settings.fips else one for one in sorted(wanted)]


def service_name(region: str, service: str) -> str:
    """Of an endpoint service of AWS."""
    return f"{'cn.' if region.startswith('cn-') and service.startswith('ecr') else ''}com.amazonaws.{region}.{service}"


def results_policy(place: Place, bucket: Bucket) -> Document:
    """Of an endpoint that leads to the results bucket; who may is the business of roles."""
    return document(_results(place, bucket))


def gateway_policy(place: Place, bucket: Bucket) -> Document:
    """Of the S3 gateway beside private workers: image layers, and the results bucket if it is near.

    ECR keeps layers in a bucket of its own in each region.
    """
    layers = f"arn:{place.partition}:s3:::prod-{place.region}-starport-layer-bucket/*"
    near = _results(place, bucket) if bucket.region == place.region else []
    return document([grant("Layers", EVERYBODY, ["s3:GetObject"], [layers]), *near])


def _results(place: Place, bucket: Bucket) -> list[Statement]:
    arn = f"arn:{place.partition}:s3:::{bucket.name}"
    return [
        grant("List", EVERYBODY, ["s3:ListBucket"], [arn]),
        grant("Results", EVERYBODY, ["s3:GetObject", "s3:PutObject"], [f"{arn}/*"]),
    ]


def resolvable(place: Place, settings: RegionSettings, bucket: Bucket) -> list[str]:
    """What the DNS firewall lets through: the targets' names, and those of AWS that a task needs."""
    return qualified([*settings.targets.hosts, *names_of_aws(place, settings, bucket)])


def qualified(names: Iterable[str]) -> list[str]:
    """With the dot at the end that Route 53 gives back, so that a refresh finds nothing to change."""
    return sorted({f"{name}." for name in names})


def names_of_aws(place: Place, settings: RegionSettings, bucket: Bucket) -> list[str]:
    """The host names that a worker's task needs from AWS, whatever it tests."""
    layers = f"prod-{place.region}-starport-layer-bucket"
    services = ["ecr", "logs", "secretsmanager"]
    near = [f"{one}.{place.region}.{place.suffix}" for one in ("api.ecr", "logs", "secretsmanager")]
    near += [f"{place.account}.dkr.ecr.{place.region}.{place.suffix}"]
    store = [f"{bucket.name}.s3.{bucket.region}.{place.suffix}", f"s3.{bucket.region}.{place.suffix}"]
    layer = [f"{layers}.s3.{place.region}.{place.suffix}"]
    if settings.fips:
        near += [fips.SERVICES[one].host_in(place.region) for one in services]
        near += [f"api.ecr-fips.{place.region}.{place.suffix}", fips.registry_host(place.account, place.region)]
        store += [f"{bucket.name}.s3-fips.{bucket.region}.{place.suffix}", f"s3-fips.{bucket.region}.{place.suffix}"]
    return sorted({*near, *store, *layer})
