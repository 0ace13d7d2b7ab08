"""Reads HAR 1.2 as browsers, proxies and Playwright write it."""

import base64
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from toril.authoring.pages import Form, HtmlPage
from toril.authoring.readers import source
from toril.authoring.readers.source import Input, Skipped, items, mapping, text
from toril.authoring.recorded import (
    MOST_BYTES_OF_BODY,
    MOST_ENTRIES,
    FilePart,
    Named,
    Payload,
    Recorded,
    RecordedExchange,
    host_of,
    path_of,
)
from toril.authoring.routes import template
from toril.errors import Note

# Of Playwright: a HAR may name other files, such as a person's keys.
OWN_FILE = re.compile(r"(?:.*/)?[0-9a-f]{40}\.\w+")
NEAR = 10  # entries in which the target of a redirect is searched, since browsers send in parallel
REDIRECTS = (301, 302, 303, 307, 308)
DESTINATIONS = {"empty": "fetch", "iframe": "document", "style": "stylesheet", "audio": "media", "video": "media"}
TYPES = (  # parts of a Content-Type, and the kind of such a response
    ("text/html", "document"), ("text/event-stream", "eventsource"), ("image/", "image"), ("json", "xhr"),
    ("xml", "xhr"), ("text/css", "stylesheet"), ("javascript", "script"), ("font", "font"), ("audio/", "media"),
    ("video/", "media"),
)  # fmt: skip
STREAMS = ("streams", "a recording cannot repeat them; see docs/how-to/test-other-protocols.md")
ABORTED = "aborted requests", "they have no response"
ABORTED_WRITES = "aborted requests that may change data", "they have no response; the service may have done their work"
NOT_SENT = ("submit", "button", "image", "reset")  # types of inputs


def read_har(document: Mapping[str, Any], given: Input) -> Recorded:
    log = mapping(document.get("log"))
    entries = [(_start(entry), entry) for entry in items(log.get("entries"))]
    notes = []
    if len(entries) > MOST_ENTRIES:
        message = f"{given.name} has {len(entries):,} requests. Only the first {MOST_ENTRIES:,} are read."
        notes.append(Note("recording-cut", message))
    starts = [start for start, _ in entries if start is not None]
    first_s = min(starts, default=0.0) if len(starts) == len(entries) else None
    if first_s is not None:
        entries.sort(key=lambda entry: entry[0] or 0.0)
    steps = {text(page.get("id")): _title(page) for page in items(log.get("pages"))}
    skipped = Skipped()
    exchanges: list[RecordedExchange] = []
    for number, (start, entry) in enumerate(entries[:MOST_ENTRIES], 1):
        call = _exchange(entry, given, skipped)
        if call is not None:
            started_s = None if first_s is None or start is None else start - first_s
            exchange = replace(call, number=number, started_s=started_s, step=steps.get(text(entry.get("pageref")), ""))
            exchanges.append(_rebuilt(exchange, exchanges, skipped))
    for left in skipped.left_out():
        if (left.what, left.why) == ABORTED_WRITES:
            fix = "Wait for them before you leave the page, and record again."
            message = f"Left out: {left.what} ({left.count}), such as {', '.join(left.examples)}. {fix}"
            notes.append(Note("aborted-writes", message))
    maker = mapping(log.get("browser")) or mapping(log.get("creator"))
    documents = {text(page.get("id")) for page in items(log.get("pages")) if text(page.get("startedDateTime"))}
    return Recorded(
        exchanges=tuple(_stepped(_folded(exchanges), {steps[name] for name in documents})),
        origin=given.origin(f"{text(maker.get('name'))} {text(maker.get('version'))}"),
        kind="har",
        left_out=skipped.left_out(),
        notes=tuple(notes),
    )


def _start(entry: Mapping[str, Any]) -> float | None:
    try:
        moment = datetime.fromisoformat(text(entry.get("startedDateTime")))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _title(page: Mapping[str, Any]) -> str:
    """Returns the title of a page; browsers without a title write its address."""
    title = " ".join(text(page.get("title")).split())
    return path_of(title) or "/" if title.startswith(("http://", "https://")) else title


