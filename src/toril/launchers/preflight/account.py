"""Who asks, and which regions the account has."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from toril.aws.client import Clients
from toril.launchers.preflight.findings import Finding, Look, ask, missing, ok, warning

MOST_OFF_S = 10.0  # signatures of requests hold for five minutes; leases are half a minute
ENABLED = ("opt-in-not-required", "opted-in")


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose credentials they are. `clock_off_s`: how far this machine's clock is from AWS', if that is told."""

    account: str
    clock_off_s: float | None = None


def caller(clients: Clients, region: str, now: Callable[[], float]) -> Caller:
    """What AWS says of whoever asks; AwsError when it does not take the credentials."""
    sent = now()
    answer = ask(clients, "sts", region, "get_caller_identity", "sts:GetCallerIdentity")
    arrived = now()
    said = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    try:
        second = parsedate_to_datetime(said).timestamp()
    except ValueError:
        return Caller(str(answer["Account"]))
    return Caller(str(answer["Account"]), max(0.0, second - arrived, sent - (second + 1)))


def clock(found: Caller) -> Iterator[Finding]:
    """This machine and AWS agree on what time it is: deadlines and leases are compared across machines."""
    if found.clock_off_s is None:
        yield warning("clock", "AWS' answer says no time; check the proxy")
    elif found.clock_off_s > MOST_OFF_S:
        fix = "set it (`timedatectl set-ntp true`)"
        yield warning("clock", f"this machine's is {found.clock_off_s:.0f} s off AWS'; {fix}")
    else:
        yield ok("clock", "this machine's agrees with AWS'")


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
