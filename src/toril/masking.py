"""Replaces credentials in texts for people with `***`. It recognises them by their shape.

This is the last line of defence, for undeclared credentials: passwords in addresses, headers that authenticate, query
values and fields with names such as token or password. The worker removes the values of declared secrets before.
Masking a masked text changes nothing.

The texts come from strangers, so no pattern may take quadratic time. Each repetition has a limit, or starts at a place
that a sequence of the same characters has only once.
"""

import codecs
import json
import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote, unquote_plus

HIDDEN = "***"
LONGEST_REMEMBERED = 500  # characters; the masked form of longer texts is not cached
ROUNDS = 5  # of masking, since the result of one may contain a new match

_NAME = re.compile(  # matches lower-case letters and digits only
    "(?:token|passw(?:or)?d|pwd|passphrase|secret|(?:api|access|secret|private|subscription|shared)key|accesskeyid"
    "|signature|credentials?|sess(?:ion)?id|authorization|cookies?)$"
    "|^(?:auth|pass|sid|sig|jwt|otp)$"
)
_NOT_IN_NAMES = re.compile("[^a-z0-9]+")
_WORDS = re.compile(
    "(?i:auth|cookie|key|token|secret|signature|credential|pass|pwd|sess|bearer|basic|negotiate|sid|sig|jwt|otp)|eyJ"
)
_STILL = r"(?!\*{1,3}(?:…|[\s&#\"'<>@,;?)}\]\\]|$))"  # excludes masked values, also shortened ones
_KEY = r"[\w%.\[\]$~-]"
_SCHEME = r"(?i:bearer|basic|digest|negotiate|token|apikey)"
_PAIR = re.compile(rf"(?<!{_KEY})({_KEY}+)(=){_STILL}(?:{_SCHEME}(?:\s+|%20|\+))?[^\s&#\"'<>]+", re.ASCII)  # token=…
_ENCODED_PAIR = re.compile(rf"(?i)(?<=%3F|%26)([\w.~$-]+)(%3D){_STILL}(?:(?!%26|%23)[^\s&#\"'<>])+")
_QUOTED = re.compile(  # "token": "…", in any language, also shortened
    rf"(([\"'])({_KEY}{{1,200}})\2\s*[:=]\s*\[?\s*[bu]?)(?:([\"']){_STILL}(?:\\.|(?!\4)[^\\])+(?:\4|\\?$)|({_STILL}-?[\d.]+))",
    re.DOTALL,
)
_ESCAPED = re.compile(
    rf"((?<!\\)(\\+[\"'])({_KEY}{{1,200}})\2\s*:\s*\2){_STILL}.+?(\2|$)", re.DOTALL
)  # the same, escaped inside JSON
_ELEMENT = re.compile(rf"(<([\w:.-]{{1,200}})(?:\s[^<>]{{0,500}})?>)\s*{_STILL}[^<>]+")  # <token>…
_HEADER = re.compile(  # Authorization: … to the end of the line, since values may have spaces, quotes and commas
    r"(?i)(?<![\w-])((?:[\w-]{0,100}-)?(?:authorization|cookie|(?:api|access|subscription)-?key|(?:auth|access|csrf|xsrf"
    rf"|security|session)-?token|password|secret)\s?:[ \t]*){_STILL}[^\s\"'][^\r\n]*"
)
_USER = re.compile(rf"(?i)((?<![a-z0-9+.-])(?:[a-z][a-z0-9+.-]*:)?//){_STILL}[^\s/?#@]*(?:@[^\s/?#@]*)*@")
_UNENCODED_USER = re.compile(  # a password with a slash or the like, not a port
    r"(?i)((?<![a-z0-9+.-])[a-z][a-z0-9+.-]*://)(?!\*)[^\s/?#@:\[]*:(?!\d{0,5}(?:[/?#\s]|$)|\$\{)[^\s@]{0,2000}@"
)
_ENCODED_USER = re.compile(r"(?i)(%3A%2F%2F)(?!\*)(?:(?!%2F|%3F|%23|%40)[^\s&/?#\"'<>@])+%40")
_TOKEN = re.compile(r"\b((?i:bearer|basic|negotiate)(?:\s+|%20))(?=[\w.~+/=-]*?(?:[0-9=]|[a-z][A-Z]))[\w.~+/=-]{8,}")
_JWT = re.compile(r"(?<![\w-])eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?")


