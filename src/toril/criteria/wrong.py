"""What a criterion is refused with: what is wrong, and the fix. `parse_criterion` adds where."""

import difflib
from collections.abc import Mapping, Sequence


class Wrong(Exception):
    """A criterion that cannot be judged as it is written."""

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(what, fix)
        self.what, self.fix = what, fix


def nearest(word: object, known: Sequence[str]) -> str | None:
    """The known word that was probably meant."""
    found = difflib.get_close_matches(str(word)[:50], known, n=1)
    return found[0] if found else None


def short(value: object) -> str:
    """A value as a message quotes it."""
    text = str(dict(value)) if isinstance(value, Mapping) else str(value)
    text = " ".join(text.split())
    return text if len(text) <= 80 else text[:77] + "…"
