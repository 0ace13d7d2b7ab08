"""Finds the source of each value of a request, with the reasons to carry it.

A browser sends in parallel: a response is earlier than a request only if it had ended by then.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import count, takewhile
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import unquote, urldefrag, urljoin

from toril.authoring.correlation.extractors import extract_of, taken, unquoted
from toril.authoring.correlation.values import (
    INDEXED,
    OF_CLIENTS,
    Words,
    changes_data,
    doubtful,
    is_generic,
    is_short_number,
    is_token,
    keys_of,
    kind_of,
    may_be_carried,
    names_a_member,
    same_key,
    variants,
)
from toril.authoring.recorded import (
    Extract,
    Recorded,
    RecordedExchange,
    ValuePlace,
    host_of,
    path_of,
    places_of,
)

MARGIN_S = 0.001  # of the times in a recording
LATE_S = 0.25  # the same for a random value: a script continues before the browser has measured the end of a response
KEPT_METHODS = (307, 308)  # redirects that keep method and body
MOST_PLACES = 10  # of a value in a response
MOST_SOURCES = 500  # of a value
LARGE_SCRIPT = 64 << 10  # bytes; libraries hold no values of a session


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One request with its response, which may be a part of a chain of redirects."""

    exchange: RecordedExchange
    number: int  # of the request in the suite
    chain: int  # number of the recorded exchange
    changes: bool  # whether the first request of the chain changes data
    sent: bool  # by the suite; the client itself follows redirects
    seen: bool  # its response, by the suite


class RuleReason(StrEnum):
    """What speaks for or against carrying a value."""

    RANDOM = "random"  # 16 characters or more
    MIXED = "mixed"  # letters and digits, 8 characters or more
    ID = "id"
    SAME_KEY = "same key at both ends"
    TOKEN = "named as a token"  # noqa: S105 - a word for people
    STATE = "in a form, a meta element, a redirect or a cookie"
    MADE = "made by a request that changes data"
    ALONE = "only match in the response"
    LISTED = "one of a list"
    DIFFERS = "differs in both recordings, and fits in both"
    EQUAL = "equal in both recordings, so of the deployment"
    CONTRADICTS = "does not fit in the second recording"


SPEAKING = frozenset(RuleReason) - {RuleReason.ID, RuleReason.ALONE, RuleReason.LISTED, RuleReason.EQUAL}


class Origin(NamedTuple):
    turn: int
    place: ValuePlace


