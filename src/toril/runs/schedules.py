"""When a schedule runs, common schedules, and the lines that do the same without AWS."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

from toril.records.schedule import Cron, SuiteSchedule, parse

FIRST_YEAR, LAST_YEAR = 1970, 2199  # of an expression
CHECKOUT = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1"  # as `toril init` writes it
WEEKDAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")


@dataclass(frozen=True, slots=True)
class Preset:
    """A common schedule. Minutes differ from 0, when many schedules start."""

    name: str
    label: str
    when: str


PRESETS = (
    Preset("hourly", "Every hour", "cron(17 * * * ? *)"),
    Preset("nightly", "Every night at 02:17", "cron(17 2 * * ? *)"),
    Preset("weekdays", "Monday to Friday at 06:17", "cron(17 6 ? * MON-FRI *)"),
    Preset("weekly", "Every Sunday at 02:17", "cron(17 2 ? * SUN *)"),
    Preset("monthly", "On the first of a month at 02:17", "cron(17 2 1 * ? *)"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalLines:
    """What runs a schedule on another scheduler; None where that scheduler cannot express it."""

    crontab: str | None
    systemd: str | None
    github: str | None


def next_runs(schedule: SuiteSchedule, after: float, count: int = 5) -> list[float]:
    """Returns the next times of a schedule in seconds since the epoch; none while it is paused.

    As in EventBridge Scheduler, a local time that the clock skips has no run, and one that it repeats has one run. A
    new `rate` begins at `after`.
    """
    if schedule.paused:
        return []
    times = islice(_times(schedule, after), count)
    return [at for at in times if schedule.expires_at is None or at <= schedule.expires_at]


def last_due(schedule: SuiteSchedule, before: float) -> float | None:
    """Returns the last time of a schedule up to `before`; None while it is paused, or if it is a month ago."""
    if schedule.paused:
        return None
    end = before if schedule.expires_at is None else min(before, schedule.expires_at)
    for days in (1, 32):  # a frequent schedule has many times
        if times := [*takewhile(lambda at: at <= end, _times(schedule, before - 86_400 * days))]:
            return times[-1]
    return None


def _times(schedule: SuiteSchedule, after: float) -> Iterator[float]:
    zone, parsed = ZoneInfo(schedule.timezone), parse(schedule.when)
    if isinstance(parsed, int):
        begin = after if schedule.began_at is None else schedule.began_at
        passed = 0 if schedule.began_at is None else max(0, int((after - begin) // parsed + 1))
        while True:
            yield begin + passed * parsed
            passed += 1
    candidates = iter((parsed,)) if isinstance(parsed, datetime) else _local_times(parsed, after, zone)
    for local in candidates:
        at = local.replace(tzinfo=zone).astimezone(UTC)
        if at.timestamp() > after and at.astimezone(zone).replace(tzinfo=None) == local:
            yield at.timestamp()


def _local_times(cron: Cron, after: float, zone: ZoneInfo) -> Iterator[datetime]:
    """Yields the local times of an expression from the day before `after` on."""
    begin = (datetime.fromtimestamp(after, zone) - timedelta(days=1)).replace(tzinfo=None)
    for year in range(begin.year, LAST_YEAR + 1):
        for month in range(begin.month if year == begin.year else 1, 13):
            for day in cron.days_in(year, month):
                if (year, month, day) >= (begin.year, begin.month, begin.day):
                    times = ((hour, minute) for hour in cron.hours for minute in cron.minutes)
                    yield from (datetime(year, month, day, *time) for time in times)


def local_lines(schedule: SuiteSchedule, store: str, *, program: Sequence[str], action: str) -> LocalLines:
    """Returns the lines that run a suite of a folder's store from cron and systemd, and a workflow of GitHub.

    `program`: the command `toril` by its whole path; `action`: toril's action, as `toril init` writes it.
    """
    command = shlex.join([*program, "run", f"{store}/suites/{schedule.suite}", "--store", store])
    parsed = parse(schedule.when)
    if isinstance(parsed, int):
        return LocalLines(crontab=None, systemd=_units(schedule, command, f"OnUnitActiveSec={parsed}s"), github=None)
    if isinstance(parsed, datetime):
        once = f"OnCalendar={parsed:%Y-%m-%d %H:%M:%S} {schedule.timezone}"
        return LocalLines(crontab=None, systemd=_units(schedule, command, once), github=None)
    fields, calendar = _five_fields(parsed), _calendar(parsed)
    zone, escaped = schedule.timezone, command.replace("%", r"\%")
    cron_zone = f"# Set the time zone of the machine to {zone}, or change the hour."
    return LocalLines(
        crontab=None if fields is None else f"{cron_zone}\n{fields} {escaped}\n",
        systemd=None if calendar is None else _units(schedule, command, f"OnCalendar={calendar} {zone}"),
        github=None if fields is None else _workflow(schedule, fields, action),
    )


def _workflow(schedule: SuiteSchedule, fields: str, action: str) -> str:
    note = "" if schedule.timezone == "UTC" else f" # GitHub uses UTC, not {schedule.timezone}"
    return (
        f"# .github/workflows/{schedule.suite}.yml\nname: {schedule.suite}\non:\n  schedule:\n"
        f"  - cron: '{fields}'{note}\npermissions: {{}}\njobs:\n  load-test:\n    runs-on: ubuntu-latest\n"
        f"    permissions: {{contents: read}}\n    steps:\n    - uses: {CHECKOUT}\n"
        f"      with: {{persist-credentials: false}}\n"
        f"    - uses: {action}\n      with: {{suite: loadtests/{schedule.suite}}}\n"
    )


def _units(schedule: SuiteSchedule, command: str, when: str) -> str:
    name = f"toril-{schedule.name}"
    service = f"# {name}.service\n[Service]\nType=oneshot\nExecStart={command.replace('%', '%%')}\n"
    return f"{service}\n# {name}.timer\n[Timer]\n{when}\n\n[Install]\nWantedBy=timers.target\n"


def _five_fields(cron: Cron) -> str | None:
    """Returns the fields of cron; None for days that it cannot express, and for years."""
    if not cron.is_plain or len(cron.years) <= LAST_YEAR - FIRST_YEAR:
        return None
    weekdays = [number - 1 for number in cron.weekday_numbers]
    fields = (_list(cron.minutes, 60), _list(cron.hours, 24), _list(cron.day_numbers, 31), _list(cron.months, 12))
    return " ".join((*fields, _list(weekdays, 7)))


def _calendar(cron: Cron) -> str | None:
    """Returns the days and times of systemd; None for days that toril does not translate."""
    if not cron.is_plain:
        return None
    weekdays = ",".join(WEEKDAYS[number - 1] for number in cron.weekday_numbers)
    years = _list(cron.years, LAST_YEAR - FIRST_YEAR + 1)
    date = f"{years}-{_list(cron.months, 12)}-{_list(cron.day_numbers, 31)}"
    return f"{weekdays} {date} {_list(cron.hours, 24)}:{_list(cron.minutes, 60)}:00".strip()


def _list(numbers: Sequence[int], all_of_them: int) -> str:
    return "*" if len(numbers) in (0, all_of_them) else ",".join(map(str, numbers))
