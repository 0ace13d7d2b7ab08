"""What is wrong with a region stack as a whole: found before anything is made."""

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
DOUBTFUL_CACHES = ("us-gov-",)  # the user guide says no until April 2026, and nothing since


def check_settings(settings: RegionSettings, place: Place) -> None:
    """All that does not depend on the hub; SettingError with the fix."""
    if settings.fips:
        fips.check(place.region, fips.services_used(settings))
    _check_keys(settings, place)
    _check_caches(settings, place)
    for secret in (*settings.secrets, *[one.credentials for one in settings.flavours.values() if one.credentials]):
        _same_partition("toril:secrets", secret, place)
    if settings.idle_alarm and window(settings.limits.duration_s) is None:
        raise SettingError(
            "toril:idleAlarm: CloudWatch looks back a week at most, and a run may last longer; lower limits.durationS, "
            "or set idleAlarm to false"
        )
    if place.region in settings.registry.replicate_to:
        raise SettingError("toril:registry.replicateTo: has this region itself in it; remove it")
    for region in settings.registry.replicate_to:
        if partition_of(region) != place.partition:
            raise SettingError(
                f"toril:registry.replicateTo: {region} is in another partition of AWS than {place.region}; remove it"
            )
    if settings.home and settings.network.mode == "private" and not settings.network.nat:
        raise SettingError(
            "toril:network.nat: coordinators call ECS in other regions; set it to true in the home region"
        )


def check_hub(settings: RegionSettings, place: Place, hub: HubFacts) -> None:
    """Whether workers of this region reach the hub's bucket."""
    if partition_of(hub.bucket_region) != place.partition:
        raise SettingError(
            f"toril:hub: its bucket is in {hub.bucket_region}, another partition of AWS than {place.region}; they "
            "share nothing, deploy a hub in this one"
        )
    if settings.fips and not fips.SERVICES["s3"].in_region(hub.bucket_region):
        raise SettingError(
            f"toril:fips: Amazon S3 has no FIPS endpoint in {hub.bucket_region}, where the results bucket is; remove "
            "`fips`, or use a hub in another region"
        )
    if settings.home and hub.account != place.account:
        raise SettingError(
            f"toril:home: the hub is in account {hub.account}, this region in {place.account}. A task can have no role "
            "of another account; make a region of the hub's account the home"
        )
    network = settings.network
    elsewhere = network.mode == "private" and not network.nat and hub.bucket_region != place.region
    if elsewhere and settings.fips:
        raise SettingError(
            f"toril:network.nat: the results bucket is in {hub.bucket_region}, and S3's interface endpoints have no "
            "FIPS hosts; set it to true"
        )


def check_images(settings: RegionSettings, place: Place, images: Iterable[Image]) -> None:
    """Whether workers can get their images, those of a private network their secrets, too."""
    images = list(images)
    for image in images:
        if image.registry and partition_of(image.registry.region) != place.partition:
            raise SettingError(
                f"toril:flavours: {image.uri} is in another partition of AWS than {place.region}; they share nothing, "
                "copy the image into this one"
            )
    if settings.network.mode != "private" or settings.network.nat:
        return
    fix = "set it to true"
    if settings.caches:
        raise SettingError(
            "toril:network.nat: the first pull through a cache needs a way to the internet, which private endpoints "
            f"are not; {fix}, or remove the caches and push the images"
        )
    for image in images:
        if image.credentials:
            raise SettingError(f"toril:network.nat: {image.uri} is outside of AWS; {fix}, or copy it into ECR")
        if image.registry and image.registry.region != place.region:
            raise SettingError(
                f"toril:network.nat: {image.uri} is in another region, and endpoints serve their own; {fix}, or copy "
                "the image into this region"
            )
    for secret in settings.secrets:
        if secret.split(":")[3] != place.region:
            raise SettingError(
                f"toril:network.nat: {secret} is in another region, and endpoints serve their own; {fix}, or replicate "
                "the secret into this region"
            )


def _check_keys(settings: RegionSettings, place: Place) -> None:
    made_with = {"encryption": settings.encryption, "logs.encryption": settings.logs.encryption or ""}
    for name, key in made_with.items():
        if key.startswith("arn:") and key.split(":")[3] != place.region:
            raise SettingError(
                f"toril:{name}: the key is in {key.split(':')[3]}, this stack in {place.region}; name a key of this "
                "region, a replica perhaps"
            )
    for key in settings.secret_keys:
        _same_partition("toril:secretKeys", key, place)


def _check_caches(settings: RegionSettings, place: Place) -> None:
    if settings.caches and place.region.startswith(NO_CACHES):
        raise SettingError(f"toril:caches: ECR has no pull-through caches in {place.region}; remove them, push images")
    if settings.caches and place.region.startswith(DOUBTFUL_CACHES):
        pulumi.log.warn(
            f"toril:caches: AWS' documentation disagrees on whether ECR has pull-through caches in {place.region}; "
            "if `up` fails on them, remove them and push the images"
        )
    own = {place.names.repository, *[one.name for one in settings.repositories]}
    if len(own) == len(settings.repositories):
        raise SettingError(
            f"toril:repositories: {place.names.repository} is there anyway, for the workers; remove it here"
        )
    for cache in settings.caches:
        if cache.prefix != ROOT and (below := sorted(one for one in own if one.startswith(cache.prefix + "/"))):
            raise SettingError(
                f"toril:caches: prefix {cache.prefix} would cover the repository {below[0]}; choose another prefix"
            )
        upstream = (cache.account or place.account, cache.region or place.region)
        if cache.upstream == "ecr" and upstream == (place.account, place.region):
            raise SettingError(f"toril:caches: {cache.prefix} caches this very registry; name another one")
        if cache.secret and cache.secret.startswith("arn:"):
            _check_secret(cache.prefix, cache.secret, place)


def _check_secret(prefix: str, secret: str, place: Place) -> None:
    region, account, name = secret.split(":")[3], secret.split(":")[4], secret.split(":")[6]
    where = f"toril:caches: the secret of {prefix}"
    if (account, region) != (place.account, place.region):
        raise SettingError(
            f"{where} is in {account}, {region}; ECR demands one of the rule's own account and region "
            f"({place.account}, {place.region})"
        )
    if not name.startswith("ecr-pullthroughcache/"):
        raise SettingError(f"{where} is called {name}; ECR demands a name that begins with ecr-pullthroughcache/")


def _same_partition(where: str, arn: str, place: Place) -> None:
    if arn.split(":")[1] != place.partition:
        raise SettingError(f"{where}: {arn} is of another partition of AWS than {place.region}; name one of this one")
