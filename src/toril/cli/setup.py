"""Commands for the time before the first run: `toril init` with its questions, and `toril engines`."""

import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from toril.authoring import ACTION, Created, create, refuse_taken
from toril.authoring.companions import has_shape
from toril.authoring.init import variables_of
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
    read_files,
    read_kind,
    read_limit,
    read_locations,
    read_name,
    read_rps,
    read_url,
    read_users,
)
from toril.cli.options import INTERRUPTED, TextOrJson
from toril.cli.streams import echo
from toril.errors import UserError
from toril.secrets.masking import mask

Users = Annotated[
    int | None, typer.Option("--users", min=1, help="Virtual users in total; default: 10, or more with --rps.")
]
Rps = Annotated[
    str | None, typer.Option("--rps", help="Largest throughput in total, in requests per second; uses JMeter.")
]
RampUp = Annotated[str | None, typer.Option("--ramp-up", help="Time to reach the full load; default: 5s.")]
HoldFor = Annotated[
    str | None,
    typer.Option(
        "--hold-for", help="Time to keep the full load; default: 25s, or longer if a limit needs more samples."
    ),
]
Limits = Annotated[
    list[str] | None,
    typer.Option("--limit", help="Criterion that fails a run; repeatable; default: p95>500ms and fail>1%."),
]
Places = Annotated[list[str] | None, typer.Option("--location", help="Location of workers: NAME[=WEIGHT]; repeatable.")]
Name = Annotated[str | None, typer.Option("--name", help="Name of the suite; default: from the host or file.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite existing files.")]


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Root folder of your repository.")] = Path(),
    url: Annotated[
        list[str] | None, typer.Option("--url", help="Address to request; repeatable. With --locustfile: its host.")
    ] = None,
    jmx: Annotated[Path | None, typer.Option("--jmx", help="JMeter script.")] = None,
    locustfile: Annotated[Path | None, typer.Option("--locustfile", help="Locust script.")] = None,
    taurus: Annotated[Path | None, typer.Option("--taurus", help="Existing Taurus file, copied unchanged.")] = None,
    users: Users = None,
    rps: Rps = None,
    ramp_up: RampUp = None,
    hold_for: HoldFor = None,
    limit: Limits = None,
    location: Places = None,
    name: Name = None,
    action: Annotated[str, typer.Option("--action", help="Address of toril's action on GitHub.")] = ACTION,
    no_workflow: Annotated[bool, typer.Option("--no-workflow", help="Write only the suite.")] = False,
    force: Force = False,
) -> None:
    """Write a first suite and a GitHub workflow, ready to run, into DIR.

    Choose the source of the load with --url, --jmx, --locustfile or --taurus.
    Without a source, the command asks for all values on a terminal. A JMX keeps
    its own load unless you give one. If a file already exists, the command
    writes nothing; --force overwrites it.

    Example: toril init --url https://shop.example.com/ --users 20 --limit 'p95>300ms'
    """
    urls = tuple(map(read_url, url or ()))
    options = InitOptions(
        urls=urls,
        **read_files(urls, {"jmx": jmx, "locustfile": locustfile, "taurus": taurus}),
        **read_load(users, rps, ramp_up, hold_for, limit, location, name),
        action=action if action == ACTION else read_action(action),
        workflow=not no_workflow,
    )
    try:
        if options.kind is None and sys.stdin.isatty():
            if options.workflow and not force:
                refuse_taken(folder)
            options = ask(options, folder, force=force)
        created = create(options, folder, force=force)
    except (typer.Abort, KeyboardInterrupt):  # Ctrl-C, or the end of the input
        echo("\nNo files written.", err=True)
        raise typer.Exit(INTERRUPTED) from None
    show_created(created, folder)


def show_created(created: Created, folder: Path, first: str = "plan") -> None:
    """Prints the written files, the notes, and the next commands; `first` is the one before `toril run`."""
    for file in created.files:
        echo(f"wrote {folder / file}")
    for note in created.notes:
        if note.code != "unset-reference":  # the next commands set it
            echo(f"note: {note.message}", err=True)
    suite = shlex.quote(str(folder / created.suite))
    names = variables_of(created.plan)
    if known := [name for name in names if name in os.environ]:  # such as NPM_TOKEN, of a recording of npm.example
        echo(f"note: This suite sends what this environment has: {', '.join(known)}. Unset what others own.", err=True)
    unset = [f"{name}=…" for name in names if name not in os.environ]
    export = f"  export {' '.join(unset)}\n" if unset else ""
    echo(f"next:\n{export}  toril {first} {suite}\n  toril run {suite}")


