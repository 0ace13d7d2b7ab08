"""Checks that the hosts under load are on a location's list of allowed targets."""

import ipaddress
from collections.abc import Iterator
from urllib.parse import urlsplit

from toril.launchers.findings import Finding, missing, ok, warning
from toril.launchers.preflight.regions import Region, Resolve
from toril.records import DeployedTargets, Plan
from toril.suite.reader import Environment, mapping_at
from toril.suite.scenarios import reached, urls_of

SCHEMES = ("http", "https", "ws", "wss", "grpc", "tcp")


def targets(region: Region) -> Iterator[Finding]:
    """Checks that every host in the suite is on the region's list."""
    fix = f"add the host to the stack's `targets` and run {region.up}"
    allowed, resolve = region.deployment.targets, region.context.resolve
    return allowed_targets(region.plan, region.name, allowed, resolve, "the stack", fix)


def allowed_targets(
    plan: Plan | None, location: str, allowed: DeployedTargets, resolve: Resolve, whose: str, fix: str
) -> Iterator[Finding]:
    """Checks that every host in the suite is allowed; addresses inside a script cannot be read.

    `whose`: who has the list. `fix`: how to add a host.
    """
    if not (allowed.hosts or allowed.cidrs):
        yield ok(f"every target is allowed: {whose} has no `targets`")
        return
    listed = ", ".join((*allowed.hosts, *allowed.cidrs))
    enforced = f"; the network enforces {' and '.join(allowed.enforced)}" if allowed.enforced else ""
    if plan is None:
        yield ok(f"{listed}{enforced}")
        return
    hosts, unread = map(sorted, _hosts(plan, location))
    outside = [problem for host in hosts if (problem := _outside(host, allowed, resolve))]
    if outside:
        yield missing("target-not-allowed", f"{'; '.join(outside)} (allowed: {listed}); correct the suite, or {fix}")
    elif hosts:
        yield ok(f"{', '.join(hosts)}: on the list{enforced}")
    if unread:
        held = enforced or ", and the network does not enforce the list"
        yield warning("unreadable-targets", f"addresses in {', '.join(unread)} cannot be checked before the load{held}")
    elif not hosts:
        yield ok(f"the suite names no host; allowed: {listed}")


def _hosts(plan: Plan, location: str) -> tuple[set[str], set[str]]:
    """Returns the hosts that a location's workers send requests to, and the places whose hosts cannot be read.

    It reads the scenarios of the location's executions, with their blocks and included scenarios.
    """
    known = mapping_at(plan.common, "settings", "env")
    environment = Environment(plan.environment, known, {}, frozenset(plan.secrets))
    running = {part.execution for share in plan.shares if share.location == location for part in share.executions}
    names = [execution.scenario for execution in plan.executions if execution.name in running]
    hosts, unread = set[str](), set[str]()
    for name, scenario in reached(mapping_at(plan.common, "scenarios"), names).items():
        requests = scenario.get("requests")
        unread |= {file for file in (scenario.get("script"), requests) if isinstance(file, str)}
        default = scenario.get("default-address")
        urls = [(url, False) for url, _ in urls_of(requests, "")]
        for url, whole in (*urls, (default, True)) if default else urls:
            host = _host(environment.resolve(url), whole=whole)
            if host is None:
                unread.add(f"{url} of {name}")
            elif host:
                hosts.add(host)
    return hosts, unread


def _host(address: str, *, whole: bool) -> str | None:
    """Returns the host of a resolved address; empty without one, None if it is unknown.

    `whole`: the address has a host, with or without a scheme.
    """
    parts = urlsplit(address if "://" in address or not whole else f"http://{address}")
    if "${" in (parts.netloc or address):
        return None if whole or address.startswith("${") or parts.scheme in SCHEMES else ""
    try:
        return (parts.hostname or "").lower().rstrip(".")
    except ValueError:
        return ""


def _outside(host: str, allowed: DeployedTargets, resolve: Resolve) -> str:
    """Returns why a host is not allowed; empty if it is allowed."""
    # `*.example.com` covers all subdomains, but not example.com itself
    if any(host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern for pattern in allowed.hosts):
        return ""
    blocks = [ipaddress.ip_network(cidr, strict=False) for cidr in allowed.cidrs]
    try:
        addresses = [ipaddress.ip_address(host)]
    except ValueError:
        addresses = [ipaddress.ip_address(address) for address in resolve(host)] if blocks else []
        if blocks and not addresses:
            return f"{host} is not on the list, and has no address to compare with the list's CIDR blocks"
    beyond = [str(address) for address in addresses if not any(address in block for block in blocks)]
    if addresses and not beyond:
        return ""
    return f"{host} is not on the list" + (f" (addresses: {', '.join(beyond)})" if beyond not in ([], [host]) else "")
