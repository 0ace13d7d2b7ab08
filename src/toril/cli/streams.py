"""Standard output and standard error of the command: every character can be written, and none is a workflow command.

GitHub Actions reads commands out of what a step prints. A line is a command when it begins, after blanks, with
`::name …::`; the older form `##[name …]` works anywhere in it. `toril --version` imports this module, and little else.
"""

import codecs
import io
import os
import re
import sys
from collections.abc import Iterable
from typing import Any, TextIO, cast

POORER = str.maketrans("✔✘–−†±·→µ≤≥’", "+x--*~|>u<>'") | str.maketrans({"…": "..", "∞": "inf"})  # in ASCII
# The runner compares as a culture does, to which some characters are none: whatever is not plain ASCII may be between.
ENDS = "\n\r\v\f\x1c-\x1e\x85\u2028\u2029"
COMMANDS = re.compile(
    rf"(?:(?<![^{ENDS}])[^\x21-\x7e{ENDS}]*:[^\x20-\x7e{ENDS}]*(?=:))|(?:#[^\x20-\x7e{ENDS}]*#[^\x20-\x7e{ENDS}]*(?=\[))"
)


def write_anything() -> None:
    """Makes stdout and stderr take every character, in a locale whose encoding lacks it too: a verdict is no crash.

    In GitHub Actions no text is a command to the runner there, not even a stranger's; bytes, which reports are, stay as
    they are made.
    """
    codecs.register_error("toril", _poorer)
    in_workflow = os.environ.get("GITHUB_ACTIONS") == "true"
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a workflow's log is UTF-8; to a stream in ASCII others write bytes
            stream.reconfigure(errors="toril", encoding="utf-8" if in_workflow else None)
    if in_workflow:
        sys.stdout, sys.stderr = cast(TextIO, CommandFilter(sys.stdout)), cast(TextIO, CommandFilter(sys.stderr))


class CommandFilter:
    """A text stream that passes no workflow command on, however the text is cut into pieces."""

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


def _poorer(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end].translate(POORER)
    return lost.encode("ascii", "backslashreplace").decode("ascii"), error.end


def without_commands(text: str, line_so_far: str = "") -> str:
    """Returns the text with a blank where a command would begin. `line_so_far`: the beginning of its first line.

    >>> without_commands("a\\n  ::add-mask::e\\n##[group]b ::c::")
    'a\\n  : :add-mask::e\\n## [group]b ::c::'
    >>> without_commands(":error::x", ":"), without_commands("12::30")
    (' :error::x', '12::30')
    """
    return COMMANDS.sub(r"\g<0> ", line_so_far + text)[len(line_so_far) :]
