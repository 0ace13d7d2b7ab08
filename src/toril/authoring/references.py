"""Puts references to variables in the place of values: those that rules carry, and whatever a caller changes."""

import json
import re
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any
from urllib.parse import quote, unquote, unquote_plus

from toril.authoring.correlation import Carried, Correlation
from toril.authoring.recorded import UUID, Payload, RecordedExchange, ValuePlace, host_of, json_of, member

ANYWHERE = 12  # characters of a value that is replaced as a part of words; a shorter one has to stand alone
MOST_ON_ONE_LINE = 80  # characters of JSON
REFERENCES = re.compile(r"\$\{(?:[^{}]|\$\{[^{}]*\})*\}")
NAME = re.compile(r"\$\{(\w+)\}")
FUNCTIONS = (  # that toril itself writes
    r"__(?:UUID\(\)|RandomString\(\d+,[a-z0-9]+\)|time\(\)|Random\(0,1000\)|url(?:en|de)code\(\$\{\w+\}\))"
)
WORD = re.compile("[A-Za-z][A-Za-z_-]*")  # a segment that names the place of the next one, as in `places_of`
EPOCH_MS = re.compile(r"1[5-9]\d{11}|2\d{12}")
MARK = "\0"  # around a reference that stands for a number of JSON


def foreign(names: Collection[str]) -> re.Pattern[str]:
    """Returns the pattern of the beginning of a reference to none of these names (patterns).

    A source may have such a text by chance or on purpose. An engine would evaluate it.
    """
    return re.compile(rf"\$\{{(?!(?:{'|'.join([*names, FUNCTIONS])})\}})")


Change = Callable[[ValuePlace, str], str]


def changed(call: RecordedExchange, change: Change) -> RecordedExchange:
    """Returns the exchange with other values in its request; `change` gets and returns decoded texts."""

    def at(where: str, path: str, text: str) -> str:
        return change(ValuePlace("request", where, path), text)

    host = host_of(call.url)
    path, mark, query = call.url.removeprefix(host).partition("#")[0].partition("?")
    raw_segments = path.split("/")
    befores = ["", *(part if WORD.fullmatch(part) else "" for part in raw_segments)]
    segments = [
        _encoded(raw, unquote(raw), at("path", before, unquote(raw)))
        for raw, before in zip(raw_segments, befores, strict=False)
    ]
    pairs = []
    for pair in query.split("&"):
        name, equals, raw = pair.partition("=") if "=" in pair else ("", "", pair)
        value = unquote_plus(raw)
        pairs.append(name + equals + _encoded(raw, value, at("query", unquote_plus(name), value)))
    headers = tuple(
        (name, value if name.lower() == "cookie" else at("header", name, value)) for name, value in call.headers
    )
    url = f"{host}{'/'.join(segments)}{mark}{'&'.join(pairs)}"
    return replace(call, url=url, headers=headers, body=None if call.body is None else _changed_body(call.body, at))


def leaves_of(exchange: RecordedExchange) -> list[tuple[ValuePlace, str]]:
    """Returns the values that `changed` changes, with their places."""
    leaves: list[tuple[ValuePlace, str]] = []

    def note(place: ValuePlace, text: str) -> str:
        leaves.append((place, text))
        return text

    changed(exchange, note)
    return leaves


def names_of(exchange: RecordedExchange) -> str:
    """Returns what `changed` leaves as it is, apart from the host: the names of values, and types."""
    exchange = changed(exchange, lambda place, text: "")
    body = exchange.body or Payload()
    uploads = [(file.field, file.type) for file in body.uploads]
    text = body.text if body.text.encode() == body.data else ""  # binary, which no engine evaluates
    return f"{exchange.url.removeprefix(host_of(exchange.url))} {body.type} {body.fields} {uploads} {text}"


def _encoded(raw: str, before: str, after: str) -> str:
    """Returns a text for an address, with references as they are."""
    return raw if before == after else outside(after, partial(quote, safe="", errors="replace"))


def outside(text: str, change: Callable[[str], str]) -> str:
    """Returns a text whose parts outside of references are changed."""
    parts = zip(REFERENCES.split(text), [*REFERENCES.findall(text), ""], strict=True)
    return "".join(change(part) + reference for part, reference in parts)


