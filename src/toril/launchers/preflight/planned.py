"""Checks without AWS calls: the plan against the stacks' records, and the command's environment."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from toril import __version__
from toril.criteria import criteria_of
from toril.launchers.fargate.tasks import kind_for
from toril.launchers.findings import Finding, missing, ok, warning
from toril.launchers.preflight.regions import AwsIdentity, CommandContext, Region
from toril.launchers.pricing import VARIABLE, Estimate, PriceTable, peak_gbit_s
from toril.records import Deployment, Plan, secrets_outside
from toril.records.agent import UNPLACED
from toril.store import BUCKETS, Store
from toril.text import dollars, nearest

EXPIRATION = "AWS_CREDENTIAL_EXPIRATION"  # set by `aws configure export-credentials`
PROBE = "runs/preflight/probe"  # always the same key, because the role of load tests has no right to delete
PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
ENDING_S = 60.0  # after the load, for verdict and report
SURGE_GBIT_S = 25  # AWS' EC2 testing policy, network stress tests, read in November 2026
POLICY = "https://aws.amazon.com/ec2/testing/"


# ── the whole run


def locations(plan: Plan | None, deployments: Mapping[str, Deployment]) -> Iterator[Finding]:
    """Checks that every location of the plan is a region with a stack."""
    if plan is None:
        return
    known = ", ".join(sorted(deployments)) or "none"
    outside = [location for location in plan.locations if location not in deployments]
    for location in outside:
        if location == UNPLACED:
            fix = f"add `locations: {{<region>: 1}}` (deployed: {known})"
            yield missing("no-locations", f"the suite has none; {fix}")
            continue
        near = nearest(location, deployments)
        guess = f"did you mean {near}? " if near else ""
        fix = f"run `pulumi up --stack {location}`, or change `locations`"
        yield missing("not-deployed", f"{location} is not deployed ({guess}deployed: {known}); {fix}")
    if not outside:
        yield ok(f"{', '.join(plan.locations)}: deployed")


def sweeper(deployments: Mapping[str, Deployment]) -> Finding:
    """Checks that a region can sweep a run at its deadline."""
    for deployment in deployments.values():
        if deployment.home is not None:
            return ok(f"in {deployment.region}")
    fix = "run `pulumi config set home true` and `pulumi up` for one region's stack"
    detail = f"there is no home region, so no sweep ends an abandoned run at its deadline; {fix}"
    return warning("no-home-region", detail)


def cost(plan: Plan | None, deployments: Mapping[str, Deployment], estimate: Estimate | None) -> Finding | None:
    """Checks the run's list price against the limit of each of its regions."""
    there = [deployments[region] for region in plan.locations if region in deployments] if plan is not None else []
    if not there or estimate is None:
        return None
    least = min(there, key=lambda deployment: deployment.limits.cost_usd)
    upper = "at most " if estimate.at_most else ""
    detail = f"{upper}{dollars(estimate.total_usd)} at list prices"
    limit = f"the limit of {least.region} is {dollars(least.limits.cost_usd)}"
    if estimate.total_usd > least.limits.cost_usd:
        fix = "make the run shorter or smaller, or raise the stack's `limits.costUsd`"
        return missing("over-cost-limit", f"{detail}, but {limit}; {fix}")
    if estimate.unpriced:
        fix = f"name prices in {VARIABLE}=file.json"
        regions = ", ".join(estimate.unpriced)
        return warning("unknown-price", f"no listed price for {regions}, so {limit} is not checked; {fix}")
    return ok(f"{detail}; {limit}")


def traffic(plan: Plan | None, prices: PriceTable) -> Iterator[Finding]:
    """Warns of traffic that AWS may shape, for each region that may send and receive that much."""
    for region, gbit_s in peak_gbit_s(plan, prices.assumed).items() if plan is not None else ():
        if gbit_s > SURGE_GBIT_S:
            assumed = prices.assumed.sent_bytes_per_request + prices.assumed.received_bytes_per_request
            detail = f"up to {gbit_s:,.0f} Gbit/s, at {assumed:,.0f} bytes per request and response"
            rule = f"AWS may shape surges above {SURGE_GBIT_S} Gbit/s from a region, and forbids floods: {POLICY}"
            yield replace(warning("stress-test-policy", f"{detail}; {rule}"), region=region)


def credentials(
    identity: AwsIdentity | None, context: CommandContext, plan: Plan | None, estimate: Estimate | None
) -> Finding:
    """Checks that the credentials outlast the run, or are renewed."""
    if identity is None:
        fix = "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run with an IAM role"
        return missing("no-credentials", f"there are none; {fix}")
    if identity.method not in ("env", "explicit", "shared-credentials-file", "config-file"):
        return ok(f"renewed automatically ({identity.method})")
    if not identity.token:
        return ok(f"without expiry ({identity.method})")
    lasts_s = _lasts_s(plan, estimate)
    needed = f"this run takes {lasts_s / 60:.0f} min" if lasts_s else "the duration of the run is unknown"
    longer = "in a GitHub workflow, raise `role-duration-seconds` and the role's maximum session duration"
    expiry = context.environment.get(EXPIRATION, "") if identity.method == "env" else ""
    try:
        until = datetime.fromisoformat(expiry)
    except ValueError:
        how = f"set {EXPIRATION} with `eval $(aws configure export-credentials --format env)`"
        detail = f"the expiry time is unknown, and {needed}; {how}; {longer}"
        return warning("unknown-expiry", detail)
    left_s = (until if until.tzinfo else until.replace(tzinfo=UTC)).timestamp() - context.now()
    detail = f"they expire at {expiry}, in {max(0.0, left_s) / 60:.0f} min"
    if left_s <= lasts_s:
        fix = f"use credentials that are valid for longer; {longer}"
        return missing("credentials-expire", f"{detail}, but {needed}; {fix}")
    return ok(detail)


