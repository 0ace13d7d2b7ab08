"""`toril explain`: what codes mean, and what to do."""

import shutil
import textwrap
from itertools import groupby
from typing import Annotated

import typer

from toril.cli.streams import echo
from toril.errors import OptionError
from toril.explain import Code, codes, page_of

WIDEST, COLUMN = 100, 24  # characters


def _names() -> list[str]:
    return [code.name for code in codes()]


def explain(
    code: Annotated[
        list[str] | None,
        typer.Argument(autocompletion=_names, help="Codes in brackets of a message; without one, list all codes."),
    ] = None,
) -> None:
    """Explain CODE, the word in brackets of an error, a warning or a reason: cause and fix.

    Examples:
      toril explain saturated
      toril explain | grep secret
    """
    for place, one in enumerate([_code(name.strip("[]` ")) for name in code or ()]):
        echo("\n" * (place > 0) + "\n\n".join(_paragraphs(one)))
    for area, members in groupby(() if code else codes(), key=lambda one: one.area):
        echo("\n".join([area, *(f"  {one.name:<{COLUMN}} {one.brief}" for one in members), ""]))


def _code(name: str) -> Code:
    for code in codes():
        if code.name == name:
            return code
    from toril.text import close_matches  # slow to import

    near = close_matches(name, _names(), most=3)
    fix = f"Did you mean {' or '.join(f'`{one}`' for one in near)}?" if near else "`toril explain` lists all codes."
    raise OptionError(f"CODE `{name}`: unknown code. {fix}", code="unknown-code")


def _paragraphs(code: Code) -> list[str]:
    width = min(shutil.get_terminal_size().columns, WIDEST)
    filled = [
        textwrap.fill(" ".join(text.split()), width, break_long_words=False, break_on_hyphens=False)
        for text in code.plain.split("\n\n")
    ]
    head = " · ".join(filter(None, (code.name, code.area.lower(), code.outcome)))
    return [head, *filled, *filter(None, [page_of(code.name)])]
