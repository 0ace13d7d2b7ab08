"""Makes the extractor of a value from its place, and runs extractors on responses."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from urllib.parse import quote, unquote

from toril.authoring.pages import HtmlPage, attribute_of
from toril.authoring.recorded import Extract, RecordedExchange, ValuePlace, leaves

LEAST_LETTERS, MOST_CONTEXT = 3, 40  # before a value in a text
MOST_POSITIONS = 20  # of a value in a text
ENTITY = re.compile(r"&\w{2,6};")
PLAIN = re.compile(r"\\([ #&~-])")  # what `re.escape` escapes without need
ENDS = "\"'<>&/?#;,\\)}]| "
OF_A_SESSION = re.compile(r"\d\d|(?=[a-zA-Z]*\d)\w{12,}")  # must not be part of a pattern


def extract_of(place: ValuePlace, value: str, exchange: RecordedExchange) -> Extract | None:
    """Returns an extractor of the value, or of its percent-encoded form; None if no one finds it in this response."""
    return next((way for way in _possible(place, value, exchange) if unquoted(taken(way, exchange), value)), None)


def unquoted(text: str | None, value: str) -> bool:
    """Returns whether an extracted text is this value, or its percent-encoded form."""
    return text is not None and value in (text, unquote(text))


def taken(extract: Extract, exchange: RecordedExchange) -> str | None:
    """Returns what an extractor takes out of a response, as Apiritif does; None if it finds nothing."""
    text = exchange.response.text if exchange.response is not None else ""
    if extract.how == "jsonpath":
        return _leaves(text).get(extract.expression)
    if extract.how == "css":
        return _page(text).first(extract.expression)
    if extract.subject == "headers":
        text = _headers(exchange)
    match = re.search(extract.expression, text)
    return match[1] if match else None


def _headers(exchange: RecordedExchange) -> str:
    return "\n".join(f"{name}: {value}" for name, value in exchange.response_headers)


@lru_cache(maxsize=16)
def _leaves(text: str) -> Mapping[str, str]:
    try:
        return dict(leaves(json.loads(text)))
    except (ValueError, RecursionError):
        return {}


_page = lru_cache(maxsize=16)(HtmlPage)


def _possible(place: ValuePlace, value: str, exchange: RecordedExchange) -> Iterator[Extract]:
    """Yields extractors without a variable, the best one first."""
    own = re.split(r"[ .=\[]", place.path.rstrip('"]'))[-1].strip('/?#;"')  # the last key, or the segment before
    name = _escaped(own)
    if place.where == "json" and "\\" not in place.path and place.path.count("'") % 2 == 0:
        yield Extract(variable="", how="jsonpath", expression=place.path)
    elif place.where == "html" and place.path.endswith("]") and _is_unique(place.path, exchange):
        yield Extract(variable="", how="css", expression=place.path, attribute=attribute_of(place.path))
    elif place.where == "set-cookie":
        yield _of_headers(rf'\s{_escaped(place.path)}="?([^;"\s]+)')
    elif place.where == "header":
        header = _escaped(place.path.partition(" ")[0])
        yield _of_headers(rf"(?i){header}: (?:[a-z]+ )?(\S+)")
        yield _of_headers(rf"(?i){header}: (.+)")
        for raw in dict.fromkeys((value, quote(value, safe=""))):
            yield from map(_of_headers, _around(_headers(exchange), raw, ""))
    elif place.where == "location" and place.path.startswith("/"):
        if own:
            yield _of_headers(rf"(?i)location: \S*/{name}/([^/?#;\s]+)")
        yield _of_headers(r"(?i)location: \S*/([^/?#;\s]+)")
    elif place.where == "location":
        yield _of_headers(rf"(?i)location: \S*[?&#;]{name}=([^&#\s]+)")
    if exchange.response is not None and place.where not in ("set-cookie", "header", "location"):
        for near in dict.fromkeys((own, "")):
            for raw in dict.fromkeys((value, quote(value, safe=""))):
                for pattern in _around(exchange.response.text, raw, near):
                    yield Extract(variable="", how="regexp", expression=pattern)


def _is_unique(selector: str, exchange: RecordedExchange) -> bool:
    """Returns whether all elements of a selector have one value: of several, JMeter takes any."""
    page = _page(exchange.response.text if exchange.response is not None else "")
    return len({value for own, value in page.values() if own == selector}) == 1


def _of_headers(pattern: str) -> Extract:
    return Extract(variable="", how="regexp", subject="headers", expression=pattern)


def _escaped(text: str) -> str:
    return PLAIN.sub(r"\1", re.escape(text))


def _around(text: str, raw: str, near: str) -> Iterator[str]:
    """Yields patterns with the text before a value, which contains `near`, the shortest first.

    None has numbers, which change. The last one counts how often that text occurs before, as in several equal forms.
    Its atomic group keeps it linear in a response with fewer of these texts.
    """
    at, counted = text.find(raw), ""
    for _ in range(MOST_POSITIONS):
        if at < 0:
            break
        line = text[max(0, at - MOST_CONTEXT) : at].rpartition("\n")[2]
        end = text[at + len(raw) : at + len(raw) + 1]
        group = rf"([^{_escaped(end)}\s]+)" if end and end in ENDS else r"([\w.~+/=%-]+)"
        for start in range(len(line) - LEAST_LETTERS, -1, -1):
            context = line[start:]
            if OF_A_SESSION.search(context):
                break
            letters = sum(map(str.isalpha, ENTITY.sub("", context)))
            if letters >= LEAST_LETTERS and near in context and not (start and line[start].isalnum()):
                escaped = _escaped(context)
                yield escaped + group
                counted = counted or rf"(?s)\A(?>.*?{escaped}){{{text.count(context, 0, at)}}}{group}"
        at = text.find(raw, at + 1)
    if counted:
        yield counted
