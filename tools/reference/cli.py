"""docs/reference/cli.md: every command with its arguments and options, from Typer's command objects."""

import inspect
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from toril import cli

WIDTH = 110
SHARED_BY = 2  # commands: a parameter that as many have is described once
HEAD = """# Commands

<!-- written by `make docs` from the help of the command -->

`toril COMMAND --help` prints this and more. A command writes its result to standard output and its progress
to standard error. All commands use the same [exit codes](exit-codes.md).

## Shared arguments and options

Each command below lists the shared ones that it takes.
"""


def pages() -> dict[str, str]:
    """Returns the page by its path below docs/reference."""
    commands = {name: cli.command(name) for name in cli.COMMANDS if name != cli.HIDDEN}
    uses = Counter(row(one) for command in commands.values() for one in visible(command))
    shared = {text for text, count in uses.items() if count >= SHARED_BY}
    parts = [HEAD, table(text for text in uses if text in shared)]
    for name, command in commands.items():
        parts += section(name, command, shared)
    return {"cli.md": "\n".join(parts)}


def section(name: str, command: Any, shared: set[str]) -> Iterator[str]:
    """Yields the summary, the example and the table of one command."""
    yield f"## toril {name}\n"
    text, _, example = inspect.cleandoc(command.help).partition("Example: ")
    yield filled(" ".join(text.split("\n\n")[0].split()))
    yield f"```sh\n{example.strip()}\n```\n"
    own = [row(one) for one in visible(command) if row(one) not in shared]
    common = [f"`{spelling(one)}`" for one in visible(command) if row(one) in shared]
    yield table([*own, f"| shared | {', '.join(common)} |"] if common else own)


def visible(command: Any) -> list[Any]:
    return [one for one in command.params if not getattr(one, "hidden", False)]


def table(rows: Iterable[str]) -> str:
    return "\n".join(["| name | meaning |", "|---|---|", *rows, ""])


def row(parameter: Any) -> str:
    """One line of a table: the name of an argument or option, its help and its default."""
    text = parameter.help.replace("|", "\\|")
    if parameter.default not in (None, False, "", (), []) and not parameter.required:
        text += f" Default: `{parameter.default}`."
    if parameter.envvar:
        text += f" Variable: `{parameter.envvar}`."
    if parameter.required and parameter.param_type_name == "option":
        text += " Required."
    return f"| `{spelling(parameter)}` | {text} |"


def spelling(parameter: Any) -> str:
    """An option as users type it, e.g. `--store`; an argument in capitals, e.g. `SUITE…`."""
    if parameter.param_type_name == "option":
        return str(max(parameter.opts, key=len))
    name = (parameter.metavar or parameter.name).strip("[]").upper()
    return f"{name}…" if parameter.nargs == -1 else name


def filled(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_on_hyphens=False, break_long_words=False) + "\n"
