"""Reads `simulation.log` of other runs, by Gatling up to 3.10, which is text: a row a request, in whole milliseconds.

A row has the times of sending and response. It has no sizes, no time to the first byte, and a status only in the
message of a failure. A group is a transaction, from its beginning to its end. A request that could not be built is an
error of the script: a failed transaction.
"""

import re
from pathlib import Path

from toril.engines.readers import LineReader, Sampled

FOUND = re.compile(r"found (\d{3})\b")
RAISED = re.compile(r"^(?:\w+\.)*(\w*(?:Exception|Error))\b")


class GatlingReader(LineReader):
    """Reads the records of a log."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, self._parse_line, resolution_us=1000)

    def _parse_line(self, line: str) -> Sampled | None:
        match line.split("\t"):
            case ["REQUEST", _, name, began, ended, status, message]:
                return _record(name, int(began), int(ended), status, message.strip())
            case ["GROUP", names, began, ended, _, status]:
                label = " / ".join(names.split(","))
                why = "a request of the group failed"
                return _record(label, int(began), int(ended), status, why)._replace(kind="transaction", rc="")
            case ["USER", _, "START" | "END" as event, at]:
                int(at)
                self.users = (self.users or 0) + (1 if event == "START" else -1)
            case ["ERROR", message, at]:
                label, _, why = message.strip().partition(": ")
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
