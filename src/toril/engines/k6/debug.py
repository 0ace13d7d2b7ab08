"""Reads requests and responses of a try from k6's own debug log, a JSON object a line."""

import json
from pathlib import Path
from typing import Any, TextIO

from toril.engines.keeping import capped
from toril.engines.readers import Lines, Sampled

DEBUG = ("--http-debug=full", "--log-format=json")


class K6Debug:
    """The debug log of one execution. It is unmasked, and never leaves the worker."""

    def __init__(self, folder: Path, most_of_body: int) -> None:
        self._path, self._most = folder / "debug", most_of_body
        self._lines = Lines(self._path)
        self._found: dict[str, dict[str, Any]] = {}  # fields of exchanges, by k6's id of the request
        self._labels: dict[str, str] = {}  # the same ids; a label is the address, unless the script names the request
        self._errors: list[str] = []

    def open(self) -> TextIO:
        """Returns the file for k6's stderr. Into a file of its own k6 would log with delays."""
        self._path.touch(mode=0o600)
        return self._path.open("w")

    def next_of(self, record: Sampled) -> dict[str, Any]:
        """Returns the fields of the next request of this label, as in `keeping.EMPTY`; empty without one.

        k6 writes its results later than this log.
        """
        self._read()
        scheme = record.url.partition("://")[0] if "://" in record.url else "http"
        for request, label in self._labels.items():
            if record.label in (label, f"{scheme}://{label}"):
                del self._labels[request]
                kept = self._found.pop(request)
                return {**kept, "url": f"{scheme}://{kept['url']}"}
        return {}

    def errors(self) -> str:
        """Returns the script's errors, with places in files of the suite's folder, which is the worker's."""
        self._read()
        return "\n".join(self._errors).replace(f"file://{Path.cwd()}/", "")

    def _read(self) -> None:
        for line in (text for lines in self._lines.read() for text in lines):
            try:
                entry = json.loads(line)
                text, request = str(entry["msg"]), str(entry.get("request_id", ""))
            except (ValueError, KeyError, TypeError):
                continue
            if entry.get("level") == "error":
                self._errors.append(text.strip())
            elif text.startswith("Request:\n"):
                first, headers, data, size = _parts(text, self._most)
                method, path, *_ = first.split(" ")
                host = next((value for name, value in headers if name == "Host"), "")
                sent = {"method": method, "url": f"{host}{path}", "request_headers": headers}
                self._found[request] = {**sent, "request": data, "request_bytes": size}
                self._labels[request] = str(entry.get("name") or f"{host}{path}")
            elif text.startswith("Response:\n") and request in self._found:
                _, headers, data, size = _parts(text, self._most)
                self._found[request] |= {"response_headers": headers, "response": data, "response_bytes": size}


def _parts(text: str, most: int) -> tuple[str, list[list[str]], str | None, int]:
    """Returns the first line of the message below the log's own line, its headers, and its body, capped."""
    head, _, body = text.partition("\n")[2].removesuffix("\n").partition("\n\n")
    first, *lines = head.split("\n")
    pairs = [line.partition(": ") for line in lines]
    return first, [[name, value] for name, _, value in pairs], *capped(body, most)
