"""What is around the command: its credentials, the store, the names of FIPS endpoints."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Protocol

from toril.launchers.preflight.findings import Finding, Look, missing, ok, warning
from toril.launchers.preflight.targets import Resolve
from toril.store import Store

EXPIRATION = "AWS_CREDENTIAL_EXPIRATION"  # as `aws configure export-credentials` names it
PROBE = "runs/preflight/probe"  # one key, written over: those who run loads may not delete
PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")


class Identity(Protocol):
    """Credentials as botocore has them."""

    method: str
    token: str | None


def lifetime(found: Identity | None, environment: Mapping[str, str], now: float, lasts_s: float) -> Iterator[Finding]:
    """Credentials live as long as the run, or are renewed. `lasts_s`: 0 when there is none, or nobody knows."""
    if found is None:
        fix = "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and its like, or run where a role gives them"
        yield missing("credentials", f"there are none; {fix}")
        return
    static = found.method in ("env", "explicit", "shared-credentials-file", "config-file")
    if not static:
        yield ok("credentials", f"are renewed by themselves ({found.method})")
    elif not found.token:
        yield ok("credentials", f"do not expire ({found.method})")
    else:
        yield _expiring(environment.get(EXPIRATION, "") if found.method == "env" else "", now, lasts_s)


def _expiring(said: str, now: float, lasts_s: float) -> Finding:
    needed = f"this run takes {lasts_s / 60:.0f} min" if lasts_s else "a run may take longer"
    longer = "in GitHub's workflows by role-duration-seconds, and the role's maximum"
    try:
        until = datetime.fromisoformat(said)
    except ValueError:
        how = f"`eval $(aws configure export-credentials --format env)` sets {EXPIRATION}"
        return warning("credentials", f"end at a time that nobody tells, and {needed}: make sure, {longer}; {how}")
    at = (until if until.tzinfo else until.replace(tzinfo=UTC)).timestamp()
    left = f"{max(0.0, at - now) / 60:.0f} min are left"
    if at - now <= lasts_s:
        return missing("credentials", f"end at {said}: {left}, and {needed}; ask for longer ones, {longer}")
    return ok("credentials", f"end at {said}: {left}")


def address_of(store: Store) -> str:
    """Of the whole store, as `--store` takes it."""
    return store.address("runs").removesuffix("runs").rstrip("/")


def writable(store: Store) -> Iterator[Finding]:
    """A run's records can be written and found again; StoreError says what is missing."""
    store.put(PROBE, b"toril")
    if store.find(PROBE) is None:
        yield missing("store", f"{store.address(PROBE)} was written, and is not there")
    else:
        yield ok("store", f"{address_of(store)} can be written and read")


def fips_names(look: Look, resolve: Resolve, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Every FIPS host of the region has an address: SDKs make up names for those that do not exist."""
    deployment = look.deployment
    if not deployment.fips:
        return
    hosts = sorted(set(deployment.endpoints.values()))
    if any(environment.get(one) for one in PROXIES):
        yield ok("FIPS", f"{len(hosts)} hosts, which the proxy looks up")
        return
    unknown = [host for host in hosts if not resolve(host)]
    if unknown:
        fix = "check the DNS of this machine, and whether the region has them"
        yield missing("FIPS", f"{', '.join(unknown)} cannot be resolved; {fix}")
    else:
        yield ok("FIPS", f"{len(hosts)} hosts can be resolved")
