"""Checks that ask AWS nothing: the plan against the stacks' records, and the command's surroundings."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from toril import __version__
from toril.launchers.fargate.tasks import kind_for
from toril.launchers.findings import Finding, missing, ok, warning
from toril.launchers.preflight.regions import CommandContext, Identity, Region
from toril.launchers.pricing import Estimate, money
from toril.records import Deployment, Plan, secrets_outside
from toril.store import BUCKETS, Store
from toril.text import nearest
from toril.verdict.servers import queries

HERE = "local"  # the location of a suite that names none
EXPIRATION = "AWS_CREDENTIAL_EXPIRATION"  # as `aws configure export-credentials` names it
PROBE = "runs/preflight/probe"  # one key, overwritten each time: the role of load tests may not delete
PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
ENDING_S = 60.0  # of a run, for its verdict and report


# ── the whole run


def first_region(deployments: Mapping[str, Deployment]) -> str:
    """Returns the region that is asked about the account: the home region, which the account surely has."""
    homes = [one.region for one in deployments.values() if one.home is not None]
    return next(iter((*homes, *(one.store_region for one in deployments.values()))), "")


def locations(plan: Plan | None, deployments: Mapping[str, Deployment]) -> Iterator[Finding]:
    """Every location of the plan is a region with a stack."""
    if plan is None:
        return
    known = ", ".join(sorted(deployments)) or "none"
    outside = [location for location in plan.locations if location not in deployments]
    for location in outside:
        if location == HERE:
            fix = f"add `locations: {{<region>: 1}}`; deployed are {known}"
            yield missing("locations", "no-locations", f"the suite names none; {fix}")
            continue
        near = nearest(location, deployments)
        guess = f"did you mean {near}? " if near else ""
        detail = f"{location} is not deployed ({guess}deployed are {known}); `pulumi up --stack {location}`"
        yield missing("locations", "not-deployed", detail)
    if not outside:
        yield ok("locations", f"{', '.join(plan.locations)}: deployed")


def environments(deployments: Mapping[str, Deployment]) -> Iterator[Finding]:
    """All regions of a run are of one environment and one partition."""
    for name, values in (
        ("environment", {region: one.environment for region, one in deployments.items()}),
        ("partition", {region: one.partition for region, one in deployments.items()}),
    ):
        if len(set(values.values())) > 1:
            listed = ", ".join(f"{region} is of {value}" for region, value in sorted(values.items()))
            detail = f"the regions are not of one: {listed}; leave some of the locations out"
            yield missing(name, f"several-{name}s", detail)
        else:
            yield ok(name, ", ".join(set(values.values())))


def sweeper(deployments: Mapping[str, Deployment]) -> Iterator[Finding]:
    """Some region can sweep a run at its deadline."""
    found = next((one.region for one in deployments.values() if one.home is not None), None)
    if found is None:
        fix = "`pulumi config set home true` in one region, and `pulumi up` it"
        detail = f"no region is the home one: nothing outside ends a run at its deadline; {fix}"
        yield warning("sweeper", "no-home-region", detail)
    else:
        yield ok("sweeper", f"in {found}")


def cost(plan: Plan | None, deployments: Mapping[str, Deployment], estimate: Estimate | None) -> Iterator[Finding]:
    """The run's list price is within the limit of each of its regions."""
    there = [deployments[one] for one in plan.locations if one in deployments] if plan is not None else []
    if not there or estimate is None:
        return
    least = min(there, key=lambda one: one.limits.cost_usd)
    upper = "at most " if estimate.at_most else ""
    detail = f"{upper}{money(estimate.total_usd)} US dollars at list prices, {least.limits.cost_usd:g} allowed"
    if estimate.total_usd > least.limits.cost_usd:
        fix = f"make the run shorter or smaller, or raise limits.costUsd of {least.region}"
        yield missing("cost", "over-cost-limit", f"{detail} by {least.region}; {fix}")
    else:
        yield ok("cost", detail)


def credentials(
    found: Identity | None, context: CommandContext, plan: Plan | None, estimate: Estimate | None
) -> Iterator[Finding]:
    """Credentials last as long as the run, or are renewed."""
    if found is None:
        fix = "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and its like, or run where a role gives them"
        yield missing("credentials", "no-credentials", f"there are none; {fix}")
    elif found.method not in ("env", "explicit", "shared-credentials-file", "config-file"):
        yield ok("credentials", f"are renewed by themselves ({found.method})")
    elif not found.token:
        yield ok("credentials", f"do not expire ({found.method})")
    else:
        expiry = context.environment.get(EXPIRATION, "") if found.method == "env" else ""
        yield _expiring(expiry, context.now(), _lasts_s(plan, estimate))


def _expiring(expiry: str, now: float, lasts_s: float) -> Finding:
    needed = f"this run takes {lasts_s / 60:.0f} min" if lasts_s else "a run may take longer"
    longer = "in GitHub's workflows by role-duration-seconds, and the role's maximum"
    try:
        until = datetime.fromisoformat(expiry)
    except ValueError:
        how = f"`eval $(aws configure export-credentials --format env)` sets {EXPIRATION}"
        detail = f"their expiry time is unknown, and {needed}: make sure, {longer}; {how}"
        return warning("credentials", "unknown-expiry", detail)
    at = (until if until.tzinfo else until.replace(tzinfo=UTC)).timestamp()
    left = f"{max(0.0, at - now) / 60:.0f} min are left"
    if at - now <= lasts_s:
        detail = f"expire at {expiry}: {left}, and {needed}; ask for longer ones, {longer}"
        return missing("credentials", "credentials-expire", detail)
    return ok("credentials", f"expire at {expiry}: {left}")


