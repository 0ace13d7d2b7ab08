"""Keys of a store: relative paths without `.` and `..`, the same in a folder and in a bucket."""

import re
from dataclasses import dataclass

from toril.errors import StoreError

_BAD = re.compile(r"[\x00-\x1f\x7f\\\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Entry:
    """One value of a store. `modified_at`: seconds since the epoch, of the store's clock."""

    key: str
    size: int
    modified_at: float


def is_key(text: str) -> bool:
    return not _BAD.search(text) and {"", ".", ".."}.isdisjoint(text.split("/"))


def checked(key: str) -> str:
    """Returns the key; StoreError if it is invalid."""
    if not is_key(key):
        wanted = "use a relative path without `.`, `..`, backslashes, control characters and surrogates"
        raise StoreError(f"{key!r} is not a valid key of a store; {wanted}", code="bad-key")
    return key


def found(data: bytes | None, otherwise: str) -> bytes:
    """Returns the value that a store has found; StoreError with the text `otherwise` if there is none."""
    if data is None:
        raise StoreError(otherwise, code="no-such-key")
    return data


def checked_folder(prefix: str) -> str:
    """Returns the prefix; StoreError unless it is a valid key and ends with a slash."""
    if not prefix.endswith("/"):
        raise StoreError(f"{prefix!r}: a prefix to delete must end with a slash", code="bad-key")
    checked(prefix[:-1])
    return prefix
