"""Makes the extractor of a value from its place, and runs extractors on responses."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from urllib.parse import quote, unquote

from toril.authoring.pages import Page, attribute_of
from toril.authoring.recorded import Extract, RecordedExchange, ValuePlace, leaves

LEAST_LETTERS, MOST_CONTEXT = 3, 40  # before a value in a text
MOST_POSITIONS = 20  # of a value in a text
PLAIN = re.compile(r"\\([ #&~-])")  # what `re.escape` escapes without need
ENDS = "\"'<>&/?#;,\\)}]| "
OF_A_SESSION = re.compile(r"\d\d|(?=[a-zA-Z]*\d)\w{12,}")  # must not be part of a pattern


def extract_of(place: ValuePlace, value: str, exchange: RecordedExchange) -> Extract | None:
    """Returns an extractor of the value, or of its percent-encoded form; None if no one finds it in this response."""
    return next((one for one in _possible(place, value, exchange) if unquoted(taken(one, exchange), value)), None)


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
        text = "\n".join(f"{name}: {value}" for name, value in exchange.response_headers)
    found = re.search(extract.expression, text)
    return found[1] if found else None


@lru_cache(maxsize=16)
def _leaves(text: str) -> Mapping[str, str]:
    try:
        return dict(leaves(json.loads(text)))
    except (ValueError, RecursionError):
        return {}


_page = lru_cache(maxsize=16)(Page)


def _possible(place: ValuePlace, value: str, exchange: RecordedExchange) -> Iterator[Extract]:
    """Yields extractors without a variable, the best one first."""
    name = re.escape(place.path[1:])
    if place.where == "json" and "\\" not in place.path and place.path.count("'") % 2 == 0:
        yield Extract(variable="", how="jsonpath", expression=place.path)
    elif place.where == "html" and place.path.endswith("]"):
        attribute = attribute_of(place.path)
        yield Extract(variable="", how="css", expression=place.path, attribute=attribute)
    elif place.where == "set-cookie":
        yield _of_headers(rf"\s{re.escape(place.path)}=\"?([^;\"\s]+)")
    elif place.where == "header":
        yield _of_headers(rf"(?i){re.escape(place.path)}: (?:[a-z]+ )?(\S+)")
        yield _of_headers(rf"(?i){re.escape(place.path)}: (.+)")
    elif place.where == "location" and place.path.startswith("/"):
        if place.path != "/":
            yield _of_headers(rf"(?i)location: \S*/{name}/([^/?#;\s]+)")
        yield _of_headers(r"(?i)location: \S*/([^/?#;\s]+)")
    elif place.where == "location":
        yield _of_headers(rf"(?i)location: \S*[?&#;]{name}=([^&#\s]+)")
    if exchange.response is not None and place.where not in ("set-cookie", "header", "location"):
        text = exchange.response.text
        for raw in dict.fromkeys((value, quote(value, safe=""))):
            for pattern in _around(text, raw):
                yield Extract(variable="", how="regexp", expression=pattern)


def _of_headers(pattern: str) -> Extract:
    return Extract(variable="", how="regexp", subject="headers", expression=pattern)


def _around(text: str, raw: str) -> Iterator[str]:
    """Yields patterns with the text before a value, the shortest first; none with numbers, which change.

    At last it counts how often that text occurs before, as in one of several equal forms.
    """
    at, counted = text.find(raw), ""
    for _ in range(MOST_POSITIONS):
        if at < 0:
            break
        line = text[max(0, at - MOST_CONTEXT) : at].rpartition("\n")[2]
        end = text[at + len(raw) : at + len(raw) + 1]
        group = rf"([^{re.escape(end)}\s]+)" if end and end in ENDS else r"([\w.~+/=%-]+)"
        for start in range(len(line) - LEAST_LETTERS, -1, -1):
            context = line[start:]
            if OF_A_SESSION.search(context):
                break
            if (start == 0 or not line[start].isalnum()) and sum(map(str.isalpha, context)) >= LEAST_LETTERS:
                escaped = PLAIN.sub(r"\1", re.escape(context))
                yield escaped + group
                times = text.count(context, 0, at) - 1  # without the value's own
                counted = counted or rf"(?s)(?:{escaped}.*?){{{times}}}{escaped}{group}"
        at = text.find(raw, at + 1)
    if counted:
        yield counted
