"""A suite's files from a store into a folder; names and contents are checked before anything is written."""

import hashlib
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from toril.errors import StoreError, SuiteError
from toril.store.keys import is_key

MAX_FILES = 5000
MAX_BYTES = 2 << 30  # all of them together
MAX_NAME = 1000  # characters of a path; S3 has keys of 1024 bytes


class Source(Protocol):
    """A store, of which only reading is needed."""

    def get(self, key: str) -> bytes: ...


class ChangedFileError(StoreError):
    """A file in the store is not the one that was listed."""


def hashes_of(folder: Path, files: Iterable[Path]) -> dict[str, str]:
    """The SHA-256 of each of those files below `folder`, by its path."""
    return {file.as_posix(): hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in files}


def fetch_files(store: Source, prefix: str, folder: Path, files: Mapping[str, str]) -> None:
    """Copy the files below `prefix` that `files` lists with their SHA-256, and no other.

    SuiteError for a name that leads out of the folder, or for more than there may be; ChangedFileError for a file with
    another hash. Every name is checked before the first file is written, every file before it is written.
    """
    wanted = checked_names(files)
    folder.mkdir(parents=True, exist_ok=True)
    size = 0
    for name in wanted:
        data = store.get(f"{prefix}{name}")
        size += len(data)
        if size > MAX_BYTES:
            text = f"{prefix} holds over {MAX_BYTES >> 20} MiB; leave out what no worker needs"
            raise SuiteError(text, code="too-large")
        if hashlib.sha256(data).hexdigest() != files[name]:
            what = f"{prefix}{name} is not the file whose SHA-256 was recorded with the suite"
            raise ChangedFileError(f"{what}: it was changed after that. Publish the suite again", code="changed-file")
        _write(inside(folder, name), data)


def inside(folder: Path, name: str) -> Path:
    """The file of that name below `folder`; SuiteError when it would be elsewhere, by its name or by a link."""
    if not _is_relative(name):
        raise _outside(name)
    path, top = folder / name, folder.resolve()
    if path.is_symlink() or not path.parent.resolve().is_relative_to(top):
        raise SuiteError(f"{name!r} leads out of the suite's folder by a link", code="outside-folder")
    return path


def checked_names(names: Iterable[str]) -> list[str]:
    """The names in order; SuiteError when one leads out of the folder, or is in the way of another on some disk."""
    found: dict[str, str] = {}
    for name in names:
        if len(found) == MAX_FILES:
            text = f"the suite has over {MAX_FILES:,} files; leave out what no worker needs"
            raise SuiteError(text, code="too-large")
        if not _is_relative(name):
            raise _outside(name)
        other = found.setdefault(_on_any_disk(name), name)
        if other != name:
            text = f"{name!r} and {other!r} would be one file on some disks; rename one"
            raise SuiteError(text, code="colliding-names")
    for disk_name, name in found.items():
        parts = disk_name.split("/")
        for length in range(1, len(parts)):
            if (above := found.get("/".join(parts[:length]))) is not None:
                text = f"{above!r} is a file, and a folder in {name!r}; rename one"
                raise SuiteError(text, code="colliding-names")
    return list(found.values())


def _outside(name: str) -> SuiteError:
    return SuiteError(f"{name[:200]!r} is no path inside of a suite's folder", code="outside-folder")


def _is_relative(name: str) -> bool:
    """Downwards and nowhere else, whatever the system: no backslash, no drive, no control character."""
    return is_key(name) and len(name) <= MAX_NAME and name[1:2] != ":"


def _on_any_disk(name: str) -> str:
    """The same text for two names that are one file on a disk which ignores case or composes accents."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _write(path: Path, data: bytes) -> None:
    """Replace the path by a new file; never write through an existing file or link."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        with path.open("xb") as file:
            file.write(data)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}", code="unwritable-file") from error
