"""Classifies values of requests, and names their variables."""

import re
from collections.abc import Sequence
from functools import lru_cache
from html import unescape
from itertools import pairwise
from typing import Literal
from urllib.parse import unquote

from toril.authoring.recorded import RecordedExchange, ValuePlace, path_of
from toril.authoring.routes import singular

LEAST, MOST = 4, 1 << 18  # characters of a value; ASP.NET's view state is long
COUNTED = 6  # digits; a number up to this length may be a count
LONGEST_ID = 64
LEAST_RANDOM = 16  # characters of a value that no other one equals by chance
LEAST_MIXED = 8

TOKEN = re.compile(r"(?i)token|nonce|[cx]srf")
TWO_CAPITALS = re.compile("[A-Z]{2}")
# A time with microseconds is no date, but the version of an object.
DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[T ](?!.*\.\d{6}).*)?|\d{1,2}[./]\d{1,2}[./]\d{2,4}|\w{3}, \d\d \w{3} \d{4} .*")
NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)+%?|-\d+")
SHORT_ID = re.compile(r"\d+|(?=.*\d.*\d)[\w.~:-]{3,}={0,2}", re.ASCII)  # not `oauth2`
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
INDEXED = re.compile(r"\[\d+\]")
SEGMENT = re.compile(r"[A-Za-z][A-Za-z_-]*")
IDENTIFYING = re.compile(r"ids?|[ug]uid|key|code|ref|reference|num(?:ber)?|n[or]|token|handle|version|revision")
GENERIC = re.compile(
    r"args|body|data|edges?|href|ids?|input|items?|key|name|nodes?|params|payload|query|response|results?|text|type"
    r"|[gu]uid|url|value|variables?"
)
CLIENT_MADE = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|1\d{9}(?:\d{3})?")  # UUIDs and times
OF_CLIENTS = re.compile(  # headers that are no part of an application
    r"(?i)accept.*|access-control.*|age|alt-svc|cache-control|connection|content-.*|date|dnt|expires|host"
    r"|if-(?:modified|none|range|unm).*|keep-alive|last-modified|origin|pragma|priority|referer|sec-.*|server.*|te"
    r"|timing-allow.*|transfer-encoding|upgrade.*|user-agent|vary|via|x-powered-by|x-requested-with"
)

Words = tuple[str, ...]  # in lower case


def variants(value: str) -> tuple[str, ...]:
    """Returns the value as it is, without percent-encoding, and without entities of HTML."""
    if "%" not in value and "&" not in value:
        return (value,)
    return tuple(dict.fromkeys((value, unquote(value), unescape(value))))


