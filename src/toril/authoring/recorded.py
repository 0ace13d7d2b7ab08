"""The model of a recording: requests with their responses, as every reader fills it and every later step reads it.

Values are raw, so they contain secrets. Objects stay in memory and are never written to a file.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from toril.errors import Note

MOST_BYTES = 64 << 20  # of a file to import
MOST_ENTRIES = 20_000
MOST_BYTES_OF_BODY = 1 << 20  # of a body that is read; the rest is left out, with a note
MOST_EXAMPLES = 3  # of requests that are left out

RecordingKind = Literal["har", "openapi", "postman", "curl", "access-log"]
Named = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePart:
    """One file of a multipart body, or a body that is a file."""

    field: str
    name: str
    type: str = ""
    data: bytes | None = None  # None: the recording lacks it


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """The body of a request or response."""

    data: bytes = b""
    type: str = ""  # its Content-Type
    fields: Named = ()  # of a form or multipart body, decoded
    uploads: tuple[FilePart, ...] = ()
    missing: bool = False  # there was a body that the recording lacks

    @property
    def text(self) -> str:
        return self.data.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A check that the source itself has."""

    subject: Literal["status", "jsonpath", "body"]
    value: str  # a status, a path, or a part of the body
    expected: str = ""  # of a jsonpath; empty: any value


@dataclass(frozen=True, slots=True, kw_only=True)
class Extract:
    """Takes a value out of a response into a variable."""

    variable: str
    how: Literal["jsonpath", "regexp", "css", "xpath"]
    expression: str
    subject: Literal["body", "headers"] = "body"
    attribute: str = ""  # of a css selector


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedExchange:
    """One request, with its response if the source has responses.

    A chain of redirects is one exchange, with the request of the first hop and the response to the last request.
    `hops` are its requests that a redirect answered, each with its own response and its own number.
    """

    number: int  # in its source, from 1; never changes
    method: str
    url: str  # absolute; its host may be a reference such as `${BASE_URL}`
    headers: Named = ()
    body: Payload | None = None
    status: int | None = None  # None: the source has no responses
    response_headers: Named = ()
    response: Payload | None = None
    started_s: float | None = None  # since the first request; None: the source has no times
    took_s: float = 0.0
    step: str = ""  # page, folder or tag
    name: str = ""  # the author's, of this request
    route: str = ""  # such as /items/{id}
    kind: str = ""  # document xhr fetch script stylesheet image font media websocket eventsource ping preflight
    hops: tuple["RecordedExchange", ...] = ()
    checks: tuple[Expected, ...] = ()
    extracts: tuple[Extract, ...] = ()
    count: int = 1  # requests that were joined to this one


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Requests that the suite leaves out."""

    what: str
    why: str
    count: int
    examples: tuple[str, ...] = ()  # at most 3, masked


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRates:
    """The requests of one label in an access log."""

    start_s: float
    step_s: float
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """Everything that a reader has found in its source."""

    exchanges: tuple[RecordedExchange, ...]
    origin: str  # such as `shop.har (Chrome 139)`
    kind: RecordingKind
    variables: Mapping[str, str] = field(default_factory=dict)  # names and values, without credentials
    rates: Mapping[str, LogRates] = field(default_factory=dict)  # of an access log, by label
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[Note, ...] = ()


class ValuePlace(NamedTuple):
    """The place of a value in an exchange.

    `where` is one of path, query, header, cookie, form, json, multipart, html, xml, text, location and set-cookie.
    """

    side: Literal["request", "response"]
    where: str
    path: str  # such as `$.data.token`, `X-CSRF-Token` or `input[name=csrf]`


def places_of(exchange: RecordedExchange) -> Iterator[tuple[ValuePlace, str]]:
    """Yields each value of the exchange, decoded, with its place."""
    raise NotImplementedError
