"""The command that begins: a first suite, and the workflow that runs it."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from toril.authoring import ACTION, InitOptions, create, refuse_taken
from toril.authoring.options import (
    read_action,
    read_duration,
    read_file,
    read_limit,
    read_locations,
    read_name,
    read_rps,
    read_url,
)
from toril.cli.questions import ask

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
        name=None if name is None else read_name(name),
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
