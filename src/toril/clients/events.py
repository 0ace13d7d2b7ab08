"""Server-sent events."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from locust import User

from toril.clients import CallError, stream


@dataclass(frozen=True, slots=True)
class Event:
    """A message of a stream."""

    data: str
    kind: str = "message"
    id: str = ""
    size: int = 0  # bytes, with its field names


class EventStreamUser(User):
    """A user that opens streams of events one after the other. `host` begins with http:// or https://."""

    abstract = True
    timeout_s = 30.0  # without any line
    context_of_tls: Any = None  # an ssl.SSLContext; None: that of the machine
    last_id = ""  # the next stream continues after this event

    def stream(
        self, path: str, name: str, *, messages: int | None = None, headers: Mapping[str, str] | None = None
    ) -> Iterator[Event]:
        """Yields the events of a stream."""
        return stream(self, name, "SSE", lambda: self._events(path, headers or {}), lambda one: one.size, messages)

    def _events(self, path: str, headers: Mapping[str, str]) -> Iterator[Event]:
        address = urlsplit(self.host or "")
        if address.scheme == "https":
            connection: Any = HTTPSConnection(address.netloc, timeout=self.timeout_s, context=self.context_of_tls)
        else:
            connection = HTTPConnection(address.netloc, timeout=self.timeout_s)
        own = {"Accept": "text/event-stream", "Cache-Control": "no-cache"}
        own |= {"Last-Event-ID": self.last_id} if self.last_id else {}
        try:
            connection.request("GET", f"{address.path.rstrip('/')}{path}", headers={**own, **headers})
            response = connection.getresponse()
            if response.status != 200:
                raise CallError(str(response.status), f"SSE: {response.status} {response.reason}")
            for event in events_of(iter(response.readline, b"")):
                self.last_id = event.id or self.last_id
                yield event
        except (HTTPException, OSError) as error:
            raise CallError(type(error).__name__, f"SSE: {error or type(error).__name__}") from error
        finally:
            connection.close()


def events_of(lines: Iterator[bytes]) -> Iterator[Event]:
    """Returns the events in the lines of a stream, as HTML's standard describes them; one cut off is dropped.

    >>> list(events_of(iter([b"id: 7\\n", b"data: a\\n", b"data: b\\n", b": comment\\n", b"\\n"])))
    [Event(data='a\\nb', kind='message', id='7', size=34)]
    """
    fields: dict[str, str] = {}
    data: list[str] = []
    size = 0
    for line in lines:
        size += len(line)
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        field, _, value = text.partition(":")
        if field == "data":
            data.append(value.removeprefix(" "))
        elif field in ("event", "id"):
            fields[field] = value.removeprefix(" ")
        elif not text:
            if data:
                yield Event("\n".join(data), fields.pop("event", "message"), fields.get("id", ""), size)
            fields.pop("event", None)
            data, size = [], 0
