"""Copies a suite's files from a store into a folder, and checks names and contents before writing."""

import hashlib
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from toril.errors import StoreError, SuiteError
from toril.store.keys import is_key

MAX_FILES = 5000
MAX_BYTES = 2 << 30  # of all files together
MAX_NAME = 1000  # characters of a path; S3 has keys of 1024 bytes


class Source(Protocol):
    """A store to read from."""

    def get(self, key: str) -> bytes: ...


class ChangedFileError(StoreError):
    """A file in the store that differs from the recorded one."""


def hashes_of(folder: Path, files: Iterable[Path]) -> dict[str, str]:
    """Returns the SHA-256 of each file below `folder`, by its path."""
    return {file.as_posix(): hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in files}


def fetch_files(store: Source, prefix: str, folder: Path, files: Mapping[str, str]) -> None:
    """Copies only the files below `prefix` that `files` lists with their SHA-256.

    Raises SuiteError for a name outside the folder, or for too many or too large files; ChangedFileError for a file
    with another hash. It checks all names before it writes the first file, and each file before it writes it.
    """
    wanted = checked_names(files)
    folder.mkdir(parents=True, exist_ok=True)
    size = 0
    for name in wanted:
        data = store.get(f"{prefix}{name}")
        size += len(data)
        if size > MAX_BYTES:
            text = f"{prefix}: The files have more than {MAX_BYTES >> 20} MiB. Remove files that no worker needs."
            raise SuiteError(text, code="too-large")
        if hashlib.sha256(data).hexdigest() != files[name]:
            what = f"{prefix}{name}: The file changed after the suite was published: its SHA-256 differs"
            raise ChangedFileError(f"{what}. Publish the suite again.", code="changed-file")
        write_file(folder, name, data)


def write_file(folder: Path, name: str, data: bytes) -> None:
    """Writes a new file below `folder`; raises SuiteError for a name outside it, StoreError if it cannot be written."""
    path = inside(folder, name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # never write through an existing file or link
        with path.open("xb") as file:
            file.write(data)
    except OSError as error:
        text = f"{path}: The file cannot be written: {error.strerror}."
        raise StoreError(text, code="unwritable-file") from error


def inside(folder: Path, name: str) -> Path:
    """Returns the path of that name below `folder`; raises SuiteError if the name or a link leads elsewhere."""
    _check_relative(name)
    path, top = folder / name, folder.resolve()
    if path.is_symlink() or not path.parent.resolve().is_relative_to(top):
        text = f"{name!r}: A link leads out of the suite's folder. Replace the link with its file."
        raise SuiteError(text, code="outside-folder")
    return path


def checked_names(names: Iterable[str]) -> list[str]:
    """Returns the names in order; raises SuiteError if one leads out of the folder or into git's, or collides."""
    checked: dict[str, str] = {}
    for name in names:
        if len(checked) == MAX_FILES:
            text = f"The suite has more than {MAX_FILES:,} files. Remove files that no worker needs."
            raise SuiteError(text, code="too-large")
        _check_relative(name)
        other = checked.setdefault(_on_any_file_system(name), name)
        if other != name:
            text = f"{name!r} and {other!r} would be the same file on some file systems. Rename one."
            raise SuiteError(text, code="colliding-names")
    for disk_name, name in checked.items():
        parts = disk_name.split("/")
        if ".git" in parts:  # git runs programs that its folder names
            raise _outside(name)
        for length in range(1, len(parts)):
            if (above := checked.get("/".join(parts[:length]))) is not None:
                text = f"{above!r} is a file, but a folder in {name!r}. Rename one."
                raise SuiteError(text, code="colliding-names")
    return list(checked.values())


def _outside(name: str) -> SuiteError:
    text = f"{name[:200]!r} is not a path inside the suite's folder. Rename the file, or move it."
    return SuiteError(text, code="outside-folder")


def _check_relative(name: str) -> None:
    """Raises SuiteError unless the name leads down on every system: no backslash, no drive, no control character."""
    if not is_key(name) or len(name) > MAX_NAME or name[1:2] == ":":
        raise _outside(name)


def _on_any_file_system(name: str) -> str:
    """Returns the same text for two names that are one file where case or accents do not count."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
