"""Small applications on loopback that break a naive replay: each counts what it refuses, and plants secrets.

A module of this folder is one application. Its `serving(**options)` is a context manager that yields an `Application`.
Beside it, `NAME_journey.py` is a Playwright script that walks through it. The options of all applications:

- `rename`: names of fields in answers and forms → their new names, as after a change of the application.
"""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

Name = Literal["admin", "spa", "shop", "graphql", "upload", "oauth"]
NAMES: tuple[Name, ...] = ("spa", "shop", "graphql", "upload", "oauth")  # those with a journey
USER, PASSWORD = "ada@example.com", "correct horse battery"
CREDENTIALS = {"LOGIN_USER": USER, "LOGIN_PASSWORD": PASSWORD}  # the environment of the journeys


@dataclass(kw_only=True)
class Application:
    """A running application, with what it has seen."""

    url: str = ""
    others: tuple[str, ...] = ()  # addresses of its other hosts
    requests: list[str] = field(default_factory=list)  # method and path of each, in order
    refused: list[str] = field(default_factory=list)  # the same with the reason, of each that it refused
    secrets: list[str] = field(default_factory=lambda: [USER, PASSWORD])  # values that no written file may contain
    options: dict[str, Any] = field(default_factory=dict)  # in force; a test may change them
    made: int = 0

    def fresh(self, *, secret: bool = True) -> str:
        """Returns 32 hexadecimal digits that it has not returned before."""
        self.made += 1
        value = hashlib.sha256(f"1 {self.made}".encode()).hexdigest()[:32]
        if secret:
            self.secrets.append(value)
        return value

    def named(self, name: str) -> str:
        """Returns the name that a field has under `rename`."""
        renamed: Mapping[str, str] = self.options.get("rename", {})
        return renamed.get(name, name)


class Refused(Exception):
    """The application refuses a request, and counts it."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(kw_only=True)
class Asked:
    """A request."""

    method: str
    target: str
    headers: Message
    body: bytes

    @property
    def parts(self) -> list[str]:
        return [part for part in urlsplit(self.target).path.split("/") if part]

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @property
    def cookies(self) -> dict[str, str]:
        return {name: one.value for name, one in SimpleCookie(self.headers.get("Cookie", "")).items()}

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))

    @property
    def json(self) -> Any:
        return json.loads(self.body or b"{}")

    @property
    def bearer(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("Bearer ")


@dataclass(kw_only=True)
class Reply:
    """A response: a text is HTML, bytes have no type, anything else becomes JSON."""

    body: Any = ""
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


def redirect(address: str, *cookies: str) -> Reply:
    return Reply(status=303, headers=(("Location", address), *(("Set-Cookie", one) for one in cookies)))


def page(title: str, content: str, script: str = "", nonce: str = "") -> str:
    """Returns a page of HTML."""
    attribute = f' nonce="{nonce}"' if nonce else ""
    scripts = f"<script{attribute}>{script}</script>" if script else ""
    head = f'<meta charset="utf-8"><title>{title}</title>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body><h1>{title}</h1>{content}{scripts}</body></html>'


def serving(name: Name, **options: Any) -> AbstractContextManager[Application]:
    """Runs the application on a free port."""
    found: AbstractContextManager[Application] = import_module(f"tests.applications.{name}").serving(**options)
    return found


def journey(name: Name) -> Path:
    """Returns the script that walks through the application. It needs `CREDENTIALS`."""
    return Path(__file__).with_name(f"{name}_journey.py")


@contextmanager
def served(application: Application, respond: Callable[[Asked], Reply], host: str = "127.0.0.1") -> Iterator[str]:
    """Serves one host of an application, a request at a time; yields its address."""
    alone = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None: ...

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = Asked(method=self.command, target=self.path, headers=self.headers, body=body)
            line = f"{asked.method} {urlsplit(asked.target).path}"
            with alone:
                if asked.parts == ["favicon.ico"]:
                    return self.send(Reply(status=204))
                application.requests.append(line)
                try:
                    reply = respond(asked)
                except (Refused, KeyError, ValueError) as error:
                    reason = str(error) if isinstance(error, Refused) else f"bad request: {error!r}"
                    application.refused.append(f"{line}: {reason}")
                    status = error.status if isinstance(error, Refused) else 400
                    reply = Reply(status=status, body={"errors": [{"message": reason}]})
            self.send(reply)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer

        def send(self, reply: Reply) -> None:
            kind, data = "application/octet-stream", reply.body
            if isinstance(data, str):
                kind, data = "text/html; charset=utf-8", data.encode()
            elif not isinstance(data, bytes):
                kind, data = "application/json", json.dumps(_renamed(data, application)).encode()
            self.send_response(reply.status)
            headers = dict.fromkeys(name for name, _ in reply.headers)
            for name, value in (("Content-Type", kind), ("Cache-Control", "no-store")):
                if name not in headers:
                    self.send_header(name, value)
            for name, value in reply.headers:
                self.send_header(name, value)
            if reply.status != 204:
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False
        request_queue_size = 128

        def handle_error(self, request: object, client_address: object) -> None:
            """Ignores connections that clients have dropped."""

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://{host}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def _renamed(value: Any, application: Application) -> Any:
    if isinstance(value, dict):
        return {application.named(name): _renamed(one, application) for name, one in value.items()}
    return [_renamed(one, application) for one in value] if isinstance(value, list) else value
