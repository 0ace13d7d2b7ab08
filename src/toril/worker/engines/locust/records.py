"""What Locust's process writes and its worker reads: fixed-size rows, and the names that stand in them as numbers.

Loaded by path into Locust's process (`beside` in `locust/wrapper.py`), so that it imports nothing of toril.
"""

import json
import struct
from pathlib import Path

ROW = struct.Struct("<dqqqII")
COLUMNS = ("started_s", "response_us", "ttfb_us", "bytes", "label", "outcome")
USERS = 0xFFFFFFFF  # as a row's label: its bytes are the number of virtual users
LATE = 0xFFFFFFFE  # … its response_us and ttfb_us are the worst and the 90th percentile of how late the loop was
NOT_SAMPLES = LATE  # labels from here on
MESSAGES = 1000  # different failures that keep their text
UNWRITTEN = 74  # Locust's exit code when its rows cannot be written (EX_IOERR)


class Records:
    """The two files, buffered. A row's names are written before it."""

    def __init__(self, folder: Path) -> None:
        self._names = (folder / "names").open("w", encoding="utf-8")
        self._rows = (folder / "rows").open("wb", buffering=0)
        self._pending: list[bytes] = []
        self._labels: dict[tuple[str, bool], int] = {}
        self._outcomes: dict[tuple[str, str, bool], int] = {}

    def sample(
        self,
        started_s: float,
        response_us: int,
        ttfb_us: int,
        size: int,
        label: str,
        transaction: bool,
        outcome: tuple[str, str, bool],
    ) -> None:
        label_id = self._labels.get((label, transaction))
        if label_id is None:
            label_id = self._labels[label, transaction] = len(self._labels)
            self.say("label", label, "transaction" if transaction else "request")
        if outcome not in self._outcomes and outcome[1] and len(self._outcomes) >= MESSAGES:
            outcome = (outcome[0], "other", outcome[2])
        outcome_id = self._outcomes.get(outcome)
        if outcome_id is None:
            outcome_id = self._outcomes[outcome] = len(self._outcomes)
            self.say("outcome", *outcome)
        self._pending.append(ROW.pack(started_s, response_us, ttfb_us, size, label_id, outcome_id))

    def users(self, now: float, count: int) -> None:
        self._pending.append(ROW.pack(now, 0, 0, count, USERS, 0))

    def late(self, second: float, worst_us: int, p90_us: int) -> None:
        self._pending.append(ROW.pack(second, worst_us, p90_us, 0, LATE, 0))

    def say(self, *line: object) -> None:
        self._names.write(json.dumps(line) + "\n")

    def flush(self) -> None:
        if self._pending:
            pending, self._pending = memoryview(b"".join(self._pending)), []
            self._names.flush()
            while pending:  # a disk that is nearly full takes a part
                pending = pending[self._rows.write(pending) :]

    def close(self) -> None:
        self.flush()
        self._names.close()
        self._rows.close()
