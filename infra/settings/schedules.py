"""Schedules of suites. The expressions of EventBridge Scheduler are checked here, before AWS checks them."""

import re
import zoneinfo
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, Field

from infra.settings.common import Setting

SuiteName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]

_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
# field → lowest, highest, names of the numbers from the lowest on, other values that AWS allows
_FIELDS: dict[str, tuple[int, int, list[str], str]] = {
    "minutes": (0, 59, [], ""),
    "hours": (0, 23, [], ""),
    "day of month": (1, 31, [], r"\?|L|LW|L-\d{1,2}|\d{1,2}W"),
    "month": (1, 12, _MONTHS, ""),
    "day of week": (1, 7, _DAYS, r"\?|L|[1-7]L|[1-7]#[1-5]|(SUN|MON|TUE|WED|THU|FRI|SAT)(L|#[1-5])"),
    "year": (1970, 2199, [], ""),
}
_RATE = re.compile(r"rate\((\d+) (minute|hour|day)(s?)\)")
_CRON = re.compile(r"cron\((.*)\)")
_AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")


def check_expression(text: str) -> str:
    """Returns an expression that AWS accepts. Raises ValueError, with the fix, for others."""
    if found := _CRON.fullmatch(text):
        _check_cron(found[1])
    elif found := _RATE.fullmatch(text):
        if int(found[1]) < 1 or (int(found[1]) == 1) == bool(found[3]):
            raise ValueError(
                f"Use the singular for one and the plural for more: rate(1 {found[2]}), rate(2 {found[2]}s)."
            )
    elif found := _AT.fullmatch(text):
        try:
            datetime.fromisoformat(found[1])
        except ValueError as error:
            raise ValueError(f"The time does not exist: {error}.") from error
    else:
        raise ValueError("Use the form cron(17 2 * * ? *), rate(12 hours) or at(2027-01-31T02:00:00).")
    return text


def check_zone(name: str) -> str:
    """Returns the name of an IANA time zone. Raises ValueError, with examples, for others."""
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("Use an IANA time zone, as in Europe/Madrid or UTC.") from None
    return name


def _check_cron(body: str) -> None:
    parts = body.split()
    if len(parts) != len(_FIELDS):
        raise ValueError(
            f"The expression has {len(parts)} fields. Use six: {', '.join(_FIELDS)}, as in cron(17 2 * * ? *)."
        )
    for (field, (lowest, highest, words, special)), part in zip(_FIELDS.items(), parts, strict=True):
        for one in part.split(","):
            if not (special and re.fullmatch(special, one)) and not _is_range(one, lowest, highest, words):
                raise ValueError(
                    f"{field}: Use a number from {lowest} to {highest}, *, a range or a step, not `{one}`."
                )
    if (parts[2] == "?") == (parts[4] == "?"):
        raise ValueError("Use ? for exactly one of day of month and day of week.")


def _is_range(text: str, lowest: int, highest: int, words: list[str]) -> bool:
    """Whether the text is `*`, `5` or `1-5`, possibly with a step such as `*/10`."""
    span, _, step = text.partition("/")
    if "/" in text and not (step.isdecimal() and 1 <= int(step) <= highest):
        return False
    if span == "*":
        return True
    ends = [_number(end, lowest, words) for end in span.split("-")]
    known = [end for end in ends if end is not None and lowest <= end <= highest]
    return len(ends) <= 2 and len(known) == len(ends) and known == sorted(known)


def _number(text: str, lowest: int, words: list[str]) -> int | None:
    if text.isdecimal() and text.isascii():
        return int(text)
    return words.index(text.upper()) + lowest if text.upper() in words else None


class Schedule(Setting):
    """A scheduled suite, in the home region only."""

    name: SuiteName = Field(description="Name of the schedule; not `sweep-…`.")
    suite: SuiteName = Field(description="Suite that `toril push` stored.")
    cron: Annotated[str, AfterValidator(check_expression)] = Field(
        max_length=256, description="`cron(17 2 * * ? *)`, `rate(12 hours)` or `at(2027-01-31T02:00:00)`."
    )
    timezone: Annotated[str, AfterValidator(check_zone)] = Field(
        default="UTC", max_length=50, description="IANA name, such as `Europe/Madrid`."
    )
    enabled: bool = Field(default=True, description="`false` keeps the schedule without running it.")
