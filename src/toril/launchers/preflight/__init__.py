"""Checks everything that a run needs from AWS and from agents, before anything starts.

- planned: checks the plan against the stacks' records, and the command's environment
- regions: checks one region by AWS calls
- agents: checks private locations by the announcements of their agents
- targets: checks that the hosts under load are on a location's list
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from toril.aws.client import Clients
from toril.aws.registry import Registry
from toril.clock import Clock
from toril.errors import InfrastructureError, UserError
from toril.launchers.fargate import Rates
from toril.launchers.findings import CheckResult, Finding, checked, failed_call, ok
from toril.launchers.preflight import planned, regions
from toril.launchers.preflight.regions import ECR, CommandContext, Region, ask
from toril.launchers.preflight.targets import targets
from toril.launchers.pricing import Estimate, estimate
from toril.records import DeployedWorker, Deployment, Plan

Value = TypeVar("Value")
Checks = Mapping[str, Callable[[Region], CheckResult]]

FROM_RECORDS: Checks = {
    "worker": planned.worker,
    "version": planned.version,
    "store": planned.store_of_region,
    "limits": planned.limits,
    "secrets": planned.secrets,
    "targets": targets,
    "FIPS": planned.fips_hosts,
    "cache": regions.caches,
}
ACCESS: Checks = {"account": regions.account}
FROM_AWS: Checks = {"image": regions.images}
FROM_QUOTAS: Checks = {"vCPU": regions.vcpus, "launch rate": regions.launch_rate}
JOBS = 4  # threads, plus one for each region


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """The findings, the launch rates of each region, and the price of the plan, if there is a plan."""

    findings: tuple[Finding, ...]
    rates: Mapping[str, Rates]
    estimate: Estimate | None = None
    longest_s: float | None = None  # the longest load that agents accept; None without a limit


def check(
    plan: Plan | None, deployments: Mapping[str, Deployment], clients: Clients, context: CommandContext
) -> Preflight:
    """Checks everything that the plan needs, or without a plan all regions of the store, in parallel."""
    used = {one: deployments[one] for one in (deployments if plan is None else plan.locations) if one in deployments}
    homes = [deployment.region for deployment in deployments.values() if deployment.home is not None]
    first = next(iter((*homes, *(home.store_region for home in deployments.values()))), "")  # enabled in the account
    with ThreadPoolExecutor(JOBS + len(used)) as pool:
        keys = pool.submit(context.credentials)
        store = pool.submit(checked, "store", partial(planned.store, context))
        caller, refused = _asked("credentials", partial(ask, clients, "sts", first, "get_caller_identity"))
        account = None if caller is None else str(caller["Account"])
        scenes = [
            Region(deployment=deployment, clients=clients, context=context, plan=plan, account=account)
            for deployment in used.values()
        ]
        surveys = list(pool.map(_survey, scenes))
    rates = {region.name: region.rates for region, _ in surveys}
    price = None if plan is None else estimate(plan, deployments, context.prices, rates=rates)
    results = [
        *checked("locations", partial(planned.locations, plan, deployments)),
        *checked("sweeper", partial(planned.sweeper, deployments)),
        *checked("credentials", lambda: planned.credentials(keys.result(), context, plan, price)),
        *store.result(),
        *refused,
        *checked("cost", partial(planned.cost, plan, deployments, price)),
        *checked("traffic", partial(planned.traffic, plan, context.prices)),
        *(finding for _, findings in surveys for finding in findings),
    ]
    return Preflight(findings=tuple(results), rates=rates, estimate=price)


def vcpus_in_use(deployments: Mapping[str, Deployment], clients: Clients, context: CommandContext) -> list[Finding]:
    """Returns AWS' vCPU quotas and their use in each region, or why they are unknown."""

    def of(deployment: Deployment) -> Iterable[Finding]:
        region = Region(deployment=deployment, clients=clients, context=context)
        quotas, unread = _asked("quotas", partial(regions.read_quotas, region), region.name)
        return unread if quotas is None else _findings({"vCPU": regions.vcpus}, replace(region, quotas=quotas))

    with ThreadPoolExecutor(JOBS + len(deployments)) as pool:
        return [finding for findings in pool.map(of, deployments.values()) for finding in findings]


def fill_caches(
    deployments: dict[str, Deployment], clients: Clients, context: CommandContext, clock: Clock
) -> list[Finding]:
    """Requests each image that a cache lacks, in all regions at once. Returns the findings about all images."""

    def fill(deployment: Deployment) -> tuple[Finding, ...]:
        region = Region(deployment=deployment, clients=clients, context=context)
        return checked("image", partial(_filled, region, clock), region.name)

    with ThreadPoolExecutor(JOBS + len(deployments)) as pool:
        return [finding for findings in pool.map(fill, deployments.values()) for finding in findings]


def _filled(region: Region, clock: Clock) -> Iterator[Finding]:
    for kind, finding in zip(region.kinds, regions.images(region), strict=True):
        place = ECR.fullmatch(kind.image)
        if finding.code == "not-cached" and place is not None:
            fetch = partial(_fetched, region, place["repository"], kind, clock)
            yield from checked(finding.name, fetch)
        else:
            yield finding


def _fetched(region: Region, repository: str, kind: DeployedWorker, clock: Clock) -> Finding:
    """Requests an image that its cache lacks. InfrastructureError if ECR cannot provide it."""
    login = region.ask("ecr", "get_authorization_token")["authorizationData"][0]
    registry = Registry(address=login["proxyEndpoint"], token=login["authorizationToken"], clock=clock)
    registry.pull(repository, str(kind.digest), kind.tag)
    return ok(f"{repository}@{kind.digest} is cached now")


def refuse(findings: Iterable[Finding]) -> None:
    """InfrastructureError that names every missing thing, one per line."""
    lines = [finding.line for finding in findings if finding.state == "missing"]
    if lines:
        text = "the run cannot start:\n" + "\n".join(f"  {line}" for line in lines)
        raise InfrastructureError(text, code="preflight-failed")


def _survey(region: Region) -> tuple[Region, list[Finding]]:
    """Runs all checks of a region, the cheapest first; skips AWS calls if the account has no access to the region.

    Returns the region, with its quotas if they are known, and the findings.
    """
    findings = _findings(FROM_RECORDS, region)
    if region.account is None:
        return region, findings
    access = _findings(ACCESS, region)
    findings += access
    if any(finding.state == "missing" for finding in access):
        return region, findings
    findings += _findings(FROM_AWS, region)
    quotas, unread = _asked("quotas", partial(regions.read_quotas, region), region.name)
    if quotas is not None:
        region = replace(region, quotas=quotas)
        findings += _findings(FROM_QUOTAS, region)
    return region, [*findings, *unread]


def _findings(checks: Checks, region: Region) -> list[Finding]:
    return [finding for name, check in checks.items() for finding in checked(name, partial(check, region), region.name)]


def _asked(name: str, ask: Callable[[], Value], region: str = "") -> tuple[Value | None, tuple[Finding, ...]]:
    """Returns the answer; after an error, None and the finding."""
    try:
        return ask(), ()
    except UserError as error:
        return None, (replace(failed_call(error), name=name, region=region),)
