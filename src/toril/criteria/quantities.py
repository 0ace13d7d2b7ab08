"""Reads Taurus' durations, sizes and numbers exactly; raises ValueError for other values."""

import math
import re
from collections.abc import Mapping
from fractions import Fraction

LONGEST = 60  # characters

# Possessive: a wrong text of 60 digits would be matched in 2^60 ways.
DURATION = re.compile(r"(?:(?:[0-9]++(?:\.[0-9]*+)?+|\.[0-9]++)(?:ms|[smhd]|(?![a-z])))++", re.IGNORECASE)
DURATION_PART = re.compile(r"([0-9.]+)(ms|[smhd]?)", re.IGNORECASE)
SECONDS: dict[str, Fraction | int] = {"ms": Fraction(1, 1000), "": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
NUMBER = re.compile(r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+")
SIZE = re.compile(rf"({NUMBER.pattern})([a-z]*)", re.IGNORECASE)
BYTES = {"": 1, "b": 1, "k": 2**10, "kb": 2**10, "kib": 2**10, "m": 2**20, "mb": 2**20, "mib": 2**20}
GIGABYTES = {"g": 2**30, "gb": 2**30, "gib": 2**30}
RATE = re.compile(rf"({NUMBER.pattern})/(s|sec|min|m|h)", re.IGNORECASE)
RATE_S = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600}


def duration_s(value: object) -> Fraction:
    """Returns the seconds of `1m30s`, `500ms`, `1d 2h` or a number without a unit.

    >>> duration_s("2s500ms")
    Fraction(5, 2)
    """
    text = _text(value, "a duration")
    if isinstance(value, (int, float)):
        return Fraction(text)
    if not DURATION.fullmatch(text):
        raise ValueError(f"{text} is not a duration")
    return sum((_exact(number) * SECONDS[unit.lower()] for number, unit in DURATION_PART.findall(text)), Fraction(0))


def size_bytes(value: object) -> Fraction:
    """Returns the bytes of `500`, `10kB` or `1.5MB`; a kB has 1024 bytes."""
    return _size(value, BYTES)


def size_with_giga(value: object) -> Fraction:
    """Returns the bytes of a size, also of `3GB`, which Taurus does not support."""
    return _size(value, BYTES | GIGABYTES)


def _size(value: object, units: Mapping[str, int]) -> Fraction:
    text = _text(value, "a size")
    match = SIZE.fullmatch(text)
    if not match or match[2].lower() not in units:
        raise ValueError(f"{text} is not a size")
    return _exact(match[1]) * units[match[2].lower()]


def rate_per_s(value: object) -> Fraction:
    """Returns the events per second of `450/s`, `30/min` or `100/h`; the unit is required.

    >>> rate_per_s("30/min")
    Fraction(1, 2)
    """
    text = _text(value, "a rate")
    match = RATE.fullmatch(text)
    if not match:
        raise ValueError(f"{text} is not a rate")
    return _exact(match[1]) / RATE_S[match[2].lower()]


def number(value: object) -> Fraction:
    """Returns a decimal number of at least 0."""
    text = _text(value, "a number")
    if isinstance(value, (int, float)):
        return Fraction(text)
    if not NUMBER.fullmatch(text):
        raise ValueError(f"{text} is not a number")
    return _exact(text)


def _text(value: object, what: str) -> str:
    """Returns the value without spaces; raises ValueError if it cannot be a quantity."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError(f"not {what}")
    if isinstance(value, (int, float)) and (not math.isfinite(value) or value < 0):
        raise ValueError(f"not {what}")
    text = str(value).replace(" ", "")
    if not text or len(text) > LONGEST:
        raise ValueError(f"not {what}")
    return text


def _exact(text: str) -> Fraction:
    return Fraction(text.rstrip("."))
