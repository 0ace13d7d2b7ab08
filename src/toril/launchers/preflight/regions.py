"""Checks that ask AWS about one region: access, cluster, task definitions, images, caches, vCPU."""

import json
import re
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

from toril.aws.client import Clients, call
from toril.aws.client import credentials as aws_credentials
from toril.aws.errors import AwsError
from toril.errors import InfrastructureError
from toril.launchers.fargate.rate_limit import Rates, usual_rates
from toril.launchers.fargate.tasks import Capacity, Status, described, kind_for
from toril.launchers.findings import Finding, failed_call, missing, ok, warning
from toril.launchers.pricing import PriceTable, list_prices
from toril.plan.division import CPU_UNITS_PER_CORE
from toril.records import DeployedCache, DeployedWorker, Deployment, Plan
from toril.store import Store

Resolve = Callable[[str], tuple[str, ...]]  # host → its addresses; none if it has none

CLOCK_LIMIT_S = 10.0  # signatures of requests hold for five minutes; leases are half a minute
ENABLED = ("opt-in-not-required", "opted-in")
PROCESSORS = {"x86-64": "X86_64", "arm64": "ARM64"}  # as ECS calls them
PLATFORMS = {"x86-64": "amd64", "arm64": "arm64"}  # as images call them
ECR = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/(?P<repository>[^:@]+)"
    r"(?::[^@]*)?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
MANIFESTS = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
]
USAGE_LOOKBACK_S, USAGE_PERIOD_S = 15 * 60, 60


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaCodes:
    """Fargate's quotas of one capacity provider, by their codes, and the class of its usage in CloudWatch."""

    name: str
    vcpus: str
    burst: str  # of starting tasks
    sustained: str  # … per second
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


class Identity(Protocol):
    """Credentials as botocore has them."""

    method: str
    token: str | None


def addresses_of(host: str) -> tuple[str, ...]:
    """Returns the addresses that this machine's resolver knows."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return ()
    return tuple(sorted({str(one[4][0]).partition("%")[0] for one in found}))


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandContext:
    """The store, clock, environment and credentials of the command that runs the preflight."""

    store: Store
    now: Callable[[], float]
    environment: Mapping[str, str]
    resolve: Resolve = addresses_of
    credentials: Callable[[], Identity | None] = aws_credentials
    prices: PriceTable = field(default_factory=list_prices)


@dataclass(frozen=True, slots=True)
class Caller:
    """The account of the credentials. `clock_off_s`: how far this machine's clock is from AWS', if known."""

    account: str
    clock_off_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """One region: its stack's record, what the run needs of it, and clients for its services."""

    deployment: Deployment
    clients: Clients
    context: CommandContext
    plan: Plan | None = None  # None: no suite; everything that the region has is checked
    caller: Caller | None = None
    statuses: Mapping[str, str] | None = None  # of all regions: whether the account has opted in
    quotas: Mapping[str, float] = field(default_factory=dict)  # Fargate's, by code

    @property
    def name(self) -> str:
        return self.deployment.region

    @property
    def up(self) -> str:
        """The command that updates the region's stack."""
        return f"`pulumi up --stack {self.name}`"

    @property
    def kinds(self) -> tuple[DeployedWorker, ...]:
        """The task definitions that matter: the plan's, or all; none if the region has none for the plan."""
        if self.plan is None:
            return self.deployment.workers
        try:
            return (kind_for(self.plan, self.deployment),)
        except InfrastructureError:  # a finding of its own
            return ()

    @property
    def spot(self) -> bool:
        return self.plan is not None and self.plan.task is not None and self.plan.task.spot

    @property
    def vcpus(self) -> float:
        """How many the plan needs here."""
        if self.plan is None or self.plan.task is None:
            return 0.0
        workers = sum(share.location == self.name for share in self.plan.shares)
        return workers * self.plan.task.cpu / CPU_UNITS_PER_CORE

    @property
    def rates(self) -> Rates:
        """How fast tasks may start; the rates of every account if the quotas are unknown."""
        codes = QUOTAS["FARGATE_SPOT" if self.spot else "FARGATE"]
        burst, sustained = self.quotas.get(codes.burst), self.quotas.get(codes.sustained)
        return Rates(burst, sustained) if burst and sustained else usual_rates(self.name)

    def ask(self, service: str, operation: str, **request: Any) -> Any:
        return ask(self.clients, service, self.name, operation, **request)


