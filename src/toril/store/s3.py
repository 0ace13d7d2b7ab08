"""A store in a bucket: a key is an object's, behind the prefix.

An answer may be lost and its request have been carried out, and requests are repeated. So a conditional write that is
refused looks whether what is there is its own, by the mark that each puts beside its value. Marks of writes that ended
without an answer are remembered until the key is written again.
"""

import hashlib
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Set
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, Any

from toril.errors import OptionError, StoreError
from toril.store.keys import checked, checked_folder, is_key
from toril.store.s3_client import READERS, make_client
from toril.store.s3_faults import Request
from toril.store.s3_requests import Requests
from toril.store.s3_time import Bracket, date_of

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
else:
    S3Client = Any

PATIENCE_S = 60.0  # S3 needs about as long to make room for a run that begins
KEYS_PER_DELETE = 1000  # the DeleteObjects API's maximum
BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
MARK = "toril-write"  # the name of the mark in an object's metadata
TAKEN = {"PreconditionFailed", "412"}
MISSING = {"NoSuchKey", "404"}
CONTENT_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "json": "application/json",
    "log": "text/plain; charset=utf-8",
    "md": "text/markdown; charset=utf-8",
    "xml": "application/xml",
}


def open_bucket(address: str, patience_s: float | None = None) -> "S3Store":
    """The store at `bucket` or `bucket/prefix`; nothing is asked yet."""
    bucket, _, prefix = address.partition("/")
    prefix = prefix.strip("/")
    if not BUCKET.fullmatch(bucket) or (prefix and not is_key(prefix)):
        raise OptionError(f"--store s3://{address}: expected s3://bucket or s3://bucket/prefix")
    return S3Store(bucket, prefix, make_client(bucket), patience_s=PATIENCE_S if patience_s is None else patience_s)


