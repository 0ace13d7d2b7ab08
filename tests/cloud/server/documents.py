"""Services that are checked for the policies that they are given."""

from html import escape
from typing import Any

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


def with_bucket_policies(inner: Handler) -> Handler:
    """MiniStack's S3, which takes any text for a bucket's policy."""

    async def handle(method: str, path: str, headers: dict[str, str], body: bytes, query: Query) -> Answer:
        if method == "PUT" and "policy" in query:
            try:
                resource_policy(body.decode(), "Policy", "MalformedPolicy")
            except Refusal as refusal:
                said = f"<Error><Code>MalformedPolicy</Code><Message>{escape(refusal.message)}</Message></Error>"
                return refusal.status, {"Content-Type": "application/xml"}, said.encode()
        return await inner(method, path, headers, body, query)

    return handle
