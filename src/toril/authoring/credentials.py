"""Replaces values of a recording by references to variables, and refuses files that contain a credential."""

import csv
import html
import io
import json
import math
import re
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, count, pairwise
from pathlib import PurePosixPath
from typing import Any, Never
from urllib.parse import quote, unquote, unquote_plus

from toril.authoring.correlation import Correlation
from toril.authoring.recorded import Payload, Recorded, RecordedExchange, ValuePlace
from toril.authoring.routes import UUID, host_of
from toril.errors import OptionError
from toril.masking import HIDDEN, Hidden, masked_body, masked_headers, masked_url, names_a_secret
from toril.suite.documents import parse
from toril.suite.settings import RESERVED
from toril.worker.hiding import forms_of

ANYWHERE = 12  # characters of a value that is searched as a part of texts; a shorter one only as a whole
SHORTEST = 6  # … that is searched at all
SHORTEST_FORM = 4  # of a value at its own place
DEEPEST = 50  # levels of JSON; YAML could not be written far below
MOST_ON_ONE_LINE = 80  # characters of JSON
COOKIES = ("cookie", "set-cookie")
BODIES = ("form", "multipart", "json")
PASSWORD = re.compile(r"(?i)pass|pwd")
USER = re.compile(
    r"(?i)_?(?:user|login|account|identifier|name)(?:[-_]?(?:name|id|e-?mail))?|.*(?:user[-_]?name|e-?mail|login)"
)
SESSION = re.compile(r"(?i)[cx]srf")  # names of values of a session, beside those that `masking` knows
NO_SECRETS = ("", "true", "false", "null", "none", "undefined", "fetch", "0", "1", "bearer", "basic")
CLIENT_MADE = ("state", "nonce", "code_challenge", "code_verifier", "_", "t", "ts")
TOKEN = re.compile(r"[\w.+/=~-]{20,}")
HEX = re.compile("[0-9a-fA-F]+")
DIGEST = re.compile(r"(?i)sha-?\d|md5|digest|checksum|etag|integrity")
HARMLESS = re.compile(r"(?i)accept|content-type|origin")  # headers
STRUCTURED = re.compile(r".*\s|\w+:|[/{\[<]|\w+=[^&]*(?:&\w+=[^&]*)+$", re.DOTALL)  # sentences, addresses, JSON, forms
LEAST_RANDOM, LEAST_BITS = 20, 3.5  # characters, bits a character
LEAST_CHANGES = 0.25  # between kinds of characters, by character
REFERENCES = re.compile(r"\$\{(?:[^{}]|\$\{[^{}]*\})*\}")
NAME = re.compile(r"\$\{(\w+)\}")
WORD = re.compile("[A-Za-z][A-Za-z_-]*")  # a segment that names the place of the next one, as in `places_of`
EPOCH_MS = re.compile(r"1[5-9]\d{11}|2\d{12}")
MARK = "\0"  # around a reference that stands for a number of JSON

