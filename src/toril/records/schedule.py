"""Schedules of suites in the language of EventBridge Scheduler: `cron(…)`, `rate(…)` and `at(…)` with a time zone."""

import calendar
import re
import zoneinfo
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from toril.records.console import StartOptions, SuiteName
from toril.records.document import Seconds

SWEEP = "sweep-"  # prefix of the one-time schedules that end runs
UNITS_S = {"minute": 60, "hour": 3600, "day": 86_400}
LONGEST_S = 3650 * 86_400  # of a rate; with years of five digits, times cannot be shown

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
# field → lowest, highest, names of the numbers from the lowest on, other values that AWS allows
_FIELDS: dict[str, tuple[int, int, tuple[str, ...], str]] = {
    "minutes": (0, 59, (), ""),
    "hours": (0, 23, (), ""),
    "day of month": (1, 31, (), r"\?|L|LW|L-\d{1,2}|([1-9]|[12]\d|3[01])W"),
    "month": (1, 12, _MONTHS, ""),
    "day of week": (1, 7, _WEEKDAYS, r"\?|L|[1-7]L|[1-7]#[1-5]|(SUN|MON|TUE|WED|THU|FRI|SAT)(L|#[1-5])"),
    "year": (1970, 2199, (), ""),
}
_RATE = re.compile(r"rate\((\d{1,9}) (minute|hour|day)(s?)\)")
_CRON = re.compile(r"cron\((.*)\)")
_AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    """A `cron(…)` expression. `days` and `weekdays` are as they are written, and one of them is `?`."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: str
    day_numbers: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: str
    weekday_numbers: tuple[int, ...]
    years: tuple[int, ...]
    is_plain: bool  # without days such as `L`, `15W` and `2#1`

    def days_in(self, year: int, month: int) -> list[int]:
        """Returns the days of a month on which the expression applies."""
        if year not in self.years or month not in self.months:
            return []
        last = calendar.monthrange(year, month)[1]
        parts, days_of = (self.days, _days) if self.weekdays == "?" else (self.weekdays, _days_of_week)
        days = (day for part in parts.split(",") for day in days_of(part, year, month, last))
        return sorted({day for day in days if 1 <= day <= last})


def parse(text: str) -> Cron | int | datetime:
    """Returns a `cron`; the seconds of a `rate`; or the local time of an `at`. ValueError, with the fix, for others."""
    if match := _CRON.fullmatch(text):
        return _cron(match[1])
    if match := _RATE.fullmatch(text):
        number, unit = int(match[1]), match[2]
        if number < 1 or (number == 1) == bool(match[3]):
            raise ValueError(f"Use the singular for one and the plural for more: rate(1 {unit}), rate(2 {unit}s).")
        if number * UNITS_S[unit] > LONGEST_S:
            raise ValueError("Use a rate of at most 3650 days.")
        return number * UNITS_S[unit]
    if match := _AT.fullmatch(text):
        try:
            at = datetime.fromisoformat(match[1])
        except ValueError as error:
            raise ValueError(f"The time does not exist: {error}.") from error
        lowest, highest, *_ = _FIELDS["year"]
        if not lowest < at.year < highest:  # in every time zone
            raise ValueError(f"Use a year between {lowest} and {highest}.")
        return at
    raise ValueError("Use the form cron(17 2 * * ? *), rate(12 hours) or at(2027-01-31T02:00:00).")


def check_expression(text: str) -> str:
    """Returns an expression that AWS accepts. Raises ValueError, with the fix, for others."""
    parse(text)
    return text


def check_zone(name: str) -> str:
    """Returns the name of an IANA time zone. Raises ValueError, with examples, for others."""
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("Use an IANA time zone, as in Europe/Madrid or UTC.") from None
    return name


def _check_name(name: str) -> str:
    if name.startswith(SWEEP):
        raise ValueError(f"Use a name that does not begin with `{SWEEP}`.")
    return name


class SuiteSchedule(StartOptions):
    """A schedule that runs a suite's current version."""

    name: Annotated[str, Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z_.-]{0,63}$"), AfterValidator(_check_name)]
    suite: SuiteName
    when: Annotated[str, Field(max_length=256), AfterValidator(check_expression)]
    timezone: Annotated[str, Field(max_length=50), AfterValidator(check_zone)] = "UTC"
    expires_at: Seconds | None = None
    paused: bool = False
    source: Literal["console", "stack"] = "console"  # those from the settings of a stack cannot be changed here
    began_at: Seconds | None = None  # from when a rate counts; None: the schedule does not exist yet
    tried: Literal[False] = False  # people try a suite themselves

    def command(self, store: str) -> list[str]:
        """Returns the command of a coordinator that runs the suite."""
        options = StartOptions(**self.as_options()).model_dump_json(exclude_defaults=True)
        start = ["run", f"{store}/suites/{self.suite}", "--on", "fargate", "--store", store]
        return start if options == "{}" else [*start, "--options", options]


