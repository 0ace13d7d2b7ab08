"""Keys of a store: relative paths that lead nowhere but down, the same in a folder and in a bucket."""

import re

from toril.errors import StoreError

_BAD = re.compile(r"[\x00-\x1f\x7f\\\ud800-\udfff]")


def is_key(text: str) -> bool:
    return not _BAD.search(text) and {"", ".", ".."}.isdisjoint(text.split("/"))


def checked(key: str) -> str:
    """Returns the key; StoreError if it is none."""
    if not is_key(key):
        wanted = "a relative path without . or .., control characters and characters that are not Unicode's"
        raise StoreError(f"{key!r} is not a key of a store: {wanted}", code="bad-key")
    return key


def checked_folder(prefix: str) -> str:
    """Returns a prefix whose keys can all be deleted; StoreError unless it ends with a slash."""
    if not prefix.endswith("/"):
        raise StoreError(f"{prefix!r}: only keys below a prefix that ends with a slash are deleted", code="bad-key")
    checked(prefix[:-1])
    return prefix
