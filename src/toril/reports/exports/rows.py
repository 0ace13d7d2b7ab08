"""The rows of exports and of the page: all samples that completed in one step and share a key, with their histogram.

The caller maps each series to a key. Rows come in batches, ascending by time and then by key. A batch takes a few numpy
calls, so an export of any length needs little memory.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from toril.stats.histogram import Int64s, highests_of, lowests_of
from toril.stats.quantiles import rank_of
from toril.timeline import SUMS, Timeline
from toril.timeline.intervals import BUCKET_BITS, Series

PLACES_AT_ONCE = 1_000_000  # searched pairs of series and second
ROWS_AT_ONCE = 10_000  # entries of the timeline in a batch: some MB of buckets

Key = TypeVar("Key", bound=tuple[Any, ...])


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class RowBatch(Generic[Key]):
    """A batch of rows: columns with one value per row, and the buckets of all histograms in order."""

    keys: list[Key]  # every key of the timeline, ascending
    key: Int64s  # index in `keys`
    second: Int64s  # in which the step begins
    sums: Int64s  # one column for each of SUMS
    failures: Int64s
    min_us: Int64s
    max_us: Int64s
    entries: Int64s  # rows of the timeline, row by row
    starts: Int64s  # where the entries of each row begin
    row: Int64s  # of each bucket, ascending
    bucket: Int64s  # ascending within a row
    count: Int64s
    upto: Int64s  # samples of this and all earlier buckets

    def __len__(self) -> int:
        return self.key.size

    @property
    def row_of(self) -> Int64s:
        """Returns the row of each entry."""
        return np.repeat(np.arange(len(self)), np.diff(self.starts, append=self.entries.size))

    @property
    def samples(self) -> Int64s:
        return self.sum_of("samples")

    def sum_of(self, name: str) -> Int64s:
        """Returns one of SUMS."""
        return self.sums[:, SUMS.index(name)]

    @property
    def sum_us(self) -> Int64s:
        """Returns the exact sum of the response times."""
        sums_us = self.sum_of("above_us").copy()
        np.add.at(sums_us, self.row, lowests_of(self.bucket) * self.count)
        return sums_us

    def percentile_us(self, percent: float) -> Int64s:
        """Returns the nearest-rank percentile of each row, equal to `Stats.percentile`."""
        sizes, size_of = np.unique(self.samples, return_inverse=True)
        ranks = np.array([rank_of(percent, size) for size in sizes.tolist()], np.int64)[size_of]
        before = np.cumsum(self.samples) - self.samples
        return np.minimum(highests_of(self.bucket[np.searchsorted(self.upto, before + ranks)]), self.max_us)


def row_batches(
    timeline: Timeline, key_of: Callable[[str, Series], Key | None], step_s: int = 1, *, every_kind: bool = False
) -> Iterator[RowBatch[Key]]:
    """Yields all rows of the timeline, each of one step of `step_s` seconds.

    `key_of` takes a location and a series, and returns None to skip the series. `every_kind`: also what scripts
    measure, and the second samples of requests with tags.
    """
    placed = {one: at for at, one in enumerate(timeline.table.placed)} if every_kind else timeline.series()
    keyed = [(number, series.ok, key_of(location, series)) for (location, series), number in placed.items()]
    chosen = [(number, ok, key) for number, ok, key in keyed if key is not None]
    seconds = timeline.last_second
    if not chosen or seconds is None:
        return
    begin, last = timeline.between_s or (0, seconds)
    keys = sorted({key for _, _, key in chosen})
    place_of = {key: place for place, key in enumerate(keys)}
    numbers = np.array([number for number, _, _ in chosen], np.int64)
    good = np.array([ok for _, ok, _ in chosen], np.bool_)
    keys_of = np.array([place_of[key] for _, _, key in chosen], np.int64)
    at_once = max(1, PLACES_AT_ONCE // numbers.size // step_s) * step_s
    for first in range(begin, last + 1, at_once):
        which, second, entries = timeline.table.rows.places(numbers, first, min(first + at_once - 1, last))
        second -= second % step_s
        order = np.lexsort((good[which], keys_of[which], second))
        which, second, entries = which[order], second[order], entries[order]
        key, ok = keys_of[which], good[which]
        for part in _parts(second, key):
            yield _batch(timeline, keys, key[part], second[part], entries[part], ok[part])


def _parts(second: Int64s, key: Int64s) -> Iterator[slice]:
    """Yields slices of about ROWS_AT_ONCE entries that keep rows whole."""
    starts = np.flatnonzero(_begins(second, key))
    cuts = starts[np.searchsorted(starts, np.arange(0, second.size, ROWS_AT_ONCE)).clip(max=max(0, starts.size - 1))]
    bounds = [*np.unique(cuts).tolist(), second.size]
    for start, end in pairwise(bounds):
        yield slice(start, end)


def _begins(second: Int64s, key: Int64s) -> NDArray[np.bool_]:
    """Returns whether each entry is the first of its row."""
    begins = np.ones(second.size, np.bool_)
    begins[1:] = (second[1:] != second[:-1]) | (key[1:] != key[:-1])
    return begins


def _batch(
    timeline: Timeline, keys: list[Key], key: Int64s, second: Int64s, entries: Int64s, ok: NDArray[np.bool_]
) -> RowBatch[Key]:
    begins = _begins(second, key)
    starts, row_of = np.flatnonzero(begins), np.cumsum(begins) - 1
    sums, extremes = timeline.table.sums[entries], timeline.table.extremes[entries]
    positions, buckets, counts = timeline.table.buckets.pairs(entries)
    pairs, places = np.unique((row_of[positions] << BUCKET_BITS) + buckets, return_inverse=True)
    merged = np.zeros(pairs.size, np.int64)
    np.add.at(merged, places, counts)
    return RowBatch(
        keys=keys,
        key=key[starts],
        second=second[starts],
        sums=np.add.reduceat(sums, starts, axis=0),
        failures=np.add.reduceat(np.where(ok, 0, sums[:, SUMS.index("samples")]), starts),
        min_us=np.minimum.reduceat(extremes[:, 0], starts),
        max_us=np.maximum.reduceat(extremes[:, 1], starts),
        entries=entries,
        starts=starts,
        row=pairs >> BUCKET_BITS,
        bucket=pairs & ((1 << BUCKET_BITS) - 1),
        count=merged,
        upto=np.cumsum(merged),
    )
