"""Reads the store of a console at an https address through the API, and sends changes to it.

A value comes from the console, or from a presigned address of its bucket, to which the console redirects.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any
from urllib.parse import quote, urlencode

import urllib3
from urllib3.exceptions import HTTPError

from toril import __version__
from toril.clock import Backoff, Clock, SystemClock, retry
from toril.errors import OptionError, StoreError
from toril.store.connections import is_safe_address, pool_for
from toril.store.keys import Entry, checked, found
from toril.store.login import Tokens

API = "/api/v1"
READERS = 16
TRIES = 5
BACKOFF = Backoff(first_s=0.4, longest_s=8.0, jitter=0.5)
TIMEOUT = urllib3.Timeout(connect=10.0, read=60.0)
REDIRECTS = (302, 303, 307)
CLOCK_UNCERTAINTY_S = 1.0  # the header `Date` has whole seconds


class _TransientError(Exception):
    """A failure that may be temporary."""


class ConsoleReader:
    """Reads a console's store. Changes go through `send`, because the console has its own rules."""

    def __init__(self, address: str, tokens: Tokens | None = None, clock: Clock | None = None) -> None:
        self.url, self._clock = address.rstrip("/"), clock or SystemClock()
        self._tokens = tokens or Tokens(self.url, self._clock)
        self._pool = pool_for(self.url)

    def send(self, method: str, path: str, content: Any = None, headers: Mapping[str, str] | None = None) -> Any:
        """Sends a change to the API. Returns the answer's JSON; StoreError with the API's code if it is refused."""
        body = None if content is None else json.dumps(content).encode()
        own = {"content-type": "application/json", **(headers or {})}
        return json.loads(self._asked(method, path, body, own).data or b"null")

    def upload(self, sha256: str, data: bytes) -> None:
        """Uploads a content for a suite's version, unless the console has it."""
        place = self.send("POST", "/uploads", {"sha256": sha256, "size": len(data)})
        if place["there"]:
            return
        if not place["fields"]:
            self._asked("PUT", f"/uploads/{sha256}", data, {"content-type": "application/octet-stream"})
            return
        fields = {**place["fields"], "file": ("file", data, "application/octet-stream")}
        try:
            response = self._pool.request("POST", place["url"], fields=fields, retries=False, timeout=TIMEOUT)
        except HTTPError as error:
            raise StoreError(f"{self.url}: the upload failed: {type(error).__name__}", code="upload-failed") from error
        if response.status >= 300:
            raise StoreError(f"{self.url}: the bucket refused the upload ({response.status})", code="upload-failed")

    def find(self, key: str, most: int | None = None) -> bytes | None:
        response = self._asked("GET", f"/files/{quote(checked(key))}", missing=True)
        if response.status == 404:
            return None
        return response.data if most is None else response.data[: most + 1]

    def get(self, key: str) -> bytes:
        return found(self.find(key), f"{self.address(key)}: no such file")

    def find_many(self, keys: Iterable[str], most: int | None = None) -> dict[str, bytes]:
        wanted = list(keys)
        pairs = zip(wanted, self._readers.map(lambda key: self.find(key, most), wanted), strict=True)
        return {key: data for key, data in pairs if data is not None}

    def keys(self, prefix: str) -> Iterator[str]:
        return (entry.key for entry in self.entries(prefix))

    def entries(self, prefix: str, after: str = "") -> Iterator[Entry]:
        while True:
            page = self._listed(prefix=prefix, after=after)
            yield from (Entry(entry["key"], entry["size"], entry["modified_at"]) for entry in page["entries"])
            after = page["after"]
            if not after:
                return

    def names(self, prefix: str) -> list[str]:
        return [str(name) for name in self._listed(prefix=prefix, folders="true")["folders"]]

    def time(self) -> tuple[float, float]:
        response = self._asked("GET", "/me")
        try:
            return parsedate_to_datetime(response.headers.get("date", "")).timestamp(), CLOCK_UNCERTAINTY_S
        except ValueError as error:
            raise StoreError(f"{self.url}: the answer has no date; check the proxy", code="no-date") from error

    def address(self, key: str) -> str:
        return f"{self.url}{API}/files/{quote(key)}"

    # ── requests

    @cached_property
    def _readers(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(READERS, thread_name_prefix="toril-console")

    def _listed(self, **query: str) -> Any:
        return json.loads(self._asked("GET", "/files?" + urlencode(query)).data)

    def _asked(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        missing: bool = False,
    ) -> urllib3.BaseHTTPResponse:
        """Returns the answer. Retries temporary failures of reads, and of changes with an idempotency key."""
        again = method == "GET" or any(name.lower() == "idempotency-key" for name in headers or ())

        def act() -> urllib3.BaseHTTPResponse:
            try:
                response = self._once(method, path, body, headers or {})
            except HTTPError as error:
                reason = str(error).rpartition(": ")[2] or type(error).__name__
                raise _TransientError(f"no answer: {reason}") from error
            if response.status < 300 or (missing and response.status == 404):
                return response
            if response.status in (429, 500, 502, 503, 504) and again:
                raise _TransientError(f"{response.status} {_title(response)}")
            raise self._refused(response)

        def after(error: Exception, failures: int) -> float | None:
            passes = isinstance(error, _TransientError) and again and failures < TRIES
            return BACKOFF.wait_s(failures) if passes else None

        try:
            return retry(act, after, self._clock)
        except _TransientError as error:
            text = f"{self.url}: {error}; check the address, or try again"
            raise StoreError(text, code="console-unreachable") from error

    def _once(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        own = {
            **headers,
            "authorization": f"Bearer {self._tokens.token()}",
            "accept": "application/json",
            "user-agent": f"toril/{__version__}",
        }
        response = self._request(method, self.url + API + path, body, own)
        if response.status in REDIRECTS:  # to the bucket; the token stays here
            response = self._request("GET", response.headers.get("location", ""), None, {})
        return response

    def _request(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]
    ) -> urllib3.BaseHTTPResponse:
        return self._pool.request(
            method, url, body=body, headers=dict(headers), retries=False, redirect=False, timeout=TIMEOUT
        )

    def _refused(self, response: urllib3.BaseHTTPResponse) -> StoreError:
        if response.status == 401:
            text = f"{self.url} does not accept your token; sign in with `toril login {self.url}`"
            return StoreError(text, code="not-signed-in")
        code = str(_problem(response).get("code", "")) or "console-unreachable"
        return StoreError(f"{self.url}: {_title(response)}", code=code)


def open_console(address: str) -> ConsoleReader:
    """Returns the reader of the console at an https address; http is allowed for this machine only."""
    if not is_safe_address(address):
        raise OptionError(f"--store {address}: a token must not leave without https; use https://", code="bad-store")
    return ConsoleReader(address)


def _problem(response: urllib3.BaseHTTPResponse) -> Mapping[str, Any]:
    try:
        problem = json.loads(response.data)
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}


def _title(response: urllib3.BaseHTTPResponse) -> str:
    return str(_problem(response).get("title", "")) or f"the answer is {response.status}"
