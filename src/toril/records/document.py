"""JSON as runs keep it and reports show it: for the eye while it is small, as fast as it goes when it is not.

And read strictly, since what is read may come from a stranger.
"""

import json
import math
from typing import Any

MOST_PARTS = 1 << 20  # lists, objects, texts and commas: each takes up to 60 bytes of memory once it is read
READABLE = 4 << 20  # characters; beyond them nobody reads it, and indenting takes ten times as long as writing


def document(content: Any) -> bytes:
    """The content as strict JSON in UTF-8; half a character (a lone surrogate) as JSON's own escape of it."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    if len(text) <= READABLE:
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1)
    return text.encode("utf-8", "backslashreplace") + b"\n"


def parsed(data: bytes, *, most_parts: int = MOST_PARTS) -> Any:
    """The value of strict JSON; ValueError for all else: NaN, infinity, a name twice in an object, too many parts."""
    if sum(map(data.count, (b"[", b"{", b'"', b","))) > most_parts:
        raise ValueError(f"it has more than {most_parts:,} parts")
    try:
        text = data.decode("utf-8", "surrogatepass")
        return json.loads(text, parse_constant=_number, parse_float=_number, object_pairs_hook=_once)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:40]} is not a finite number")
    return number


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an object has a name twice")
    return found
