"""The only meeting place of coordinator, workers and watchers: keys with bytes behind them."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from toril.errors import OptionError
from toril.store.folder import FolderStore, RunFolder

__all__ = ["BUCKETS", "FolderStore", "RunFolder", "Store", "open_store"]

BUCKETS = "s3://"


class Store(Protocol):
    """A folder or a bucket. A value is written whole or not at all; readers never see half of one."""

    def put(self, key: str, data: bytes) -> None: ...

    def put_once(self, key: str, data: bytes) -> bool:
        """Write unless the key exists; False when it does (If-None-Match)."""
        ...

    def get(self, key: str) -> bytes:
        """The value; StoreError when there is none."""
        ...

    def find(self, key: str, most: int | None = None) -> bytes | None:
        """The value, or None when there is none; of one longer than `most` bytes only the first `most` + 1."""
        ...

    def find_many(self, keys: Iterable[str], most: int | None = None) -> dict[str, bytes]:
        """What `find` says of those keys that exist; from a bucket, many at a time."""
        ...

    def find_version(self, key: str) -> tuple[bytes, str] | None:
        """The value and its version for `swap`, or None when there is none."""
        ...

    def swap(self, key: str, data: bytes, version: str | None) -> str | None:
        """Write if the value is still of that version (None: if there is none); its new version, None if it isn't.

        A version may come again when the same bytes do: values that are swapped hold a number or a time. After a
        StoreError it is open whether the value was written; `find_version` tells.
        """
        ...

    def keys(self, prefix: str) -> Iterator[str]:
        """All keys that start with `prefix`, in order of their characters' code points."""
        ...

    def names(self, prefix: str) -> list[str]:
        """The folders right below `prefix`, which is empty or ends with a slash: first parts of keys, in order."""
        ...

    def delete(self, prefix: str) -> None:
        """Remove every key below `prefix`, which ends with a slash."""
        ...

    def time(self) -> tuple[float, float]:
        """What the store's own clock says now, and how much later it may be; in seconds, the first since the epoch."""
        ...

    def address(self, key: str) -> str:
        """Where a value is, for people."""
        ...


def open_store(address: str, *, patience_s: float | None = None) -> Store:
    """The store at a folder's path or a bucket's address; OptionError when it is neither.

    `patience_s`: how long one call may last while a bucket is in trouble; those who own a run, or put load on
    something, can wait less long than others.
    """
    if not address.strip():
        raise OptionError("--store is empty; name a folder, or leave it out")
    if address.startswith(BUCKETS):
        from toril.store.s3 import open_bucket  # boto3 takes long to import, and most runs never need it

        return open_bucket(address.removeprefix(BUCKETS), patience_s)
    if "://" in address:
        raise OptionError(f"--store {address}: a store is a folder or s3://bucket/prefix")
    if Path(address).is_file():
        raise OptionError(f"--store {address}: this is a file; name a folder")
    return FolderStore(Path(address))
