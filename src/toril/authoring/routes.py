"""Names requests by their routes, such as `GET /items/{id}`."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from itertools import chain, count
from urllib.parse import parse_qsl, unquote

from toril.authoring.recorded import UUID, Recorded, RecordedExchange, host_of, is_random, json_of
from toril.secrets.masking import hides
from toril.suite.engines import TIMINGS

VARIABLE = re.compile(r"\$\{(\w+)\}|\$\{__\w+\(\$\{(\w+)\}\)\}")  # also within a function
ID = re.compile(
    rf"(?:\$\{{\w+\}}|\$\{{__\w+\(\$\{{\w+\}}\)\}}|\d+|{UUID.pattern}|[0-9a-fA-F]{{12,}}"
    r"|(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9]{16,}"
    r"|(?=[\w.~=-]*\d)(?=[\w.~=-]*[a-z])(?=[\w.~=-]*[A-Z])[\w.~=-]{20,})(?P<suffix>(?:\.[a-z][a-z0-9]{0,4})?)"
)
OPERATION = re.compile(
    r"\s*(?:#[^\n]*\n\s*)*(?:(?:query|mutation|subscription)\b\s*(\w*)[^{]*)?\{\s*(?:\w+\s*:\s*)?(\w+)"
)
SELECTOR = re.compile(r"(?=.*[A-Za-z])(?![\w-]*\d[\w-]*\Z)[\w:/{}-]{2,60}")  # a word or a route, without spaces and ids
ACTION = re.compile("(?i)action|operation|op|cmd|command|method|task|do|intent")  # a field that says what a form does
MOST_SHOWN = 2  # parameters in a name
LONGEST = 120  # characters of a label


def named(recorded: Recorded) -> Recorded:
    """Returns the recording with a route and a name for each request. An author's name stays if it is of one route."""
    routes = [_route(exchange) for exchange in recorded.exchanges]
    of_routes = {(call.name, call.method, route) for call, route in zip(recorded.exchanges, routes, strict=True)}
    names = Counter(name for name, *_ in of_routes)
    hosts: dict[tuple[str, str], str] = {}  # the first one with the route
    for exchange, route in zip(recorded.exchanges, routes, strict=True):
        hosts.setdefault((exchange.method, route), host_of(exchange.url))

    def name(exchange: RecordedExchange, route: str) -> str:
        host = host_of(exchange.url)
        if exchange.name and names[exchange.name] == 1:
            label = exchange.name
        else:
            detail = _operation(exchange)
            elsewhere = host.partition("://")[2] if host != hosts[exchange.method, route] else ""
            label = f"{exchange.method} {elsewhere}{route}" + (f" ({detail})" if detail else "")
        label = " ".join(label.split())[:LONGEST]
        return f"{label} request" if label.endswith(TIMINGS) else label

    pairs = zip(recorded.exchanges, routes, strict=True)
    exchanges = [replace(exchange, name=name(exchange, route), route=route) for exchange, route in pairs]
    return replace(recorded, exchanges=tuple(_told_apart(exchanges) if recorded.kind == "har" else exchanges))


def _told_apart(exchanges: Sequence[RecordedExchange]) -> Iterator[RecordedExchange]:
    """Yields the exchanges with the words of a parameter in equal names, such as `GET /index.php?action=edit`."""
    parameters = [_words_of(exchange) for exchange in exchanges]
    alike: dict[str, list[dict[str, str]]] = {}
    for exchange, words in zip(exchanges, parameters, strict=True):
        alike.setdefault(exchange.name, []).append(words)
    for exchange, words in zip(exchanges, parameters, strict=True):
        others = alike[exchange.name]
        differing = {key: value for key, value in words.items() if any(other.get(key) != value for other in others)}
        shown = "&".join(f"{key}={value}" for key, value in [*differing.items()][:MOST_SHOWN])
        apart = shown and "?" not in exchange.name and "(" not in exchange.name
        yield replace(exchange, name=f"{exchange.name}?{shown}"[:LONGEST]) if apart else exchange


