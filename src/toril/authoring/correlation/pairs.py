"""Aligns two recordings of the same journey."""

import re
from collections.abc import Callable, Mapping, Sequence
from difflib import SequenceMatcher
from urllib.parse import parse_qsl

from toril.authoring.correlation.rules import Hop, chain_of
from toril.authoring.correlation.values import route_of
from toril.authoring.recorded import Payload, Recorded, RecordedExchange, path_of

DIGIT = re.compile(r"\d")


Pairs = Sequence[tuple[RecordedExchange, RecordedExchange]]


def by_turn(turns: Sequence[Hop], pairs: Pairs) -> Mapping[int, RecordedExchange]:
    """Returns the exchange of the second recording for the index of each turn of the first one."""
    at: dict[int, int] = {}  # number of an exchange → index of its first turn
    for index, turn in enumerate(turns):
        at.setdefault(turn.chain, index)
    others: dict[int, RecordedExchange] = {}
    for exchange, other in pairs:
        if len(exchange.hops) == len(other.hops):
            others |= dict(enumerate(chain_of(other), at[exchange.number]))
    return others


def unpaired(first: Recorded, second: Recorded, pairs: Pairs) -> tuple[str, ...]:
    """Returns the requests that only one of the recordings has."""
    numbers = {exchange.number for exchange, _ in pairs}, {other.number for _, other in pairs}
    return tuple(
        f"{' '.join(_path_key(exchange)[:3])} ({which} recording)".replace("  ", " ")
        for recorded, known, which in zip((first, second), numbers, ("first", "second"), strict=True)
        for exchange in recorded.exchanges
        if exchange.number not in known
    )


def paired(first: Recorded, second: Recorded) -> list[tuple[RecordedExchange, RecordedExchange]]:
    """Returns equal requests in order: by the words of their parameters, too, and between these by the path alone."""
    own, others = first.exchanges, second.exchanges
    joined = []
    begin, begin_other = 0, 0
    for at, at_other in [*_matches(own, others, _key), (len(own), len(others))]:
        gap, gap_other = own[begin:at], others[begin_other:at_other]
        joined += [(gap[place], gap_other[other]) for place, other in _matches(gap, gap_other, _path_key)]
        joined += [(own[at], others[at_other])] if at < len(own) else []
        begin, begin_other = at + 1, at_other + 1
    return joined


def _matches(
    first: Sequence[RecordedExchange], second: Sequence[RecordedExchange], key: Callable[[RecordedExchange], object]
) -> list[tuple[int, int]]:
    matcher = SequenceMatcher(a=[*map(key, first)], b=[*map(key, second)], autojunk=False)
    return [(at + n, at_other + n) for at, at_other, size in matcher.get_matching_blocks() for n in range(size)]


def _path_key(exchange: RecordedExchange) -> tuple[str, ...]:
    """Returns what is the same in each recording: method, host, and the words of the path."""
    path = path_of(exchange.url)
    host = exchange.url.partition(path)[0] if path else exchange.url
    path = "/".join("{}" if DIGIT.search(part) else part for part in path.split("/"))
    operation = re.search(r'"operationName"\s*:\s*"(\w+)"', exchange.body.text) if exchange.body is not None else None
    return exchange.method, host, exchange.route or path, operation[1] if operation else ""


def _key(exchange: RecordedExchange) -> tuple[str, ...]:
    query = parse_qsl(exchange.url.partition("?")[2])
    values = [*query, *(exchange.body or Payload()).fields]
    words = (f"{name}={route_of(value) if value.startswith('/') else value}" for name, value in values)
    return (*_path_key(exchange), *(word for word in words if "=/" in word or not DIGIT.search(word)))