def _exchange(entry: Mapping[str, Any], given: Input, skipped: Skipped) -> RecordedExchange | None:
    request, response = mapping(entry.get("request")), mapping(entry.get("response"))
    method, url = text(request.get("method")).upper(), source.address(text(request.get("url")))
    method = method if source.TOKEN.fullmatch(method) else "GET"
    sent, answered = source.headers(request.get("headers")), source.headers(response.get("headers"))
    code = text(response.get("status"))
    status = int(code) if re.fullmatch("[0-9]{3}", code) else 0 if response else None
    content = mapping(response.get("content"))
    type = source.value_of("content-type", answered) or text(content.get("mimeType"))
    kind = _kind(entry, sent, type)
    host = host_of(url)
    example = f"{method} {host}{template(path_of(url)) if host else url.partition(':')[0]}"
    if why := _unusable(entry, method, url, status, kind, sent):
        skipped.add(*why, example)
        return None
    took_ms = entry.get("time")
    received = _data(content, given)
    if received is not None and len(received) > MOST_BYTES_OF_BODY:
        skipped.add("ends of responses", f"only their first {MOST_BYTES_OF_BODY >> 20} MiB are read", example)
    if received is None and kind == "document" and status == 200 and method != "HEAD":
        skipped.add("contents of pages", "the recording lacks them; `toril record` keeps them", example)
    return RecordedExchange(
        number=0,
        method=method,
        url=url,
        headers=sent,
        body=_sent(request, method, sent, given),
        status=200 if status == 304 else status,
        response_headers=answered,
        response=None if received is None else Payload(data=received[:MOST_BYTES_OF_BODY], type=type),
        took_s=took_ms / 1000 if isinstance(took_ms, int | float) and 0 <= took_ms < 1e7 else 0.0,
        kind=kind,
    )


def _kind(entry: Mapping[str, Any], sent: Named, type: str) -> str:
    kind, destination = text(entry.get("_resourceType")).lower(), source.value_of("sec-fetch-dest", sent)
    if kind and kind != "other":
        return kind
    if destination:
        return DESTINATIONS.get(destination, destination)
    return next((kind for part, kind in TYPES if part in type.lower()), "")


def _unusable(
    entry: Mapping[str, Any], method: str, url: str, status: int | None, kind: str, sent: Named
) -> tuple[str, str] | None:
    """Returns what such requests are called, and why a suite cannot repeat them; None if it can."""
    grpc = source.value_of("content-type", sent).startswith("application/grpc")
    if kind in ("websocket", "eventsource") or grpc or url.startswith(("ws:", "wss:")) or "_webSocketMessages" in entry:
        return STREAMS
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        return "addresses of the browser", "no server answers them"
    if status is not None and status < 100:
        return ABORTED if method in ("GET", "HEAD", "OPTIONS") else ABORTED_WRITES
    if entry.get("_fromCache"):
        return "cached responses", "the browser did not send these requests"
    return None


def _sent(request: Mapping[str, Any], method: str, sent: Named, given: Input) -> Payload | None:
    """Returns the body of a request; `missing` if it had one that the recording lacks."""
    post = mapping(request.get("postData"))
    type = source.value_of("content-type", sent) or text(post.get("mimeType"))
    if (body := _data(post, given)) is not None:
        return source.body(body, type)
    fields, uploads = [], []
    for item in items(post.get("params")):
        name, value = text(item.get("name")), text(item.get("value"))
        if file := text(item.get("fileName")):
            data = _base64(value.partition(",")[2]) if value.startswith("data:") else value.encode() or None
            uploads.append(FilePart(field=name, name=file, type=text(item.get("contentType")), data=data))
        elif name:
            fields.append((name, value))
    if uploads or (fields and type.lower().startswith(source.MULTIPART)):
        return source.multipart(fields, uploads)
    if fields:
        return source.form(fields)
    size, length = request.get("bodySize"), source.value_of("content-length", sent)
    had = (isinstance(size, int) and size > 0) or length not in ("", "0")
    # Browsers write the size 0 for a body with files, too.
    forms = (source.MULTIPART,) if size == 0 else (source.FORM, source.MULTIPART)
    of_form = method not in ("GET", "HEAD") and type.lower().startswith(forms) and length != "0"
    return Payload(type=type, missing=True) if had or of_form else None