def ask(clients: Clients, service: str, region: str, operation: str, **request: Any) -> Any:
    """Returns AWS' answer; AwsError if it is refused, or if no client can be made."""
    right = f"{service.replace('-', '')}:{operation.title().replace('_', '')}"  # as IAM names it
    return call(lambda **asked: getattr(clients(service, region), operation)(**asked), right, **request)


# ── the account


def ask_caller(clients: Clients, region: str, now: Callable[[], float]) -> Caller:
    """Returns whose credentials these are; AwsError if AWS does not accept them."""
    sent = now()
    answer = ask(clients, "sts", region, "get_caller_identity")
    arrived = now()
    date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    try:
        second = parsedate_to_datetime(date).timestamp()
    except ValueError:
        return Caller(str(answer["Account"]))
    return Caller(str(answer["Account"]), max(0.0, second - arrived, sent - (second + 1)))


def ask_statuses(clients: Clients, region: str) -> dict[str, str]:
    """Returns each region's opt-in status, as EC2 names it."""
    answer = ask(clients, "ec2", region, "describe_regions", AllRegions=True)
    return {one["RegionName"]: one.get("OptInStatus", "") for one in answer["Regions"]}


def clock(caller: Caller | None) -> Finding | None:
    """This machine and AWS agree on the time: deadlines and leases are compared across machines."""
    if caller is None:
        return None
    if caller.clock_off_s is None:
        return warning("no-date", "AWS' answer names no time; check the proxy")
    if caller.clock_off_s > CLOCK_LIMIT_S:
        fix = "set it (`timedatectl set-ntp true`)"
        return warning("clock-skew", f"this machine's is {caller.clock_off_s:.0f} s off AWS'; {fix}")
    return ok("this machine's agrees with AWS'")


def account(region: Region) -> Finding:
    """The region is in the account of the credentials."""
    theirs = region.deployment.account
    if region.caller is not None and region.caller.account != theirs:
        detail = f"it is in {theirs}, and the credentials are of {region.caller.account}; use credentials of {theirs}"
        return missing("other-account", detail)
    return ok(theirs)


def enabled(region: Region) -> Finding | None:
    """The account may use the region."""
    if region.statuses is None:
        return None
    status = region.statuses.get(region.name)
    if status is None:
        detail = f"AWS knows none of that name; correct it, or remove deployments/{region.name}.json"
        return missing("no-such-region", detail)
    if status not in ENABLED:
        detail = f"is not enabled ({status}); `aws account enable-region --region-name {region.name}`"
        return missing("disabled-region", detail)
    return ok("is enabled for the account")


# ── cluster and task definitions


def cluster(region: Region) -> Finding:
    """The cluster is active, and has the capacity that the run wants."""
    arn = region.deployment.cluster
    answer = region.ask("ecs", "describe_clusters", clusters=[arn])
    found = next(iter(answer.get("clusters", [])), {"status": "missing"})
    if found.get("status") != "ACTIVE":
        return missing("no-active-cluster", f"{arn} is {found.get('status')}; {region.up}")
    if region.spot and "FARGATE_SPOT" not in found.get("capacityProviders", []):
        return missing("no-spot", f"{arn} has no FARGATE_SPOT; {region.up}, or set toril.worker.spot to false")
    return ok(f"{arn.rpartition('/')[2]} is active")


def task_definitions(region: Region) -> Iterator[Finding]:
    """Each is active, and is what the stack's record says of it."""
    for kind in region.kinds:
        found = _task_definition(region, kind)
        yield replace(found, name=f"task definition {kind.flavour} {kind.architecture}")


