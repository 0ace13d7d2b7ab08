"""Standard output and standard error: writes every character, and blocks GitHub's workflow commands.

GitHub Actions reads commands from the output of a step. A line is a command if it begins, after blanks, with
`::name …::`; the older form `##[name …]` works anywhere in a line.
`toril --version` imports this module: keep it light.
"""

import codecs
import io
import os
import re
import shlex
import sys
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, TextIO, cast

import typer

REPLACEMENTS = str.maketrans("✔✘–−†±·→µ≤≥’", "+x--*~|>u<>'") | str.maketrans({"…": "..", "∞": "inf"})  # in ASCII
# The runner compares culture-sensitively and ignores some characters: allow any non-ASCII character in between.
ENDS = "\n\r\v\f\x1c-\x1e\x85\u2028\u2029"
COMMANDS = re.compile(
    rf"(?:(?<![^{ENDS}])[^\x21-\x7e{ENDS}]*:[^\x20-\x7e{ENDS}]*(?=:))|(?:#[^\x20-\x7e{ENDS}]*#[^\x20-\x7e{ENDS}]*(?=\[))"
)


ON_A_STORE = re.compile(
    r"(`toril (?:adjust|compare|duet|fetch|report|run|runs|stop|suite|trend|watch)\b(?:(?!--store)[^`])*)`"
)


def write_anything() -> None:
    """Makes stdout and stderr accept every character, also in a locale with a smaller encoding.

    In GitHub Actions, the streams also block workflow commands in texts. Bytes, such as reports, stay unchanged.
    """
    codecs.register_error("toril", _replaced)
    in_workflow = os.environ.get("GITHUB_ACTIONS") == "true"
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a workflow log is UTF-8
            stream.reconfigure(errors="toril", encoding="utf-8" if in_workflow else None)
    if in_workflow:
        sys.stdout, sys.stderr = cast(TextIO, CommandFilter(sys.stdout)), cast(TextIO, CommandFilter(sys.stderr))


def echo(message: str = "", *, err: bool = False, nl: bool = True) -> None:
    """Prints a text. Its invisible characters appear as escapes, which also JSON allows."""
    if not message.replace("\n", "").isprintable():
        from toril.text import visible  # imports masking, which is slow

        message = visible(message)
    typer.echo(message, err=err, nl=nl)  # noqa: TID251 - the only call


def with_store(text: str, arguments: Sequence[str]) -> str:
    """Returns a text whose commands in backticks name the `--store` that these arguments name, if they name one."""
    store = ""
    for word, after in pairwise([*arguments, ""]):
        option, sign, value = word.partition("=")
        store = (value if sign else after) if option == "--store" else store
    if store in ("", ".toril", os.environ.get("TORIL_STORE", "")):
        return text
    return ON_A_STORE.sub(lambda found: f"{found[1]} --store {shlex.quote(store)}`", text)


class CommandFilter:
    """A text stream that blocks workflow commands, also those split over several writes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._line_so_far = ""

    def write(self, text: str) -> int:
        shown = without_commands(text, self._line_so_far)
        self._line_so_far = re.split(r"[\r\n]", self._line_so_far + shown)[-1]
        self._stream.write(shown)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        self.write("".join(lines))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _replaced(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end].translate(REPLACEMENTS)
    return lost.encode("ascii", "backslashreplace").decode("ascii"), error.end


def without_commands(text: str, line_so_far: str = "") -> str:
    """Returns the text with a blank that breaks each command. `line_so_far`: the beginning of its first line.

    >>> without_commands("a\\n  ::add-mask::e\\n##[group]b ::c::")
    'a\\n  : :add-mask::e\\n## [group]b ::c::'
    >>> without_commands(":error::x", ":"), without_commands("12::30")
    (' :error::x', '12::30')
    """
    return COMMANDS.sub(r"\g<0> ", line_so_far + text)[len(line_so_far) :]
