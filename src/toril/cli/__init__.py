"""The `toril` command: options, calls and exit codes; no logic of its own.

A command's module is imported when the command is used: `toril --version` and `toril plan` import no report and no AWS.
"""

import errno
import sys
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from toril import __version__
from toril.errors import InfrastructureError, UserError
from toril.reports.screen import write_anything

INTERNAL_ERROR = 70
NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
HIDDEN = "worker"
COMMANDS = {  # name → module and function, in the order of the help
    "init": "toril.cli.beginning:init",
    "plan": "toril.cli.running:plan",
    "run": "toril.cli.running:run",
    "duet": "toril.cli.running:duet",
    "report": "toril.cli.reading:report",
    "compare": "toril.cli.reading:compare",
    "comment": "toril.cli.commenting:comment",
    "watch": "toril.cli.running:watch",
    "stop": "toril.cli.reading:stop",
    "adjust": "toril.cli.reading:adjust",
    "fetch": "toril.cli.reading:fetch",
    "runs": "toril.cli.reading:runs",
    "push": "toril.cli.fleet:push",
    "sweep": "toril.cli.fleet:sweep",
    "doctor": "toril.cli.running:doctor_command",
    "gates": "toril.cli.gating:gates_command",
    HIDDEN: "toril.worker.command:worker",
}


class Commands(TyperGroup):
    """Imports a command when it is named."""

    def list_commands(self, _ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in self.commands and cmd_name in COMMANDS:
            module, function = COMMANDS[cmd_name].split(":")
            single = typer.Typer(add_completion=False, context_settings=SETTINGS)
            single.command(name=cmd_name, hidden=cmd_name == HIDDEN)(getattr(import_module(module), function))
            self.add_command(typer.main.get_command(single), cmd_name)
        return self.commands.get(cmd_name)


SETTINGS = {"help_option_names": ["-h", "--help"]}
app = typer.Typer(
    cls=Commands,
    help="Distributed load testing as code: any Taurus suite, many workers, one exact verdict.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings=SETTINGS,
)


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
    """Runs the command and turns its result into an exit code."""
    write_anything()
    try:
        app()
    except UserError as error:
        from toril.masking import mask  # compiles many patterns

        typer.echo(f"error: {mask(str(error))}", err=True)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        typer.echo(f"error: nothing more can be written: {error.strerror}; make room", err=True)
        sys.exit(InfrastructureError.exit_code)
    except Exception:
        import traceback

        traceback.print_exc()
        typer.echo("internal error: this is a bug in toril; please report the text above", err=True)
        sys.exit(INTERNAL_ERROR)
