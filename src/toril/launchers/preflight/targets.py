"""Checks that the hosts under load are on a location's list of allowed targets."""

import ipaddress
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from toril.launchers.findings import Finding, missing, ok, warning
from toril.launchers.preflight.regions import Region, Resolve
from toril.records import DeployedTargets, Plan
from toril.suite.reader import Environment

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
    reader = _Reader(plan, location)
    hosts, unread = sorted(reader.hosts), sorted(reader.unread)
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


class _Reader:
    """The hosts that a region's workers send requests to, and the places whose hosts cannot be read.

    It reads the scenarios of the region's executions, with their blocks and included scenarios.
    """

    def __init__(self, plan: Plan, region: str) -> None:
        settings, scenarios = plan.common.get("settings"), plan.common.get("scenarios")
        written = settings.get("env") if isinstance(settings, dict) else None
        known = dict(written) if isinstance(written, dict) else {}
        self._environment = Environment(plan.environment, known, {}, frozenset(plan.secrets))
        self._scenarios: dict[str, Any] = scenarios if isinstance(scenarios, dict) else {}
        self._seen: set[str] = set()
        self.hosts: set[str] = set()
        self.unread: set[str] = set()
        running = {part.execution for share in plan.shares if share.location == region for part in share.executions}
        for execution in plan.executions:
            if execution.name in running:
                self._scenario(execution.scenario)

    def _scenario(self, name: str) -> None:
        scenario = self._scenarios.get(name)
        if name in self._seen or not isinstance(scenario, dict):
            return
        self._seen.add(name)
        if scenario.get("script") is not None:
            self.unread.add(str(scenario["script"]))
        self._address(scenario.get("default-address"), name, whole=True)
        requests = scenario.get("requests")
        if isinstance(requests, str):
            self.unread.add(requests)
        self._requests(requests, name)

    def _requests(self, requests: Any, name: str) -> None:
        for request in requests if isinstance(requests, list) else ():
            if isinstance(request, str):
                self._address(request, name)
            elif isinstance(request, dict):
                self._address(request.get("url"), name)
                if isinstance(request.get("include-scenario"), str):
                    self._scenario(request["include-scenario"])
                for block in request.values():
                    self._requests(block, name)

    def _address(self, written: Any, name: str, *, whole: bool = False) -> None:
        """Reads the host of an address. `whole`: the address has a host, with or without a scheme."""
        if not isinstance(written, str) or not written:
            return
        text = self._environment.resolve(written)
        parts = urlsplit(text if "://" in text or not whole else f"http://{text}")
        try:
            host = (parts.hostname or "").lower().rstrip(".")
        except ValueError:
            host = ""
        if "${" in (parts.netloc or text):
            if whole or text.startswith("${") or parts.scheme in SCHEMES:
                self.unread.add(f"{written} of {name}")
        elif host:
            self.hosts.add(host)


def _outside(host: str, allowed: DeployedTargets, resolve: Resolve) -> str:
    """Returns why a host is not allowed; empty if it is allowed."""
    # `*.example.com` covers all subdomains, but not example.com itself
    if any(host.endswith(one[1:]) if one.startswith("*.") else host == one for one in allowed.hosts):
        return ""
    blocks = [ipaddress.ip_network(one, strict=False) for one in allowed.cidrs]
    try:
        addresses = [ipaddress.ip_address(host)]
    except ValueError:
        addresses = [ipaddress.ip_address(one) for one in resolve(host)] if blocks else []
        if blocks and not addresses:
            return f"{host} is not on the list, and has no address to compare with the list's CIDR blocks"
    beyond = [str(one) for one in addresses if not any(one in block for block in blocks)]
    if addresses and not beyond:
        return ""
    return f"{host} is not on the list" + (f" (addresses: {', '.join(beyond)})" if beyond not in ([], [host]) else "")
