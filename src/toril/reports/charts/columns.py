"""Columns of numbers as short texts, since a page with six hundred seconds of twenty labels has 60,000 of them.

A value is written as its difference from the last one before it, in digits of six bits as source maps have them: five
bits of value a digit, the sixth says that another follows; the lowest bit of a number is its sign. A gap is a dot.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
GAP = "."

Values = Sequence[float | None]


def column(values: Values, divisor: int = 1, *, digits: int = 1) -> dict[str, Any]:
    """`t` is the text; a value is what it says, divided by `d`. Values are kept to 1/`digits` of their unit.

    `divisor` is that of the unit that is shown: µs become ms with 1000.
    """
    return {"t": text(None if value is None else round(value * digits) for value in values), "d": divisor * digits}


def text(values: Iterable[int | None]) -> str:
    """
    >>> text([0, 1, 1, None, -15, 1000])
    'ACA.hBu/B'
    """
    found, last = [], 0
    for value in values:
        if value is None:
            found.append(GAP)
            continue
        change, last = value - last, value
        rest = (abs(change) << 1) | (change < 0)
        while rest > 31:
            found.append(DIGITS[32 | (rest & 31)])
            rest >>= 5
        found.append(DIGITS[rest])
    return "".join(found)


def has_any(values: Values) -> bool:
    return any(value is not None for value in values)


def line(name: str, look: str, values: Values, divisor: int = 1, **more: Any) -> Mapping[str, Any] | None:
    """A line of a chart: its name, how it is drawn, and its values. None when there is nothing to draw.

    `look` is a colour of the style sheet, or several words: a colour and what it is, as in "planned dashed steps".
    """
    if not has_any(values):
        return None
    digits = more.pop("digits", 1)
    return {"name": name, "look": look, **column(values, divisor, digits=digits), **more}
