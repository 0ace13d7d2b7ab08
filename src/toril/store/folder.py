"""A store in a local folder, and a single run's folder."""

import fcntl
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from toril.errors import StoreError
from toril.store.keys import Entry, checked, checked_folder, found, is_key

MODIFIED_STEP_S = 0.01  # the coarsest resolution of a kernel's file times
HIDDEN = ".tmp-"  # prefix of files that are not values

RECORDS = ".json"  # a run needs its records, so they are synced to disk; interval files are not


class FolderStore:
    """A store in a local folder; a key is a relative path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()

    def path(self, key: str) -> Path:
        return self.folder / checked(key)

    def address(self, key: str) -> str:
        return str(self.path(key))

    def put(self, key: str, data: bytes) -> None:
        temporary, path = self._written(key, data), self.path(key)
        with _writing(path, temporary):
            temporary.replace(path)

    def put_once(self, key: str, data: bytes) -> bool:
        return self._linked(self._written(key, data), self.path(key))

    def get(self, key: str) -> bytes:
        return found(self.find(key), f"{self.path(key)}: no such file")

    def find(self, key: str, most: int | None = None) -> bytes | None:
        read = self._read(key, most)
        return None if read is None else read[0]

    def find_many(self, keys: Iterable[str], most: int | None = None) -> dict[str, bytes]:
        return {key: data for key in keys if (data := self.find(key, most)) is not None}

    def find_version(self, key: str) -> tuple[bytes, str] | None:
        read = self._read(key)
        return None if read is None else (read[0], _version(*read))

    def swap(self, key: str, data: bytes, version: str | None) -> str | None:
        """See `Store.swap`. Swaps in one folder wait for each other, and a lock ends with its process.

        Each swap's file is at least a nanosecond newer than the one before, so every version is unique.
        """
        temporary, path = self._written(key, data), self.path(key)
        if version is None:
            made = _version(data, temporary.stat().st_mtime_ns)
            return made if self._linked(temporary, path) else None
        with _writing(path, temporary), _locked(path.parent):
            current = self.find_version(key)
            if current is None or current[1] != version:
                return None
            modified_ns = max(temporary.stat().st_mtime_ns, path.stat().st_mtime_ns + 1)
            os.utime(temporary, ns=(modified_ns, modified_ns))
            made = _version(data, temporary.stat().st_mtime_ns)  # with the file system's resolution
            temporary.replace(path)
            return made

    def keys(self, prefix: str) -> Iterator[str]:
        top = self.folder / prefix if not prefix or prefix.endswith("/") else (self.folder / prefix).parent
        inside = (
            f"{place}/{name}".removeprefix("./")
            for folder, _, names in os.walk(top)
            for place in [Path(folder).relative_to(self.folder).as_posix()]  # once for all of its files
            for name in names
            if not name.startswith(HIDDEN)
        )
        yield from sorted(key for key in inside if key.startswith(prefix) and is_key(key))

    def entries(self, prefix: str, after: str = "") -> Iterator[Entry]:
        for key in (key for key in self.keys(prefix) if key > after):
            try:
                about = self.path(key).stat()
            except FileNotFoundError:  # deleted since
                continue
            except OSError as error:
                raise _unreadable(self.path(key), error) from error
            yield Entry(key, about.st_size, about.st_mtime)

    def names(self, prefix: str) -> list[str]:
        folder = self.path(prefix[:-1]) if prefix else self.folder
        try:
            return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise _unreadable(folder, error) from error

    def delete(self, prefix: str) -> None:
        folder = self.path(checked_folder(prefix)[:-1])
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:
            return
        except OSError as error:
            raise StoreError(f"{folder} cannot be removed: {error.strerror}", code="not-deleted") from error

    def delete_many(self, keys: Iterable[str]) -> None:
        for path in [self.path(key) for key in keys]:
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise StoreError(f"{path} cannot be removed: {error.strerror}", code="not-deleted") from error

    def time(self) -> tuple[float, float]:
        with _writing(self.folder):
            make_private(self.folder)
            with tempfile.NamedTemporaryFile(prefix=HIDDEN, dir=self.folder) as file:
                file.write(b"now")
                file.flush()
                return Path(file.name).stat().st_mtime, MODIFIED_STEP_S

    def _read(self, key: str, most: int | None = None) -> tuple[bytes, int] | None:
        """Returns the value and its modification time in nanoseconds, or None.

        With `most`, the file may be of a worker: a link to a file outside the run's folder counts as damaged.
        """
        try:
            with os.fdopen(os.open(self.path(key), os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
                about = os.fstat(file.fileno())
                is_regular = stat.S_ISREG(about.st_mode)  # unlike a pipe, which would block the reader
                if most is not None and not (is_regular and self._holds(key)):  # a worker's file counts as damaged
                    return b"", about.st_mtime_ns
                if not is_regular:
                    raise StoreError(f"{self.path(key)} is not a regular file; remove it", code="not-a-file")
                return file.read(-1 if most is None else most + 1), about.st_mtime_ns
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except OSError as error:
            raise _unreadable(self.path(key), error) from error

    def _holds(self, key: str) -> bool:
        """Returns whether the file is in its run's folder, or in its part of the store. A user may link these."""
        top = "/".join(key.split("/")[:2])
        return self.path(key).resolve().is_relative_to(self.path(top).resolve())

    def _written(self, key: str, data: bytes) -> Path:
        path = self.path(key)
        with _writing(path):
            make_private(path.parent)
            handle, name = tempfile.mkstemp(prefix=HIDDEN, dir=path.parent)
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                if path.suffix == RECORDS:
                    file.flush()
                    os.fsync(handle)
        return Path(name)

    def _linked(self, temporary: Path, path: Path) -> bool:
        with _writing(path, temporary):
            try:
                os.link(temporary, path)
            except FileExistsError:
                return False
        return True