@lru_cache(maxsize=1 << 12)
def names_a_secret(name: str) -> bool:
    """Returns whether a header, parameter or key of this name holds a credential.

    >>> [names_a_secret(n) for n in ("X-Amz-Signature", "user[password]", "pass%77ord", "max_tokens", "bypass")]
    [True, True, True, False, False]
    """
    return _NAME.search(_NOT_IN_NAMES.sub("", unquote(name).lower())) is not None


def mask(text: str) -> str:
    """Returns the text with `***` instead of each credential.

    >>> mask("https://joe:hunter2@shop.example/cart?id=7&token=abc"), mask("Authorization: Bearer abc")
    ('https://***@shop.example/cart?id=7&token=***', 'Authorization: ***')
    """
    return _remembered(text) if len(text) <= LONGEST_REMEMBERED else _masked(text)


def _masked(text: str) -> str:
    for _ in range(ROUNDS):
        found = _once(text)
        if found == text:
            break
        text = found
    return text


_remembered = lru_cache(maxsize=1 << 13)(_masked)


def _once(text: str) -> str:
    if "=" in text:
        text = _PAIR.sub(_pair, text)
    if "@" in text and "//" in text:
        text = _UNENCODED_USER.sub(rf"\1{HIDDEN}@", _USER.sub(rf"\1{HIDDEN}@", text))
    if "%" in text:
        text = _ENCODED_PAIR.sub(_pair, _ENCODED_USER.sub(rf"\1{HIDDEN}%40", text))
    if not _WORDS.search(text):
        return text
    if ":" in text:
        text = _HEADER.sub(rf"\1{HIDDEN}", text)
    if "\\" in text:
        text = _ESCAPED.sub(_named(3, lambda found: f"{found[1]}{HIDDEN}{found[4]}"), text)
    if '"' in text or "'" in text:
        text = _QUOTED.sub(_named(3, lambda found: f"{found[1]}{found[4] or ''}{HIDDEN}{found[4] or ''}"), text)
    if "<" in text:
        text = _ELEMENT.sub(_named(2, lambda found: f"{found[1]}{HIDDEN}"), text)
    if "eyJ" in text:
        text = _JWT.sub(HIDDEN, text)
    return _TOKEN.sub(rf"\1{HIDDEN}", text)


def masked(content: Any) -> Any:
    """Returns a document with every text masked, also its keys; keys that become equal get numbers.

    Parts of records become plain data. Their names are toril's own and stay.
    """
    if isinstance(content, str):
        return mask(content)
    if content is None or isinstance(content, (int, float)):
        return content
    if isinstance(content, dict):
        return _with_keys(content, lambda _, value: masked(value))
    if isinstance(content, (list, tuple)):
        return content if _numbers_only(content) else [masked(one) for one in content]
    members = getattr(content, "members", None) or getattr(content, "model_dump", None)
    return {name: masked(value) for name, value in members().items()} if members else content


def masked_settings(content: Any) -> Any:
    """Returns a user's settings with credentials masked; keys such as `headers: {Authorization: …}` name them.

    A value that only refers to the environment, such as `${TOKEN}`, stays.
    """
    if isinstance(content, dict):
        return _with_keys(content, lambda key, value: _hidden(value) if names_a_secret(key) else masked_settings(value))
    if isinstance(content, (list, tuple)):
        return [masked_settings(one) for one in content]
    return masked(content)


def _hidden(value: Any) -> Any:
    """Masks the value of a key that names a secret; cookies are a list of mappings with a `value` each."""
    if isinstance(value, dict):
        return {
            key: _hidden(one) if key == "value" or names_a_secret(str(key)) else masked_settings(one)
            for key, one in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_hidden(one) for one in value]
    if value is None or isinstance(value, bool) or value == "" or _REFERENCE.fullmatch(str(value)):
        return value
    return HIDDEN


