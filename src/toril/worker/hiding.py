"""Turns what an engine kept of a request into an `Exchange` without secrets.

Values at places that hold credentials are hidden (`masking.py`), and the values of declared secrets (`Redactor`).
A value that was hidden at its place is hidden in all later texts of this worker, too, in its usual escapings.
"""

import base64
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from toril.records.evidence import NOT_FOUND, Asserted, Content, Exchange
from toril.secrets.masking import HIDDEN, Hidden, masked_body, masked_headers, masked_url, names_a_secret
from toril.secrets.redaction import SHORTEST, FormIndex, Redactor

MOST_VALUES = 200  # at least this many of the last hidden ones
LONG_WORD = 12  # the same of one with letters or digits alone
LONGEST = 4_000
MOST_DECODED = 256 << 10  # bytes of a compressed body
MOST_HEADERS = MOST_VARIABLES = 100
MOST_PLACES = MOST_ASSERTED = 50
MOST_NOTES = 5
MOST_OF_TEXT = 8_000  # bytes, as below
MOST_OF_VALUE = 4_000
MOST_OF_PAIRS = 32_000
MOST_OF_ASSERTED = 1_000
TRACE = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-")
ELLIPSIS = re.compile(r"\.\.\.|…")
MOST_CUTS = 20  # of a text
BETWEEN_WORDS = " \n\t\"'&<>,;="


def may_be_secret(value: str) -> bool:
    """Returns whether a value whose name is no secret's may be one: addresses, words and short values are none."""
    return "://" not in value and len(value) >= (LONG_WORD if value.isalpha() or value.isdigit() else SHORTEST)


