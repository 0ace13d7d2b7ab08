"""Texts of a recorder, each with a code: a bounded number of them, and each of bounded length."""

import hashlib
from collections.abc import Iterable
from typing import Literal

NONE = -1  # the code of a text that has none
OTHER = "other"  # what stands for the messages and response codes beyond the first so many
MAX_LENGTH = 1000  # of a text, in characters
DIGEST_BYTES = 8  # of two of 262,144 cut labels to be one by chance: 1 in 500 million


class Texts(dict[str, int]):
    """Texts and their codes; beyond the limit every new text has the code of OTHER, or none."""

    def __init__(
        self, what: str, limit: int, texts: Iterable[str] = (), *, beyond: Literal["other", "none", "error"] = "other"
    ) -> None:
        super().__init__()
        self.what, self.limit, self.beyond = what, limit, beyond
        self.texts: list[str] = []
        self.longest = 0
        for text in texts:
            self[text]

    def __missing__(self, text: str) -> int:
        if not isinstance(text, str):
            raise ValueError(f"{self.what} {text!r} is not a text")
        if len(text) > MAX_LENGTH:  # only what is cut is kept
            return self[label_of(text) if self.what == "label" else text[: MAX_LENGTH - 1] + "…"]
        if len(self.texts) >= self.limit:
            if self.beyond == "error":
                raise ValueError(f"{self.what} {text!r} is one more than the {self.limit} that can be told apart")
            if self.beyond == "none":
                return NONE
            if text != OTHER:
                return self[OTHER]
        code = self[text] = len(self.texts)
        self.texts.append(text)
        self.longest = max(self.longest, len(text))
        return code


def label_of(text: str) -> str:
    """A label as files have it: a long one is cut and ends in a digest of all of it, so that no two become one."""
    if len(text) <= MAX_LENGTH:
        return text
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).hexdigest()
    return f"{text[: MAX_LENGTH - len(digest) - 1]}…{digest}"