def _lasts_s(plan: Plan | None, estimate: Estimate | None) -> float:
    """Returns how long the command needs its credentials; 0 if that is unknown."""
    if plan is None or estimate is None or estimate.at_most:
        return 0.0
    waits_s = plan.metrics_wait_s if queries(plan) else 0.0
    return (estimate.start_s or 0.0) + estimate.load_s + plan.graceful_stop_s + waits_s + ENDING_S


def store(context: CommandContext) -> Iterator[Finding]:
    """A run's records can be written and found again; StoreError otherwise."""
    context.store.put(PROBE, b"toril")
    if context.store.find(PROBE) is None:
        detail = f"{context.store.address(PROBE)} was written, and is not there"
        yield missing("store", "no-such-key", detail)
    else:
        yield ok("store", f"{_address(context.store)} can be written and read")


def _address(store: Store) -> str:
    """Returns the address of the whole store, as `--store` takes it."""
    return store.address("runs").removesuffix("runs").rstrip("/")


# ── one region


def worker(region: Region) -> tuple[Finding, ...]:
    """The region has a worker for the plan; InfrastructureError otherwise."""
    if region.plan is not None:
        kind_for(region.plan, region.deployment)
    return ()


def version(region: Region) -> Iterator[Finding]:
    """The stack is of a version that this one works with."""
    theirs = region.deployment.toril_version
    (their_major, their_minor), (major, minor) = _parts(theirs), _parts(__version__)
    detail = f"deployed with toril {theirs}, this is {__version__}"
    if their_major != major:
        fix = f"use one major version: install the other toril, or {region.up}"
        yield missing("version", "other-major-version", f"{detail}; {fix}")
    elif abs(their_minor - minor) > 1:
        yield warning("version", "other-minor-version", f"{detail}, more than a minor version apart; {region.up}")
    else:
        yield ok("version", detail)


def store_of_region(region: Region) -> Iterator[Finding]:
    """The region's workers write to the store that this run is read from."""
    ours, theirs = _address(region.context.store), region.deployment.store
    if ours.startswith(BUCKETS) and ours != theirs.rstrip("/"):
        yield missing("store", "other-store", f"its workers write to {theirs}, not to {ours}; use --store {theirs}")
    else:
        yield ok("store", f"its workers write to {theirs}")


def limits(region: Region) -> Iterator[Finding]:
    """The run is no larger and no longer than the region allows."""
    plan, allowed = region.plan, region.deployment.limits
    longest_min = allowed.duration_s / 60
    if plan is None:
        detail = f"{allowed.vcpus} vCPU, {allowed.cost_usd:g} US dollars, {longest_min:g} min for a run"
        yield ok("limits", detail)
        return
    wanted = region.vcpus
    bounds = [one for one in (plan.bounded_s, plan.max_duration_s) if one is not None]
    problems = []
    if wanted > allowed.vcpus:
        problems.append(f"{wanted:g} vCPU, {allowed.vcpus} allowed; fewer or smaller workers, or raise limits.vcpus")
    if bounds and min(bounds) > allowed.duration_s:
        fix = "shorten the load, or raise limits.durationS"
        problems.append(f"{min(bounds) / 60:g} min of load, {longest_min:g} allowed; {fix}")
    if problems:
        yield missing("limits", "over-limits", f"{'; '.join(problems)}, then {region.up}")
    elif not bounds:
        detail = f"only iterations bound the load; it is ended after {longest_min:g} min"
        yield warning("limits", "unbounded-load", detail)
    else:
        yield ok("limits", f"{wanted:g} of {allowed.vcpus} vCPU")


def secrets(region: Region) -> Iterator[Finding]:
    """The region's workers may read the suite's secrets."""
    if region.plan is None or not region.plan.secrets:
        return
    outside = secrets_outside(region.plan.secrets, region.deployment.secrets, region.name)
    if outside:
        fix = f"add the secret's ARN to the stack's `secrets` and {region.up}"
        yield missing("secrets", "secret-not-allowed", f"workers may not read the one of {', '.join(outside)}; {fix}")
    else:
        yield ok("secrets", f"{', '.join(region.plan.secrets)}: on the region's list")


def fips_hosts(region: Region) -> Iterator[Finding]:
    """Every FIPS host of the region has an address: SDKs make up names for those that do not exist."""
    if not region.deployment.fips:
        return
    hosts = sorted(set(region.deployment.endpoints.values()))
    if any(region.context.environment.get(one) for one in PROXIES):
        yield ok("FIPS", f"{len(hosts)} hosts, which the proxy looks up")
        return
    unknown = [host for host in hosts if not region.context.resolve(host)]
    if unknown:
        fix = "check the DNS of this machine, and whether the region has them"
        yield missing("FIPS", "unresolved-host", f"{', '.join(unknown)} cannot be resolved; {fix}")
    else:
        yield ok("FIPS", f"{len(hosts)} hosts can be resolved")


def _parts(text: str) -> tuple[int, int]:
    parts = [int(one) if one.isdigit() else -1 for one in text.split(".")[:2]]
    return (parts[0], parts[1]) if len(parts) == 2 else (-1, -1)
