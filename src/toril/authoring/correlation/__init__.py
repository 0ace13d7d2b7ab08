"""Finds values that come out of one response and go into a later request, offline and deterministically.

The first response with a value is its source, unless the client sent the value before. Names of products play no role.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, unquote

from toril.authoring.correlation.extractors import taken
from toril.authoring.correlation.fresh import Fresh, Typed, typed_in
from toril.authoring.correlation.pairs import by_turn, paired, unpaired
from toril.authoring.correlation.rules import (
    Hop,
    Rule,
    RuleReason,
    Usage,
    Values,
    carries,
    chains_of,
    find_rules,
    turns_of,
    value_at,
)
from toril.authoring.correlation.values import CLIENT_MADE, keys_of, route_of, variable_of, words_of
from toril.authoring.recorded import UUID, Extract, Recorded, RecordedExchange, ValuePlace
from toril.authoring.routes import free

REPLAY = "replay"  # origin of a recording that `--replay` made


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """A rule: one value that responses carry to later requests."""

    number: int  # in the list of rules, from 1
    extract: Extract
    source: int  # number of the exchange whose response has the value
    place: ValuePlace  # in that response
    uses: tuple[tuple[int, ValuePlace], ...]  # numbers of exchanges, and the places in their requests
    reasons: frozenset[RuleReason]
    applied: bool
    value: str = field(default="", repr=False)  # in the recording, decoded; a secret
    encoded: bool = False  # whether the extracted text is its percent-encoded form

    @property
    def masked(self) -> str:
        """The value, as people may see it."""
        return f"*** ({len(self.value)} characters)"

    def reference(self, place: ValuePlace) -> str:
        """Returns what a suite has instead of the value at this place of a request.

        An address takes percent-encoded text, every other place the value itself.
        """
        variable = f"${{{self.extract.variable}}}"
        if place.where in ("path", "query"):
            needed = not self.encoded and quote(self.value, safe="-._~!$'()*,:;=@") != self.value
            return f"${{__urlencode({variable})}}" if needed else variable
        return f"${{__urldecode({variable})}}" if self.encoded else variable


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlation:
    """What a recording carries from response to request."""

    rules: tuple[Carried, ...] = ()
    unpaired: tuple[str, ...] = ()  # requests that only one of two recordings has
    client_made: tuple[tuple[int, ValuePlace], ...] = ()  # values that the client itself makes anew each time
    typed: Typed = field(default_factory=Typed)
    redirects: tuple[int, ...] = ()  # exchanges whose redirects the suite follows itself: see `unfolded`


def correlated(
    recorded: Recorded,
    second: Recorded | None = None,
    *,
    forced: Collection[int] = (),
    dropped: Collection[int] = (),
) -> Correlation:
    """Returns the rules of a recording; `second` is another observation of the same journey.

    `forced` and `dropped` are numbers of rules to apply or drop in spite of their reasons. Where a rule needs a
    response that only redirects have, the suite follows these itself. That may add rules at the end of the list.
    """
    opened: set[int] = set()
    numbers: dict[tuple[object, ...], int] = {}
    pairs = paired(recorded, second) if second is not None else []
    while True:
        turns = turns_of(recorded, opened)
        others = by_turn(turns, pairs)
        kept = {}
        for rule in find_rules(turns, others, replay=second is not None and second.origin == REPLAY):
            key = rule.value, turns[rule.source.turn].exchange.number, rule.source.place
            kept[numbers.setdefault(key, len(numbers) + 1)] = rule
        applied = {
            number
            for number, rule in kept.items()
            if number not in dropped and (number in forced or carries(rule.reasons))
        }
        needed = {turn.chain for number in applied if not (turn := turns[kept[number].source.turn]).seen}
        if not needed:
            break
        opened |= needed
    names = _variables(kept, applied, turns)
    rules = (_carried(number, rule, names[number], turns, number in applied) for number, rule in sorted(kept.items()))
    return Correlation(
        rules=tuple(rules),
        unpaired=unpaired(recorded, second, pairs) if second is not None else (),
        client_made=tuple(_made_by_clients(turns, others)) if second is not None else (),
        typed=_with_ids(typed_in(turns, others, {*names.values()}), turns, others, names.values())
        if recorded.kind == "har"
        else Typed(),
        redirects=tuple(sorted(opened)),
    )


def unfolded(recorded: Recorded, correlation: Correlation) -> Recorded:
    """Returns the recording with one exchange for each request of the chains that the suite follows itself."""
    chains = zip(recorded.exchanges, chains_of(recorded), strict=True)
    exchanges = (chain if exchange.number in correlation.redirects else (exchange,) for exchange, chain in chains)
    return replace(recorded, exchanges=tuple(exchange for chain in exchanges for exchange in chain))


def explained(recorded: Recorded, correlation: Correlation) -> Iterator[dict[str, Any]]:
    """Yields each rule as plain data for people, without its value."""
    label = {
        call.number: call.name or f"{call.method} {call.route or route_of(call.url).replace('{}', '{id}') or '/'}"
        for call in unfolded(recorded, correlation).exchanges
    }
    for rule in correlation.rules:
        yield {
            "rule": rule.number,
            "applied": rule.applied,
            "variable": rule.extract.variable,
            "value": rule.masked,
            "source": f"{rule.source} {label[rule.source]} → {_shown(rule.place)}",
            "extract": rule.extract.expression,
            "uses": [f"{number} {label[number]} → {_shown(place)}" for number, place in rule.uses],
            "why": [reason.value for reason in RuleReason if reason in rule.reasons],
        }


def _shown(place: ValuePlace) -> str:
    return place.path if place.where in ("json", "html") else f"{place.where} {place.path}".strip()


def _carried(number: int, rule: Rule, variable: str, turns: list[Hop], applied: bool) -> Carried:
    exchange = turns[rule.source.turn].exchange
    return Carried(
        number=number,
        extract=replace(rule.extract, variable=variable),
        source=turns[rule.source.turn].number,
        place=rule.source.place,
        uses=tuple((turns[use.turn].number, use.place) for use in rule.uses),
        reasons=frozenset(rule.reasons),
        applied=applied,
        value=rule.value,
        encoded=(text := taken(rule.extract, exchange)) != rule.value and unquote(text or "") == rule.value,
    )


def _variables(rules: Mapping[int, Rule], applied: Collection[int], turns: list[Hop]) -> dict[int, str]:
    """Returns the variable of each rule.

    A later source takes a name over if the old value is not used any more, as after the refresh of a token.
    """
    names: dict[int, str] = {}
    of_extractor: dict[tuple[int, str], str] = {}
    used_until: dict[str, int] = {}  # index of the last turn that uses the variable
    for number, rule in sorted(rules.items(), key=lambda item: (item[0] not in applied, item[1].source, item[0])):
        sources = keys_of(rule.source.place, turns[rule.source.turn].exchange)
        uses = keys_of(rule.uses[0].place, turns[rule.uses[0].turn].exchange)
        in_use = [name for name, until in used_until.items() if until > rule.source.turn]
        name = free(variable_of(rule.source.place, *sources, *uses), in_use)
        name = of_extractor.setdefault((rule.source.turn, rule.extract.expression), name)
        used_until[name] = max(used_until.get(name, -1), rule.uses[-1].turn)
        names[number] = name
    return names


def _with_ids(typed: Typed, turns: list[Hop], others: Mapping[int, RecordedExchange], taken: Iterable[str]) -> Typed:
    """Adds UUIDs that differ between the recordings, and that several requests have: those of devices and sessions."""
    values = Values(turns)
    uses: dict[str, list[Usage]] = {}
    for use in values.uses:
        if UUID.fullmatch(use.value):
            uses.setdefault(use.value, []).append(use)
    for value, (first, *later) in uses.items():
        other = value_at(first, turns[first.turn].exchange, others[first.turn]) if first.turn in others else None
        if not later or other in (None, value) or any(values.sources_of(use) for use in (first, *later)):
            continue
        number, key = turns[first.turn].number, first.place.path.rpartition(".")[2]
        names = {*taken, *(made.variable for made in typed.fresh)}
        variable = free(f"new_{variable_of(first.place, words_of(key))}", names)
        made = Fresh(variable=variable, function="${__UUID()}", number=number, key=key, pattern=re.compile(value))
        places = {(turns[use.turn].number, use.place) for use in (first, *later)}
        typed = replace(typed, fresh=(*typed.fresh, made), places=typed.places | places)
    return typed


def _made_by_clients(turns: list[Hop], others: Mapping[int, RecordedExchange]) -> Iterator[tuple[int, ValuePlace]]:
    """Yields UUIDs and times that differ between the recordings, and that one request alone has."""
    values = Values(turns)
    times = Counter(use.value for use in values.uses)
    for use in values.uses:
        if times[use.value] == 1 and CLIENT_MADE.fullmatch(use.value) and use.turn in others:
            other = value_at(use, turns[use.turn].exchange, others[use.turn])
            if other not in (None, use.value) and not values.sources_of(use):
                yield turns[use.turn].number, use.place
