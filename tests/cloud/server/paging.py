"""Pages of a list, by an opaque token."""

import base64
from collections.abc import Sequence
from typing import Any, TypeVar

from tests.cloud.server.errors import Refusal

T = TypeVar("T")


def page(found: Sequence[T], request: dict[str, Any], default: int = 100) -> tuple[Sequence[T], dict[str, str]]:
    """Returns the requested page of `found`, and the token of the next page if there is one."""
    token, size = request.get("nextToken"), request.get("maxResults") or default
    try:
        start = int(base64.urlsafe_b64decode(token)) if token else 0
    except ValueError as error:
        raise Refusal("InvalidParameterException", "Invalid parameter at 'nextToken'") from error
    end = start + size
    more = {"nextToken": base64.urlsafe_b64encode(str(end).encode()).decode()} if end < len(found) else {}
    return found[start:end], more