_REFERENCE = re.compile(r"(?:(?i:bearer|basic|token)\s+)?\$\{[^{}]*\}")


def _with_keys(content: dict[Any, Any], value_of: Callable[[str, Any], Any]) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for key, value in content.items():
        name = wanted = mask(key) if isinstance(key, str) else key
        number = 1
        while name in found:
            number += 1
            name = f"{wanted} (#{number})"
        found[name] = value_of(str(key), value)
    return found


def _numbers_only(content: list[Any] | tuple[Any, ...]) -> bool:
    """Returns whether lists hold numbers only; the first item decides, since histograms have thousands."""
    first: Any = content
    while isinstance(first, (list, tuple)):
        if not first:
            return True
        first = first[0]
    return isinstance(first, (int, float)) and all(not isinstance(one, (str, dict)) for one in content)


def _named(group: int, shown: Callable[[re.Match[str]], str]) -> Callable[[re.Match[str]], str]:
    """Returns a replacement that calls `shown` if the group names a secret, and else changes nothing."""
    return lambda found: shown(found) if names_a_secret(found[group]) else found[0]


def _pair(found: re.Match[str]) -> str:
    return f"{found[1]}{found[2]}{HIDDEN}" if names_a_secret(found[1]) else found[0]


class Hidden(NamedTuple):
    """A value that was masked at its place, such as `header Authorization`. It must be hidden elsewhere, too."""

    place: str
    value: str


