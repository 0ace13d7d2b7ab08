"""Commands that come before the first run: `toril init` with its questions."""

import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from toril.authoring import ACTION, refuse_taken, start
from toril.authoring.companions import has_shape
from toril.authoring.readers import (
    Limit,
    Url,
    read_action,
    read_duration,
    read_file,
    read_kind,
    read_limit,
    read_locations,
    read_name,
    read_rps,
    read_url,
    read_users,
)
from toril.authoring.wanted import LIMITS, RAMP_UP, Wanted, default_hold, default_name, default_users
from toril.errors import UserError
from toril.masking import mask

INTERRUPTED = 130


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The top of your repository.")] = Path(),
    url: Annotated[
        list[str] | None, typer.Option("--url", help="An address to request; repeatable. With --locustfile: its host.")
    ] = None,
    jmx: Annotated[Path | None, typer.Option("--jmx", help="A JMeter script.")] = None,
    locustfile: Annotated[Path | None, typer.Option("--locustfile", help="A Locust script.")] = None,
    taurus: Annotated[Path | None, typer.Option("--taurus", help="An existing Taurus file, kept as it is.")] = None,
    users: Annotated[
        int | None, typer.Option("--users", min=1, help="Virtual users in total; 10 unless given.")
    ] = None,
    rps: Annotated[str | None, typer.Option("--rps", help="Requests per second in total, at most; by JMeter.")] = None,
    ramp_up: Annotated[str | None, typer.Option("--ramp-up", help="Time to reach the full load; 5s.")] = None,
    hold_for: Annotated[
        str | None, typer.Option("--hold-for", help="Time to keep it; 25s or what limits need.")
    ] = None,
    limit: Annotated[
        list[str] | None, typer.Option("--limit", help="Criterion that fails a run; repeatable. p95>500ms and fail>1%.")
    ] = None,
    location: Annotated[
        list[str] | None, typer.Option("--location", help="NAME[=WEIGHT] where load comes from; repeatable.")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="The suite's; after the host or file unless given.")
    ] = None,
    action: Annotated[str, typer.Option("--action", help="Where GitHub finds toril's action.")] = ACTION,
    no_workflow: Annotated[bool, typer.Option("--no-workflow", help="Write the suite only.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over files that are there.")] = False,
) -> None:
    """Write a first suite and a workflow for GitHub into DIR, which run at once.

    The load comes from addresses, a JMX, a locustfile or an existing Taurus
    file: --url, --jmx, --locustfile or --taurus; without any of them, and on a
    terminal, everything is asked for. A JMX keeps its own load unless one is
    given. A file that is there already is kept, and then nothing is written.

    Example: toril init --url https://shop.example.com/ --users 20 --limit 'p95>300ms'
    """
    wanted = Wanted(
        urls=tuple(map(read_url, url or ())),
        jmx=jmx and read_file(jmx, "jmx"),
        locustfile=locustfile and read_file(locustfile, "locustfile"),
        taurus=taurus and read_file(taurus, "taurus"),
        users=users,
        rps=None if rps is None else read_rps(rps),
        ramp_up=None if ramp_up is None else read_duration("--ramp-up", ramp_up, above_0=False),
        hold_for=None if hold_for is None else read_duration("--hold-for", hold_for, above_0=True),
        limits=tuple(map(read_limit, limit or ())),
        locations=read_locations(location or []),
        name=None if name is None else read_name(name),
        action=action if action == ACTION else read_action(action),
        workflow=not no_workflow,
    )
    try:
        if wanted.kind is None and sys.stdin.isatty():
            if wanted.workflow and not force:
                refuse_taken(folder)
            wanted = ask(wanted, folder, force=force)
        started = start(wanted, folder, force=force)
    except (typer.Abort, KeyboardInterrupt):  # Ctrl-C, or the end of what is typed
        typer.echo("\nnothing was written", err=True)
        raise typer.Exit(INTERRUPTED) from None
    for file in started.files:
        typer.echo(f"wrote {folder / file}")
    for note in started.notes:
        typer.echo(f"note: {note}", err=True)
    suite = shlex.quote(str(folder / started.suite))
    typer.echo(f"next:\n  toril plan {suite}\n  toril run {suite}")


