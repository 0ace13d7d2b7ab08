"""Where the workers of a run come from: this machine, or Fargate in the regions of the store's stacks."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from toril.clock import Clock
from toril.errors import InfrastructureError, OptionError, StoreError
from toril.launchers import Launcher
from toril.launchers.fargate import FargateLauncher, Rates, Stopped, clients, stop_everywhere
from toril.launchers.local import LocalLauncher
from toril.launchers.preflight import CommandContext, Preflight, check, refuse
from toril.launchers.pricing import estimate, read_prices, refuse_above
from toril.records import Deployment, Plan, deployment_key
from toril.store import FolderStore, Store

PREFLIGHT_TRIES = 4  # of each call: it is made once


def launcher_for(plan: Plan, store: Store, environment: Mapping[str, str], clock: Clock) -> Launcher:
    """What starts this plan's workers; the errors say what it lacks for that."""
    if plan.on == "fargate":
        damaged: list[str] = []
        deployments = read_deployments(store, damaged)
        if damaged and not set(plan.locations) <= set(deployments):
            raise StoreError("; ".join(damaged))
        return _fargate(plan, deployments, clock)
    if not isinstance(store, FolderStore):
        raise OptionError(f"--store {store.address('')}: local workers need a folder")
    return LocalLauncher(store, environment)


def examined(plan: Plan | None, store: Store, clock: Clock) -> Preflight:
    """What a run on Fargate needs, looked at; without a plan everything that the store's regions have."""
    return _examined(plan, store, read_deployments(store), clock)


def _examined(plan: Plan | None, store: Store, deployments: Mapping[str, Deployment], clock: Clock) -> Preflight:
    around = CommandContext(store=store, now=clock.now, environment=os.environ, prices=read_prices(os.environ))
    return check(plan, deployments, clients(deployments, attempts=PREFLIGHT_TRIES), around)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What starts a run's workers, and what whoever starts it should know of that before."""

    launcher: Launcher
    lines: tuple[str, ...] = ()


def prepared(
    plan: Plan, store: Store, environment: Mapping[str, str], clock: Clock, *, max_cost_usd: float | None
) -> Prepared:
    """What starts this plan's workers, after everything that they need was looked at; the errors say what is missing.

    A run on Fargate that costs more than `max_cost_usd` at list prices is refused.
    """
    if plan.on != "fargate":
        return Prepared(launcher=launcher_for(plan, store, environment, clock))
    deployments = read_deployments(store)
    found = _examined(plan, store, deployments, clock)
    refuse(found.findings)
    lines = tuple(one.line for one in found.findings if one.state == "warning")
    if found.estimate is not None:
        refuse_above(found.estimate, max_cost_usd)
        lines += found.estimate.lines()
    launcher = _fargate(plan, deployments, clock, rates=found.rates, spot_rates=found.spot_rates)
    return Prepared(launcher=launcher, lines=lines)


def priced(plan: Plan, store: Store) -> tuple[str, ...]:
    """What a run on Fargate would take and cost, from records alone: AWS is asked nothing but those.

    Where they are missing, why nothing can be said of it: the division is the same anywhere.
    """
    try:
        deployments = read_deployments(store)
    except InfrastructureError as error:
        return (f"its start and price are not known: {error}",)
    return estimate(plan, deployments, read_prices(os.environ)).lines()


def stop_tasks(store: Store, run_id: str, why: str) -> Stopped:
    """Stop every task of a run, in all regions of the store; a region whose record is damaged holds up no other."""
    damaged: list[str] = []
    deployments = read_deployments(store, damaged)
    stopped = stop_everywhere(deployments, run_id, clients(deployments, attempts=5), why)
    return Stopped(stopped.tasks, (*damaged, *stopped.problems))


def read_deployments(store: Store, damaged: list[str] | None = None) -> dict[str, Deployment]:
    """The store's regions, by name; InfrastructureError when it has none.

    A record that cannot be read is a StoreError, or goes to `damaged` where the others are wanted all the same.
    """
    keys = [key for key in store.keys("deployments/") if key.endswith(".json")]
    found = []
    for key, data in sorted(store.find_many(keys).items()):
        try:
            found.append(Deployment.from_json(data, key))
        except StoreError as error:
            if damaged is None:
                raise
            damaged.append(f"{error}: tasks of that region may still run; `pulumi up` its stack")
    if not found:
        raise InfrastructureError(
            f"{store.address(deployment_key('<region>'))}: no region is deployed; `pulumi up` a hub and a region, and "
            "name the hub's bucket with --store or TORIL_STORE"
        )
    return {one.region: one for one in found}


def _fargate(
    plan: Plan,
    deployments: Mapping[str, Deployment],
    clock: Clock,
    *,
    rates: Mapping[str, Rates] | None = None,
    spot_rates: Mapping[str, Rates] | None = None,
) -> FargateLauncher:
    here = {region: one for region, one in deployments.items() if region in plan.locations}
    home = home_of(deployments)
    return FargateLauncher(here, clients(deployments), clock, home=home, rates=rates, spot_rates=spot_rates)


def home_of(deployments: Mapping[str, Deployment]) -> Deployment | None:
    """The region with coordinators and schedules."""
    return next((one for one in deployments.values() if one.home is not None), None)