def _changed_body(body: Payload, at: Callable[[str, str, str], str]) -> Payload:
    if body.fields:
        where = "multipart" if body.type.startswith("multipart/") else "form"
        return replace(body, data=b"", fields=tuple((name, at(where, name, value)) for name, value in body.fields))
    if not body.data:
        return body
    document = json_of(body)
    if document is not None:
        new = _changed_json(document, "$", lambda path, text: at("json", path, text))
        return body if new == document else replace(body, data=_json_text(new).encode("utf-8", "backslashreplace"))
    try:
        text = body.data.decode()
    except UnicodeError:
        return body
    return replace(body, data=at("text", "", text).encode("utf-8", "replace"))


def _changed_json(value: Any, path: str, change: Callable[[str, str], str]) -> Any:
    if isinstance(value, dict):
        return {key: _changed_json(item, member(path, key), change) for key, item in value.items()}
    if isinstance(value, list):
        return [_changed_json(item, f"{path}[{index}]", change) for index, item in enumerate(value)]
    if isinstance(value, str):
        return change(path, value)
    if value is None or isinstance(value, bool):
        return value
    text = json.dumps(value)
    return value if (new := change(path, text)) == text else f"{MARK}{new}{MARK}"


def _json_text(document: Any) -> str:
    """Returns JSON, over several lines if it is long."""
    mark = json.dumps(MARK)[1:-1]
    for indent in (None, 2):
        text = json.dumps(document, ensure_ascii=False, indent=indent)
        text = re.sub(rf'"{re.escape(mark)}(.*?){re.escape(mark)}"', r"\1", text)
        if len(text) <= MOST_ON_ONE_LINE:
            break
    return text


def carried(
    exchange: RecordedExchange,
    correlation: Correlation,
    shown: Callable[[Carried, ValuePlace], str] = Carried.reference,
) -> RecordedExchange:
    """Returns the exchange with references for the values that rules carry, or that the client itself makes."""
    applied = (rule for rule in correlation.rules if rule.applied)
    uses = [(place, rule) for rule in applied for number, place in rule.uses if number == exchange.number]
    uses.sort(key=lambda use: -len(use[1].value))
    typed = correlation.typed
    made = {place for number, place in correlation.client_made if number == exchange.number}
    if whole := next((rule for place, rule in uses if place.where == "url"), None):
        exchange = replace(exchange, url=shown(whole, ValuePlace("request", "url", "")))

    def change(place: ValuePlace, text: str) -> str:
        own = [place.path in (use.path, use.path.rpartition(" ")[0]) for use, _ in uses]
        for same, (use, rule) in sorted(zip(own, uses, strict=True), key=lambda piece: not piece[0]):  # of equal values
            same = same or place.where in ("path", "text") or len(rule.value) >= ANYWHERE
            if same and (use.where == place.where or (use.where == "xml" and place.where == "text")):
                text = put(text, rule.value, partial(shown, rule, place))
        if place in made:
            return "${__UUID()}" if UUID.fullmatch(text) else "${__time()}" if EPOCH_MS.fullmatch(text) else text
        return outside(text, typed.put) if (exchange.number, place) in typed.places else text

    name, route = exchange.name, exchange.route
    for segment in (rf"/{re.escape(rule.value)}(?![^/?\s])" for place, rule in uses if place.where == "path"):
        name, route = (re.sub(segment, "/{id}", text) for text in (name, route))
    step, name, route = (typed.put(text, before="") for text in (exchange.step, name, route))
    return replace(changed(exchange, change), step=step, name=name, route=route)


def put(text: str, value: str, reference: Callable[[], str]) -> str:
    """Returns the text with a reference instead of a value; a short value has to stand alone."""
    if value not in text:
        return text
    return outside(text, lambda part: pattern_of(value).sub(lambda _: reference(), part))


@lru_cache(maxsize=1 << 12)
def pattern_of(value: str) -> re.Pattern[str]:
    alone = ("", "") if len(value) >= ANYWHERE else ("(?<![A-Za-z0-9])", "(?![A-Za-z0-9])")
    return re.compile(re.escape(value).join(alone))
