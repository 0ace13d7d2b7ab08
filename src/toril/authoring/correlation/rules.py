"""Finds the source of each value of a request, and rates each by the confidence that the value has to be carried.

A browser sends in parallel: a response is earlier than a request only if it had ended by then.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
    doubt_of,
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

APPLIED_FROM = 0.5  # confidence
LISTED_FROM = 0.25
OF_THE_DEPLOYMENT = 0.45  # at most, for a value that is the same in both recordings
POINTS = {"random": 0.4, "mixed": 0.2, "id": 0.1}
DOUBT = -0.5  # points against a short number, which another recording can dispel
MARGIN_S = 0.001  # of the times in a recording
LATE_S = 0.25  # the same for a random value: a script continues before the browser has measured the end of a response
KEPT_METHODS = (307, 308)  # redirects that keep method and body
MOST_PLACES = 10  # of a value in a response
MOST_SOURCES = 40  # of a value; the first ones and the last ones
MOST_OF_A_NUMBER = 100  # places of a short number in all responses; more are counts
MOST_OF_ALL = 500  # the same with places whose key a request has, too
LARGE_SCRIPT = 64 << 10  # bytes; libraries hold no values of a session


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One request with its response, which may be a part of a chain of redirects."""

    exchange: RecordedExchange
    number: int  # of the request in the suite
    chain: int  # number of the recorded exchange
    changes: bool  # whether the first request of the chain changes data
    sent: bool  # by the suite; the client itself follows redirects
    seen: bool  # its response, by the suite


class Source(NamedTuple):
    turn: int
    place: ValuePlace


