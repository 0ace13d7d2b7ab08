"""Reads requests and responses of a try from k6's own debug log, a JSON object a line."""

import json
from pathlib import Path
from typing import Any

from toril.worker.engines.keeping import capped
from toril.worker.engines.readers import Lines, Record


class K6Debug:
    """The debug log of one execution. It is unmasked, and never leaves the worker."""

    def __init__(self, folder: Path, most_of_body: int) -> None:
        self._path, self._most = folder / "debug", most_of_body
        self._lines = Lines(self._path)
        self._sent: dict[str, str] = {}  # requests without a response, by their id
        self._found: list[tuple[str, dict[str, Any]]] = []  # request lines, and fields of exchanges
        self._errors: list[str] = []

    def options(self) -> list[str]:
        """Returns k6's options for the log."""
        self._path.touch(mode=0o600)
        return ["--http-debug=full", "--log-format=json", f"--log-output=file={self._path}"]

    def next_of(self, record: Record) -> dict[str, Any]:
        """Returns the fields of the next request to this address, as in `keeping.EMPTY`; empty without one.

        k6 writes its results later than this log.
        """
        self._read()
        for place, (line, fields) in enumerate(self._found):
            method, path, *_ = line.split(" ")
            if method == record.method and record.url.partition("#")[0].endswith(path):
                del self._found[place]
                return fields
        return {}

    def errors(self) -> str:
        """Returns the script's errors, with places in files of the suite's folder, which is the worker's."""
        self._read()
        return "\n".join(self._errors).replace(f"file://{Path.cwd()}/", "")

    def _read(self) -> None:
        for line in (one for lines in self._lines.read() for one in lines):
            try:
                entry = json.loads(line)
                text, request = str(entry["msg"]), str(entry.get("request_id", ""))
            except (ValueError, KeyError, TypeError):
                continue
            if entry.get("level") == "error":
                self._errors.append(text.strip())
            elif text.startswith("Request:\n"):
                self._sent[request] = text.removeprefix("Request:\n").removesuffix("\n")
            elif text.startswith("Response:\n") and request in self._sent:
                answer = text.removeprefix("Response:\n").removesuffix("\n")
                self._add(self._sent.pop(request), answer)

    def _add(self, sent: str, received: str) -> None:
        request, headers, body = _parts(sent)
        found: dict[str, Any] = {"request_headers": headers}
        found["request"], found["request_bytes"] = capped(body, self._most)
        _, found["response_headers"], body = _parts(received)
        found["response"], found["response_bytes"] = capped(body, self._most)
        self._found.append((request, found))


def _parts(message: str) -> tuple[str, list[list[str]], str]:
    """Returns the first line of a message, its headers and its body."""
    head, _, body = message.partition("\n\n")
    first, *lines = head.split("\n")
    pairs = [line.partition(": ") for line in lines]
    return first, [[name, value] for name, _, value in pairs], body
