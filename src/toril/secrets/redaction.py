"""Removes secret values from texts, in every common escaping.

The pattern of a value matches each character in every common escape, since encoders of URLs, JSON, HTML and quoted
strings escape different characters.
"""

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from urllib.parse import quote, quote_plus

from toril.secrets.masking import HIDDEN, mask, names_a_secret

LONG_LINE = 8  # characters; shorter lines of a value are not secret by themselves
CUT_FROM = 400  # engines cut messages at 500 characters, possibly within a value
MOST_SLASHES = 16  # before a character that was quoted four times (JSON within JSON)
SLASHES = rf"\\{{1,{MOST_SLASHES}}}"
MOST_IN_RECORD = 5000  # characters
SHORTEST = 6  # characters of a value that is hidden anywhere, and of its beginning at the end of a cut text
ENTITIES = {'"': ("&quot;",), "'": ("&apos;",), "&": ("&amp;",), "<": ("&lt;",), ">": ("&gt;",)}
ESCAPES = {"\n": "n", "\r": "r", "\t": "t", "\b": "b", "\f": "f"}


class Redactor:
    """Redacts these values in texts. Without values it only masks texts that look like credentials."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self.hide(values)

    def hide(self, values: Iterable[str]) -> None:
        """Redact these values from now on, instead of the earlier ones."""
        self._values = sorted({text for value in values for text in _parts(value)}, key=len, reverse=True)
        patterns = "|".join(pattern for text in self._values for pattern in _patterns(text))
        self._pattern = re.compile(patterns) if patterns else None

    def __call__(self, text: str) -> str:
        """Returns a label or a message without secrets and credentials."""
        return mask(self.redacted(text))

    def for_record(self, text: str) -> str:
        """Returns a text for a JSON record: redacted, cut, and without lone surrogates, which UTF-8 cannot encode."""
        return self(text).encode("utf-8", "backslashreplace").decode()[:MOST_IN_RECORD]

    def redacted(self, text: str) -> str:
        """Returns a log's text without the secret values."""
        if self._pattern is None:
            return text
        text = self._pattern.sub(HIDDEN, text)
        return self._without_beginning(text) if len(text) >= CUT_FROM else text

    def redacted_bytes(self, data: bytes) -> bytes:
        """Returns the same for bytes, read as UTF-8; invalid bytes stay as they are."""
        return self.redacted(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")

    def _without_beginning(self, text: str) -> str:
        for value in self._values:
            for length in range(len(value) - 1, SHORTEST - 1, -1):
                if text.endswith(value[:length]) or text.endswith(value[:length] + "…"):
                    return text[: text.rindex(value[:length])] + HIDDEN
        return text


def _parts(value: str) -> Iterator[str]:
    """Returns the value and the parts that a script may use alone: its lines, and the secrets in its JSON."""
    yield value
    if value.strip() != value:
        yield value.strip()
    lines = value.splitlines()
    if len(lines) > 1:
        yield from (line.strip() for line in lines if len(line.strip()) >= LONG_LINE)
    if value.lstrip()[:1] in ("{", "["):
        try:
            yield from _secrets_in(json.loads(value), secret=False)
        except (ValueError, RecursionError):
            return


def _secrets_in(content: object, *, secret: bool) -> Iterator[str]:
    if isinstance(content, dict):
        for key, value in content.items():
            yield from _secrets_in(value, secret=names_a_secret(key))
    elif isinstance(content, list):
        for value in content:
            yield from _secrets_in(value, secret=secret)
    elif secret and isinstance(content, str) and len(content) >= SHORTEST:
        yield content


def _patterns(value: str) -> Iterator[str]:
    yield "".join(
        _slashes(len(list(run))) if char == "\\" else "".join(map(_character, run)) for char, run in groupby(value)
    )
    encodings = dict.fromkeys((value.encode("utf-8", "surrogateescape"), value.encode("latin-1", "ignore")))
    whole = [encoding for encoding in encodings if len(encoding) >= len(value)]
    some = "(?:[A-Za-z0-9+/_-])"
    for before, encoded in (pair for data in whole for pair in enumerate(_in_base64(data))):
        core = "".join({"+": "(?:[+-]|%2[bB])", "/": "(?:[/_]|%2[fF])"}.get(char, char) for char in encoded)
        yield f"{some}{core}{some}?(?:=|%3[dD]){{0,2}}" if before else f"{core}{some}?(?:=|%3[dD]){{0,2}}"


def _slashes(count: int) -> str:
    """Returns the pattern of a run of backslashes; each needs at least one, so that a text matches in one way only."""
    slash = r"(?i:\\(?:x5c|u005c|U0000005c)?|%(?:25)?5c|&#(?:0*92|x0*5c);)"
    return f"{slash}{{{count},{MOST_SLASHES * count}}}"


def _character(char: str) -> str:
    """Returns the pattern of a character in every common escape."""
    if char.isascii() and char.isalnum():
        return char
    octets = char.encode("utf-8", "surrogateescape")
    halves = char.encode("utf-16-be", "surrogatepass").hex()
    escapes = {
        "".join(f"%(?:25)?{octet:02x}" for octet in octets),
        "".join(rf"{SLASHES}x{octet:02x}" for octet in octets),
        "".join(rf"{SLASHES}u{halves[at : at + 4]}" for at in range(0, len(halves), 4)),
        rf"{SLASHES}(?:x{ord(char):02x}|U{ord(char):08x})",
        f"&#(?:0*{ord(char)}|x0*{ord(char):x});",
        *map(re.escape, ENTITIES.get(char, ())),
        re.escape(html.escape(char)),
    }
    if char == " ":
        escapes.add(r"\+")
    if "\x80" <= char <= "\xff":  # Latin-1, also read as UTF-8, and UTF-8 read as Latin-1
        escapes |= {f"%(?:25)?{ord(char):02x}", chr(0xDC00 + ord(char)), octets.decode("latin-1")}
    if char in ESCAPES:
        escapes.add(rf"{SLASHES}{ESCAPES[char]}")
    elif char.isascii():
        escapes.add(rf"{SLASHES}{re.escape(char)}")
    return f"(?:(?i:{'|'.join(sorted(escapes, key=len, reverse=True))})|{re.escape(char)})"


def forms_of(value: str) -> Iterator[str]:
    """Returns a value in its usual escapings."""
    value = re.sub("[\ud800-\udc7f\udd00-\udfff]", "?", value)  # JSON may have half of a character
    data = value.encode("utf-8", "surrogateescape")
    yield value
    latin = value.encode("latin-1", "replace")
    for quoted in (quote(data, safe=""), quote(data), quote_plus(data), quote(latin, safe=""), quote_plus(latin)):
        yield quoted
        yield re.sub("%..", lambda match: match[0].lower(), quoted)
    for escaped in (json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]):
        yield escaped
        yield escaped.replace("/", "\\/")
        yield json.dumps(escaped)[1:-1]
    yield html.escape(value)
    yield html.escape(value, quote=False)
    for encoded in _in_base64(data):
        yield encoded
        yield encoded.translate(str.maketrans("+/", "-_"))


def _in_base64(data: bytes) -> Iterator[str]:
    """Yields the characters of the data alone, by the number of bytes before it in base64's group of three."""
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + data).decode()
        yield encoded[-(-before * 8 // 6) : (before + len(data)) * 8 // 6]


class FormIndex:
    """Finds values in texts, in all their escapings, by their first characters."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._begun_by: dict[str, set[str]] = {}
        for value in values:
            self.add(value)

    def add(self, value: str) -> None:
        for form in forms_of(value):
            if len(form) >= SHORTEST:
                self._begun_by.setdefault(form[:SHORTEST], set()).add(form)

    def begun_in(self, text: str) -> list[str]:
        """Returns the forms of which the text has the first characters, the longest first."""
        parts = {text[at : at + SHORTEST] for at in range(len(text) - SHORTEST + 1)} if self._begun_by else ()
        forms = {form for part in self._begun_by.keys() & parts for form in self._begun_by[part]}
        return sorted(forms, key=lambda form: (-len(form), form))
