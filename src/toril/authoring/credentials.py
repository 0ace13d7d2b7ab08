"""Replaces credentials of a recording by references to variables, and refuses files that contain one."""

import html
import json
import re
from base64 import b64encode
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import PurePosixPath
from urllib.parse import quote, unquote

from toril.authoring.correlation import Correlation
from toril.authoring.correlation.values import is_token, words_of
from toril.authoring.filters import STATIC_KINDS
from toril.authoring.pages import HtmlPage
from toril.authoring.recorded import UUID, Recorded, RecordedExchange, ValuePlace, host_of, is_random, opens_a_door
from toril.authoring.references import (
    ANYWHERE,
    NAME,
    REFERENCES,
    carried,
    changed,
    foreign,
    leaves_of,
    names_of,
    pattern_of,
    put,
)
from toril.authoring.routes import free
from toril.errors import OptionError
from toril.secrets.masking import HIDDEN, Hidden, hides, masked_body, masked_headers, masked_url, names_a_password
from toril.secrets.redaction import SHORTEST, FormIndex, forms_of
from toril.suite.settings import RESERVED

SHORTEST_FORM = 4  # of a value at its own place
COOKIES = ("cookie", "set-cookie")
BODIES = ("form", "multipart", "json")
USER = re.compile(
    r"(?i)_?(?:user|login|account|identifier|name)(?:[-_]?(?:name|id|e-?mail))?|.*(?:user[-_]?name|mail|login)"
    r"|(?:benutzer|kunden|konto)[-_]?(?:name|nummer|nr|id|kennung)?"
)
LAST_WORDS = ("name", "user", "login", "account", "id", "mail", "number", "nick")  # of a field before a password
SESSION = re.compile(r"(?i)[cx]srf|^session$|.nonce|nonce.")
NO_SECRETS = ("", "true", "false", "null", "none", "undefined", "fetch", "0", "1", "bearer", "basic")
CLIENT_MADE = ("state", "nonce", "code_challenge", "code_verifier", "_", "t", "ts")
TOKEN = re.compile(r"[\w.+/=~-]{20,}")
TYPED = re.compile(r"(?i)\btype\s{0,9}=\s{0,9}[\"']?password")  # an input of a page
HEX = re.compile("[0-9a-fA-F]+")
HOST = re.compile("(?i)https?://[^/?#@]*/?")
DIGEST = re.compile(r"(?i)sha-?\d|md5|digest|checksum|etag|integrity")
HARMLESS = re.compile(r"(?i)accept|content-type|origin")  # headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """The credentials of a recording."""

    names: Mapping[str, str] = field(default_factory=dict)  # variable → what it is, for the README
    unfound: Mapping[str, str] = field(default_factory=dict)  # the same of tokens that no response brings
    hidden: frozenset[str] = frozenset()  # values that no file may contain, of requests and responses
    cookies: tuple[str, ...] = ()  # names of cookies that no response sets and that are not sent
    repeated: tuple[str, ...] = ()  # keys of values of scripts of a page, which stay as recorded
    hide: Callable[[str], str] = str  # returns a text for people without credentials