class Hiding:
    """Hides declared secrets, credentials, and the values that were hidden at their places before."""

    def __init__(self, redacted: Redactor) -> None:
        self._redacted = redacted
        self._known: dict[str, None] = {}  # values that were hidden at their places
        self._forms = FormIndex()
        self._places: list[str] = []  # of the current exchange
        self._lasting = 0  # values of variables, which stay hidden
        self._variables = Redactor()

    def variables(self, values: Mapping[str, str], others: Iterable[str] = ()) -> None:
        """Hides the values of variables that hold credentials, in all texts from now on; addresses and words stay.

        `others` are hidden too, but not in labels.
        """
        long = {name: value for name, value in values.items() if may_be_secret(value)}
        named = [Hidden(f"variable {name}", value) for name, value in long.items()]
        named += [Hidden("data source", value) for value in others]
        self._lasting = len(self._known) + len(named)
        self._noted((None, named))
        self._lasting = len(self._known)
        self._variables.hide(long.values())

    def label(self, text: str) -> str:
        """Returns a label without secrets. It depends on no response: one label must not become two during the load."""
        return self._redacted(self._variables.redacted(text))

    def __call__(self, text: str) -> str:
        """Returns a text without secrets and credentials."""
        shown = self._redacted(text)
        forms = self._forms.begun_in(shown)
        if not forms:
            return shown
        for form in forms:
            shown = shown.replace(form, HIDDEN)
        ends = [match.start() for match in ELLIPSIS.finditer(shown)][:MOST_CUTS]
        for end in (len(shown), *reversed(ends)):  # an engine or a library may have cut a value there
            for form in forms:
                at = shown.rfind(form[:SHORTEST], max(0, end - len(form)), end)
                if at >= 0 and form.startswith(shown[at:end]):
                    shown = shown[:at] + HIDDEN + shown[end:]
                    break
        return shown

    def exchange(self, raw: Mapping[str, Any], most_of_body: int, **known: Any) -> Exchange:
        """Returns the exchange of a line of `keeping.py`; `known` are fields that need no masking."""
        self._places = []
        url = self._noted(masked_url(self._declared(str(raw["url"])[:MOST_OF_TEXT])))
        requested, request = self._message(raw, "request", most_of_body)
        answered, response = self._message(raw, "response", most_of_body)
        named = [(str(name), str(value)) for name, value in raw["variables"][:MOST_VARIABLES]]
        self._noted((None, [Hidden(f"variable {name}", value) for name, value in named if names_a_secret(name)]))
        trace = next((value for name, value in requested if name.lower() == "traceparent"), "")
        fields: dict[str, Any] = {
            "url": self._text(url),
            "request_headers": self._pairs(requested),
            "request": None if request is None else replace(request, text=self._text(request.text, most_of_body)),
            "response_headers": self._pairs(answered),
            "response": None if response is None else replace(response, text=self._text(response.text, most_of_body)),
            "asserted": tuple(self._asserted(check) for check in raw["asserted"][:MOST_ASSERTED]),
            "variables": self._pairs(
                (name, HIDDEN if names_a_secret(name) and value != NOT_FOUND else value) for name, value in named
            ),
            "remote": self._text(raw["remote"], 200),
            "notes": tuple(self._text(note, MOST_OF_ASSERTED) for note in raw["notes"][:MOST_NOTES]),
            "trace_id": match[1] if (match := TRACE.match(trace)) else "",
        }
        places = dict.fromkeys(self(place)[:200] for place in self._places)
        return Exchange(**fields, masked=tuple(places)[:MOST_PLACES], **known)

    def page(self, data: bytes) -> bytes:
        """Returns what a browser showed or wrote, as text without secrets and credentials."""
        text = self._declared(data.decode("utf-8", "replace"))
        return self(self._noted(masked_body(text.encode(), "text/html; charset=utf-8")) or "").encode()

    def _declared(self, text: str) -> str:
        shown = self._redacted.redacted(text)
        if shown != text:
            self._places.append("secret")
        return shown

    def _noted(self, result: tuple[Any, list[Hidden]]) -> Any:
        """Returns what masking returned, and hides what it found in all texts from now on."""
        shown, found = result
        self._places += [item.place for item in found]
        named = {value for place, value in found if value.lower() not in place.lower()}  # unlike {password: "Password"}
        named.discard(NOT_FOUND)  # sent as a token, for example
        values = {word for word in named if SHORTEST <= len(word) <= LONGEST and HIDDEN not in word}
        for value in sorted(values - self._known.keys()):
            self._known[value] = None
            self._forms.add(value)
        if len(self._known) > self._lasting + 2 * MOST_VALUES:  # the index is made anew once for many values
            known = list(self._known)
            self._known = dict.fromkeys(known[: self._lasting] + known[self._lasting :][-MOST_VALUES:])
            self._forms = FormIndex(self._known)
        return shown

    def _message(
        self, raw: Mapping[str, Any], name: str, most_of_body: int
    ) -> tuple[list[tuple[str, str]], Content | None]:
        """Returns the header fields and the body of a request or a response, masked at their places."""
        sent = [(str(key), str(value)) for key, value in raw[f"{name}_headers"][:MOST_HEADERS]]
        fields = {key.lower(): value for key, value in reversed(sent)}
        headers = self._noted(masked_headers([(key, self._declared(value)) for key, value in sent]))
        if raw[name] is None:
            return headers, None
        data, size = base64.b64decode(raw[name], validate=True), int(raw[f"{name}_bytes"])
        kind = fields.get("content-type", "")[:200]
        whole = len(data) == size
        data, complete = _decompressed(data, fields.get("content-encoding", ""))
        text = self._declared(data.decode("utf-8", "surrogateescape"))
        text = self._noted(masked_body(text.encode("utf-8", "surrogateescape"), kind))
        if text is None:
            return headers, Content(bytes=size, type=self(kind), binary=True)
        shown = text if whole and complete else _without_last_word(text)
        if len(shown) > 2 * most_of_body + LONGEST:
            shown = _without_last_word(shown[: 2 * most_of_body + LONGEST])
        cut = not (whole and complete) or len(text.encode()) > most_of_body
        return headers, Content(text=shown, bytes=size, type=self(kind), cut=cut)

    def _text(self, value: Any, most: int = MOST_OF_TEXT) -> str:
        """Returns a text as it is shown; `most` is in bytes."""
        text = str(value)[: 2 * most + LONGEST].encode("utf-8", "backslashreplace").decode()
        shown = self(text)
        if HIDDEN in shown and HIDDEN not in text:
            self._places.append("secret")
        return shown.encode()[:most].decode("utf-8", "ignore")

    def _pairs(self, pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
        pairs_shown, left = [], MOST_OF_PAIRS
        for name, value in pairs:
            pairs_shown.append((self._text(name, 200), self._text(value, min(left, MOST_OF_VALUE))))
            left -= min(left, sum(map(len, pairs_shown[-1])))
        return tuple(pairs_shown)

    def _asserted(self, check: Mapping[str, Any]) -> Asserted:
        texts = {name: self._text(check.get(name, ""), MOST_OF_ASSERTED) for name in ("name", "expected", "message")}
        return Asserted(ok=bool(check.get("ok")), **texts)


def _decompressed(data: bytes, encoding: str) -> tuple[bytes, bool]:
    """Returns a body that an engine kept compressed as its first bytes, and whether these are all."""
    if encoding.lower() not in ("gzip", "x-gzip", "deflate") or data[:1] not in (b"\x1f", b"\x78"):
        return data, True  # engines in Python decompress themselves
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        return unpack.decompress(data, MOST_DECODED), unpack.eof
    except zlib.error:
        return data, True


def _without_last_word(text: str) -> str:
    """Returns a cut text without its last word, which may be the beginning of a secret."""
    return text[: max(len(text) - LONGEST, 0, *(text.rfind(mark) + 1 for mark in BETWEEN_WORDS))]
