"""The layer between MiniStack's entry and its services: checks every request, and answers those of our services."""

import json
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

from botocore.model import OperationModel

from tests.cloud.server import faults, xml
from tests.cloud.server.constraints import problems
from tests.cloud.server.errors import Refusal
from tests.cloud.server.requests import Query, model_of, read

Request = dict[str, Any]
Operation = Callable[[Request], dict[str, Any]]
Check = Callable[[Request], None]
Amend = Callable[[Request, dict[str, Any]], dict[str, Any]]
Answer = tuple[int, dict[str, str], Any]
Handler = Callable[[str, str, dict[str, str], bytes, Query], Awaitable[Answer]]
MOST_NAMED = 3  # reported problems of one request


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Our additions to one MiniStack service."""

    name: str  # in MiniStack
    model: str  # in botocore
    invalid: str = "ValidationException"  # the code of a request that breaks a constraint of the model
    operations: Mapping[str, Operation] = field(default_factory=dict)  # answered by this package
    checks: Mapping[str, Check] = field(default_factory=dict)  # checked here, answered by MiniStack
    amends: Mapping[str, Amend] = field(default_factory=dict)  # additions to MiniStack's JSON answers
    before: Check | None = None  # check of every operation


def guarded(service: Service, inner: Handler | None) -> Handler:
    """Returns `inner`, MiniStack's handler, behind the checks of `service`."""
    model = model_of(service.model)

    async def handle(method: str, path: str, headers: dict[str, str], body: bytes, query: Query) -> Answer:
        try:
            call = read(model, method, path, headers, body, query)
            name, request = call.operation.name, call.parameters
            wrong = list(problems(call.operation.input_shape, request)) if call.operation.input_shape else []
            if wrong:
                listed = "; ".join(wrong[:MOST_NAMED])
                raise Refusal(
                    service.invalid, f"{len(wrong)} validation error{'s' * (len(wrong) > 1)} detected: {listed}"
                )
            lost = faults.met(service.name, name, body.decode(errors="replace"))
            if service.before:
                service.before(request)
            if name in service.operations:
                answer = _answer(call.operation, model.metadata["protocol"], headers, service.operations[name](request))
            elif inner is None:
                raise Refusal("UnknownOperationException", f"{service.name}:{name} is not part of the embedded cloud")
            else:
                if name in service.checks:
                    service.checks[name](request)
                answer = await inner(method, path, headers, body, query)
                if answer[0] < 300 and name in service.amends:
                    amended = service.amends[name](request, json.loads(answer[2]))
                    answer = answer[0], answer[1], json.dumps(amended).encode()
            if lost:
                raise lost
            return answer
        except Refusal as refusal:
            return refused(model.metadata["protocol"], headers, refusal)

    return handle


def _answer(operation: OperationModel, protocol: str, headers: Mapping[str, str], answer: dict[str, Any]) -> Answer:
    if "x-amz-target" in headers or protocol in ("json", "rest-json"):
        return 200, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(answer).encode()
    return 200, {"Content-Type": "text/xml"}, xml.answer(operation, answer, ec2=protocol == "ec2").encode()


def refused(protocol: str, headers: Mapping[str, str], refusal: Refusal) -> Answer:
    """Returns the error in the protocol of the request."""
    if "x-amz-target" in headers or protocol in ("json", "rest-json"):
        body = json.dumps(
            {"__type": refusal.code, "message": refusal.message, "Message": refusal.message, **refusal.more}
        )
        answer_headers = {"Content-Type": "application/x-amz-json-1.1", "x-amzn-errortype": refusal.code}
        return refusal.status, answer_headers, body.encode()
    error, request = f"<Code>{escape(refusal.code)}</Code><Message>{escape(refusal.message)}</Message>", uuid.uuid4()
    if protocol == "ec2":
        text = f"<Response><Errors><Error>{error}</Error></Errors><RequestID>{request}</RequestID></Response>"
    else:
        text = f"<Error><Type>Sender</Type>{error}</Error><RequestId>{request}</RequestId>"
        text = f"<ErrorResponse>{text}</ErrorResponse>"
    return refusal.status, {"Content-Type": "text/xml"}, text.encode()
