"""CloudWatch clients with the environment's own AWS settings: credentials, profile, endpoint, FIPS, proxy."""

import os
from functools import cache
from typing import TYPE_CHECKING

from toril.metrics.answers import ClientFactory

if TYPE_CHECKING:
    from boto3.session import Session
    from types_boto3_cloudwatch import CloudWatchClient

CONNECT_TIMEOUT_S, READ_TIMEOUT_S, ATTEMPTS = 3, 5, 2  # a call ends within a lease's 15 s; who waits asks again anyway


def clients() -> ClientFactory:
    """A client per region, made when it is first asked for; all share their credentials, which may be costly to get."""

    @cache
    def session() -> "Session":
        from boto3.session import Session  # takes long to import, and most runs never need it

        return Session()

    @cache
    def client(region: str | None) -> "CloudWatchClient":
        from botocore.config import Config

        config = Config(
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=READ_TIMEOUT_S,
            retries={"mode": "adaptive", "total_max_attempts": ATTEMPTS},
            user_agent_extra="toril",
        )
        # boto3 itself knows AWS_DEFAULT_REGION only; containers and CI set AWS_REGION, which other SDKs prefer
        return session().client("cloudwatch", region_name=region or os.environ.get("AWS_REGION"), config=config)

    return client
