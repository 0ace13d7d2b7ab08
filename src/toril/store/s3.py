"""A store in a bucket: an object's key is the prefix and the store's key.

S3 may execute a request whose answer is lost, and the store repeats requests. So each conditional write adds a random
mark to its value, in the object's metadata. A refused write reads the mark and recognises its own value. The store
keeps the marks of writes without an answer until the next write of the key.
"""

import hashlib
import math
import re
import secrets
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from toril.clock import Clock, MonotonicClock
from toril.errors import OptionError, StoreError
from toril.store.keys import Entry, checked, checked_folder, found, is_key
from toril.store.s3_requests import READERS, S3Requests, make_client

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

PATIENCE_S = 60.0  # about the time that S3 needs to scale for a new run
KEYS_PER_DELETE = 1000  # the DeleteObjects API's maximum
BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
MARK = "toril-write"  # the name of the mark in an object's metadata
TAKEN = {"PreconditionFailed", "412"}
MISSING = {"NoSuchKey", "404"}
ARCHIVED = {"InvalidObjectState"}  # its writer chose such a class of storage
MONOTONIC = MonotonicClock()
NARROW_S, MOST_READINGS, STALE_S = 0.2, 5, 60.0  # of S3's clock
CONTENT_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "json": "application/json",
    "log": "text/plain; charset=utf-8",
    "md": "text/markdown; charset=utf-8",
    "xml": "application/xml",
}


def open_bucket(address: str, patience_s: float | None = None) -> "S3Store":
    """Returns the store at `bucket` or `bucket/prefix`; sends no request yet."""
    bucket, _, prefix = address.partition("/")
    prefix = prefix.strip("/")
    if not BUCKET.fullmatch(bucket) or (prefix and not is_key(prefix)):
        text = f"--store s3://{address}: invalid address; write s3://bucket or s3://bucket/prefix"
        raise OptionError(text, code="bad-store")
    return S3Store(bucket, prefix, make_client(bucket), patience_s=PATIENCE_S if patience_s is None else patience_s)


@dataclass(frozen=True, slots=True)
class Bracket:
    """The difference of S3's clock from this machine's monotonic clock: between `lowest` and `highest` seconds.

    S3 makes an answer between the times when the request is sent and when the answer arrives. The answer's date is the
    second of S3's clock at that time. A request near the turn of a second halves the bracket.
    """

    lowest: float = -math.inf
    highest: float = math.inf
    readings: int = 0
    read_at: float = 0.0
    round_trip_s: float = 0.0

    @property
    def is_narrow(self) -> bool:
        return self.readings > 0 and (self.highest - self.lowest <= NARROW_S or self.readings >= MOST_READINGS)

    def wait_s(self, now: float) -> float:
        """Returns the seconds until the request that narrows the bracket most."""
        if not self.readings:
            return 0.0
        return -(now + self.round_trip_s / 2 + (self.lowest + self.highest) / 2) % 1

    def narrowed(self, sent: float, arrived: float, date: float) -> "Bracket":
        """Returns the bracket after one more answer; an answer that contradicts the others starts a new bracket."""
        own = Bracket(date - arrived, date + 1 - sent, self.readings + 1, arrived, arrived - sent)
        lowest, highest = max(self.lowest, own.lowest), min(self.highest, own.highest)
        return replace(own, lowest=lowest, highest=highest) if lowest <= highest else own

    def at(self, now: float) -> tuple[float, float]:
        """Returns S3's time at a moment of this machine's monotonic clock, and how much later it may be in seconds."""
        return now + self.lowest, self.highest - self.lowest


