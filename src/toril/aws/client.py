"""The one way to AWS: clients with the environment's own settings, and calls whose refusals are `AwsError`."""

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

ENDPOINTS = {"cloudwatch": "monitoring"}  # services whose endpoints have another name than their client


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """`attempts`: of each call, the first one included; botocore waits between them.

    `fips`: for each region that has to be asked at FIPS endpoints, the host of each service that has one there.
    """

    connect_timeout_s: int = 5
    read_timeout_s: int = 20
    attempts: int = 1
    mode: Literal["standard", "adaptive"] = "standard"
    connections: int = 16
    fips: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def clients(settings: ClientSettings) -> Clients:
    """Returns a factory of clients: one session, a client per service and region, made when it is first asked for.

    Credentials, profile, endpoint, FIPS and proxy are the environment's. Threads may share factory and clients.
    """

    @cache
    def session() -> "Session":
        from boto3.session import Session  # takes long to import, and most commands never need it

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
        )
        hosts = settings.fips.get(region)
        if hosts is not None:  # botocore would invent a host name where a service has no FIPS endpoint
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
    """Returns a client method's answer; AwsError if AWS refuses the call or may not have answered it.

    `right`: the permission that the call takes, as IAM names it.
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
    """Returns those that clients of this environment sign with, as botocore has them; None when there are none."""
    from boto3.session import Session

    return call(lambda: Session().get_credentials(), "the AWS credentials")


def _host(service: str, hosts: Mapping[str, str]) -> str | None:
    return hosts.get(ENDPOINTS.get(service, service))


def _check_fips(service: str, region: str, endpoint: str, wanted: str | None) -> None:
    """InfrastructureError when a call would not go where the stack says; an endpoint of loopback is for tests."""
    host = urlsplit(endpoint).hostname or ""
    if wanted is not None and host != wanted and not host.startswith("127.") and host != "localhost":
        problem = f"{region}: {service} would be asked at {host}, and its stack is for FIPS, at {wanted}"
        fix = "remove AWS_ENDPOINT_URL and the like from the environment"
        raise InfrastructureError(f"{problem}; {fix}", code="not-fips")