def _words_of(call: RecordedExchange) -> dict[str, str]:
    """Returns the parameters of the address whose values are words or routes, and the action of a form."""
    query = parse_qsl(call.url.partition("#")[0].partition("?")[2])
    pairs = [*query, *(field for field in (call.body.fields if call.body else ()) if ACTION.fullmatch(field[0]))]
    words = {
        name: template(value) if value.startswith("/") else value for name, value in pairs if not hides(name, value)
    }
    return {name: value for name, value in words.items() if SELECTOR.fullmatch(value)}


def template(path: str) -> str:
    """Returns a path with `{…}` instead of ids.

    >>> template("/users/17/orders/8123"), template("/items/8123.pdf"), template("/v1/items")
    ('/users/{user_id}/orders/{order_id}', '/items/{id}.pdf', '/v1/items')
    """
    segments = path.split(";")[0].split("/")
    parts = list(segments)
    ids = {index: whole for index, segment in enumerate(segments) if (whole := _id(segment))}
    for index, whole in ids.items():
        before = segments[index - 1] if index else ""
        name = f"{singular(before)}_id" if len(ids) > 1 and before and index - 1 not in ids else "id"
        parts[index] = f"{{{name}}}{whole.groupdict().get('suffix', '')}"
    return "/".join(VARIABLE.sub(lambda match: f"{{{match[1] or match[2]}}}", part) for part in parts) or "/"


def singular(noun: str) -> str:
    """Returns a name for one of many.

    >>> singular("items"), singular("entries"), singular("address"), singular("order-lines")
    ('item', 'entry', 'address', 'order_line')
    """
    plain = re.sub(r"\W+", "_", unquote(noun)).strip("_").lower() or "value"
    if plain.endswith("ies"):
        return f"{plain[:-3]}y"
    return plain[:-1] if plain.endswith("s") and not plain.endswith(("ss", "us", "is")) else plain


def free(base: str, taken: Collection[str]) -> str:
    """Returns a name that is not taken: the base, if needed with a number.

    >>> free("item_id", ["item_id", "item_id_2"])
    'item_id_3'
    """
    return next(name for name in chain([base], (f"{base}_{number}" for number in count(2))) if name not in taken)


def _id(segment: str) -> re.Match[str] | None:
    plain = unquote(segment)
    return ID.fullmatch(plain) or (re.match(r".*", plain) if is_random(plain) else None)


def _route(exchange: RecordedExchange) -> str:
    """Returns the source's own route, below the path of its server, or that of the address."""
    path = re.split("[?#;]", exchange.url.removeprefix(host_of(exchange.url)))[0] or "/"
    deeper = path.count("/") - exchange.route.count("/")
    if not exchange.route or deeper < 0:
        return template(path)
    return "/".join(path.split("/")[: deeper + 1]) + exchange.route


def keys_of_query(url: str) -> str:
    pairs = parse_qsl(url.partition("#")[0].partition("?")[2], keep_blank_values=True)
    return ", ".join(dict.fromkeys(name for name, _ in pairs))


def _operation(exchange: RecordedExchange) -> str:
    """Returns the name of a GraphQL operation: its own, its first field's, or that of a persisted query."""
    fields = dict(parse_qsl(exchange.url.partition("#")[0].partition("?")[2]))
    in_query = "query" in fields or "operationName" in fields
    document = fields if in_query else json_of(exchange.body) if exchange.body else None
    if isinstance(document, list):
        document = document[0] if document else None
    if not isinstance(document, dict):
        return ""
    query, name = document.get("query"), document.get("operationName")
    if "persistedQuery" not in str(document.get("extensions")) and not (isinstance(query, str) and "{" in query):
        return ""
    match = OPERATION.match(query) if isinstance(query, str) else None
    words = str(name) if name else (match[1] or match[2]) if match else ""
    return words if re.fullmatch(r"\w{1,60}", words) else ""