class Usage(NamedTuple):
    turn: int
    place: ValuePlace
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A value with its source and its uses."""

    value: str
    source: Origin
    extract: Extract
    uses: list[Usage] = field(default_factory=list)
    reasons: set[RuleReason] = field(default_factory=set)


def chain_of(exchange: RecordedExchange) -> tuple[RecordedExchange, ...]:
    """Returns each request of a chain of redirects with its own response."""
    if not exchange.hops:
        return (exchange,)
    last = exchange.hops[-1]
    location = next((value for name, value in last.response_headers if name.lower() == "location"), "")
    try:
        url = urldefrag(urljoin(last.url, location)).url
    except ValueError:  # not an address
        url = location
    keeps = last.status in KEPT_METHODS or last.method == "HEAD"
    of_body = () if keeps else ("content-type", "content-length", "origin")
    final = replace(
        exchange,
        number=last.number + 1,
        method=last.method if keeps else "GET",
        url=url,
        headers=tuple(header for header in last.headers if header[0].lower() not in of_body),
        body=last.body if keeps else None,
        started_s=None if last.started_s is None else last.started_s + last.took_s,
        took_s=max(0.0, exchange.took_s - sum(hop.took_s for hop in exchange.hops)),
        name="",
        route="",
        hops=(),
    )
    first, *others = exchange.hops
    named = replace(first, name=exchange.name, route=exchange.route, step=exchange.step, headers=exchange.headers)
    return (named, *(replace(hop, step=exchange.step) for hop in others), final)


def chains_of(recorded: Recorded) -> list[tuple[RecordedExchange, ...]]:
    """Returns the requests of each exchange; the last one of a chain gets a number that no other request has."""
    taken = {hop.number for exchange in recorded.exchanges for hop in (exchange, *exchange.hops)}
    chains: list[tuple[RecordedExchange, ...]] = []
    for exchange in recorded.exchanges:
        *hops, last = chain_of(exchange)
        if hops:
            last = replace(last, number=next(number for number in count(last.number) if number not in taken))
            taken.add(last.number)
        chains.append((*hops, last))
    return chains


def turns_of(recorded: Recorded, opened: Collection[int]) -> list[Hop]:
    """Returns all requests in their order; chains in `opened` are sent request by request."""
    return [
        Hop(
            exchange=hop,
            number=hop.number if exchange.number in opened else exchange.number,
            chain=exchange.number,
            changes=changes_data(exchange),
            sent=exchange.number in opened or place == 0,
            seen=exchange.number in opened or place == len(exchange.hops),
        )
        for exchange, chain in zip(recorded.exchanges, chains_of(recorded), strict=True)
        for place, hop in enumerate(chain)
    ]


Keys = tuple[Words, ...]  # of a place


class Values:
    """The values of all requests, and where responses have them."""

    def __init__(self, turns: Sequence[Hop], others: Mapping[int, RecordedExchange] = MappingProxyType({})) -> None:
        self.turns = turns
        self.others = others
        self.uses: list[Usage] = []
        self._keys: dict[tuple[int, ValuePlace], Keys] = {}
        self._sent: defaultdict[str, defaultdict[Keys, set[int]]] = defaultdict(lambda: defaultdict(set))
        self._sources: defaultdict[str, list[Origin]] = defaultdict(list)
        made: set[tuple[str, str]] = set()  # addresses of requests that change data, and names in their responses
        self._members: set[str] = set()  # such names in addresses: /notes/a after POST /notes
        for number, turn in enumerate(turns):
            address = f"{host_of(turn.exchange.url)}{unquote(path_of(turn.exchange.url)).rstrip('/')}"
            for place, value in given_by_client(turn.exchange) if turn.sent else ():
                if value and place.path.lower() != "referer":
                    use = Usage(number, place, value)
                    self._sent[value][self.keys(use)].add(number)
                    holder = f"{address}/".partition(f"/{value}/")[0] if place.where == "path" else ""
                    if (holder, value) in made and not is_short_number(value):
                        self._members.add(value)
                    carried = may_be_carried(value, place) or (value in self._members and place.where != "header")
                    if carried or (is_short_number(value) and self.differs(use)):
                        self.uses.append(use)
            if turn.changes:
                made |= {
                    (address, value)
                    for source, value in _given(number, turn.exchange)
                    if source.place.where == "json" and names_a_member(self.keys(source)[0])
                }
        wanted = {variant for use in self.uses for variant in variants(use.value)}
        differing = {use.value for use in self.uses if is_short_number(use.value) and self.differs(use)}
        self._reread = set(_reread(turns))
        self._count: Counter[tuple[str, int]] = Counter()  # places of a value in the response of a turn
        for number, turn in enumerate(turns):
            for source, text in _given(number, turn.exchange):
                for value in wanted.intersection(variants(text)):
                    self._count[value, number] += 1
                    fits = not is_short_number(value) or value in differing or self._has_key(source, value)
                    if fits and self._count[value, number] <= MOST_PLACES and len(self._sources[value]) < MOST_SOURCES:
                        self._sources[value].append(source)

    def _has_key(self, source: Origin, value: str) -> bool:
        """Returns whether a request may send a number for the same reason."""
        return any(not doubtful(self.keys(source), own) for own in self._sent[value])

    def differs(self, use: Usage) -> bool:
        """Returns whether another recording has another value at this place."""
        later = self.others.get(use.turn)
        sent = None if later is None else value_at(use, self.turns[use.turn].exchange, later)
        return sent not in (None, use.value)

    def sources_of(self, use: Usage) -> list[Origin]:
        """Returns the places of earlier responses with the value; none if the client has sent it before the first.

        A response that repeats a value of its own request is no source.
        """
        sources = dict.fromkeys(
            source
            for variant in variants(use.value)
            for source in self._sources[variant]
            if self._is_before(source, use)
        )
        if not sources:
            return []
        keys = self.keys(use)
        sent_by_key = (turns for own, turns in self._sent[use.value].items() if _may_be_the_same(use.value, own, keys))
        sent = set().union(*sent_by_key)
        alike = [source.turn for source in sources if _may_be_the_same(use.value, self.keys(source), keys)]
        first = min(alike or [source.turn for source in sources])
        return [] if min(sent, default=use.turn) <= first else [source for source in sources if source.turn not in sent]

    def _is_before(self, source: Origin, use: Usage) -> bool:
        earlier, later = self.turns[source.turn].exchange, self.turns[use.turn].exchange
        if earlier.started_s is None or later.started_s is None:
            return source.turn < use.turn
        margin_s = LATE_S if kind_of(use.value) == "random" else MARGIN_S
        return source.turn < use.turn and earlier.started_s + earlier.took_s <= later.started_s + margin_s

    def keys(self, end: Origin | Usage) -> Keys:
        known = end.turn, end.place
        if known not in self._keys:
            self._keys[known] = tuple(keys_of(end.place, self.turns[end.turn].exchange))
        return self._keys[known]

    def is_doubtful(self, source: Origin, use: Usage) -> bool:
        """Returns whether both ends may have a short number by chance."""
        return is_short_number(use.value) and doubtful(self.keys(source), self.keys(use))

    def reasons(self, source: Origin, use: Usage) -> Iterator[RuleReason]:
        """Yields what speaks for and against a source of a value."""
        turn, keys, of_use = self.turns[source.turn], self.keys(source), self.keys(use)
        if kind := kind_of(use.value):
            yield RuleReason(kind)
        if same_key(keys, of_use) or (turn.changes and use.value in self._members and names_a_member(keys[0])):
            yield RuleReason.SAME_KEY
        if is_token(source.place) or is_token(use.place):
            yield RuleReason.TOKEN
        of_form = source.place.path.endswith("]") or "form[action] ?" in source.place.path
        if source.place.where in ("location", "set-cookie") or (source.place.where == "html" and of_form):
            yield RuleReason.STATE
        earlier = (other for other in self._sources[use.value] if other.turn < source.turn)
        elsewhere = (other for other in earlier if self.turns[other.turn].chain != turn.chain)
        known = any(_may_be_the_same(use.value, self.keys(other), of_use) for other in elsewhere)
        if (turn.changes or source.turn in self._reread) and not known:
            yield RuleReason.MADE
        if self._count[use.value, source.turn] == 1:
            yield RuleReason.ALONE
        if INDEXED.search(source.place.path):
            yield RuleReason.LISTED


def carries(reasons: Collection[RuleReason]) -> bool:
    """Returns whether a suite has to carry a value."""
    if RuleReason.DIFFERS in reasons or RuleReason.EQUAL in reasons:
        return RuleReason.DIFFERS in reasons
    positive = sum(reason in reasons for reason in (RuleReason.SAME_KEY, RuleReason.STATE, RuleReason.TOKEN))
    more = positive - (RuleReason.LISTED in reasons)
    made = RuleReason.MADE in reasons
    if RuleReason.RANDOM in reasons:
        return made or more >= 0
    if RuleReason.MIXED in reasons:
        return made or more >= 1
    return more >= 2 or (made and more >= (0 if RuleReason.ID in reasons else 1))


def _may_be_the_same(value: str, some: Keys, others: Keys) -> bool:
    return not is_short_number(value) or same_key(some, others)


def _reread(turns: Sequence[Hop]) -> Iterator[int]:
    """Yields the turns that read an address at or below which an earlier request has changed data."""
    changed: set[str] = set()
    for number, turn in enumerate(turns):
        url = turn.exchange.url
        of_graphql = "?query=" in url or "extensions=" in url  # which has one address for everything
        read = turn.exchange.method == "GET" and not of_graphql
        if read and f"{host_of(url)}{path_of(url)}" in changed:
            yield number
        if turn.changes:
            parts = path_of(url).split("/")
            changed |= {host_of(url) + "/".join(parts[:length]) for length in range(2, len(parts) + 1)}


def given_by_client(exchange: RecordedExchange) -> Iterator[tuple[ValuePlace, str]]:
    return takewhile(lambda pair: pair[0].side == "request", places_of(exchange))


def _given(number: int, exchange: RecordedExchange) -> Iterator[tuple[Origin, str]]:
    large = exchange.kind == "script" and exchange.response is not None and len(exchange.response.data) > LARGE_SCRIPT
    if exchange.kind in ("stylesheet", "image", "font", "media") or large:
        return
    for place, value in places_of(exchange):
        if place.side == "response" and not (place.where == "header" and OF_CLIENTS.fullmatch(place.path)):
            yield Origin(number, place), value


def find_rules(turns: Sequence[Hop], others: Mapping[int, RecordedExchange], *, replay: bool) -> list[Rule]:
    """Returns the rules in the order of their sources; `others` has the same requests of another recording."""
    values = Values(turns, others)
    in_address: dict[tuple[int, str], Rule] = {}  # by turn and value
    rules: dict[tuple[str, Origin], Rule] = {}
    covered: defaultdict[tuple[int, str, str], list[str]] = defaultdict(list)  # values at a place of a turn
    for use in values.uses:
        in_url = use.place.where in ("path", "query")
        holders = [(use.place.where, use.place.path), *([("url", "")] if in_url else [])]
        longer = (value for holder in holders for value in covered[use.turn, *holder])
        if any(use.value in value and use.value != value for value in longer):
            continue
        of_address = in_address.get((use.turn, use.value))
        if of_address and use.place.where in ("json", "form", "multipart") and all(map(is_generic, values.keys(use))):
            of_address.uses.append(use)  # such as the `id` in what is written to /posts/7
            continue
        best = _best(values, use, [source for value, source in rules if value == use.value], replay=replay)
        if best is None:
            continue
        source, extract, reasons = best
        rule = rules.setdefault((use.value, source), Rule(value=use.value, source=source, extract=extract))
        rule.uses.append(use)
        rule.reasons.update(reasons)
        if carries(reasons):
            covered[use.turn, use.place.where, use.place.path].append(use.value)
            if in_url:
                in_address[use.turn, use.value] = rule
    return sorted(
        (rule for rule in rules.values() if rule.reasons & SPEAKING),
        key=lambda rule: (rule.source, rule.uses[0], rule.value),
    )


def _best(
    values: Values, use: Usage, known: Collection[Origin], *, replay: bool
) -> tuple[Origin, Extract, set[RuleReason]] | None:
    """Returns the source with most reasons that has an extractor, of equal ones a known or else the latest one.

    Redirects come last. A source fits in both recordings; that of a doubtful number shows it.
    """
    reasons = {source: {*values.reasons(source, use)} for source in values.sources_of(use)}

    def rank(source: Origin) -> tuple[bool, bool, int, bool, int]:
        against = RuleReason.LISTED in reasons[source]
        sure, seen = not values.is_doubtful(source, use), values.turns[source.turn].seen and carries(reasons[source])
        return sure, seen, len(reasons[source]) - 2 * against, source in known, source.turn

    changing = not replay and is_short_number(use.value) and values.differs(use)
    for source in sorted(reasons, key=rank, reverse=True):
        extract = extract_of(source.place, use.value, values.turns[source.turn].exchange)
        if extract is None:
            continue
        fit = _compared(extract, source, use, values, replay=replay)
        shown = fit is RuleReason.DIFFERS
        if fit is RuleReason.CONTRADICTS or (not shown and (changing or values.is_doubtful(source, use))):
            continue
        of_session = values.turns[source.turn].changes or is_token(use.place)
        return source, extract, reasons[source] | ({fit} if fit and (shown or not of_session) else set())
    return None


def _compared(extract: Extract, source: Origin, use: Usage, values: Values, *, replay: bool) -> RuleReason | None:
    """Returns what another recording shows of a source; None if it lacks one of the ends."""
    other, later = values.others.get(source.turn), values.others.get(use.turn)
    if other is None or later is None or other.status != values.turns[source.turn].exchange.status:
        return None
    given, sent = taken(extract, other), value_at(use, values.turns[use.turn].exchange, later)
    if sent is None:
        return None
    if given is not None and unquoted(given, use.value):
        return RuleReason.EQUAL if sent == use.value else RuleReason.CONTRADICTS
    fits = given is not None and (unquoted(given, sent) or (replay and sent == use.value))
    return RuleReason.DIFFERS if fits else RuleReason.CONTRADICTS


def value_at(use: Usage, exchange: RecordedExchange, other: RecordedExchange) -> str | None:
    """Returns the value that another recording of the request has at the same place."""
    values, others = (
        [value for place, value in given_by_client(side) if place == use.place] for side in (exchange, other)
    )
    return others[values.index(use.value)] if len(values) == len(others) else None
