"""Names and intervals short enough to be read, and names still told apart."""

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


def span(interval: tuple[float | None, float | None] | None, resolution_us: float) -> str:
    """An interval of times with its unit said once.

    >>> span((49_000, 53_300), 1), span((None, 53_300), 1), span((49_000, None), 1)
    ('49.0 – 53.3 ms', '0 – 53.3 ms', '49.0 ms – ∞')
    """
    if interval is None or interval == (None, None):
        return ""
    low, high = interval
    bottom = "0" if low is None else wording.time(low, resolution_us)
    top = "∞" if high is None else wording.time(high, resolution_us)
    unit = top.rpartition(" ")[2]
    return f"{bottom.removesuffix(f' {unit}')} – {top}"