def _task_definition(region: Region, kind: DeployedWorker) -> Finding:
    def wrong(code: str, problem: str) -> Finding:
        return missing(code, f"{arn} {problem}; {region.up}")

    arn, processor = kind.task_definition, PROCESSORS[kind.architecture]
    try:
        found = region.ask("ecs", "describe_task_definition", taskDefinition=arn)["taskDefinition"]
    except AwsError as error:
        if error.fault.aws_code == "ClientException":  # what ECS answers about one that is not there
            return wrong("no-task-definition", "does not exist")
        raise
    theirs = found.get("runtimePlatform", {}).get("cpuArchitecture", "X86_64")
    images = {one["name"]: one.get("image", "") for one in found.get("containerDefinitions", [])}
    if found.get("status") != "ACTIVE":
        return wrong("inactive-task-definition", f"is {found.get('status')}")
    if theirs != processor:
        return wrong("other-processor", f"is for {theirs}, not for {processor}")
    if kind.container not in images:
        return wrong("no-container", f"has no container {kind.container}")
    if images[kind.container] != kind.image:
        return wrong("other-image", f"runs {images[kind.container]}, not {kind.image}")
    return ok(f"{arn.rpartition('/')[2]} is active")


# ── images, and the cache rules that bring them


def images(region: Region) -> Iterator[Finding]:
    """Each image is there by digest, and for the processor of its task definition."""
    for kind in region.kinds:
        yield replace(_image(region, kind), name=f"image {kind.flavour} {kind.architecture}")


def _image(region: Region, kind: DeployedWorker) -> Finding:
    place, digest = ECR.fullmatch(kind.image), f"flavours.{kind.flavour}.digest"
    if kind.digest is None:
        push = f"push one, `pulumi config set --path {digest} sha256:…`, and {region.up}"
        return missing("no-image", f"none is set; {push}")
    if place is None:
        return warning("other-registry", f"{kind.image} is not in ECR: only its registry knows whether it exists")
    where, cache = f"{place['repository']}@{kind.digest}", _cache_of(region, place["repository"])
    try:
        manifest = _manifest(region, place, kind.digest)
    except AwsError as error:
        if error.fault.aws_code != "RepositoryNotFoundException":
            raise
        roots = (one for one in region.deployment.caches if one.prefix == "ROOT")  # for repositories that are not there
        manifest, cache = None, cache or next(roots, None)
    if manifest is None:
        if cache is not None:
            return _not_cached(region, where, cache)
        fix = f"push it, or set {digest} to one that is there and {region.up}"
        return missing("no-such-image", f"{where} is not in the registry of {place['region']}; {fix}")
    platforms, wanted = _platforms(manifest), PLATFORMS[kind.architecture]
    if not platforms:
        return ok(f"{where} is there, for one processor, which its manifest does not name")
    if wanted not in platforms:
        have = ", ".join(sorted(platforms))
        return missing("other-processor", f"{where} is for {have} only; push one for {wanted}, too")
    return ok(f"{where} is there")


def _manifest(region: Region, place: re.Match[str], digest: str) -> dict[str, Any] | None:
    """Returns the index or manifest; None if there is no such image."""
    answer = ask(
        region.clients,
        "ecr",
        place["region"],  # which may be another one
        "batch_get_image",
        registryId=place["account"],
        repositoryName=place["repository"],
        imageIds=[{"imageDigest": digest}],
        acceptedMediaTypes=MANIFESTS,
    )
    for found in answer.get("images", []):
        try:
            manifest = json.loads(found.get("imageManifest", ""))
        except ValueError:
            return {}
        return manifest if isinstance(manifest, dict) else {}
    return None


