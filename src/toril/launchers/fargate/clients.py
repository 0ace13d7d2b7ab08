"""AWS clients of one session, made when they are first needed; what is paced here is not retried below."""

import os
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from boto3.session import Session

CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 5, 20
CONNECTIONS = 16

Clients = Callable[[str, str], Any]  # (service, region) → client


def clients(*, attempts: int = 1) -> Clients:
    """With the environment's own settings: credentials, profile, endpoint, FIPS, proxy. Threads may share them."""

    @cache
    def session() -> "Session":
        from boto3.session import Session  # takes long to import, and most runs never need it

        return Session()

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
        # boto3's stubs have an overload for each service's name
        return session().client(service, region_name=region or os.environ.get("AWS_REGION"), config=config)  # type: ignore[call-overload]

    return client
