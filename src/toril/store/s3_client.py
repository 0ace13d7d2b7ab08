"""S3's client with the environment's own AWS settings: credentials, profile, endpoint, FIPS, proxy."""

import os
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from toril.errors import StoreError

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
else:
    S3Client = Any

READERS = 32  # requests at once: a thousand values in about a second, and not more than one core can handle
SPARE = 4  # connections for those who ask beside the readers
CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 5, 20
FIPS_REGIONS = frozenset(  # with FIPS endpoints of S3, as of 2026-11; botocore makes up host names for all others
    ("us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "ca-west-1", "us-gov-east-1", "us-gov-west-1")
)
_FIPS_HOST = re.compile(r"(?:.+\.)?s3-fips\.(?:dualstack\.)?([a-z0-9-]+)\.amazonaws\.com")
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


def make_client(bucket: str) -> S3Client:
    """A client for the bucket wherever it lies: botocore goes to the region that the first answer names."""
    try:
        client = Session().client(
            "s3",
            # boto3 itself knows AWS_DEFAULT_REGION only; containers and CI set AWS_REGION, which other SDKs prefer
            region_name=os.environ.get("AWS_REGION"),
            config=Config(
                connect_timeout=CONNECT_TIMEOUT_S,
                read_timeout=READ_TIMEOUT_S,
                # the store repeats by itself: botocore's quota for repeats ends in a storm of refusals, where many
                # threads need patience
                retries={"mode": "standard", "total_max_attempts": 1},
                max_pool_connections=READERS + SPARE,
                user_agent_extra="toril",
            ),
        )
    except (BotoCoreError, ValueError) as error:  # an unknown profile; an address that is none
        fix = "correct the AWS settings of this environment"
        raise StoreError(f"s3://{bucket} was not asked: {error}; {fix}") from error
    if client.meta.config.use_fips_endpoint:  # type: ignore[attr-defined]
        client.meta.events.register("before-send.s3", refuse_other_than_fips)
    return client


def refuse_other_than_fips(request: Any, **_: Any) -> None:
    """StoreError before a request goes to a host that isn't one of AWS' FIPS endpoints; loopback is no network."""
    host = urlsplit(request.url).hostname or ""
    match = _FIPS_HOST.fullmatch(host)
    if host in _LOOPBACK or (match and match[1] in FIPS_REGIONS):
        return
    regions = ", ".join(sorted(FIPS_REGIONS))
    raise StoreError(
        f"{host} is no FIPS endpoint of S3, and AWS_USE_FIPS_ENDPOINT asks for one; they are in {regions}: "
        "set AWS_REGION to the bucket's region, and no AWS_ENDPOINT_URL"
    )
