"""Services whose policy documents are checked."""

from html import escape
from typing import Any
from urllib.parse import unquote

from ministack import app as gateway
from ministack.core import iam_evaluator, router
from ministack.core.responses import get_region

from tests.cloud.server.errors import Refusal
from tests.cloud.server.gateway import Answer, Handler, Service
from tests.cloud.server.policies import resource_policy
from tests.cloud.server.requests import Query


def _kms(request: dict[str, Any]) -> None:
    if request.get("Policy"):
        resource_policy(request["Policy"], "Policy", "MalformedPolicyDocumentException")


def _queue(request: dict[str, Any]) -> None:
    policy = request.get("Attributes", {}).get("Policy")
    if policy:
        resource_policy(policy, "Policy", "InvalidAttributeValue")


def _topic(request: dict[str, Any]) -> None:
    if request["AttributeName"] == "Policy":
        resource_policy(request.get("AttributeValue", ""), "Policy", "InvalidParameter")


KMS = Service(name="kms", model="kms", checks={"CreateKey": _kms, "PutKeyPolicy": _kms})
SQS = Service(
    name="sqs",
    model="sqs",
    invalid="InvalidParameterValue",
    checks={"CreateQueue": _queue, "SetQueueAttributes": _queue},
)
SNS = Service(name="sns", model="sns", invalid="InvalidParameter", checks={"SetTopicAttributes": _topic})


def stricter_s3(inner: Handler) -> Handler:
    """Returns MiniStack's S3 with checks of bucket policies, and of the right to know missing keys."""

    async def handle(method: str, path: str, headers: dict[str, str], body: bytes, query: Query) -> Answer:
        if method == "PUT" and "policy" in query:
            try:
                resource_policy(body.decode(), "Policy", "MalformedPolicy")
            except Refusal as refusal:
                error_xml = f"<Error><Code>MalformedPolicy</Code><Message>{escape(refusal.message)}</Message></Error>"
                return refusal.status, {"Content-Type": "application/xml"}, error_xml.encode()
        status, found, answer = await inner(method, path, headers, body, query)
        if gateway.AUTH and status == 404 and method in ("GET", "HEAD") and not _may_list(path, headers, query):
            denial = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
            return 403, {"Content-Type": "application/xml"}, b"" if method == "HEAD" else denial
        return status, found, answer

    return handle


def _may_list(path: str, headers: dict[str, str], query: Query) -> bool:
    """Whether the caller may know that a key is missing. True for a path without a key."""
    bucket, _, key = path.lstrip("/").partition("/")
    if not key:
        return True
    caller = router.extract_access_key_id(headers, query)
    # checked as a listing of the key itself: AWS accepts rights on a prefix
    listing = {"s3:prefix": unquote(key)}
    denied = iam_evaluator.enforce(caller, "s3:ListBucket", "s3", get_region(), f"arn:aws:s3:::{bucket}", listing)
    return denied is None
