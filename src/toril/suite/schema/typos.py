"""Patterns of misspelt keys. The reader refuses a key that resembles a known one; JSON Schema knows patterns only."""

from collections.abc import Collection, Iterator
from typing import Any

from toril.suite.values import Schema, any_case
from toril.text import nearest

SAMPLE = "q"  # stands for any letter in a misspelling


def misspelt(known: Collection[str], cutoff: float, *, right: Collection[str] = (), wrong: Any = False) -> Schema:
    """Returns the `patternProperties` of keys that differ from a known one by one edit: they fit the schema `wrong`.

    `nearest` with the same cutoff finds such a key. `right` are keys that are no misspellings. Neither are keys with a
    prefix of the merge.
    """
    spared = "|".join(sorted({*known, *right}))
    patterns = {}
    for name in known:
        edits = [any_case(name), *(pattern for pattern, text in _edits(name) if nearest(text, (name,), cutoff=cutoff))]
        patterns[f"^(?![~^$]|(?:{spared})$)(?:{'|'.join(dict.fromkeys(edits))})$"] = wrong
    return patterns


def _edits(name: str) -> Iterator[tuple[str, str]]:
    """Yields a pattern and an example for each edit: a letter is missing, wrong, too much, or in the wrong order."""
    for place, letter in enumerate(name):
        before, after = name[:place], name[place + 1 :]
        yield before + after, before + after
        yield f"{before}.{after}", before + SAMPLE + after
        yield f"{before}.{letter}{after}", before + SAMPLE + letter + after
        if after:
            yield (swapped := before + after[0] + letter + after[1:]), swapped
    yield f"{name}.", name + SAMPLE
