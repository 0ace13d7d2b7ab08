"""Commands for the time before the first run: `toril init` with its questions, and `toril engines`."""

import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from toril.authoring import Created, create, refuse_taken
from toril.authoring.init import variables_of
from toril.authoring.options import (
    LIMITS,
    RAMP_UP,
    InitOptions,
    Limit,
    Url,
    default_hold,
    default_name,
    default_users,
    read_action,
    read_duration,
    read_limit,
    read_load,
    read_locations,
    read_name,
    read_rps,
    read_url,
    read_users,
)
from toril.cli.options import Locations, TextOrJson, nothing_written
from toril.cli.streams import echo
from toril.errors import UserError
from toril.explain import coded
from toril.secrets.masking import mask

Users = Annotated[
    int | None, typer.Option("--users", min=1, help="Virtual users in total; default: 10, or more with --rps.")
]
Rps = Annotated[str | None, typer.Option("--rps", help="Largest throughput in total, in requests per second.")]
Arrivals = Annotated[
    str | None,
    typer.Option("--arrivals", help="Journeys that start per second, such as 50/s, however slow the service is."),
]
RampUp = Annotated[str | None, typer.Option("--ramp-up", help="Time to reach the full load; default: 5s.")]
HoldFor = Annotated[
    str | None,
    typer.Option(
        "--hold-for", help="Time to keep the full load; default: 25s, or longer if a criterion needs more samples."
    ),
]
Limits = Annotated[
    list[str] | None,
    typer.Option("--criterion", help="Criterion that fails a run; repeatable; default: p95>500ms and fail>1%."),
]
Name = Annotated[str | None, typer.Option("--name", help="Name of the suite; default: from the host or file.")]
Action = Annotated[
    str | None, typer.Option("--action", help="Address of toril's action on GitHub; default: of this installation.")
]
Workflow = Annotated[bool, typer.Option("--workflow/--no-workflow", help="Write a GitHub workflow beside the suite.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite existing files.")]


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Root folder of your repository.")] = Path(),
    url: Annotated[list[str] | None, typer.Option("--url", help="Address to request; repeatable.")] = None,
    users: Users = None,
    rps: Rps = None,
    arrivals: Arrivals = None,
    ramp_up: RampUp = None,
    hold_for: HoldFor = None,
    criterion: Limits = None,
    locations: Locations = None,
    name: Name = None,
    action: Action = None,
    workflow: Workflow = True,
    force: Force = False,
) -> None:
    """Write a first suite and a GitHub workflow, ready to run, into DIR.

    Without --url, the command asks for all values on a terminal. For a script or
    a recording use `toril import`. If a file already exists, the command writes
    nothing; --force overwrites it.

    Examples:
      toril init
      toril init --url https://shop.example.com/ --users 20 --criterion 'p95>300ms'
    """
    options = InitOptions(
        urls=tuple(map(read_url, url or ())),
        **read_load(users, rps, arrivals, ramp_up, hold_for, criterion, locations, name),
        action=read_action(action),
        workflow=workflow,
    )
    with nothing_written():
        if options.kind is None and sys.stdin.isatty():
            if options.workflow and not force:
                refuse_taken(folder)
            options = ask(options, folder, force=force)
        created = create(options, folder, force=force)
    show_created(created, folder)


def show_created(created: Created, folder: Path, first: str = "plan") -> None:
    """Prints the written files, the notes, and the next commands; `first` is the one before `toril run`."""
    for file in (*created.files, *created.schema):
        echo(f"wrote {folder / file}")
    for note in created.notes:
        if note.code != "unset-reference":  # the next commands set it
            echo(f"note: {coded(note.message, note.code)}", err=True)
    suite = shlex.quote(str(folder / created.suite))
    names = variables_of(created.plan)
    if known := [name for name in names if name in os.environ]:  # such as NPM_TOKEN, of a recording of npm.example
        echo(f"note: This suite sends what this environment has: {', '.join(known)}. Unset what others own.", err=True)
    unset = [f"{name}=…" for name in names if name not in os.environ]
    export = f"  export {' '.join(unset)}\n" if unset else ""
    echo(f"next:\n{export}  toril {first} {suite}\n  toril run {suite}")


def engines(format: TextOrJson = "text") -> None:
    """List the engines: what each accepts, and what it needs installed.

    Examples:
      toril engines
      toril engines --format json
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
        if not force:
            refuse_taken(folder, name)
        return name

    def limits(text: str) -> tuple[Limit, ...]:
        return tuple(read_limit(part) for part in text.split(";") if part.strip())

    def addresses(text: str) -> tuple[Url, ...]:
        return tuple(map(read_url, text.split() or [text]))

    options = _ask_load(replace(options, urls=_ask_value("Addresses separated by spaces", addresses)))
    if not options.limits:
        standard = "; ".join(limit.text for limit in LIMITS)
        options = replace(options, limits=_ask_value("Criteria that fail a run, separated by ;", limits, standard))
    if not options.locations:
        question = "Locations, e.g. eu-west-1=2 us-east-1=1 (empty: this machine)"
        weights = _ask_value(question, lambda text: read_locations(text.replace(",", " ").split()), "")
        options = replace(options, locations=weights)
    if not options.name:
        options = replace(options, name=_ask_value("Name of the suite", unused_name, default_name(options)))
    return options


def _ask_load(options: InitOptions) -> InitOptions:
    if options.rps is None and not options.arrivals:
        question = "Largest throughput in requests per second (empty: no limit)"
        options = replace(options, rps=_ask_value(question, lambda text: read_rps(text) if text else None, ""))
    if options.users is None and not options.arrivals:
        options = replace(options, users=_ask_value("Virtual users", read_users, str(default_users(options.rps))))
    if options.ramp_up is None:
        read = partial(read_duration, "--ramp-up", above_0=False)
        options = replace(options, ramp_up=_ask_value("Ramp-up", read, RAMP_UP))
    if options.hold_for is None:
        hold = default_hold(options, options.users or default_users(options.rps))
        read = partial(read_duration, "--hold-for", above_0=True)
        options = replace(options, hold_for=_ask_value("Hold for", read, hold))
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
