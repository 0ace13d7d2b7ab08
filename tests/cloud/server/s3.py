"""Amazon S3: operations with the test's faults."""

from functools import partial
from html import escape
from typing import Any

from ministack.services import s3

from tests.cloud.server import faults
from tests.cloud.server.documents import stricter_s3
from tests.cloud.server.errors import Refusal
from tests.cloud.server.gateway import Answer, Handler
from tests.cloud.server.requests import Query

_answer = s3.handle_request
OF_OBJECTS = {"GET": "GetObject", "HEAD": "HeadObject", "PUT": "PutObject", "DELETE": "DeleteObject"}
OF_UPLOADS = {"POST": "CompleteMultipartUpload", "PUT": "UploadPart", "DELETE": "AbortMultipartUpload"}
OF_BUCKETS = {"GET": "ListObjects", "HEAD": "HeadBucket", "PUT": "CreateBucket", "DELETE": "DeleteBucket"}
ABOUT_ITSELF = {"list-type", "prefix", "delimiter", "max-keys", "continuation-token", "start-after", "encoding-type"}


def install() -> None:
    """Installs the faults before MiniStack's S3, including requests that name the bucket by the host."""
    s3.handle_request = _handle


async def _handle(method: str, path: str, headers: dict[str, str], body: bytes, query: Query, **more: Any) -> Answer:
    return await faulty(stricter_s3(partial(_answer, **more)))(method, path, headers, body, query)


def operation_of(method: str, path: str, headers: dict[str, str], query: Query) -> str | None:
    """Returns the name of a request's operation, or None for operations that no test needs."""
    _, _, key = path.lstrip("/").partition("/")
    if not key:
        if query.keys() - ABOUT_ITSELF:
            return "DeleteObjects" if (method, "delete" in query) == ("POST", True) else None
        return "ListObjectsV2" if "list-type" in query else OF_BUCKETS.get(method)
    if "uploadId" in query:
        return OF_UPLOADS.get(method)
    if "uploads" in query:
        return "CreateMultipartUpload"
    if {"tagging", "acl", "retention", "legal-hold", "attributes"} & query.keys():
        return None
    return "CopyObject" if method == "PUT" and "x-amz-copy-source" in headers else OF_OBJECTS.get(method)


def faulty(inner: Handler) -> Handler:
    """Returns `inner` with the faults of the test."""

    async def handle(method: str, path: str, headers: dict[str, str], body: bytes, query: Query) -> Answer:
        operation = operation_of(method, path, headers, query)
        try:
            lost = faults.met("s3", operation, path) if operation else None
            answer = await inner(method, path, headers, body, query)
            if lost:
                raise lost
            return answer
        except Refusal as refusal:
            text = f"<Error><Code>{escape(refusal.code)}</Code><Message>{escape(refusal.message)}</Message></Error>"
            answer_headers = {"Content-Type": "application/xml"}
            return refusal.status, answer_headers, b"" if method == "HEAD" else text.encode()

    return handle
