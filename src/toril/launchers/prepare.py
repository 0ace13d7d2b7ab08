"""Chooses the launcher of a plan, and checks a run elsewhere and its price before the launch.

Functions import the modules for Fargate and for agents, so that a local run starts without them.
"""

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from toril.clock import Clock
from toril.errors import InfrastructureError, OptionError, StoreError
from toril.launchers import Launcher
from toril.launchers.elsewhere import Elsewhere, parts_of
from toril.records import Deployment, Plan, deployment_key
from toril.store import FolderStore, Reader, Store

if TYPE_CHECKING:
    from toril.aws.client import Clients
    from toril.launchers.fargate import Rates, Stopped
    from toril.launchers.findings import Finding
    from toril.launchers.preflight import CommandContext, Preflight

FARGATE = "ECS_CONTAINER_METADATA_URI_V4"  # ECS sets it in every container
PREFLIGHT_ATTEMPTS, SWEEP_ATTEMPTS = 4, 5  # of each call by botocore, because nothing else repeats it


def prepared(
    plan: Plan, store: Store, environment: Mapping[str, str], clock: Clock, *, max_cost_usd: float | None
) -> tuple[Launcher, tuple[str, ...]]:
    """Returns the plan's launcher, and the lines to show: the preflight's warnings and the price.

    UserError if the preflight finds a problem, if the run costs more than `max_cost_usd` at list prices, or if the
    plan judges the price of a service that has none.
    """
    if plan.service:
        from toril.launchers.pricing.service import refuse_unpriced
        from toril.launchers.pricing.table import read_prices

        refuse_unpriced(plan, read_prices(os.environ))
    if plan.on != "fargate":
        return launcher_for(plan, store, environment, clock), ()
    from toril.launchers.preflight import refuse
    from toril.launchers.pricing import refuse_above

    checks = preflight(plan, store, clock)
    refuse(checks.findings)
    lines = tuple(finding.line for finding in checks.findings if finding.state == "warning")
    if checks.estimate is not None:
        refuse_above(checks.estimate, max_cost_usd)
        lines += checks.estimate.lines()
    deployments = read_deployments(store, required=False)
    return _elsewhere(plan, store, deployments, clock, rates=checks.rates, longest_s=checks.longest_s), lines


def launcher_for(plan: Plan, store: Store, environment: Mapping[str, str], clock: Clock) -> Launcher:
    """Returns the plan's launcher without preflight; UserError if the store does not fit the plan."""
    if plan.on == "fargate":
        damaged: list[StoreError] = []
        regions = parts_of(plan)[0].locations
        deployments = read_deployments(store, damaged, required=bool(regions))
        if damaged and not set(regions) <= set(deployments):
            raise StoreError("; ".join(map(str, damaged)), code=damaged[0].code)
        return _elsewhere(plan, store, deployments, clock)
    if not isinstance(store, FolderStore):
        text = f"--store {store.address('')}: local runs need a folder; name one, or use `--on fargate`"
        raise OptionError(text, code="not-a-folder")
    if FARGATE in os.environ:  # the suite's code would have the rights of a coordinator
        text = f"--on local: this is a task on Fargate ({FARGATE} is set); use `--on fargate`, or unset the variable"
        raise OptionError(text, code="local-on-fargate")
    from toril.launchers.local import LocalLauncher

    return LocalLauncher(store, environment)


def preflight(plan: Plan | None, store: Store, clock: Clock) -> "Preflight":
    """Returns the preflight of a plan; without a plan, of all regions and agents of the store.

    Without regions, it sends no request to AWS except to the store.
    """
    from toril.launchers.agents import seen_agents
    from toril.launchers.findings import checked, warning
    from toril.launchers.preflight import Preflight, check, planned
    from toril.launchers.preflight.agents import check_agents, longest_s
    from toril.records.agent import LIVE_S

    regions, private = (None, None) if plan is None else parts_of(plan)
    damaged: list[StoreError] = []
    seen = seen_agents(store, damaged=damaged) if private is None or private.shares else ()
    agents = [agent for agent, age_s in seen if age_s <= LIVE_S]
    needed = not seen if regions is None else bool(regions.shares)
    deployments = read_deployments(store, required=needed)
    access = _access(store, deployments, clock)
    if needed or (plan is None and deployments):
        checks = check(regions, deployments, *access)
    else:
        checks = Preflight(findings=checked("store", lambda: planned.store(access[1])), rates={})
    if private is not None and not private.shares:
        return checks
    of_agents = check_agents(private, agents, access[1].resolve, deployments)
    here = [agent for agent in agents if private is None or agent.location in private.locations]
    unread = [replace(warning(error.code, str(error)), name="agents") for error in damaged]
    for gone, age_s in seen:
        if plan is None and age_s > LIVE_S and not gone.leaving:
            silent = warning("silent-agent", f"agent {gone.agent} has been silent for {age_s / 60:.0f} min")
            unread.append(replace(silent, name="agents", region=gone.location))
    return replace(checks, findings=(*checks.findings, *of_agents, *unread), longest_s=longest_s(here))


