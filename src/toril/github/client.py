"""Sends requests to the REST API of GitHub, or of GitLab, which answers alike. The token is only in one header."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import urllib3
from urllib3.exceptions import HTTPError

from toril import __version__
from toril.clock import Backoff, Clock, retry
from toril.errors import InfrastructureError, OptionError
from toril.store.connections import is_safe_address, pool_for
from toril.text import one_line

API_VERSION = "2022-11-28"
PER_PAGE = 100  # GitHub's maximum
NEXT = 'rel="next"'  # in the `link` header; the client ignores the address beside it, which would receive the token
MOST_PAGES = 100  # of comments on one pull request
MOST_BYTES = 64 << 20  # per response; a hundred comments of maximum length need a third of it
TRIES = 5
BACKOFF = Backoff(first_s=1.0, longest_s=60.0)
PATIENCE_S = 300.0  # longest wait for the end of a rate limit
TIMEOUT = urllib3.Timeout(connect=10.0, read=30.0)


class UnansweredError(InfrastructureError):
    """No response to a request, which GitHub may have executed."""


class GithubRefusedError(InfrastructureError):
    """GitHub rejected a request."""

    def __init__(self, message: str, status: int, *, code: str) -> None:
        super().__init__(message, code=code)
        self.status = status


class _TransientGithubError(Exception):
    """A failure that may be temporary. `wait_s`: the wait that GitHub requests, if any."""

    def __init__(self, problem: str, wait_s: float | None = None) -> None:
        super().__init__(problem)
        self.wait_s = wait_s


RIGHTS = "`permissions: pull-requests: write` (for issues: `issues: write`, for check runs: `checks: write`)"


@dataclass(frozen=True, slots=True)
class GithubReply:
    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def message(self) -> str:
        """Returns GitHub's explanation in one short line."""
        return one_line(self.body.get("message", ""), 200) if isinstance(self.body, dict) else ""


def api_url(given: str, variable: str = "GITHUB_API_URL") -> str:
    """Returns the address of the API without a final slash; OptionError if the token would leave without https."""
    if is_safe_address(given):
        return given.rstrip("/")
    text = f"{variable} is `{given}`: expected an https address such as https://api.github.com."
    raise OptionError(text, code="bad-api-url")


