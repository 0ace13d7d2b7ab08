"""`/schedules`: when suites run by themselves. For a store in a folder, the lines of other schedulers."""

import re
import shutil
import sys
import zoneinfo
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import ValidationError

from toril.authoring.options import ACTION
from toril.console.identity import Operator, Viewer
from toril.console.web import Posted, desk_of, page, see, status_of
from toril.desk.store import StoreDesk
from toril.errors import OptionError, UserError
from toril.records.document import why
from toril.records.schedule import SuiteSchedule, parse
from toril.runs import suites
from toril.runs.index import by_suite, compared, readable_rows
from toril.runs.schedules import PRESETS, local_lines, next_runs
from toril.secrets.masking import mask
from toril.text import plural, span

router = APIRouter()

SHOWN = 5  # next runs of a schedule
OF_FORM = ("suite", "when", "timezone", "expires_at")  # what the form changes; other options come by the API
AT = "%Y-%m-%dT%H:%M"  # of a field for a local time


@router.get("/schedules")
def list_schedules(request: Request, person: Viewer) -> Response:
    query = dict(request.query_params)
    wanted = query.get("edit", "")
    edited = next((each for each in desk_of(request).schedules() if each.name == wanted), None) if wanted else None
    fields = {**EMPTY, **(_fields(edited) if edited else {}), **{name: query[name] for name in EMPTY if name in query}}
    return _page(request, fields, editing=edited.name if edited and edited.source == "console" else "")


@router.post("/schedules")
def save(request: Request, person: Operator, posted: Posted) -> Response:
    """Creates a schedule, or changes the one in the field `editing`; `deleted` is a whole one that comes back."""
    desk, fields = desk_of(request), {**EMPTY, **{name: str(value) for name, value in posted.items()}}
    editing = fields.get("editing", "")
    try:
        wanted = _deleted(fields["deleted"]) if "deleted" in fields else _schedule(fields)
        if editing:
            changed = {name: getattr(wanted, name) for name in OF_FORM}
            desk.change_schedule(editing, lambda before: before.model_copy(update=changed))
        else:
            desk.create_schedule(wanted)
    except UserError as error:
        return _page(request, fields, editing=editing, wrong=error)
    return see("/schedules", request)


@router.post("/schedules/{name}/{change}")
def change(request: Request, name: str, change: str, person: Operator) -> Response:
    """Pauses, resumes or deletes a schedule of the console."""
    desk = desk_of(request)
    if change == "delete":
        deleted = desk.schedule(name)
        desk.delete_schedule(name)
        return _page(request, EMPTY, deleted=deleted)  # what it had, such as variables, stays out of addresses
    if change in ("pause", "resume"):
        paused = {"paused": change == "pause"}
        desk.change_schedule(name, lambda before: before.model_copy(update=paused), f"schedule.{change}")
    else:
        raise OptionError(f"`{change[:40]}`: use pause, resume or delete.", code="unknown-value")
    return see("/schedules", request)


def _deleted(text: str) -> SuiteSchedule:
    try:
        return SuiteSchedule.model_validate_json(text)
    except ValidationError as error:
        raise OptionError(f"The schedule is invalid: {why(error)}", code="bad-schedule") from error


# ── what other pages show


def next_by_suite(desk: StoreDesk) -> tuple[list[SuiteSchedule], dict[str, float], str]:
    """Returns the schedules, the next run of each suite in seconds since the epoch, and why they are unknown."""
    try:
        schedules = desk.schedules()
    except UserError as error:  # other parts of a page do not need them
        return [], {}, f"Schedules cannot be read: {mask(str(error))}"
    times = [(at, schedule.suite) for schedule in schedules for at in next_runs(schedule, desk.clock.now(), 1)]
    return schedules, {suite: at for at, suite in sorted(times, reverse=True)}, ""


def in_words(schedule: SuiteSchedule) -> str:
    """Returns when a schedule runs: the name of a preset, or its time or interval; else its expression."""
    preset = next((known.label for known in PRESETS if known.when == schedule.when), None)
    parsed = parse(schedule.when)
    if preset:
        return preset
    if isinstance(parsed, int):
        return f"Every {span(parsed)}"
    if isinstance(parsed, datetime):
        return f"Once at {parsed:%Y-%m-%d %H:%M}"
    if at := re.fullmatch(r"cron\((\d+) (\d+) \* \* \? \*\)", schedule.when):
        return f"Every day at {int(at[2]):02d}:{int(at[1]):02d}"
    return schedule.when


