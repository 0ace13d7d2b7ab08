"""The `toril` command: options, calls and exit codes, without logic of its own.

`PANELS` is all that `toril --help` reads: a command imports its module on use, and each module only what it needs.
"""

import errno
import gc
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from toril import __version__
from toril.cli.streams import echo, with_store, write_anything
from toril.errors import InfrastructureError, UserError
from toril.explain import SITE, coded, command_of

INTERNAL_ERROR = 70
NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
PANELS = {  # panel of the help → name → module and function, which a group lacks, and the first sentence of its help
    "Run": {
        "run": ("running:run", "Run SUITE, judge and report the run; the exit code is the verdict."),
        "try": ("running:try_command", "Send each request of SUITE once, and print it with its response."),
        "plan": ("running:plan", "Print how workers would share the load of SUITE, with warnings; start nothing."),
        "watch": ("running:watch", "Show RUN live until it ends; the exit code is its verdict."),
        "adjust": ("results:adjust", "Change the rate of RUN during its load."),
        "stop": ("running:stop", "End the load of RUN early; keep and judge the measurements."),
    },
    "Results": {
        "report": ("results:report", "Print or write a report of RUN; the exit code is 0 for every verdict."),
        "runs": ("results:runs", "List the runs of a store, newest first."),
        "fetch": ("results:fetch", "Copy the folder of RUN from a store to this machine."),
        "compare": ("results:compare", "Show two runs side by side; the exit code is 0 for every difference."),
        "duet": ("duet:duet", "Load BASE and HEAD alternately, and fail if HEAD is proven slower."),
        "bisect": (
            "bisect:bisect",
            "Find the commit that made SUITE worse, by duets of the good commit with later ones.",
        ),
        "trend": ("trend:trend", "Show how a suite changes from run to run; fail on a new confirmed regression."),
    },
    "Suites": {
        "init": ("setup:init", "Write a first suite and a GitHub workflow, ready to run, into DIR."),
        "import": ("importing:import_command", "Turn a recording, an API description or a script into a suite."),
        "record": ("importing:record", "Record a journey in Chromium, and turn it into a suite."),
        "service": ("service:service", "Find the AWS resources behind SUITE, and write them into it."),
        "suite": ("", "List and upload the suites of a store, and choose their baselines."),
    },
    "Console": {
        "console": (
            "console:console",
            "Serve the console: on this machine for you alone, or for others with an issuer.",
        ),
        "login": ("login:login", "Sign in at a console by the browser, for --store https://…."),
        "logout": ("login:logout", "Sign out of a console: delete its tokens on this machine."),
        "mcp": ("console:mcp", "Serve the store to an assistant: the Model Context Protocol on stdin and stdout."),
    },
    "Set up": {
        "explain": (
            "explain:explain",
            "Explain CODE, the word in brackets of an error, a warning or a reason: cause and fix.",
        ),
        "doctor": ("running:doctor_command", "Check the requirements of a run; the exit code is 4 if one is missing."),
        "engines": ("setup:engines", "List the engines: what each accepts, and what it needs installed."),
        "agent": ("agent:agent", "Run workers of a private location on this machine, when a run needs them."),
        "github": ("", "Select the suites of a pull request, and comment on it."),
        "gitlab": ("", "Comment on a merge request."),
    },
    "Commands": {  # of groups
        "suite list": ("suites:list_suites", "List the suites of a store, or the versions of one."),
        "suite push": ("suites:push", "Upload SUITE with its commit to the store, for scheduled runs."),
        "suite pin": ("suites:pin", "Show, set or clear the baseline of a suite, its reference run."),
        "suite schema": ("suites:schema", "Print the JSON Schema of suites, for editors."),
        "github gates": ("github:gates_command", "List the suites that a change must pass."),
        "github comment": (
            "github:comment",
            "Comment on a pull request: one comment per suite, updated by later runs.",
        ),
        "gitlab comment": (
            "github:note",
            "Comment on a merge request of GitLab: one comment per suite, updated by later runs.",
        ),
    },
    "": {
        "worker": ("toril.worker.command:worker", "Run one worker's share of a run (the entry point of the container).")
    },
}
GUIDES = {  # command → its page in docs
    **dict.fromkeys(("", "run", "init"), "how-to/start-a-suite"),
    **{"try": "how-to/try-a-suite", "plan": "how-to/shape-the-load", "explain": "reference/codes"},
    **dict.fromkeys(("watch", "adjust", "stop"), "how-to/change-a-running-load"),
    **{"report": "how-to/read-a-report", "runs": "how-to/find-out-why", "fetch": "reference/run-folder"},
    **{"compare": "how-to/compare", "suite pin": "how-to/compare", "suite schema": "how-to/edit-in-your-editor"},
    **{"duet": "how-to/compare-base-and-head", "trend": "how-to/watch-the-nights", "import": "how-to/import"},
    **{"bisect": "how-to/find-the-commit"},
    **dict.fromkeys(("suite", "suite list", "suite push"), "how-to/schedule-nights"),
    **dict.fromkeys(("console", "login", "logout"), "how-to/open-the-console"),
    **{
        "service": "how-to/watch-the-service",
        "record": "how-to/record",
        "mcp": "how-to/connect-an-assistant",
        "doctor": "how-to/find-out-why",
    },
    **{"engines": "reference/engines", "agent": "how-to/use-private-locations", "worker": "explanation/protocol"},
    **dict.fromkeys(("gitlab", "gitlab comment"), "how-to/run-in-another-ci"),
    **dict.fromkeys(("github", "github gates", "github comment"), "how-to/fail-a-pull-request"),
}
COMMANDS = {name: place for commands in PANELS.values() for name, (place, _) in commands.items()}
SETTINGS = {"help_option_names": ["-h", "--help"]}


