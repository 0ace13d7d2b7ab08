"""The command that says which suites a change has to pass."""

import json
import re
from pathlib import Path
from typing import Annotated

import typer

from toril.cli import options
from toril.cli.parameters import Environment, On
from toril.errors import OptionError
from toril.github import gates

OUTPUT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


def gates_command(
    folder: Annotated[Path, typer.Argument(help="The folder that holds the suites' folders.")] = Path("loadtests"),
    changed_since: Annotated[
        str | None,
        typer.Option("--changed-since", help="A commit: suites touched since then, and gates unless only texts were."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All suites, whatever has changed.")] = False,
    on: On = "local",
    env: Environment = None,
    format: Annotated[str, typer.Option("--format", help="text or json.")] = "text",
    output_name: Annotated[
        str | None, typer.Option("--output-name", help="Print NAME=JSON, for a job's outputs on GitHub.")
    ] = None,
) -> None:
    """Name the suites that a change has to pass: those it touches, and those with `gate: true`.

    For this machine a suite that needs AWS is left out unless it is a gate;
    with --on fargate those are named whose locations are regions.

    Example: toril gates loadtests --changed-since origin/main
    """
    if format not in ("text", "json"):
        raise OptionError(f"--format {format}: text or json")
    if output_name is not None and not OUTPUT_NAME.fullmatch(output_name):
        raise OptionError(f"--output-name {output_name!r}: letters, digits, _ and -, and no digit first")
    if every and changed_since is not None:
        raise OptionError("--all and --changed-since: choose one of them")
    changed = None if changed_since is None else gates.changed_since(changed_since, folder)
    environment = options.pairs("--env", env or ())
    chosen = gates.choose(folder, changed=changed, on=on, every=every, environment=environment)
    if output_name is not None and len(chosen) > gates.MOST:
        raise OptionError(f"{len(chosen)} suites have to run, and a job's matrix on GitHub has at most {gates.MOST}")
    if output_name is not None or format == "json":
        prefix = f"{output_name}=" if output_name is not None else ""
        typer.echo(prefix + json.dumps([suite.name for suite in chosen]))
    for suite in chosen:
        typer.echo(f"{suite.name}: {suite.why}", err=output_name is not None or format == "json")
    if not chosen:
        typer.echo("no suite has to run", err=True)
