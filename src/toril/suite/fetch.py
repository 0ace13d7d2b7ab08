"""A suite's files out of a store, into a folder: what a key says is not believed."""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from toril.errors import SuiteError
from toril.store import Store


def fetch_files(store: Store, prefix: str, folder: Path, names: Iterable[str]) -> None:
    """Copy those files below `prefix`; SuiteError for a name that leads out of the folder."""
    for name in names:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name:
            raise SuiteError(f"{name!r} is no path inside of a suite's folder")
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(store.get(f"{prefix}{name}"))
