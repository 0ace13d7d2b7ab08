"""Names from the outside, short enough to be read, and still told apart."""

from collections.abc import Iterable

from toril.reports import wording

LONGEST = 90
LONGEST_WHOLE = 20_000  # characters of a name that the page holds in full


def short(name: object, longest: int = LONGEST) -> str:
    """A long name loses its middle, where names that are alike differ least; a checksum tells of all of it."""
    return wording.plain(name, longest)


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
