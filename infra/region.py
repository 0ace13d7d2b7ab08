"""A region stack: everything that load from one region needs."""

from collections.abc import Mapping

import pulumi

from infra.alarm import IdleAlarm, alarm_name, window
from infra.caches import Caches, CachesArgs, ready
from infra.checks import check_hub, check_images, check_settings
from infra.cluster import Cluster
from infra.compatibility import check_pair
from infra.egress import Bucket
from infra.home import Home, HomeArgs
from infra.hub_facts import settle
from infra.hub_outputs import read_hub
from infra.images import Image, OwnRegistry, resolve
from infra.keys import make_keys
from infra.network import Network, NetworkArgs
from infra.notices import Notices
from infra.place import Place
from infra.publish import Decided, Made, publish
from infra.registries import PrivateRegistry
from infra.registry import Registry
from infra.settings import RegionSettings
from infra.worker_policies import Results
from infra.worker_roles import WorkerRoles
from infra.workers import Workers, WorkersArgs, kinds
from toril import __version__
from toril.records.deployment import DeployedHome


def resolve_images(settings: RegionSettings, place: Place) -> dict[str, Image]:
    """Flavour → image; SettingError for one that would come from outside."""
    registry = OwnRegistry(
        home=PrivateRegistry(place.account, place.region),
        worker_repository=place.names.repository,
        repositories=frozenset(one.name for one in settings.repositories),
        caches=settings.caches,
        fips=settings.fips,
    )
    return {name: resolve(name, flavour, registry) for name, flavour in sorted(settings.flavours.items())}


def coordinator_image(images: Mapping[str, Image], place: Place) -> Image:
    """What coordinators run in, which is a worker's image: the smallest of the stack's own, else the first flavour."""
    own = [name for name, image in images.items() if image.repository == place.names.repository]
    return images[min(own or images, key=lambda name: (name != "slim", name))]


class Region(pulumi.ComponentResource):
    """Registry, caches, network, cluster, workers, and the record that tells runners of them."""

    def __init__(
        self,
        name: str,
        settings: RegionSettings,
        place: Place,
        credentials: Mapping[str, Mapping[str, str]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        check_settings(settings, place)
        images = resolve_images(settings, place)
        check_images(settings, place, images.values())
        reference = settings.hub or f"{pulumi.get_organization()}/{pulumi.get_project()}/{place.names.hub_stack}"
        outputs = read_hub(reference)
        hub = settle(outputs, reference)
        check_pair(
            hub_version=hub.version,
            version=__version__,
            hub_environment=hub.environment,
            environment=place.names.environment,
        )
        check_hub(settings, place, hub)

        super().__init__("toril:region:Region", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        all_images = tuple(images.values())
        keys = make_keys(name, place, encryption=settings.encryption, logs=settings.logs.encryption, opts=child)
        Registry(name, settings, place, keys.registry, opts=child)
        caches = Caches(
            name, CachesArgs(caches=settings.caches, credentials=credentials, place=place, keys=keys), opts=child
        )
        network = Network(
            name,
            NetworkArgs(
                settings=settings,
                place=place,
                bucket=Bucket(name=hub.bucket, region=hub.bucket_region),
                images=all_images,
            ),
            opts=child,
        )
        cluster = Cluster(name, settings, place, keys.logs, opts=child)
        results = Results(bucket=hub.bucket, region=hub.bucket_region, key=hub.bucket_key)
        roles = WorkerRoles(name, settings, place, results, all_images, opts=child)
        worker_kinds = tuple(kinds(settings, images))
        workers = Workers(
            name,
            WorkersArgs(
                settings=settings,
                place=place,
                store=f"s3://{hub.bucket}",
                kinds=worker_kinds,
                log_group=cluster.log_group,
                worker_role=roles.worker,
                execution_role=roles.execution,
            ),
            opts=child,
        )
        alarms: list[str] = []
        if settings.idle_alarm and (found := window(settings.limits.duration_s)):
            IdleAlarm(name, settings, place, found, opts=child)
            alarms.append(alarm_name(place.names))
        home: pulumi.Output[DeployedHome] | None = None
        if settings.home:
            args = HomeArgs(
                settings=settings,
                place=place,
                hub=outputs,
                cluster_arn=cluster.arn,
                subnets=pulumi.Output.all(*network.subnets),
                security_groups=pulumi.Output.all(network.security_group),
                public_addresses=network.public_addresses,
                log_group=cluster.log_group,
                image=coordinator_image(images, place).uri,
                execution_role=roles.execution,
            )
            coordination = Home(f"{name}-home", args, opts=child)
            alarms += coordination.alarms
            home = coordination.deployed
        if hub.notice_bus and (alarms or settings.home):
            Notices(
                f"{name}-notices",
                place,
                outputs,
                alarms,
                coordinators=settings.home,
                foreign=hub.account != place.account,
                opts=child,
            )
        decided = Decided(
            settings=settings,
            place=place,
            hub=hub,
            kinds=worker_kinds,
            caches=caches.deployed,
            targets=network.targets,
            public_addresses=network.public_addresses,
        )
        made = pulumi.Output.all(
            cluster=cluster.arn,
            subnets=network.subnets,
            security_group=network.security_group,
            task_definitions=workers.task_definitions,
            log_group=cluster.log_group,
            execution_role=roles.execution,
            worker_role=roles.worker,
            home=home,
        ).apply(lambda parts: Made(**parts))
        published = publish(name, decided, made, opts=child)

        pulumi.export("cluster", cluster.arn)
        pulumi.export("caches", ready(caches.deployed))
        pulumi.export("images", {flavour: image.uri for flavour, image in images.items()})
        pulumi.export("deployment", published.key)
        self.register_outputs({})
