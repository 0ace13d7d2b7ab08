"""What is kept of the first failures of a worker's browsers: a picture, the page's source, its console, a trace.

Loaded by path into the process that drives them (`beside` in `browser/steps.py`), so that it imports nothing of toril.
`worker/capture.py` reads what lies here.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call"

import contextlib
import json
import threading

MOST = 3  # failures of an execution, in one worker
SOURCE_CHARS = 200_000
CONSOLE_LINES = 200


class Evidence:
    """A folder; index.jsonl has a line for each failure, written when its files are complete."""

    def __init__(self, folder, *, traces) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._kept = 0
        self.traces = traces  # whether what a trace holds may leave the worker

    @property
    def wanted(self) -> bool:
        """Whether there is room for another failure."""
        return self._kept < MOST

    def keep(self, page, label, message, at_s) -> None:
        """Write down what the page looks like now."""
        with self._lock:
            if not self.wanted:
                return
            self._kept += 1
            number = self._kept
        self._folder.mkdir(exist_ok=True)
        files = []
        for name, write in (
            (f"{number}.jpg", lambda path: path.write_bytes(page.picture())),
            (f"{number}.source.txt", lambda path: path.write_text(page.source()[:SOURCE_CHARS], errors="replace")),
            (f"{number}.console.txt", lambda path: path.write_text(_lines(page.console()), errors="replace")),
            (f"{number}.trace.zip", page.trace if self.traces else None),
        ):
            if write is None:
                continue
            with contextlib.suppress(page.Unanswered):  # a page that has crashed shows nothing
                write(self._folder / name)
            if (self._folder / name).is_file() and (self._folder / name).stat().st_size:
                files.append(name)
        line = json.dumps({"label": label, "message": message, "at_s": at_s, "files": files})
        with self._lock, (self._folder / "index.jsonl").open("a", encoding="utf-8") as index:
            index.write(line + "\n")


def _lines(texts) -> str:
    return "\n".join(str(one)[:1000] for one in texts[-CONSOLE_LINES:])
