"""The console as a Lambda function behind an API Gateway HTTP API. `handler` is its entry point.

Each instance makes the application once, while it starts: Lambda then gives it a whole processor, and later a part.
Lambda's own log has the request's id of each line.
"""

import asyncio
import json
import logging
import os
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Any, cast

from toril.console.lambda_settings import LambdaSettings, settings_of

if TYPE_CHECKING:
    from mangum import Mangum
    from mangum.types import ASGI

    from toril.console.guard import App

REQUEST_ID: ContextVar[str] = ContextVar("REQUEST_ID", default="")  # Lambda's
OF_BODY = ("content-disposition", "content-encoding", "content-length")
MOST_ANSWER = 6_000_000  # bytes of JSON, by a quota of Lambda
QUIET = ("asyncio", "botocore", "httpcore2", "httpx2", "mangum", "mcp", "urllib3")  # some of them log addresses


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answers one request of the HTTP API, in its payload format 2.0."""
    REQUEST_ID.set(str(getattr(context, "aws_request_id", "")))
    return fitting(adapter()(event, context))


def fitting(answer: dict[str, Any]) -> dict[str, Any]:
    """Returns the answer, or the problem that it is too large: Lambda would answer it without a reason."""
    if len(answer.get("body", "")) < MOST_ANSWER // 2 or len(json.dumps(answer)) <= MOST_ANSWER:
        return answer
    from toril.console.guard import problem_document
    from toril.console.web import PROBLEM

    text = "The answer has more than 6 MB. Run `toril report RUN --store s3://BUCKET` on a machine with access to it."
    headers = {name: value for name, value in answer["headers"].items() if name not in OF_BODY}
    headers["content-type"] = PROBLEM
    body = json.dumps(problem_document(422, "too-large", text))
    return {**answer, "statusCode": 422, "headers": headers, "body": body, "isBase64Encoded": False}


@cache
def adapter() -> "Mangum":
    """Returns the application behind Mangum. Answers that are not text are base64."""
    from mangum import Mangum

    start_log()
    asyncio.set_event_loop(asyncio.new_event_loop())
    return Mangum(cast("ASGI", application(settings_of(os.environ))), lifespan="off")


def application(settings: LambdaSettings) -> "App":
    """Returns the console of these settings. Reads the session key, and makes it in a new console."""
    from toril.aws.client import ClientSettings, clients
    from toril.aws.parameters import read_parameter, session_key
    from toril.aws.presigned import presigned_read, presigned_upload
    from toril.clock import SystemClock
    from toril.console.app import Setup, create_app
    from toril.console.deployed import EventBridge, starter_of
    from toril.console.oidc import Oidc, OidcSettings
    from toril.launchers.doctor import examine_all
    from toril.launchers.prepare import vcpus_in_use
    from toril.store import BUCKETS, open_store

    store, clock, aws = open_store(settings.store), SystemClock(), clients(ClientSettings(attempts=3))
    secret = settings.client_secret_parameter
    oidc = OidcSettings(
        issuer=settings.issuer,
        client_id=settings.client_id,
        client_secret=read_parameter(aws, secret) if secret else "",
        login_client_id=settings.login_client_id,
        audience=settings.audience,
        session_key=session_key(aws, settings.session_key_parameter),
        groups_claim=settings.groups_claim,
        groups=settings.roles,
        machines=settings.machines,
    )
    return create_app(
        Setup(
            store=store,
            identity=Oidc(oidc, address=settings.address, store=store, clock=clock),
            clock=clock,
            examine=lambda store_of: examine_all(store_of, settings.store, clock),
            address=settings.address,
            starter=starter_of(store),
            quotas=lambda store_of: vcpus_in_use(store_of, clock),
            schedules=EventBridge(store),
            presign=partial(presigned_read, settings.store.removeprefix(BUCKETS)),
            presign_upload=partial(presigned_upload, settings.store.removeprefix(BUCKETS)),
            max_cost_usd=settings.max_cost,
            origin_digest=settings.origin_digest,
            upload_address=settings.uploads,
        )
    )


def start_log() -> None:
    """Writes each record as a line of JSON. Below warnings, only the console itself writes."""
    out = logging.StreamHandler(sys.stdout)
    out.setFormatter(JsonLines())
    logging.basicConfig(handlers=[out], level=logging.INFO, force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


class JsonLines(logging.Formatter):
    """One line of JSON for each record. A message that is an object of JSON adds its members."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "timestamp": f"{datetime.fromtimestamp(record.created, UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
            "level": record.levelname,
            "logger": record.name,
            "requestId": REQUEST_ID.get(),
        }
        message = record.getMessage()
        try:
            members = json.loads(message)
        except ValueError:
            members = None
        line |= members if isinstance(members, dict) else {"message": message}
        if record.exc_info:
            line["stackTrace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    adapter()
