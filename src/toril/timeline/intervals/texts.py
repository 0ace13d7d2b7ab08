"""Texts of a recorder, each with a code: a bounded number of them, and each of bounded length."""

import hashlib
from collections.abc import Callable, Iterable
from typing import Literal

from toril.masking import mask

NONE = -1  # the code of a text that has none
OTHER = "other"  # what stands for the messages and response codes beyond the first so many
MAX_LENGTH = 1000  # of a text, in characters
MOST_READ = 4 * MAX_LENGTH  # of a text that is going to be cut, so that a credential in what stays is seen whole
MOST_OF_LABEL = 64 * MAX_LENGTH  # of a label that is looked at; beyond, its digest tells it from others
MOST_VARIANTS = 10_000  # texts that are remembered because they came with a credential in them
DIGEST_BYTES = 8  # of two of 262,144 cut labels to be one by chance: 1 in 500 million


class Texts(dict[str, int]):
    """Texts and their codes; beyond the limit every new text has the code of OTHER, or none.

    A new text goes through `cleaned` before it counts: texts that only differ in what must not be seen are one.
    """

    def __init__(
        self,
        what: str,
        limit: int,
        texts: Iterable[str] = (),
        *,
        beyond: Literal["other", "none", "error"] = "other",
        cleaned: Callable[[str], str] = mask,
    ) -> None:
        super().__init__()
        self.what, self.limit, self.beyond, self._cleaned = what, limit, beyond, cleaned
        self.texts: list[str] = []
        self.longest = 0
        for text in texts:
            self[text]

    def __missing__(self, text: str) -> int:
        if not isinstance(text, str):
            raise ValueError(f"{self.what} {text!r} is not a text")
        clean = self._cleaned(_cut(text, MOST_OF_LABEL) if self.what == "label" else text[:MOST_READ])
        if len(clean) > MAX_LENGTH:
            clean = label_of(clean) if self.what == "label" else clean[: MAX_LENGTH - 1] + "…"
        code = self.get(clean)
        if code is None:
            code = self._new(clean)
        if clean != text and len(text) <= MAX_LENGTH and len(self) < len(self.texts) + MOST_VARIANTS:
            self[text] = code  # of what is cut, only that is kept
        return code

    def _new(self, text: str) -> int:
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
    """A label as files have it: without credentials, and a long one cut.

    What is cut ends in a digest of all of it, so that no two become one.
    """
    return _cut(mask(_cut(text, MOST_OF_LABEL)), MAX_LENGTH)


def _cut(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).hexdigest()
    return f"{text[: most - len(digest) - 1]}…{digest}"
