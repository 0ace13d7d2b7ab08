"""A table of the errors of AWS and botocore, with a fix for each.

Exceptions are found by their class names, because the import of botocore takes long and most commands do not need it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from toril.errors import InfrastructureError

MOST_CHARACTERS = 300  # of a server's message
TOO_MANY_REQUESTS, FIRST_SERVER_ERROR, NOT_IMPLEMENTED = 429, 500, 501
TRANSIENT = frozenset({"busy", "not-aws", "unreachable"})
SERVICES = {  # by the prefix of their IAM actions
    "cloudwatch": "CloudWatch",
    "ecs": "ECS",
    "fis": "AWS FIS",
    "logs": "CloudWatch Logs",
    "s3": "S3",
    "secretsmanager": "Secrets Manager",
    "xray": "X-Ray",
}

ADVICE = {  # code → problem, fix
    "access-denied": ("access denied", "allow {right}"),
    "busy": ("{service} is busy: {aws_code}", "try again later"),
    "clock-skew": ("this machine's clock differs too much from {service}'s", "set the clock"),
    "expired-credentials": (
        "the AWS credentials have expired",
        "renew them, or use credentials that outlast the run; to continue a run, use `toril watch RUN --take-over`",
    ),
    "invalid-request": ("the request to {service} is invalid", "correct it"),
    "invalid-settings": ("no client for {service} could be made", "correct the AWS settings of this environment"),
    "no-credentials": (
        "no usable AWS credentials",
        "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run with an IAM role",
    ),
    "no-region": ("no AWS region is set", "set AWS_REGION"),
    "no-such-bucket": ("the bucket does not exist", "correct --store, or deploy the hub first"),
    "no-such-secret": ("the secret does not exist", "correct its name, region, stage or version"),
    "not-aws": ("the answer{at} is not from {service}", "check the proxy and AWS_ENDPOINT_URL"),
    "outdated-stack": ("the region's stack differs from its record", "run `pulumi up` for the stack"),
    "refused": ("{service} refused the request: {aws_code}", ""),
    "rejected-credentials": (
        "{service} does not accept the AWS credentials: {aws_code}",
        "check the credentials, and that the region is enabled for the account and in the same partition",
    ),
    "unreachable": ("{service} cannot be reached{at}", "check the network, the proxy and the region's name"),
    "wrong-region": ("{service} answers from another region than the bucket's", "set AWS_REGION to {region}"),
}

CODES = {
    code: kind
    for kind, codes in {
        "access-denied": "403 AccountProblem AllAccessDisabled DecryptionFailure",
        "busy": """
            BandwidthLimitExceeded ConditionalRequestConflict InternalError InternalFailure InternalServiceError
            InternalServiceFault OperationAborted RequestLimitExceeded RequestTimeout ServerException
            ServiceUnavailable ServiceUnavailableException SlowDown ThrottledException Throttling ThrottlingException
            TooManyRequestsException
        """,
        "clock-skew": "RequestTimeTooSkewed",
        "expired-credentials": "ExpiredToken ExpiredTokenException RequestExpired TokenRefreshRequired",
        "no-such-bucket": "NoSuchBucket",
        "outdated-stack": """
            ClusterNotFoundException PlatformTaskDefinitionIncompatibilityException PlatformUnknownException
        """,
        "rejected-credentials": """
            AuthFailure IncompleteSignature InvalidAccessKeyId InvalidClientTokenId InvalidSecurity
            InvalidSignatureException InvalidToken MissingAuthenticationToken MissingAuthenticationTokenException
            NotAuthorized NotSignedUp OptInRequired SignatureDoesNotMatch UnrecognizedClientException
        """,
        "wrong-region": "301 AuthorizationHeaderMalformed IllegalLocationConstraintException PermanentRedirect",
    }.items()
    for code in codes.split()
}
CODES_OF_SERVICE = {
    "CloudWatch": dict.fromkeys(("InvalidNextToken", "LimitExceeded", "LimitExceededException"), "busy"),
    "CloudWatch Logs": {"LimitExceededException": "busy"},
    "Secrets Manager": {"ResourceNotFoundException": "no-such-secret"},
}
STATUSES_OF_SERVICE = {
    "CloudWatch": dict.fromkeys((401, 403), "rejected-credentials"),
    "S3": {409: "busy"},  # another write to the same key
}
DENIED = ("AccessDenied", "UnauthorizedOperation", "AuthorizationError")  # parts of the services' codes
LINKED_ROLE = "service linked role"  # AWS makes it on first use, which takes a moment
INACTIVE = "inactive"  # a task definition that a later update of the stack has deregistered
KMS_RIGHT = re.compile(r"kms:\w+")

EXCEPTIONS = {  # names of botocore's classes; the most specific one applies
    "BotoCoreError": "invalid-settings",
    "ConnectionError": "unreachable",
    "CredentialRetrievalError": "no-credentials",
    "HTTPClientError": "unreachable",
    "IncompleteReadError": "unreachable",
    "LoginError": "no-credentials",
    "MetadataRetrievalError": "unreachable",
    "NoAuthTokenError": "no-credentials",
    "NoCredentialsError": "no-credentials",
    "NoRegionError": "no-region",
    "OSError": "invalid-settings",
    "ParamValidationError": "invalid-request",
    "PartialCredentialsError": "no-credentials",
    "ResponseParserError": "not-aws",
    "SSOError": "no-credentials",
    "TokenRetrievalError": "no-credentials",
    "ValueError": "invalid-settings",  # such as an invalid endpoint
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """The reason of a failed AWS call. `code` is one of ADVICE's, or the caller's own."""

    code: str
    problem: str
    fix: str = ""
    where: str = ""
    message: str = ""  # AWS' or botocore's message: one line of limited length
    aws_code: str = ""  # AWS' code; empty if there was no answer

    @property
    def passes(self) -> bool:
        """Whether the same call may succeed a little later."""
        return self.code in TRANSIENT

    def __str__(self) -> str:
        text = "; ".join(filter(None, (self.problem, self.fix)))
        quoted = f" ({self.message})" if self.message and self.message != self.aws_code else ""
        return f"{self.where}: {text}{quoted}" if self.where else text + quoted


class AwsError(InfrastructureError):
    """An AWS call that was refused, or whose answer is unknown.

    `resources`: the ids that AWS names as the cause of a conflict.
    """

    def __init__(self, fault: Fault, resources: Iterable[str] = ()) -> None:
        super().__init__(str(fault), code=fault.code)
        self.fault, self.resources = fault, tuple(resources)


def fault_of(error: Exception, right: str, *, where: str = "", endpoint: str = "") -> Fault | None:
    """Returns the fault of a call's exception; None if the exception is neither from AWS nor from botocore.

    `right`: the IAM action that the call needs. `endpoint`: the address of the request, if known.
    """
    answer: Any = getattr(error, "response", None)
    if not isinstance(answer, dict):
        code = next((EXCEPTIONS[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in EXCEPTIONS), None)
        return None if code is None else fault(code, right, where=where, message=error, endpoint=endpoint)
    aws_code, message = aws_code_of(error) or "", str(answer.get("Error", {}).get("Message", ""))
    about = answer.get("ResponseMetadata", {})
    needed = KMS_RIGHT.search(message)
    return fault(
        _code(aws_code, message, int(about.get("HTTPStatusCode", 0)), _service(right)),
        right,
        allow=f"{needed[0]} on the key" if needed else "",
        where=where,
        message=message or aws_code,
        aws_code=aws_code,
        region=about.get("HTTPHeaders", {}).get("x-amz-bucket-region", "the bucket's region"),
    )


def fault(
    code: str,
    right: str,
    *,
    allow: str = "",
    where: str = "",
    message: object = "",
    aws_code: str = "",
    endpoint: str = "",
    region: str = "",
) -> Fault:
    """Returns the fault of this code, with the table's problem and fix. `allow`: the missing action, if not `right`."""
    values = {"service": _service(right), "right": allow or right, "aws_code": aws_code, "region": region}
    values["at"] = f" at {endpoint}" if endpoint else ""
    problem, fix = (text.format(**values) for text in ADVICE[code])
    return Fault(code=code, problem=problem, fix=fix, where=where, message=one_line(message), aws_code=aws_code)


