"""Schedule expressions and their due times in a time zone."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from ministack.services import eventbridge

AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")
RATE = re.compile(r"rate\((\d+) (minutes?|hours?|days?)\)")
CRON = re.compile(r"cron\((.+)\)")
BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (1, 7), (1970, 2199))  # minute, hour, day, month, weekday, year
UNITS = {"minute": 60, "hour": 3600, "day": 86400}


@dataclass(frozen=True, slots=True)
class Schedule:
    """A valid expression with its zone."""

    expression: str
    zone: ZoneInfo

    @property
    def once(self) -> bool:
        return self.expression.startswith("at(")

    def due(self, after: float) -> float | None:
        """Returns the first due time after `after`, or None."""
        at = AT.fullmatch(self.expression)
        if at:
            moment = datetime.fromisoformat(at[1]).replace(tzinfo=self.zone).timestamp()
            return moment if moment > after else None
        rate = RATE.fullmatch(self.expression)
        if rate:
            return after + int(rate[1]) * UNITS[rate[2].rstrip("s")]
        local = datetime.fromtimestamp(after, self.zone).replace(tzinfo=UTC)  # the wall clock, treated as UTC
        found: datetime | None = eventbridge._cron_next_fire(eventbridge._parse_cron_fields(self.expression), local)
        if found is None:
            return None
        wall = found.replace(tzinfo=self.zone)
        if wall.astimezone(UTC).astimezone(self.zone).replace(tzinfo=None) != wall.replace(tzinfo=None):
            return self.due((wall + timedelta(hours=1)).timestamp())  # daylight saving time skips this wall-clock time
        return wall.timestamp()


def parse(expression: str, zone: str) -> Schedule:
    """Returns the schedule. Raises ValueError for an invalid expression or zone."""
    try:
        known = ZoneInfo(zone)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"Invalid Schedule Expression Timezone: {zone}") from error
    at, rate, cron = (one.fullmatch(expression) for one in (AT, RATE, CRON))
    if at:
        datetime.fromisoformat(at[1])
    elif rate:
        if int(rate[1]) < 1 or (int(rate[1]) == 1) == rate[2].endswith("s"):
            raise ValueError(f"Invalid Schedule Expression {expression}: 1 has a singular unit, others a plural one")
    elif not cron or not _valid_cron(cron[1]):
        raise ValueError(f"Invalid Schedule Expression {expression}.")
    return Schedule(expression, known)


def _valid_cron(text: str) -> bool:
    fields = text.split()
    if len(fields) != 6 or (fields[2] == "?") == (fields[4] == "?"):
        return False
    for field, (least, most) in zip(fields, BOUNDS, strict=True):
        numbers = [int(one) for one in re.findall(r"(?<![\d/#])\d+", field)]  # neither steps nor ordinals
        if not all(least <= one <= most for one in numbers):
            return False
    return eventbridge._parse_cron_fields(f"cron({text})") is not None