class RunFolder(FolderStore):
    """A single run's folder as a store with that run, wherever the folder is and whatever its name."""

    def __init__(self, folder: Path, run_id: str) -> None:
        super().__init__(folder)
        self._prefix = f"runs/{run_id}/"

    def path(self, key: str) -> Path:
        if f"{key}/" == self._prefix:
            return self.folder
        if not key.startswith(self._prefix):
            raise StoreError(f"{key} is not in {self.folder}, which is the folder of one run", code="other-run")
        return super().path(key.removeprefix(self._prefix))

    def keys(self, prefix: str) -> Iterator[str]:
        keys_inside = (self._prefix + key for key in super().keys(""))
        yield from (key for key in keys_inside if key.startswith(prefix))

    def names(self, prefix: str) -> list[str]:
        below = (key.removeprefix(prefix).split("/") for key in self.keys(prefix))
        return sorted({parts[0] for parts in below if len(parts) > 1})


def make_private(folder: Path) -> None:
    """Makes a folder and its parents, readable by this user only; an existing folder stays unchanged."""
    if not folder.is_dir():
        make_private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Excludes other swaps in a folder. The lock file stays, because a waiting process may have it open."""
    with os.fdopen(os.open(folder / f"{HIDDEN}lock", os.O_RDWR | os.O_CREAT, 0o600), "r+b", 0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _writing(path: Path, temporary: Path | None = None) -> Iterator[None]:
    """Raises StoreError if a file cannot be written, and removes its temporary file."""
    try:
        yield
    except OSError as error:
        text = f"{path} cannot be written: {error.strerror}; choose another --store"
        raise StoreError(text, code="unwritable-store") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _unreadable(path: Path, error: OSError) -> StoreError:
    return StoreError(f"{path} cannot be read: {error.strerror}", code="unreadable-store")


def _version(data: bytes, modified_ns: int) -> str:
    return f"{modified_ns}-{hashlib.sha256(data).hexdigest()}"
