"""JSON as runs keep it and reports show it: for the eye while it is small, as fast as it goes when it is not."""

import json
from typing import Any

READABLE = 4 << 20  # characters; beyond them nobody reads it, and indenting takes ten times as long as writing


def document(content: Any) -> bytes:
    """The content as strict JSON in UTF-8; half a character (a lone surrogate) as JSON's own escape of it."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    if len(text) <= READABLE:
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1)
    return text.encode("utf-8", "backslashreplace") + b"\n"
