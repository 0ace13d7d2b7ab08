"""The times of a schedule: the same as those of a clock that is looked at every minute."""

import calendar
import shlex
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.tiers import examples
from toril.cli.options import run_options
from toril.records.schedule import SuiteSchedule, check_expression, parse, read_command
from toril.runs.schedules import PRESETS, local_lines, next_runs

MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
ZONES = ("UTC", "Europe/Madrid", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu")


def schedule(when: str, zone: str = "UTC", **changes) -> SuiteSchedule:
    return SuiteSchedule(name="nightly", suite="shop", when=when, timezone=zone, **changes)


def at(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def times(when: str, after: str, zone: str = "UTC", count: int = 3, **changes) -> list[str]:
    found = next_runs(schedule(when, zone, **changes), at(after, zone), count)
    return [f"{datetime.fromtimestamp(one, ZoneInfo(zone)):%Y-%m-%dT%H:%M%z}" for one in found]


# ── the law: a matcher of its own, minute by minute


def matches(part: str, value: int, lowest: int, highest: int, names: list[str]) -> bool:
    span, _, step = part.partition("/")
    first, last = (lowest, highest) if span == "*" else (span.split("-")[0], span.split("-")[-1])
    numbers = [names.index(one) + lowest if one in names else int(one) for one in (str(first), str(last))]
    if step and span.isalnum():
        numbers[1] = highest
    return numbers[0] <= value <= numbers[1] and (value - numbers[0]) % int(step or 1) == 0


def is_day(part: str, day: date) -> bool:
    last = calendar.monthrange(day.year, day.month)[1]
    if part == "L":
        return day.day == last
    if part.startswith("L-"):
        return day.day == last - int(part[2:])
    if part.endswith("W"):
        wanted = last if part == "LW" else int(part[:-1])
        if wanted > last:
            return False
        workdays = [one for one in range(1, last + 1) if day.replace(day=one).weekday() < 5]
        return day.day == min(workdays, key=lambda one: (abs(one - wanted), one))
    return matches(part, day.day, 1, 31, [])


def is_weekday(part: str, day: date) -> bool:
    number = day.isoweekday() % 7 + 1
    name, _, nth = part.partition("#")
    if nth:
        return DAYS[number - 1] in (name, DAYS[int(name) - 1] if name.isdecimal() else "") and (
            (day.day - 1) // 7 == int(nth) - 1
        )
    if part == "L":
        return number == 7
    if part.endswith("L"):
        wanted = part[:-1]
        return (day + timedelta(days=7)).month != day.month and wanted in (str(number), DAYS[number - 1])
    return matches(part, number, 1, 7, DAYS)


def brute(when: str, zone: str, after: float, until: float) -> list[float]:
    minutes, hours, days, months, weekdays, years = when.removeprefix("cron(").removesuffix(")").split()
    found: dict[datetime, float] = {}
    first = int(after // 60 + 1) * 60
    for moment in range(first - 86_400, int(until) + 1, 60):
        local = datetime.fromtimestamp(moment, ZoneInfo(zone)).replace(tzinfo=None)
        if not (
            any(matches(part, local.minute, 0, 59, []) for part in minutes.split(","))
            and any(matches(part, local.hour, 0, 23, []) for part in hours.split(","))
            and any(matches(part, local.month, 1, 12, MONTHS) for part in months.split(","))
            and any(matches(part, local.year, 1970, 2199, []) for part in years.split(","))
        ):
            continue
        today = local.date()
        by_day = any(is_day(part, today) for part in days.split(",")) if weekdays == "?" else False
        by_week = any(is_weekday(part, today) for part in weekdays.split(",")) if days == "?" else False
        if by_day or by_week:
            found.setdefault(local, float(moment))  # a repeated local time counts once
    return [moment for moment in found.values() if moment > after]


def numbers(lowest: int, highest: int, names: list[str] | None = None):
    one = st.integers(lowest, highest)
    shown = one.map(str) if names is None else st.one_of(one.map(str), st.sampled_from(names))
    span = st.tuples(one, one).map(lambda ends: f"{min(ends)}-{max(ends)}")
    step = st.tuples(st.one_of(st.just("*"), one.map(str), span), st.integers(1, highest or 1))
    part = st.one_of(st.just("*"), shown, span, step.map(lambda both: f"{both[0]}/{both[1]}"))
    return st.lists(part, min_size=1, max_size=3).map(",".join)


DAY = st.one_of(
    st.sampled_from(["L", "LW"]),
    st.integers(0, 30).map(lambda back: f"L-{back}"),
    st.integers(1, 31).map(lambda day: f"{day}W"),
    numbers(1, 31),
)
WEEKDAY = st.one_of(
    st.just("L"),
    st.tuples(st.sampled_from([*DAYS, *"1234567"]), st.sampled_from(["L", "#1", "#2", "#3", "#4", "#5"])).map("".join),
    numbers(1, 7, DAYS),
)
CRONS = st.tuples(
    numbers(0, 59),
    numbers(0, 23),
    st.one_of(
        st.tuples(DAY, numbers(1, 12, MONTHS), st.just("?")), st.tuples(st.just("?"), numbers(1, 12, MONTHS), WEEKDAY)
    ),
    st.one_of(st.just("*"), numbers(2026, 2028)),
).map(lambda parts: f"cron({parts[0]} {parts[1]} {' '.join(parts[2])} {parts[3]})")
# about the changes of clocks in 2027, and about a leap day
DATES = st.sampled_from(
    ["2027-03-12", "2027-03-27", "2027-04-02", "2027-10-01", "2027-10-29", "2027-11-05", "2028-02-28", "2026-12-31"]
)


@examples(100)
@given(when=CRONS, zone=st.sampled_from(ZONES), day=DATES, minute=st.integers(0, 2 * 1440))
def test_the_next_times_are_those_of_a_clock(when, zone, day, minute):
    check_expression(when)
    after = at(day) + 60 * minute - 1
    until = after + 3 * 86_400
    expected = brute(when, zone, after, until)
    found = [one for one in next_runs(schedule(when, zone), after, 3 * 1440 + 1) if one <= until]
    assert found == expected


@pytest.mark.parametrize(
    ("when", "after", "zone", "expected"),
    [
        ("cron(30 2 * * ? *)", "2027-03-27T12:00", "Europe/Madrid", ["2027-03-29T02:30+0200"]),  # 02:30 is skipped
        (
            "cron(30 2 * * ? *)",
            "2027-10-31T00:00",
            "Europe/Madrid",
            ["2027-10-31T02:30+0200", "2027-11-01T02:30+0100"],  # 02:30 is repeated
        ),
        ("cron(0 9 29 2 ? *)", "2026-11-27T00:00", "UTC", ["2028-02-29T09:00+0000", "2032-02-29T09:00+0000"]),
        ("cron(0 9 ? 2 2#5 *)", "2026-11-27T00:00", "UTC", ["2044-02-29T09:00+0000"]),
        ("cron(0 9 31W 2 ? *)", "2026-11-27T00:00", "UTC", []),
        ("cron(0 9 1 1 ? 2020)", "2026-11-27T00:00", "UTC", []),
        ("at(2027-03-28T02:30:00)", "2026-11-27T00:00", "Europe/Madrid", []),
        ("at(2027-01-31T02:00:00)", "2026-11-27T00:00", "Europe/Madrid", ["2027-01-31T02:00+0100"]),
        ("at(2020-01-31T02:00:00)", "2026-11-27T00:00", "UTC", []),
    ],
)
def test_rare_times(when, after, zone, expected):
    assert times(when, after, zone)[: len(expected) or 1] == expected


def test_a_rate_counts_from_its_begin_in_whole_units():
    assert times(
        "rate(1 day)", "2027-03-27T12:00", "Europe/Madrid", began_at=at("2027-03-27T12:00", "Europe/Madrid")
    ) == [
        "2027-03-28T13:00+0200",
        "2027-03-29T13:00+0200",
        "2027-03-30T13:00+0200",
    ]
    assert next_runs(schedule("rate(5 minutes)"), 1000.0, 2) == [1000.0, 1300.0]
    assert next_runs(schedule("rate(5 minutes)", began_at=5000.0), 1000.0, 2) == [5000.0, 5300.0]


def test_a_paused_or_expired_schedule_has_no_next_time():
    assert times("cron(0 * * * ? *)", "2027-01-01T00:30", expires_at=at("2027-01-01T02:00")) == [
        "2027-01-01T01:00+0000",
        "2027-01-01T02:00+0000",
    ]
    assert times("cron(0 * * * ? *)", "2027-01-01T00:30", paused=True) == []


def test_presets_are_valid_and_rarer_one_by_one():
    every = []
    for one in PRESETS:
        runs = next_runs(schedule(one.when), at("2027-01-01T00:00"), 50)
        every.append(sum(later - earlier for earlier, later in pairwise(runs)))
    assert every == sorted(every)


@pytest.mark.parametrize("text", ["cron(0 9 32W * ? *)", "cron(0 9 0W * ? *)", "cron(0 9 ?,1 * ? *)", "rate(0 days)"])
def test_an_expression_without_meaning_is_refused(text):
    with pytest.raises(ValueError, match=r"Use"):
        parse(text)


@examples(60)
@given(
    overrides=st.lists(st.text(max_size=5)),
    environment=st.dictionaries(st.text("AB", min_size=1), st.text(max_size=5)),
    workers=st.one_of(st.none(), st.integers(1, 99)),
    smoke=st.booleans(),
)
def test_a_command_has_all_options_of_its_schedule(overrides, environment, workers, smoke):
    made = schedule(
        "rate(1 hour)",
        overrides=tuple(overrides),
        environment=environment,
        workers=workers,
        smoke=smoke,
        locations={"eu-west-1": "2", "us-east-1": "1"},
        tags={"night": "yes"},
        max_cost_usd=2.5,
    )
    command = made.command("s3://results")
    assert made.model_copy(update=read_command(command)) == made
    found = run_options(None, None, None, "fargate", None, None, False, scheduled=command[-1])
    assert found.as_options() == made.as_options()


lines = partial(local_lines, program=["/opt/venv/bin/toril"], action="me/toril@v1")


def test_local_lines_say_the_same_as_the_schedule():
    found = lines(schedule("cron(17 2 ? * MON-FRI *)"), "/srv/50% toril")
    assert found.crontab is not None
    assert found.systemd is not None
    line = found.crontab.splitlines()[-1]
    assert line.startswith("17 2 * * 1,2,3,4,5 /opt/venv/bin/toril run ")
    words = shlex.split(line.replace(r"\%", "%"))[5:]
    assert words == ["/opt/venv/bin/toril", "run", "/srv/50% toril/suites/shop", "--store", "/srv/50% toril"]
    assert "OnCalendar=Mon,Tue,Wed,Thu,Fri *-*-* 2:17:00 UTC" in found.systemd
    workflow = yaml.safe_load(found.github or "")
    assert workflow[True]["schedule"] == [{"cron": "17 2 * * 1,2,3,4,5"}]  # YAML 1.1 reads `on` as true
    steps = workflow["jobs"]["load-test"]["steps"]
    assert steps[1] == {"uses": "me/toril@v1", "with": {"suite": "loadtests/shop"}}
    last_day = lines(schedule("cron(0 2 L * ? *)"), "/srv/toril")
    assert (last_day.crontab, last_day.systemd, last_day.github) == (None, None, None)
    assert lines(schedule("cron(0 2 1 * ? 2027)"), "/srv").crontab is None
    assert "OnCalendar=2027-01-31 02:00:00 UTC" in (lines(schedule("at(2027-01-31T02:00:00)"), "/s").systemd or "")


def test_times_are_the_same_in_every_zone_of_this_process():
    assert times("cron(0 9 * * ? *)", "2027-01-01T00:00", count=1) == ["2027-01-01T09:00+0000"]
    assert datetime.fromtimestamp(next_runs(schedule("at(2027-01-01T09:00:00)"), 0, 1)[0], UTC).hour == 9
