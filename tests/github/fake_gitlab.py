"""Fakes the part of GitLab's REST API that toril uses, in a thread of a test."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "token-of-a-test"
NOTES = re.compile(r"/api/v4/projects/([^/]+)/merge_requests/(\d+)/notes(?:/(\d+))?")


@dataclass(slots=True, kw_only=True)
class GitLab:
    """One project with one merge request. Tests may change it at any time."""

    project: str = "acme/shop"
    number: int = 7
    owner: int = 1  # of the token
    notes: list[dict[str, Any]] = field(default_factory=list)
    requests: list[tuple[str, int]] = field(default_factory=list)  # method and status
    url: str = ""

    def note(self, body: str, author: int) -> dict[str, Any]:
        made = {"id": 100 + len(self.notes), "body": body, "author": {"id": author}, "system": False}
        self.notes.append(made)
        return made

    def answer(self, method: str, target: str, token: str | None, data: bytes) -> tuple[int, Any, str]:
        """Returns the status, the body, and the `Link` header."""
        split = urlsplit(target)
        if token != f"Bearer {TOKEN}":
            return 401, {"message": "401 Unauthorized"}, ""
        if (method, split.path) == ("GET", "/api/v4/user"):
            return 200, {"id": self.owner, "username": "project_1_bot"}, ""
        found = NOTES.fullmatch(split.path)
        if found is None or (unquote(found[1]), int(found[2])) != (self.project, self.number):
            return 404, {"message": "404 Project Not Found"}, ""
        if method == "GET":
            query = parse_qs(split.query)
            size, page = int(query["per_page"][0]), int(query["page"][0])
            more = len(self.notes) > size * page
            return 200, self.notes[size * (page - 1) : size * page], '<http://x>; rel="next"' if more else ""
        content = json.loads(data)
        if method == "POST" and found[3] is None:
            return 201, self.note(content["body"], self.owner), ""
        old = next((one for one in self.notes if found[3] and one["id"] == int(found[3])), None)
        if method != "PUT" or old is None:
            return 404, {"message": "404 Not found"}, ""
        if old["author"]["id"] != self.owner:
            return 403, {"message": "403 Forbidden"}, ""
        old.update(content)
        return 200, old, ""


@contextmanager
def serving(gitlab: GitLab) -> Iterator[GitLab]:
    """Serves the project at its `url`."""

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, content, link = gitlab.answer(self.command, self.path, self.headers["Authorization"], data)
            gitlab.requests.append((self.command, status))
            body = json.dumps(content).encode()
            self.send_response(status)
            for name, value in (("Content-Length", str(len(body))), *((("Link", link),) if link else ())):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = _serve

        def log_message(self, *args: object) -> None:
            """Logs nothing, because the requests are stored."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        gitlab.url = f"http://127.0.0.1:{server.server_port}/api/v4"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield gitlab
        server.shutdown()
