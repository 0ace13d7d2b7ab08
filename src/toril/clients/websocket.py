"""WebSocket: handshakes, replies, and messages that the server pushes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import websocket
from locust import User

from toril.clients import CallError, Measured, stream

Text = str | bytes
CLOSED_REGULARLY = ("1000", "1005")  # codes: normal, and none


class WebSocketUser(User):
    """A user with at most one connection. `host` begins with ws://, wss://, http:// or https://."""

    abstract = True
    timeout_s = 30.0  # of the handshake, and for each message
    socket: Any = None

    def connect(self, path: str = "", name: str = "connect", **options: Any) -> None:
        """Opens a connection; its handshake is a request. `options` are those of `websocket.create_connection`."""
        self.close()
        scheme, _, address = (self.host or "").rstrip("/").rpartition("://")
        url = f"{scheme.replace('http', 'ws') or 'ws'}://{address}{path}"
        with Measured(self, name, "WebSocket"):
            try:
                self.socket = websocket.create_connection(url, **{"timeout": self.timeout_s, **options})
            except websocket.WebSocketBadStatusException as error:
                raise CallError(str(error.status_code), f"WebSocket: status {error.status_code}") from error
            except (OSError, websocket.WebSocketException) as error:
                raise _failed(error) from error

    def send(self, message: Text) -> None:
        """Sends a message without a reply of its own."""
        opcodes = websocket.ABNF.OPCODE_TEXT, websocket.ABNF.OPCODE_BINARY
        with self._connected() as socket:
            socket.send(message, opcodes[isinstance(message, bytes)])

    def ask(self, message: Text, name: str, is_reply: Callable[[Text], bool] = lambda _: True) -> Text:
        """Sends a message and returns its reply, which is a request. Messages before the reply are dropped."""
        with Measured(self, name, "WebSocket") as sample:
            self.send(message)
            while not is_reply(reply := self._next()):
                pass
            sample.size = len(reply)
            return reply

    def receive(self, name: str, *, messages: int | None = None) -> Iterator[Text]:
        """Yields messages that the server pushes, as a stream, which ends when the server closes the connection."""

        def pushed() -> Iterator[Text]:
            while True:
                try:
                    yield self._next()
                except CallError as error:
                    if error.rc in CLOSED_REGULARLY:
                        return
                    raise

        return stream(self, name, "WebSocket", pushed, len, messages)

    def _next(self) -> Text:
        with self._connected() as socket:
            opcode, data = socket.recv_data()
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            self.close()
            code = int.from_bytes(data[:2], "big") or 1005  # no code
            raise CallError(str(code), f"WebSocket: the server closed the connection with {code}")
        return bytes(data) if opcode == websocket.ABNF.OPCODE_BINARY else bytes(data).decode()

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        """Yields the connection, and closes it after an error: the next call could receive this one's late reply."""
        if self.socket is None:
            raise CallError("closed", "WebSocket: there is no connection")
        try:
            yield self.socket
        except (OSError, websocket.WebSocketException) as error:
            self.close()
            raise _failed(error) from error

    def close(self) -> None:
        """Closes the connection, if any, without waiting for the server."""
        socket, self.socket = self.socket, None
        if socket is not None:
            socket.close(timeout=0)

    def on_stop(self) -> None:
        self.close()


def _failed(error: Exception) -> CallError:
    late = isinstance(error, (TimeoutError, websocket.WebSocketTimeoutException))
    return CallError("timeout" if late else "closed", f"WebSocket: {error or type(error).__name__}")