_SECRET_HEADER = re.compile(r"(?:^|-)(?:auth|[cx]srf|jwt|sid|sig|otp|session)(?:-|$)", re.IGNORECASE)
_CREDENTIALS = ("authorization", "proxy-authorization")
_CHALLENGES = ("www-authenticate", "proxy-authenticate", "authentication-info", "proxy-authentication-info")
_SCHEME_OF = re.compile(r"(?i)(bearer|basic|digest|negotiate|ntlm|token|apikey|hawk|oauth|dpop|aws4-[\w-]+)\s+(.+)")
_CHALLENGE = re.compile(
    r"(?i)(\b(?:c?nonce|nextnonce|opaque|rspauth|response)=|^(?:negotiate|ntlm)\s+)(\"[^\"]*\"|[^\s,]+)"
)
_ADDRESSES = (":path", "content-location", "location", "origin", "referer")
_USER_INFO = re.compile(r"^([^/?#]*//)([^/?#]*)@")
_IN_PATH = re.compile(r"(;([^=;/?#]*)=)([^;/?#]*)")
_IN_QUERY = re.compile(r"((?:^|[?&#])([^=&#?]*)=)([^&#]*)")
_IN_FORM = re.compile(r"((?:^|&)([^=&]*)=)([^&]*)")
_FORM = re.compile(r"[^\s=&<>{}\"]{1,200}=[^\s&<>]*(?:&[^\s=&<>]*(?:=[^\s&<>]*)?)*")
_STRING = re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)(?:"(\s*:\s*)?|\\?\Z)', re.DOTALL)
_FIELD = re.compile(r"<(?:input|meta|param)\b[^<>]{0,2000}>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"(?i)(\s(?:value|content)\s*=\s*)(\"[^\"]*\"|'[^']*'|[^\s\"'>]+)")
_NAME_OF = re.compile(r"(?i)\s(?:name|id|property)\s*=\s*[\"']?([^\"'\s>]+)")
_BINARY = re.compile(
    r"^(?:image/(?!svg)|audio/|video/|font/)|zip|octet-stream|pdf|protobuf|grpc|wasm|msgpack|cbor|x-tar"
)
_CHARSET = re.compile(r"charset=\"?((?:utf|iso-8859|latin|windows|koi8|gb|big5|shift|euc|us-ascii)[\w-]*)")
_BOUNDARY = re.compile(r"(?i)boundary=\"?([^\";,\s]{1,200})")
_PART = re.compile(r"(?i)\bname=\"([^\"]*)\"")


def masked_headers(headers: Sequence[tuple[str, str]]) -> tuple[list[tuple[str, str]], list[Hidden]]:
    """Returns header fields without credentials, and what was hidden.

    >>> masked_headers([("Authorization", "Bearer abc"), ("Cookie", "a=1; b=2"), ("Accept", "*/*")])[0]
    [('Authorization', 'Bearer ***'), ('Cookie', 'a=***; b=***'), ('Accept', '*/*')]
    """
    shown, hidden = [], list[Hidden]()
    for name, value in headers:
        text, values = _masked_header(name.lower(), value)
        shown.append((name, text))
        hidden += [Hidden(f"header {name}", one) for one in values if one]
    return shown, hidden


def _masked_header(name: str, value: str) -> tuple[str, list[str]]:
    if name in ("cookie", "set-cookie", "set-cookie2"):
        cookies, attributes = (
            (value.split(";"), []) if name == "cookie" else (value.split(";")[:1], value.split(";")[1:])
        )
        pairs = [one.partition("=") if "=" in one else ("", "", one) for one in cookies]
        text = ";".join([*(f"{key}{equals}{value and HIDDEN}" for key, equals, value in pairs), *attributes])
        return text, [part for _, _, one in pairs for part in (one.strip(' "'), unquote(one.strip(' "')))]
    if name in _CREDENTIALS and (found := _SCHEME_OF.fullmatch(value.strip())):
        return f"{found[1]} {HIDDEN}", [found[2], *_password_in(found[1], found[2])]
    if name in _CHALLENGES:
        return _CHALLENGE.sub(rf"\1{HIDDEN}", value), [found[2].strip('"') for found in _CHALLENGE.finditer(value)]
    if value and (names_a_secret(name) or _SECRET_HEADER.search(name)):
        return HIDDEN, [value, unquote(value)]
    if name in _ADDRESSES:
        text, hidden = masked_url(value)
        return text, [one.value for one in hidden]
    return mask(value), []


def _password_in(scheme: str, credentials: str) -> Iterator[str]:
    """Returns the password of basic authentication; nothing if it is damaged."""
    if scheme.lower() == "basic":
        try:
            yield codecs.decode(credentials.encode(), "base64").decode().partition(":")[2]
        except ValueError:
            return


def masked_url(url: str) -> tuple[str, list[Hidden]]:
    """Returns an address without credentials, and what was hidden.

    >>> masked_url("https://joe:hunter2@shop.example/cart;jsessionid=9?id=7&token=abc")[0]
    'https://***@shop.example/cart;jsessionid=***?id=7&token=***'
    """
    hidden: list[Hidden] = []
    if found := _USER_INFO.match(url):
        hidden.append(Hidden("user of the address", unquote(found[2].partition(":")[2])))
        url = f"{found[1]}{HIDDEN}@{url[found.end() :]}"
    path, mark, query = url.partition("?") if "?" in url else url.partition("#")
    path = _masked_pairs(_IN_PATH, "path", path, hidden)
    query = _masked_pairs(_IN_QUERY, "query", query, hidden)
    return mask(path + mark + query), hidden


def _masked_pairs(pattern: re.Pattern[str], where: str, text: str, hidden: list[Hidden]) -> str:
    def pair(found: re.Match[str]) -> str:
        if not found[3] or not names_a_secret(found[2][:200]):
            return found[0]
        hidden.extend(Hidden(f"{where} {unquote_plus(found[2])}", one) for one in (found[3], unquote_plus(found[3])))
        return f"{found[1]}{HIDDEN}"

    return pattern.sub(pair, text)


def masked_body(data: bytes, content_type: str) -> tuple[str | None, list[Hidden]]:
    """Returns the text of a body, or of its beginning, without credentials, and what was hidden; None if it is binary.

    >>> masked_body(b'{"user": "joe", "password": "hunter2"}', "application/json")[0]
    '{"user": "joe", "password": "***"}'
    """
    kind, hidden = content_type.lower(), list[Hidden]()
    if kind.startswith("multipart/") and (boundary := _BOUNDARY.search(content_type)):
        return _masked_parts(data, boundary[1].encode("latin-1", "replace"), hidden), hidden
    text = _text_of(data, kind)
    if text is None:
        return None, hidden
    if "json" in kind or text.lstrip()[:1] in ("{", "["):
        text = _masked_json(text, hidden)
    elif "x-www-form-urlencoded" in kind or _FORM.fullmatch(text):
        text = _masked_pairs(_IN_FORM, "body", text, hidden)
    elif "<" in text:
        found = _ELEMENT.finditer(text)
        hidden += [Hidden(f"body {one[2]}", one[0][len(one[1]) :].strip()) for one in found if names_a_secret(one[2])]
        text = _FIELD.sub(lambda field: _masked_field(field[0], hidden), text)
    return mask(text), hidden


def _text_of(data: bytes, kind: str) -> str | None:
    """Returns the body as text, without an incomplete last character; None if it is binary."""
    charset = _CHARSET.search(kind)
    if _BINARY.search(kind) or (b"\0" in data[:1024] and not charset):
        return None
    try:
        return codecs.getincrementaldecoder(charset[1] if charset else "utf-8")().decode(data)
    except (LookupError, UnicodeError):
        return None


def _masked_json(text: str, hidden: list[Hidden]) -> str:
    """Masks each value of a key that names a secret in place, also in JSON that is cut."""
    pieces, at, decoder = [], 0, json.JSONDecoder()
    while found := _STRING.search(text, at):
        end = found.end()
        key = _unescaped(found[1][:200])
        if found[2] is None or not names_a_secret(key):
            pieces.append(text[at:end])
            at = end
            continue
        try:
            value, last = decoder.raw_decode(text, end)
            leaves = [one for one in _leaves(value) if one]
        except (ValueError, RecursionError):  # cut: the rest is its value
            leaves, last = [text[end:].strip('" ')], len(text)
        hidden += [Hidden(f"body {key}", one) for one in leaves]
        pieces.append(text[at:end] + (f'"{HIDDEN}"' if leaves else text[end:last]))
        at = last
    return "".join([*pieces, text[at:]])


def _unescaped(key: str) -> str:
    try:
        return str(json.loads(f'"{key}"')) if "\\" in key else key
    except ValueError:
        return key


def _leaves(value: Any) -> Iterator[str]:
    """Returns the texts and numbers in a JSON value."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _leaves(one)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _masked_field(tag: str, hidden: list[Hidden]) -> str:
    """Masks the value of an HTML field whose name names a secret, such as a form's token."""
    name = _NAME_OF.search(tag)
    if name is None or not names_a_secret(name[1]):
        return tag
    hidden += [Hidden(f"body {name[1]}", found[2].strip("\"'")) for found in _ATTRIBUTE.finditer(tag)]
    return _ATTRIBUTE.sub(rf'\1"{HIDDEN}"', tag)


def _masked_parts(data: bytes, boundary: bytes, hidden: list[Hidden]) -> str:
    """Returns a multipart body with files as their size."""
    shown = []
    for part in data.split(b"--" + boundary):
        head, gap, body = part.partition(b"\r\n\r\n")
        text, name = head.decode("utf-8", "replace"), _PART.search(head.decode("utf-8", "replace"))
        inner = body.removesuffix(b"\r\n")
        kind = next((line[13:].strip() for line in text.split("\r\n") if line.lower().startswith("content-type:")), "")
        if not gap:
            content: str | None = ""
        elif "filename=" in text.lower():
            content = None
        elif name is not None and names_a_secret(name[1]):
            hidden.append(Hidden(f"body {name[1]}", inner.decode("utf-8", "replace")))
            content = HIDDEN
        else:
            content, more = masked_body(inner, kind)
            hidden += more
        content = f"<{len(inner)} bytes of {kind or 'an unknown type'}>" if content is None else content
        shown.append(mask(text) + gap.decode() + content + ("\r\n" if inner != body else ""))
    return f"--{boundary.decode('latin-1')}".join(shown)
