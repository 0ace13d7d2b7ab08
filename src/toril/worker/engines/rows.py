"""Rows of fixed size, and the names that they refer to, which an engine's own process writes as `rows` and `names`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from toril.worker.disk import forget
from toril.worker.engines import Unfinished


class RowFile:
    """What is new in both files of `folder`.

    Lines of names are `["label", text, kind]` (`request` where there is none), `["outcome", rc, message, ok]`,
    `["unfinished", label, requests, waited_s]` (one where there is no number; the wait may be missing or null),
    `["fact", name, value]` (of Facts; the last one holds) and `["end", why]`. A row's are written before it.
    What has been read takes no room on the disk any more.
    """

    def __init__(self, folder: Path, row: "np.dtype[Any]", rows_at_once: int) -> None:
        self._folder, self._row, self._rows_at_once = folder, row, rows_at_once
        self._rows: BinaryIO | None = None
        self._names: BinaryIO | None = None
        self._labels: list[tuple[str, str]] = []
        self._outcomes: list[tuple[str, str, bool]] = []
        self._tables: dict[str, NDArray[Any]] | None = None
        self.unfinished: list[Unfinished] = []
        self.facts: dict[str, Any] = {}
        self.ended: str | None = None  # why, once it has
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

    def named(self, samples: Any) -> dict[str, NDArray[Any]]:
        """What the numbers in rows of samples stand for: `label`, `kind`, `rc`, `message` and `ok` of a batch."""
        if self._tables is None:
            labels, kinds = zip(*self._labels, strict=True)
            rcs, messages, oks = zip(*self._outcomes, strict=True)
            tables = {"label": labels, "kind": kinds, "rc": rcs, "message": messages}
            self._tables = {name: np.array(table, object) for name, table in tables.items()}
            self._tables["ok"] = np.array(oks, np.bool_)
        return {
            name: table[samples["label" if name in ("label", "kind") else "outcome"]]
            for name, table in self._tables.items()
        }

    def close(self) -> None:
        for file in (self._names, self._rows):
            if file is not None:
                file.close()

    def _read_names(self, names: BinaryIO) -> None:
        while line := names.readline():
            if not line.endswith(b"\n"):
                names.seek(-len(line), 1)
                return
            self._hear(*json.loads(line))

    def _hear(self, what: str, name: str, *more: Any) -> None:
        if what == "label":
            self._labels.append((name, more[0] if more else "request"))
        elif what == "outcome":
            self._outcomes.append((name, more[0], more[1]))
        elif what == "unfinished":
            known = dict(zip(("count", "waited_s"), more, strict=False))
            self.unfinished.append(Unfinished(label=name, **known))
        elif what == "fact":
            self.facts[name] = more[0]
        elif what == "end":
            self.ended = name
        self._tables = None
