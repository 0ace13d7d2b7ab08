"""All checks of one region, in order, and what they are told by whom."""

from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial

from toril.aws.errors import AwsError
from toril.launchers.preflight import account, agreement, cluster, images, quotas, surroundings
from toril.launchers.preflight.account import Caller
from toril.launchers.preflight.findings import Finding, Look, checked, unanswered
from toril.launchers.preflight.quotas import Quotas
from toril.launchers.preflight.targets import Resolve, targets
from toril.records import DeployedWorker

NOT_TOLD = Quotas({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """What is the same for all regions; two of it are asked of AWS at the same time."""

    store: str  # its address
    environment: Mapping[str, str]
    resolve: Resolve
    caller: "Future[Caller | AwsError]"
    regions: "Future[dict[str, str] | AwsError]"


@dataclass(frozen=True, slots=True)
class Surveyed:
    """One region."""

    findings: tuple[Finding, ...]
    quotas: Quotas = field(default=NOT_TOLD)


def survey(look: Look, asker: Asker) -> Surveyed:
    """All that is to be known of a region, the cheapest first; AWS is not asked where it would only refuse."""
    kinds, found = _kinds(look)
    look = replace(look, kinds=kinds)
    found += _from_records(look, asker)
    caller, regions = asker.caller.result(), asker.regions.result()
    if isinstance(caller, AwsError):
        return Surveyed(tuple(found))
    reached = list(checked("account", partial(agreement.account, look, caller.account), look.region))
    if not isinstance(regions, AwsError):
        reached += checked("region", partial(account.enabled, look, regions), look.region)
    found += reached
    if any(one.state == "missing" for one in reached):
        return Surveyed(tuple(found))
    return _from_aws(look, found)


def _from_records(look: Look, asker: Asker) -> Iterator[Finding]:
    region, resolve = look.region, asker.resolve
    yield from checked("version", partial(agreement.version, look), region)
    yield from checked("store", partial(agreement.store, look, asker.store), region)
    yield from checked("limits", partial(agreement.limits, look), region)
    yield from checked("secrets", partial(agreement.secrets, look), region)
    yield from checked("targets", partial(targets, look, resolve), region)
    yield from checked("FIPS", partial(surroundings.fips_names, look, resolve, asker.environment), region)


def _from_aws(look: Look, found: list[Finding]) -> Surveyed:
    region = look.region
    found += checked("cluster", partial(cluster.cluster, look), region)
    found += checked("task definition", partial(cluster.definitions, look), region)
    found += checked("image", partial(images.images, look), region)
    found += checked("cache", partial(images.caches, look), region)
    try:
        allowed = quotas.read_quotas(look)
    except AwsError as refused:
        found.append(replace(unanswered("quotas", refused), region=region))
        return Surveyed(tuple(found))
    found += checked("vCPU", partial(quotas.vcpus, look, allowed), region)
    found += checked("launch rate", partial(quotas.rates, look, allowed), region)
    return Surveyed(tuple(found), allowed)


def _kinds(look: Look) -> tuple[tuple[DeployedWorker, ...], list[Finding]]:
    """The task definitions that matter; a finding where the region has none for the plan."""
    kinds: list[DeployedWorker] = []

    def chosen() -> Iterator[Finding]:
        kinds.extend(agreement.kinds(look.plan, look.deployment))
        yield from ()

    found = list(checked("worker", chosen, look.region))
    return tuple(kinds), found
