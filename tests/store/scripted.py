"""A server with scripted answers of S3, and a clock that only `sleep` moves."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.sax.saxutils import escape

DROPPED = 0  # as a status: the connection ends without an answer


@dataclass(slots=True)
class Clock:
    """A clock that only `sleep` moves."""

    at: float = 0.0
    slept: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds


@dataclass(frozen=True, slots=True)
class Answer:
    """The server's answer to one request."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asked:
    """One received request."""

    method: str
    path: str
    headers: Message
    body: bytes


@dataclass(slots=True)
class Script:
    """The next answers, or functions that make them from the requests; the last one is repeated."""

    url: str = ""
    answers: list["Answer | Callable[[list[Asked]], Answer]"] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)

    def will_answer(self, *answers: "Answer | Callable[[list[Asked]], Answer]") -> None:
        self.answers, self.asked = list(answers), []


def refusal(status: int, code: str, message: str = "refused", **headers: str) -> Answer:
    """An error of S3."""
    body = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>".encode()
    return Answer(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


DROP = Answer(DROPPED)
TAKEN = refusal(412, "PreconditionFailed")
SLOW_DOWN = refusal(503, "SlowDown")
BROKEN = refusal(500, "InternalError")
CONFLICT = refusal(409, "ConditionalRequestConflict")
MISSING = refusal(404, "NoSuchKey")
STORED = Answer(200, headers={"ETag": '"new"'})


@contextmanager
def scripted_server() -> Iterator[Script]:
    """Starts the server on loopback, for the time of the context."""
    script = Script()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one piece, or the client waits for the second

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            script.asked.append(Asked(self.command, self.path, self.headers, body))
            found = script.answers.pop(0) if len(script.answers) > 1 else script.answers[0]
            if not isinstance(found, Answer):
                found = found(script.asked)
            if found.status == DROPPED:
                self.close_connection = True
                return
            self.send_response(found.status)
            for name, value in found.headers.items():
                self.send_header(name, value)
            if "Content-Length" not in found.headers:
                self.send_header("Content-Length", str(len(found.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(found.body)
            self.close_connection = "Content-Length" in found.headers

        def handle_expect_100(self) -> bool:
            go_on = super().handle_expect_100()
            self.wfile.flush()
            return go_on

        do_GET = do_HEAD = do_PUT = do_POST = answer

        def log_message(self, format: str, *args: object) -> None:
            """Prints nothing, to keep pytest's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        script.url = f"http://127.0.0.1:{server.server_port}"
        yield script
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
