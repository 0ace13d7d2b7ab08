"""Requests to S3: their client, their retries, and the StoreError of a failed request."""

import os
import re
from collections.abc import Set
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from toril.aws.client import ClientSettings, clients
from toril.aws.errors import Fault, aws_code_of, fault_of
from toril.clock import Backoff, Clock, retry
from toril.errors import ExpiredCredentialsError, StoreError

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

READERS = 32  # parallel requests: a thousand values in about a second, which one core can handle
SPARE = 4  # connections for callers beside the readers
# One attempt, because botocore's retry quota is too small for many threads during a failure.
SETTINGS = ClientSettings(attempts=1, connections=READERS + SPARE)
BACKOFF = Backoff(first_s=0.4, longest_s=8.0, jitter=0.75)
FIRST_PATIENCE_S = 15.0  # before the first answer, when a wrong address is more likely than a temporary failure
FIPS_REGIONS = frozenset(  # with FIPS endpoints of S3, as of 2026-11; botocore also derives host names for all others
    ("us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "ca-west-1", "us-gov-east-1", "us-gov-west-1")
)
FIXES = {
    "invalid-settings": "correct --store and the AWS settings of this environment",
    "refused": "correct --store or the bucket's rules",
}
RIGHTS = {
    "delete_objects": "s3:DeleteObject",
    "get_object": "s3:GetObject",
    "head_object": "s3:GetObject",
    "list_objects_v2": "s3:ListBucket",
    "put_object": "s3:PutObject",
}
LIST_RIGHT = "and s3:ListBucket on the bucket (without it, S3 answers 403 for missing objects)"
_FIPS_HOST = re.compile(r"(?:.+\.)?s3-fips\.(?:dualstack\.)?([a-z0-9-]+)\.amazonaws\.com")
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


def make_client(bucket: str) -> "S3Client":
    """Returns a client for a bucket in any region: botocore follows the region in the first answer.

    The first request goes to `TORIL_STORE_REGION`, else to this environment's region. A private network or a firewall
    may reach the bucket's region only.
    """
    try:
        client: S3Client = clients(SETTINGS)("s3", os.environ.get("TORIL_STORE_REGION", ""))
    except Exception as error:
        fault = fault_of(error, "s3:*", where=f"s3://{bucket}")
        if fault is None:
            raise
        raise _store_error(fault) from error
    if client.meta.config.use_fips_endpoint:  # type: ignore[attr-defined]
        client.meta.events.register("before-send.s3", refuse_other_than_fips)
    return client


def refuse_other_than_fips(request: Any, **_: Any) -> None:
    """StoreError before a request to a host that is not one of AWS' FIPS endpoints; loopback is allowed."""
    host = urlsplit(request.url).hostname or ""
    match = _FIPS_HOST.fullmatch(host)
    if host in _LOOPBACK or (match and match[1] in FIPS_REGIONS):
        return
    regions = ", ".join(sorted(FIPS_REGIONS))
    problem = f"AWS_USE_FIPS_ENDPOINT is set, but {host} is not a FIPS endpoint of S3 (which exist in {regions})"
    fix = "set TORIL_STORE_REGION to the bucket's region, and unset AWS_ENDPOINT_URL"
    raise StoreError(f"{problem}; {fix}", code="not-fips")


@dataclass(slots=True)
class S3Requests:
    """A client for one bucket, with retries; threads may share it."""

    client: "S3Client"
    bucket: str
    patience_s: float
    clock: Clock
    answered: bool = False  # whether there was any answer so far

    def answer(
        self, operation: str, address: str, *, unless: Set[str] = frozenset(), most: int | None = None, **asked: Any
    ) -> Any:
        """Returns the answer with its body, or for an error code in `unless` the error's answer, with the key `Error`.

        `address`: of the requested value, for errors. `most`: reads only the first `most` + 1 bytes of the body.
        """
        began, right = self.clock.now(), RIGHTS[operation]

        def after(error: Exception, failures: int) -> float | None:
            self.answered = self.answered or aws_code_of(error) is not None
            fault, wait_s = fault_of(error, right), BACKOFF.wait_s(failures)
            limit_s = self.patience_s if self.answered else min(FIRST_PATIENCE_S, self.patience_s)
            passes = fault is not None and fault.passes and self.clock.now() - began + wait_s <= limit_s
            return wait_s if passes else None

        try:
            return retry(lambda: self._once(operation, unless, most, asked), after, self.clock)
        except Exception as error:
            needed = f"{right} there, {LIST_RIGHT}" if right == "s3:GetObject" else right
            fault = fault_of(error, needed, where=address, endpoint=self.client.meta.endpoint_url)
            if fault is None:
                raise
            waited_s = self.clock.now() - began
            if fault.passes and waited_s >= 1:
                fault = replace(fault, problem=f"{fault.problem}, for {waited_s:.0f} s")
            raise _store_error(fault) from error

    def _once(self, operation: str, unless: Set[str], most: int | None, asked: Any) -> Any:
        try:
            answer = getattr(self.client, operation)(Bucket=self.bucket, **asked)
            if operation == "get_object":
                with closing(answer["Body"]) as body:
                    answer["Body"] = body.read(None if most is None else most + 1)
        except Exception as error:
            if aws_code_of(error) not in unless:
                raise
            answer = getattr(error, "response", {})
        self.answered = True
        return answer


def _store_error(fault: Fault) -> StoreError:
    kind = ExpiredCredentialsError if fault.code == "expired-credentials" else StoreError
    return kind(str(replace(fault, fix=FIXES.get(fault.code, fault.fix))), code=fault.code)