def _platforms(manifest: dict[str, Any]) -> set[str]:
    """Returns the processors that an index has images for; none for a single image."""
    entries = manifest.get("manifests")
    platforms = (one.get("platform") or {} for one in entries or () if isinstance(one, dict))
    return {str(one["architecture"]) for one in platforms if one.get("os") == "linux" and one.get("architecture")}


def _not_cached(region: Region, where: str, cache: DeployedCache) -> Finding:
    """Returns whether a first pull can bring the image: the network or FIPS may forbid it."""
    if not cache.ready:
        detail = f"{where} is not cached yet, and its cache is not ready: {cache.reason}"
        return missing("cache-not-ready", detail)
    warm = f"pull it once from where the internet is reachable: `docker pull {cache.uri}/…@{where.rpartition('@')[2]}`"
    if region.deployment.fips:
        return missing("not-cached", f"{where} is not cached yet, and over FIPS a first pull fails; {warm}")
    how = f"the first task pulls it from {cache.upstream}, which takes longer"
    if not region.deployment.network.public_addresses:
        how = f"its first pull needs a NAT gateway; or {warm}"
    return warning("not-cached", f"{where} is not cached yet: {how}")


def caches(region: Region) -> Iterator[Finding]:
    """Each rule is there and valid; a problem of a rule that no image of the run needs is a warning."""
    places = filter(None, (ECR.fullmatch(kind.image) for kind in region.kinds))
    needed = [_cache_of(region, place["repository"]) for place in places if place["region"] == region.name]
    for cache in region.deployment.caches:
        found = _cache(region, cache)
        if found.state == "missing" and region.plan is not None and cache not in needed:
            found = warning(found.code, f"{found.detail} (this run does not need it)")
        yield replace(found, name=f"cache {cache.prefix}")


def _cache(region: Region, cache: DeployedCache) -> Finding:
    if not cache.ready:
        return missing("cache-not-ready", f"is not ready: {cache.reason}")
    try:
        rules = region.ask("ecr", "describe_pull_through_cache_rules", ecrRepositoryPrefixes=[cache.prefix])
        valid = region.ask("ecr", "validate_pull_through_cache_rule", ecrRepositoryPrefix=cache.prefix)
    except AwsError as error:
        if error.fault.aws_code != "PullThroughCacheRuleNotFoundException":
            return failed_call(error)
        rules, valid = {}, {}
    rule = next(iter(rules.get("pullThroughCacheRules", [])), None)
    if rule is None:
        return missing("no-cache-rule", f"its rule is not there; {region.up}")
    if rule.get("upstreamRegistryUrl") != cache.upstream:
        detail = f"its rule is for {rule.get('upstreamRegistryUrl')}, not {cache.upstream}; {region.up}"
        return missing("other-upstream", detail)
    if not valid.get("isValid"):
        why = valid.get("failure") or "ECR does not say why"
        detail = f"ECR cannot use its rule: {why}; renew its credential, or {region.up}"
        return missing("invalid-cache-rule", detail)
    return ok(f"of {cache.upstream} is valid")


def _cache_of(region: Region, repository: str) -> DeployedCache | None:
    """Returns the rule below whose prefix a repository is; the longest one decides."""
    fitting = [one for one in region.deployment.caches if repository.startswith(f"{one.prefix}/")]
    return max(fitting, key=lambda one: len(one.prefix), default=None)


# ── vCPU


def read_quotas(region: Region) -> dict[str, float]:
    """Returns all of Fargate's quotas by code; AwsError if they cannot be read."""
    values: dict[str, float] = {}
    more: dict[str, str] = {}
    while True:
        answer = region.ask("service-quotas", "list_service_quotas", ServiceCode="fargate", **more)
        values |= {one["QuotaCode"]: float(one["Value"]) for one in answer.get("Quotas", [])}
        if not answer.get("NextToken"):
            return values
        more = {"NextToken": answer["NextToken"]}


def launch_rate(region: Region) -> Finding:
    """How fast tasks start; never a problem."""
    return ok(f"{region.rates.burst:g} tasks at once, then {region.rates.sustained_per_s:g} a second")


