"""Rows of fixed size, and the names that they refer to, which an engine's own process writes as `rows` and `names`."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from toril.worker.disk import forget


class RowFile:
    """What is new in both files of `folder`; `hear` is told each line of names: what it is of, and its values.

    A row's names are written before it. What has been read takes no room on the disk any more.
    """

    def __init__(
        self, folder: Path, row: "np.dtype[Any]", rows_at_once: int, hear: Callable[[str, list[Any]], None]
    ) -> None:
        self._folder, self._row, self._rows_at_once, self._hear = folder, row, rows_at_once, hear
        self._rows: BinaryIO | None = None
        self._names: BinaryIO | None = None
        self.unreadable = 0  # cut off by a kill

    def read(self, final: bool) -> Iterator[Any]:
        """Structured arrays of rows, as many at once as there are at most; nothing before the process has begun."""
        if self._rows is None or self._names is None:
            if not (self._folder / "rows").exists():
                return
            self._rows = (self._folder / "rows").open("r+b")
            self._names = (self._folder / "names").open("rb")
        while True:
            data = self._rows.read(self._row.itemsize * self._rows_at_once)
            rest = len(data) % self._row.itemsize
            if rest:  # being written, or cut off by a kill
                self._rows.seek(-rest, 1)
                data = data[:-rest]
                self.unreadable += final
            self._read_names(self._names)  # after the rows
            if not data:
                return
            yield np.frombuffer(data, self._row)
            forget(self._rows, self._rows.tell())

    def close(self) -> None:
        for file in (self._names, self._rows):
            if file is not None:
                file.close()

    def _read_names(self, names: BinaryIO) -> None:
        while line := names.readline():
            if not line.endswith(b"\n"):
                names.seek(-len(line), 1)
                return
            what, *values = json.loads(line)
            self._hear(what, values)
