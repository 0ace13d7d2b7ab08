"""What went wrong with a call to CloudWatch: where, what, and how to mend it."""

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    HTTPClientError,
    NoRegionError,
    PaginationError,
    ParamValidationError,
)
from botocore.parsers import ResponseParserError

from toril.metrics.answers import Fault, place_of
from toril.store.s3_faults import NO_CREDENTIALS

PERMISSION = "cloudwatch:GetMetricData"
FIPS_REGIONS = "us-east-1, us-east-2, us-west-1, us-west-2 and GovCloud"  # with one of CloudWatch, as of 2026-11
DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"}
EXPIRED = {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"}
NOT_KNOWN = {
    "AuthFailure",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "NotAuthorized",
    "OptInRequired",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
BUSY = {
    "InternalFailure",
    "InternalServiceError",
    "InternalServiceFault",
    "InvalidNextToken",
    "LimitExceeded",
    "LimitExceededException",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}
CALL_ERRORS = (
    BotoCoreError,
    ClientError,
    ResponseParserError,
    OSError,
    ValueError,
)  # the last: an address that is none
TOO_MANY_REQUESTS, FIRST_SERVER_ERROR = 429, 500


def fault_of(error: Exception, region: str | None, endpoint: str | None, *, fips: bool = False) -> Fault:
    """The fault in `error`, one of CALL_ERRORS. `endpoint`: the address asked, None when there was no client yet."""
    where = place_of(region)
    if isinstance(error, NoRegionError):
        fix = "name it in the criterion (`region: eu-west-1`), or set AWS_REGION"
        return Fault("settings", f"CloudWatch was not asked: no AWS region is known; {fix}")
    if isinstance(error, NO_CREDENTIALS):
        fix = "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and its like, or run where a role gives them"
        return Fault("access", f"{where} was not asked: no usable AWS credentials ({_brief(error)}); {fix}")
    if isinstance(error, ClientError):
        return _refused(error, where)
    if isinstance(error, PaginationError):
        return Fault("busy", f"{where} did not answer as it should: {_brief(error)}; try again later")
    if isinstance(error, ParamValidationError):
        return Fault("query", f"{where} cannot be asked that: {_brief(error)}; correct the criterion")
    if isinstance(error, (ConnectionError, HTTPClientError)):
        hint = f"; CloudWatch has FIPS endpoints in {FIPS_REGIONS} only: unset AWS_USE_FIPS_ENDPOINT" if fips else ""
        fix = "check the network, the proxy and the region's name"
        return Fault("unreachable", f"{where} cannot be reached at {endpoint}: {_brief(error)}{hint or '; ' + fix}")
    if isinstance(error, ResponseParserError):
        return Fault(
            "unreachable", f"what answers at {endpoint} is not CloudWatch; check the proxy and AWS_ENDPOINT_URL"
        )
    return Fault("settings", f"{where} was not asked: {_brief(error)}; correct the AWS settings of this environment")


def _refused(error: ClientError, where: str) -> Fault:
    code = str(error.response.get("Error", {}).get("Code", ""))
    said = str(error.response.get("Error", {}).get("Message", "")) or code
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in DENIED:
        return Fault("access", f"{where} refuses to answer; allow {PERMISSION} there ({_cut(said)})")
    if code in EXPIRED:
        fix = "renew them, or use ones that outlive the run"
        return Fault("access", f"{where} refuses to answer: the AWS credentials have expired; {fix} ({_cut(said)})")
    if code in NOT_KNOWN or status in (401, 403):
        fix = "check them, and that the region is enabled for the account"
        return Fault("access", f"{where} does not accept the AWS credentials: {code}; {fix} ({_cut(said)})")
    if code in BUSY or status == TOO_MANY_REQUESTS or status >= FIRST_SERVER_ERROR:
        return Fault("busy", f"{where} did not answer: {code or status} ({_cut(said)}); try again later")
    return Fault("query", f"{where} does not accept the query: {_cut(said)}; correct the criterion")


def _brief(error: Exception) -> str:
    return _cut(str(error))


def _cut(text: str) -> str:
    """One line of bounded length: what a server says is a stranger's text."""
    flat = " ".join(text.split()).rstrip(".")
    return flat if len(flat) <= 300 else flat[:299] + "…"
