"""Texts from outside, harmless on every screen. Numbers become text in `toril.text`."""

import unicodedata

from toril.masking import mask
from toril.text import (
    MINUS,
    difference,
    exact,
    interval,
    limit,
    number,
    percent,
    plural,
    quantity,
    share,
    shortened,
    signed_percent,
    size,
    span,
    time,
)

__all__ = [
    "MINUS",
    "difference",
    "exact",
    "interval",
    "limit",
    "number",
    "percent",
    "plain",
    "plural",
    "quantity",
    "share",
    "shortened",
    "signed_percent",
    "size",
    "span",
    "time",
]

HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}  # controls, bidirectional overrides, lone surrogates, unassigned
BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")  # letters and marks that show nothing
MOST_MARKS = 4  # combining marks on one character; more would run over the lines around it


def plain(text: object, longest: int = 300) -> str:
    """A string from the outside, harmless on every screen and in every file: what cannot be seen is written out.

    What must not be seen, since it looks like a credential, is masked.

    A longer one loses its middle, as in `shortened`.

    >>> plain("a\\x1b[31mb")
    'a\\\\x1b[31mb'
    """
    found = shortened(mask(str(text)), longest)
    if found.isascii() and found.isprintable():
        return found
    shown, marks = [], 0
    for character in found:
        category = unicodedata.category(character)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if character in "\t\n\r":
            shown.append(" ")
        elif category in HIDDEN or character in BLANK or marks > MOST_MARKS:
            shown.append(character.encode("unicode_escape", "backslashreplace").decode("ascii"))
        else:
            shown.append(character)
    return "".join(shown)
