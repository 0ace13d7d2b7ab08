"""The hub stack, which exists once in an environment. Read this first: it is the table of contents."""

from collections.abc import Callable, Collection, Mapping
from functools import partial

import pulumi
import pulumi_aws as aws

from infra.hub.access import make_providers, trust_policies
from infra.hub.budget import Costs
from infra.hub.console import Console
from infra.hub.github import workflow_roles
from infra.hub.notices import NoticeBoard
from infra.hub.outputs import HubOutputs
from infra.hub.public_registry import PublicRegistry
from infra.hub.results import Results
from infra.permissions.agents import agent_policy
from infra.permissions.console import console_policy
from infra.permissions.deploying import DEPLOY_POLICIES
from infra.permissions.deploying_console import console_deploying_policy, console_reading_policy
from infra.permissions.publish import publish_policy
from infra.permissions.reading import preview_policy
from infra.permissions.role import HOUR_S, LONGEST_S, make_role
from infra.permissions.running import (
    SCHEDULER_SERVICE,
    TASKS_SERVICE,
    coordinator_policy,
    run_policy,
    scheduler_policy,
    service_trust,
    sweeper_policy,
)
from infra.permissions.scope import Scope
from infra.permissions.statements import Document, render
from infra.place import Place
from infra.settings import HubSettings
from toril import __version__

# purpose of a role → its policies, by name
POLICIES: dict[str, Mapping[str, Callable[[Scope], Document]]] = {
    "preview": {"preview": preview_policy},
    "drift": {"preview": preview_policy},
    "deploy": DEPLOY_POLICIES,
    "publish": {"publish": publish_policy},
    "run": {"run": run_policy},
    "coordinator": {"coordinator": coordinator_policy},
    "scheduler": {"scheduler": scheduler_policy},
    "sweeper": {"sweeper": sweeper_policy},
}
# the same, in a hub with a console
CONSOLE_POLICIES: dict[str, Mapping[str, Callable[[Scope], Document]]] = {
    "drift": {"console": console_reading_policy},
    "deploy": {"console": console_deploying_policy, "read-console": console_reading_policy},
    "console": {"console": console_policy},
}
# the policies that would exceed the inline policies of their role: all of `deploy`, and the console's of `drift`
MANAGED: dict[str, Collection[str]] = {
    "deploy": {*POLICIES["deploy"], *CONSOLE_POLICIES["deploy"]},
    "drift": {*CONSOLE_POLICIES["drift"]},
}
SERVICES: dict[str, tuple[tuple[str, ...], str]] = {
    "coordinator": ((TASKS_SERVICE,), "A task that runs a suite on schedule"),
    "scheduler": ((SCHEDULER_SERVICE,), "EventBridge Scheduler starts coordinators"),
    "sweeper": ((SCHEDULER_SERVICE, TASKS_SERVICE), "Stops what runs past its deadline"),
}
# of the roles of people and jobs
TASKS = {
    "preview": "preview the stacks",
    "drift": "compare the stacks with the program",
    "deploy": "change the stacks",
    "publish": "push images and suites",
    "run": "run load tests",
}


