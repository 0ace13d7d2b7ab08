"""A region stack: all resources for load from one region. Read this first: it is the table of contents."""

from collections.abc import Mapping

import pulumi

from infra.hub.notices import Notices
from infra.keys import make_keys
from infra.network.egress import Bucket
from infra.network.vpc import Network, NetworkArgs, find_zones
from infra.place import Place
from infra.publish import Decided, Made, publish
from infra.registry.cache_policies import wanted_upstream
from infra.registry.caches import Caches, CachesArgs, ready
from infra.registry.private import Registry
from infra.settings import RegionSettings
from infra.survey import Survey, coordinator_image, survey
from infra.workers.alarm import IdleAlarm, window
from infra.workers.cluster import Cluster
from infra.workers.home import Home, HomeArgs
from infra.workers.policies import Results
from infra.workers.roles import WorkerRoles
from infra.workers.task_definitions import Workers, WorkersArgs


class Region(pulumi.ComponentResource):
    """Registry, caches, network, cluster, workers, and the record that describes them to launchers."""

    def __init__(
        self,
        name: str,
        settings: RegionSettings,
        place: Place,
        credentials: Mapping[str, Mapping[str, str]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        found = survey(settings, place)
        super().__init__("toril:region:Region", name, {}, opts)
        child, hub = pulumi.ResourceOptions(parent=self), found.hub
        zones = find_zones(settings, place, pulumi.InvokeOptions(parent=self))
        keys = make_keys(name, place, encryption=settings.encryption, logs=settings.logs.encryption, opts=child)
        Registry(name, settings, place, keys.registry, opts=child)
        caches = Caches(
            name, CachesArgs(caches=settings.caches, credentials=credentials, place=place, keys=keys), opts=child
        )
        bucket = Bucket(name=hub.bucket, region=hub.bucket_region)
        network = Network(
            name,
            NetworkArgs(settings=settings, place=place, bucket=bucket, images=found.all_images, zones=zones),
            opts=child,
        )
        cluster = Cluster(name, settings, place, keys.logs, opts=child)
        results = Results(bucket=hub.bucket, region=hub.bucket_region, key=hub.bucket_key)
        roles = WorkerRoles(name, settings, place, results, found.all_images, opts=child)
        workers = Workers(
            name,
            WorkersArgs(
                settings=settings,
                place=place,
                store=f"s3://{hub.bucket}",
                store_region=hub.bucket_region,
                kinds=found.kinds,
                log_group=cluster.log_group,
                worker_role=roles.worker,
                execution_role=roles.execution,
            ),
            opts=child,
        )
        home = _home(name, found, network, cluster, roles, child) if settings.home else None
        _alarms(name, found, home, child)
        decided = Decided(
            settings=settings,
            place=place,
            hub=hub,
            kinds=found.kinds,
            caches=caches.deployed,
            targets=network.targets,
            public_addresses=network.public_addresses,
            internet=settings.network.internet,
        )
        made = pulumi.Output.all(
            cluster=cluster.arn,
            subnets=network.subnets,
            security_group=network.security_group,
            task_definitions=workers.task_definitions,
            log_group=cluster.log_group,
            execution_role=roles.execution,
            worker_role=roles.worker,
            home=home.deployed if home else None,
        ).apply(lambda parts: Made(**parts))
        published = publish(name, decided, made, opts=child)

        pulumi.export("cluster", cluster.arn)
        pulumi.export("caches", ready(caches.deployed))
        pulumi.export("images", {flavour: image.uri for flavour, image in found.images.items()})
        pulumi.export("deployment", published.key)
        if upstreams := wanted_upstream(place, settings.caches):
            pulumi.export("upstream_policies", upstreams)
        self.register_outputs({})


def _home(
    name: str, found: Survey, network: Network, cluster: Cluster, roles: WorkerRoles, opts: pulumi.ResourceOptions
) -> Home:
    """Makes coordinators and schedules, which only the home region has."""
    args = HomeArgs(
        settings=found.settings,
        place=found.place,
        hub=found.outputs,
        cluster_arn=cluster.arn,
        subnets=pulumi.Output.all(*network.subnets),
        security_groups=pulumi.Output.all(network.security_group),
        public_addresses=network.public_addresses,
        log_group=cluster.log_group,
        image=coordinator_image(found.images, found.place),
        execution_role=roles.execution,
        console_role=found.hub.console_role,
        store_region=found.hub.bucket_region,
    )
    return Home(f"{name}-home", args, opts=opts)


def _alarms(name: str, found: Survey, home: Home | None, opts: pulumi.ResourceOptions) -> None:
    """Makes the alarms, and forwards their events to the hub if the hub's version has a bus for them."""
    settings, place, alarms = found.settings, found.place, [*(home.alarms if home else ())]
    if settings.idle_alarm and (watched := window(settings.limits.duration_s)):
        IdleAlarm(name, settings, place, watched, opts=opts)
        alarms.append(place.names.idle_alarm())
    if found.hub.notice_bus and (alarms or home):
        Notices(
            f"{name}-notices",
            place,
            found.outputs,
            alarms,
            coordinators=home is not None,
            runs=found.hub.run_notices.split(",") if home and found.hub.run_notices else (),
            store=f"s3://{found.hub.bucket}",
            opts=opts,
        )
