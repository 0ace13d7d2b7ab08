"""The `toril` command: options → calls → exit codes; no logic of its own."""

import errno
import sys
import traceback
from typing import Annotated

import typer

from toril import __version__
from toril.cli import beginning, commenting, fleet, gating, reading, running
from toril.errors import InfrastructureError, UserError
from toril.masking import mask
from toril.reports.screen import write_anything
from toril.worker.command import worker

INTERNAL_ERROR = 70
NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

app = typer.Typer(
    help="Distributed load testing as code: any Taurus suite, many workers, one exact verdict.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for command in (
    beginning.init,
    running.plan,
    running.run,
    running.duet,
    reading.report,
    reading.compare,
    commenting.comment,
    running.watch,
    reading.stop,
    reading.adjust,
    reading.fetch,
    reading.runs,
    fleet.push,
    fleet.sweep,
):
    app.command()(command)
app.command(name="doctor")(running.doctor_command)
app.command(name="gates")(gating.gates_command)
app.command(hidden=True)(worker)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"toril {__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Distributed load testing as code: any Taurus suite, many workers, one exact verdict."""


def main() -> None:
    """Run the command and turn what happened into its exit code."""
    write_anything()
    try:
        app()
    except UserError as error:
        typer.echo(f"error: {mask(str(error))}", err=True)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        typer.echo(f"error: nothing more can be written: {error.strerror}; make room", err=True)
        sys.exit(InfrastructureError.exit_code)
    except Exception:
        traceback.print_exc()
        typer.echo("internal error: this is a bug in toril; please report the text above", err=True)
        sys.exit(INTERNAL_ERROR)
