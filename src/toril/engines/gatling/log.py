"""Reads `simulation.log` of Gatling up to 3.10, which is text: a row a request, in whole milliseconds.

A row has the times of sending and response. It has no sizes, no time to the first byte, and a status only in the
message of a failure. A group is a transaction, from its beginning to its end. A request that could not be built is an
error of the script: a failed transaction.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from toril.engines.readers import LineReader, Sampled

FOUND = re.compile(r"found (\d{3})\b")
RAISED = re.compile(r"^(?:\w+\.)*(\w*(?:Exception|Error))\b")


class GatlingReader(LineReader):
    """Reads the records of a log, or of the log that appears below a folder when its only simulation starts."""

    def __init__(self, place: Path) -> None:
        super().__init__(place, self._parse_line, resolution_us=1000)
        self._folder = place
        self.script_errors: Counter[str] = Counter()
        self.first_user_at: float | None = None
        self.no_user_since: float | None = None  # with users: the end of the last time without any

    def _records(self, final: bool) -> Iterator[Sequence[Sampled]]:
        if self._lines.path.is_dir():
            self._lines.path = next(self._folder.glob("*/simulation.log"), self._folder)
        return super()._records(final)

    def _parse_line(self, line: str) -> Sampled | None:
        match line.split("\t"):
            case ["REQUEST", _, name, began, ended, status, message]:
                return _record(name, int(began), int(ended), status, message.strip())
            case ["GROUP", names, began, ended, _, status]:
                label = " / ".join(names.split(","))
                why = "a request of the group failed"
                return _record(label, int(began), int(ended), status, why)._replace(kind="transaction", rc="")
            case ["USER", _, "START" | "END" as event, at]:
                at_s = int(at) / 1000
                self.users = (self.users or 0) + (1 if event == "START" else -1)
                self.first_user_at = self.first_user_at or at_s
                self.no_user_since = self.no_user_since if self.users else at_s
            case ["ERROR", message, at]:
                label, _, why = message.strip().partition(": ")
                self.script_errors[label] += 1
                return _record(label, int(at), int(at), "KO", why)._replace(kind="transaction")
            case ["RUN" | "ASSERTION", *_] | [""]:
                pass
            case _:
                raise ValueError(f"{line[:100]!r} is not a row of Gatling's log")
        return None


def _record(label: str, began_ms: int, ended_ms: int, status: str, message: str) -> Sampled:
    if status not in ("OK", "KO"):
        raise ValueError(f"{status} is neither OK nor KO")
    ok = status == "OK"
    match = None if ok else FOUND.search(message) or RAISED.match(message)
    return Sampled(
        started_s=began_ms / 1000,
        response_us=(ended_ms - began_ms) * 1000,
        label=label,
        ok=ok,
        rc=match[1] if match else "",
        message="" if ok else message or "failed without a message",
    )
