"""Reads `simulation.log` of Gatling up to 3.10, which is text: a row a request, in whole milliseconds.

A row has the times of sending and response. It has no sizes, no time to the first byte, and a status only in the
message of a failure. A group is a transaction, from its beginning to its end.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from toril.worker.engines.readers import Record

FOUND = re.compile(r"found (\d{3})\b")
RAISED = re.compile(r"^(?:\w+\.)*(\w*(?:Exception|Error))\b")


class GatlingReader:
    """The records of a log, or of the log that appears below a folder when its only simulation starts."""

    resolution_us: ClassVar[int] = 1000

    def __init__(self, place: Path) -> None:
        self._folder = place
        self._path: Path | None = place if place.is_file() else None
        self._read = 0
        self._rest = b""
        self.unreadable = 0
        self.users: int | None = None
        self.first_user_at: float | None = None
        self.no_user_since: float | None = None  # with users: the end of the last time without any

    def read(self, final: bool) -> Iterator[Sequence[Record]]:
        self._path = self._path or next(self._folder.glob("*/simulation.log"), None)
        if self._path is None:
            return
        with self._path.open("rb") as file:
            file.seek(self._read)
            added = file.read()
        self._read += len(added)
        *lines, self._rest = (self._rest + added).split(b"\n")
        if final and self._rest.strip():
            self.unreadable += 1
        yield [record for line in lines for record in self._line(line.decode(errors="replace").split("\t"))]

    def _line(self, fields: list[str]) -> Iterator[Record]:
        try:
            match fields:
                case ["REQUEST", _, name, began, ended, status, message]:
                    yield _record(name, int(began), int(ended), status, message.strip())
                case ["GROUP", names, began, ended, _, status]:
                    label = " / ".join(names.split(","))
                    why = "a request of the group failed"
                    yield _record(label, int(began), int(ended), status, why)._replace(kind="transaction", rc="")
                case ["USER", _, "START" | "END" as event, at]:
                    at_s = int(at) / 1000
                    self.users = (self.users or 0) + (1 if event == "START" else -1)
                    self.first_user_at = self.first_user_at or at_s
                    self.no_user_since = self.no_user_since if self.users else at_s
                case ["RUN" | "ERROR" | "ASSERTION", *_] | [""]:
                    pass
                case _:
                    self.unreadable += 1
        except ValueError:
            self.unreadable += 1


def _record(label: str, began_ms: int, ended_ms: int, status: str, message: str) -> Record:
    if status not in ("OK", "KO"):
        raise ValueError(f"{status} is neither OK nor KO")
    ok = status == "OK"
    found = None if ok else FOUND.search(message) or RAISED.match(message)
    return Record(
        started_s=began_ms / 1000,
        response_us=(ended_ms - began_ms) * 1000,
        label=label,
        ok=ok,
        rc=found[1] if found else "",
        message="" if ok else message or "it failed",
    )