# ── the form

EMPTY = {"name": "", "suite": "", "preset": "nightly", "when": "", "at": "", "timezone": "UTC", "expires": ""}


def _fields(schedule: SuiteSchedule) -> dict[str, str]:
    preset = next((known.name for known in PRESETS if known.when == schedule.when), "custom")
    at = parse(schedule.when)
    expires = schedule.expires_at
    zone = ZoneInfo(schedule.timezone)
    return {
        "name": schedule.name,
        "suite": schedule.suite,
        "preset": "once" if isinstance(at, datetime) else preset,
        "when": schedule.when,
        "at": f"{at:{AT}}" if isinstance(at, datetime) else "",
        "timezone": schedule.timezone,
        "expires": "" if expires is None else f"{datetime.fromtimestamp(expires, zone):{AT}}",
    }


def _schedule(fields: Mapping[str, str]) -> SuiteSchedule:
    """Returns the schedule in the form's fields; OptionError for a wrong one."""
    preset = next((known.when for known in PRESETS if known.name == fields["preset"]), fields["when"].strip())
    if fields["preset"] == "once" and not fields["at"]:
        raise OptionError("Enter date and time.", code="no-time")
    when = f"at({fields['at']}:00)" if fields["preset"] == "once" else preset
    name = fields["name"].strip() or f"{fields['suite']}-{fields['preset']}"
    zone, expires_at = fields["timezone"].strip(), None
    try:
        if fields["expires"]:
            expires_at = datetime.fromisoformat(fields["expires"]).replace(tzinfo=ZoneInfo(zone)).timestamp()
        return SuiteSchedule(
            name=name,
            suite=fields["suite"],
            when=when,
            timezone=zone,
            expires_at=expires_at,
        )
    except ValidationError as error:
        raise OptionError(f"The schedule is invalid: {why(error)}", code="bad-schedule") from error
    except (ValueError, zoneinfo.ZoneInfoNotFoundError) as error:
        raise OptionError(f"The expiry is invalid: {error}", code="bad-schedule") from error


@cache
def _zones() -> list[str]:
    return sorted(zoneinfo.available_timezones())


def _program() -> list[str]:
    """Returns the command `toril` of this console by its whole path: other schedulers have another PATH."""
    program = shutil.which("toril", path=str(Path(sys.executable).parent))
    return [program] if program else [sys.executable, "-m", "toril"]


def _page(
    request: Request, fields: Mapping[str, str], *, editing: str = "", wrong: UserError | None = None,
    deleted: SuiteSchedule | None = None,
) -> Response:  # fmt: skip
    setup = request.app.state.setup
    now = setup.clock.now()
    problem = mask(str(wrong)) if wrong else ""
    others: list[str] = []
    known: list[SuiteSchedule] = []
    try:
        known, others = desk_of(request).all_schedules()
    except UserError as error:
        problem = problem or mask(str(error))
    every, damaged = readable_rows(setup.store)
    last = {suite: next(compared(rows), None) for suite, rows in by_suite(every).items()}
    names = suites.suite_names(setup.store)
    preview, lines = None, None
    try:
        preview = _schedule(
            {
                **fields,
                **({"expires": ""} if setup.schedules is None else {}),
                "suite": fields["suite"] or (names or ["suite"])[0],
            }
        )
        folder = setup.store.address("runs").removesuffix("runs").rstrip("/\\")
        lines = local_lines(preview, folder, program=_program(), action=ACTION) if setup.schedules is None else None
    except OptionError as error:
        problem = problem or (mask(str(error)) if fields != EMPTY and error.code != "no-time" else "")
    return page(
        request,
        "schedules.html.jinja",
        title="Schedules",
        status=status_of(wrong) if wrong else 200,
        lines=[(each, in_words(each), next_runs(each, now, SHOWN)) for each in known],
        last=last,
        others=others,
        local=setup.schedules is None,
        fields=fields,
        editing=editing,
        deleted=deleted,
        wrong=problem,
        suites=names,
        presets=PRESETS,
        zones=_zones(),
        next_at=next_runs(preview, now, SHOWN) if preview else [],
        local_lines=lines,
        damaged=damaged,
        summary=plural(len(known), "schedule"),
    )