class S3Store:
    """A store in a bucket; for many threads at once."""

    def __init__(
        self,
        bucket: str,
        prefix: str,
        client: S3Client,
        *,
        patience_s: float = PATIENCE_S,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.bucket, self._prefix = bucket, f"{prefix}/" if prefix else ""
        self._monotonic, self._sleep = monotonic, sleep
        self._requests = Requests(client, patience_s, monotonic, sleep)
        self._unsure: dict[str, frozenset[str]] = {}  # key → marks of writes that may have been carried out
        self._bracket, self._bracket_lock = Bracket(), threading.Lock()

    def address(self, key: str) -> str:
        return f"s3://{self.bucket}/{self._prefix}{key}"

    def put(self, key: str, data: bytes) -> None:
        self._on("put_object", "s3:PutObject", key, **self._body(key, data))

    def put_once(self, key: str, data: bytes) -> bool:
        """As every store does; who gave up on it may try the same again."""
        return self._written(key, data, None, again=False) is not None

    def get(self, key: str) -> bytes:
        found = self.find(key)
        if found is None:
            raise StoreError(f"{self.address(key)}: no such object")
        return found

    def find(self, key: str, most: int | None = None) -> bytes | None:
        found = self.find_version(key, most)
        return None if found is None else found[0]

    def find_many(self, keys: Iterable[str], most: int | None = None) -> dict[str, bytes]:
        wanted = list(keys)
        found = zip(wanted, self._readers.map(lambda key: self.find(key, most), wanted), strict=True)
        return {key: data for key, data in found if data is not None}

    def find_version(self, key: str, most: int | None = None) -> tuple[bytes, str] | None:
        answer = self._on("get_object", "s3:GetObject", key, unless=MISSING, most=most)
        return None if "Error" in answer else (answer["Body"], answer["ETag"])

    def swap(self, key: str, data: bytes, version: str | None) -> str | None:
        """As every store does. A version is S3's ETag, which is made of the bytes alone.

        Who gave up on it may try again with the same version and another value.
        """
        return self._written(key, data, version, again=True)

    def keys(self, prefix: str) -> Iterator[str]:
        """As every store does; what is no key, such as the empty objects that stand for folders, is left out."""
        yield from (key for key in self._all(prefix) if is_key(key))

    def names(self, prefix: str) -> list[str]:
        pages = self._pages(prefix, Delimiter="/")
        found = (one["Prefix"] for page in pages for one in page.get("CommonPrefixes", ()))
        names = (whole.removeprefix(self._prefix + prefix).removesuffix("/") for whole in found)
        return sorted(name for name in names if is_key(name))

    def delete(self, prefix: str) -> None:
        found = [{"Key": self._prefix + key} for key in self._all(checked_folder(prefix))]
        for start in range(0, len(found), KEYS_PER_DELETE):
            asked = {"Objects": found[start : start + KEYS_PER_DELETE], "Quiet": True}
            answer = self._call("delete_objects", "s3:DeleteObject", self.address(prefix), Delete=asked)
            for error in answer.get("Errors", ()):
                raise StoreError(
                    f"s3://{self.bucket}/{error.get('Key', '')} was not deleted: {error.get('Code')} "
                    f"({error.get('Message', '')}); allow s3:DeleteObject there, or try again"
                )

    def time(self) -> tuple[float, float]:
        """As every store does, of the header `Date`: some requests around the turn of a second narrow it down.

        The first call takes about three seconds; what it finds serves the calls of the next minute.
        """
        with self._bracket_lock:
            if self._bracket.is_stale(self._monotonic()):
                self._bracket = Bracket()
            while not self._bracket.is_narrow:
                self._sleep(self._bracket.wait_s(self._monotonic()))
                sent = self._monotonic()
                answer = self._on("get_object", "s3:GetObject", "runs/clock", unless=MISSING)
                self._bracket = self._bracket.narrowed(sent, self._monotonic(), date_of(answer))
            return self._bracket.at(self._monotonic())

    # ── requests

    @cached_property
    def _readers(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(READERS, thread_name_prefix="toril-s3")

    def _written(self, key: str, data: bytes, version: str | None, *, again: bool) -> str | None:
        """The new value's version; None when there is somebody else's. `again`: write over an own one of before."""
        mark, before = _mark(data), self._unsure.pop(key, frozenset())
        try:
            while True:
                condition: dict[str, Any] = {"IfNoneMatch": "*"} if version is None else {"IfMatch": version}
                body = {**self._body(key, data), "Metadata": {MARK: mark}}
                answer = self._on("put_object", "s3:PutObject", key, unless=TAKEN | MISSING, **condition, **body)
                if "Error" not in answer:
                    return str(answer["ETag"])
                found = self._on("head_object", "s3:GetObject", key, unless=MISSING)
                there = found.get("Metadata", {}).get(MARK)
                if there == mark or (there in before and _of_same(there, mark)):
                    return str(found["ETag"])
                if not again or there not in before:
                    return None
                version, before = found["ETag"], before - {there}
        except StoreError:
            self._unsure[key] = before | {mark}
            raise

    def _body(self, key: str, data: bytes) -> dict[str, Any]:
        return {"Body": data, "ContentType": CONTENT_TYPES.get(key.rpartition(".")[2], "application/octet-stream")}

    def _all(self, prefix: str) -> Iterator[str]:
        for page in self._pages(prefix):
            yield from (one["Key"].removeprefix(self._prefix) for one in page.get("Contents", ()))

    def _pages(self, prefix: str, **asked: Any) -> Iterator[Any]:
        more: dict[str, Any] = {"Prefix": self._prefix + prefix, **asked}
        while True:
            page = self._call("list_objects_v2", "s3:ListBucket", self.address(prefix), **more)
            yield page
            if not page.get("IsTruncated"):
                return
            more["ContinuationToken"] = page["NextContinuationToken"]

    def _on(
        self,
        operation: str,
        right: str,
        key: str,
        *,
        unless: Set[str] = frozenset(),
        most: int | None = None,
        **asked: Any,
    ) -> Any:
        """The answer to a request about one object."""
        request = Request(operation=operation, right=right, address=self.address(key), bucket=self.bucket, most=most)
        return self._requests.answer(request, unless, Key=self._prefix + checked(key), **asked)

    def _call(self, operation: str, right: str, address: str, unless: Set[str] = frozenset(), **asked: Any) -> Any:
        request = Request(operation=operation, right=right, address=address, bucket=self.bucket)
        return self._requests.answer(request, unless, **asked)


def _mark(data: bytes) -> str:
    return f"{secrets.token_hex(8)}-{hashlib.sha256(data).hexdigest()[:16]}"


def _of_same(mark: str, other: str) -> bool:
    """Whether two marks are of the same data."""
    return mark.partition("-")[2] == other.partition("-")[2]
