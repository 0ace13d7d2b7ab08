"""What records alone tell: regions that are deployed, of this version, environment and store, within their limits."""

from collections.abc import Iterator, Mapping

from toril import __version__
from toril.launchers.fargate.requests import kind_for
from toril.launchers.preflight.findings import Finding, Look, missing, ok, warning
from toril.launchers.pricing import Estimate, money
from toril.records import DeployedWorker, Deployment, Plan, secrets_outside
from toril.text import nearest

UNITS_PER_VCPU = 1024
BUCKETS = "s3://"
HERE = "local"  # the location of a suite that names none


def locations(plan: Plan, deployments: Mapping[str, Deployment]) -> Iterator[Finding]:
    """Every location of the plan is a region with a stack."""
    known = ", ".join(sorted(deployments)) or "none"
    for location in plan.locations:
        if location in deployments:
            continue
        if location == HERE:
            yield missing("locations", f"the suite names none; add `locations: {{<region>: 1}}`; deployed are {known}")
            continue
        near = nearest(location, deployments)
        guess = f"did you mean {near}? " if near else ""
        yield missing(
            "locations", f"{location} is not deployed ({guess}deployed are {known}); `pulumi up --stack {location}`"
        )
    if all(location in deployments for location in plan.locations):
        yield ok("locations", f"{', '.join(plan.locations)}: deployed")


def environments(deployments: Mapping[str, Deployment]) -> Iterator[Finding]:
    """All regions of a run belong together."""
    for what, values in (
        ("environment", {region: one.environment for region, one in deployments.items()}),
        ("partition", {region: one.partition for region, one in deployments.items()}),
    ):
        if len(set(values.values())) > 1:
            said = ", ".join(f"{region} is of {value}" for region, value in sorted(values.items()))
            yield missing(what, f"the regions are not of one: {said}; leave some of the locations out")
        else:
            yield ok(what, ", ".join(set(values.values())))


def home(deployments: Mapping[str, Deployment]) -> Iterator[Finding]:
    """Some region can sweep a run at its deadline."""
    found = next((one.region for one in deployments.values() if one.home is not None), None)
    if found is None:
        fix = "`pulumi config set home true` in one region, and `pulumi up` it"
        yield warning("sweeper", f"no region is the home one: nothing outside ends a run at its deadline; {fix}")
    else:
        yield ok("sweeper", f"in {found}")


def price(plan: Plan, deployments: Mapping[str, Deployment], estimate: Estimate) -> Iterator[Finding]:
    """The run's list price is within what each of its regions allows."""
    there = [deployments[one] for one in plan.locations if one in deployments]
    if not there:
        return
    least = min(there, key=lambda one: one.limits.cost_usd)
    upper = "at most " if estimate.at_most else ""
    said = f"{upper}{money(estimate.total_usd)} US dollars at list prices, {least.limits.cost_usd:g} allowed"
    if estimate.total_usd > least.limits.cost_usd:
        fix = f"make the run shorter or smaller, or raise limits.costUsd of {least.region}"
        yield missing("cost", f"{said} by {least.region}; {fix}")
    else:
        yield ok("cost", said)


def version(look: Look) -> Iterator[Finding]:
    """The stack is of a version that this one works with."""
    theirs = look.deployment.toril_version
    (their_major, their_minor), (major, minor) = _parts(theirs), _parts(__version__)
    said = f"deployed with toril {theirs}, this is {__version__}"
    if their_major != major:
        yield missing("version", f"{said}; use one major version: install the other toril, or {look.up}")
    elif abs(their_minor - minor) > 1:
        yield warning("version", f"{said}, more than a minor version apart; {look.up}")
    else:
        yield ok("version", said)


def store(look: Look, address: str) -> Iterator[Finding]:
    """Its workers write to the store that this run is read from."""
    theirs = look.deployment.store
    if address.startswith(BUCKETS) and address.rstrip("/") != theirs.rstrip("/"):
        yield missing("store", f"its workers write to {theirs}, not to {address.rstrip('/')}; use --store {theirs}")
    else:
        yield ok("store", f"its workers write to {theirs}")


def account(look: Look, caller: str) -> Iterator[Finding]:
    """It is the account that the credentials are of."""
    theirs = look.deployment.account
    if theirs != caller:
        yield missing("account", f"it is in {theirs}, and the credentials are of {caller}; use credentials of {theirs}")
    else:
        yield ok("account", theirs)


def limits(look: Look) -> Iterator[Finding]:
    """The run is no larger and longer than the region allows."""
    plan, allowed = look.plan, look.deployment.limits
    if plan is None:
        said = f"{allowed.vcpus} vCPU, {allowed.cost_usd:g} US dollars, {allowed.duration_s / 60:g} min for a run"
        yield ok("limits", said)
        return
    wanted = 0.0 if plan.task is None else look.workers * plan.task.cpu / UNITS_PER_VCPU
    bounds = [one for one in (plan.bounded_s, plan.max_duration_s) if one is not None]
    problems = []
    if wanted > allowed.vcpus:
        problems.append(f"{wanted:g} vCPU, {allowed.vcpus} allowed; fewer or smaller workers, or raise limits.vcpus")
    if bounds and min(bounds) > allowed.duration_s:
        fix = "shorten the load, or raise limits.durationS"
        problems.append(f"{min(bounds) / 60:g} min of load, {allowed.duration_s / 60:g} allowed; {fix}")
    if problems:
        yield missing("limits", f"{'; '.join(problems)}, then {look.up}")
    elif not bounds:
        yield warning("limits", f"only iterations bound the load; it is ended after {allowed.duration_s / 60:g} min")
    else:
        yield ok("limits", f"{wanted:g} of {allowed.vcpus} vCPU")


def secrets(look: Look) -> Iterator[Finding]:
    """Workers there may read what the suite names."""
    if look.plan is None or not look.plan.secrets:
        return
    outside = secrets_outside(look.plan.secrets, look.deployment.secrets, look.region)
    if outside:
        fix = f"add the secret's ARN to the stack's `secrets` and {look.up}"
        yield missing("secrets", f"workers may not read the one of {', '.join(outside)}; {fix}")
    else:
        yield ok("secrets", f"{', '.join(look.plan.secrets)}: on the region's list")


def kinds(plan: Plan | None, deployment: Deployment) -> tuple[DeployedWorker, ...]:
    """The task definitions that matter: the plan's, or all of which an image is known; InfrastructureError as said."""
    return deployment.workers if plan is None else (kind_for(plan, deployment),)


def _parts(text: str) -> tuple[int, int]:
    parts = [int(one) if one.isdigit() else -1 for one in text.split(".")[:2]]
    return (parts[0], parts[1]) if len(parts) == 2 else (-1, -1)