def _lasts_s(plan: Plan | None, estimate: Estimate | None) -> float:
    """Returns how long the command needs its credentials, in seconds; 0 if that is unknown."""
    if plan is None or estimate is None or estimate.at_most:
        return 0.0
    awaits_metrics = any(criterion.server is not None for criterion in criteria_of(plan.criteria))
    waits_s = plan.metrics_wait_s if awaits_metrics else 0.0
    return (estimate.start_s or 0.0) + estimate.load_s + plan.graceful_stop_s + waits_s + ENDING_S


def store(context: CommandContext) -> Finding:
    """Checks that a run's records can be written and read; StoreError otherwise."""
    context.store.put(PROBE, b"toril")
    if context.store.find(PROBE) is None:
        return missing("no-such-key", f"{context.store.address(PROBE)} was written, but cannot be found")
    return ok(f"{_address(context.store)} is writable and readable")


def _address(store: Store) -> str:
    """Returns the address of the store, as for `--store`."""
    return store.address("runs").removesuffix("runs").rstrip("/")


# ── one region


def worker(region: Region) -> None:
    """Checks that the region has a worker for the plan; InfrastructureError otherwise."""
    if region.plan is not None:
        kind_for(region.plan, region.deployment)


def version(region: Region) -> Finding:
    """Checks that the stack's version of toril is compatible with this one."""
    return compatible(region.deployment.toril_version, "the stack", f"run {region.up}")


def compatible(theirs: str, who: str, fix: str) -> Finding:
    """Checks that another version of toril is compatible with this one. `who`: what has it; `fix`: its update."""
    (their_major, their_minor), (major, minor) = _parts(theirs), _parts(__version__)
    detail = f"{who} has toril {theirs}, and this is {__version__}"
    if their_major != major:
        text = f"{detail}; use the same major version: install toril {theirs}, or {fix}"
        return missing("other-major-version", text)
    if abs(their_minor - minor) > 1:
        return warning("other-minor-version", f"{detail}, more than one minor version apart; {fix}")
    return ok(detail)


def _parts(text: str) -> tuple[int, int]:
    parts = [int(part) if part.isdigit() else -1 for part in text.split(".")[:2]]
    return (parts[0], parts[1]) if len(parts) == 2 else (-1, -1)


def store_of_region(region: Region) -> Finding:
    """Checks that the region's workers write to the store of this command."""
    ours, theirs = _address(region.context.store), region.deployment.store
    if ours.startswith(BUCKETS) and ours != theirs.rstrip("/"):
        return missing("other-store", f"workers write to {theirs}, not to {ours}; use `--store {theirs}`")
    return ok(f"workers write to {theirs}")


def limits(region: Region) -> Finding:
    """Checks the size and the duration of the run against the region's limits."""
    plan, allowed, wanted = region.plan, region.deployment.limits, region.vcpus
    longest_min = allowed.duration_s / 60
    if plan is None:
        return ok(f"{allowed.vcpus} vCPU, {dollars(allowed.cost_usd)}, {longest_min:g} min per run")
    bounds = [bound for bound in (plan.bounded_s, plan.max_duration_s) if bound is not None]
    problems = []
    if wanted > allowed.vcpus:
        fix = "use fewer or smaller workers, or raise the stack's `limits.vcpus`"
        problems.append(f"the run needs {wanted:g} vCPU, and {allowed.vcpus} are allowed; {fix}")
    if bounds and min(bounds) > allowed.duration_s:
        fix = "shorten the load, or raise the stack's `limits.durationS`"
        problems.append(f"the load takes {min(bounds) / 60:g} min, and {longest_min:g} are allowed; {fix}")
    if problems:
        return missing("over-limits", f"{'; '.join(problems)} and run {region.up}")
    if not bounds:
        return warning("unbounded-load", f"only iterations limit the load; toril ends it after {longest_min:g} min")
    return ok(f"{wanted:g} of {allowed.vcpus} vCPU")


def secrets(region: Region) -> Finding | None:
    """Checks that the region's workers have the right to read the suite's secrets."""
    if region.plan is None or not (wanted := region.plan.secrets_of_workers):
        return None
    outside = secrets_outside(wanted, region.deployment.secrets, region.name)
    if outside:
        fix = f"add the ARN to the stack's `secrets` and run {region.up}"
        return missing("secret-not-allowed", f"workers may not read the secret of {', '.join(outside)}; {fix}")
    return ok(f"{', '.join(wanted)}: on the region's list")


def fips_hosts(region: Region) -> Finding | None:
    """Checks that every FIPS host of the region has an address, because SDKs also derive names of missing hosts."""
    if not region.deployment.fips:
        return None
    hosts = sorted(set(region.deployment.endpoints.values()))
    if any(region.context.environment.get(name) for name in PROXIES):
        return ok(f"{len(hosts)} hosts, resolved by the proxy")
    unknown = [host for host in hosts if not region.context.resolve(host)]
    if unknown:
        fix = "check this machine's DNS, and whether the region has these FIPS endpoints"
        return missing("unresolved-host", f"cannot resolve {', '.join(unknown)}; {fix}")
    return ok(f"{len(hosts)} hosts can be resolved")