def _data(part: Mapping[str, Any], given: Input) -> bytes | None:
    """Returns the text of `postData` or `content`, decoded; None if it has none."""
    content = text(part.get("text"))
    if not content:
        return given.beside(file) if OWN_FILE.fullmatch(file := text(part.get("_file"))) else None
    return _base64(content) if "base64" in (part.get("encoding"), part.get("_encoding")) else content.encode()


def _base64(text: str) -> bytes | None:
    with suppress(ValueError):
        return base64.b64decode(text)
    return None


def _stepped(exchanges: Iterable[RecordedExchange], pages: Collection[str]) -> Iterator[RecordedExchange]:
    """Yields the exchanges with the title of their own document as step, where a page of the HAR has several.

    Playwright names a window by its last title, so a log-in would be `Logged out`.
    """
    exchanges = list(exchanges)
    opened = [exchange for exchange in exchanges if _opens(exchange)]
    several = {step for step, count in Counter(call.step for call in opened).items() if step in pages and count > 1}
    title = ""
    for exchange in exchanges:
        if exchange.step in several and _opens(exchange) and exchange.response is not None:
            title = " ".join(HtmlPage(exchange.response.text).title.split()) or path_of(exchange.url)
        yield replace(exchange, step=title or exchange.step) if exchange.step in several else exchange


def _opens(exchange: RecordedExchange) -> bool:
    return exchange.kind == "document" and source.value_of("sec-fetch-dest", exchange.headers) != "iframe"


def _folded(exchanges: Sequence[RecordedExchange]) -> Iterator[RecordedExchange]:
    """Yields each chain of redirects as one exchange."""
    chains: list[list[RecordedExchange]] = []
    waiting: dict[str, tuple[int, list[RecordedExchange]]] = {}  # by the address that a redirect names
    for place, exchange in enumerate(exchanges):
        before, chain = waiting.pop(exchange.url, (place, None))
        if chain is None or place > before + NEAR:
            chain = []
            chains.append(chain)
        chain.append(exchange)
        if exchange.status in REDIRECTS and (target := source.value_of("location", exchange.response_headers)):
            waiting[source.joined(exchange.url, target)] = place, chain
    for hops in chains:
        first, last = hops[0], hops[-1]
        yield replace(
            first,
            status=last.status,
            response_headers=last.response_headers,
            response=last.response,
            took_s=sum(exchange.took_s for exchange in hops),
            kind=last.kind,
            hops=tuple(hops[:-1]),
        )


# --- Bodies that a recording lacks: a HAR of Chromium has no body of a form with a file


def _rebuilt(exchange: RecordedExchange, earlier: Sequence[RecordedExchange], skipped: Skipped) -> RecordedExchange:
    """Returns the exchange with a body from the form of an earlier page, if its own is missing."""
    if exchange.body is None or not exchange.body.missing:
        return exchange
    target = exchange.url.partition("?")[0]
    for before in reversed(earlier):
        if before.kind != "document" or before.response is None:
            continue
        page = HtmlPage(before.response.text)
        for form in page.forms:
            if source.joined(before.url, form.action or before.url).partition("?")[0] == target:
                what = "bodies rebuilt from a form", "the recording lacks them; check their values"
                skipped.add(*what, f"{exchange.method} {target}")
                return replace(exchange, body=_filled(page, form))
    return exchange


def _filled(page: HtmlPage, form: Form) -> Payload:
    """Returns the body of a form as a browser would send it unchanged."""
    fields, uploads = [], []
    for element in page.elements:
        name, kind = element.attributes.get("name"), element.attributes.get("type", "").lower()
        if element.form is not form or element.tag not in ("input", "select", "textarea") or not name:
            continue
        if kind == "file":
            uploads.append(FilePart(field=name, name="sample.txt", type="text/plain"))
        elif kind not in NOT_SENT:
            fields.append((name, element.attributes.get("value", "")))
    return source.multipart(fields, uploads) if uploads else source.form(fields)
