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


def locations(plan: Plan | None, deployments: Mapping[str, Deployment]) -> Iterator[Finding]:
    """Every location of the plan is a region with a stack."""
    if plan is None:
        return
    known = ", ".join(sorted(deployments)) or "none"
    outside = [location for location in plan.locations if location not in deployments]
    for location in outside:
        if location == HERE:
            fix = f"add `locations: {{<region>: 1}}`; deployed are {known}"
            yield missing("no-locations", f"the suite names none; {fix}")
            continue
        near = nearest(location, deployments)
        guess = f"did you mean {near}? " if near else ""
        detail = f"{location} is not deployed ({guess}deployed are {known}); `pulumi up --stack {location}`"
        yield missing("not-deployed", detail)
    if not outside:
        yield ok(f"{', '.join(plan.locations)}: deployed")


def same(what: str, values: Mapping[str, str]) -> Finding:
    """All regions of a run are of one environment, and of one partition. `values`: by region."""
    if len(set(values.values())) > 1:
        listed = ", ".join(f"{region} is of {value}" for region, value in sorted(values.items()))
        return missing(f"several-{what}s", f"the regions are not of one: {listed}; leave some of the locations out")
    return ok(", ".join(set(values.values())))


def sweeper(deployments: Mapping[str, Deployment]) -> Finding:
    """Some region can sweep a run at its deadline."""
    for one in deployments.values():
        if one.home is not None:
            return ok(f"in {one.region}")
    fix = "`pulumi config set home true` in one region, and `pulumi up` it"
    detail = f"no region is the home one: nothing outside ends a run at its deadline; {fix}"
    return warning("no-home-region", detail)


def cost(plan: Plan | None, deployments: Mapping[str, Deployment], estimate: Estimate | None) -> Finding | None:
    """The run's list price is within the limit of each of its regions."""
    there = [deployments[one] for one in plan.locations if one in deployments] if plan is not None else []
    if not there or estimate is None:
        return None
    least = min(there, key=lambda one: one.limits.cost_usd)
    upper = "at most " if estimate.at_most else ""
    detail = f"{upper}{money(estimate.total_usd)} US dollars at list prices, {least.limits.cost_usd:g} allowed"
    if estimate.total_usd > least.limits.cost_usd:
        fix = f"make the run shorter or smaller, or raise limits.costUsd of {least.region}"
        return missing("over-cost-limit", f"{detail} by {least.region}; {fix}")
    return ok(detail)


def credentials(
    found: Identity | None, context: CommandContext, plan: Plan | None, estimate: Estimate | None
) -> Finding:
    """Credentials last as long as the run, or are renewed."""
    if found is None:
        fix = "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and its like, or run where a role gives them"
        return missing("no-credentials", f"there are none; {fix}")
    if found.method not in ("env", "explicit", "shared-credentials-file", "config-file"):
        return ok(f"are renewed by themselves ({found.method})")
    if not found.token:
        return ok(f"do not expire ({found.method})")
    lasts_s = _lasts_s(plan, estimate)
    needed = f"this run takes {lasts_s / 60:.0f} min" if lasts_s else "a run may take longer"
    longer = "in GitHub's workflows by role-duration-seconds, and the role's maximum"
    expiry = context.environment.get(EXPIRATION, "") if found.method == "env" else ""
    try:
        until = datetime.fromisoformat(expiry)
    except ValueError:
        how = f"`eval $(aws configure export-credentials --format env)` sets {EXPIRATION}"
        detail = f"their expiry time is unknown, and {needed}: make sure, {longer}; {how}"
        return warning("unknown-expiry", detail)
    left_s = (until if until.tzinfo else until.replace(tzinfo=UTC)).timestamp() - context.now()
    detail = f"expire at {expiry}: {max(0.0, left_s) / 60:.0f} min are left"
    if left_s <= lasts_s:
        return missing("credentials-expire", f"{detail}, and {needed}; ask for longer ones, {longer}")
    return ok(detail)


def _lasts_s(plan: Plan | None, estimate: Estimate | None) -> float:
    """Returns how long the command needs its credentials; 0 if that is unknown."""
    if plan is None or estimate is None or estimate.at_most:
        return 0.0
    waits_s = plan.metrics_wait_s if queries(plan) else 0.0
    return (estimate.start_s or 0.0) + estimate.load_s + plan.graceful_stop_s + waits_s + ENDING_S