def fill_caches(store: Store, clock: Clock) -> "list[Finding]":
    """Fetches each image that a region's cache lacks. Returns the findings about all images."""
    from toril.launchers.preflight import fill_caches

    deployments = read_deployments(store)
    return fill_caches(deployments, *_access(store, deployments, clock), clock)


def vcpus_in_use(store: Store, clock: Clock) -> "list[Finding]":
    """Returns AWS' vCPU quotas and their use in each region of the store, or why they are unknown."""
    from toril.launchers.preflight import vcpus_in_use

    deployments = read_deployments(store, damaged=[])
    return vcpus_in_use(deployments, *_access(store, deployments, clock))


def price_lines(plan: Plan, store: Reader) -> tuple[str, ...]:
    """Returns start time and price of a run on Fargate, from the store's records alone, or why they are unknown.

    Beside them it returns warnings of too much traffic.
    """
    from toril.launchers.findings import checked
    from toril.launchers.preflight.planned import traffic
    from toril.launchers.pricing import estimate, read_prices

    regions, _ = parts_of(plan)
    if not regions.shares:
        return ("private locations have no price",)
    prices = read_prices(os.environ)
    warnings = tuple(f"warning: {finding.line}" for finding in checked("traffic", lambda: traffic(regions, prices)))
    try:
        deployments = read_deployments(store)
    except InfrastructureError as error:
        return (f"start time and price are unknown: {error}", *warnings)
    return (*estimate(regions, deployments, prices).lines(), *warnings)


def stop_tasks(store: Store, run_id: str, why: str) -> "Stopped":
    """Stops every task of a run, in all regions of the store; a damaged record affects its own region only."""
    from toril.launchers.fargate import Stopped, clients, stop_everywhere

    damaged: list[StoreError] = []
    deployments = read_deployments(store, damaged, required=False)
    stopped = stop_everywhere(deployments, run_id, clients(deployments, attempts=SWEEP_ATTEMPTS), why)
    return Stopped(stopped.tasks, (*map(str, damaged), *stopped.problems))


def read_deployments(
    store: Reader, damaged: list[StoreError] | None = None, *, required: bool = True
) -> dict[str, Deployment]:
    """Returns the store's regions, by name; InfrastructureError if it has none, unless they are not `required`.

    A damaged record is a StoreError. With `damaged`, that error is added there, and the other regions are returned.
    """
    keys = [key for key in store.keys("deployments/") if key.endswith(".json")]
    by_region = {}
    for key, data in sorted(store.find_many(keys).items()):
        try:
            deployment = Deployment.from_json(data, key)
            by_region[deployment.region] = deployment
        except StoreError as error:
            if damaged is None:
                raise
            text = f"{error}; tasks in that region may still run: run `pulumi up` for its stack"
            damaged.append(StoreError(text, code=error.code))
    if not by_region and required:
        where = store.address(deployment_key("<region>"))
        fix = "deploy a hub and a region with `pulumi up`, and set --store or TORIL_STORE to the hub's bucket"
        raise InfrastructureError(f"{where}: no region is deployed; {fix}", code="not-deployed")
    return by_region


def _access(store: Store, deployments: Mapping[str, Deployment], clock: Clock) -> "tuple[Clients, CommandContext]":
    from toril.launchers.fargate import clients
    from toril.launchers.preflight import CommandContext
    from toril.launchers.pricing import read_prices

    context = CommandContext(store=store, now=clock.now, environment=os.environ, prices=read_prices(os.environ))
    return clients(deployments, attempts=PREFLIGHT_ATTEMPTS), context


def _elsewhere(
    plan: Plan,
    store: Store,
    deployments: Mapping[str, Deployment],
    clock: Clock,
    *,
    rates: "Mapping[str, Rates] | None" = None,
    longest_s: float | None = None,
) -> Launcher:
    """Returns the launcher of the plan's regions, of its private locations, or of both."""
    from toril.launchers.agents import AgentLauncher

    regions, private = parts_of(plan)
    agents = AgentLauncher(store, clock, longest_s=longest_s)
    if not regions.shares:
        return agents
    from toril.launchers.fargate import FargateLauncher, clients

    used = {region: deployment for region, deployment in deployments.items() if region in plan.locations}
    home = next((deployment for deployment in deployments.values() if deployment.home is not None), None)
    fargate = FargateLauncher(used, clients(deployments), clock, home=home, rates=rates)
    return Elsewhere(fargate, agents) if private.shares else fargate
