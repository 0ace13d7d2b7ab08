"""The model of a recording: requests with their responses, as every reader fills it and every later step reads it.

Values are raw, so they contain secrets. Objects stay in memory and are never written to a file.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from html import unescape
from typing import Any, Literal, NamedTuple
from urllib.parse import parse_qsl, unquote

from toril.authoring.pages import HtmlPage
from toril.errors import Note

MOST_BYTES = 64 << 20  # of a file to import
MOST_ENTRIES = 20_000
MOST_BYTES_OF_BODY = 1 << 20  # of a body that is read; the rest is left out, with a note
MOST_LEVELS = 50  # of JSON; YAML could not be written far below
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

    data: bytes = field(default=b"", repr=False)
    type: str = ""  # its Content-Type
    fields: Named = field(default=(), repr=False)  # of a form or multipart body, decoded
    uploads: tuple[FilePart, ...] = ()
    missing: bool = False  # there was a body that the recording lacks

    @property
    def text(self) -> str:
        return self.data.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """An assertion on a response, of the source or of what it proves."""

    subject: Literal["status", "jsonpath", "body", "absent"]
    value: str  # a status, a path, a part of the body, or a pattern that the body must not have


@dataclass(frozen=True, slots=True, kw_only=True)
class Extract:
    """Takes a value out of a response into a variable."""

    variable: str
    how: Literal["jsonpath", "regexp", "css"]
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
    headers: Named = field(default=(), repr=False)
    body: Payload | None = None
    status: int | None = None  # None: the source has no responses
    response_headers: Named = field(default=(), repr=False)
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
    examples: tuple[str, ...] = ()  # at most 3, masked; of third parties all hosts


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRates:
    """The requests of one label in an access log."""

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
    redirects: float = 0.0  # share of the requests of an access log that a redirect answered
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[Note, ...] = ()
    title: str = ""  # of a description
    references: str = "(?!)"  # pattern of the variables that an author refers to; other `${NAME}` are data


_LOGIN = re.compile(
    r"(?i)/(?:[\w-]*[_-])?(?:log[-_]?in|sign[-_]?in|sso|saml2?|oauth2?|authenticate|authorize)(?:\.\w+)?(?=[/?#]|$)"
)


def is_login(url: str) -> bool:
    """Whether an address is that of a log-in page, by its path.

    >>> is_login("http://a/admin/login/?next=/"), is_login("/wp-login.php"), is_login("/blog/login-problems?x=/login")
    (True, True, False)
    """
    return bool(_LOGIN.search(url.partition("?")[0]))


class ValuePlace(NamedTuple):
    """The place of a value in an exchange.

    `where` is one of url, path, query, header, cookie, form, json, multipart, html, xml, text, location and set-cookie.
    The value of `url` is the whole address. In a path, `path` is the segment before the value.
    """

    side: Literal["request", "response"]
    where: str
    path: str  # such as `$.data.token`, `X-CSRF-Token`, `input[name=csrf]`, `a[href] ?id` or `?code` of a Location


UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SCHEME = re.compile(r"(?i)(?:basic|bearer|digest|negotiate|token|apikey|jwt|dpop|hawk)\s+(.+)", re.DOTALL)
_BEFORE_PATH = re.compile(r"^(?:[A-Za-z][\w+.-]*:)?//[^/?#]*")
_SEGMENT_PART = re.compile(r"[^.()':,=]{2,}")  # of 8123.pdf or Orders(8123)
_WORD = re.compile(r"[A-Za-z][A-Za-z_-]*")
_KEY = re.compile(r"(?!(?:parent|where|wherenot)\Z)[A-Za-z_]\w*", re.ASCII)  # words of jsonpath_ng need quotes
_ADDRESS = re.compile(r"(?:https?:/)?/[^\s\"'<>]+|[^\s\"'<>/?=&]+\?[^\s\"'<>]+=")
_PAIR = re.compile(r"([\w.-]{1,60})=\"?([^\s;,&\"]{4,4000})")
_LINK = re.compile(r"<((?:https?:/)?/[^<>\s]+)>;")  # of the header Link
_QUOTED = re.compile(r"\"([^\"\\\s]{4,200})\"")  # in a query of GraphQL
_XML_VALUE = re.compile(r"<([\w:.-]{1,100})(?:\s[^<>]*)?>([^<>]{1,4000})</|\s([\w:.-]{1,100})=\"([^\"<>]{1,4000})\"")
_TEXT_VALUE = re.compile(
    r"(?:([A-Za-z_][\w.-]{1,60})\\{0,3}[\"']?\s{0,9}[:=]\s{0,9}\\{0,3}[\"'`]?)?([\w.~+/=%-]{4,4000})", re.ASCII
)
_BINARY = re.compile(r"^(?:image/(?!svg)|audio/|video/|font/)|zip|octet-stream|pdf|protobuf|grpc|wasm")
_STRUCTURED = re.compile(r".*\s|[A-Za-z_]+:|!?[/({\[<]|\w+=[^&]*(?:&\w+=[^&]*)+$", re.DOTALL)  # sentences, addresses, …
LEAST_RANDOM, LEAST_DIFFERENT = 20, 8  # characters
LEAST_CHANGES = 0.25  # between kinds of characters, by character
LONGEST_LONE_WORD = 15  # in a text without structure; shorter words without a key are no values
DEEPEST = 3  # levels of values inside values


def places_of(exchange: RecordedExchange) -> Iterator[tuple[ValuePlace, str]]:
    """Yields each value of the exchange, decoded, with its place. Requests of `hops` are not included.

    A value inside another one has the same place, in an address with the segment before: `rest_route /posts`.
    """
    for where, path, value in _in_request(exchange):
        yield ValuePlace("request", where, path), value
        for name, inner in _inside(value) if where != "url" else ():
            of_address = name and value.startswith(("/", "http")) and f"/{name}/" in value
            yield ValuePlace("request", where, f"{path} /{name}" if of_address else path), inner
    for where, path, value in _in_response(exchange):
        yield ValuePlace("response", where, path), value
        for name, inner in _inside(value) if where in ("json", "html", "xml", "header") else ():
            place = ("header", f"{path} {name}".rstrip()) if where == "header" else ("text", name or path)
            yield ValuePlace("response", *place), inner


_Found = Iterator[tuple[str, str, str]]  # where, path, value


def _in_request(exchange: RecordedExchange) -> _Found:
    yield "url", "", exchange.url
    for name, value in _in_address(exchange.url):
        yield ("query", name[1:], value) if name.startswith("?") else ("path", name[1:], value)
    for name, value in exchange.headers:
        if name.lower() != "cookie":
            yield "header", name, without_scheme(value)
            continue
        for pair in value.split(";"):
            cookie, _, sent = pair.partition("=")
            yield "cookie", cookie.strip(), sent.strip(' "')
    if exchange.body is not None:
        yield from _in_body(exchange.body)


def _in_response(exchange: RecordedExchange) -> _Found:
    for name, value in exchange.response_headers:
        if name.lower() == "set-cookie":
            cookie, _, content = value.partition(";")[0].partition("=")
            yield "set-cookie", cookie.strip(), content.strip(' "')
        elif name.lower() == "location":
            yield from (("location", path, part) for path, part in _in_address(value))
        else:
            yield "header", name, without_scheme(value)
    if exchange.response is not None:
        yield from _in_body(exchange.response)


def without_scheme(value: str) -> str:
    """Returns the value of a header without a word such as `Bearer`."""
    match = _SCHEME.fullmatch(value)
    return match[1] if match else value


def host_of(url: str) -> str:
    """Returns the beginning of an address, up to its path; it may be a reference."""
    match = re.match(r"\w+://[^/?#]*|\$\{\w+\}", url)
    return match[0] if match else ""


def path_of(address: str) -> str:
    """Returns the path of an address, which may be invalid; `urlsplit` refuses some."""
    return _BEFORE_PATH.sub("", address).partition("#")[0].partition("?")[0]


def _in_address(address: str) -> Iterator[tuple[str, str]]:
    """Yields the values of an address: `/` and the segment before, `?` or `#` and the name of a parameter.

    >>> list(_in_address("https://shop.example/orders/8123?code=a%2Fb#token=c"))
    [('/', 'orders'), ('/orders', '8123'), ('?code', 'a/b'), ('#token', 'c')]
    """
    rest, _, fragment = address.partition("#")
    query = rest.partition("?")[2]
    before = ""
    for segment in path_of(address).lstrip("/").split("/"):
        plain, *parameters = segment.split(";")
        for plain_part in dict.fromkeys((unquote(plain), *_SEGMENT_PART.findall(unquote(plain)))):
            if plain_part:
                yield f"/{before}", plain_part
        for name, _, value in (parameter.partition("=") for parameter in parameters):
            yield f";{name}", unquote(value)
        before = plain if _WORD.fullmatch(plain) else ""
    for mark, text in (("?", query), ("#", fragment.lstrip("/?"))):
        for name, value in parse_qsl(text):
            yield f"{mark}{name}", value


def _in_body(body: Payload) -> _Found:
    kind = body.type.lower()
    if body.fields:
        yield from (("multipart" if "multipart" in kind else "form", name, value) for name, value in body.fields)
        return
    if "multipart" in kind or _BINARY.search(kind) or b"\0" in body.data[:1024]:
        return
    text = body.text
    if "json" in kind or text.lstrip()[:1] in ("{", "["):
        with suppress(ValueError, RecursionError):
            yield from (("json", path, value) for path, value in leaves(json.loads(text)))
            return
    if "html" in kind or "<html" in text[:500].lower():
        page = HtmlPage(text)
        yield from (("html", selector, value) for selector, value in page.values())
        for place, address in page.addresses():
            yield from (("html", f"{place} {path}", value) for path, value in _in_address(address))
        texts = page.texts
    elif "xml" in kind:
        found = _XML_VALUE.findall(text)
        yield from (("xml", tag or name, unescape(value or other)) for tag, value, name, other in found)
        return
    elif "x-www-form-urlencoded" in kind:
        yield from (("form", name, value) for name, value in parse_qsl(text))
        return
    else:
        texts = [text]
    # The words after a key, as in `var token = "abc"`, and long words without one.
    words = (pair for own in texts for pair in _TEXT_VALUE.findall(own))
    yield from (("text", name, value) for name, value in words if name or len(value) > LONGEST_LONE_WORD)


def leaves(value: Any, path: str = "$") -> Iterator[tuple[str, str]]:
    """Yields texts and whole numbers of JSON, with their JSONPath.

    >>> list(leaves({"items": [{"id": 7, "e-mail": "a@b"}], "open": True}))
    [('$.items[0].id', '7'), ("$.items[0]['e-mail']", 'a@b')]
    """
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, member(path, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from leaves(inner, f"{path}[{number}]")
    elif isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        yield path, str(value)


def member(path: str, key: str) -> str:
    """Returns the JSONPath of a key below a path."""
    return f"{path}.{key}" if _KEY.fullmatch(key) else f"{path}['{key}']"


def _inside(value: str, depth: int = 1) -> Iterator[tuple[str, str]]:
    """Yields name and value of what a text holds in itself: JSON, HTML, an address, pairs, or quoted words."""
    pairs: Iterable[tuple[str, str]] = ()
    if value[:1] in ("{", "["):
        with suppress(ValueError, RecursionError):
            pairs = list(leaves(json.loads(value)))
    elif _ADDRESS.match(value):
        pairs = ((name[1:], part) for name, part in _in_address(value))
    elif links := _LINK.findall(value):
        pairs = ((name[1:], part) for link in links for name, part in _in_address(link))
    elif "\\" in value:  # a script of a page writes it as two
        pairs = (("", part) for part in value.split("\\") if len(part) > 3)
    elif "<" in value:
        pairs = ((selector.rpartition("=")[2].strip('"]'), part) for selector, part in HtmlPage(value).values())
    elif "=" in value and _PAIR.search(value):
        pairs = _PAIR.findall(value)
    elif '"' in value:
        pairs = (("", part) for part in _QUOTED.findall(value))
    for name, part in pairs:
        if part not in ("", value):
            yield name, part
            if depth < DEEPEST:
                yield from _inside(part, depth + 1)


def is_random(text: str) -> bool:
    """Returns whether a text changes so often between capitals, other letters, digits and marks as no words do.

    >>> [is_random(one) for one in ("9tY4bQ7zLm2XcV8nKp3R", "how-to-return-lamps-of-2026", "2026-11-28T05:36:04.123Z")]
    [True, False, False]
    >>> is_random("(distinct:!f,page_size:24)")
    False
    """
    mixed = re.search("[A-Za-z]", text) and re.search(r"\d", text)
    if len(text) < LEAST_RANDOM or len(set(text)) < LEAST_DIFFERENT or not mixed or _STRUCTURED.match(text):
        return False
    plain = re.sub("[-_.:]", "", text)
    runs = re.findall("[A-Z]+|[a-z]+|[0-9]+|[^A-Za-z0-9]+", plain)
    return len(runs) - 1 >= LEAST_CHANGES * len(plain)


_MIXED = re.compile(  # with a hyphen: base64url, unlike a title in an address
    r"(?=[A-Za-z_]*\d)(?=\d*[A-Za-z])\w{8,}|(?=.*\d)(?=.*[a-z])(?=.*[A-Z])[\w-]{12,}", re.ASCII
)
_DOOR = re.compile(r"(?i).*(?:token|secret|passw|hook|reset|invit|verif|confirm|activat|unsubscri)")


def opens_a_door(before: str, segment: str) -> bool:
    """Returns whether a part of a path, after this one, is a token, as in a link to a new password.

    >>> [opens_a_door("reset", one) for one in ("k3y0815ab", "hX7-qLmz_3Kd", "2026-11", "step-2-of-3")]
    [True, True, False, False]
    """
    return _MIXED.fullmatch(segment) is not None and _DOOR.match(before) is not None


def json_of(body: Payload) -> Any:
    """Returns the JSON of a body; None if it has none, or one that is nested deeply."""
    try:
        document = json.loads(body.data) if "json" in body.type or body.data.lstrip()[:1] in (b"{", b"[") else None
    except (ValueError, RecursionError):
        return None
    if not _is_shallow(document, MOST_LEVELS):
        return None
    text = json.dumps(document, ensure_ascii=False)  # halves of characters, which JSON may have, become question marks
    return document if text.isascii() else json.loads(text.encode("utf-8", "replace"))


def _is_shallow(value: Any, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels > 0 and all(_is_shallow(item, levels - 1) for item in inner)
