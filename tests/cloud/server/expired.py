"""Credentials that a test has expired: every service rejects requests signed with them."""

import uuid

from ministack.core import iam_actions

from tests.cloud.server import caller
from tests.cloud.server.gateway import Answer
from tests.cloud.server.state import on_reset

MESSAGE = "The security token included in the request is expired"
KEYS: set[str] = set()
on_reset(KEYS.clear)


def refusal(headers: dict[str, str]) -> Answer | None:
    """Returns the error for a request signed with expired credentials, or None."""
    access_key, service = caller.signed(headers)
    if access_key not in KEYS:
        return None
    answer: Answer = iam_actions.access_denied_response(
        service, "", "", str(uuid.uuid4()), error_code="ExpiredTokenException", message=MESSAGE, headers=headers
    )
    return answer
