"""Names from the outside, short enough to be read, and still told apart."""

from collections.abc import Iterable

from toril.reports import wording

LONGEST = 90
LONGEST_WHOLE = 20_000  # characters of a name that the page holds in full


def short(name: object, longest: int = LONGEST) -> str:
    """Beginning and end of a long name: names that are alike often differ at their end.

    >>> short("GET /products")
    'GET /products'
    >>> short("a" * 50 + "b" * 50, 21)
    'aaaaaaaaaaaa…bbbbbbbb'
    """
    text = wording.plain(name, LONGEST_WHOLE)
    if len(text) <= longest:
        return text
    end = longest * 2 // 5
    return f"{text[: longest - end - 1]}…{text[-end:]}"


def distinct(names: Iterable[str]) -> dict[str, str]:
    """The short form of each name; those that still look alike are numbered."""
    found: dict[str, str] = {}
    used: set[str] = set()
    for name in names:
        text = wanted = short(name) if name else "all"
        number = 1
        while text in used:
            number += 1
            text = f"{wanted} (#{number})"
        used.add(text)
        found[name] = text
    return found