def referenced(
    recorded: Recorded, correlation: Correlation, others: Iterable[RecordedExchange] = ()
) -> tuple[Recorded, Credentials]:
    """Returns the recording with a reference instead of each value that a rule carries, and of each credential.

    `others` are exchanges that the suite leaves out, whose credentials no file may contain, either.
    """
    extracted = {extract.variable for exchange in recorded.exchanges for extract in exchange.extracts}
    values = {rule.value for rule in correlation.rules}  # of a dropped one, too: the user wants to set it
    unknown = foreign([recorded.references, *extracted])
    finder = _Finder(recorded, others, values, unknown)
    variables = {name: value for name, value in recorded.variables.items() if finder.hide(value) == value}
    raw = [finder.without_foreign(exchange) for exchange in recorded.exchanges]
    for call in raw:
        names = names_of(call)
        # an engine would fill it, also from a variable of toril's own
        if unknown.search(names) or ("${" in names and recorded.kind == "har"):
            what = f"{call.method} {call.route or host_of(call.url)}: the name of a field looks like a reference"
            raise OptionError(f"{what}. No files are written. Remove it from the source.", code="foreign-reference")
        leaves = ((f"`{_key(place)}` of {call.name}", text) for place, text in leaves_of(call))
        written = (("address of the service", host_of(call.url)), (f"names in {call.name}", names), *leaves)
        for what, text in written if recorded.kind != "har" else ():
            for name in NAME.findall(text):
                if name not in variables and name not in extracted:
                    finder.names.setdefault(name, what)
    exchanges = [finder.replaced(carried(exchange, correlation)) for exchange in raw]
    shown = finder.hide
    return replace(
        recorded,
        exchanges=tuple(exchanges),
        origin=shown(recorded.origin),
        variables=variables,
        left_out=tuple(replace(out, examples=tuple(map(shown, out.examples))) for out in recorded.left_out),
        notes=tuple(replace(note, message=shown(note.message)) for note in recorded.notes),
    ), Credentials(
        names={name: shown(text) for name, text in finder.names.items()},
        unfound={name: shown(text) for name, text in finder.unfound.items()},
        hidden=frozenset(finder.hidden),
        cookies=tuple(map(shown, finder.cookies)),
        repeated=tuple(map(shown, finder.repeated)),
        hide=shown,
    )


def _search(values: Iterable[str]) -> Callable[[str], list[str]]:
    """Returns what finds hidden values in a text, in all their escapings.

    It returns the forms in the text, the longest first; a short one has to stand alone.
    """
    forms = FormIndex(values)
    return lambda text: [form for form in forms.begun_in(text) if form in text and pattern_of(form).search(text)]


# ── Credentials


