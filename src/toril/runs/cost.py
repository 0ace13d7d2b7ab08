"""What a run on Fargate has cost, from what its tasks took: a line for its reports."""

import os

from toril.errors import InfrastructureError
from toril.launchers.pricing import Estimate, cost_of, money, read_prices
from toril.records import Deployment, End, Plan, run_key
from toril.reports import Bundle
from toril.sites import read_deployments
from toril.store import Store


def costed(store: Store, bundle: Bundle) -> Bundle:
    """The run with the line, where its tasks are on record; local workers cost nothing."""
    if bundle.plan.on != "fargate":
        return bundle
    end = End.look_up(store, run_key(bundle.plan.run_id, "end.json"))
    return bundle if end is None else bundle.with_cost(cost_line(bundle, end, _deployments(store)))


def cost_line(bundle: Bundle, end: End, deployments: dict[str, Deployment]) -> str:
    """The sum, and for a million requests; empty where no task is known to have started."""
    if not any(task.pull_started_at is not None for task in end.tasks.values()):
        return ""
    found = cost_of(
        bundle.plan,
        end.tasks,
        deployments,
        read_prices(os.environ),
        load_s=float(bundle.summary.get("duration_s") or 0),
        requests=bundle.summed or None,
        until=end.at,
    )
    return _said(found, bundle.plan)


def _said(found: Estimate, plan: Plan) -> str:
    parts = [f"cost {money(found.total_usd)} US dollars at list prices of {found.as_of}"]
    if not found.complete:
        parts[0] += ", of what is known"
    if found.per_million_usd is not None:
        parts.append(f"{money(found.per_million_usd)} for a million requests")
    count = sum(found.workers.values())
    size = plan.task
    if size is not None:
        each = f"{size.cpu / 1024:g} vCPU and {size.memory_mib / 1024:g} GiB, {size.architecture}"
        parts.append(f"{count} task{'s' if count != 1 else ''} of {each}")
    return " · ".join(parts)


def _deployments(store: Store) -> dict[str, Deployment]:
    """Those that the store knows; a copy of a run has none, and is priced as stacks are by default."""
    try:
        return read_deployments(store, [])
    except InfrastructureError:
        return {}
