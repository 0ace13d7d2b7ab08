"""Everything that a run needs of AWS, looked at before anything is started.

findings      what a check found; a right that is missing is a finding, too
agreement     what records alone tell: regions, versions, limits, secrets, price
account       who asks, by which clock, and which regions there are
cluster       the cluster and the task definitions
images        the image by digest, and the cache rules
quotas        whether vCPU are left for the run, and how fast tasks start
in_use        … which of them are in use
targets       whether what is put under load is on the list
surveys       all of them for one region
surroundings  credentials, store, names of FIPS hosts
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from toril.aws.client import Clients, credentials
from toril.aws.errors import AwsError
from toril.errors import InfrastructureError
from toril.launchers.fargate.rate_limit import Rates
from toril.launchers.preflight import account, agreement, surroundings
from toril.launchers.preflight.findings import Finding, Look, checked, unanswered
from toril.launchers.preflight.surroundings import Identity
from toril.launchers.preflight.surveys import Asker, survey
from toril.launchers.preflight.targets import Resolve, addresses_of
from toril.launchers.pricing import Estimate, PriceTable, estimate, list_prices
from toril.records import Deployment, Plan
from toril.store import Store
from toril.verdict.servers import queries

__all__ = ["Finding", "Preflight", "Surroundings", "check", "refuse"]

Value = TypeVar("Value")

OF_THE_WHOLE = 8  # jobs beside one for each region
ENDING_S = 60.0  # of a run, for its verdict and report


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Where the command runs."""

    store: Store
    now: Callable[[], float]
    environment: Mapping[str, str]
    resolve: Resolve = addresses_of
    credentials: Callable[[], Identity | None] = credentials
    prices: PriceTable = field(default_factory=list_prices)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """What was found; how fast each region starts tasks; and the price, where there is a plan to be priced."""

    findings: tuple[Finding, ...]
    rates: Mapping[str, Rates]
    spot_rates: Mapping[str, Rates]
    estimate: Estimate | None = None


def check(
    plan: Plan | None, deployments: Mapping[str, Deployment], clients: Clients, around: Surroundings
) -> Preflight:
    """Look at all that the plan needs, or without one at all regions of the store; regions side by side."""
    used = {one: deployments[one] for one in (deployments if plan is None else plan.locations) if one in deployments}
    first = _asked_at(deployments)
    with ThreadPoolExecutor(OF_THE_WHOLE + len(used)) as pool:
        asker = Asker(
            store=surroundings.address_of(around.store),
            environment=around.environment,
            resolve=around.resolve,
            caller=pool.submit(_answer, lambda: account.caller(clients, first, around.now)),
            regions=pool.submit(_answer, lambda: account.regions(clients, first)),
        )
        begun = [pool.submit(job) for job in _of_the_whole(plan, deployments, used, around)]
        looks = [_look(plan, one, clients, around.now()) for one in used.values()]
        surveyed = dict(zip(used, pool.map(lambda look: survey(look, asker), looks), strict=True))
        found = [one for job in begun for one in job.result()]
    caller = asker.caller.result()
    found += checked("clock", partial(account.clock, caller)) if isinstance(caller, account.Caller) else ()
    for name, answer in (("credentials", caller), ("regions", asker.regions.result())):
        if isinstance(answer, AwsError):
            found.append(unanswered(name, answer))
    rates = {region: one.quotas.rates(region, "FARGATE") for region, one in surveyed.items()}
    spot_rates = {region: one.quotas.rates(region, "FARGATE_SPOT") for region, one in surveyed.items()}
    priced = None
    if plan is not None:
        priced = estimate(plan, deployments, around.prices, rates=rates, spot_rates=spot_rates)
        found += checked("cost", partial(agreement.price, plan, deployments, priced))
    found += (finding for one in surveyed.values() for finding in one.findings)
    return Preflight(findings=tuple(found), rates=rates, spot_rates=spot_rates, estimate=priced)


def refuse(findings: Iterable[Finding]) -> None:
    """InfrastructureError with every thing that is missing, one a line."""
    lines = [found.line for found in findings if found.state == "missing"]
    if lines:
        raise InfrastructureError("the run cannot start:\n" + "\n".join(f"  {line}" for line in lines))


def _asked_at(deployments: Mapping[str, Deployment]) -> str:
    """Where the whole account is asked about: in the home region, which is surely one that the account has."""
    homes = [one.region for one in deployments.values() if one.home is not None]
    return next(iter((*homes, *(one.store_region for one in deployments.values()))), "")


def _of_the_whole(
    plan: Plan | None, deployments: Mapping[str, Deployment], used: Mapping[str, Deployment], around: Surroundings
) -> Iterator[Callable[[], tuple[Finding, ...]]]:
    """What is no region's."""
    if plan is not None:
        yield partial(checked, "locations", partial(agreement.locations, plan, deployments))
    yield partial(checked, "environment", partial(agreement.environments, used or deployments))
    yield partial(checked, "sweeper", partial(agreement.home, deployments))
    lasts_s = _lasts_s(plan, deployments, around.prices)
    yield lambda: checked(
        "credentials",
        lambda: surroundings.lifetime(around.credentials(), around.environment, around.now(), lasts_s),
    )
    yield partial(checked, "store", partial(surroundings.writable, around.store))


def _look(plan: Plan | None, deployment: Deployment, clients: Clients, now: float) -> Look:
    workers = 0 if plan is None else sum(share.location == deployment.region for share in plan.shares)
    return Look(deployment=deployment, clients=clients, now=now, plan=plan, workers=workers)


def _answer(ask: Callable[[], Value]) -> Value | AwsError:
    try:
        return ask()
    except AwsError as refused:
        return refused


def _lasts_s(plan: Plan | None, deployments: Mapping[str, Deployment], prices: PriceTable) -> float:
    """How long the command needs its credentials; 0 when nobody knows."""
    if plan is None:
        return 0.0
    found = estimate(plan, deployments, prices)
    if found.at_most:
        return 0.0
    waits_s = plan.metrics_wait_s if queries(plan) else 0.0
    return (found.start_s or 0.0) + found.load_s + plan.graceful_stop_s + waits_s + ENDING_S