Answer = TypeVar("Answer")


def ask(wanted: Wanted, folder: Path, *, force: bool) -> Wanted:
    """The same, with answers where nothing was said; typer.Abort when nobody answers any more."""
    wanted = _asked("An address (several: with spaces), a .jmx, a locustfile.py or a Taurus file", _source(wanted))
    if wanted.kind != "taurus":
        wanted = _ask_load(wanted)
        if not wanted.limits:
            standard = "; ".join(limit.text for limit in LIMITS)
            wanted = replace(wanted, limits=_asked("Fails when (several: with ;)", _limits, standard))
        if not wanted.locations and wanted.hold_for:  # a script's own load runs in one place
            found = _asked("Locations, such as eu-west-1=2 us-east-1=1 (empty: here)", _locations, "")
            wanted = replace(wanted, locations=found)
    if wanted.name is None:
        wanted = replace(wanted, name=_asked("Name of the suite", _name(wanted, folder, force), default_name(wanted)))
    return wanted


def _ask_load(wanted: Wanted) -> Wanted:
    if wanted.locustfile:
        wanted = replace(wanted, urls=_asked(f"Its host (empty: as in {wanted.locustfile.name})", _host, ""))
    elif wanted.rps is None:
        wanted = replace(wanted, rps=_asked("Requests per second, at most (empty: no limit)", _or_none(read_rps), ""))
    if wanted.users is None:
        if wanted.file and wanted.rps is None and (wanted.jmx or has_shape(wanted.locustfile)):
            users = _asked(f"Virtual users (empty: as in {wanted.file.name})", _or_none(read_users), "")
        else:
            users = _asked("Virtual users", read_users, str(default_users(wanted.rps)))
        wanted = replace(wanted, users=users)
    if wanted.users is None and wanted.rps is None:
        return wanted  # the script's own load
    if wanted.ramp_up is None:
        wanted = replace(wanted, ramp_up=_asked("Ramp-up", _duration("--ramp-up", above_0=False), RAMP_UP))
    if wanted.hold_for is None:
        hold = default_hold(wanted, wanted.users or default_users(wanted.rps))
        wanted = replace(wanted, hold_for=_asked("Hold for", _duration("--hold-for", above_0=True), hold))
    return wanted


def _asked(question: str, read: Callable[[str], Answer], default: str | None = None) -> Answer:
    """The answer, once it can be read; until then why it can't be, and the question again."""

    def checked(text: str) -> Answer:
        try:
            return read(text.strip())
        except UserError as error:
            raise typer.BadParameter(mask(str(error))) from error

    answer: Answer = typer.prompt(question, default=default, show_default=bool(default), value_proc=checked, err=True)
    return answer


def _source(wanted: Wanted) -> Callable[[str], Wanted]:
    def read(text: str) -> Wanted:
        kind = read_kind(text)
        if kind == "url":
            return replace(wanted, urls=tuple(map(read_url, text.split())))
        file: Path = read_file(text, kind)
        return {
            "jmx": lambda: replace(wanted, jmx=file),
            "locustfile": lambda: replace(wanted, locustfile=file),
            "taurus": lambda: replace(wanted, taurus=file),
        }[kind]()

    return read


def _name(wanted: Wanted, folder: Path, force: bool) -> Callable[[str], str]:
    """A name that no other suite has; a script may lie in the folder of that name already."""

    def read(text: str) -> str:
        name = read_name(text)
        if not force and wanted.kind != "taurus":
            refuse_taken(folder, name)
        return name

    return read


def _host(text: str) -> tuple[Url, ...]:
    return (read_url(text),) if text else ()


def _limits(text: str) -> tuple[Limit, ...]:
    return tuple(read_limit(part) for part in text.split(";") if part.strip())


def _locations(text: str) -> dict[str, Fraction]:
    return read_locations(text.replace(",", " ").split())


def _duration(option: str, *, above_0: bool) -> Callable[[str], str]:
    return lambda text: read_duration(option, text, above_0=above_0)


def _or_none(read: Callable[[str], Answer]) -> Callable[[str], Answer | None]:
    return lambda text: read(text) if text else None
