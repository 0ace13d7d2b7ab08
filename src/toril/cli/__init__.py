"""The `toril` command: options, calls and exit codes, without logic of its own.

Each command imports its module on use: `toril --version` and `toril plan` import neither reports nor AWS.
"""

import errno
import gc
import sys
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from toril import __version__
from toril.cli.streams import echo, write_anything
from toril.errors import InfrastructureError, UserError

INTERNAL_ERROR = 70
NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
HIDDEN = {"worker"}
PANELS = {  # panel of the help → name → module and function, in the order of the help
    "Run": {
        "run": "toril.cli.running:run",
        "try": "toril.cli.running:try_command",
        "plan": "toril.cli.running:plan",
        "watch": "toril.cli.running:watch",
        "adjust": "toril.cli.results:adjust",
        "stop": "toril.cli.results:stop",
    },
    "Results": {
        "report": "toril.cli.results:report",
        "runs": "toril.cli.results:runs",
        "fetch": "toril.cli.results:fetch",
        "suites": "toril.cli.suites:suites",
    },
    "Compare": {
        "compare": "toril.cli.results:compare",
        "baseline": "toril.cli.suites:baseline",
        "duet": "toril.cli.duet:duet",
        "trend": "toril.cli.trend:trend",
    },
    "Console": {
        "console": "toril.cli.console:console",
        "login": "toril.cli.login:login",
        "mcp": "toril.cli.console:mcp",
    },
    "GitHub": {
        "gates": "toril.cli.github:gates_command",
        "comment": "toril.cli.github:comment",
    },
    "Elsewhere": {
        "agent": "toril.cli.agent:agent",
        "push": "toril.cli.running:push",
        "sweep": "toril.cli.running:sweep",
    },
    "Set up": {
        "init": "toril.cli.setup:init",
        "import": "toril.cli.importing:import_command",
        "record": "toril.cli.importing:record",
        "doctor": "toril.cli.running:doctor_command",
        "engines": "toril.cli.setup:engines",
        "worker": "toril.worker.command:worker",
    },
}
COMMANDS = {name: place for commands in PANELS.values() for name, place in commands.items()}


class Commands(TyperGroup):
    """Imports a command on its first use."""

    def list_commands(self, _ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in self.commands and cmd_name in COMMANDS:
            self.add_command(command(cmd_name), cmd_name)
        return self.commands.get(cmd_name)


def command(name: str) -> Any:
    """Returns one command of `toril`, with its parameters and help; KeyError for an unknown name."""
    module, function = COMMANDS[name].split(":")
    panel = next(title for title, commands in PANELS.items() if name in commands)
    single = typer.Typer(add_completion=False, context_settings=SETTINGS)
    single.command(name=name, hidden=name in HIDDEN, rich_help_panel=panel)(getattr(import_module(module), function))
    return typer.main.get_command(single)


SETTINGS = {"help_option_names": ["-h", "--help"]}
app = typer.Typer(
    cls=Commands,
    help="Run Taurus suites as distributed load tests, with one exact verdict.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings=SETTINGS,
)


def _version(value: bool) -> None:
    if value:
        echo(f"toril {__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Run Taurus suites as distributed load tests, with one exact verdict."""


def main() -> None:
    """Runs the command and exits with its exit code."""
    gc.set_threshold(50_000)  # imports create no garbage
    write_anything()
    try:
        app()
    except UserError as error:
        from toril.secrets.masking import mask  # slow to import: it compiles many patterns

        echo(f"error: {mask(str(error))}", err=True)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        echo(f"error: cannot write the output: {error.strerror}. Free some disk space.", err=True)
        sys.exit(InfrastructureError.exit_code)
    except Exception:
        import traceback

        echo(traceback.format_exc(), err=True, nl=False)
        echo("internal error: this is a bug in toril. Please report the text above.", err=True)
        sys.exit(INTERNAL_ERROR)
    finally:
        gc.freeze()  # the process ends: skip the search for garbage
