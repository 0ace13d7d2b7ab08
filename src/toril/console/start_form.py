"""The form of a start: the load of each execution in place, and what differs from the saved version."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from textwrap import shorten

from pydantic import ValidationError

from toril import text
from toril.authoring.options import read_locations
from toril.authoring.steps import pairs_of
from toril.console.editor import nested, rows_of, whole
from toril.console.planned import targets_of
from toril.desk.store import StoreDesk
from toril.errors import OptionError
from toril.plan.options import RunOptions
from toril.records import LauncherName, Plan, PlannedExecution
from toril.records.console import StartOptions, StartRun
from toril.records.document import why
from toril.reports.curves import has_curve
from toril.runs import suites
from toril.runs.requests import VERSION_TAG
from toril.secrets.masking import mask, masked_settings

PLAIN = ("workers", "overrides", "environment", "tags", "against", "stage", "executions", "scenarios", "smoke", "tried")
EMPTY = dict.fromkeys(PLAIN, "")  # the fields of a start
OF_LOAD = {"users": "concurrency", "rate": "throughput", "hold_for": "hold-for"}  # field → Taurus' key
DIFFERS = "differs"  # the tag of a run that was changed here
NOTHING = StartOptions()
LONGEST = 200  # characters of that tag


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A start as its form has it. `differs`: from the saved version, in words."""

    wanted: StartRun
    plan: Plan | None
    rows: tuple[tuple[str, str, Mapping[str, str]], ...]  # see `_rows`
    places: list[tuple[str, str]]
    differs: str
    wrong: str


def asked(
    desk: StoreDesk, suite: str, files: Mapping[str, bytes], fields: Mapping[str, str],
    kept: StartOptions = NOTHING, on: LauncherName | None = None,
) -> Asked:  # fmt: skip
    """Reads the fields of a start; OptionError if one is wrong. `kept`: options that the form does not show."""
    wanted = _wanted(suite, fields, kept).model_copy(update={"on": on})
    checked = _checked(desk, files, wanted)
    alone, first = wanted.tried or wanted.smoke, checked.plan
    load = [] if alone or first is None else list(_overrides(first, fields))
    if load:
        others = [
            own for own in wanted.overrides if own.partition("=")[0] not in {one.partition("=")[0] for one in load}
        ]
        wanted = wanted.model_copy(update={"overrides": (*others, *load)})
        checked = _checked(desk, files, wanted)
    plain = StartRun(suite=suite, on=on)
    saved = checked if wanted == plain else _checked(desk, files, plain)
    differs = "" if alone or not (saved.plan and checked.plan) else ", ".join(differences(saved.plan, checked.plan))
    tags = {name: value for name, value in wanted.tags.items() if name != DIFFERS}
    tags |= {DIFFERS: shorten(differs, LONGEST, placeholder="…")} if differs else {}
    return Asked(
        wanted=wanted.model_copy(update={"tags": tags}),
        plan=checked.plan,
        rows=() if alone or first is None else tuple(_rows(first, fields)),
        places=_places(fields),
        differs=differs,
        wrong=checked.problem.message if checked.problem else "",
    )


def fields_of(options: RunOptions) -> tuple[dict[str, str], StartOptions]:
    """Returns the options of a run as fields, and those that no page shows: secrets, values of variables, a limit."""
    overrides = [own for own in options.overrides if mask(own) == own]
    own = {name: value for name, value in options.tags.items() if name not in (DIFFERS, VERSION_TAG)}
    tags = {name: value for name, value in masked_settings(own).items() if own[name] == value}
    fields = EMPTY | {
        "workers": str(options.workers or ""),
        "overrides": "\n".join(overrides),
        "tags": "".join(f"{name}={value}\n" for name, value in tags.items()),
        "against": options.against or "",
        "stage": options.stage or "",
        "executions": "\n".join(options.executions),
        "scenarios": "\n".join(options.scenarios),
        "smoke": "1" if options.smoke else "",
        "tried": "1" if options.tried else "",
    }
    for index, (name, weight) in enumerate(options.locations.items()):
        fields |= {f"locations.{index}.name": name, f"locations.{index}.weight": weight}
    return fields, StartOptions(
        overrides=tuple(own for own in options.overrides if own not in overrides),
        tags={name: value for name, value in own.items() if name not in tags},
        environment=options.environment,
        max_cost_usd=options.max_cost_usd,
    )


