"""A Prometheus on loopback, whose answers are those of version 2.42: `query_range` of fixed expressions.

A value is a function of the second since the epoch, or a whole answer with its status.
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Values = Callable[[int], float]
PATH = "/api/v1/query_range"
REFUSED = 422, {"status": "error", "errorType": "execution", "error": "many-to-many matching not allowed"}
WRONG = 400, {"status": "error", "errorType": "bad_data", "error": "1:5: parse error: unclosed left parenthesis"}


@dataclass(slots=True)
class Prometheus:
    """The expressions with their series, and what was asked."""

    series: Mapping[str, list[Values] | tuple[int, Any]]
    token: str = ""
    url: str = ""
    asked: list[dict[str, str]] = field(default_factory=list)

    def answer(self, path: str, authorization: str) -> tuple[int, Any]:
        target = urlsplit(path)
        query = {name: values[0] for name, values in parse_qs(target.query).items()}
        if authorization != self.token:
            return 401, "Unauthorized\n"
        if target.path != PATH:
            return 404, "404 page not found\n"
        self.asked.append(query)
        found = self.series.get(query["query"], [])
        if isinstance(found, tuple):
            return found
        seconds = range(int(query["start"]), int(query["end"]) + 1, int(query["step"]))
        result = [
            {
                "metric": {"instance": str(place)},
                "values": [[at, f"{value(at)}".replace("nan", "NaN")] for at in seconds],
            }
            for place, value in enumerate(found)
        ]
        return 200, {"status": "success", "data": {"resultType": "matrix", "result": result}}


@contextmanager
def prometheus(token: str = "", **series: list[Values] | tuple[int, Any]) -> Iterator[Prometheus]:
    """Serves these expressions on a free loopback port until the block ends."""
    service = Prometheus(series, token)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, content = service.answer(self.path, self.headers.get("Authorization", ""))
            body = (content if isinstance(content, str) else json.dumps(content)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        service.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield service
        finally:
            server.shutdown()
