"""Checks of a region stack's settings against its region, hub and images, before the stack makes any resource."""

from collections.abc import Iterable

import pulumi

from infra.hub.facts import HubFacts
from infra.network import fips
from infra.place import Place, partition_of
from infra.registry.images import Image
from infra.settings import RegionSettings, SettingError
from infra.settings.caches import ROOT
from infra.workers.alarm import window

NO_CACHES = ("cn-",)  # Amazon ECR user guide, considerations of pull-through caches
DOUBTFUL_CACHES = ("us-gov-",)  # excluded by the user guide until April 2026; not mentioned since


def check_settings(settings: RegionSettings, place: Place) -> None:
    """Checks everything that does not depend on the hub. Raises SettingError."""
    if settings.fips:
        fips.check(place.region, fips.services_used(settings))
        _check_fips_mode(settings, place)
        for secret in settings.secrets:
            _over_fips("toril:secrets", secret, secret.split(":")[3], "secretsmanager")
    _check_keys(settings, place)
    _check_caches(settings, place)
    for secret in settings.secrets:
        _same_partition("toril:secrets", secret, place)
    for name, flavour in settings.flavours.items():
        if flavour.credentials:
            _same_partition(f"toril:flavours.{name}.credentials", flavour.credentials, place)
    if settings.idle_alarm and window(settings.limits.duration_s) is None:
        raise SettingError(
            "toril:idleAlarm: CloudWatch evaluates at most one week, and `limits.durationS` is longer. "
            "Lower `limits.durationS`, or set `idleAlarm` to false."
        )
    if place.region in settings.registry.replicate_to:
        raise SettingError(f"toril:registry.replicateTo: `{place.region}` is this region. Remove it.")
    for region in settings.registry.replicate_to:
        if partition_of(region) != place.partition:
            raise SettingError(
                f"toril:registry.replicateTo: `{region}` is in another AWS partition than {place.region}. Remove it."
            )
    if settings.home and settings.network.mode == "private" and not settings.network.nat:
        raise SettingError(
            "toril:network.nat: The coordinators of the home region call ECS in other regions. Set `nat` to true."
        )


def check_hub(settings: RegionSettings, place: Place, hub: HubFacts) -> None:
    """Checks that workers of this region can reach the hub's bucket. Raises SettingError."""
    if partition_of(hub.bucket_region) != place.partition:
        raise SettingError(
            f"toril:hub: The results bucket is in {hub.bucket_region}, in another AWS partition than {place.region}. "
            "Deploy a hub in this partition."
        )
    if settings.fips and not fips.SERVICES["s3"].in_region(hub.bucket_region):
        raise SettingError(
            f"toril:fips: Amazon S3 has no FIPS endpoint in {hub.bucket_region}, the results bucket's region. Remove "
            "`fips`, or use a hub in another region."
        )
    if hub.account != place.account:
        raise SettingError(
            f"toril:hub: The hub is in account {hub.account}, this region in {place.account}. All stacks of an "
            f"environment are in one account. Use credentials of {hub.account}, or deploy a hub in {place.account}."
        )
    network = settings.network
    elsewhere = network.mode == "private" and not network.nat and hub.bucket_region != place.region
    if elsewhere and settings.fips:
        raise SettingError(
            f"toril:network.nat: The results bucket is in {hub.bucket_region}, and S3's interface endpoints have no "
            "FIPS hosts. Set `nat` to true."
        )


def check_images(settings: RegionSettings, place: Place, images: Iterable[Image]) -> None:
    """Checks that workers can pull their images and, in a private network, read their secrets. Raises SettingError."""
    images = list(images)
    for image in images:
        if image.credentials and settings.fips:
            pulumi.log.warn(f"toril:fips: FIPS endpoints do not cover the pull of `{image.uri}`, which is outside AWS.")
        if image.registry and partition_of(image.registry.region) != place.partition:
            raise SettingError(
                f"toril:flavours: `{image.uri}` is in another AWS partition than {place.region}. Copy the image into "
                "this partition."
            )
        if image.cache and not image.tag:
            pulumi.log.warn(
                f"toril:flavours: Add the tag to the `image` of `{image.uri}`, as in `:1@sha256:…`, because ECR may "
                "fill its cache only by tag."
            )
        if image.registry and settings.fips:
            _over_fips("toril:flavours", image.uri, image.registry.region, "ecr")
    if settings.network.mode != "private" or settings.network.nat:
        return
    fix = "Set `nat` to true"
    for image in images:
        if image.credentials:
            raise SettingError(f"toril:network.nat: `{image.uri}` is outside AWS. {fix}, or copy the image into ECR.")
        if image.registry and image.registry.region != place.region:
            raise SettingError(
                f"toril:network.nat: `{image.uri}` is in another region, and endpoints reach only their own. {fix}, "
                "or copy the image into this region."
            )
    for secret in settings.secrets:
        if secret.split(":")[3] != place.region:
            raise SettingError(
                f"toril:network.nat: `{secret}` is in another region, and endpoints reach only their own. {fix}, or "
                "replicate the secret into this region."
            )