class Use(NamedTuple):
    turn: int
    place: ValuePlace
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A value with its source and its uses."""

    value: str
    source: Source
    extract: Extract
    uses: list[Use] = field(default_factory=list)
    confidence: float = 0.0
    why: tuple[str, ...] = ()  # the terms of the confidence


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
        headers=tuple(one for one in last.headers if one[0].lower() not in of_body),
        body=last.body if keeps else None,
        started_s=None if last.started_s is None else last.started_s + last.took_s,
        took_s=max(0.0, exchange.took_s - sum(one.took_s for one in exchange.hops)),
        name="",
        route="",
        hops=(),
        extracts=exchange.extracts,
    )
    first, *others = exchange.hops
    named = replace(first, name=exchange.name, route=exchange.route, step=exchange.step, headers=exchange.headers)
    return (named, *(replace(one, step=exchange.step) for one in others), final)


def chains_of(recorded: Recorded) -> list[tuple[RecordedExchange, ...]]:
    """Returns the requests of each exchange; the last one of a chain gets a number that no other request has."""
    taken = {one.number for exchange in recorded.exchanges for one in (exchange, *exchange.hops)}
    found: list[tuple[RecordedExchange, ...]] = []
    for exchange in recorded.exchanges:
        *hops, last = chain_of(exchange)
        if hops:
            last = replace(last, number=next(one for one in count(last.number) if one not in taken))
            taken.add(last.number)
        found.append((*hops, last))
    return found


def turns_of(recorded: Recorded, opened: Collection[int]) -> list[Turn]:
    """Returns all requests in their order; chains in `opened` are sent request by request."""
    return [
        Turn(
            exchange=one,
            number=one.number if exchange.number in opened else exchange.number,
            chain=exchange.number,
            changes=changes_data(exchange),
            sent=exchange.number in opened or place == 0,
            seen=exchange.number in opened or place == len(exchange.hops),
        )
        for exchange, chain in zip(recorded.exchanges, chains_of(recorded), strict=True)
        for place, one in enumerate(chain)
    ]


Keys = tuple[Words, ...]  # of a place


class Values:
    """The values of all requests, and where responses have them."""

    def __init__(self, turns: Sequence[Turn], others: Mapping[int, RecordedExchange] = MappingProxyType({})) -> None:
        self.turns = turns
        self.others = others
        self.uses: list[Use] = []
        self._keys: dict[tuple[int, ValuePlace], Keys] = {}
        self._alike: dict[tuple[str, Keys], set[int]] = {}
        self._terms: dict[tuple[Source, str, Keys], tuple[tuple[float, str], ...]] = {}
        self._sent: defaultdict[str, defaultdict[Keys, set[int]]] = defaultdict(lambda: defaultdict(set))
        self._sources: defaultdict[str, list[Source]] = defaultdict(list)
        made: set[tuple[str, str]] = set()  # addresses of requests that change data, and names in their responses
        self._members: set[str] = set()  # such names in addresses: /notes/a after POST /notes
        for number, turn in enumerate(turns):
            address = f"{host_of(turn.exchange.url)}{unquote(path_of(turn.exchange.url)).rstrip('/')}"
            for place, value in given_by_client(turn.exchange) if turn.sent else ():
                if value and place.path.lower() != "referer":
                    use = Use(number, place, value)
                    self._sent[value][self.keys(use)].add(number)
                    holder = f"{address}/".partition(f"/{value}/")[0] if place.where == "path" else ""
                    if (holder, value) in made and not is_short_number(value):
                        self._members.add(value)
                    carried = may_be_carried(value, place) or (value in self._members and place.where != "header")
                    if carried or (is_short_number(value) and self.differs(use)):
                        self.uses.append(use)
            if turn.changes:
                given = (one for one in _given(number, turn.exchange) if one[0].place.where == "json")
                made |= {(address, value) for source, value in given if names_a_member(self.keys(source)[0])}
        wanted = {one for use in self.uses for one in variants(use.value)}
        self._reread = set(_reread(turns))
        self._count: Counter[tuple[str, int]] = Counter()  # places of a value in the response of a turn
        for number, turn in enumerate(turns):
            for source, value in _given(number, turn.exchange):
                for one in wanted.intersection(variants(value)):
                    self._count[one, number] += 1
                    short, known = is_short_number(one), self._sources[one]
                    enough = self._count[one, number] > MOST_PLACES or (short and len(known) >= MOST_OF_A_NUMBER)
                    if not enough or (short and len(known) < MOST_OF_ALL and self._has_key(source, one)):
                        self._sources[one].append(source)

    def _has_key(self, source: Source, value: str) -> bool:
        """Returns whether a request sends the value for the same reason."""
        keys = self.keys(source)
        return any(same_key(keys, own) for own in self._sent[value])

    def differs(self, use: Use) -> bool:
        """Returns whether another recording has another value at this place."""
        later = self.others.get(use.turn)
        sent = None if later is None else value_at(use, self.turns[use.turn].exchange, later)
        return sent not in (None, use.value)

    def sources_of(self, use: Use) -> list[Source]:
        """Returns the places of earlier responses with the value; none if the client has sent it before the first.

        A response that repeats a value of its own request is no source.
        """
        found = dict.fromkeys(
            source
            for one in variants(use.value)
            for source in self._sources.get(one, ())
            if self._is_before(source, use)
        )
        if not found:
            return []
        sent = self._sent_alike(use.value, self.keys(use))
        keys = self.keys(use)
        first = [one.turn for one in found if _may_be_the_same(use.value, self.keys(one), keys)]
        first = first or [one.turn for one in found]
        if min(sent, default=use.turn) <= min(first):
            return []
        given = [one for one in found if one.turn not in sent]
        return given if len(given) <= MOST_SOURCES else given[: MOST_SOURCES // 2] + given[-MOST_SOURCES // 2 :]

    def _is_before(self, source: Source, use: Use) -> bool:
        earlier, later = self.turns[source.turn].exchange, self.turns[use.turn].exchange
        if earlier.started_s is None or later.started_s is None:
            return source.turn < use.turn
        margin_s = LATE_S if kind_of(use.value) == "random" else MARGIN_S
        return source.turn < use.turn and earlier.started_s + earlier.took_s <= later.started_s + margin_s

    def keys(self, one: Source | Use) -> Keys:
        known = one.turn, one.place
        if known not in self._keys:
            self._keys[known] = tuple(keys_of(one.place, self.turns[one.turn].exchange))
        return self._keys[known]

    def _sent_alike(self, value: str, keys: Keys) -> set[int]:
        """Returns the turns that send a value for the same reason; a short number needs the same key."""
        if (value, keys) not in self._alike:
            groups = self._sent[value].items()
            same = (turns for own, turns in groups if _may_be_the_same(value, own, keys))
            self._alike[value, keys] = set().union(*same)
        return self._alike[value, keys]

    def terms(self, source: Source, use: Use) -> tuple[tuple[float, str], ...]:
        """Returns the terms of the confidence, apart from the number of uses."""
        known = source, use.value, self.keys(use)
        if known not in self._terms:
            self._terms[known] = tuple(self._terms_of(source, use))
        return self._terms[known]

    def _terms_of(self, source: Source, use: Use) -> Iterator[tuple[float, str]]:
        turn, keys, of_use = self.turns[source.turn], self.keys(source), self.keys(use)
        same = same_key(keys, of_use) or (turn.changes and use.value in self._members and names_a_member(keys[0]))
        if is_short_number(use.value) and not same and (doubt := doubt_of(keys, of_use)):
            yield doubt
        if kind := kind_of(use.value):
            yield POINTS[kind], kind
        if is_token(source.place) or is_token(use.place):
            yield 0.1, "named as a token"
        if same:
            yield 0.25, "same key at both ends"
        if source.place.where in ("location", "set-cookie"):
            yield 0.2, "in a redirect" if source.place.where == "location" else "in a cookie"
        elif source.place.where == "html" and (
            source.place.path.endswith("]") or "form[action] ?" in source.place.path
        ):
            yield 0.2, "in a form or meta element"
        earlier = (one for one in self._sources[use.value] if one.turn < source.turn)
        others = (one for one in earlier if self.turns[one.turn].chain != turn.chain)
        known = any(_may_be_the_same(use.value, self.keys(one), of_use) for one in others)
        if (turn.changes or source.turn in self._reread) and not known:
            yield 0.3, f"made by a request that changes data{'' if turn.changes else ' at this address'}"
        if self._count[use.value, source.turn] == 1:
            yield 0.1, "only match in the response"
        if INDEXED.search(source.place.path):
            yield -0.15, "one of a list"


def _may_be_the_same(value: str, some: Keys, others: Keys) -> bool:
    return not is_short_number(value) or same_key(some, others)


def _reread(turns: Sequence[Turn]) -> Iterator[int]:
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
    return takewhile(lambda found: found[0].side == "request", places_of(exchange))


def _given(number: int, exchange: RecordedExchange) -> Iterator[tuple[Source, str]]:
    large = exchange.kind == "script" and exchange.response is not None and len(exchange.response.data) > LARGE_SCRIPT
    if exchange.kind in ("stylesheet", "image", "font", "media") or large:
        return
    for place, value in places_of(exchange):
        if place.side == "response" and not (place.where == "header" and OF_CLIENTS.fullmatch(place.path)):
            yield Source(number, place), value


def find_rules(turns: Sequence[Turn], others: Mapping[int, RecordedExchange], *, replay: bool) -> list[Rule]:
    """Returns the rules in the order of their sources; `others` has the same requests of another recording."""
    values = Values(turns, others)
    in_address: dict[tuple[int, str], Rule] = {}  # by turn and value
    found: dict[tuple[str, Source], Rule] = {}
    covered: defaultdict[tuple[int, str, str], list[str]] = defaultdict(list)  # values at a place of a turn
    for use in values.uses:
        parts_of_address = [("", "url")] if use.place.where in ("path", "query") else []
        holders = [(use.place.path, use.place.where), *parts_of_address]
        if any(
            use.value in one for path, where in holders for one in covered[use.turn, where, path] if one != use.value
        ):
            continue
        of_address = in_address.get((use.turn, use.value))
        if of_address and use.place.where in ("json", "form", "multipart") and all(map(is_generic, values.keys(use))):
            of_address.uses.append(use)  # such as the `id` in what is written to /posts/7
            continue
        best = _best(values, use, [source for value, source in found if value == use.value], replay=replay)
        if best is None:
            continue
        source, extract, confidence = best
        rule = found.setdefault((use.value, source), Rule(value=use.value, source=source, extract=extract))
        rule.uses.append(use)
        if confidence >= APPLIED_FROM:
            covered[use.turn, use.place.where, use.place.path].append(use.value)
            if use.place.where in ("path", "query"):
                in_address[use.turn, use.value] = rule
    rules = [_judged(rule, values, others, replay=replay) for rule in found.values()]
    return sorted(
        (one for one in rules if one.confidence >= LISTED_FROM), key=lambda one: (one.source, one.uses[0], one.value)
    )


def _best(values: Values, use: Use, known: Collection[Source], *, replay: bool) -> tuple[Source, Extract, float] | None:
    """Returns the surest source with an extractor, of equal ones a known or else the latest one; redirects come last.

    The source of a short number has to fit in both recordings, if they have both ends.
    """
    scored = [
        (round(sum(points for points, _ in values.terms(one, use)), 2), one in known, one.turn, -order, one)
        for order, one in enumerate(values.sources_of(use))
    ]
    scored.sort(key=lambda one: one[:4], reverse=True)
    short = not replay and is_short_number(use.value)
    misfits = ("contradicts", None) if short and values.differs(use) else ("contradicts",) if short else ()
    seen = [one for one in scored if values.turns[one[4].turn].seen and one[0] >= APPLIED_FROM]
    for confidence, *_, source in (*seen, *scored):
        extract = extract_of(source.place, use.value, values.turns[source.turn].exchange)
        if extract is None:
            continue
        rule = Rule(value=use.value, source=source, extract=extract)
        if _compared(rule, use, values.turns, values.others, replay=replay) not in misfits:
            return source, extract, confidence
    return None


def _judged(rule: Rule, values: Values, others: Mapping[int, RecordedExchange], *, replay: bool) -> Rule:
    """Returns the rule with its confidence: by its first use, the number of uses, and another recording."""
    terms = list(values.terms(rule.source, rule.uses[0]))
    requests = len({one.turn for one in rule.uses})
    terms += [(0.1, "used twice")] * (requests > 1) + [(0.05, "used again")] * (requests > 2)
    verdicts = {_compared(rule, use, values.turns, others, replay=replay) for use in rule.uses} - {None}
    at_most = 1.0
    if "differs" in verdicts and "contradicts" not in verdicts:
        terms = [one for one in terms if one[0] > DOUBT]
        terms.append((0.4, "differs in both recordings, and fits in both"))
    elif "contradicts" in verdicts:
        terms.append((-0.4, "does not fit in the second recording"))
    elif verdicts and not values.turns[rule.source.turn].changes and not any(is_token(one.place) for one in rule.uses):
        terms.append((0.0, "equal in both recordings, so of the deployment"))
        at_most = OF_THE_DEPLOYMENT
    confidence = round(min(at_most, max(0.0, sum(points for points, _ in terms))), 2)
    return replace(rule, confidence=confidence, why=tuple(f"{text} {points:+.2f}" for points, text in terms))


def _compared(
    rule: Rule, use: Use, turns: Sequence[Turn], others: Mapping[int, RecordedExchange], *, replay: bool
) -> str | None:
    source, later = others.get(rule.source.turn), others.get(use.turn)
    if source is None or later is None or source.status != turns[rule.source.turn].exchange.status:
        return None
    found = taken(rule.extract, source)
    sent = value_at(use, turns[use.turn].exchange, later)
    if sent is None:
        return None
    if found is None:
        return "contradicts"
    if unquoted(found, use.value):
        return "equal" if sent == use.value else "contradicts"
    return "differs" if unquoted(found, sent) or (replay and sent == use.value) else "contradicts"


def value_at(use: Use, exchange: RecordedExchange, other: RecordedExchange) -> str | None:
    """Returns the value that another recording of the request has at the same place."""
    values, others = (
        [value for place, value in given_by_client(one) if place == use.place] for one in (exchange, other)
    )
    if len(values) != len(others):
        return None
    return others[values.index(use.value)]
