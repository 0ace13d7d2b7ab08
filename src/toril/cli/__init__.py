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
from toril.cli.streams import write_anything
from toril.errors import InfrastructureError, UserError

INTERNAL_ERROR = 70
NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
HIDDEN = "worker"
COMMANDS = {  # name → module and function, in the order of the help
    "init": "toril.cli.setup:init",
    "plan": "toril.cli.running:plan",
    "run": "toril.cli.running:run",
    "duet": "toril.cli.running:duet",
    "report": "toril.cli.results:report",
    "compare": "toril.cli.results:compare",
    "comment": "toril.cli.github:comment",
    "watch": "toril.cli.running:watch",
    "stop": "toril.cli.results:stop",
    "adjust": "toril.cli.results:adjust",
    "fetch": "toril.cli.results:fetch",
    "runs": "toril.cli.results:runs",
    "push": "toril.cli.running:push",
    "sweep": "toril.cli.running:sweep",
    "doctor": "toril.cli.running:doctor_command",
    "gates": "toril.cli.github:gates_command",
    HIDDEN: "toril.worker.command:worker",
}


class Commands(TyperGroup):
    """Imports a command when it is named."""

    def list_commands(self, _ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in self.commands and cmd_name in COMMANDS:
            self.add_command(command(cmd_name), cmd_name)
        return self.commands.get(cmd_name)


def command(name: str) -> Any:
    """Returns one command of `toril`, with its parameters and help; KeyError if there is none."""
    module, function = COMMANDS[name].split(":")
    single = typer.Typer(add_completion=False, context_settings=SETTINGS)
    single.command(name=name, hidden=name == HIDDEN)(getattr(import_module(module), function))
    return typer.main.get_command(single)


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