class _Finder:
    """Finds the credentials of a recording, and gives each of them a variable."""

    def __init__(
        self,
        recorded: Recorded,
        others: Iterable[RecordedExchange],
        rules: Collection[str],
        foreign: re.Pattern[str],
    ) -> None:
        self.names: dict[str, str] = {}  # variable → description
        self.unfound: dict[str, str] = {}  # variable of a token that no response brings → description
        self.cookies: dict[str, None] = {}
        self.repeated: dict[str, None] = {}  # keys
        self._foreign = foreign
        self._rules = rules  # values of rules
        self._browser = recorded.kind == "har"
        self._pages = [exchange for exchange in recorded.exchanges if exchange.kind == "document"]
        self._random = recorded.kind != "openapi"  # the random texts of a description are examples
        self._variables: dict[str, str] = {}  # text of a request → variable
        raw = [inner for exchange in recorded.exchanges for inner in (*exchange.hops, exchange)]
        others = [inner for exchange in others for inner in (*exchange.hops, exchange)]
        every = [*raw, *others]
        self._brought = {token for exchange in raw for token in _tokens_of_response(exchange)}
        self._set_cookies = {
            value.partition("=")[0].strip()
            for exchange in raw
            for name, value in exchange.response_headers
            if name.lower() == "set-cookie"
        }
        of_pages = {field for exchange in every for field in _log_in_fields(exchange)}
        self._fields = {name for role, name, _ in of_pages if role == "password"}
        self._asked = {name for role, name, _ in of_pages if role == "user"}
        self._pressed = {(name, value) for role, name, value in of_pages if role == "button"}
        self._users = {user for exchange in raw for user in self._users_of(exchange)}
        texts = {*self._users, *(user for exchange in others for user in self._users_of(exchange))}
        for exchange in every:
            texts |= {*_secrets_of_response(exchange), *_sessions_of_cookies(exchange)}
        data = [(ValuePlace("request", "query", name), value) for name, value in recorded.variables.items()]
        leaves = [*data, *(leaf for exchange in every for leaf in leaves_of(exchange))]
        texts |= {value for place, text in leaves for value in self._secrets_at(place, text)}
        texts |= {text for _, text in leaves if foreign.search(text)}
        leaves = [*data, *(leaf for exchange in raw for leaf in leaves_of(exchange))]
        texts |= {text for place, text in leaves if self._is_secret(place, text)}
        typed = {text for place, text in leaves if self._is_password(place) and "${" not in text}
        passwords = {text for text in typed if len(text) >= SHORTEST_FORM}
        self._logins = self._users | passwords
        self.hidden = {text for text in texts if _is_searched(text) and (foreign.search(text) or "${" not in text)}
        self._found = _search(self.hidden)
        self._shown = _search({*self.hidden, *(word for word in passwords if not names_a_password(word))})

    def without_foreign(self, exchange: RecordedExchange) -> RecordedExchange:
        """Returns the exchange with a variable for each value that an engine would evaluate, such as `${__P(x)}`."""

        def change(place: ValuePlace, text: str) -> str:
            return self._variable(exchange, place, text, text) if self._foreign.search(text) else text

        return changed(exchange, change)

    def replaced(self, call: RecordedExchange) -> RecordedExchange:
        """Returns the exchange without credentials, also in the texts for people."""

        def change(place: ValuePlace, text: str) -> str:
            own, whole = self._secrets_at(place, text), text
            for value in (*own, *(form for form in self._found(text) if form in self.hidden)):
                escaped = (html.escape(value), json.dumps(value)[1:-1]) if place.where == "text" else ()
                for sent in (value, *escaped):
                    text = put(text, sent, partial(self._variable, call, place, sent, whole))
            rest = REFERENCES.sub("", text)
            left = any(form in rest for value in own for form in forms_of(value) if len(form) >= SHORTEST_FORM)
            same = text in self._logins and place.where in (*BODIES, *(() if text.isdigit() else ("query",)))
            if left or same or self._found(rest):
                return self._variable(call, place, text, whole)
            made = DIGEST.search(_key(place)) or UUID.fullmatch(text) or is_random(text)
            if made and "${" not in text and text not in self._brought:
                self.repeated[f"`{_key(place)}`"] = None
            return text

        result = changed(self._without_cookies(call), change)
        if result.body and result.body.uploads:
            uploads = tuple(replace(part, name=self.hide(part.name)) for part in result.body.uploads)
            result = replace(result, body=replace(result.body, uploads=uploads))
        checks = tuple(check for check in call.checks if HIDDEN not in self.hide(check.value))
        texts = (self.hide(text).replace(f"/{HIDDEN}", "/{id}") for text in (call.step, call.name, call.route))
        step, name, route = (re.sub(r"\$+\{", "{", text) for text in texts)
        return replace(result, step=step, name=name, route=route, checks=checks, hops=())

    def hide(self, text: str) -> str:
        """Returns a text for people without credentials."""
        for form in self._shown(text):
            text = pattern_of(form).sub(HIDDEN, text)
        return text

    def _is_password(self, place: ValuePlace) -> bool:
        return names_a_password(_key(place)) or not self._fields.isdisjoint((_key(place), place.path))

    def _users_of(self, exchange: RecordedExchange) -> Iterator[str]:
        """Yields the names beside passwords; a single field before a password is a name, in any language."""
        forms: dict[tuple[str, str], list[tuple[ValuePlace, str]]] = {}
        for place, text in leaves_of(exchange):
            beside = place.path.removesuffix(_key(place)).rstrip("]")
            if (place.path, text) not in self._pressed:
                forms.setdefault((place.where, beside), []).append((place, text))
        for (where, _), fields in forms.items():
            # The author's variables stay.
            own = (self._is_password(place) and "${" not in text for place, text in fields)
            first = next((at for at, is_user in enumerate(own) if is_user), None)
            if where in BODIES and first is not None:
                named = [text for place, text in fields if text and (USER.fullmatch(_key(place)) or "@" in text)]
                named = named or [text for place, text in fields if text and place.path in self._asked]
                before = [pair for pair in fields[:first] if not hides(_key(pair[0]), pair[1]) and "${" not in pair[1]]
                if len(before) > 1 and (words_of(_key(before[-1][0])) or ("",))[-1] in LAST_WORDS:
                    before = before[-1:]
                yield from named or (text for _, text in before if len(before) == 1 and text.lower() not in NO_SECRETS)

    def _secrets_at(self, place: ValuePlace, text: str) -> list[str]:
        """Returns the values in a text of a request that its place shows to be secrets."""
        key = _key(place)
        if place.where == "header":
            hidden = masked_headers([(key, text)])[1] or [Hidden("", text)] * bool(SESSION.search(key))
        elif place.where == "path":
            hidden = masked_url(f"/{quote(text, safe=';=', errors='replace')}")[1]
        elif hides(key, text) or hides(place.path, text) or self._is_password(place) or SESSION.search(key):
            hidden = [Hidden("", text)]
        else:
            hidden = masked_body(text.encode("utf-8", "replace"), "")[1]
        values = {secret.value for secret in hidden if HIDDEN not in secret.value and not _is_reference(secret.value)}
        return sorted((value for value in values if value.lower() not in NO_SECRETS), key=lambda one: (-len(one), one))

    def _is_secret(self, place: ValuePlace, text: str) -> bool:
        """Returns whether a text looks random, and neither a response nor the client itself has made it."""
        key = _key(place)
        if key in CLIENT_MADE or (place.where == "header" and HARMLESS.fullmatch(key)):
            return False
        if place.where == "path" and opens_a_door(place.path, text):
            return self._random and text not in self._brought
        if UUID.fullmatch(text) or DIGEST.search(key) or (HEX.fullmatch(text) and place.where == "path"):
            return False
        return self._random and is_random(text) and text not in self._brought

    def _variable(self, exchange: RecordedExchange, place: ValuePlace, value: str, whole: str) -> str:
        """Returns the reference to a credential; in an address its text is as it is sent."""
        sent = quote(value, safe="", errors="replace") if place.where in ("path", "query") else value
        if sent not in self._variables:
            name = self._name(prefix_of(exchange.url), self._word(place, value, whole))
            self._variables[sent] = name
            encoded = ", percent-encoded" if sent != value else ""
            what = f"`{_key(place)}` of {exchange.name}"
            if self._browser and is_token(place) and value not in self._rules and not self._is_password(place):
                page = next((page.name for page in reversed(self._pages) if page.number < exchange.number), "")
                self.unfound[name] = f"{what}{page and f', which {page} should bring'}"
            else:
                self.names[name] = f"{what}{encoded}"
        return f"${{{self._variables[sent]}}}"

    def _word(self, place: ValuePlace, value: str, whole: str) -> str:
        key = _key(place)
        if value in self._users:
            return "USER"
        if self._is_password(place):
            return "PASSWORD"
        if key.lower() in ("authorization", "proxy-authorization"):
            return "BASIC" if whole.lower().startswith("basic ") else "TOKEN"
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|\W+", "_", key).strip("_").upper().removeprefix("X_")
        return words if re.fullmatch("(?!URL$)[A-Z][A-Z0-9_]{0,39}", words) else "SECRET"  # `_URL` is of hosts

    def _name(self, prefix: str, word: str) -> str:
        name = word if word.startswith(f"{prefix}_") else f"{prefix}_{word}"
        name = f"SITE_{name}" if RESERVED.fullmatch(name) else name
        return free(name, {*self.names, *self.unfound})

    def _without_cookies(self, exchange: RecordedExchange) -> RecordedExchange:
        """Drops cookies that engines keep themselves. If no response sets a cookie, the others become a credential."""
        sent = [pair for name, value in exchange.headers if name.lower() == "cookie" for pair in value.split(";")]
        others = [name for pair in sent if (name := pair.partition("=")[0].strip()) not in self._set_cookies]
        headers = tuple((name, value) for name, value in exchange.headers if name.lower() != "cookie")
        if others and not self._set_cookies:
            name = f"{prefix_of(exchange.url)}_COOKIE"
            self.names[name] = f"cookies as `name=value; …`: {', '.join(others)}"
            headers = (*headers, ("Cookie", f"${{{name}}}"))
        else:
            self.cookies.update(dict.fromkeys(others))
        return replace(exchange, headers=headers)


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
    usable = re.fullmatch("[A-Z][A-Z0-9_]{0,29}", word) and not RESERVED.fullmatch(f"{word}_URL")
    return word if usable and name != "localhost" else "SITE"


