"""docs/reference/cli.md: every command with its arguments and options, from Typer's command objects."""

import inspect
import textwrap
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from toril import cli

WIDTH = 110
FEW = 4  # commands: where more take an option, none of them is named
HEAD = """# Commands

<!-- written by `make docs` from the help of the command -->

A command writes its result to standard output and its progress to standard error. All commands use the same
[exit codes](exit-codes.md). `toril help COMMAND` prints the help of a command; a misspelt command gets a suggestion.

`toril --install-completion` completes commands, options and their values in bash, zsh, fish and PowerShell.

## Shared arguments and options

Several commands take these; the ones in parentheses, or most of them. `toril COMMAND --help` lists all options of
a command.
"""


def pages() -> dict[str, str]:
    """Returns the page by its path below docs/reference."""
    known = {name: cli.command(name) for name, place in cli.COMMANDS.items() if place}
    commands = {name: command for name, command in known.items() if not command.hidden}
    uses: dict[str, list[str]] = {}
    for name, command in commands.items():
        for one in visible(command):
            uses.setdefault(row(one), []).append(name)
    shared = {text: users for text, users in uses.items() if len(users) > 1}
    parts = [HEAD, table(text if len(users) > FEW else of(users, text) for text, users in shared.items())]
    for name, command in commands.items():
        parts += section(name, command, shared)
    return {"cli.md": "\n".join(parts)}


def section(name: str, command: Any, shared: Collection[str]) -> Iterator[str]:
    """Yields the help, the examples and the table of one command."""
    yield f"## toril {name}\n"
    text, _, examples = inspect.cleandoc(command.help).partition("Examples:\n")
    yield from (filled(" ".join(paragraph.split())) for paragraph in text.strip().split("\n\n"))
    yield f"```sh\n{textwrap.dedent(examples).strip()}\n```\n"
    own = [row(one) for one in visible(command) if row(one) not in shared]
    if own:
        yield table(own)


def visible(command: Any) -> list[Any]:
    return [one for one in command.params if not getattr(one, "hidden", False)]


def table(rows: Iterable[str]) -> str:
    return "\n".join(["| name | meaning |", "|---|---|", *rows, ""])


def row(parameter: Any) -> str:
    """One line of a table: the name of an argument or option, its help and its default."""
    text = parameter.help.replace("|", "\\|")
    if parameter.type_descriptor.is_choice:
        text += f" One of {', '.join(f'`{choice}`' for choice in parameter.type_descriptor.choices)}."
    if parameter.default not in (None, False, "", (), []) and not parameter.required:
        text += f" Default: `{parameter.opts[0] if parameter.default is True else parameter.default}`."
    if parameter.envvar:
        text += f" Variable: `{parameter.envvar}`."
    if parameter.required and parameter.param_type_name == "option":
        text += " Required."
    return f"| `{spelling(parameter)}` | {text} |"


def of(commands: Iterable[str], text: str) -> str:
    """Adds the names of commands to a row."""
    return f"{text.removesuffix(' |')} ({', '.join(commands)}) |"


def spelling(parameter: Any) -> str:
    """An option as users type it, e.g. `--store`; an argument in capitals, e.g. `SUITE…`."""
    if parameter.param_type_name == "option":
        return str(max(parameter.opts, key=len))
    return f"{parameter.metavar}…" if parameter.nargs == -1 else str(parameter.metavar)


def filled(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_on_hyphens=False, break_long_words=False) + "\n"
