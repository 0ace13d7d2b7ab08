"""Aligns two recordings of the same journey."""

import re
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher

from toril.authoring.correlation.rules import Turn, chain_of
from toril.authoring.correlation.values import SEGMENT
from toril.authoring.recorded import Recorded, RecordedExchange, path_of


def paired(turns: Sequence[Turn], first: Recorded, second: Recorded) -> Mapping[int, RecordedExchange]:
    """Returns the exchange of the second recording for the index of each turn of the first one."""
    at: dict[int, int] = {}  # number of an exchange → index of its first turn
    for index, turn in enumerate(turns):
        at.setdefault(turn.chain, index)
    found: dict[int, RecordedExchange] = {}
    for one, other in _pairs(first, second):
        if len(one.hops) == len(other.hops):
            found |= dict(enumerate(chain_of(other), at[one.number]))
    return found


def unpaired(first: Recorded, second: Recorded) -> tuple[str, ...]:
    """Returns the requests that only one of the recordings has."""
    pairs = _pairs(first, second)
    numbers = {one.number for one, _ in pairs}, {other.number for _, other in pairs}
    return tuple(
        f"{' '.join(_key(one)[:3])} ({which} recording)".replace("  ", " ")
        for recorded, known, which in zip((first, second), numbers, ("first", "second"), strict=True)
        for one in recorded.exchanges
        if one.number not in known
    )


def _pairs(first: Recorded, second: Recorded) -> list[tuple[RecordedExchange, RecordedExchange]]:
    keys = [[_key(one) for one in recorded.exchanges] for recorded in (first, second)]
    blocks = SequenceMatcher(a=keys[0], b=keys[1], autojunk=False).get_matching_blocks()
    return [
        (first.exchanges[block.a + offset], second.exchanges[block.b + offset])
        for block in blocks
        for offset in range(block.size)
    ]


def _key(exchange: RecordedExchange) -> tuple[str, ...]:
    """Returns what is the same in each recording: method, host, and the words of the path."""
    path = path_of(exchange.url)
    host = exchange.url.partition(path)[0] if path else exchange.url
    path = "/".join(one if not one or SEGMENT.fullmatch(one) else "{}" for one in path.split("/"))
    operation = re.search(r'"operationName"\s*:\s*"(\w+)"', exchange.body.text) if exchange.body is not None else None
    return exchange.method, host, exchange.route or path, operation[1] if operation else ""