def read_load(
    users: int | None,
    rps: str | None,
    ramp_up: str | None,
    hold_for: str | None,
    limit: list[str] | None,
    location: list[str] | None,
    name: str | None,
) -> dict[str, Any]:
    """Returns the options that `toril init`, `toril import` and `toril record` share, by their names in InitOptions."""
    return {
        "users": users,
        "rps": None if rps is None else read_rps(rps),
        "ramp_up": None if ramp_up is None else read_duration("--ramp-up", ramp_up, above_0=False),
        "hold_for": None if hold_for is None else read_duration("--hold-for", hold_for, above_0=True),
        "limits": tuple(map(read_limit, limit or ())),
        "locations": read_locations(location or []),
        "name": "" if name is None else read_name(name),
    }


def engines(format: TextOrJson = "text") -> None:
    """List the engines, the load keys and scripts that each accepts, and what each needs installed.

    Example: toril engines
    """
    from toril.reports import engines_table
    from toril.reports.screen import Output, emit

    if format == "json":
        emit(engines_table.as_json(), None)
    else:
        engines_table.show(Output())


Answer = TypeVar("Answer")


def ask(options: InitOptions, folder: Path, *, force: bool) -> InitOptions:
    """Returns the options with the user's answers; typer.Abort at the end of the input."""

    def unused_name(text: str) -> str:
        name = read_name(text)
        if not force and options.kind != "taurus":  # the folder of that name may already hold the script
            refuse_taken(folder, name)
        return name

    def limits(text: str) -> tuple[Limit, ...]:
        return tuple(read_limit(part) for part in text.split(";") if part.strip())

    source = _ask_value("Addresses separated by spaces, or a .jmx, a locustfile.py or a Taurus file", _source)
    options = replace(options, **source)
    if options.kind != "taurus":
        options = _ask_load(options)
        if not options.limits:
            standard = "; ".join(limit.text for limit in LIMITS)
            options = replace(options, limits=_ask_value("Criteria that fail a run, separated by ;", limits, standard))
        if not options.locations and options.hold_for:  # the load of a script runs in one location
            question = "Locations, e.g. eu-west-1=2 us-east-1=1 (empty: this machine)"
            found = _ask_value(question, lambda text: read_locations(text.replace(",", " ").split()), "")
            options = replace(options, locations=found)
    if not options.name:
        options = replace(options, name=_ask_value("Name of the suite", unused_name, default_name(options)))
    return options


def _source(text: str) -> dict[str, Any]:
    """Returns the option for an address or file, by name."""
    kind = read_kind(text)
    return {"urls": tuple(map(read_url, text.split()))} if kind == "url" else read_files((), {kind: Path(text)})


def _ask_load(options: InitOptions) -> InitOptions:
    if options.file and options.kind == "locustfile":
        question = f"Host to load (empty: as in {options.file.name})"
        options = replace(options, urls=_ask_value(question, lambda text: (read_url(text),) if text else (), ""))
    elif options.rps is None:
        options = replace(
            options,
            rps=_ask_value("Largest throughput in requests per second (empty: no limit)", _or_none(read_rps), ""),
        )
    if options.users is None:
        if options.file and options.rps is None and (options.kind == "jmx" or has_shape(options.file)):
            users = _ask_value(f"Virtual users (empty: as in {options.file.name})", _or_none(read_users), "")
        else:
            users = _ask_value("Virtual users", read_users, str(default_users(options.rps)))
        options = replace(options, users=users)
    if options.users is None and options.rps is None:
        return options  # the script sets the load
    if options.ramp_up is None:
        read = partial(read_duration, "--ramp-up", above_0=False)
        options = replace(options, ramp_up=_ask_value("Ramp-up", read, RAMP_UP))
    if options.hold_for is None:
        hold = default_hold(options, options.users or default_users(options.rps))
        options = replace(
            options, hold_for=_ask_value("Hold for", partial(read_duration, "--hold-for", above_0=True), hold)
        )
    return options


def _ask_value(question: str, read: Callable[[str], Answer], default: str | None = None) -> Answer:
    """Returns the answer; repeats the question with an error until the answer is valid."""

    def checked(text: str) -> Answer:
        try:
            return read(text.strip())
        except UserError as error:
            raise typer.BadParameter(mask(str(error))) from error

    answer: Answer = typer.prompt(question, default=default, show_default=bool(default), value_proc=checked, err=True)
    return answer


def _or_none(read: Callable[[str], Answer]) -> Callable[[str], Answer | None]:
    return lambda text: read(text) if text else None