def aws_code_of(error: Exception) -> str | None:
    """Returns AWS' code of a refusal; None if there was no answer."""
    answer: Any = getattr(error, "response", None)
    return str(answer.get("Error", {}).get("Code", "")) if isinstance(answer, dict) else None


def one_line(text: object) -> str:
    """Returns one line of limited length, because a server's message is not trusted."""
    flat = " ".join(str(text).split()).rstrip(".")
    return flat if len(flat) <= MOST_CHARACTERS else flat[: MOST_CHARACTERS - 1] + "…"


def _service(right: str) -> str:
    return SERVICES.get(right.partition(":")[0], "AWS")


def _code(aws_code: str, message: str, status: int, service: str) -> str:
    code = CODES_OF_SERVICE.get(service, {}).get(aws_code) or CODES.get(aws_code)
    if code:
        return code
    busy = status == TOO_MANY_REQUESTS or (status >= FIRST_SERVER_ERROR and status != NOT_IMPLEMENTED)
    if busy or LINKED_ROLE in message.lower():
        return "busy"
    if any(part in aws_code for part in DENIED):
        return "access-denied"
    if service == "ECS" and INACTIVE in message.lower():
        return "outdated-stack"
    return STATUSES_OF_SERVICE.get(service, {}).get(status, "refused")