class Hub(pulumi.ComponentResource):
    """Results bucket, public repository, roles, budget and notices, exported for the region stacks."""

    def __init__(
        self, name: str, settings: HubSettings, place: Place, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("toril:hub:Hub", name, {}, opts)
        own = pulumi.ResourceOptions(parent=self)
        results = Results(f"{name}-results", settings, place, own)
        scope = results.key.apply(lambda key: scope_of(settings, place, key or None))
        roles = Roles(f"{name}-roles", settings, place, scope, own)
        alarms = tuple(place.names.console_alarms().values()) if settings.console else ()
        board = NoticeBoard(f"{name}-notices", place, settings.emails, own, alarms=alarms)
        if settings.public_repository:
            public = PublicRegistry(f"{name}-public", settings.public_repository, protect=settings.protect, opts=own)
            pulumi.export("public_repository", public.uri)
        if settings.budget:
            Costs(f"{name}-costs", settings.budget, place, own)
        console = settings.console and Console(
            f"{name}-console", settings, settings.console, place, scope, results.bucket, board.topic, own
        )
        for location in settings.agents:
            policy = aws.iam.Policy(
                f"{name}-agent-{location}",
                name=place.names.role(f"agent-{location}"),
                path=place.names.iam_path,
                description=f"Agents of the private location {location}",
                policy=scope.apply(partial(agent_policy, location=location)).apply(render),
                opts=own,
            )
            pulumi.export(f"agent_policy_{location}", policy.arn)
        for role, arn in roles.granted.items():
            pulumi.export(f"{role}_role", arn)
        HubOutputs(
            version=pulumi.Output.from_input(__version__),
            environment=pulumi.Output.from_input(place.names.environment),
            account=pulumi.Output.from_input(place.account),
            bucket=results.bucket,
            bucket_region=pulumi.Output.from_input(place.region),
            bucket_key=results.key,
            coordinator_role=roles.services["coordinator"],
            scheduler_role=roles.services["scheduler"],
            sweeper_role=roles.services["sweeper"],
            alarm_topic=board.topic,
            notice_bus=board.bus,
            console_role=console.role if console else pulumi.Output.from_input(""),
            console=console.address if console else pulumi.Output.from_input(""),
            run_notices=pulumi.Output.from_input(",".join(settings.notices.runs)),
        ).export()
        self.register_outputs({})


class Roles(pulumi.ComponentResource):
    """The roles of AWS services, and those of people and jobs in `github` and `access`: ARNs by purpose and by name."""

    def __init__(
        self,
        name: str,
        settings: HubSettings,
        place: Place,
        scope: pulumi.Output[Scope],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("toril:hub:Roles", name, {}, opts)
        own = pulumi.ResourceOptions(parent=self)
        self.services: dict[str, pulumi.Output[str]] = {}
        for role, (services, description) in SERVICES.items():
            console = settings.console is not None and role == "scheduler"
            trust = service_trust(services, place.partition, place.account, place.names, console=console)
            self.services[role] = make_role(
                f"{name}-{role}",
                place,
                place.names.role(role),
                description,
                trust,
                _policies(settings, role, scope),
                own,
            ).arn
        jobs = {one.role: one for one in workflow_roles(settings.github)} if settings.github else {}
        trusts = trust_policies(settings, place)
        trusted = pulumi.ResourceOptions(parent=self, depends_on=make_providers(name, settings, place, own))
        self.granted: dict[str, pulumi.Output[str]] = {}
        for role, trust in trusts.items():
            job = jobs.get(role)
            purpose = job.purpose if job else role
            task = TASKS[purpose]
            self.granted[role] = make_role(
                f"{name}-{role}",
                place,
                place.names.role(role),
                f"Workflows {task} of {job.repository.name}" if job else f"People and jobs {task}",
                trust,
                _policies(settings, purpose, scope),
                trusted,
                session_s=LONGEST_S if purpose == "run" else HOUR_S,
                managed=MANAGED.get(purpose, ()),
            ).arn
        self.register_outputs({})


def _policies(settings: HubSettings, purpose: str, scope: pulumi.Output[Scope]) -> dict[str, pulumi.Input[Document]]:
    further = CONSOLE_POLICIES.get(purpose, {}) if settings.console else {}
    return {name: scope.apply(policy) for name, policy in {**POLICIES.get(purpose, {}), **further}.items()}


def scope_of(settings: HubSettings, place: Place, bucket_key: str | None) -> Scope:
    """Returns the scope of the roles, from the settings and the bucket's key."""
    return Scope(
        partition=place.partition,
        account=place.account,
        region=place.region,
        names=place.names,
        bucket=settings.bucket or place.names.results_bucket(place.account, place.region),
        bucket_key=bucket_key,
        boundary=place.permissions_boundary,
        state_bucket=settings.state_bucket,
        state_key=settings.state_key,
        issuers=tuple(sorted({one.issuer.removeprefix("https://") for one in settings.access if one.issuer})),
        public_repository=settings.public_repository.name if settings.public_repository else None,
        protect=settings.protect,
        faults=settings.faults,
        service=settings.service,
        service_logs=settings.service_logs,
    )
