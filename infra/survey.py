"""Decisions and checks about a region stack before it makes any resource. Later stages reject nothing."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from infra.checks import check_hub, check_images, check_settings
from infra.hub.facts import HubFacts, resolve_facts
from infra.hub.outputs import HubOutputs, read_hub
from infra.place import Place
from infra.registry.hosts import PrivateRegistry
from infra.registry.images import Image, OwnRegistry, resolve
from infra.settings import RegionSettings
from infra.settings.compatibility import check_pair
from infra.workers.task_definitions import WorkerKind, kinds
from toril import __version__


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """Values that several parts of a region share."""

    settings: RegionSettings
    place: Place
    outputs: HubOutputs
    hub: HubFacts
    images: Mapping[str, Image]  # by flavour
    kinds: tuple[WorkerKind, ...]

    @property
    def all_images(self) -> tuple[Image, ...]:
        return tuple(self.images.values())


def survey(settings: RegionSettings, place: Place) -> Survey:
    """Returns the checked settings, images and hub. Raises SettingError if they do not fit together."""
    check_settings(settings, place)
    images = resolve_images(settings, place)
    check_images(settings, place, images.values())
    reference = settings.hub or f"{pulumi.get_organization()}/{pulumi.get_project()}/{place.names.hub_stack}"
    outputs = read_hub(reference)
    hub = resolve_facts(outputs, reference)
    check_pair(
        hub_version=hub.version,
        version=__version__,
        hub_environment=hub.environment,
        environment=place.names.environment,
    )
    check_hub(settings, place, hub)
    return Survey(
        settings=settings,
        place=place,
        outputs=outputs,
        hub=hub,
        images=images,
        kinds=tuple(kinds(settings, images)),
    )


def resolve_images(settings: RegionSettings, place: Place) -> dict[str, Image]:
    """Returns the image of each flavour. Raises SettingError for an image that ECR cannot provide."""
    registry = OwnRegistry(
        home=PrivateRegistry(place.account, place.region),
        worker_repository=place.names.repository,
        repositories=frozenset(one.name for one in settings.repositories),
        caches=settings.caches,
        fips=settings.fips,
    )
    return {name: resolve(name, flavour, registry) for name, flavour in sorted(settings.flavours.items())}


def coordinator_image(images: Mapping[str, Image], place: Place) -> Image:
    """Returns the coordinators' image: the smallest of the stack's own images, else the first flavour's."""
    own = [name for name, image in images.items() if image.repository == place.names.repository]
    return images[min(own or images, key=lambda name: (name != "slim", name))]
