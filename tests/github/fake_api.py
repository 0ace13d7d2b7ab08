"""Fakes the part of GitHub's REST API that toril uses, in a thread of a test or as a process.

    python -m tests.github.fake_api --port 0 --state DIR --repository acme/shop --pull 7=acme:faster@<sha>

prints its address. The fake checks requests as strictly as GitHub. DIR has `comments.json` (read at the start, written
at each change) and `requests/0001.json` …: all requests with their responses, without the token.
"""

import argparse
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

TOKEN = "token-of-a-test"
BOT = {"login": "github-actions[bot]", "type": "Bot"}
LONGEST = 65_536
PULL = re.compile(r"(\d+)=([^:]+:[^@]+)@([0-9a-f]{40})")
HEAD = re.compile(r"[^:]+:(?!.*\.\.)[^:]+")
INTEGRATION = "Resource not accessible by integration"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The response to a request."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)

    def with_headers(self, headers: Mapping[str, str]) -> "Answer":
        return Answer(status=self.status, body=self.body, headers=headers)


def refused(status: int, message: str, **more: Any) -> Answer:
    return Answer(status=status, body={"message": message, **more})


@dataclass(slots=True, kw_only=True)
class GitHub:
    """One repository with its pull requests, issues and comments. Tests may change it at any time."""

    repository: str = "acme/shop"
    pulls: dict[int, tuple[str, str]] = field(default_factory=lambda: {7: ("acme:faster", "a" * 40)})  # head, commit
    comments: list[dict[str, Any]] = field(default_factory=list)
    issues: list[dict[str, Any]] = field(default_factory=list)
    login: str | None = None  # the owner of the token; None for a workflow, which cannot read it
    may_write: bool = True
    troubles: list[Answer] = field(default_factory=list)  # responses to the next requests
    checks: list[dict[str, Any]] = field(default_factory=list)
    lost_answers: set[str] = field(default_factory=set)  # methods whose next request is executed without a response
    merged: dict[str, list[int]] = field(default_factory=dict)  # commit → the merged pull requests that brought it
    hidden: set[int] = field(default_factory=set)  # comments missing in their pages
    requests: list[dict[str, Any]] = field(default_factory=list)
    state: Path | None = None
    url: str = ""
    lock: Any = field(default_factory=threading.Lock)

    def comment(self, pull: int, body: str, user: Mapping[str, str] = BOT) -> dict[str, Any]:
        """Adds and returns a comment of any user."""
        number = max((one["id"] for one in self.comments), default=1000) + 1
        html_url = f"https://github.example/{self.repository}/pull/{pull}#issuecomment-{number}"
        made = {"id": number, "pull": pull, "user": dict(user), "body": body, "html_url": html_url}
        self.comments.append(made)
        return made

    def issue(self, title: str, body: str, user: Mapping[str, str] = BOT, **more: Any) -> dict[str, Any]:
        """Adds and returns an issue of any user."""
        number = max((one["number"] for one in self.issues), default=100) + 1
        made = {"number": number, "title": title, "body": body, "state": "open", "user": dict(user)}
        self.issues.append({**made, "html_url": f"https://github.example/{self.repository}/issues/{number}", **more})
        return self.issues[-1]

    def answer(self, method: str, target: str, headers: Mapping[str, str], data: bytes) -> Answer:
        """Answers a request, and stores request and response."""
        with self.lock:
            split = urlsplit(target)
            query = {key: values[-1] for key, values in parse_qs(split.query, keep_blank_values=True).items()}
            answer = _strange(headers, method) or (self.troubles and self.troubles.pop(0)) or None
            if answer is None:
                answer = self._routed(method, split.path, query, data)
            request = {"method": method, "path": split.path, "query": query, "status": answer.status}
            self.requests.append({**request, "body": data.decode("utf-8", "replace"), "answer": answer.body})
            self._save()
            return answer

    def _routed(self, method: str, path: str, query: Mapping[str, str], data: bytes) -> Answer:
        if (method, path) == ("GET", "/user"):
            return refused(403, INTEGRATION) if self.login is None else Answer(status=200, body=self._user())
        if not path.startswith(f"/repos/{self.repository}/"):
            return refused(404, "Not Found")
        rest = path.removeprefix(f"/repos/{self.repository}/")
        if (method, rest) == ("GET", "pulls"):
            return self._pulls(query)
        if (found := re.fullmatch(r"pulls/(\d+)", rest)) and method == "GET" and int(found[1]) in self.pulls:
            return Answer(status=200, body=self._pull(int(found[1])))
        if (found := re.fullmatch(r"commits/([0-9a-f]{40})/pulls", rest)) and method == "GET":
            brought = [self._pull(one) | {"merged_at": "2026-11-01T00:00:00Z"} for one in self.merged.get(found[1], ())]
            return self._page(brought, query, f"/repos/{self.repository}/commits/{found[1]}/pulls")
        if (found := re.fullmatch(r"issues/(\d+)/comments", rest)) and int(found[1]) in self.pulls:
            return (
                self._list(int(found[1]), query) if method == "GET" else self._write(method, data, pull=int(found[1]))
            )
        if found := re.fullmatch(r"issues(?:/(\d+)(/comments)?)?", rest):
            return self._issues(method, int(found[1] or 0), query, data, comment=bool(found[2]))
        if found := re.fullmatch(r"(?:commits/([0-9a-f]{40})/)?check-runs", rest):
            return self._checks(method, found[1], query, data)
        if found := re.fullmatch(r"issues/comments/(\d+)", rest):
            old = next((one for one in self.comments if one["id"] == int(found[1])), None)
            return refused(404, "Not Found") if old is None else self._write(method, data, old=old)
        return refused(404, "Not Found")

    def _issues(self, method: str, number: int, query: Mapping[str, str], data: bytes, *, comment: bool) -> Answer:
        if method == "GET" and not number:
            if query.keys() - {"state", "since", "per_page", "page"} or not query.get("since", "Z").endswith("Z"):
                return refused(422, "Validation Failed")
            wanted = ("open", "closed") if query.get("state") == "all" else (query.get("state", "open"),)
            found = [one for one in self.issues if one["state"] in wanted]
            return self._page(found, query, f"/repos/{self.repository}/issues")
        old = next((one for one in self.issues if one["number"] == number), None)
        if method == "GET" or (number and old is None):
            return refused(404, "Not Found")
        if not self.may_write:
            return refused(403, INTEGRATION)
        content = json.loads(data)
        known = {"body"} if comment else {"title", "body"} | ({"state", "state_reason"} if old is not None else set())
        is_long = len(content.get("body", "")) > LONGEST or not 0 < len(content.get("title", "x")) <= 256
        if not content or content.keys() - known or is_long:
            return refused(422, "Validation Failed")
        if comment:
            return Answer(status=201, body=self.comment(number, content["body"], self._user()))
        if old is None:
            return Answer(status=201, body=self.issue(content["title"], content["body"], self._user()))
        old.update(content)
        return Answer(status=200, body=old)

    def _checks(self, method: str, commit: str | None, query: Mapping[str, str], data: bytes) -> Answer:
        if method == "GET" and commit:
            kept = [one for one in self.checks if (one["head_sha"], one["name"]) == (commit, query["check_name"])]
            return Answer(status=200, body={"total_count": len(kept), "check_runs": kept})
        if method != "POST" or commit:
            return refused(404, "Not Found")
        if not self.may_write:
            return refused(403, INTEGRATION)
        check = json.loads(data)
        output = check["output"]
        lines = all(
            one.keys() == {"path", "start_line", "end_line", "annotation_level", "title", "message"}
            and one["annotation_level"] in ("notice", "warning", "failure")
            for one in output["annotations"]
        )
        known = {"name", "head_sha", "external_id", "status", "conclusion", "output", "details_url"}
        fits = len(output["summary"]) <= 65_535 and len(output["annotations"]) <= 50 and output["title"]
        if check.keys() - known or not (lines and fits and re.fullmatch(r"[0-9a-f]{40}", check["head_sha"])):
            return refused(422, "Invalid request.")
        number = 9000 + len(self.checks)
        made = {**check, "id": number, "html_url": f"https://github.example/{self.repository}/runs/{number}"}
        self.checks.append(made)
        return Answer(status=201, body=made)

    def _user(self) -> dict[str, str]:
        return dict(BOT) if self.login is None else {"login": self.login, "type": "User"}

    def _pull(self, number: int) -> dict[str, Any]:
        head, sha = self.pulls[number]
        return {"number": number, "state": "open", "head": {"label": head, "ref": head.partition(":")[2], "sha": sha}}

    def _pulls(self, query: Mapping[str, str]) -> Answer:
        if query.keys() - {"head", "state", "per_page", "page", "base", "sort", "direction"}:
            return refused(422, "Validation Failed")
        found = [
            self._pull(number)
            for number, (head, _) in self.pulls.items()
            if not HEAD.fullmatch(query.get("head", "")) or query["head"] == head  # GitHub ignores an invalid filter
        ]
        return self._page(found, query, f"/repos/{self.repository}/pulls")

    def _list(self, pull: int, query: Mapping[str, str]) -> Answer:
        found = [{key: one[key] for key in one if key != "pull"} for one in self.comments if one["pull"] == pull]
        return self._page(found, query, f"/repos/{self.repository}/issues/{pull}/comments")

    def _page(self, found: list[Any], query: Mapping[str, str], path: str) -> Answer:
        size, page = min(int(query.get("per_page", 30)), 100), int(query.get("page", 1))
        rest = {**query, "page": str(page + 1)}
        more = len(found) > size * page
        link = f'<{self.url}{path}?{"&".join(f"{key}={value}" for key, value in rest.items())}>; rel="next"'
        shown = [one for one in found[size * (page - 1) : size * page] if one.get("id") not in self.hidden]
        return Answer(status=200, body=shown, headers={"Link": link} if more else {})

    def _write(self, method: str, data: bytes, *, pull: int = 0, old: dict[str, Any] | None = None) -> Answer:
        if method != ("POST" if old is None else "PATCH"):
            return refused(404, "Not Found")
        if not self.may_write:
            return refused(403, INTEGRATION)
        try:
            content = json.loads(data)
        except ValueError:
            return refused(400, "Problems parsing JSON")
        if not isinstance(content, dict) or set(content) != {"body"} or not isinstance(content["body"], str):
            return refused(422, "Invalid request.")
        if not content["body"].strip() or len(content["body"]) > LONGEST:
            problem_text = (
                "Body is too long (maximum is 65536 characters)" if content["body"].strip() else "body is missing"
            )
            problem = {"resource": "IssueComment", "code": "unprocessable", "field": "data", "message": problem_text}
            return refused(422, "Validation Failed", errors=[problem])
        if old is not None:
            old["body"] = content["body"]
            return Answer(status=200, body=old)
        return Answer(status=201, body=self.comment(pull, content["body"], self._user()))

    def _save(self) -> None:
        if self.state is not None:
            folder = self.state / "requests"
            folder.mkdir(parents=True, exist_ok=True)
            kept = json.dumps(self.requests[-1], indent=1, ensure_ascii=False)
            (folder / f"{len(self.requests):04}.json").write_text(kept)
            (self.state / "comments.json").write_text(json.dumps(self.comments, indent=1, ensure_ascii=False))