def _key(place: ValuePlace) -> str:
    """Returns the last name of a place: `password` of `$.user.password` and of `user[password]`."""
    if place.where == "header":
        return place.path
    names = [part for part in re.split(r"[.\[\]$']+", place.path) if part and not part.isdigit()]
    return names[-1] if names else place.where


def _is_reference(text: str) -> bool:
    """Returns whether a rule carries the value, apart from a few characters such as a prefix."""
    return "${" in text and len(REFERENCES.sub("", text)) < SHORTEST


def _secrets_of_response(exchange: RecordedExchange) -> Iterator[str]:
    headers = [(name, value) for name, value in exchange.response_headers if name.lower() != "set-cookie"]
    secrets = masked_headers(headers)[1]
    if exchange.response and exchange.kind not in STATIC_KINDS:
        secrets += masked_body(exchange.response.data, exchange.response.type)[1]
    for hidden in secrets:
        words = re.search(r"\s", hidden.value) and not re.search(r"\d", hidden.value)  # {password: "Forgot it?"}
        if not words and hidden.value.lower() not in hidden.place.lower():
            yield hidden.value


def _sessions_of_cookies(exchange: RecordedExchange) -> Iterator[str]:
    """Yields the values of cookies that look like those of a session, unlike `theme=dark-blue`."""
    cookies = [header for header in (*exchange.headers, *exchange.response_headers) if header[0].lower() in COOKIES]
    for hidden in masked_headers(cookies)[1]:
        if len(hidden.value) >= (8 if re.search("[A-Za-z]", hidden.value) and re.search(r"\d", hidden.value) else 16):
            yield hidden.value


