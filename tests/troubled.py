"""A store that counts requests and can fail."""

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from toril.errors import StoreError
from toril.store import FolderStore


class TroubledStore(FolderStore):
    """A folder behind a network. `fails` decides for each (operation, key) whether it raises StoreError.

    `loses` decides which writes lose their answer: they are done, and raise StoreError nevertheless.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.asked: Counter[str] = Counter()
        self.fails: Callable[[str, str], bool] = lambda operation, key: False
        self.loses: Callable[[str, str], bool] = lambda operation, key: False

    def down(self) -> None:
        self.fails = lambda operation, key: True

    def up(self) -> None:
        self.fails = lambda operation, key: False

    def put(self, key: str, data: bytes) -> None:
        self._ask("put", key)
        super().put(key, data)

    def put_once(self, key: str, data: bytes) -> bool:
        self._ask("put_once", key)
        new = super().put_once(key, data)
        if new:
            self._lose("put_once", key)
        return new

    def find(self, key: str, most: int | None = None) -> bytes | None:
        self._ask("find", key)
        return super().find(key, most)

    def find_many(self, keys: Iterable[str], most: int | None = None) -> dict[str, bytes]:
        found = ((key, self.find(key, most)) for key in keys)
        return {key: data for key, data in found if data is not None}

    def find_version(self, key: str) -> tuple[bytes, str] | None:
        self._ask("find_version", key)
        return super().find_version(key)

    def swap(self, key: str, data: bytes, version: str | None) -> str | None:
        self._ask("swap", key)
        made = FolderStore(self.folder).swap(key, data, version)
        if made is not None:
            self._lose("swap", key)
        return made

    def keys(self, prefix: str):
        self._ask("keys", prefix)
        return super().keys(prefix)

    def _ask(self, operation: str, key: str) -> None:
        self.asked[operation] += 1
        if self.fails(operation, key):
            raise StoreError(f"{key} cannot be reached", code="trouble")

    def _lose(self, operation: str, key: str) -> None:
        if self.loses(operation, key):
            raise StoreError(f"{key}: no answer", code="trouble")
