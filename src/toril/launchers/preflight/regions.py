"""Checks one region by AWS calls: access, images, caches, vCPU."""

import re
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from toril.aws.client import Clients, call
from toril.aws.client import credentials as aws_credentials
from toril.aws.errors import AwsError
from toril.aws.registry import MANIFESTS
from toril.errors import InfrastructureError
from toril.launchers.fargate.rate_limit import Rates, usual_rates
from toril.launchers.fargate.tasks import Capacity, kind_for
from toril.launchers.findings import Finding, missing, ok, warning
from toril.launchers.pricing import PriceTable, list_prices
from toril.plan.division import CPU_UNITS_PER_CORE
from toril.records import DeployedCache, DeployedWorker, Deployment, Plan
from toril.store import Store

Resolve = Callable[[str], tuple[str, ...]]  # host → its addresses

ECR = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/(?P<repository>[^:@]+)"
    r"(?::[^@]*)?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
USAGE_LOOKBACK_S, USAGE_PERIOD_S = 15 * 60, 60


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaCodes:
    """The codes of Fargate's quotas for one capacity provider, and the class of its usage in CloudWatch."""

    name: str
    vcpus: str
    burst: str  # tasks that start at once
    sustained: str  # tasks that start per second
    usage_class: str


QUOTAS: dict[Capacity, QuotaCodes] = {
    "FARGATE": QuotaCodes(
        name="on-demand vCPU",
        vcpus="L-3032A538",
        burst="L-6BAD92DD",
        sustained="L-551A4E9D",
        usage_class="Standard/OnDemand",
    ),
    "FARGATE_SPOT": QuotaCodes(
        name="Spot vCPU",
        vcpus="L-36FBB829",
        burst="L-F6E37E82",
        sustained="L-FAA52651",
        usage_class="Standard/Spot",
    ),
}


class AwsIdentity(Protocol):
    """botocore's credentials."""

    method: str
    token: str | None


def addresses_of(host: str) -> tuple[str, ...]:
    """Returns the addresses that this machine's resolver returns; empty if there are none."""
    try:
        entries = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return ()
    return tuple(sorted({str(entry[4][0]).partition("%")[0] for entry in entries}))


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandContext:
    """The store, clock, environment and credentials of the command that runs the preflight."""

    store: Store
    now: Callable[[], float]
    environment: Mapping[str, str]
    resolve: Resolve = addresses_of
    credentials: Callable[[], AwsIdentity | None] = aws_credentials
    prices: PriceTable = field(default_factory=list_prices)


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """One region: its stack's record, the plan of the run, and clients for its services."""

    deployment: Deployment
    clients: Clients
    context: CommandContext
    plan: Plan | None = None  # None: no suite; the whole region is checked
    account: str | None = None  # of the credentials; None: AWS does not accept them
    quotas: Mapping[str, float] = field(default_factory=dict)  # Fargate's quotas, by code

    @property
    def name(self) -> str:
        return self.deployment.region

    @property
    def up(self) -> str:
        """The command that updates the region's stack."""
        return f"`pulumi up --stack {self.name}`"

    @property
    def kinds(self) -> tuple[DeployedWorker, ...]:
        """The task definitions to check: the plan's, or all; empty if the region has none for the plan."""
        if self.plan is None:
            return self.deployment.workers
        try:
            return (kind_for(self.plan, self.deployment),)
        except InfrastructureError:  # `planned.worker` reports it
            return ()

    @property
    def spot(self) -> bool:
        return self.plan is not None and self.plan.task is not None and self.plan.task.spot

    @property
    def vcpus(self) -> float:
        """The vCPU that the plan needs in this region."""
        if self.plan is None or self.plan.task is None:
            return 0.0
        workers = sum(share.location == self.name for share in self.plan.shares)
        return workers * self.plan.task.cpu / CPU_UNITS_PER_CORE

    @property
    def rates(self) -> Rates:
        """How fast tasks may start; AWS' default rates if the quotas are unknown."""
        codes = QUOTAS["FARGATE_SPOT" if self.spot else "FARGATE"]
        burst, sustained = self.quotas.get(codes.burst), self.quotas.get(codes.sustained)
        return Rates(burst, sustained) if burst and sustained else usual_rates(self.name)

    def ask(self, service: str, operation: str, **request: Any) -> Any:
        return ask(self.clients, service, self.name, operation, **request)


