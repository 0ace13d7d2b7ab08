"""Histograms of durations in buckets of at most 0.1 % width; adding two histograms loses nothing.

The buckets are those of HdrHistogram with three significant digits and 1 µs as the smallest unit: exact below
2,048 µs, then 1,024 buckets for each doubling. A bucket's index does not depend on other samples.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

EXACT_BITS = 11  # 2,048 buckets of 1 µs; above, 11 significant bits: the width is ≤ 1/1,024 of the value

Int64s = NDArray[np.int64]


def bucket_of(value_us: int) -> int:
    """Returns the index of the bucket of `value_us` (≥ 0)."""
    if value_us < 0:
        raise ValueError(f"{value_us} µs: a duration cannot be negative")
    shift = max(0, value_us.bit_length() - EXACT_BITS)
    return (shift << (EXACT_BITS - 1)) + (value_us >> shift)


def buckets_of(values_us: Int64s) -> Int64s:
    """Returns `bucket_of` many values at once; they must be < 2**53, because the exponent comes from a float."""
    _, exponents = np.frexp(values_us.astype(np.float64))
    shifts = np.maximum(0, exponents.astype(np.int64) - EXACT_BITS)
    return np.asarray((shifts << (EXACT_BITS - 1)) + (values_us >> shifts), dtype=np.int64)


def lowests_of(buckets: Int64s) -> Int64s:
    """Returns `lowest_us` of many buckets at once."""
    shifts = np.maximum(0, (buckets >> (EXACT_BITS - 1)) - 1)
    return np.asarray((buckets - (shifts << (EXACT_BITS - 1))) << shifts, dtype=np.int64)


def highests_of(buckets: Int64s) -> Int64s:
    """Returns `highest_us` of many buckets at once."""
    return np.asarray(lowests_of(buckets + 1) - 1, dtype=np.int64)


def highest_us(bucket: int) -> int:
    """Returns the highest value of the bucket."""
    return lowest_us(bucket + 1) - 1


def lowest_us(bucket: int) -> int:
    """Returns the lowest value of the bucket."""
    shift = max(0, (bucket >> (EXACT_BITS - 1)) - 1)
    return (bucket - (shift << (EXACT_BITS - 1))) << shift


class Histogram:
    """Sparse counts by bucket: two arrays of equal length, buckets ascending, counts positive."""

    __slots__ = ("_ends", "buckets", "counts")

    def __init__(self, buckets: Int64s | None = None, counts: Int64s | None = None) -> None:
        self.buckets: Int64s = np.empty(0, np.int64) if buckets is None else buckets
        self.counts: Int64s = np.empty(0, np.int64) if counts is None else counts
        self._ends: Int64s | None = None  # the rank of each bucket's last sample

    @classmethod
    def of(cls, values_us: Iterable[int]) -> "Histogram":
        """Returns the histogram of values in µs."""
        values = np.fromiter(values_us, dtype=np.int64)
        if values.size and values.min() < 0:
            raise ValueError(f"{values.min()} µs: a duration cannot be negative")
        buckets, counts = np.unique(buckets_of(values), return_counts=True)
        return cls(buckets, counts.astype(np.int64))

    @classmethod
    def from_pairs(cls, buckets: Int64s, counts: Int64s) -> "Histogram":
        """Returns the histogram of pairs in any order; a bucket may occur more than once."""
        unique, positions = np.unique(buckets, return_inverse=True)
        sums = np.zeros(unique.size, np.int64)
        np.add.at(sums, positions, counts)
        return cls(unique.astype(np.int64), sums)

    @property
    def total(self) -> int:
        return int(self.counts.sum())

    def __add__(self, other: "Histogram") -> "Histogram":
        return Histogram.from_pairs(
            np.concatenate([self.buckets, other.buckets]), np.concatenate([self.counts, other.counts])
        )

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Histogram)
            and np.array_equal(self.buckets, other.buckets)
            and np.array_equal(self.counts, other.counts)
        )

    def __hash__(self) -> int:
        return hash((self.buckets.tobytes(), self.counts.tobytes()))

    def bucket_at_rank(self, rank: int) -> int:
        """Returns the bucket of the `rank`-th smallest sample, counted from 1."""
        if self._ends is None:
            self._ends = np.cumsum(self.counts)
        position = int(np.searchsorted(self._ends, rank))
        if rank < 1 or position == self._ends.size:
            raise ValueError(f"rank {rank} is not within the {self.total} samples")
        return int(self.buckets[position])
