"""Finds the values that a person typed, and those that have to be new for each user and iteration.

A typed value is in a request that changes data, and in no response before the first request with it. A page may repeat
a name out of its own address. If two recordings have different words at its place, the service may accept each value
once. These words become variables wherever requests have them.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from toril.authoring.correlation.rules import Hop, given_by_client
from toril.authoring.correlation.values import CLIENT_MADE, DATE, is_token, kind_of, variable_of, words_of
from toril.authoring.recorded import RecordedExchange, ValuePlace
from toril.authoring.routes import free
from toril.secrets.masking import hides, names_a_password

WORD = re.compile(r"[^\W_]+")
LETTERS = re.compile(r"\b[^\W\d_]{3,}\b")
TIME = re.compile(r"\d:\d\d")
LONGEST = 2_000  # characters of a typed value
LEAST_DIGITS, LEAST_LETTERS = 10, 12  # of a word that no other user has by chance
LEAST_ALONE = 4  # characters of a word that is searched where the second recording has no request
LETTERS_AND_DIGITS = "abcdefghijklmnopqrstuvwxyz0123456789"
NAMING = re.compile(
    "name|title|slug|label|subject|mail|email|sku|text|content|summary|description|comment|message|body"
)
DIGEST = re.compile(r"(?i)sha-?\d|md5|digest|hash|checksum|integrity|challenge|verifier|state$")
BODIES = ("form", "multipart", "json")
PLACES = ("path", "query", *BODIES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fresh:
    """A word of typed values that each user makes anew in each iteration."""

    variable: str
    function: str  # of Taurus, which makes it
    number: int  # of the first exchange that sends it
    key: str  # the name of its field
    pattern: re.Pattern[str] = field(repr=False)  # of the recorded word; a script may change its capitals


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What a person typed."""

    fresh: tuple[Fresh, ...] = ()
    places: frozenset[tuple[int, ValuePlace]] = frozenset()  # of exchanges, with such words
    repeated: tuple[tuple[int, str], ...] = ()  # exchange and field of values that each user sends as recorded

    def put(self, text: str, before: str = "$") -> str:
        """Returns a text with references to the variables; for people `before` is empty."""
        for fresh in self.fresh:
            text = fresh.pattern.sub(f"{before}{{{fresh.variable}}}", text)
        return text


def typed_in(turns: Sequence[Hop], others: Mapping[int, RecordedExchange], taken: Collection[str]) -> Typed:
    """Returns the typed values; `others` has the same requests of another recording, `taken` the names in use."""
    fresh: dict[str, Fresh] = {}
    second: dict[str, str] = {}  # word → the same in the other recording
    repeated: dict[tuple[int, str], None] = {}
    first = _first_sent(turns)
    for index, place, value in _typed(turns, first):
        number, key = turns[index].number, place.path.rpartition(".")[2]
        again = given_by_client(others[index]) if index in others else ()
        other = next((own for at, own in again if at == place), None)
        for word, another in _pairs(value, other or value):
            if word.lower() not in fresh and not _is_given(word, turns[: first.get(word, index)]):
                names = {*taken, *(made.variable for made in fresh.values())}
                second[word.lower()] = another.lower()
                fresh[word.lower()] = Fresh(
                    variable=free(f"new_{variable_of(place, words_of(key))}", names),
                    function=_function(word, another, value),
                    number=number,
                    key=key,
                    pattern=re.compile(rf"(?<![^\W_]){re.escape(word)}(?![^\W_])", re.IGNORECASE),
                )
        named = " " in value or any(NAMING.fullmatch(word) for word in words_of(key))
        if named and not any(word.lower() in fresh for word in WORD.findall(value)):
            repeated[number, key] = None
    places = {
        (turn.number, place)
        for index, turn in enumerate(turns if fresh else ())
        for place, value in (given_by_client(turn.exchange) if turn.sent else ())
        for word in {word.lower() for word in WORD.findall(value)} & fresh.keys()
        if _differs(word, second[word], place, others.get(index))
    }
    return Typed(fresh=tuple(fresh.values()), places=frozenset(places), repeated=tuple(repeated))


def _typed(turns: Sequence[Hop], first: Mapping[str, int]) -> Iterator[tuple[int, ValuePlace, str]]:
    """Yields the values of fields that no response has before a request: no log-ins, tokens, dates and digests."""
    for index, turn in enumerate(turns):
        fields = [pair for pair in given_by_client(turn.exchange) if pair[0].where in BODIES] if turn.sent else []
        if not turn.changes or any(names_a_password(place.path) for place, _ in fields):
            continue
        for place, value in fields:
            if is_token(place) or hides(place.path.rpartition(".")[2], value) or DIGEST.search(place.path):
                continue
            computed = CLIENT_MADE.fullmatch(value) or (kind_of(value) == "random" and not LETTERS.search(value))
            plain = value.strip() and len(value) <= LONGEST and not DATE.fullmatch(value)
            if plain and not computed and not _is_given(value, turns[: first.get(value, index)]):
                yield index, place, value


def _first_sent(turns: Sequence[Hop]) -> dict[str, int]:
    """Returns the first turn that sends each value, and each word; short ones may be there by chance."""
    first: dict[str, int] = {}
    for index, turn in enumerate(turns):
        for place, value in given_by_client(turn.exchange) if turn.sent else ():
            for text in (value, *WORD.findall(value)) if place.where in PLACES else ():
                if len(text) >= LEAST_ALONE:
                    first.setdefault(text, index)
    return first


def _is_given(value: str, turns: Sequence[Hop]) -> bool:
    headers = (text for turn in turns for _, text in turn.exchange.response_headers)
    bodies = (turn.exchange.response.text for turn in turns if turn.exchange.response is not None)
    return any(value in text for text in chain(headers, bodies))


def _differs(word: str, other: str, place: ValuePlace, later: RecordedExchange | None) -> bool:
    if later is None:
        return len(word) >= LEAST_ALONE
    return any(other in value.lower() for own, value in given_by_client(later) if own == place)


def _pairs(value: str, other: str) -> list[tuple[str, str]]:
    """Returns the words that differ, if the texts have the same number of words; times of day are none.

    >>> _pairs("Crew 4f3a", "Crew 91bc"), _pairs("10:31", "10:32"), _pairs("one", "two words")
    ([('4f3a', '91bc')], [], [])
    """
    words, others = WORD.findall(value), WORD.findall(other)
    if len(words) != len(others) or TIME.search(value):
        return []
    return [(word, another) for word, another in zip(words, others, strict=True) if word != another]


def _function(word: str, other: str, value: str) -> str:
    """Returns a function that makes such words; a number without letters around keeps its length."""
    if not (word + other).isdigit():
        return f"${{__RandomString({max(len(word), LEAST_LETTERS)},{LETTERS_AND_DIGITS})}}"
    length = max(len(word), LEAST_DIGITS) if LETTERS.search(value) else len(word)
    return f"${{__RandomString({length},123456789)}}"
