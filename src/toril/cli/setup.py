"""Commands that come before the first run: `toril init` with its questions."""

import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from toril.authoring import ACTION, create, refuse_taken
from toril.authoring.companions import has_shape
from toril.authoring.options import (
    LIMITS,
    RAMP_UP,
    InitOptions,
    Limit,
    default_hold,
    default_name,
    default_users,
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
from toril.cli.options import INTERRUPTED
from toril.errors import UserError
from toril.masking import mask


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
    options = InitOptions(
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
        name="" if name is None else read_name(name),
        action=action if action == ACTION else read_action(action),
        workflow=not no_workflow,
    )
    try:
        if options.kind is None and sys.stdin.isatty():
            if options.workflow and not force:
                refuse_taken(folder)
            options = ask(options, folder, force=force)
        created = create(options, folder, force=force)
    except (typer.Abort, KeyboardInterrupt):  # Ctrl-C, or the end of what is typed
        typer.echo("\nnothing was written", err=True)
        raise typer.Exit(INTERRUPTED) from None
    for file in created.files:
        typer.echo(f"wrote {folder / file}")
    for note in created.notes:
        typer.echo(f"note: {note.message}", err=True)
    suite = shlex.quote(str(folder / created.suite))
    typer.echo(f"next:\n  toril plan {suite}\n  toril run {suite}")


Answer = TypeVar("Answer")


def ask(options: InitOptions, folder: Path, *, force: bool) -> InitOptions:
    """Returns the options with the user's answers added; typer.Abort when the input ends."""

    def unused_name(text: str) -> str:
        name = read_name(text)
        if not force and options.kind != "taurus":  # a script may lie in the folder of that name already
            refuse_taken(folder, name)
        return name

    def limits(text: str) -> tuple[Limit, ...]:
        return tuple(read_limit(part) for part in text.split(";") if part.strip())

    source = _asked("An address (several: with spaces), a .jmx, a locustfile.py or a Taurus file", _source)
    options = replace(options, **source)
    if options.kind != "taurus":
        options = _ask_load(options)
        if not options.limits:
            standard = "; ".join(limit.text for limit in LIMITS)
            options = replace(options, limits=_asked("Fails when (several: with ;)", limits, standard))
        if not options.locations and options.hold_for:  # a script's own load runs in one place
            question = "Locations, such as eu-west-1=2 us-east-1=1 (empty: here)"
            found = _asked(question, lambda text: read_locations(text.replace(",", " ").split()), "")
            options = replace(options, locations=found)
    if not options.name:
        options = replace(options, name=_asked("Name of the suite", unused_name, default_name(options)))
    return options


def _source(text: str) -> dict[str, Any]:
    """The option that an address or file stands for, by name."""
    kind = read_kind(text)
    return {"urls": tuple(map(read_url, text.split()))} if kind == "url" else {kind: read_file(text, kind)}


def _ask_load(options: InitOptions) -> InitOptions:
    if options.locustfile:
        question = f"Its host (empty: as in {options.locustfile.name})"
        options = replace(options, urls=_asked(question, lambda text: (read_url(text),) if text else (), ""))
    elif options.rps is None:
        options = replace(options, rps=_asked("Requests per second, at most (empty: no limit)", _or_none(read_rps), ""))
    if options.users is None:
        if options.file and options.rps is None and (options.jmx or has_shape(options.locustfile)):
            users = _asked(f"Virtual users (empty: as in {options.file.name})", _or_none(read_users), "")
        else:
            users = _asked("Virtual users", read_users, str(default_users(options.rps)))
        options = replace(options, users=users)
    if options.users is None and options.rps is None:
        return options  # the script's own load
    if options.ramp_up is None:
        read = partial(read_duration, "--ramp-up", above_0=False)
        options = replace(options, ramp_up=_asked("Ramp-up", read, RAMP_UP))
    if options.hold_for is None:
        hold = default_hold(options, options.users or default_users(options.rps))
        options = replace(
            options, hold_for=_asked("Hold for", partial(read_duration, "--hold-for", above_0=True), hold)
        )
    return options


def _asked(question: str, read: Callable[[str], Answer], default: str | None = None) -> Answer:
    """The answer, once it can be read; until then the reason why not, and the question again."""

    def checked(text: str) -> Answer:
        try:
            return read(text.strip())
        except UserError as error:
            raise typer.BadParameter(mask(str(error))) from error

    answer: Answer = typer.prompt(question, default=default, show_default=bool(default), value_proc=checked, err=True)
    return answer


def _or_none(read: Callable[[str], Answer]) -> Callable[[str], Answer | None]:
    return lambda text: read(text) if text else None
