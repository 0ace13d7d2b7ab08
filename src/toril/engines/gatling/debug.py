"""Reads Gatling's own logs: crashes of a simulation's code, and in a try requests and responses.

In the log of a try each request is a block of text. After a crash Gatling goes on with the user's next step.
"""

import contextlib
import re
from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from toril.engines.keeping import capped
from toril.engines.readers import Sampled

CONFIGURATION = """<configuration>
<appender name="file" class="ch.qos.logback.core.FileAppender">
<file>{file}</file><encoder><pattern>%msg%n</pattern></encoder>
</appender>
<appender name="errors" class="ch.qos.logback.core.FileAppender">
<file>{errors}</file><encoder><pattern>%msg%n</pattern></encoder>
</appender>
<logger name="io.gatling.http.engine.response" level="{level}"><appender-ref ref="file"/></logger>
<logger name="io.gatling" level="ERROR"><appender-ref ref="errors"/></logger>
<root level="WARN"/>
</configuration>
"""
BLOCK = re.compile(
    r"^>{26}\nRequest:\n(?P<label>.*?): (?:OK|KO) .*?\nHTTP request:\n(?P<request>.*?)\n=+\nHTTP response:\n"
    r"(?P<response>.*?)^<{25}$",
    re.DOTALL | re.MULTILINE,
)
CRASHED = re.compile(r" crashed (?:with|on session) ")
SENT_BODY = re.compile(r"\w+\{.*?\bcontent=(.*)\}", re.DOTALL)  # its class, with its fields


class GatlingDebug:
    """The logs of one execution. They are unmasked, and never leave the worker."""

    def __init__(self, folder: Path, most_of_body: int) -> None:
        self._log, self._configuration, self._most = folder / "debug", folder / "logback.xml", most_of_body
        self._errors = folder / "errors"
        self._read_to = 0
        self._found: defaultdict[str, deque[dict[str, Any]]] = defaultdict(deque)

    def configure(self, *, tried: bool) -> Path:
        """Write the configuration of the logs. Returns its path."""
        self._log.touch(mode=0o600)
        level = "TRACE" if tried else "OFF"
        self._configuration.write_text(CONFIGURATION.format(file=self._log, errors=self._errors, level=level))
        return self._configuration

    def crashes(self) -> Counter[str]:
        """Returns how often code of the simulation raised an exception."""
        with contextlib.suppress(OSError), self._errors.open(errors="replace") as lines:
            return Counter("simulation: exception" for line in lines if CRASHED.search(line))
        return Counter()

    def next_of(self, record: Sampled) -> dict[str, Any]:
        """Returns the fields of the next request of this label, as in `keeping.EMPTY`; empty without one.

        Gatling writes its results later than this log.
        """
        text = self._log.read_text(errors="replace")
        for block in BLOCK.finditer(text, self._read_to):
            self._found[block["label"]].append(self._fields(block["request"], block["response"]))
            self._read_to = block.end()
        kept = self._found[record.label]
        return kept.popleft() if kept else {}

    def _fields(self, request: str, response: str) -> dict[str, Any]:
        method, _, url = request.partition("\n")[0].partition(" ")
        head, _, body = request.partition("\nbody:")
        sent = SENT_BODY.fullmatch(body)
        fields: dict[str, Any] = {"method": method, "url": url, "request_headers": list(_headers(head))}
        fields["request"], fields["request_bytes"] = capped(sent[1] if sent else body, self._most)
        if status := re.match(r"(?:version:\n\t.*\n)?status:\n\t(\d+)", response):
            head, _, body = response.partition("\n\nbody:\n")
            fields |= {"status": int(status[1]), "response_headers": list(_headers(head))}
            fields["response"], fields["response_bytes"] = capped(body.removesuffix("\n"), self._most)
        return fields


def _headers(head: str) -> Iterator[list[str]]:
    for line in head.partition("\nheaders:\n")[2].splitlines():
        name, _, value = line.strip().partition(": ")
        yield [name, value]
