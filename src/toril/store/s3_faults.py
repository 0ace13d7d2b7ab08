"""What went wrong with a request to S3: whether it passes, and where, what, and how to mend it."""

import re
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    LoginError,
    NoAuthTokenError,
    NoCredentialsError,
    PartialCredentialsError,
    ResponseStreamingError,
    SSOError,
    TokenRetrievalError,
)
from botocore.parsers import ResponseParserError

from toril.errors import ExpiredCredentialsError, StoreError

CALL_ERRORS = (BotoCoreError, ClientError, ResponseParserError, OSError, ValueError)  # the last: a bad address
EXPIRED = {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"}
NOT_KNOWN = {"InvalidAccessKeyId", "InvalidToken", "SignatureDoesNotMatch", "InvalidSecurity", "NotSignedUp"}
DENIED = {"AccessDenied", "AllAccessDisabled", "AccountProblem", "403"}
ELSEWHERE = {"AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect", "301"}
BUSY = {
    "BandwidthLimitExceeded",
    "ConditionalRequestConflict",
    "InternalError",
    "OperationAborted",
    "RequestLimitExceeded",
    "RequestTimeout",
    "ServiceUnavailable",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}
CONFLICT, TOO_MANY_REQUESTS, FIRST_SERVER_ERROR, NOT_IMPLEMENTED = 409, 429, 500, 501
NO_CREDENTIALS = (
    CredentialRetrievalError,
    LoginError,
    NoAuthTokenError,
    NoCredentialsError,
    PartialCredentialsError,
    SSOError,
    TokenRetrievalError,
)
KEY_RIGHT = re.compile(r"kms:\w+")
CUT_OFF = (ConnectionError, HTTPClientError, IncompleteReadError, ResponseStreamingError, ResponseParserError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What was asked, and the right that it takes."""

    operation: str
    right: str
    address: str
    bucket: str
    most: int | None = None  # bytes of a value that are read, and one more


def code_of(error: Exception) -> str | None:
    """The code of an answer that refuses; None when there was no answer."""
    return str(_said(error).get("Code", "")) if isinstance(error, ClientError) else None


def passes(error: Exception) -> bool:
    """Whether the same request may succeed a little later."""
    if not isinstance(error, ClientError):
        return isinstance(error, CUT_OFF)
    status = _status(error)
    busy = status in (CONFLICT, TOO_MANY_REQUESTS) or (status >= FIRST_SERVER_ERROR and status != NOT_IMPLEMENTED)
    return busy or code_of(error) in BUSY


def fault_of(error: Exception, request: Request, client: Any, waited_s: float) -> StoreError:
    """What to say of an error that ends a request; `waited_s`: how long it was repeated."""
    if isinstance(error, ClientError):
        return _refused(error, request, waited_s)
    if isinstance(error, NO_CREDENTIALS):
        fix = "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and its like, or run where a role gives them"
        return StoreError(f"{request.address} was not asked: no usable AWS credentials ({_cut(error)}); {fix}")
    if isinstance(error, CUT_OFF):
        where, fix = client.meta.endpoint_url, "check the network, the proxy and AWS_REGION"
        tried = f" for {waited_s:.0f} s" if waited_s >= 1 else ""
        return StoreError(f"{request.address} cannot be reached at {where}{tried}: {_cut(error)}; {fix}")
    fix = "correct --store and the AWS settings of this environment"
    return StoreError(f"{request.address} was not asked: {_cut(error)}; {fix}")


def _refused(error: ClientError, request: Request, waited_s: float) -> StoreError:
    code, where = code_of(error), request.address
    said = _cut(_said(error).get("Message", "") or code)
    if code in EXPIRED:
        return ExpiredCredentialsError(f"{where}: the AWS credentials have expired; renew them ({said})")
    if code in NOT_KNOWN:
        fix = "check them, and that AWS_REGION is of their partition"
        return StoreError(f"{where}: S3 does not accept the AWS credentials: {code}; {fix} ({said})")
    if code in DENIED:
        return StoreError(f"{where}: access denied; allow {_rights(request.right, said)} ({said})")
    if code == "NoSuchBucket":
        return StoreError(f"{where}: there is no bucket {request.bucket}; correct --store, or deploy the hub first")
    if code == "RequestTimeTooSkewed":
        return StoreError(f"{where}: this machine's clock is too far from S3's; set it ({said})")
    if passes(error):
        fix = "try again later"
        return StoreError(f"{where}: S3 could not answer for {waited_s:.0f} s: {code}; {fix} ({said})")
    if code in ELSEWHERE:
        headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        region = headers.get("x-amz-bucket-region", "the bucket's region")
        return StoreError(
            f"{where}: S3 answers from another region than the bucket's; set AWS_REGION to {region} ({said})"
        )
    return StoreError(
        f"{where}: S3 refuses {request.operation}: {code}; correct --store or the bucket's rules ({said})"
    )


def _rights(right: str, said: str) -> str:
    if match := KEY_RIGHT.search(said):
        return f"{match[0]} on the bucket's key"
    if right == "s3:GetObject":
        return f"{right} there, and s3:ListBucket on the bucket, without which what is missing looks forbidden"
    return f"{right} there"


def _said(error: ClientError) -> dict[str, Any]:
    found: dict[str, Any] = dict(error.response.get("Error", {}))
    return found


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _cut(text: object) -> str:
    """One line of bounded length: what a server says is a stranger's text."""
    flat = " ".join(str(text).split()).rstrip(".")
    return flat if len(flat) <= 300 else flat[:299] + "…"
