"""AWS clients of one session, made when they are first needed; what is paced here is not retried below."""

import os
import threading
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from toril.errors import InfrastructureError
from toril.records import Deployment

if TYPE_CHECKING:
    from boto3.session import Session

CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 5, 20
CONNECTIONS = 16

Clients = Callable[[str, str], Any]  # (service, region) → client
HOSTS_OF = {"cloudwatch": "monitoring"}  # services whose endpoints have another name than their client


def clients(deployments: Mapping[str, Deployment], *, attempts: int = 1) -> Clients:
    """With the environment's own settings: credentials, profile, endpoint, proxy. Threads may share them.

    A region whose stack is for FIPS is asked at FIPS endpoints, but for services that have none there: botocore would
    invent a host name for those.
    """

    @cache
    def session() -> "Session":
        from boto3.session import Session  # takes long to import, and most runs never need it

        return Session()

    making = threading.RLock()  # a session makes one client at a time

    @cache
    def client(service: str, region: str) -> Any:
        from botocore.config import Config

        config = Config(
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=READ_TIMEOUT_S,
            retries={"mode": "standard", "total_max_attempts": attempts},
            max_pool_connections=CONNECTIONS,
            user_agent_extra="toril",
        )
        deployment = deployments.get(region)
        if deployment is not None and deployment.fips:
            config = config.merge(Config(use_fips_endpoint=HOSTS_OF.get(service, service) in deployment.endpoints))
        # boto3's stubs have an overload for each service's name
        made = session().client(service, region_name=region or os.environ.get("AWS_REGION"), config=config)  # type: ignore[call-overload]
        if deployment is not None and deployment.fips:
            _check(service, made.meta.endpoint_url, deployment)
        return made

    def one_at_a_time(service: str, region: str) -> Any:
        with making:
            return client(service, region)

    return one_at_a_time


def credentials() -> Any:
    """Those that clients of this environment sign with, as botocore has them; None when there are none."""
    from boto3.session import Session
    from botocore.exceptions import BotoCoreError

    try:
        return Session().get_credentials()
    except BotoCoreError as error:
        raise InfrastructureError(f"the AWS credentials cannot be read: {error}; correct the AWS settings") from error


def _check(service: str, endpoint: str, deployment: Deployment) -> None:
    """InfrastructureError when a call would not go where the stack says; an endpoint of loopback is for tests."""
    host, wanted = urlsplit(endpoint).hostname or "", deployment.endpoints.get(HOSTS_OF.get(service, service))
    if wanted is not None and host != wanted and not host.startswith("127.") and host != "localhost":
        raise InfrastructureError(
            f"{deployment.region}: {service} would be asked at {host}, and its stack is for FIPS, at {wanted}; remove "
            "AWS_ENDPOINT_URL and the like from the environment"
        )