def kind_of(value: str) -> Literal["random", "mixed", "id", ""]:
    """Returns whether a value is long and random, shorter and mixed of letters and digits, or may be an id.

    Of an address, the parts count.

    >>> [kind_of(one) for one in ("aB3dE5gH7jK9mN1p", "3f9a1c2b", "8123", "a-blue-lamp", "/pay?s=9f8e7d6c5b4a3928")]
    ['random', 'mixed', 'id', '', 'random']
    >>> [kind_of(one) for one in ("qWhTBxoeLKsaPvJm", "XMLHttpRequest", "findUserByIdOrName")]
    ['random', '', '']
    """
    if value.startswith("/") or "://" in value:
        inside = value.partition("://")[2].partition("/")[2] if "://" in value else value  # without the host
        parts = re.split(r"[/?&=#;]", inside)
        return "random" if any(kind_of(unquote(part)) == "random" for part in parts) else ""
    if len(value) >= LEAST_MIXED and not re.search(r"\s", value):
        kinds = [("digit" if char.isdigit() else char.isupper()) for char in value if char.isalnum()]
        changes = sum(kind != following for kind, following in pairwise(kinds))
        letters = changes > len(value) // 3 and TWO_CAPITALS.search(value)  # no words, although without digits
        enough = letters or ("digit" in kinds and changes > max(1, len(value) // 8))
        if enough and len(set(value)) >= min(8, len(value) // 2):
            return "random" if len(value) >= LEAST_RANDOM else "mixed"
    return "id" if len(value) <= LONGEST_ID and SHORT_ID.fullmatch(value) else ""


def route_of(address: str) -> str:
    """Returns the path of an address without ids.

    >>> route_of("https://shop.example/orders/8123/pay?token=x")
    '/orders/{}/pay'
    """
    return "/".join("{}" if kind_of(part) else part for part in path_of(address).split("/"))


def may_be_carried(value: str, place: ValuePlace) -> bool:
    """Returns whether this value of a request may come out of a response."""
    if place.where == "cookie" or (place.where == "header" and OF_CLIENTS.fullmatch(place.path)):
        return False
    if place.where == "url" or "://" in value or value.startswith("/"):
        return len(value) <= MOST and kind_of(value) == "random"
    if is_token(place) and (place.where in ("form", "multipart") or value.isdigit()):
        return len(value) <= MOST
    if value.isdigit():
        last = place.path.rpartition(" ")[2]
        of_id = place.where == "path" or last.startswith("/") or _identifies(words_of(last))
        return place.where != "header" and (len(value) > 1 or of_id)
    words = not re.search(r"\d", value) and not kind_of(value)
    return LEAST <= len(value) <= MOST and not words and not any(pattern.fullmatch(value) for pattern in (DATE, NUMBER))


def is_token(place: ValuePlace) -> bool:
    """Returns whether a place has the name of a token of a session, which may look like a number."""
    return TOKEN.search(place.path) is not None


def is_short_number(value: str) -> bool:
    """Returns whether two places may have a number by chance."""
    return len(value) <= COUNTED and value.isdigit()


def doubtful(sources: Sequence[Words], uses: Sequence[Words]) -> bool:
    """Returns whether a short number may be a count, or the id of something else, because its keys differ."""
    if same_key(tuple(sources), tuple(uses)):
        return False
    if not all(any(map(_identifies, keys)) for keys in (sources, uses)) or not is_generic(sources[0]):
        return True
    return not any(all(map(is_generic, keys)) for keys in (sources, uses))


def _identifies(words: Words) -> bool:
    return bool(words) and IDENTIFYING.fullmatch(words[-1]) is not None


def names_a_member(words: Words) -> bool:
    """Returns whether a key may have the last segment of the address of what a request has made."""
    return _identifies(words) or words[-1:] in (("name",), ("path",), ("slug",))


def words_of(key: str) -> Words:
    """Returns the words of a key.

    >>> words_of("X-CSRFToken"), words_of("user[orderId]")
    (('csrf', 'token'), ('user', 'order', 'id'))
    """
    if key.lower() in ("etag", "if-match"):
        return ("etag",)
    words = tuple("id" if word.lower() == "pk" else word.lower() for word in WORD.findall(key))
    return words[1:] if words[:1] == ("x",) else words


def is_generic(words: Words) -> bool:
    return not words or (len(words) == 1 and GENERIC.fullmatch(words[0]) is not None)


@lru_cache(maxsize=1 << 14)
def same_key(some: tuple[Words, ...], others: tuple[Words, ...]) -> bool:
    """Returns whether both sides have the same key, or one the end of the other's, as in `createOrderId`."""
    for words in some:
        for other in others:
            short, long = sorted(("".join(words), "".join(other)), key=len)
            if not is_generic(words) and (short == long or (len(short) >= LEAST and long.endswith(short))):
                return True
    return False


def keys_of(place: ValuePlace, exchange: RecordedExchange) -> list[Words]:
    """Returns the key of a place. A key such as `id` is followed by one with the name of what it identifies.

    >>> made = RecordedExchange(number=1, method="POST", url="https://shop.example/api/orders")
    >>> keys_of(ValuePlace("response", "json", "$.id"), made), keys_of(ValuePlace("request", "path", "orders"), made)
    ([('id',), ('order', 'id')], [('order', 'id')])
    """
    last = place.path.rpartition(" ")[2]
    if place.where == "path" or last.startswith("/"):
        return [(*_singular(words_of(last)), "id")]
    if place.where == "html" and last.endswith("]"):
        return [words_of(last.partition("[")[2].removeprefix("name=").removeprefix("property="))]
    if place.where != "json":
        return [words_of(last.rpartition(".")[2] if place.where == "text" else last)]
    names = re.findall(r"\w[\w -]*", INDEXED.sub("", place.path).removeprefix("$"))
    own, holder = words_of(names[-1]) if names else (), words_of(names[-2]) if len(names) > 1 else ()
    if not is_generic(own) or INDEXED.search(place.path):
        return [own]
    if is_generic(holder) and place.side == "response":
        segments = [part for part in path_of(exchange.url).split("/") if SEGMENT.fullmatch(part)]
        holder = words_of(segments[-1]) if segments else ()
    return [own, (*_singular(holder), *own)] if holder else [own]


def _singular(words: Words) -> Words:
    return (*words[:-1], singular(words[-1])) if words else words


def variable_of(place: ValuePlace, *keys: Words) -> str:
    """Returns the name of a variable: the first specific key, else the last words of its place."""
    words = words_of(INDEXED.sub("", place.path))
    holders = tuple(word for word in words[:-1] if not is_generic((word,)))
    last = (*_singular(holders[-1:]), *words[-1:]) if _identifies(words) else words[-1:]
    for own in (*(key for key in keys if not is_generic(key)), last):
        name = "_".join(own)[:40].strip("_")
        if name[:1].isalpha() and name.isascii():
            return name
    return "value"


def changes_data(exchange: RecordedExchange) -> bool:
    """Returns whether a request changes data; of GraphQL a mutation does."""
    if exchange.method in ("GET", "HEAD", "OPTIONS"):
        return False
    text = exchange.body.text if exchange.body is not None else ""
    return "mutation" in text or not ('"query"' in text or '"persistedQuery"' in text)
