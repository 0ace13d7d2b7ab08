"""The numbered files that one attempt left: nothing about them is taken for granted, their names included."""

import re
from collections.abc import Iterator, Sequence

from toril.records import DIGEST_LENGTH, digest_of
from toril.store import Store

MANY = 32  # files held in memory at once
NUMBER = re.compile(r"[0-9]{6}")
LONGEST_NAME = 80  # characters that are shown

Left = tuple[int, bytes | None, str]  # a file's number and content; or, without content, what is wrong


def left_files(store: Store, prefix: str, first: int, told: int | None, most: int, *, listed: bool) -> Iterator[Left]:
    """The files from the `first` on, in order. `told`: how many there should be; None: nobody said so.

    `listed`: look for others than those. However many there should be, no more is read than is there.
    """
    wanted: Sequence[int] = range(first, (told or 0) + 1)
    if listed:
        wanted, others = _names(store, prefix, first)
        yield from ((0, None, f"{prefix}{name[:LONGEST_NAME]} is not the name of a worker's file") for name in others)
        if told is not None:
            yield from ((0, None, f"{_key(prefix, number)} is not in exit.json") for number in wanted if number > told)
            wanted = [number for number in wanted if number <= told]
    next_number = first
    while wanted:
        some, wanted = wanted[:MANY], wanted[MANY:]
        found = store.find_many([_key(prefix, number) for number in some], most)
        if not listed and len(found) < len(some):
            listed, last = True, some[-1]
            wanted = [number for number in _names(store, prefix, first)[0] if last < number <= (told or 0)]
        for number in some:
            data = found.get(_key(prefix, number))
            if data is not None:
                yield from _missing(prefix, next_number, number - 1)
                yield number, data, ""
                next_number = number + 1
    yield from _missing(prefix, next_number, told or 0)


def is_own(digests: str, number: int, data: bytes) -> bool:
    """Whether it is the file that the worker wrote; yes where nobody can tell."""
    return not digests or digests[(number - 1) * DIGEST_LENGTH : number * DIGEST_LENGTH] == digest_of(data)


def _names(store: Store, prefix: str, first: int) -> tuple[list[int], list[str]]:
    """The numbers from the `first` on, in order; and the names that are none."""
    names = [key.removeprefix(prefix) for key in store.keys(prefix)]
    numbers = sorted(int(name) for name in names if NUMBER.fullmatch(name))
    return [number for number in numbers if number >= first], [name for name in names if not NUMBER.fullmatch(name)]


def _missing(prefix: str, first: int, last: int) -> Iterator[Left]:
    if first <= last:
        others = f" and {last - first:,} more after it are missing" if last > first else " is missing"
        yield last, None, f"{_key(prefix, first)}{others}"


def _key(prefix: str, number: int) -> str:
    return f"{prefix}{number:06d}"
