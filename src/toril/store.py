"""The only meeting place of coordinator, workers and watchers: keys with bytes behind them."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from toril.errors import OptionError, StoreError

MODIFIED_STEP_S = 0.01  # a kernel's clock for times of files ticks this slowly, or faster
BAD_IN_KEY = re.compile(r"[\x00-\x1f\x7f\\]")


class Store(Protocol):
    """A folder or a bucket. A value is written whole or not at all; readers never see half of one."""

    def put(self, key: str, data: bytes) -> None: ...

    def put_once(self, key: str, data: bytes) -> bool:
        """Write unless the key exists; False when it does (If-None-Match)."""
        ...

    def get(self, key: str) -> bytes:
        """The value; StoreError when there is none."""
        ...

    def find(self, key: str) -> bytes | None:
        """The value, or None when there is none."""
        ...

    def keys(self, prefix: str) -> Iterator[str]:
        """All keys that start with `prefix`, in order."""
        ...

    def delete(self, prefix: str) -> None:
        """Remove every key below `prefix`, which ends with a slash."""
        ...

    def time(self) -> tuple[float, float]:
        """What the store's own clock says now, and how much later it may be; in seconds, the first since the epoch."""
        ...


class FolderStore:
    """A store in a local folder: a key is a relative path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()

    def path(self, key: str) -> Path:
        if BAD_IN_KEY.search(key) or not {"", ".", ".."}.isdisjoint(key.split("/")):
            raise StoreError(f"{key!r} is not a key of a store: a relative path without . or .. and control characters")
        return self.folder / key

    def put(self, key: str, data: bytes) -> None:
        temporary = self._written(key, data)
        try:
            temporary.replace(self.path(key))
        except OSError as error:
            temporary.unlink()
            raise StoreError(f"{self.path(key)} cannot be written: {error.strerror}; choose another --store") from error

    def put_once(self, key: str, data: bytes) -> bool:
        temporary = self._written(key, data)
        try:
            os.link(temporary, self.path(key))
        except FileExistsError:
            return False
        finally:
            temporary.unlink()
        return True

    def get(self, key: str) -> bytes:
        found = self.find(key)
        if found is None:
            raise StoreError(f"{self.path(key)}: no such file")
        return found

    def find(self, key: str) -> bytes | None:
        try:
            return self.path(key).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StoreError(f"{self.path(key)} cannot be read: {error.strerror}") from error

    def keys(self, prefix: str) -> Iterator[str]:
        top = self.folder / prefix if not prefix or prefix.endswith("/") else (self.folder / prefix).parent
        found = (
            (Path(folder) / name).relative_to(self.folder).as_posix()
            for folder, _, names in os.walk(top)
            for name in names
            if not name.startswith(".tmp-")
        )
        yield from sorted(key for key in found if key.startswith(prefix))

    def delete(self, prefix: str) -> None:
        if not prefix.endswith("/"):
            raise StoreError(f"{prefix!r}: only what lies below a prefix that ends with a slash is deleted")
        folder = self.path(prefix.rstrip("/"))
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:
            return
        except OSError as error:
            raise StoreError(f"{folder} cannot be removed: {error.strerror}") from error

    def time(self) -> tuple[float, float]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(prefix=".tmp-", dir=self.folder) as file:
                file.write(b"now")
                file.flush()
                return Path(file.name).stat().st_mtime, MODIFIED_STEP_S
        except OSError as error:
            raise StoreError(f"{self.folder} cannot be written: {error.strerror}; choose another --store") from error

    def _written(self, key: str, data: bytes) -> Path:
        path = self.path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=".tmp-", dir=path.parent)
            with os.fdopen(handle, "wb") as file:
                file.write(data)
        except OSError as error:
            raise StoreError(f"{path} cannot be written: {error.strerror}; choose another --store") from error
        return Path(name)


class RunFolder(FolderStore):
    """A single run's folder as the store that it came from, wherever it lies now and whatever its name."""

    def __init__(self, folder: Path, run_id: str) -> None:
        super().__init__(folder)
        self._prefix = f"runs/{run_id}/"

    def path(self, key: str) -> Path:
        if f"{key}/" == self._prefix:
            return self.folder
        if not key.startswith(self._prefix):
            raise StoreError(f"{key} lies outside of {self.folder}, which is the folder of one run")
        return super().path(key.removeprefix(self._prefix))

    def keys(self, prefix: str) -> Iterator[str]:
        found = (self._prefix + key for key in super().keys(""))
        yield from (key for key in found if key.startswith(prefix))


def open_store(address: str) -> Store:
    """The store at a folder's path; OptionError for an address that is neither folder nor known service."""
    if not address.strip():
        raise OptionError("--store is empty; name a folder, or leave it out")
    if address.startswith("s3://"):
        raise OptionError(f"--store {address}: buckets are not supported yet; use a folder")
    if "://" in address:
        raise OptionError(f"--store {address}: a store is a folder or s3://bucket/prefix")
    if Path(address).is_file():
        raise OptionError(f"--store {address}: this is a file; name a folder")
    return FolderStore(Path(address))
