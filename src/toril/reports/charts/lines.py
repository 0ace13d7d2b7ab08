"""Charts as plain data: lines of numbers in the shown unit, thinned for long runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MOST_SECONDS = 1200  # without thinning; a wide screen has about as many pixels
DIGITS = 3  # after the point

Values = Sequence[float | None]
Chart = Mapping[str, Any]


def chart(title: str, unit: str, *lines: Any, marks: Sequence[Any] = (), note: str = "", **more: Any) -> Chart:
    """Returns a chart of the non-empty lines."""
    shown = [given for given in lines if given is not None]
    return {"title": title, "unit": unit, "lines": shown, "marks": list(marks), "note": note, **more}


def line(name: str, look: str, values: Values, divisor: int = 1, digits: int = DIGITS) -> Mapping[str, Any] | None:
    """Returns a line of a chart; None without values. A `divisor` of 1000 shows µs as ms.

    `look` is a colour of the style sheet, with optional styles: "planned dashed steps".
    """
    if all(value is None for value in values):
        return None
    return {"name": name, "look": look, "values": column(values, divisor, digits)}


def column(values: Values, divisor: int = 1, digits: int = DIGITS) -> list[float | None]:
    """Returns the numbers in their shortest JSON form."""
    return [None if value is None else _short(round(value / divisor, digits)) for value in values]


def _short(value: float) -> float:
    return int(value) if float(value).is_integer() else value


@dataclass(frozen=True, slots=True)
class Thinning:
    """Turns the seconds of a run into points: one each, or two per `step_s`, so that no spike is lost."""

    seconds: int
    step_s: int = 1

    @property
    def x(self) -> list[float]:
        if self.step_s == 1:
            return list(range(self.seconds))
        starts = range(0, self.seconds, self.step_s)
        return [at for start in starts for at in (start, start + self.step_s // 2)]

    def __call__(self, values: Values) -> list[float | None]:
        """Returns the lowest and the highest value of each step; a column shorter than the run ends in gaps.

        >>> Thinning(6, 3)([5, 1, 7, None, None, 2])
        [1, 7, 2, 2]
        """
        padded = [*values[: self.seconds], *[None] * (self.seconds - len(values))]
        return [None if at is None else padded[at] for at in self.drawn(padded)]

    def drawn(self, values: Values) -> list[int | None]:
        """Returns the second of each point; lines of a stack share those of their sum."""
        seconds: list[int | None] = []
        for start in range(0, self.seconds, self.step_s):
            known = [
                (value, start + at) for at, value in enumerate(values[start : start + self.step_s]) if value is not None
            ]
            ends = sorted((min(known)[1], max(known, key=lambda pair: pair[0])[1])) if known else (None, None)
            seconds += ends if self.step_s > 1 else ends[:1]
        return seconds


def thinning(seconds: int) -> Thinning:
    """Returns all seconds of a run up to twenty minutes, or about 600 pairs for longer runs."""
    return Thinning(seconds, 1 if seconds <= MOST_SECONDS else max(2, -(-seconds // (MOST_SECONDS // 2))))
