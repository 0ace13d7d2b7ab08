"""Writes results to standard output or a file, and provides consoles for texts."""

import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook
from rich.segment import Segment

from toril.errors import StoreError
from toril.text import visible

COLOURS = {"passed": "green", "failed": "red", "broken": "red", "running": "cyan"} | dict.fromkeys(
    ("inconclusive", "triggered"), "yellow"
)
FILE_WIDTH = 100  # characters per line in a file or pipe


class Output(Console):
    """Standard output or error. Texts have no invisible characters; a closed pipe (`| head`) keeps the exit code."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.push_render_hook(_Escapes())

    def on_broken_pipe(self) -> None:
        self.quiet = True
        discard_stdout()


class _Escapes(RenderHook):
    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Escaped(renderable) for renderable in renderables]


@dataclass(frozen=True, slots=True)
class _Escaped:
    content: ConsoleRenderable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        for segment in console.render(self.content, options):
            yield segment if segment.control else segment._replace(text=visible(segment.text))


def discard_stdout() -> None:
    """Discards further output to stdout."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def emit(data: bytes | Iterable[bytes], path: Path | None) -> None:
    """Writes a result, whole or in pieces, to a file or to stdout."""
    parts = iter((data,) if isinstance(data, bytes) else data)
    parts = chain((next(parts, b""),), parts)  # create the file only after the first piece exists
    if path is None:
        try:
            sys.stdout.buffer.writelines(map(_escaped, parts) if sys.stdout.isatty() else parts)
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            discard_stdout()
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.writelines(parts)
    except OSError as error:
        raise StoreError(
            f"{path}: cannot write the report: {error.strerror}. Choose another path.", code="unwritable-report"
        ) from error


def _escaped(report: bytes) -> bytes:
    """Returns a report in UTF-8 with escaped invisible characters, safe for a terminal; JSON stays valid."""
    return visible(report.decode("utf-8", "backslashreplace").replace("\r\n", "\n")).encode()


def as_text(show: Callable[[Console], None]) -> str:
    """Returns the output of `show`, without colour."""
    file = io.StringIO()
    show(Output(file=file, width=FILE_WIDTH, color_system=None, force_terminal=False))
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"
