"""Reads the test cases that an engine's own process writes, one JSON object a line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from toril.worker.engines import FoundCase


class CaseLines:
    """A growing file of test cases with the fields of `FoundCase`; whole lines only."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.unreadable = 0
        self._file: BinaryIO | None = None
        self._rest = b""

    def read(self) -> Iterator[FoundCase]:
        """What was added since the last call."""
        if self._file is None:
            if not self.path.is_file():
                return
            self._file = self.path.open("rb")
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        for line in lines:
            try:
                yield FoundCase(**json.loads(line))
            except (ValueError, TypeError):
                self.unreadable += 1