def differences(saved: Plan, plan: Plan) -> Iterator[str]:
    """Yields what a plan has instead of the saved version's: load, length, addresses and locations."""
    before = {own.index: own for own in saved.executions}
    for own in plan.executions:
        old = before.get(own.index, own)
        name = f"{own.name}: " if len(plan.executions) > 1 else ""
        if own.concurrency != old.concurrency:
            yield f"{name}{text.plural(own.concurrency or 0, 'user')} instead of {old.concurrency or 0}"
        if own.throughput_rps != old.throughput_rps:
            yield f"{name}{_rate(own)} instead of {_rate(old)}"
        if own.hold_for_s != old.hold_for_s:
            yield f"{name}{text.span(own.hold_for_s)} instead of {text.span(old.hold_for_s)}"
    if plan.stage != saved.stage:
        yield f"stage {plan.stage}"
    if plan.part != saved.part:
        yield f"only {' and '.join(plan.part)}"
    for new, last in ((targets_of(plan), targets_of(saved)), (plan.locations, saved.locations)):
        if list(new) != list(last):
            yield f"{' and '.join(new)} instead of {' and '.join(last)}"


def _rate(execution: PlannedExecution) -> str:
    return text.exact(round(execution.throughput_rps or 0, 3), execution.rate_unit)


def _checked(desk: StoreDesk, files: Mapping[str, bytes], wanted: StartRun) -> suites.Checked:
    return suites.validate(files, desk.options(wanted), name=wanted.suite, now=desk.clock.now())


def _load(execution: PlannedExecution) -> dict[str, str]:
    """Returns the load that can be changed in place; none of a curve, a search, or a script's own load."""
    if has_curve(execution) or execution.search:
        return {}
    load = {"users": str(execution.concurrency or "")}
    if execution.by_schedule:
        load = {"arrivals" if execution.model == "arrivals" else "rate": f"{execution.throughput_rps or 0:g}"}
    hold_s = execution.hold_for_s
    return load | {"hold_for": f"{hold_s / 60:g}m" if hold_s and hold_s % 60 == 0 else f"{hold_s:g}s" if hold_s else ""}


def _rows(plan: Plan, fields: Mapping[str, str]) -> Iterator[tuple[str, str, Mapping[str, str]]]:
    """Yields each execution's name, the beginning of its fields, and the values that can be changed, by their field."""
    for execution in plan.executions:
        row = f"load.{execution.index}"
        shown = {name: fields.get(f"{row}.{name}") or value for name, value in _load(execution).items() if value}
        yield execution.name, row, shown


def _overrides(plan: Plan, fields: Mapping[str, str]) -> Iterator[str]:
    for execution in plan.executions:
        for name, value in _load(execution).items():
            typed = fields.get(f"load.{execution.index}.{name}", "").strip()
            if typed and value and typed != value:
                several = f".{execution.name}" if len(plan.executions) > 1 else ""
                place = (
                    f"toril.arrivals{several}" if name == "arrivals" else f"execution.{execution.index}.{OF_LOAD[name]}"
                )
                yield f"{place}={typed}"


def _places(fields: Mapping[str, str]) -> list[tuple[str, str]]:
    """Returns the typed locations with their weights."""
    rows = rows_of(nested(fields), "locations")
    pairs = [tuple(str(row.get(key, "")).strip() for key in ("name", "weight")) for row in rows]
    return [(name, weight) for name, weight in pairs if name]


def _lines(field: str) -> tuple[str, ...]:
    return tuple(filter(None, map(str.strip, field.splitlines())))


def _wanted(suite: str, fields: Mapping[str, str], kept: StartOptions) -> StartRun:
    """Returns the start in the fields of a form, with the kept options."""
    workers = fields["workers"].strip()
    if workers and whole(workers) is None:
        raise OptionError(f"Workers `{workers[:20]}`: write a whole number, or nothing.", code="not-a-number")
    places = read_locations([f"{name}={weight}" if weight else name for name, weight in _places(fields)])
    try:
        return StartRun(
            suite=suite,
            workers=whole(workers),
            locations={name: str(float(weight)) for name, weight in places.items()},
            overrides=(*kept.overrides, *_lines(fields["overrides"])),
            environment={**kept.environment, **pairs_of(fields["environment"], "=")},
            tags={**kept.tags, **pairs_of(fields["tags"], "=")},
            against=fields["against"].strip() or None,
            stage=fields["stage"].strip() or None,
            executions=_lines(fields["executions"]),
            scenarios=_lines(fields["scenarios"]),
            smoke=bool(fields["smoke"]),
            tried=bool(fields["tried"]),
            max_cost_usd=kept.max_cost_usd,
        )
    except ValidationError as error:
        raise OptionError(f"The start is invalid: {why(error)}", code="invalid-request") from error