class Commands(TyperGroup):
    """The commands of `toril`, or of a group. The help reads the table; a call imports the command."""

    def __init__(self, **attrs: Any) -> None:
        super().__init__(**attrs)
        for panel, commands in PANELS.items():
            for path, (_, summary) in commands.items():
                group, _, name = path.rpartition(" ")
                if group == self.name:
                    self.add_command(TyperCommand(name, help=summary, rich_help_panel=panel, hidden=not panel))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, [*args[1:], "--help"] if args[:1] == ["help"] else args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] in self.commands:
            self.add_command(command(f"{self.name} {args[0]}".strip()))
        return super().resolve_command(ctx, args)


def call(name: str, arguments: Sequence[str]) -> int:
    """Runs another command, whose result goes to standard error, and returns its exit code."""
    with redirect_stdout(sys.stderr):
        return int(command(name).main(list(arguments), prog_name=f"toril {name}", standalone_mode=False) or 0)


def command(path: str) -> Any:
    """Returns a command of `toril`, such as `suite list`, with its parameters and help; KeyError for an unknown one."""
    panel, summary = next((panel, commands[path][1]) for panel, commands in PANELS.items() if path in commands)
    name = path.rpartition(" ")[2]
    guide = _guide(path)
    if not COMMANDS[path]:
        return Commands(name=name, help=summary, epilog=guide, no_args_is_help=True, context_settings=SETTINGS)
    module, function = (COMMANDS[path] if "." in COMMANDS[path] else f"toril.cli.{COMMANDS[path]}").split(":")
    single = typer.Typer(add_completion=False, context_settings=SETTINGS)
    single.command(name=name, hidden=not panel, epilog=guide)(getattr(import_module(module), function))
    made: Any = typer.main.get_command(single)
    made.help = made.help.replace(f"{summary}\n\nEx", f"{summary}\n\n\nEx")  # or Typer strips the examples' indentation
    for parameter in made.params:
        if parameter.param_type_name == "argument":
            parameter.metavar = parameter.metavar or parameter.name.upper()
            parameter.display_type_rich = lambda ctx: ""
        elif parameter.metavar is None:
            parameter.metavar = _metavar(parameter)
    return made


def _guide(path: str) -> str:
    """Returns the last line of a command's help: where its guide is."""
    page = GUIDES[path]
    return f"Guide: {SITE}/{page}/" if SITE else f"Guide: docs/{page}.md · codes in brackets: toril explain"


def _metavar(option: Any) -> str:
    """Returns what the help shows after an option, in place of a type of Python."""
    if option.type_descriptor.is_choice:
        return "|".join(option.type_descriptor.choices)
    is_number = {"int", "float", "list[int]"} & {option.bare_type()}
    return "" if option.is_flag else "PATH" if option.type_descriptor.is_path else "N" if is_number else "TEXT"


app = typer.Typer(
    cls=Commands,
    help="Run Taurus suites as distributed load tests, with one exact verdict.",
    epilog=_guide(""),
    no_args_is_help=True,
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
        app(prog_name="toril")
    except UserError as error:
        from toril.secrets.masking import mask  # slow to import: it compiles many patterns

        echo(f"error: {coded(with_store(mask(str(error)), sys.argv), error.code)}", err=True)
        echo(f"cause and fix: {command_of(error.code)}", err=True)
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