def _strange(headers: Mapping[str, str], method: str) -> Answer | None:
    """Returns GitHub's error for a request without the required headers."""
    if not headers.get("User-Agent"):
        return refused(403, "Request forbidden by administrative rules. Please make sure your request has a User-Agent")
    if headers.get("Authorization") != f"Bearer {TOKEN}":
        return refused(401, "Bad credentials")
    if headers.get("Accept") != "application/vnd.github+json" or headers.get("X-GitHub-Api-Version") != "2022-11-28":
        return refused(400, "this fake wants Accept and X-GitHub-Api-Version as GitHub's documentation has them")
    if method in ("POST", "PATCH") and not headers.get("Content-Type", "").startswith("application/json"):
        return refused(400, "this fake wants JSON to be called JSON")
    return None


class Handler(BaseHTTPRequestHandler):
    github: ClassVar[GitHub]
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answer = self.github.answer(self.command, self.path, dict(self.headers), data)
        if self.command in self.github.lost_answers:
            self.github.lost_answers.remove(self.command)
            self.close_connection = True
            return
        body = json.dumps(answer.body).encode()
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _serve

    def log_message(self, format: str, *args: Any) -> None:
        """Logs nothing, because the requests are stored."""


@contextmanager
def serving(github: GitHub, port: int = 0) -> Iterator[GitHub]:
    """Serves the repository at its `url`."""
    handler = type("Bound", (Handler,), {"github": github})
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    github.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield github
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--repository", default="acme/shop")
    parser.add_argument("--pull", action="append", default=[], help="NUMBER=OWNER:BRANCH@COMMIT")
    parser.add_argument("--login", help="whose token it is, if not that of a workflow")
    parser.add_argument("--read-only", action="store_true", help="refuse to write, as without `pull-requests: write`")
    wanted = parser.parse_args()
    github = GitHub(repository=wanted.repository, login=wanted.login, may_write=not wanted.read_only)
    if wanted.pull:
        found = [PULL.fullmatch(one) or parser.error(f"--pull {one}") for one in wanted.pull]
        github.pulls = {int(one[1]): (one[2], one[3]) for one in found}
    github.state = wanted.state
    wanted.state.mkdir(parents=True, exist_ok=True)
    if (wanted.state / "comments.json").is_file():
        github.comments = json.loads((wanted.state / "comments.json").read_text())
    with serving(github, wanted.port):
        print(github.url, flush=True)  # noqa: T201
        threading.Event().wait()


if __name__ == "__main__":
    main()