class Client:
    """A client of GitHub's API with one token."""

    service, accept = "GitHub", "application/vnd.github+json"

    def __init__(self, url: str, token: str, clock: Clock) -> None:
        self._url, self._clock = url, clock
        self._headers = {
            "Accept": self.accept,
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "User-Agent": f"toril/{__version__}",
            "X-GitHub-Api-Version": API_VERSION,
        }
        self._pool = pool_for(url)

    def get(self, path: str, **query: str | int) -> GithubReply:
        """Reads a resource. Retries temporary failures."""
        return self._repeated("GET", f"{path}?{urlencode(query)}" if query else path)

    def pages(self, path: str, **query: str | int) -> Iterator[dict[str, Any]]:
        """Yields the entries of a list from all its pages."""
        for page in range(1, MOST_PAGES + 1):
            answer = self.get(path, **query, per_page=PER_PAGE, page=page)
            if not isinstance(answer.body, list) or not all(isinstance(item, dict) for item in answer.body):
                text = f"{self.service}: GET {path}: the response is not a list. Check the address of the API."
                raise InfrastructureError(text, code="not-github")
            yield from answer.body
            if NEXT not in answer.headers.get("link", ""):  # a page before the last one may be shorter
                return
        text = f"{self.service}: {path} has more than {MOST_PAGES * PER_PAGE:,} entries, the maximum."
        raise InfrastructureError(text, code="github-too-much")

    def patch(self, path: str, content: Mapping[str, Any], method: str = "PATCH") -> GithubReply:
        """Changes a resource. Retries, because the request is idempotent."""
        return self._repeated(method, path, content)

    def create(self, path: str, content: Mapping[str, Any]) -> GithubReply:
        """Creates a resource. After UnansweredError it may exist: check before the next try."""
        return self._repeated("POST", path, content)

    def refusal(self, answer: GithubReply) -> str:
        """Returns the status, the service's message, and the fix."""
        return _refusal(answer)

    def pause(self, tries: int) -> None:
        """Waits before the next try."""
        self._clock.sleep(BACKOFF.wait_s(tries))

    def _repeated(self, method: str, path: str, content: Mapping[str, Any] | None = None) -> GithubReply:
        def act() -> GithubReply:
            try:
                answer = self._once(method, path, content)
            except HTTPError as error:
                reason = str(error).rpartition(": ")[2] or type(error).__name__  # without the pool's address
                raise _TransientGithubError(f"{method} {self._url}{path}: no response: {reason}") from error
            if answer.status < 300:
                return answer
            if (wait_s := _requested_wait_s(answer, self._clock.now())) is not None:
                raise _TransientGithubError(f"too many requests with this token: {answer.message}", wait_s)
            if answer.status < 500:
                text = f"{self.service}: {method} {path}: {self.refusal(answer)}"
                raise GithubRefusedError(text, answer.status, code="github-refused")
            raise _TransientGithubError(f"{method} {path}: {answer.status} {answer.message}")

        def after(error: Exception, failures: int) -> float | None:
            if not isinstance(error, _TransientGithubError) or failures == TRIES:
                return None
            if error.wait_s is not None:
                return error.wait_s if error.wait_s <= PATIENCE_S else None
            return None if method == "POST" else BACKOFF.wait_s(failures)

        try:
            return retry(act, after, self._clock)
        except _TransientGithubError as error:
            if error.wait_s is not None:
                raise InfrastructureError(f"{self.service}: {error}", code="github-rate-limit") from error
            if method == "POST":
                raise UnansweredError(f"{self.service}: {error}", code="github-unanswered") from error
            text = f"{self.service}: {error} (after {TRIES} tries)"
            raise InfrastructureError(text, code="github-unanswered") from error

    def _once(self, method: str, path: str, content: Mapping[str, Any] | None) -> GithubReply:
        data = None if content is None else json.dumps(content).encode()
        response = self._pool.request(
            method, self._url + path, body=data, headers=self._headers, retries=False, redirect=False,
            timeout=TIMEOUT, preload_content=False,
        )  # fmt: skip
        try:
            text = response.read(MOST_BYTES + 1)
        finally:
            response.release_conn()
        if len(text) > MOST_BYTES:
            problem = f"{self.service}: {method} {path}: the response is larger than {MOST_BYTES >> 20} MiB."
            raise InfrastructureError(problem, code="github-too-much")
        try:
            body = json.loads(text) if text else None
        except (ValueError, RecursionError):
            body = None
        return GithubReply(response.status, {name.lower(): value for name, value in response.headers.items()}, body)


def _requested_wait_s(answer: GithubReply, now: float) -> float | None:
    """Returns the wait after too many requests; None if GitHub rejects this request for another reason."""
    if answer.status not in (403, 429):
        return None
    if (after := answer.headers.get("retry-after", "")).isdecimal():
        return float(after)
    if answer.headers.get("x-ratelimit-remaining") == "0":
        reset = answer.headers.get("x-ratelimit-reset", "")
        return max(1.0, float(reset) - now) if reset.isdecimal() else 60.0
    if answer.status == 429 or re.search("rate limit", answer.message, re.IGNORECASE):
        return 60.0  # GitHub documents at least a minute for responses without a time
    return None


def _refusal(answer: GithubReply) -> str:
    """Returns the status, GitHub's message, and the fix."""
    status = f"{answer.status} {answer.message}".strip()
    match answer.status:
        case 401:
            return f"{status}. GITHUB_TOKEN is invalid or expired: create a new one."
        case 403:
            return f"{status}. Add {RIGHTS} to the job; workflows of forks cannot have it."
        case 404:
            return f"{status}. Check --repository, --pull-request or --issues, and the permissions of the token."
        case 410:
            return f"{status}. Issues or comments are disabled in this repository."
        case 422:
            errors = answer.body.get("errors") if isinstance(answer.body, dict) else None
            details = one_line(json.dumps(errors or []), 300)
            return f"{status}: {details}. GitHub rejected the comment body, or the conversation is locked."
        case code if 300 <= code < 400:
            return f"{status}. The repository may be renamed: pass the new name as --repository."
    return status
