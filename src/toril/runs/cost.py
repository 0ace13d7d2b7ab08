"""What a run on Fargate has cost, from what its tasks took: a line for its reports."""

from toril.errors import InfrastructureError
from toril.launchers.prepare import read_deployments
from toril.launchers.pricing.cost import cost_line
from toril.records import Deployment, End, run_key
from toril.reports import Bundle
from toril.store import Store
from toril.store.records import find_record


def costed(store: Store, bundle: Bundle) -> Bundle:
    """The run with the line, where its tasks are on record; local workers cost nothing."""
    if bundle.plan.on != "fargate":
        return bundle
    end = find_record(store, End, run_key(bundle.plan.run_id, "end.json"))
    if end is None:
        return bundle
    load_s = bundle.summary.duration_s or 0.0
    line = cost_line(
        bundle.plan, end, _deployments(store), load_s=load_s, requests=bundle.summary.total.samples or None
    )
    return bundle.with_cost(line)


def _deployments(store: Store) -> dict[str, Deployment]:
    """Those that the store knows; a copy of a run has none, and is priced as stacks are by default."""
    try:
        return read_deployments(store, [])
    except InfrastructureError:
        return {}
