"""Who asks, and which regions the account has."""

from collections.abc import Iterator, Mapping

from toril.launchers.fargate.clients import Clients
from toril.launchers.preflight.findings import Finding, Look, ask, missing, ok

ENABLED = ("opt-in-not-required", "opted-in")


def caller(clients: Clients, region: str) -> str:
    """The account that the credentials are of; Refused when AWS does not take them."""
    return str(ask(clients, "sts", region, "get_caller_identity", "sts:GetCallerIdentity")["Account"])


def regions(clients: Clients, region: str) -> dict[str, str]:
    """Region → whether the account has opted in, as EC2 says it."""
    answer = ask(clients, "ec2", region, "describe_regions", "ec2:DescribeRegions", AllRegions=True)
    return {one["RegionName"]: one.get("OptInStatus", "") for one in answer["Regions"]}


def enabled(look: Look, statuses: Mapping[str, str]) -> Iterator[Finding]:
    """The account may use the region."""
    status = statuses.get(look.region)
    if status is None:
        yield missing("region", f"AWS knows none of that name; correct it, or remove deployments/{look.region}.json")
    elif status not in ENABLED:
        yield missing("region", f"is not enabled ({status}); `aws account enable-region --region-name {look.region}`")
    else:
        yield ok("region", "is enabled for the account")
