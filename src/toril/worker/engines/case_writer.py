"""Writes test cases as they end, one JSON object a line, with the fields of `FoundCase`; `case_lines.py` reads them.

Loaded by path into the processes of engines (`beside` in their wrappers), so that it imports nothing of toril.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call"

import json
import threading

MOST_CHARS = 20_000  # a failed assertion may quote a whole response


class CaseWriter:
    """For all threads of a process; each case is on the disk before the next one begins."""

    def __init__(self, path) -> None:
        self._lock = threading.Lock()
        self._file = path.open("w", encoding="ascii")

    def write(self, *, name, suite, outcome, started_s, took_s, message="", trace="") -> None:
        texts = {"name": name, "suite": suite, "message": message, "trace": trace}
        case = {key: str(text)[-MOST_CHARS:] for key, text in texts.items()}
        case |= {"outcome": outcome, "started_s": started_s, "duration_us": max(0, round(took_s * 1e6))}
        with self._lock:
            self._file.write(json.dumps(case) + "\n")
            self._file.flush()
