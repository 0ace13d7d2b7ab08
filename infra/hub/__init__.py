"""The hub stack, which exists once in an environment. Read this first: it is the table of contents."""

from collections.abc import Callable, Mapping
from functools import partial

import pulumi
import pulumi_aws as aws

from infra.hub.budget import Costs
from infra.hub.console import Console
from infra.hub.github import WorkflowRole, identity_provider, trust_policy, workflow_roles
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
SERVICES: dict[str, tuple[tuple[str, ...], str]] = {
    "coordinator": ((TASKS_SERVICE,), "A task that runs a suite on schedule"),
    "scheduler": ((SCHEDULER_SERVICE,), "EventBridge Scheduler starts coordinators"),
    "sweeper": ((SCHEDULER_SERVICE, TASKS_SERVICE), "Stops what runs past its deadline"),
}
WORKFLOWS = {
    "preview": "Workflows preview the stacks",
    "drift": "Workflows compare the stacks with the program",
    "deploy": "Workflows change the stacks",
    "publish": "Workflows push images and suites",
    "run": "Workflows run load tests",
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
        board = NoticeBoard(f"{name}-notices", place, settings.emails, settings.region_accounts, own, alarms=alarms)
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
        for purpose, arn in roles.workflows.items():
            pulumi.export(f"{purpose}_role", arn)
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
    """The roles of AWS services and, if `github` is set, those of workflows: ARNs by purpose."""

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
        self.workflows: dict[str, pulumi.Output[str]] = {}
        if settings.github:
            provider = identity_provider(f"{name}-github", settings.github, own)
            for workflow_role in workflow_roles(settings.github):
                policies = _policies(settings, workflow_role.purpose, scope)
                self.workflows[workflow_role.role] = self._workflow_role(
                    f"{name}-{workflow_role.role}", place, workflow_role, provider, policies
                )
        self.register_outputs({})

    def _workflow_role(
        self,
        name: str,
        place: Place,
        workflow_role: WorkflowRole,
        provider: pulumi.Output[str],
        policies: Mapping[str, pulumi.Input[Document]],
    ) -> pulumi.Output[str]:
        return make_role(
            name,
            place,
            place.names.role(workflow_role.role),
            f"{WORKFLOWS[workflow_role.purpose]} of {workflow_role.repository.name}",
            provider.apply(lambda arn: trust_policy(arn, workflow_role.repository, workflow_role.suffixes)),
            policies,
            pulumi.ResourceOptions(parent=self),
            session_s=LONGEST_S if workflow_role.purpose == "run" else HOUR_S,
            managed=workflow_role.purpose == "deploy",
        ).arn


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
        region_accounts=settings.region_accounts,
        public_repository=settings.public_repository.name if settings.public_repository else None,
        protect=settings.protect,
    )
