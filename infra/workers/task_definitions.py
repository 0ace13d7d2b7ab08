"""The workers' task definitions, one for each flavour and processor."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.place import Place
from infra.registry.images import Image
from infra.settings import RegionSettings
from infra.workers.containers import VOLUMES, LogTarget, definition, environment
from toril.records.deployment import Architecture

PROCESSORS: dict[Architecture, str] = {"arm64": "ARM64", "x86-64": "X86_64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerKind:
    """A flavour for a processor."""

    flavour: str
    architecture: Architecture
    image: Image


def kinds(settings: RegionSettings, images: Mapping[str, Image]) -> list[WorkerKind]:
    """Returns all kinds of workers, sorted by flavour and processor."""
    return [
        WorkerKind(flavour=name, architecture=architecture, image=images[name])
        for name, flavour in sorted(settings.flavours.items())
        for architecture in sorted(set(flavour.architectures or settings.architectures))
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkersArgs:
    """The workers' inputs. `log_group` exists before any task definition names it."""

    settings: RegionSettings
    place: Place
    store: str
    store_region: str
    kinds: tuple[WorkerKind, ...]
    log_group: pulumi.Input[str]
    worker_role: pulumi.Input[str]
    execution_role: pulumi.Input[str]


class Workers(pulumi.ComponentResource):
    """`task_definitions` are ARNs with their revision, in the order of `kinds`."""

    task_definitions: list[pulumi.Output[str]]

    def __init__(self, name: str, args: WorkersArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("toril:region:Workers", name, {}, opts)
        self.task_definitions = [self._task(name, kind, args) for kind in args.kinds]
        self.register_outputs({"taskDefinitions": self.task_definitions})

    def _task(self, name: str, kind: WorkerKind, args: WorkersArgs) -> pulumi.Output[str]:
        settings, place = args.settings, args.place
        variables = environment(args.store, place.region, store_region=args.store_region, fips=settings.fips)

        def containers(log_group: str) -> str:
            logs = LogTarget(group=log_group, region=place.region, blocking=settings.logs.blocking)
            return definition(kind.image, variables, logs)

        storage = settings.worker.storage
        return aws.ecs.TaskDefinition(
            f"{name}-{kind.flavour}-{kind.architecture}",
            region=place.region,
            family=place.names.family(kind.flavour, kind.architecture),
            cpu=str(settings.worker.cpu),
            memory=str(settings.worker.memory),
            network_mode="awsvpc",
            requires_compatibilities=["FARGATE"],
            runtime_platform={
                "cpu_architecture": PROCESSORS[kind.architecture],
                "operating_system_family": "LINUX",
            },
            ephemeral_storage={"size_in_gib": storage} if storage else None,
            volumes=[{"name": volume} for volume in sorted(VOLUMES)],
            execution_role_arn=args.execution_role,
            task_role_arn=args.worker_role,
            container_definitions=pulumi.Output.from_input(args.log_group).apply(containers),
            opts=pulumi.ResourceOptions(parent=self),
        ).arn