def read_command(command: object) -> dict[str, object]:
    """Returns the suite and the options of a schedule's command; ValueError for another command."""
    match command:
        case ["run", str(address), "--on", "fargate", "--store", _]:
            options = StartOptions()
        case ["run", str(address), "--on", "fargate", "--store", _, "--options", str(text)]:
            options = StartOptions.model_validate_json(text)
        case _:
            raise ValueError("The command does not run a suite on Fargate.")
    return {**options.as_options(), "suite": address.rpartition("/suites/")[2]}


def _cron(body: str) -> Cron:
    parts = body.split()
    if len(parts) != len(_FIELDS):
        raise ValueError(
            f"The expression has {len(parts)} fields. Use six: {', '.join(_FIELDS)}, as in cron(17 2 * * ? *)."
        )
    numbers = [_checked(field, part.upper()) for field, part in zip(_FIELDS, parts, strict=True)]
    if (parts[2] == "?") == (parts[4] == "?"):
        raise ValueError("Use ? for exactly one of day of month and day of week.")
    minutes, hours, days, months, weekdays, years = numbers
    return Cron(
        minutes=minutes,
        hours=hours,
        days=parts[2].upper(),
        day_numbers=days,
        months=months,
        weekdays=parts[4].upper(),
        weekday_numbers=weekdays,
        years=years,
        is_plain=not re.search(r"L|W|#", re.sub(r"JUL|WED", "", f"{parts[2]} {parts[4]}".upper())),
    )


def _checked(field: str, text: str) -> tuple[int, ...]:
    """Returns the numbers of a field, without special days."""
    lowest, highest, words, special = _FIELDS[field]
    chosen: set[int] = set()
    for part in text.split(","):
        if special and re.fullmatch(special, part):
            if part == "?" and text != "?":
                raise ValueError(f"{field}: Use ? alone, not `{text}`.")
            continue
        numbers = _numbers(part, lowest, highest, words)
        if not numbers:
            raise ValueError(f"{field}: Use a number from {lowest} to {highest}, *, a range or a step, not `{part}`.")
        chosen.update(numbers)
    return tuple(sorted(chosen))


def _numbers(text: str, lowest: int, highest: int, words: tuple[str, ...]) -> range:
    """Returns the numbers of `*`, `5` or `1-5`, possibly with a step such as `*/10`; none if the text is invalid."""
    span, slash, step = text.partition("/")
    if slash and not (step.isdecimal() and 1 <= int(step) <= highest):
        return range(0)
    if span == "*":
        first, last = lowest, highest
    else:
        ends = [_number(end, lowest, words) for end in span.split("-")]
        if len(ends) > 2 or any(end is None or not lowest <= end <= highest for end in ends):
            return range(0)
        first, last = ends[0] or 0, ends[-1] or 0
        if slash and len(ends) == 1:
            last = highest
    return range(first, last + 1, int(step) if slash else 1)


def _number(text: str, lowest: int, words: tuple[str, ...]) -> int | None:
    if text.isdecimal() and text.isascii():
        return int(text)
    return words.index(text) + lowest if text in words else None


def _days(part: str, year: int, month: int, last: int) -> Iterable[int]:
    if part.startswith("L-"):
        return (last - int(part[2:]),)
    if part == "L":
        return (last,)
    if part.endswith("W"):
        day = last if part == "LW" else int(part[:-1])
        return (_nearest_weekday(year, month, day, last),) if day <= last else ()
    return _numbers(part, *_FIELDS["day of month"][:3])


def _nearest_weekday(year: int, month: int, day: int, last: int) -> int:
    """Returns the day from Monday to Friday that is nearest, in the same month."""
    weekday = calendar.weekday(year, month, day)
    if weekday == calendar.SATURDAY:
        return day - 1 if day > 1 else day + 2
    if weekday == calendar.SUNDAY:
        return day + 1 if day < last else day - 2
    return day


def _days_of_week(part: str, year: int, month: int, last: int) -> Iterable[int]:
    first = (calendar.weekday(year, month, 1) + 1) % 7 + 1  # of the 1st, from 1 for Sunday

    def all_of(weekday: int) -> range:
        return range(1 + (weekday - first) % 7, last + 1, 7)

    if part == "L":
        return all_of(7)
    name, number, nth = part.partition("#")
    if number:
        return all_of(_number(name, 1, _WEEKDAYS) or 0)[int(nth) - 1 : int(nth)]
    if part.endswith("L"):
        return all_of(_number(part[:-1], 1, _WEEKDAYS) or 0)[-1:]
    return (day for weekday in _numbers(part, *_FIELDS["day of week"][:3]) for day in all_of(weekday))
