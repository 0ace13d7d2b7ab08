"""Reads a growing CSV file as fast as Python can: whole rows only, in columns."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

CHUNK_BYTES = 1 << 20

csv.field_size_limit(1 << 30)  # a failed assertion may quote a whole response


class CsvTail:
    """The columns `wanted` of a CSV file whose first row names them; a column that the file lacks is empty."""

    def __init__(self, path: Path, wanted: Sequence[str], *, delimiter: str = ",") -> None:
        self.path = path
        self.unreadable = 0  # rows that had too few or too many fields
        self._wanted = wanted
        self._delimiter = delimiter
        self._file: BinaryIO | None = None
        self._rest = b""
        self._header: list[str] = []

    def read(self, final: bool) -> Iterator[list[tuple[str, ...]]]:
        """What was added since the last call, in chunks: a tuple for each wanted column; `final`: to the very end."""
        if self._file is None:
            if not self.path.is_file():
                return
            self._file = self.path.open("rb")
        while chunk := self._file.read(CHUNK_BYTES):
            self._rest += chunk
            end = whole_rows(self._rest)
            if end:
                text = self._rest[:end].decode(errors="replace")
                self._rest = self._rest[end:]
                if columns := self._columns(text):
                    yield columns
        if final:
            self.unreadable += bool(self._rest.strip())
            self._rest = b""
            self._file.close()

    def _columns(self, text: str) -> list[tuple[str, ...]]:
        if not self._header:
            first, _, text = text.removeprefix("\ufeff").partition("\n")
            self._header = next(csv.reader([first], delimiter=self._delimiter))
        width = len(self._header)
        count = text.count("\n")
        fields = (
            [] if '"' in text else text.replace("\n", f"\n{self._delimiter}").split(self._delimiter)
        )  # without quotes, four times as fast
        last = [field[:-1] for field in fields[width - 1 :: width] if field.endswith("\n")]
        if len(last) == count and len(fields) == count * width + 1 and "\r" not in text:
            found = [tuple(fields[position:-1:width]) for position in range(width - 1)] + [tuple(last)]
        else:
            rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=self._delimiter))
            whole = [row for row in rows if len(row) == width]
            self.unreadable += len(rows) - len(whole)
            count = len(whole)
            found = list(zip(*whole, strict=True))
        if not count:
            return []
        named = dict(zip(self._header, found, strict=True))
        return [named.get(name) or ("",) * count for name in self._wanted]


def whole_rows(data: bytes) -> int:
    """How many bytes of `data` are complete rows; a line end between quotes does not end one."""
    end = data.rfind(b"\n") + 1
    quotes = data.count(b'"', 0, end)
    while end and quotes % 2:
        before = data.rfind(b"\n", 0, end - 1) + 1
        quotes -= data.count(b'"', before, end)
        end = before
    return end