def ask(clients: Clients, service: str, region: str, operation: str, **request: Any) -> Any:
    """Returns AWS' answer; AwsError if the call fails, or if no client can be made."""
    right = f"{service.replace('-', '')}:{operation.title().replace('_', '')}"  # the IAM action
    return call(lambda **asked: getattr(clients(service, region), operation)(**asked), right, **request)


# ── the account


def account(region: Region) -> Finding:
    """Checks that the stack is in the account of the credentials."""
    theirs = region.deployment.account
    if region.account != theirs:
        detail = f"the stack is in account {theirs}, but the credentials are for {region.account}"
        return missing("other-account", f"{detail}; use credentials for {theirs}")
    return ok(theirs)


# ── images and cache rules


def images(region: Region) -> Iterator[Finding]:
    """Checks that each image exists, by digest."""
    for kind in region.kinds:
        yield replace(_image(region, kind), name=f"image {kind.flavour} {kind.architecture}")


def _image(region: Region, kind: DeployedWorker) -> Finding:
    place, digest = ECR.fullmatch(kind.image), f"flavours.{kind.flavour}.digest"
    if kind.digest is None:
        push = f"push an image, then run `pulumi config set --path {digest} sha256:…` and {region.up}"
        return missing("no-image", f"the stack has no digest; {push}")
    if place is None:
        return warning("other-registry", f"{kind.image} is not in ECR, so toril cannot check that it exists")
    where, cache = f"{place['repository']}@{kind.digest}", _cache_of(region, place["repository"])
    try:
        there = _is_there(region, place, kind.digest)
    except AwsError as error:
        if error.fault.aws_code != "RepositoryNotFoundException":
            raise
        roots = (rule for rule in region.deployment.caches if rule.prefix == "ROOT")  # the rule for all other prefixes
        there, cache = False, cache or next(roots, None)
    if there:
        return ok(f"{where} exists")
    if cache is not None:
        return _not_cached(region, kind, where, cache)
    fix = f"push it, or set `{digest}` to an existing digest and run {region.up}"
    return missing("no-such-image", f"{where} is not in the registry of {place['region']}; {fix}")


def _is_there(region: Region, place: re.Match[str], digest: str) -> bool:
    answer = ask(
        region.clients,
        "ecr",
        place["region"],  # may differ from the task's region
        "batch_get_image",
        registryId=place["account"],
        repositoryName=place["repository"],
        imageIds=[{"imageDigest": digest}],
        acceptedMediaTypes=MANIFESTS,
    )
    return bool(answer.get("images"))


def _not_cached(region: Region, kind: DeployedWorker, where: str, cache: DeployedCache) -> Finding:
    """Refuses the run even if tasks reach the upstream: they pull by digest, and ECR may fill a cache only by tag."""
    if not cache.ready:
        detail = f"{where} is not cached yet, and its cache is not ready: {cache.reason}"
        return missing("cache-not-ready", detail)
    tag = "" if kind.tag else f"add the tag to `flavours.{kind.flavour}.image`, run {region.up}, then "
    fill = f"{tag}run `toril doctor --on fargate --fill-caches`"
    return missing("not-cached", f"{where} is not cached yet, and the pull of a task may not fill its cache; {fill}")


def caches(region: Region) -> Iterator[Finding]:
    """Checks that each cache rule is ready. `images` refuses a run that needs another one."""
    for cache in region.deployment.caches:
        finding = ok(f"the rule for {cache.upstream} is ready")
        if not cache.ready:
            finding = warning("cache-not-ready", f"not ready: {cache.reason}")
        yield replace(finding, name=f"cache {cache.prefix}")


