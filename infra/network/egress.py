"""Decisions about the network's egress and about the targets that it enforces. Nothing here makes resources."""

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
    """Returns the kinds of targets that the network enforces.

    Addresses: in private mode, if all targets are addresses, since a host name may have any address. Not if the first
    pull of an image leaves the VPC, and not in the home region, whose coordinators call other regions. Names: with the
    DNS firewall.
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


def gateway_policy(place: Place, bucket: Bucket) -> Document:
    """Returns the policy of the S3 gateway in private mode: image layers, and the results bucket of the same region.

    ECR keeps layers in its own bucket in each region.
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
    """Returns the names that the DNS firewall allows: the targets' and those of AWS that a task needs."""
    return qualified([*settings.targets.hosts, *names_of_aws(place, settings, bucket)])


def qualified(names: Iterable[str]) -> list[str]:
    """Returns names with a final dot, as Route 53 returns them: a refresh then changes nothing."""
    return sorted({f"{name}." for name in names})


def names_of_aws(place: Place, settings: RegionSettings, bucket: Bucket) -> list[str]:
    """Returns the AWS host names that every worker's task needs."""
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