def vcpus(region: Region) -> Iterator[Finding]:
    """The run's vCPU, and those in use, are within the account's quota."""
    wanted: tuple[Capacity, ...] = ("FARGATE", "FARGATE_SPOT")
    if region.plan is not None and region.plan.task is not None:
        wanted = ("FARGATE_SPOT", "FARGATE") if region.spot else ("FARGATE",)
    for capacity in wanted:
        found = _vcpus(region, capacity)
        if found.state == "missing" and capacity == "FARGATE" and region.spot:
            found = warning(found.code, f"{found.detail} (needed only where Spot has no capacity)")
        yield replace(found, name=QUOTAS[capacity].name)


def _vcpus(region: Region, capacity: Capacity) -> Finding:
    code, needed = QUOTAS[capacity].vcpus, region.vcpus
    quota = region.quotas.get(code)
    if quota is None:
        return warning("unknown-quota", f"the quota {code} is unknown; a new account has 6 vCPU a region")
    used, counted_at = _counted(region, capacity)
    if needed <= quota < used + needed:
        used = _without_ended(region, capacity, used, counted_at)
    detail = f"{used:g} of {quota:g} used"
    if needed:
        detail = f"{needed:g} are needed, {used:g} are in use, {quota:g} allowed"
    if used + needed <= quota:
        return ok(detail)
    raise_it = (
        f"aws service-quotas request-service-quota-increase --region {region.name} --service-code fargate "
        f"--quota-code {code} --desired-value {used + needed:.0f}"
    )
    return missing("over-quota", f"{detail}; fewer or smaller workers here, or `{raise_it}`")


def _counted(region: Region, capacity: Capacity) -> tuple[float, float]:
    """Returns the most vCPU in use in the last minute that AWS has counted, and when that minute began.

    AWS counts once a minute, and publishes some minutes later; a region in which nothing has run for long has no count.
    """
    usage_class = QUOTAS[capacity].usage_class
    dimensions = {"Service": "Fargate", "Type": "Resource", "Resource": "vCPU", "Class": usage_class}
    metric = {
        "Namespace": "AWS/Usage",
        "MetricName": "ResourceCount",
        "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
    }
    now = region.context.now()
    answer = region.ask(
        "cloudwatch",
        "get_metric_data",
        MetricDataQueries=[
            {"Id": "used", "MetricStat": {"Metric": metric, "Period": USAGE_PERIOD_S, "Stat": "Maximum"}}
        ],
        StartTime=datetime.fromtimestamp(now - USAGE_LOOKBACK_S, UTC),
        EndTime=datetime.fromtimestamp(now + USAGE_PERIOD_S, UTC),
        ScanBy="TimestampDescending",
    )
    for result in answer.get("MetricDataResults", []):
        for at, value in zip(result.get("Timestamps", []), result.get("Values", []), strict=True):
            return float(value), at.timestamp()
    return 0.0, 0.0


def _without_ended(region: Region, capacity: Capacity, counted: float, counted_at: float) -> float:
    """Returns the vCPU in use without the cluster's tasks that have ended since the count: a run that has just ended.

    At least those that the cluster's tasks use now.
    """

    def tasks(status: Status) -> list[Any]:
        ecs = call(lambda: region.clients("ecs", region.name), "ecs:ListTasks")
        return described(ecs, region.deployment, status)

    stopped = (one for one in tasks("STOPPED") if one.get("stoppedAt"))
    ended = [one for one in stopped if one["stoppedAt"].timestamp() >= counted_at]
    return max(_sum_vcpus(tasks("RUNNING"), capacity), counted - _sum_vcpus(ended, capacity))


def _sum_vcpus(tasks: Sequence[Any], capacity: Capacity) -> float:
    mine = (one for one in tasks if (one.get("capacityProviderName") or "FARGATE") == capacity)
    return sum(int(one["cpu"]) / CPU_UNITS_PER_CORE for one in mine)
