"""Whether what a suite puts under load is on the region's list."""

import ipaddress
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from toril.launchers.findings import Finding, missing, ok, warning
from toril.launchers.preflight.regions import Region, Resolve
from toril.records import DeployedTargets, Plan
from toril.suite.reader import Environment

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

DEEPEST = 20
SCHEMES = ("http", "https", "ws", "wss", "grpc", "tcp")


def targets(region: Region) -> Iterator[Finding]:
    """Every host that can be read from the suite is allowed; addresses inside a script cannot be read."""
    allowed = region.deployment.targets
    if not (allowed.hosts or allowed.cidrs):
        yield ok("targets", "anything may be put under load: the stack lists no `targets`")
        return
    listed, enforced = ", ".join((*allowed.hosts, *allowed.cidrs)), _enforced(allowed)
    if region.plan is None:
        yield ok("targets", f"{listed}{enforced}")
        return
    hosts, unread = hosts_of(region.plan, region.name)
    outside = [problem for host in hosts if (problem := _outside(host, allowed, region.context.resolve))]
    if outside:
        fix = f"correct the suite, or add it to the stack's `targets` and {region.up}"
        yield missing("targets", "target-not-allowed", f"{'; '.join(outside)}; allowed are {listed}: {fix}")
    elif hosts:
        yield ok("targets", f"{', '.join(hosts)}: on the list{enforced}")
    if unread:
        held = enforced or ", and nothing else keeps them to the list"
        detail = f"addresses in {', '.join(unread)} cannot be read before the load{held}"
        yield warning("targets", "unreadable-targets", detail)
    elif not hosts:
        yield ok("targets", f"the suite names none; allowed are {listed}")


def hosts_of(plan: Plan, region: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Returns the hosts that workers of a region send requests to, and the places whose hosts cannot be read."""
    running = {part.execution for share in plan.shares if share.location == region for part in share.executions}
    reader = _Reader(plan)
    for execution in plan.executions:
        if execution.name in running:
            reader.read(execution.scenario, 0)
    return tuple(sorted(reader.hosts)), tuple(sorted(reader.unread))


class _Reader:
    """Reads scenarios, blocks in them and the scenarios that they include, once each."""

    def __init__(self, plan: Plan) -> None:
        settings = plan.common.get("settings")
        written = settings.get("env") if isinstance(settings, dict) else None
        known = dict(written) if isinstance(written, dict) else {}
        self._environment = Environment(plan.environment, known, {}, frozenset(plan.secrets))
        found = plan.common.get("scenarios")
        self._scenarios: dict[str, Any] = found if isinstance(found, dict) else {}
        self._seen: set[str] = set()
        self.hosts: set[str] = set()
        self.unread: set[str] = set()

    def read(self, name: str, depth: int) -> None:
        scenario = self._scenarios.get(name)
        if name in self._seen or depth > DEEPEST or not isinstance(scenario, dict):
            return
        self._seen.add(name)
        if scenario.get("script") is not None:
            self.unread.add(str(scenario["script"]))
        self._address(scenario.get("default-address"), name, whole=True)
        requests = scenario.get("requests")
        if isinstance(requests, str):
            self.unread.add(requests)
        self._requests(requests, name, depth)

    def _requests(self, requests: Any, name: str, depth: int) -> None:
        for request in requests if isinstance(requests, list) else ():
            if isinstance(request, str):
                self._address(request, name)
            elif isinstance(request, dict):
                self._address(request.get("url"), name)
                if isinstance(request.get("include-scenario"), str):
                    self.read(request["include-scenario"], depth + 1)
                for block in request.values():
                    self._requests(block, name, depth)

    def _address(self, written: Any, name: str, *, whole: bool = False) -> None:
        """Reads the host of an address. `whole`: it names a host, with a scheme or without."""
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
    """Returns why a host is not on the list; an empty text if it is."""
    if any(_covers(pattern, host) for pattern in allowed.hosts):
        return ""
    blocks = [ipaddress.ip_network(one, strict=False) for one in allowed.cidrs]
    try:
        addresses: tuple[Address, ...] = (ipaddress.ip_address(host),)
    except ValueError:
        if not blocks:
            return f"{host} is not on the list"
        addresses = tuple(ipaddress.ip_address(one) for one in resolve(host))
        if not addresses:
            return f"{host} is not on the list, and has no address here to compare with its blocks"
    beyond = [str(one) for one in addresses if not any(one in block for block in blocks)]
    if not beyond:
        return ""
    return f"{host} is not on the list" if beyond == [host] else f"{host} is not on the list, with {', '.join(beyond)}"


def _covers(pattern: str, host: str) -> bool:
    """`*.example.com` covers all names below, and not example.com itself."""
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern


def _enforced(allowed: DeployedTargets) -> str:
    return f"; the network enforces {' and '.join(allowed.enforced)}" if allowed.enforced else ""
