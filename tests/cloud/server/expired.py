"""Credentials that a test has let expire: whoever signs with them is refused, whatever the service."""

import re
import uuid
from collections.abc import Iterable

from ministack.core import iam_actions

from tests.cloud.server.gateway import Answer
from tests.cloud.server.state import on_reset

CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/\d+/[^/]*/([^/]+)/")
MESSAGE = "The security token included in the request is expired"
KEYS: set[str] = set()
on_reset(KEYS.clear)


def refusal(headers: Iterable[tuple[bytes, bytes]]) -> Answer | None:
    """What the service says to a request that is signed with one of them."""
    if not KEYS:
        return None
    found = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}
    signed = CREDENTIAL.search(found.get("authorization", ""))
    if signed is None or signed[1] not in KEYS:
        return None
    answer: Answer = iam_actions.access_denied_response(
        signed[2], "", "", str(uuid.uuid4()), error_code="ExpiredTokenException", message=MESSAGE, headers=found
    )
    return answer
