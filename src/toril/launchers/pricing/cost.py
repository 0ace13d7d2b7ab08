"""The cost of a finished run on Fargate, as one line for its reports."""

import os

from toril.launchers.pricing import Estimate, cost_of, money, read_prices
from toril.records import Deployment, End, Plan


def cost_line(plan: Plan, end: End, deployments: dict[str, Deployment], *, load_s: float, requests: int | None) -> str:
    """Returns the sum and the price of a million requests; an empty text if no task is known to have started."""
    if not any(task.pull_started_at is not None for task in end.tasks.values()):
        return ""
    found = cost_of(
        plan, end.tasks, deployments, read_prices(os.environ), load_s=load_s, requests=requests, until=end.at
    )
    return _line(found, plan)


def _line(found: Estimate, plan: Plan) -> str:
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
