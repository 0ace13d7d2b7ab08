"""Everything that a run needs of AWS, checked before anything is started.

planned  checks of the plan against the stacks' records, and of the command's own surroundings
regions  checks that ask AWS about one region
targets  whether the hosts under load are on a region's list
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from toril.aws.client import Clients
from toril.errors import InfrastructureError, UserError
from toril.launchers.fargate import Rates
from toril.launchers.findings import Finding, checked, unanswered
from toril.launchers.preflight import planned, regions
from toril.launchers.preflight.regions import CommandContext, Quotas, Region
from toril.launchers.preflight.targets import targets
from toril.launchers.pricing import Estimate, estimate
from toril.records import Deployment, Plan

__all__ = ["CommandContext", "Preflight", "check", "refuse"]

Value = TypeVar("Value")
Check = Callable[[Region], Iterable[Finding]]

FROM_RECORDS: dict[str, Check] = {
    "worker": planned.worker,
    "version": planned.version,
    "store": planned.store_of_region,
    "limits": planned.limits,
    "secrets": planned.secrets,
    "targets": targets,
    "FIPS": planned.fips_hosts,
}
ACCESS: dict[str, Check] = {"account": regions.account, "region": regions.enabled}
FROM_AWS: dict[str, Check] = {
    "cluster": regions.cluster,
    "task definition": regions.task_definitions,
    "image": regions.images,
    "cache": regions.caches,
}
FROM_QUOTAS: dict[str, Check] = {"vCPU": regions.vcpus, "launch rate": regions.launch_rate}
JOBS = 4  # at once, beside one for each region


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """The findings, how fast each region starts tasks, and the price of the plan, if there is one."""

    findings: tuple[Finding, ...]
    rates: Mapping[str, Rates]
    spot_rates: Mapping[str, Rates]
    estimate: Estimate | None = None


def check(
    plan: Plan | None, deployments: Mapping[str, Deployment], clients: Clients, context: CommandContext
) -> Preflight:
    """Checks everything that the plan needs, or without a plan all regions of the store; regions side by side."""
    used = {one: deployments[one] for one in (deployments if plan is None else plan.locations) if one in deployments}
    first = planned.first_region(deployments)
    with ThreadPoolExecutor(JOBS + len(used)) as pool:
        keys = pool.submit(context.credentials)
        store = pool.submit(checked, "store", partial(planned.store, context))
        caller = pool.submit(regions.ask_caller, clients, first, context.now)
        statuses = pool.submit(regions.ask_statuses, clients, first)
        known, opted_in = _or_none(caller), _or_none(statuses)
        scenes = [
            Region(deployment=one, clients=clients, context=context, plan=plan, caller=known, statuses=opted_in)
            for one in used.values()
        ]
        surveys = dict(zip(used, pool.map(_survey, scenes), strict=True))
    rates = {region: one.quotas.rates(region, "FARGATE") for region, one in surveys.items()}
    spot_rates = {region: one.quotas.rates(region, "FARGATE_SPOT") for region, one in surveys.items()}
    price = None
    if plan is not None:
        price = estimate(plan, deployments, context.prices, rates=rates, spot_rates=spot_rates)
    found = [
        *checked("locations", partial(planned.locations, plan, deployments)),
        *checked("environment", partial(planned.environments, used or deployments)),
        *checked("sweeper", partial(planned.sweeper, deployments)),
        *checked("credentials", lambda: planned.credentials(keys.result(), context, plan, price)),
        *store.result(),
        *checked("clock", partial(regions.clock, known)),
        *checked("credentials", partial(_answered, caller)),
        *checked("regions", partial(_answered, statuses)),
        *checked("cost", partial(planned.cost, plan, deployments, price)),
        *(finding for one in surveys.values() for finding in one.findings),
    ]
    return Preflight(findings=tuple(found), rates=rates, spot_rates=spot_rates, estimate=price)


def refuse(findings: Iterable[Finding]) -> None:
    """InfrastructureError that names every missing thing, one a line."""
    lines = [found.line for found in findings if found.state == "missing"]
    if lines:
        text = "the run cannot start:\n" + "\n".join(f"  {line}" for line in lines)
        raise InfrastructureError(text, code="preflight-failed")


@dataclass(frozen=True, slots=True)
class _Survey:
    """The findings of one region, and its quotas if they are known."""

    findings: tuple[Finding, ...]
    quotas: Quotas


def _survey(region: Region) -> _Survey:
    """Runs all checks of a region, the cheapest first; stops asking AWS where it would only refuse."""
    found = list(_findings(FROM_RECORDS, region))
    if region.caller is None:
        return _Survey(tuple(found), region.quotas)
    access = list(_findings(ACCESS, region))
    found += access
    if any(one.state == "missing" for one in access):
        return _Survey(tuple(found), region.quotas)
    found += _findings(FROM_AWS, region)
    try:
        region = replace(region, quotas=regions.read_quotas(region))
    except UserError as error:
        found.append(replace(unanswered("quotas", error), region=region.name))
    else:
        found += _findings(FROM_QUOTAS, region)
    return _Survey(tuple(found), region.quotas)


def _findings(checks: Mapping[str, Check], region: Region) -> Iterator[Finding]:
    for name, one in checks.items():
        yield from checked(name, partial(one, region), region.name)


def _or_none(job: Future[Value]) -> Value | None:
    try:
        return job.result()
    except UserError:
        return None


def _answered(job: Future[Value]) -> tuple[Finding, ...]:
    job.result()
    return ()
