"""A store in a bucket: a key is an object's, behind the prefix.

Every request is repeated for a while when it may succeed a little later. So an answer may be lost and its request have
been carried out: a conditional write that is refused then looks whether what is there is its own, by the mark that each
write puts beside its value.
"""

import hashlib
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Set
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from random import SystemRandom
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from toril.errors import OptionError, StoreError
from toril.store.keys import checked, checked_folder, is_key
from toril.store.s3_client import READERS, make_client
from toril.store.s3_faults import CALL_ERRORS, Request, code_of, fault_of, passes
from toril.store.s3_time import Bracket, date_of

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
else:
    S3Client = Any

PATIENCE_S = 60.0  # S3 needs about as long to make room for a run that begins
FIRST_PATIENCE_S = 15.0  # while nothing has ever answered: more likely a wrong address than a moment's trouble
FIRST_WAIT_S, LONGEST_WAIT_S = 0.2, 8.0
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


def open_bucket(address: str) -> "S3Store":
    """The store at `bucket` or `bucket/prefix`; nothing is asked yet."""
    bucket, _, prefix = address.partition("/")
    prefix = prefix.strip("/")
    if not BUCKET.fullmatch(bucket) or (prefix and not is_key(prefix)):
        raise OptionError(f"--store s3://{address}: expected s3://bucket or s3://bucket/prefix")
    return S3Store(bucket, prefix, make_client(bucket))


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
        self.bucket, self._prefix, self._client = bucket, f"{prefix}/" if prefix else "", client
        self._patience_s, self._monotonic, self._sleep = patience_s, monotonic, sleep
        self._answered = False
        self._unsure: dict[str, str] = {}  # key → mark of a write-once that ended without an answer
        self._bracket, self._bracket_lock = Bracket(), threading.Lock()
        self._random = SystemRandom()

    def address(self, key: str) -> str:
        return f"s3://{self.bucket}/{self._prefix}{key}"

    def put(self, key: str, data: bytes) -> None:
        self._call("put_object", "s3:PutObject", key, **self._body(key, data))

    def put_once(self, key: str, data: bytes) -> bool:
        return self._created(key, data) is not None

    def get(self, key: str) -> bytes:
        found = self.find(key)
        if found is None:
            raise StoreError(f"{self.address(key)}: no such object")
        return found

    def find(self, key: str) -> bytes | None:
        found = self.find_version(key)
        return None if found is None else found[0]

    def find_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        wanted = list(keys)
        found = zip(wanted, self._readers.map(self.find, wanted), strict=True)
        return {key: data for key, data in found if data is not None}

    def find_version(self, key: str) -> tuple[bytes, str] | None:
        answer = self._call("get_object", "s3:GetObject", key, unless=MISSING)
        return None if "Error" in answer else (answer["Body"], answer["ETag"])

    def swap(self, key: str, data: bytes, version: str | None) -> str | None:
        """As every store does. A version is S3's ETag, which is made of the bytes alone."""
        if version is None:
            return self._created(key, data)
        mark = _mark(secrets.token_hex(8), data)
        body = self._body(key, data, mark)
        answer = self._call("put_object", "s3:PutObject", key, unless=TAKEN | MISSING, IfMatch=version, **body)
        return self._own(key, mark) if "Error" in answer else str(answer["ETag"])

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
            answer = self._call("delete_objects", "s3:DeleteObject", prefix, keyed=False, Delete=asked)
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
                answer = self._call("get_object", "s3:GetObject", "runs/clock", unless=MISSING)
                self._bracket = self._bracket.narrowed(sent, self._monotonic(), date_of(answer))
            return self._bracket.at(self._monotonic())

    # ── requests

    @cached_property
    def _readers(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(READERS, thread_name_prefix="toril-s3")

    def _created(self, key: str, data: bytes) -> str | None:
        """The new value's version; None when there is another."""
        mark = _mark(self._unsure.pop(key, "") or secrets.token_hex(8), data)
        body = self._body(key, data, mark)
        try:
            answer = self._call("put_object", "s3:PutObject", key, unless=TAKEN, IfNoneMatch="*", **body)
            return self._own(key, mark) if "Error" in answer else str(answer["ETag"])
        except StoreError:
            self._unsure[key] = mark.partition("-")[0]
            raise

    def _own(self, key: str, mark: str) -> str | None:
        """The version of what is there if it was written with that mark, by a request whose answer was lost."""
        found = self._call("head_object", "s3:GetObject", key, unless=MISSING)
        return str(found["ETag"]) if found.get("Metadata", {}).get(MARK) == mark else None

    def _body(self, key: str, data: bytes, mark: str = "") -> dict[str, Any]:
        kind = CONTENT_TYPES.get(key.rpartition(".")[2], "application/octet-stream")
        return {"Body": data, "ContentType": kind, **({"Metadata": {MARK: mark}} if mark else {})}

    def _all(self, prefix: str) -> Iterator[str]:
        for page in self._pages(prefix):
            yield from (one["Key"].removeprefix(self._prefix) for one in page.get("Contents", ()))

    def _pages(self, prefix: str, **asked: Any) -> Iterator[Any]:
        more: dict[str, Any] = {"Prefix": self._prefix + prefix, **asked}
        while True:
            page = self._call("list_objects_v2", "s3:ListBucket", prefix, keyed=False, **more)
            yield page
            if not page.get("IsTruncated"):
                return
            more["ContinuationToken"] = page["NextContinuationToken"]

    def _call(
        self,
        operation: str,
        right: str,
        key: str,
        *,
        keyed: bool = True,
        unless: Set[str] = frozenset(),
        **asked: Any,
    ) -> Any:
        """The answer, its body read, or that of an error of those codes, which has the key `Error`.

        What passes is tried again until patience ends.
        """
        if keyed:
            asked["Key"] = self._prefix + checked(key)
        request = Request(operation=operation, right=right, address=self.address(key), bucket=self.bucket)
        began, tries = self._monotonic(), 0
        while True:
            try:
                answer = getattr(self._client, operation)(Bucket=self.bucket, **asked)
                if operation == "get_object":
                    answer["Body"] = answer["Body"].read()
                self._answered = True
                return answer
            except CALL_ERRORS as error:
                code = code_of(error)
                self._answered = self._answered or code is not None
                if isinstance(error, ClientError) and code in unless:
                    return error.response
                tries += 1
                wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(tries, 16)) * self._random.uniform(0.25, 1)
                limit_s = self._patience_s if self._answered else min(FIRST_PATIENCE_S, self._patience_s)
                waited_s = self._monotonic() - began
                if not passes(error) or waited_s + wait_s > limit_s:
                    raise fault_of(error, request, self._client, waited_s) from error
                self._sleep(wait_s)


def _mark(nonce: str, data: bytes) -> str:
    return f"{nonce}-{hashlib.sha256(data).hexdigest()[:16]}"