class S3Store:
    """A store in a bucket; threads may share it."""

    def __init__(
        self,
        bucket: str,
        prefix: str,
        client: "S3Client",
        *,
        patience_s: float = PATIENCE_S,
        clock: Clock = MONOTONIC,
    ) -> None:
        self.bucket, self._prefix = bucket, f"{prefix}/" if prefix else ""
        self._clock, self._requests = clock, S3Requests(client, bucket, patience_s, clock)
        self._unanswered: dict[str, frozenset[str]] = {}  # key → marks of writes without an answer
        self._bracket, self._bracket_lock = Bracket(), threading.Lock()

    def address(self, key: str) -> str:
        return f"s3://{self.bucket}/{self._prefix}{key}"

    def put(self, key: str, data: bytes) -> None:
        self._on("put_object", key, **_body(key, data))

    def put_once(self, key: str, data: bytes) -> bool:
        """See `Store.put_once`. After a StoreError, the same call may be repeated."""
        return self._written(key, data, None, again=False) is not None

    def get(self, key: str) -> bytes:
        return found(self.find(key), f"{self.address(key)}: no such object")

    def find(self, key: str, most: int | None = None) -> bytes | None:
        version = self.find_version(key, most)
        return None if version is None else version[0]

    def find_many(self, keys: Iterable[str], most: int | None = None) -> dict[str, bytes]:
        wanted = list(keys)
        pairs = zip(wanted, self._readers.map(lambda key: self.find(key, most), wanted), strict=True)
        return {key: data for key, data in pairs if data is not None}

    def find_version(self, key: str, most: int | None = None) -> tuple[bytes, str] | None:
        unless = MISSING if most is None else MISSING | ARCHIVED  # with `most`, the file may be of a worker
        answer = self._on("get_object", key, unless=unless, most=most)
        if "Error" in answer:
            return (b"", "") if answer["Error"]["Code"] in ARCHIVED else None
        return answer["Body"], answer["ETag"]

    def swap(self, key: str, data: bytes, version: str | None) -> str | None:
        """See `Store.swap`. A version is S3's ETag, which depends only on the bytes.

        After a StoreError, the call may be repeated with the same version and another value.
        """
        return self._written(key, data, version, again=True)

    def keys(self, prefix: str) -> Iterator[str]:
        """See `Store.keys`. Skips objects with invalid keys, such as the empty objects for folders."""
        yield from (key for key in self._all(prefix) if is_key(key))

    def entries(self, prefix: str, after: str = "") -> Iterator[Entry]:
        for page in self._pages(prefix, **({"StartAfter": self._prefix + after} if after else {})):
            for entry in page.get("Contents", ()):
                key = entry["Key"].removeprefix(self._prefix)
                if is_key(key):
                    yield Entry(key, int(entry["Size"]), entry["LastModified"].timestamp())

    def names(self, prefix: str) -> list[str]:
        pages = self._pages(prefix, Delimiter="/")
        folders = (folder["Prefix"] for page in pages for folder in page.get("CommonPrefixes", ()))
        names = (whole.removeprefix(self._prefix + prefix).removesuffix("/") for whole in folders)
        return sorted(name for name in names if is_key(name))

    def delete(self, prefix: str) -> None:
        self._delete(self._all(checked_folder(prefix)), prefix)

    def delete_many(self, keys: Iterable[str]) -> None:
        wanted = [checked(key) for key in keys]
        self._delete(wanted, wanted[0] if wanted else "")

    def _delete(self, keys: Iterable[str], where: str) -> None:
        objects = [{"Key": self._prefix + key} for key in keys]
        for start in range(0, len(objects), KEYS_PER_DELETE):
            asked = {"Objects": objects[start : start + KEYS_PER_DELETE], "Quiet": True}
            for error in self._requests.answer("delete_objects", self.address(where), Delete=asked).get("Errors", ()):
                key, why = error.get("Key", ""), f"{error.get('Code')} ({error.get('Message')})"
                text = f"s3://{self.bucket}/{key} was not deleted: {why}; allow s3:DeleteObject there, or try again"
                raise StoreError(text, code="not-deleted")

    def time(self) -> tuple[float, float]:
        """See `Store.time`. Sends some requests around the turn of a second: the header `Date` has whole seconds.

        The first call takes about three seconds; its result is valid for a minute.
        """
        with self._bracket_lock:
            if self._clock.now() - self._bracket.read_at > STALE_S:  # the two clocks may have drifted apart
                self._bracket = Bracket()
            while not self._bracket.is_narrow:
                self._clock.sleep(self._bracket.wait_s(self._clock.now()))
                sent = self._clock.now()
                answer = self._on("get_object", "runs/clock", unless=MISSING)
                self._bracket = self._bracket.narrowed(sent, self._clock.now(), _date_of(answer))
            return self._bracket.at(self._clock.now())

    # ── requests

    @cached_property
    def _readers(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(READERS, thread_name_prefix="toril-s3")

    def _written(self, key: str, data: bytes, version: str | None, *, again: bool) -> str | None:
        """Returns the new version; None if another writer was faster. `again`: overwrites its own earlier value."""
        mark, before = _mark(data), self._unanswered.pop(key, frozenset())
        try:
            while True:
                condition: dict[str, Any] = {"IfNoneMatch": "*"} if version is None else {"IfMatch": version}
                body = {**_body(key, data), "Metadata": {MARK: mark}}
                answer = self._on("put_object", key, unless=TAKEN | MISSING, **condition, **body)
                if "Error" not in answer:
                    return str(answer["ETag"])
                head = self._on("head_object", key, unless=MISSING)
                there = head.get("Metadata", {}).get(MARK)
                # Marks of the same data end in its digest.
                if there == mark or (there in before and there.partition("-")[2] == mark.partition("-")[2]):
                    return str(head["ETag"])
                if not again or there not in before:
                    return None
                version, before = head["ETag"], before - {there}
        except StoreError:
            self._unanswered[key] = before | {mark}
            raise

    def _all(self, prefix: str) -> Iterator[str]:
        for page in self._pages(prefix):
            yield from (entry["Key"].removeprefix(self._prefix) for entry in page.get("Contents", ()))

    def _pages(self, prefix: str, **asked: Any) -> Iterator[Any]:
        more: dict[str, Any] = {"Prefix": self._prefix + prefix, **asked}
        while True:
            page = self._requests.answer("list_objects_v2", self.address(prefix), **more)
            yield page
            if not page.get("IsTruncated"):
                return
            more["ContinuationToken"] = page["NextContinuationToken"]

    def _on(self, operation: str, key: str, **asked: Any) -> Any:
        """Returns the answer to a request about one object; see `Requests.answer`."""
        return self._requests.answer(operation, self.address(key), Key=self._prefix + checked(key), **asked)


def _body(key: str, data: bytes) -> dict[str, Any]:
    return {"Body": data, "ContentType": CONTENT_TYPES.get(key.rpartition(".")[2], "application/octet-stream")}


def _mark(data: bytes) -> str:
    return f"{secrets.token_hex(8)}-{hashlib.sha256(data).hexdigest()[:16]}"


def _date_of(answer: Any) -> float:
    """Returns the time in the header `Date`; StoreError if there is none."""
    text = str(answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", ""))
    try:
        return parsedate_to_datetime(text).timestamp()
    except ValueError as error:
        problem = f"the answer is not from S3: its header Date is invalid ({text!r}); check the proxy"
        raise StoreError(problem, code="no-date") from error
