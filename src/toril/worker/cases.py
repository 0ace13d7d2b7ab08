"""The test cases that a worker's engines have told of, on their way to the store: without secrets, and cut to size."""

from collections.abc import Callable, Iterator

from toril.records import Case, CaseFile, case_file_name, digest_of, encode_cases
from toril.worker.engines import FoundCase

MOST_CHARS = {"name": 500, "suite": 500, "message": 2000, "trace": 8000}
MOST_IN_A_FILE = 200  # in JSON a character can need six bytes, and a file may have MOST_BYTES_OF_CASES


class CaseBook:
    """Cases as they come, files as they go."""

    def __init__(self, worker: str, redacted: Callable[[str], str]) -> None:
        self._worker, self._redacted = worker, redacted
        self._cases: list[Case] = []
        self.files = 0
        self.digests = ""  # of each file, in order

    def add(self, execution: str, found: FoundCase, start_at: float) -> None:
        texts = {name: self._text(getattr(found, name), most) for name, most in MOST_CHARS.items()}
        case = Case(
            **texts,
            execution=execution,
            outcome=found.outcome,
            at_s=round(found.started_s - start_at, 6),
            duration_us=max(0, found.duration_us),
        )
        self._cases.append(case)

    def flush(self) -> Iterator[tuple[str, bytes]]:
        """Name and content of the files with what came since the last call."""
        while self._cases:
            some, self._cases = self._cases[:MOST_IN_A_FILE], self._cases[MOST_IN_A_FILE:]
            self.files += 1
            data = encode_cases(CaseFile(self._worker, self.files, some))
            self.digests += digest_of(data)
            yield case_file_name(self.files), data

    def _text(self, text: str, most: int) -> str:
        """Redacted before it is cut, since half a secret is one as well; of a long one the end says what happened."""
        shown = self._redacted(text.encode("utf-8", "backslashreplace").decode())  # half a character is no text
        return shown if len(shown) <= most else f"{shown[: most // 4]}\n…\n{shown[-(most - most // 4) :]}"