def _is_searched(value: str) -> bool:
    """Returns whether a value is long enough to be searched everywhere; words and hosts are too usual."""
    return HOST.fullmatch(value) is None and len(value) >= (ANYWHERE if value.isalpha() else SHORTEST)


def _log_in_fields(exchange: RecordedExchange) -> Iterator[tuple[str, str, str]]:
    """Yields role, name and value of the fields of a page with a password: what it hides, asks before, and presses."""
    text = exchange.response.text if exchange.response else ""
    asked, form = "", None
    for element in HtmlPage(text).elements if TYPED.search(text) else ():
        name, value, kind = (element.attributes.get(key, "") for key in ("name", "value", "type"))
        kind = kind.lower()
        if element.form is not form:
            asked, form = "", element.form
        if element.tag == "input" and kind == "password":
            yield from (field for field in (("password", name, ""), ("user", asked, "")) if field[1])
        elif element.tag == "input" and kind in ("", "text", "email", "tel"):
            asked = name
        elif name and value and (kind == "submit" or element.tag == "button"):
            yield "button", name, value


def _tokens_of_response(exchange: RecordedExchange) -> Iterator[str]:
    body = exchange.response.text.replace("\\/", "/") if exchange.response else ""
    for text in (*(value for _, value in exchange.response_headers), body):
        yield from TOKEN.findall(text)
        yield from TOKEN.findall(unquote(text)) if "%" in text else ()


def with_basic(exchange: RecordedExchange) -> RecordedExchange:
    """Moves the user of an address into the header that clients make of it."""
    call = replace(exchange, hops=tuple(map(with_basic, exchange.hops)))
    host = host_of(call.url)
    if "@" not in host:
        return call
    scheme, _, rest = host.partition("://")
    user, _, name = rest.rpartition("@")
    header = ("Authorization", f"Basic {b64encode(unquote(user).encode()).decode()}")
    return replace(call, url=f"{scheme}://{name}{call.url.removeprefix(host)}", headers=(*call.headers, header))


# ── The last gate


def refuse_secrets(files: Mapping[PurePosixPath, bytes], hidden: Collection[str]) -> None:
    """Raises OptionError `secret-left` if a text or name contains a hidden value in any escaping.

    A value of less than 12 characters has to stand alone.
    """
    search = _search(hidden)
    for path, data in files.items():
        for number, line in enumerate([str(path), *data.decode("utf-8", "replace").split("\n")]):
            for form in search(line)[:1]:
                where = f"{path}, line {number}" if number else "The name of a file"
                what = f"would contain a credential of the recording ({len(form)} characters). No files are written"
                fix = "Replace it in the recording, and set the right value after the import"
                raise OptionError(f"{where} {what}. {fix}.", code="secret-left")
