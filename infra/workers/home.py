"""Resources of the home region only: coordinators, the schedules that start them, and the console's rights to do so.

A sweep is a one-time schedule `sweep-…` in the same group, at a run's deadline. The run's launcher makes it, and it
deletes itself afterwards. It starts the same task definition with the sweeper's role as `Overrides.TaskRoleArn`, and
the scheduler assumes the sweeper's role for it. So a planned sweep never has more rights than the sweeper.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.hub.outputs import HubOutputs
from infra.permissions.console import home_policy
from infra.permissions.statements import Document, document, render
from infra.place import Place
from infra.registry.images import Image
from infra.settings import RegionSettings
from infra.settings.schedules import Schedule
from infra.workers.containers import VOLUMES
from infra.workers.coordinators import Launch, containers, schedule_input
from infra.workers.policies import secret_statements
from infra.workers.task_definitions import PROCESSORS
from toril.records.deployment import DeployedHome

CPU, MEMORY_MIB = 1024, 2048
LATEST_S = 900  # a suite that could not start by then is skipped, rather than started unexpectedly late
RETRIES = 5
LETTERS_KEPT_S = 14 * 86_400  # the maximum of SQS


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeArgs:
    """The parts of the region that coordinators use."""

    settings: RegionSettings
    place: Place
    hub: HubOutputs
    cluster_arn: pulumi.Input[str]
    subnets: pulumi.Input[Sequence[str]]
    security_groups: pulumi.Input[Sequence[str]]
    public_addresses: bool
    log_group: pulumi.Input[str]
    image: Image
    execution_role: pulumi.Input[str]
    console_role: str  # empty: the hub has no console
    store_region: str


class Home(pulumi.ComponentResource):
    """`deployed` is its part of the region's record. `alarms` are the names of the alarms to forward."""

    deployed: pulumi.Output[DeployedHome]
    alarms: tuple[str, ...]

    def __init__(self, name: str, args: HomeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("toril:region:Home", name, {}, opts)
        own = pulumi.ResourceOptions(parent=self)
        place, hub = args.place, args.hub
        store = hub.bucket.apply(lambda bucket: f"s3://{bucket}")
        definition = _coordinator(name, args, store, own)
        group = aws.scheduler.ScheduleGroup(name, name=place.names.schedule_group(), region=place.region, opts=own)
        letters = _dead_letters(name, place, own)
        self.alarms = (_alarm(name, place, letters, own),)
        launch = pulumi.Output.all(
            cluster=args.cluster_arn,
            task_definition=definition.arn,
            subnets=pulumi.Output.from_input(args.subnets).apply(tuple),
            security_groups=pulumi.Output.from_input(args.security_groups).apply(tuple),
        ).apply(lambda found: Launch(**found, public_addresses=args.public_addresses))
        for schedule in args.settings.schedules:
            _schedule(name, schedule, args, launch, store, group, letters, own)
        _secrets(name, args, own)
        console_group = _console(name, args, own) if args.console_role else ""
        self.deployed = pulumi.Output.all(
            schedule_group=group.name,
            scheduler_role=hub.scheduler_role,
            sweeper_role=hub.sweeper_role,
            coordinator=definition.arn,
            dead_letters=letters.arn,
            console_group=console_group,
        ).apply(lambda found: DeployedHome(**found))
        self.register_outputs({})


def _console(name: str, args: HomeArgs, opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
    """Makes the group of the console's schedules, and allows the console to start coordinators. Returns the group."""
    place, hub, names = args.place, args.hub, args.place.names
    group = aws.scheduler.ScheduleGroup(f"{name}-console", name=names.console, region=place.region, opts=opts)
    policy = pulumi.Output.all(
        cluster=args.cluster_arn, coordinator=hub.coordinator_role, execution=args.execution_role, by=hub.scheduler_role
    ).apply(
        lambda found: home_policy(
            place,
            cluster=found["cluster"],
            family=names.coordinator(args.settings.architectures[0]),
            group=names.console,
            schedules=names.schedule_group(),
            roles=[found["coordinator"], found["execution"]],
            scheduler=found["by"],
        )
    )
    aws.iam.RolePolicy(f"{name}-console", name="home", role=args.console_role, policy=policy.apply(render), opts=opts)
    return group.name


def _secrets(name: str, args: HomeArgs, opts: pulumi.ResourceOptions) -> None:
    """Allows the owners of runs to read the stack's secrets, such as addresses of webhooks."""
    found = secret_statements(args.place, args.settings.secrets, args.settings.secret_keys)
    for purpose in ("coordinator", "sweeper") if found else ():
        role = args.place.names.role(purpose)
        policy = render(document(found))
        aws.iam.RolePolicy(f"{name}-{purpose}-secrets", name="secrets", role=role, policy=policy, opts=opts)


def _coordinator(
    name: str, args: HomeArgs, store: pulumi.Output[str], opts: pulumi.ResourceOptions
) -> "aws.ecs.TaskDefinition":
    place, architecture = args.place, args.settings.architectures[0]
    definitions = pulumi.Output.all(args.log_group, store, args.hub.console).apply(
        lambda found: containers(
            args.image.uri,
            credentials=args.image.credentials,
            log_group=found[0],
            region=place.region,
            store=found[1],
            store_region=args.store_region,
            fips=args.settings.fips,
            otlp=args.settings.otlp or "",
            console=found[2],
        )
    )
    return aws.ecs.TaskDefinition(
        f"{name}-coordinator",
        family=place.names.coordinator(architecture),
        region=place.region,
        requires_compatibilities=["FARGATE"],
        network_mode="awsvpc",
        cpu=str(CPU),
        memory=str(MEMORY_MIB),
        runtime_platform={"cpu_architecture": PROCESSORS[architecture], "operating_system_family": "LINUX"},
        execution_role_arn=args.execution_role,
        task_role_arn=args.hub.coordinator_role,
        volumes=[{"name": volume} for volume in sorted(VOLUMES)],
        container_definitions=definitions,
        opts=opts,
    )


def _dead_letters(name: str, place: Place, opts: pulumi.ResourceOptions) -> "aws.sqs.Queue":
    called = place.names.dead_letters()
    return aws.sqs.Queue(
        f"{name}-dead-letters",
        name=called,
        region=place.region,
        message_retention_seconds=LETTERS_KEPT_S,
        sqs_managed_sse_enabled=True,
        policy=render(queue_policy(place.arn("sqs", called), place.account, place.partition)),
        opts=opts,
    )


def queue_policy(queue: str, account: str, partition: str) -> Document:
    """Returns the queue's policy: TLS only. The scheduler's roles, of the same account, have the right to send."""
    return document(
        [
            {
                "Sid": "TlsOnly",
                "Effect": "Deny",
                "Principal": {"AWS": "*"},
                "Action": "sqs:*",
                "Resource": queue,
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            },
        ]
    )


def _alarm(name: str, place: Place, letters: aws.sqs.Queue, opts: pulumi.ResourceOptions) -> str:
    called = place.names.undelivered_alarm()
    aws.cloudwatch.MetricAlarm(
        f"{name}-undelivered",
        name=called,
        region=place.region,
        alarm_description="A schedule could not start its task; the reason is in the queue of dead letters",
        namespace="AWS/SQS",
        metric_name="ApproximateNumberOfMessagesVisible",
        dimensions={"QueueName": letters.name},
        statistic="Maximum",
        period=300,
        evaluation_periods=1,
        threshold=0,
        comparison_operator="GreaterThanThreshold",
        treat_missing_data="notBreaching",
        opts=opts,
    )
    return called


def _schedule(
    name: str,
    schedule: Schedule,
    args: HomeArgs,
    launch: pulumi.Output[Launch],
    store: pulumi.Output[str],
    group: aws.scheduler.ScheduleGroup,
    letters: aws.sqs.Queue,
    opts: pulumi.ResourceOptions,
) -> None:
    place = args.place
    request = pulumi.Output.all(launch, store).apply(
        lambda found: schedule_input(
            found[0],
            suite=schedule.suite,
            group=place.names.schedule_group(),
            schedule=schedule.name,
            store=found[1],
            tags=place.tags,
        )
    )
    aws.scheduler.Schedule(
        f"{name}-{schedule.name}",
        name=schedule.name,
        region=place.region,
        group_name=group.name,
        description=f"Runs suites/{schedule.suite}",
        schedule_expression=schedule.cron,
        schedule_expression_timezone=schedule.timezone,
        state="ENABLED" if schedule.enabled else "DISABLED",
        flexible_time_window={"mode": "OFF"},
        target={
            "arn": f"arn:{place.partition}:scheduler:::aws-sdk:ecs:runTask",
            "role_arn": args.hub.scheduler_role,
            "input": request,
            "retry_policy": {"maximum_event_age_in_seconds": LATEST_S, "maximum_retry_attempts": RETRIES},
            "dead_letter_config": {"arn": letters.arn},
        },
        opts=opts,
    )
