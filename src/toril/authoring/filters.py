"""Leaves out requests that a load test does not need, joins identical ones, and drops headers that clients set."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from html import unescape
from urllib.parse import unquote

from toril.authoring.correlation.values import changes_data
from toril.authoring.options import ImportOptions, Keep
from toril.authoring.readers.source import STATIC_PATH, Skipped, value_of
from toril.authoring.recorded import Recorded, RecordedExchange, host_of, is_random, opens_a_door, path_of
from toril.authoring.references import leaves_of
from toril.authoring.routes import template
from toril.secrets.masking import masked_url

READS = ("GET", "HEAD", "OPTIONS")
STATIC_KINDS = ("script", "stylesheet", "image", "font", "media", "manifest")
SECOND_LEVEL = ("co", "com", "org", "net", "ac", "gov", "edu")  # of domains such as example.co.uk
CLIENTS_OWN = re.compile(  # headers that an engine sets itself, or that do not change the response
    r"(?i):.*|referer|user-agent|sec-.*|if-(?!match).*|accept-(?:encoding|language|charset)|content-length|host|date"
    r"|connection|keep-alive|proxy-connection|te|trailer|transfer-encoding|upgrade|upgrade-insecure-requests|range|dnt"
    r"|pragma|cache-control|priority|traceparent|tracestate|baggage|x-client-data|x-(?:chrome|devtools)-.*"
    r"|content-encoding|via|alt-used|authority"
)
IDEMPOTENCY = re.compile(r"(?i)(?:x-)?idempotency-key")  # a server ignores a request whose key it knows
DEFAULT_ACCEPT = re.compile(r"\*/\*|text/html,.*", re.IGNORECASE)
TOKEN = re.compile(r"[\w.~+/=-]{16,}")
HEX = re.compile("[0-9a-fA-F]{32,}")  # a UUID has hyphens
THIRD_PARTIES = "requests to third parties", "keep them by `--host` or `--with third-parties`"
MOST_HOSTS = 100  # of third parties, in a list; the same of repeated requests
OVER = "addresses with tokens", "their sessions are over"
SOON = 5  # requests between one that is refused for an expired token and its repetition
POLLS = 3  # equal requests
SHORT = 2_000  # bytes of a response that reports an error


def kept(recorded: Recorded, options: ImportOptions) -> Recorded:
    """Returns the recording without static files, third parties and the like; `left_out` lists them."""
    all_of = recorded.exchanges
    browser = recorded.kind == "har"  # other sources have only requests that their authors want
    first = next((exchange for exchange in all_of if exchange.kind in ("document", "")), all_of[0] if all_of else None)
    own = _site(_host(first)) if first and browser else ""
    flowing = {*map(_host_in, options.hosts), *_of_journey(all_of, own)} if browser else set()
    skipped, chosen = Skipped(), []
    for place, call in enumerate(all_of):
        if recorded.kind == "access-log" and _has_token(call):
            skipped.add(*OVER)
        elif why := _reason(call, options, own, flowing) or _expired(call, all_of[place + 1 : place + 1 + SOON]):
            skipped.add(*why, *((_host(call), 1, MOST_HOSTS) if why == THIRD_PARTIES else (_shown(call),)))
        else:
            chosen.append(_with_fewer_headers(call))
    exchanges = tuple(chosen) if recorded.kind == "access-log" else _joined(chosen, skipped)
    return replace(recorded, exchanges=exchanges, left_out=(*recorded.left_out, *skipped.left_out()))


def _reason(one: RecordedExchange, options: ImportOptions, own: str, flowing: set[str]) -> tuple[str, str] | None:
    """Returns what a request is, and why the suite leaves it out; None if it stays."""
    if options.only_reads and one.method not in READS:
        return "requests that change data", "`--only-reads`"
    if not own:
        return None
    if one.kind == "preflight" or (one.method == "OPTIONS" and value_of("access-control-request-method", one.headers)):
        return "preflights", "only browsers send them"
    if one.response and len(one.response.data) < SHORT and b"PersistedQueryNotFound" in one.response.data:
        return "unknown persisted queries", "the server knows them from the next request on"
    if one.kind == "ping":
        return "beacons", "they report to analytics"
    if Keep.THIRD_PARTIES not in options.kept and _site(host := _host(one)) != own and host not in flowing:
        return THIRD_PARTIES
    is_static = one.kind in STATIC_KINDS or STATIC_PATH.search(path_of(one.url))
    if Keep.STATIC not in options.kept and one.method in READS and is_static:
        return "static files", "caches serve them; keep them by `--with static`"
    return None


def _has_token(exchange: RecordedExchange) -> bool:
    return bool(masked_url(exchange.url)[1]) or any(
        HEX.fullmatch(text) or is_random(text) or (place.where == "path" and opens_a_door(place.path, text))
        for place, text in leaves_of(exchange)
    )


def _expired(call: RecordedExchange, later: Sequence[RecordedExchange]) -> tuple[str, str] | None:
    again = (two for two in later if (two.method, two.url, _body(two)) == (call.method, call.url, _body(call)))
    if call.status in (401, 403) and any(two.status is not None and two.status < 300 for two in again):
        return "requests with an expired token", "they were repeated with a new one, which the suite has from the start"
    return None


def _of_journey(exchanges: Sequence[RecordedExchange], own: str) -> set[str]:
    """Returns hosts that take part in the journey, such as a provider of logins or an upload address.

    The site, or a host of the journey, needs something of such a host. Partners of advertising need each other.
    """
    flows, sites, journey = list(_flows(exchanges)), {own}, set[str]()
    while more := {host for host, site in flows if site in sites} - journey:
        journey |= more
        sites |= set(map(_site, more))
    return journey


def _flows(exchanges: Sequence[RecordedExchange]) -> Iterator[tuple[str, str]]:
    """Yields a host, and another site that needs it.

    A response of the host brings a token that the site is sent. Or a response of the site brings an address of the
    host, and the request to it writes or opens a page.
    """
    brought: dict[str, str] = {}  # token → host of the response that had it first; empty: a request had it first
    addresses: dict[str, str] = {}  # → site of the response
    for call in (inner for outer in exchanges for inner in (*outer.hops, outer)):
        host, sent = _host(call), " ".join(value for name, value in call.headers if name.lower() != "cookie")
        for token in _tokens(f"{call.url} {sent} {_body(call)}"):
            if _site(first := brought.setdefault(token, "")) not in ("", _site(host)):
                yield first, _site(host)
        site = addresses.get(call.url.partition("://")[2], _site(host))
        opens = call.kind == "document" and value_of("sec-fetch-dest", call.headers) != "iframe"
        if (call.method not in READS or opens) and site != _site(host):
            yield host, site
        text = f"{value_of('location', call.response_headers)} {call.response.text if call.response else ''}"
        for token in _tokens(text):
            brought.setdefault(token, host)
        for url in re.findall(r"https?://([^\s\"'<>]+)", unescape(text.replace("\\/", "/"))):
            addresses.setdefault(url, _site(host))


def _tokens(text: str) -> Iterator[str]:
    for token in {*TOKEN.findall(text), *TOKEN.findall(unquote(text))}:
        if re.search(r"\d", token) and re.search("[A-Za-z]", token) and "/" not in token.rstrip("/"):
            yield token


def _joined(exchanges: Sequence[RecordedExchange], skipped: Skipped) -> tuple[RecordedExchange, ...]:
    """Joins reads of a step that have the same response, and polls: of these the last one stays, which has the result.

    Polls are equal reads of a step without a request between them that changes data.
    """
    groups: dict[object, list[RecordedExchange]] = {}
    changed = 0  # requests so far that change data
    for call in exchanges:
        changed += (writes := changes_data(call))
        groups.setdefault((call.method, call.url, _body(call), call.name, call.step, changed, writes), []).append(call)
    stay: dict[int, RecordedExchange] = {}
    for group in groups.values():
        polled = len(group) >= POLLS and not changes_data(group[0])
        different: dict[object, RecordedExchange] = {}
        for one in group:
            content = (one.status, one.response and one.response.data)
            answer = one.number if changes_data(one) else 0 if polled else content
            first = different.get(answer)
            last = one if polled or first is None else first
            different[answer] = replace(last, count=one.count + (first.count if first else 0))
        stay |= {exchange.number: exchange for exchange in different.values()}
    joined = tuple(stay[exchange.number] for exchange in exchanges if exchange.number in stay)
    for exchange in joined:
        if exchange.count > 1:
            why = "of equal reads of a step one stays, of polls the last one"
            step = f" ({exchange.step})" if exchange.step else ""
            skipped.add("repeated requests", why, f"{_shown(exchange)}{step}", exchange.count - 1, MOST_HOSTS)
    return joined


def _with_fewer_headers(exchange: RecordedExchange) -> RecordedExchange:
    """Drops headers; cookies stay for the later steps, which know who has set them."""
    needless = () if exchange.body else ("content-type", "origin") if exchange.method in READS else ("content-type",)
    headers = tuple(
        (name, "${__UUID()}" if IDEMPOTENCY.fullmatch(name) else value)
        for name, value in exchange.headers
        if not CLIENTS_OWN.fullmatch(name)
        and name.lower() not in needless
        and not (name.lower() == "accept" and DEFAULT_ACCEPT.fullmatch(value))
    )
    return replace(exchange, headers=headers, hops=tuple(map(_with_fewer_headers, exchange.hops)))


def _shown(exchange: RecordedExchange) -> str:
    return f"{exchange.method} {_host(exchange)}{template(path_of(exchange.url))}"


def _body(exchange: RecordedExchange) -> object:
    return exchange.body and (exchange.body.data, exchange.body.fields)


def _host(exchange: RecordedExchange) -> str:
    return _host_in(host_of(exchange.url))


def _host_in(address: str) -> str:
    return address.rpartition("://")[2].partition("/")[0].rpartition("@")[2].lower()


def _site(host: str) -> str:
    """Returns the part of a host that one owner has.

    >>> _site("api.shop.example.co.uk:8443"), _site("127.0.0.1:80"), _site("localhost:1")
    ('example.co.uk', '127.0.0.1', 'localhost')
    """
    name = re.sub(r":\d+$", "", host)
    if re.fullmatch(r"[\d.]+|\[.*\]", name):
        return name
    labels = name.split(".")
    return ".".join(labels[-3 if len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in SECOND_LEVEL else -2 :])
