"""The sender of the current request."""

import re
from collections.abc import Iterable
from contextvars import ContextVar

CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/\d+/[^/]*/([^/]+)/")
ACCESS_KEY: ContextVar[str] = ContextVar("ACCESS_KEY", default="")


def text_of(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Returns an ASGI request's headers by their names in lower case."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}


def signed(headers: dict[str, str]) -> tuple[str, str]:
    """Returns the access key and the service of a signature, or two empty texts."""
    found = CREDENTIAL.search(headers.get("authorization", ""))
    return (found[1], found[2]) if found else ("", "")
