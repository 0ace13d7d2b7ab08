"""Pages with known times for real browsers, which have to measure the server's delays."""

import random
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

FIRST_BYTE_S = 0.3
PICTURE_S = 0.5  # from the picture's request, which the browser sends when the page arrives
WIDTH, HEIGHT = 640, 400


def _noise() -> bytes:
    """Returns a PNG that browsers do not treat as a background, so that its paint counts."""
    chance = random.Random(7)
    rows = b"".join(b"\0" + chance.randbytes(WIDTH) for _ in range(HEIGHT))

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")


NOISE = _noise()
SHOP = """<!doctype html><title>Shop</title><h1>Shop</h1>
<form action="/hits"><input id="q" name="q"><button id="go">Search</button></form>
<img src="/picture" width="640" height="400">"""
HITS = "<!doctype html><title>Hits</title><p class=hit>A hit</p>"
ECHO = """<!doctype html><meta name="viewport" content="width=device-width"><title>Seen</title><script>
navigator.sendBeacon('/seen?width=' + innerWidth + '&touch=' + navigator.maxTouchPoints + '&cookie=' + document.cookie);
document.cookie = 'been=here';</script><p>Seen</p>"""


@dataclass
class Pages:
    """The server's address and records."""

    url: str = ""
    hits: dict[str, int] = field(default_factory=dict)  # by path
    agents: set[str] = field(default_factory=set)
    seen: list[dict[str, str]] = field(default_factory=list)  # reports of the pages' scripts
    lock: threading.Lock = field(default_factory=threading.Lock)


@contextmanager
def pages(first_byte_s: float = FIRST_BYTE_S, picture_s: float = PICTURE_S) -> Iterator[Pages]:
    """Serves the shop on a loopback port."""
    found = Pages()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None: ...

        def do_POST(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(asked.query, keep_blank_values=True).items()}
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            with found.lock:
                found.hits[asked.path] = found.hits.get(asked.path, 0) + 1
                found.agents.add(self.headers.get("User-Agent", ""))
                if asked.path == "/seen":
                    found.seen.append(query)
            if asked.path == "/":
                time.sleep(first_byte_s)
                self.answer(SHOP)
            elif asked.path == "/picture":
                time.sleep(picture_s)
                self.answer(NOISE, "image/png")
            elif asked.path == "/never":
                time.sleep(60)
            else:
                known = {"/hits": HITS, "/echo": ECHO, "/seen": ""}
                self.answer(known.get(asked.path, "nothing here"), status=200 if asked.path in known else 404)

        def answer(self, body: str | bytes, kind: str = "text/html", status: int = 200) -> None:
            data = body.encode() if isinstance(body, str) else body
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(data)

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, request: object, client_address: object) -> None:
            """Ignores the errors of killed browsers."""

    server = Server(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
