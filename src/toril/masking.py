"""Replaces credentials in texts for people with `***`. It recognises them by their shape.

This is the last line of defence, for undeclared credentials: passwords in addresses, headers that authenticate, query
values and fields with names such as token or password. The worker removes the values of declared secrets before.
Masking a masked text changes nothing.

The texts come from strangers, so no pattern may take quadratic time. Each repetition has a limit, or starts at a place
that a sequence of the same characters has only once.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

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
_STILL = r"(?!\*{1,3}(?:…|[\s&#\"'<>@,;)}\]\\]|$))"  # excludes masked values, also shortened ones
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