def _check_fips_mode(settings: RegionSettings, place: Place) -> None:
    built = {f"flavours.{name}.architectures": one.architectures or () for name, one in settings.flavours.items()}
    for name, architectures in {"architectures": settings.architectures, **built}.items():
        if place.region in fips.GOVCLOUD and "arm64" in architectures:
            raise SettingError(
                f"toril:{name}: In GovCloud, `fips` turns on Fargate's FIPS mode, which only x86-64 has. Set "
                f"`{name}` to [x86-64]."
            )


def _over_fips(where: str, what: str, region: str, service: str) -> None:
    """Checks that the service has a FIPS endpoint in the region from where a task gets something."""
    if not fips.SERVICES[service].in_region(region):
        raise SettingError(
            f"{where}: `{what}` is in {region}, where {fips.SERVICES[service].name} has no FIPS endpoint. Copy it into "
            "this region, or remove `fips`."
        )


def _check_keys(settings: RegionSettings, place: Place) -> None:
    made_with = {"encryption": settings.encryption, "logs.encryption": settings.logs.encryption or ""}
    for name, key in made_with.items():
        if key.startswith("arn:") and key.split(":")[3] != place.region:
            raise SettingError(
                f"toril:{name}: The key is in {key.split(':')[3]}, this stack in {place.region}. Use a key or a "
                "replica key in this region."
            )
    for key in settings.secret_keys:
        _same_partition("toril:secretKeys", key, place)


def _check_caches(settings: RegionSettings, place: Place) -> None:
    if settings.caches and place.region.startswith(NO_CACHES):
        raise SettingError(
            f"toril:caches: ECR has no pull-through caches in {place.region}. Remove them, and push the images."
        )
    if settings.caches and place.region.startswith(DOUBTFUL_CACHES):
        pulumi.log.warn(
            f"toril:caches: The AWS documentation is contradictory about pull-through caches in {place.region}. "
            "If `pulumi up` rejects them, remove them and push the images."
        )
    own = {place.names.repository, *[one.name for one in settings.repositories]}
    if len(own) == len(settings.repositories):
        raise SettingError(
            f"toril:repositories: The stack makes `{place.names.repository}` for the workers anyway. Remove it here."
        )
    for cache in settings.caches:
        if cache.prefix != ROOT and (below := sorted(one for one in own if one.startswith(cache.prefix + "/"))):
            raise SettingError(
                f"toril:caches: Prefix `{cache.prefix}` would cover the repository `{below[0]}`. Choose another prefix."
            )
        upstream = (cache.account or place.account, cache.region or place.region)
        if cache.upstream == "ecr" and upstream == (place.account, place.region):
            raise SettingError(
                f"toril:caches: `{cache.prefix}` caches this stack's own registry. Set `account` or `region` to "
                "another registry."
            )
        if cache.secret and cache.secret.startswith("arn:"):
            _check_secret(cache.prefix, cache.secret, place)


def _check_secret(prefix: str, secret: str, place: Place) -> None:
    region, account, name = secret.split(":")[3], secret.split(":")[4], secret.split(":")[6]
    where = f"toril:caches: The secret of `{prefix}`"
    if (account, region) != (place.account, place.region):
        raise SettingError(
            f"{where} is in {account}, {region}. ECR requires a secret in the cache rule's account and region: "
            f"{place.account}, {place.region}."
        )
    if not name.startswith("ecr-pullthroughcache/"):
        raise SettingError(
            f"{where} has the name `{name}`. ECR requires a name that starts with `ecr-pullthroughcache/`."
        )


def _same_partition(where: str, arn: str, place: Place) -> None:
    if arn.split(":")[1] != place.partition:
        raise SettingError(
            f"{where}: `{arn}` is in another AWS partition than {place.region}. Use an ARN of this partition."
        )