def _cache_of(region: Region, repository: str) -> DeployedCache | None:
    """Returns the cache rule of a repository; of several, the one with the longest prefix."""
    fitting = [cache for cache in region.deployment.caches if repository.startswith(f"{cache.prefix}/")]
    return max(fitting, key=lambda cache: len(cache.prefix), default=None)


# ── vCPU


def read_quotas(region: Region) -> dict[str, float]:
    """Returns all Fargate quotas by code; AwsError if they cannot be read."""
    values: dict[str, float] = {}
    more: dict[str, str] = {}
    while True:
        answer = region.ask("service-quotas", "list_service_quotas", ServiceCode="fargate", **more)
        values |= {quota["QuotaCode"]: float(quota["Value"]) for quota in answer.get("Quotas", [])}
        if not answer.get("NextToken"):
            return values
        more = {"NextToken": answer["NextToken"]}


def launch_rate(region: Region) -> Finding:
    """Reports how fast tasks start; the state is always ok."""
    return ok(f"{region.rates.burst:g} tasks at once, then {region.rates.sustained_per_s:g} per second")


def vcpus(region: Region) -> Iterator[Finding]:
    """Checks the run's vCPU, plus those in use, against the account's quota."""
    wanted: tuple[Capacity, ...] = ("FARGATE", "FARGATE_SPOT")
    if region.plan is not None and region.plan.task is not None:
        wanted = ("FARGATE_SPOT", "FARGATE") if region.spot else ("FARGATE",)
    for capacity in wanted:
        finding = _vcpus(region, capacity)
        if finding.state == "missing" and capacity == "FARGATE" and region.spot:
            finding = warning(finding.code, f"{finding.detail} (needed only if Spot has no capacity)")
        yield replace(finding, name=QUOTAS[capacity].name)


def _vcpus(region: Region, capacity: Capacity) -> Finding:
    code, needed = QUOTAS[capacity].vcpus, region.vcpus
    quota = region.quotas.get(code)
    if quota is None:
        return warning("unknown-quota", f"the quota {code} is unknown; a new account has 6 vCPU per region")
    used = _vcpus_used(region, capacity)
    detail = f"{used:g} of {quota:g} in use"
    if needed:
        detail = f"the run needs {needed:g}; {used:g} of {quota:g} are in use"
    hit = ok(detail)
    if needed > quota:
        raise_it = (
            f"aws service-quotas request-service-quota-increase --region {region.name} --service-code fargate "
            f"--quota-code {code} --desired-value {needed:.0f}"
        )
        hit = missing("over-quota", f"{detail}; use fewer or smaller workers here, or run `{raise_it}`")
    elif used + needed > quota:
        hit = warning("busy-quota", f"{detail}, as AWS counted some minutes ago; workers wait for the end of others")
    return replace(hit, quota=quota, used=used)


def _vcpus_used(region: Region, capacity: Capacity) -> float:
    """Returns the maximum vCPU in use in AWS' last counted minute.

    AWS counts once a minute and publishes some minutes later. A region without recent tasks has no count: 0.
    """
    dimensions = {"Service": "Fargate", "Type": "Resource", "Resource": "vCPU", "Class": QUOTAS[capacity].usage_class}
    metric = {
        "Namespace": "AWS/Usage",
        "MetricName": "ResourceCount",
        "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
    }
    statistic = {"Metric": metric, "Period": USAGE_PERIOD_S, "Stat": "Maximum"}
    now = region.context.now()
    answer = region.ask(
        "cloudwatch",
        "get_metric_data",
        MetricDataQueries=[{"Id": "used", "MetricStat": statistic}],
        StartTime=datetime.fromtimestamp(now - USAGE_LOOKBACK_S, UTC),
        EndTime=datetime.fromtimestamp(now + USAGE_PERIOD_S, UTC),
        ScanBy="TimestampDescending",
    )
    counts = [count for result in answer.get("MetricDataResults", []) for count in result.get("Values", [])]
    return float(counts[0]) if counts else 0.0
