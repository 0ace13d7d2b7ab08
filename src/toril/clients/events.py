"""Server-sent events."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from locust import User

from toril.clients import CallError, stream


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """A message of a stream."""

    data: str
    kind: str = "message"
    id: str = ""


class EventStreamUser(User):
    """A user that opens streams of events one after the other. `host` begins with http:// or https://."""

    abstract = True
    timeout_s = 30.0  # without any line

    def stream(
        self, path: str, name: str, *, messages: int | None = None, headers: Mapping[str, str] | None = None
    ) -> Iterator[StreamEvent]:
        """Yields the events of a stream. To continue after an event, pass `{"Last-Event-ID": event.id}`."""
        return stream(self, name, "SSE", lambda: self._events(path, headers or {}), lambda one: len(one.data), messages)

    def _events(self, path: str, headers: Mapping[str, str]) -> Iterator[StreamEvent]:
        address = urlsplit(self.host or "")
        connect = HTTPSConnection if address.scheme == "https" else HTTPConnection
        connection = connect(address.netloc, timeout=self.timeout_s)
        try:
            accepted = {"Accept": "text/event-stream", **headers}
            connection.request("GET", f"{address.path.rstrip('/')}{path}", headers=accepted)
            response = connection.getresponse()
            if response.status != 200:
                raise CallError(str(response.status), f"SSE: {response.status} {response.reason}")
            kind = response.headers.get_content_type(), response.headers.get("Content-Encoding", "identity")
            if kind != ("text/event-stream", "identity"):
                raise CallError("content-type", f"SSE: the response is {' '.join(kind)}, not text/event-stream")
            yield from events_of(iter(response.readline, b""))
            if response.chunked and response.chunk_left is not None:  # readline() hides it
                raise CallError("closed", "SSE: the server broke the stream off")
        except (HTTPException, OSError) as error:
            rc = "timeout" if isinstance(error, TimeoutError) else "closed"
            raise CallError(rc, f"SSE: {error or type(error).__name__}") from error
        finally:
            connection.close()


def events_of(lines: Iterator[bytes]) -> Iterator[StreamEvent]:
    """Returns the events in the lines of a stream, as HTML's standard describes them; one cut off is dropped.

    >>> list(events_of(iter([b"id: 7\\n", b"data: a\\n", b"data: b\\n", b": comment\\n", b"\\n"])))
    [Event(data='a\\nb', kind='message', id='7')]
    """
    kind, number, data = "message", "", list[str]()
    for line in lines:
        field, colon, value = line.decode("utf-8", "replace").rstrip("\r\n").partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            data.append(value)
        elif field == "event":
            kind = value
        elif field == "id":
            number = value
        elif not field and not colon:
            if data:
                yield StreamEvent("\n".join(data), kind, number)
            kind, data = "message", []
