"""AWS clients with the environment's settings, and calls that raise `AwsError` if AWS refuses them."""

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from toril.aws.errors import AwsError, fault_of
from toril.errors import InfrastructureError

if TYPE_CHECKING:
    from boto3.session import Session

Clients = Callable[[str, str], Any]  # service, region (empty: the environment's) → client

# As of 2026-11: regions with FIPS endpoints of all services that toril calls there, except for Service Quotas.
FIPS_REGIONS = frozenset(("us-east-1", "us-east-2", "us-west-1", "us-west-2", "us-gov-east-1", "us-gov-west-1"))
ENDPOINTS = {"cloudwatch": "monitoring"}  # services with a different name in their endpoints


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """`attempts`: per call, including the first one; botocore waits between them.

    `fips`: for each region that needs FIPS endpoints, the host of each service that has one there. `fips_if_there`: in
    other regions, the environment's AWS_USE_FIPS_ENDPOINT counts only if they have FIPS endpoints.
    """

    connect_timeout_s: int = 5
    read_timeout_s: int = 20
    attempts: int = 1
    mode: Literal["standard", "adaptive"] = "standard"
    connections: int = 16
    fips: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    fips_if_there: bool = False


def clients(settings: ClientSettings) -> Clients:
    """Returns a factory of clients: one session, and a client per service and region, made on first use.

    Credentials, profile, endpoint, FIPS and proxy come from the environment. Threads may share factory and clients.
    """

    @cache
    def session() -> "Session":
        from boto3.session import Session  # the import takes long, and most commands do not need it

        return Session()

    @cache
    def client(service: str, region: str) -> Any:
        from botocore.config import Config

        config = Config(
            connect_timeout=settings.connect_timeout_s,
            read_timeout=settings.read_timeout_s,
            retries={"mode": settings.mode, "total_max_attempts": settings.attempts},
            max_pool_connections=settings.connections,
            user_agent_extra="toril",
            # for us-east-1, botocore's default is S3's global host, which VPC endpoints and firewalls do not know
            s3={"us_east_1_regional_endpoint": "regional"},
        )
        hosts = settings.fips.get(region)
        if hosts is None and settings.fips_if_there and region and region not in FIPS_REGIONS:
            hosts = {}
        if hosts is not None:  # botocore derives a host name even if a service has no FIPS endpoint
            config = config.merge(Config(use_fips_endpoint=_host(service, hosts) is not None))
        # boto3 itself knows AWS_DEFAULT_REGION only; containers and CI set AWS_REGION, which other SDKs prefer
        where = region or os.environ.get("AWS_REGION")
        made = session().client(service, region_name=where, config=config)  # type: ignore[call-overload]
        if hosts is not None:
            _check_fips(service, region, made.meta.endpoint_url, _host(service, hosts))
        return made

    making = threading.RLock()  # a session makes one client at a time

    def one_at_a_time(service: str, region: str) -> Any:
        with making:
            return client(service, region)

    return one_at_a_time


def call(method: Callable[..., Any], right: str, /, **request: Any) -> Any:
    """Returns a client method's answer; AwsError if AWS refuses the call or its answer is unknown.

    `right`: the IAM action that the call needs.
    """
    try:
        return method(**request)
    except Exception as error:
        fault = fault_of(error, right, where=right)
        if fault is None:
            raise
        answer = getattr(error, "response", None)
        against = answer.get("resourceIds", ()) if isinstance(answer, dict) else ()
        raise AwsError(fault, map(str, against)) from error


def credentials() -> Any:
    """Returns botocore's credentials of this environment; None if there are none."""
    from boto3.session import Session

    return call(lambda: Session().get_credentials(), "the AWS credentials")


def _host(service: str, hosts: Mapping[str, str]) -> str | None:
    return hosts.get(ENDPOINTS.get(service, service))


def _check_fips(service: str, region: str, endpoint: str, wanted: str | None) -> None:
    """InfrastructureError if the client's host is not the stack's FIPS host; loopback is allowed for tests."""
    host = urlsplit(endpoint).hostname or ""
    if wanted is not None and host != wanted and not host.startswith("127.") and host != "localhost":
        problem = f"{region}: the stack needs the FIPS endpoint {wanted}, but the endpoint of {service} is {host}"
        fix = "unset AWS_ENDPOINT_URL and AWS_ENDPOINT_URL_<SERVICE>"
        raise InfrastructureError(f"{problem}; {fix}", code="not-fips")
