"""Stores map keys to bytes; coordinator, workers and watchers communicate only through them.

- folder: a store in a folder, and a single run's folder as a store
- s3: a store in a bucket; imported for s3:// addresses only
- console: reads the store of a console; imported for https:// addresses only
- login: tokens for a console
- s3_requests: the bucket's client, retries and errors
- keys: valid keys
- records: reads JSON records
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from toril.errors import OptionError
from toril.store.folder import FolderStore, RunFolder
from toril.store.keys import Entry

if TYPE_CHECKING:
    from toril.store.console import ConsoleReader

BUCKETS = "s3://"


class Reader(Protocol):
    """The values of a folder, a bucket or a console's store. A reader never gets a partial value."""

    def get(self, key: str) -> bytes:
        """Returns the value; StoreError if there is none."""
        ...

    def find(self, key: str, most: int | None = None) -> bytes | None:
        """Returns the value, or None; of a value longer than `most` bytes, only the first `most` + 1 bytes."""
        ...

    def find_many(self, keys: Iterable[str], most: int | None = None) -> dict[str, bytes]:
        """Returns the values of the existing keys, each like `find`; a bucket answers many requests in parallel."""
        ...

    def keys(self, prefix: str) -> Iterator[str]:
        """Yields all keys that start with `prefix`, sorted by code points."""
        ...

    def entries(self, prefix: str, after: str = "") -> Iterator["Entry"]:
        """Yields key, size and time of each value whose key starts with `prefix`, in the order of `keys`.

        `after`: begins behind this key.
        """
        ...

    def names(self, prefix: str) -> list[str]:
        """Returns the folders right below `prefix`, sorted; `prefix` is empty or ends with a slash."""
        ...

    def time(self) -> tuple[float, float]:
        """Returns the time of the store's clock in seconds since the epoch, and how much later it may be in seconds."""
        ...

    def address(self, key: str) -> str:
        """Returns the address of a value, for messages."""
        ...


@runtime_checkable
class Store(Reader, Protocol):
    """A folder or a bucket. Writes are atomic."""

    def put(self, key: str, data: bytes) -> None: ...

    def put_once(self, key: str, data: bytes) -> bool:
        """Writes unless the key exists (If-None-Match). Returns whether it wrote."""
        ...

    def find_version(self, key: str) -> tuple[bytes, str] | None:
        """Returns the value and its version for `swap`, or None."""
        ...

    def swap(self, key: str, data: bytes, version: str | None) -> str | None:
        """Writes if the value still has this version (None: if there is no value).

        Returns the new version, or None if another writer was faster. Equal bytes may have equal versions, so swapped
        values contain a number or a time. After a StoreError, the value may have been written; check `find_version`.
        """
        ...

    def delete(self, prefix: str) -> None:
        """Removes every key below `prefix`, which ends with a slash."""
        ...

    def delete_many(self, keys: Iterable[str]) -> None:
        """Removes the keys that exist."""
        ...


def is_console(address: str) -> bool:
    """Whether an address is that of a console, which changes its store by its own rules."""
    return address.startswith(("https://", "http://"))


def open_reader(address: str, *, patience_s: float | None = None) -> "Store | ConsoleReader":
    """Returns what reads the store at a folder's path, or at the address of a bucket or a console. See `open_store`."""
    if not is_console(address):
        return open_store(address, patience_s=patience_s)
    from toril.store.console import open_console

    return open_console(address)


def open_store(address: str, *, patience_s: float | None = None) -> Store:
    """Returns the store at a folder's path or a bucket's address; OptionError if it is neither.

    `patience_s`: how long a call retries while a bucket fails. The coordinator of a run and its workers use a shorter
    time.
    """
    if not address.strip():
        raise OptionError("--store is empty; name a folder, or remove the option", code="bad-store")
    if address.startswith(BUCKETS):
        from toril.store.s3 import open_bucket

        return open_bucket(address.removeprefix(BUCKETS), patience_s)
    if is_console(address):
        text = f"--store {address}: a console does not serve this command; use --store s3://… of the same store"
        raise OptionError(text, code="not-through-console")
    if ":/" in address:
        text = f"--store {address}: use a folder, s3://bucket/prefix or a console's https:// address"
        raise OptionError(text, code="bad-store")
    if Path(address).is_file():
        raise OptionError(f"--store {address}: this is a file; name a folder", code="bad-store")
    return FolderStore(Path(address))
