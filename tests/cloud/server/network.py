"""The ways of a task's requests out of its VPC: DNS Firewall, VPC endpoints with their policies, routes.

A request counts as sent to the host that it names or, with another endpoint, to that of its signed service and region.
MiniStack itself answers requests at another region than the bucket's with 301.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import parse_qs, unquote

from ministack.core import iam_actions
from ministack.core.responses import request_scope
from ministack.services import ec2, ecs, sts

from tests.cloud.server import caller, resolver
from tests.cloud.server.ec2_endpoints import INBOUND_ONLY
from tests.cloud.server.errors import Refusal
from tests.cloud.server.gateway import Answer, refused
from tests.cloud.server.state import on_reset

Record = Mapping[str, Any]
ANYWHERE = "0.0.0.0/0"
AWS = re.compile(r".+\.(?:amazonaws\.com(?:\.cn)?|api\.aws|on\.aws)")
S3 = re.compile(r"(?:(?P<bucket>.+)\.)?s3(?:-fips)?\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?")
HOSTS = {"ecr": "api.ecr", "service-quotas": "servicequotas"}  # signed service → begin of its host
FIPS_TOO = {"logs", "monitoring", "secretsmanager"}  # services whose endpoint serves their FIPS hosts, too
STOPPED: list[dict[str, str]] = []  # requests that did not leave their VPC
on_reset(STOPPED.clear)


@dataclass(frozen=True, slots=True)
class Place:
    """A subnet of a task, in the region of the current scope."""

    subnet: str

    @property
    def vpc(self) -> str:
        return str(ec2._subnets[self.subnet]["VpcId"])


@dataclass(frozen=True, slots=True)
class Use:
    """A use of S3, for the policy of an endpoint."""

    action: str
    resource: str


def refusal(scope: Mapping[str, Any], headers: dict[str, str]) -> Answer | None:
    """Returns the error for a request of a task that cannot leave its VPC, or None."""
    key, service, region = _signed(headers)
    task = _task_of(key)
    if task is None:
        return None
    host = headers.get("host", "").partition(":")[0]
    path, query = scope["path"], parse_qs(scope["query_string"].decode(), keep_blank_values=True)
    named = S3.fullmatch(host)
    if named and named["bucket"]:
        path = f"/{named['bucket']}{path}"
    if not AWS.fullmatch(host):
        bucket = f"{path.split('/')[1]}." if service == "s3" and path != "/" else ""
        host = f"{bucket}{HOSTS.get(service, service)}.{region}.amazonaws.com"
    use = None
    if service == "s3":
        action = iam_actions.extract_iam_action("s3", scope["method"], path, headers, b"", query)
        use = Use(str(action), f"arn:aws:s3:::{unquote(path).strip('/')}")
    with request_scope(*task["taskArn"].split(":")[4:2:-1]):
        place = place_of(task)
        problem = stopped(place, host, use) if place else None
    if problem is None:
        return None
    STOPPED.append({"task": task["taskArn"], "host": host, "problem": problem.message})
    if service != "s3":
        return refused("json" if "x-amz-target" in headers else "query", headers, problem)
    text = f"<Error><Code>{problem.code}</Code><Message>{problem.message}</Message></Error>"
    return problem.status, {"Content-Type": "application/xml"}, b"" if scope["method"] == "HEAD" else text.encode()


def stopped(place: Place, host: str, use: Use | None = None) -> Refusal | None:
    """Returns the reason if a request from a subnet does not reach a host, or None."""
    if not resolves(place.vpc, host):
        return Refusal("NameNotResolved", f"the DNS Firewall of {place.vpc} blocks {host}", 403)
    for endpoint in _endpoints(place, host):
        if use and not _allows(json.loads(endpoint["PolicyDocument"]), use):
            where = f"{endpoint['ServiceName']} allows no {use.action} on {use.resource}"
            return Refusal("AccessDenied", f"the policy of the VPC endpoint to {where}", 403)
        return None
    if way_out(place):
        return None
    return Refusal("HostUnreachable", f"{place.subnet} has no route to {host}", 403)


def resolves(vpc: str, host: str) -> bool:
    """Whether the DNS Firewall of a VPC, if it has one, allows a name."""
    firewall = resolver.HERE.here()
    associated = sorted(
        (one for one in firewall.associations.values() if one["VpcId"] == vpc), key=lambda one: int(one["Priority"])
    )
    for association in associated:
        rules = firewall.rules[association["FirewallRuleGroupId"]]
        for rule in sorted(rules, key=lambda one: int(one["Priority"])):
            if any(_covers(domain, host) for domain in firewall.domains[rule["FirewallDomainListId"]]):
                return bool(rule["Action"] != "BLOCK")
    return True


def way_out(place: Place) -> bool:
    """Whether a subnet has a route to the internet."""
    if ec2._vpcs[place.vpc].get("IsDefault"):
        return True
    return any(route.get("DestinationCidrBlock") == ANYWHERE for route in _table(place)["Routes"])


def place_of(task: Record) -> Place | None:
    """Returns the subnet of a task of this region with its own network interface, or None."""
    return Place(task["_subnet"]) if task.get("_subnet") in ec2._subnets else None


def _covers(domain: str, host: str) -> bool:
    name, host = domain.rstrip("."), host.rstrip(".")
    return name == "*" or host == name or (name.startswith("*.") and host.endswith(name[1:]))


def _endpoints(place: Place, host: str) -> Iterator[Record]:
    table = _table(place)["RouteTableId"]
    for one in ec2._vpc_endpoints.values():
        if one["VpcId"] != place.vpc:
            continue
        region, service = one["ServiceName"].removeprefix("com.amazonaws.").split(".", 1)
        if one["VpcEndpointType"] == "Gateway":
            found = S3.fullmatch(host)
            if service == "s3" and found and found["region"] == region and table in one["RouteTableIds"]:
                yield one
        elif one["DnsOptions"].get(INBOUND_ONLY):
            continue  # its names are for resolvers outside the VPC
        elif one["PrivateDnsEnabled"] and any(fnmatchcase(host, each) for each in _hosts(service, region)):
            yield one


def _hosts(service: str, region: str) -> list[str]:
    """Returns the private names of an interface endpoint."""
    end = f"{region}.amazonaws.com"
    if service.startswith(("ecr.", "ecr-fips.")):
        kind, _, part = service.partition(".")
        return [f"*.dkr.{kind}.{end}"] if part == "dkr" else [f"api.{kind}.{end}"]
    if service == "s3":
        return [f"s3.{end}", f"*.s3.{end}"]
    return [f"{service}.{end}", *([f"{service}-fips.{end}"] if service in FIPS_TOO else [])]


def _allows(policy: Record, use: Use) -> bool:
    """Whether an endpoint's policy, whose principal is everybody, allows a use."""
    return any(
        one["Effect"] == "Allow"
        and any(fnmatchcase(use.action, each) for each in _listed(one["Action"]))
        and any(fnmatchcase(use.resource, each) for each in _listed(one["Resource"]))
        for one in policy["Statement"]
    )


def _listed(value: Any) -> list[str]:
    return list(value) if isinstance(value, list) else [str(value)]


def _table(place: Place) -> Record:
    """Returns the route table of a subnet."""
    main: Record = {}
    for table in ec2._route_tables.values():
        for link in table.get("Associations", ()):
            if link.get("SubnetId") == place.subnet:
                return dict(table)
            if link.get("Main") and table["VpcId"] == place.vpc:
                main = table
    return main


def _signed(headers: dict[str, str]) -> tuple[str, str, str]:
    """Returns the access key, service and region of a signature."""
    key, service = caller.signed(headers)
    scope = re.search(r"Credential=[^/,\s]+/\d+/([^/]*)/", headers.get("authorization", ""))
    return key, service, scope[1] if scope else ""


def _task_of(access_key: str) -> Record | None:
    """Returns the task whose role's credentials these are, or None."""
    session = sts._sessions.get(access_key)
    if session is None:
        return None
    name = session["Arn"].rpartition("/")[2]  # of a task's role: the task's id
    return next((one for one in list(ecs._tasks._data.values()) if one["taskArn"].endswith(f"/{name}")), None)