Change = Callable[[ValuePlace, str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """The credentials of a recording."""

    names: Mapping[str, str] = field(default_factory=dict)  # variable → what it is, for the README
    hidden: frozenset[str] = frozenset()  # values that no file may contain, of requests and responses
    literals: tuple[str, ...] = ()  # texts that stay in the suite, for a person to review; masked
    cookies: tuple[str, ...] = ()  # names of cookies that no response sets and that are not sent


def referenced(recorded: Recorded, correlation: Correlation) -> tuple[Recorded, Credentials]:
    """Returns the recording with a reference instead of each value that a rule carries, and of each credential."""
    exchanges = [_with_basic(one) for one in recorded.exchanges]
    exchanges = [_by_rules(one, correlation) for one in exchanges]
    finder = _Finder(recorded)
    exchanges = [finder.replaced(one) for one in exchanges]
    known = {*recorded.variables, *(one.extract.variable for one in correlation.rules)}
    known |= {extract.variable for one in exchanges for extract in one.extracts}
    for one in exchanges:
        for text, what in ((host_of(one.url), "address of the service"), *_described(one)):
            for name in NAME.findall(text):
                if name not in known:
                    finder.names.setdefault(name, what)
    shown = finder.hide
    return replace(
        recorded,
        exchanges=tuple(exchanges),
        origin=shown(recorded.origin),
        variables={name: value for name, value in recorded.variables.items() if shown(value) == value},
        left_out=tuple(replace(one, examples=tuple(map(shown, one.examples))) for one in recorded.left_out),
        notes=tuple(replace(one, message=shown(one.message)) for one in recorded.notes),
    ), Credentials(
        names={name: shown(text) for name, text in finder.names.items()},
        hidden=frozenset(finder.hidden),
        literals=tuple(finder.literals),
        cookies=tuple(finder.cookies),
    )


# ── Places of values


def changed(one: RecordedExchange, change: Change) -> RecordedExchange:
    """Returns the exchange with other values in its request; `change` gets and returns decoded texts."""

    def at(where: str, path: str, text: str) -> str:
        return change(ValuePlace("request", where, path), text)

    host = host_of(one.url)
    path, mark, query = one.url.removeprefix(host).partition("#")[0].partition("?")
    raw_segments = path.split("/")
    befores = ["", *(one if WORD.fullmatch(one) else "" for one in raw_segments)]
    segments = [
        _encoded(raw, unquote(raw), at("path", before, unquote(raw)))
        for raw, before in zip(raw_segments, befores, strict=False)
    ]
    pairs = []
    for pair in query.split("&"):
        name, equals, raw = pair.partition("=")
        value = unquote_plus(raw)
        pairs.append(name + equals + _encoded(raw, value, at("query", unquote_plus(name), value)))
    headers = tuple(
        (name, value if name.lower() == "cookie" else at("header", name, value)) for name, value in one.headers
    )
    url = f"{host}{'/'.join(segments)}{mark}{'&'.join(pairs)}"
    return replace(one, url=url, headers=headers, body=None if one.body is None else _changed_body(one.body, at))


def _encoded(raw: str, before: str, after: str) -> str:
    """Returns a text for an address, with references as they are."""
    if before == after:
        return raw
    parts = REFERENCES.split(after)
    references = [*REFERENCES.findall(after), ""]
    return "".join(
        quote(part, safe="", errors="replace") + reference for part, reference in zip(parts, references, strict=True)
    )


def _changed_body(body: Payload, at: Callable[[str, str, str], str]) -> Payload:
    if body.fields:
        where = "multipart" if body.type.startswith("multipart/") else "form"
        return replace(body, data=b"", fields=tuple((name, at(where, name, value)) for name, value in body.fields))
    if not body.data:
        return body
    document = json_of(body)
    if document is not None:
        new = _changed_json(document, "$", lambda path, text: at("json", path, text))
        return body if new == document else replace(body, data=_json_text(new).encode("utf-8", "backslashreplace"))
    try:
        text = body.data.decode()
    except UnicodeError:
        return body
    return replace(body, data=at("text", "", text).encode("utf-8", "replace"))


def json_of(body: Payload) -> Any:
    """Returns the JSON of a body; None if it has none, or one that is nested deeply."""
    try:
        found = json.loads(body.data) if "json" in body.type or body.data.lstrip()[:1] in (b"{", b"[") else None
    except (ValueError, RecursionError):
        return None
    return found if _is_shallow(found, DEEPEST) else None


def _is_shallow(value: Any, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels > 0 and all(_is_shallow(one, levels - 1) for one in inner)


def _changed_json(value: Any, path: str, change: Callable[[str, str], str]) -> Any:
    if isinstance(value, dict):
        names = {key: f"{path}.{key}" if key.isidentifier() and key.isascii() else f"{path}['{key}']" for key in value}
        return {key: _changed_json(one, names[key], change) for key, one in value.items()}
    if isinstance(value, list):
        return [_changed_json(one, f"{path}[{index}]", change) for index, one in enumerate(value)]
    if isinstance(value, str):
        return change(path, value)
    if value is None or isinstance(value, bool):
        return value
    text = json.dumps(value)
    return value if (new := change(path, text)) == text else f"{MARK}{new}{MARK}"


def _json_text(document: Any) -> str:
    """Returns JSON, over several lines if it is long."""
    mark = json.dumps(MARK)[1:-1]
    for indent in (None, 2):
        text = json.dumps(document, ensure_ascii=False, indent=indent)
        text = re.sub(rf'"{re.escape(mark)}(.*?){re.escape(mark)}"', r"\1", text)
        if len(text) <= MOST_ON_ONE_LINE:
            break
    return text


# ── Values that rules carry


def _by_rules(one: RecordedExchange, correlation: Correlation) -> RecordedExchange:
    """Returns the exchange with references for the values that rules carry, or that the client itself makes."""
    applied = (rule for rule in correlation.rules if rule.applied)
    uses = [(place, rule) for rule in applied for number, place in rule.uses if number == one.number]
    uses.sort(key=lambda use: -len(use[1].value))
    made = {place for number, place in correlation.client_made if number == one.number}
    if whole := next((rule for place, rule in uses if place.where == "url"), None):
        one = replace(one, url=whole.reference(ValuePlace("request", "url", "")))

    def change(place: ValuePlace, text: str) -> str:
        for use, rule in uses:
            same = use.path == place.path or place.where in ("path", "text") or len(rule.value) >= ANYWHERE
            if same and (use.where == place.where or (use.where == "xml" and place.where == "text")):
                text = _put(text, rule.value, partial(rule.reference, place))
        if place in made:
            return "${__UUID()}" if UUID.fullmatch(text) else "${__time()}" if EPOCH_MS.fullmatch(text) else text
        return text

    return changed(one, change)


def _put(text: str, value: str, reference: Callable[[], str]) -> str:
    """Returns the text with a reference instead of a value; a short value has to stand alone."""
    if text == value:
        return reference()
    if value not in text:
        return text
    pattern = re.escape(value) if len(value) >= ANYWHERE else rf"(?<![A-Za-z0-9]){re.escape(value)}(?![A-Za-z0-9])"
    parts = [re.sub(pattern, lambda _: reference(), part) for part in REFERENCES.split(text)]
    return "".join(part + kept for part, kept in zip(parts, [*REFERENCES.findall(text), ""], strict=True))


# ── Credentials


class _Finder:
    """Finds the credentials of a recording, and gives each of them a variable."""

    def __init__(self, recorded: Recorded) -> None:
        self.names: dict[str, str] = {}  # variable → description
        self.literals: dict[str, None] = {}
        self.cookies: dict[str, None] = {}
        self._variables: dict[str, str] = {}  # text of a request → variable
        raw = [inner for one in recorded.exchanges for inner in (*one.hops, one)]
        self._brought = {token for one in raw for token in _tokens_of_response(one)}
        self._set_cookies = {name for one in raw for name in _set_cookies(one)}
        self._users = {user for one in raw for user in _users(one)}
        found = {*self._users}
        for one in raw:
            found |= {*_secrets_of_response(one), *_sessions_of_cookies(one)}
            for place, text in _leaves(one):
                found |= {*_secrets_at(place, text), *([text] if self._is_secret(place, text) else [])}
        self.hidden = {one for one in found if _is_searched(one)}
        self._forms = {
            value: [value, *(form for form in dict.fromkeys(forms_of(value)) if len(form) >= SHORTEST)]
            for value in sorted(self.hidden, key=lambda value: (-len(value), value))
        }

    def replaced(self, one: RecordedExchange) -> RecordedExchange:
        """Returns the exchange without credentials, also in the texts for people."""

        def change(place: ValuePlace, text: str) -> str:
            own, whole = _secrets_at(place, text), text
            for value in (*own, *self._forms):
                escaped = (html.escape(value), json.dumps(value)[1:-1]) if place.where == "text" else ()
                for sent in (value, *escaped):
                    text = _put(text, sent, partial(self._variable, one, place, sent, whole))
            rest = REFERENCES.sub("", text)
            is_user = text in self._users and place.where in BODIES
            if is_user or any(form in rest for form in self._encoded_forms(own)):
                return self._variable(one, place, text, whole)
            if place.where != "path" and (UUID.fullmatch(rest) or _is_random(rest)):
                self.literals[f"`{_key(place)}` of {one.name}: {rest[:3]}… ({len(rest)} characters)"] = None
            return text

        found = changed(self._without_cookies(one), change)
        checks = tuple(check for check in one.checks if self.hide(f"{check.value} {check.expected}").count(HIDDEN) == 0)
        step, name, route = (self.hide(text) for text in (one.step, one.name, one.route))
        return replace(found, step=step, name=name, route=route, checks=checks, hops=())

    def hide(self, text: str) -> str:
        """Returns a text for people without credentials."""
        for form in chain(*self._forms.values()):
            text = _put(text, form, lambda: HIDDEN)
        return text

    def _encoded_forms(self, own: Collection[str]) -> Iterator[str]:
        """Yields what must not be left at a place with these secrets."""
        yield from (form for value in own for form in forms_of(value) if len(form) >= SHORTEST_FORM)
        yield from (form for form in chain(*self._forms.values()) if len(form) >= ANYWHERE)

    def _is_secret(self, place: ValuePlace, text: str) -> bool:
        """Returns whether a text looks random, and neither a response nor the client itself has made it."""
        key = _key(place)
        if key in CLIENT_MADE or (place.where == "header" and HARMLESS.fullmatch(key)):
            return False
        if UUID.fullmatch(text) or (HEX.fullmatch(text) and (place.where == "path" or DIGEST.search(key))):
            return False
        return _is_random(text) and _bits(text) >= LEAST_BITS and text not in self._brought

    def _variable(self, one: RecordedExchange, place: ValuePlace, value: str, whole: str) -> str:
        """Returns the reference to a credential; in an address its text is as it is sent."""
        sent = quote(value, safe="", errors="replace") if place.where in ("path", "query") else value
        if sent not in self._variables:
            name = self._name(prefix_of(one.url), self._word(place, value, whole))
            self._variables[sent] = name
            encoded = ", percent-encoded" if sent != value else ""
            self.names[name] = f"`{_key(place)}` of {one.name}{encoded}"
        return f"${{{self._variables[sent]}}}"

    def _word(self, place: ValuePlace, value: str, whole: str) -> str:
        key = _key(place)
        if value in self._users:
            return "USER"
        if PASSWORD.search(key) and names_a_secret(key):
            return "PASSWORD"
        if key.lower() in ("authorization", "proxy-authorization"):
            return "BASIC" if whole.lower().startswith("basic ") else "TOKEN"
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|\W+", "_", key).strip("_").upper().removeprefix("X_")
        return words if re.fullmatch("[A-Z][A-Z0-9_]{0,39}", words) else "SECRET"

    def _name(self, prefix: str, word: str) -> str:
        name = word if word.startswith(f"{prefix}_") else f"{prefix}_{word}"
        name = f"SITE_{name}" if RESERVED.fullmatch(name) else name
        return next(one for one in chain([name], (f"{name}_{n}" for n in count(2))) if one not in self.names)

    def _without_cookies(self, one: RecordedExchange) -> RecordedExchange:
        """Drops cookies that engines keep themselves. If no response sets a cookie, the others become a credential."""
        others = [name for name, _ in _cookies(one) if name not in self._set_cookies]
        headers = tuple((name, value) for name, value in one.headers if name.lower() != "cookie")
        if others and not self._set_cookies:
            name = f"{prefix_of(one.url)}_COOKIE"
            self.names[name] = f"cookies as `name=value; …`: {', '.join(others)}"
            headers = (*headers, ("Cookie", f"${{{name}}}"))
        else:
            self.cookies.update(dict.fromkeys(others))
        return replace(one, headers=headers)


def prefix_of(url: str) -> str:
    """Returns the beginning of the names of a host's variables.

    >>> prefix_of("https://www.shop.example.com/cart"), prefix_of("http://127.0.0.1:80/"), prefix_of("${BASE_URL}/x")
    ('SHOP', 'SITE', 'BASE')
    """
    host = host_of(url)
    if named := NAME.fullmatch(host):
        return named[1].removesuffix("_URL").upper()
    name = re.sub(r":\d+$", "", host.partition("://")[2].rpartition("@")[2]).lower().removeprefix("www.")
    word = re.sub("[^A-Z0-9]+", "_", name.partition(".")[0].upper()).strip("_")
    return word if re.fullmatch("[A-Z][A-Z0-9_]{0,29}", word) and name != "localhost" else "SITE"


def _leaves(one: RecordedExchange) -> list[tuple[ValuePlace, str]]:
    found: list[tuple[ValuePlace, str]] = []

    def note(place: ValuePlace, text: str) -> str:
        found.append((place, text))
        return text

    changed(one, note)
    return found


def _described(one: RecordedExchange) -> Iterator[tuple[str, str]]:
    for place, text in _leaves(one):
        yield text, f"`{_key(place)}` of {one.name}"


def _key(place: ValuePlace) -> str:
    """Returns the last name of a place: `password` of `$.user.password` and of `user[password]`."""
    if place.where == "header":
        return place.path
    names = [part for part in re.split(r"[.\[\]$']+", place.path) if part and not part.isdigit()]
    return names[-1] if names else place.where


def _secrets_at(place: ValuePlace, text: str) -> list[str]:
    """Returns the values in a text of a request that its place shows to be secrets."""
    key = _key(place)
    if place.where == "header":
        found = masked_headers([(key, text)])[1]
    elif names_a_secret(key) or SESSION.search(key):
        found = [Hidden("", text)]
    else:
        found = [
            *masked_body(text.encode("utf-8", "replace"), "")[1],
            *(masked_url(f"/{text}")[1] if place.where == "path" else ()),
        ]
    values = {one.value for one in found if HIDDEN not in one.value and not _is_reference(one.value)}
    return sorted((one for one in values if one.lower() not in NO_SECRETS), key=lambda one: (-len(one), one))


def _is_reference(text: str) -> bool:
    """Returns whether a rule carries the value, apart from a few characters such as a prefix."""
    return "${" in text and len(REFERENCES.sub("", text)) < SHORTEST


def _secrets_of_response(one: RecordedExchange) -> Iterator[str]:
    headers = [(name, value) for name, value in one.response_headers if name.lower() != "set-cookie"]
    found = [
        *masked_headers(headers)[1],
        *(masked_body(one.response.data, one.response.type)[1] if one.response else ()),
    ]
    for hidden in found:
        words = re.search(r"\s", hidden.value) and not re.search(r"\d", hidden.value)  # {password: "Forgot it?"}
        if not words and hidden.value.lower() not in hidden.place.lower():
            yield hidden.value


def _sessions_of_cookies(one: RecordedExchange) -> Iterator[str]:
    """Yields the values of cookies that look like those of a session, unlike `theme=dark-blue`."""
    cookies = [header for header in (*one.headers, *one.response_headers) if header[0].lower() in COOKIES]
    for hidden in masked_headers(cookies)[1]:
        mixed = re.search("[A-Za-z]", hidden.value) and re.search(r"\d", hidden.value)
        if len(hidden.value) >= (8 if mixed else 16):
            yield hidden.value


def _is_searched(value: str) -> bool:
    """Returns whether a value is long enough to be searched everywhere; words are too usual."""
    return len(value) >= (ANYWHERE if value.isalpha() else SHORTEST)


def _users(one: RecordedExchange) -> Iterator[str]:
    """Yields the names beside passwords."""
    leaves = [(place, text, place.path.removesuffix(_key(place)).rstrip("]")) for place, text in _leaves(one)]
    holders = {
        (place.where, holder)
        for place, _, holder in leaves
        if place.where in BODIES and names_a_secret(_key(place)) and PASSWORD.search(_key(place))
    }
    for place, text, holder in leaves:
        if text and (place.where, holder) in holders and USER.fullmatch(_key(place)):
            yield text


def _cookies(one: RecordedExchange) -> Iterator[tuple[str, str]]:
    for name, value in one.headers:
        for pair in value.split(";") if name.lower() == "cookie" else ():
            key, _, text = pair.strip().partition("=")
            yield key, text


def _set_cookies(one: RecordedExchange) -> Iterator[str]:
    for name, value in one.response_headers:
        if name.lower() == "set-cookie":
            yield from (line.partition("=")[0].strip() for line in value.split("\n"))


def _tokens_of_response(one: RecordedExchange) -> Iterator[str]:
    texts = [value for _, value in one.response_headers] + (
        [one.response.text.replace("\\/", "/")] if one.response else []
    )
    for text in texts:
        yield from TOKEN.findall(text)
        if "%" in text:
            yield from TOKEN.findall(unquote(text))


def _with_basic(one: RecordedExchange) -> RecordedExchange:
    """Moves the user of an address into the header that clients make of it."""
    host = host_of(one.url)
    if "@" not in host:
        return one
    scheme, _, rest = host.partition("://")
    user, _, name = rest.rpartition("@")
    header = ("Authorization", f"Basic {b64encode(unquote(user).encode()).decode()}")
    return replace(one, url=f"{scheme}://{name}{one.url.removeprefix(host)}", headers=(*one.headers, header))


def _is_random(text: str) -> bool:
    """Returns whether a text changes so often between capitals, other letters, digits and marks as no words do.

    >>> [_is_random(one) for one in ("9tY4bQ7zLm2XcV8nKp3R", "how-to-return-lamps-of-2026", "2026-11-28T05:36:04.123Z")]
    [True, False, False]
    """
    mixed = re.search("[A-Za-z]", text) and re.search(r"\d", text)
    if len(text) < LEAST_RANDOM or not mixed or STRUCTURED.match(text):
        return False
    kinds = [
        "A" if one.isupper() else "a" if one.islower() else "0" if one.isdigit() else "+"
        for one in re.sub("[-_.:]", "", text)
    ]
    return sum(one != two for one, two in pairwise(kinds)) >= LEAST_CHANGES * len(kinds)


def _bits(text: str) -> float:
    """Returns the entropy of a text, in bits a character."""
    shares = [times / len(text) for times in Counter(text).values()]
    return -sum(share * math.log2(share) for share in shares)


# ── The last gate


def refuse_secrets(files: Mapping[PurePosixPath, bytes], hidden: Collection[str]) -> None:
    """Raises OptionError `secret-left` if a text or name contains a hidden value in any escaping.

    A value of less than 12 characters has to be a whole value of YAML, JSON or CSV, or a whole part of an address.
    """
    forms = {value: {form for form in (value, *forms_of(value)) if len(form) >= SHORTEST} for value in hidden}
    for path, data in files.items():
        text = data.decode("utf-8", "replace")
        parts, names = {*_values(path, text)}, {str(path), *path.parts, path.stem}
        for value, some in forms.items():
            long = some if len(value) >= ANYWHERE else ()
            if some & names or any(form in str(path) for form in long):
                _refuse("The name of a file", value)
            if line := next((text[: text.find(form)].count("\n") + 1 for form in long if form in text), 0):
                _refuse(f"{path}, line {line}", value)
            if some & parts:
                _refuse(str(path), value)


def _refuse(where: str, value: str) -> Never:
    fix = "Replace it in the recording, and set the right value after the import"
    text = (
        f"{where} would contain a credential of the recording ({len(value)} characters). No files are written. {fix}."
    )
    raise OptionError(text, code="secret-left")


def _values(path: PurePosixPath, text: str) -> Iterator[str]:
    """Yields the values of a file, and the parts of those that are addresses."""
    if path.suffix in (".yml", ".json"):
        leaves = [*_scalars(parse(text, path.name)[0] if path.suffix == ".yml" else json.loads(text))]
    elif path.suffix == ".csv":
        leaves = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
    else:
        leaves = re.findall("`([^`\n]+)`", text)
    for leaf in leaves:
        yield leaf
        yield from re.split(r"[\s/?&=;,]+", leaf)


def _scalars(document: Any) -> Iterator[str]:
    if isinstance(document, dict):
        document = list(document.values())
    if isinstance(document, list):
        for one in document:
            yield from _scalars(one)
    else:
        yield str(document)