def store(context: CommandContext) -> Finding:
    """A run's records can be written and found again; StoreError otherwise."""
    context.store.put(PROBE, b"toril")
    if context.store.find(PROBE) is None:
        return missing("no-such-key", f"{context.store.address(PROBE)} was written, and is not there")
    return ok(f"{_address(context.store)} can be written and read")


def _address(store: Store) -> str:
    """Returns the address of the whole store, as `--store` takes it."""
    return store.address("runs").removesuffix("runs").rstrip("/")


# ── one region


def worker(region: Region) -> None:
    """The region has a worker for the plan; InfrastructureError otherwise."""
    if region.plan is not None:
        kind_for(region.plan, region.deployment)


def version(region: Region) -> Finding:
    """The stack is of a version that this one works with."""
    theirs = region.deployment.toril_version
    (their_major, their_minor), (major, minor) = _parts(theirs), _parts(__version__)
    detail = f"deployed with toril {theirs}, this is {__version__}"
    if their_major != major:
        fix = f"use one major version: install the other toril, or {region.up}"
        return missing("other-major-version", f"{detail}; {fix}")
    if abs(their_minor - minor) > 1:
        return warning("other-minor-version", f"{detail}, more than a minor version apart; {region.up}")
    return ok(detail)


def _parts(text: str) -> tuple[int, int]:
    parts = [int(one) if one.isdigit() else -1 for one in text.split(".")[:2]]
    return (parts[0], parts[1]) if len(parts) == 2 else (-1, -1)


def store_of_region(region: Region) -> Finding:
    """The region's workers write to the store that this run is read from."""
    ours, theirs = _address(region.context.store), region.deployment.store
    if ours.startswith(BUCKETS) and ours != theirs.rstrip("/"):
        return missing("other-store", f"its workers write to {theirs}, not to {ours}; use --store {theirs}")
    return ok(f"its workers write to {theirs}")


def limits(region: Region) -> Finding:
    """The run is no larger and no longer than the region allows."""
    plan, allowed, wanted = region.plan, region.deployment.limits, region.vcpus
    longest_min = allowed.duration_s / 60
    if plan is None:
        return ok(f"{allowed.vcpus} vCPU, {allowed.cost_usd:g} US dollars, {longest_min:g} min for a run")
    bounds = [one for one in (plan.bounded_s, plan.max_duration_s) if one is not None]
    problems = []
    if wanted > allowed.vcpus:
        problems.append(f"{wanted:g} vCPU, {allowed.vcpus} allowed; fewer or smaller workers, or raise limits.vcpus")
    if bounds and min(bounds) > allowed.duration_s:
        fix = "shorten the load, or raise limits.durationS"
        problems.append(f"{min(bounds) / 60:g} min of load, {longest_min:g} allowed; {fix}")
    if problems:
        return missing("over-limits", f"{'; '.join(problems)}, then {region.up}")
    if not bounds:
        return warning("unbounded-load", f"only iterations bound the load; it is ended after {longest_min:g} min")
    return ok(f"{wanted:g} of {allowed.vcpus} vCPU")


def secrets(region: Region) -> Finding | None:
    """The region's workers may read the suite's secrets."""
    if region.plan is None or not region.plan.secrets:
        return None
    outside = secrets_outside(region.plan.secrets, region.deployment.secrets, region.name)
    if outside:
        fix = f"add the secret's ARN to the stack's `secrets` and {region.up}"
        return missing("secret-not-allowed", f"workers may not read the one of {', '.join(outside)}; {fix}")
    return ok(f"{', '.join(region.plan.secrets)}: on the region's list")


def fips_hosts(region: Region) -> Finding | None:
    """Every FIPS host of the region has an address: SDKs make up names for those that do not exist."""
    if not region.deployment.fips:
        return None
    hosts = sorted(set(region.deployment.endpoints.values()))
    if any(region.context.environment.get(one) for one in PROXIES):
        return ok(f"{len(hosts)} hosts, which the proxy looks up")
    unknown = [host for host in hosts if not region.context.resolve(host)]
    if unknown:
        fix = "check the DNS of this machine, and whether the region has them"
        return missing("unresolved-host", f"{', '.join(unknown)} cannot be resolved; {fix}")
    return ok(f"{len(hosts)} hosts can be resolved")
