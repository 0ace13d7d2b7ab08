"""Histograms by row, for many rows at once. A row is one second of one series.

Rows in use are hot: their counts are in blocks of 256 neighbouring buckets, so one indexed addition adds thousands of
samples. When there are too many blocks, the least recently used rows are frozen into pairs of bucket and count, which
need only a few bytes. A frozen row thaws when it is used again.
"""

import numpy as np
from numpy.typing import NDArray

from toril.stats.histogram import Histogram, Int64s
from toril.timeline.intervals import BUCKET_BITS
from toril.timeline.tables import longer

BLOCK_BITS = 8
BLOCKS = 1 << (BUCKET_BITS - BLOCK_BITS)  # per row
BLOCK = 1 << BLOCK_BITS
HOT_BLOCKS = 96 * 1024  # 1 KiB each; the system allocates only the used ones
FROZEN_AT_ONCE = 64  # rows, which need a few MB of temporary memory
BLOCKS_AT_ONCE = 8192  # 8 MB

Int32s = NDArray[np.int32]


class BucketCounts:
    """Counts by row and bucket."""

    def __init__(self, hot_blocks: int = HOT_BLOCKS) -> None:
        self._hot_of: Int32s = np.full(64, -1, np.int32)  # row → its hot place, or −1
        self._row_of: Int64s = np.full(64, -1, np.int64)  # hot place → its row, or −1
        self._touched: Int64s = np.zeros(64, np.int64)  # hot place → the number of its last addition
        self._slots: Int32s = np.full((64, BLOCKS), -1, np.int32)  # hot place → its blocks in the pool
        self._pool: Int32s = np.zeros((hot_blocks, BLOCK), np.int32)
        self._free_hot = list(range(63, -1, -1))
        self._free: Int64s = np.arange(hot_blocks - 1, -1, -1)
        self._frozen: dict[int, tuple[NDArray[np.uint16], NDArray[np.unsignedinteger]]] = {}
        self._additions = 0

    def add(self, rows: Int64s, sizes: Int64s, buckets: Int64s, counts: Int64s) -> None:
        """Adds concatenated histograms: the first `sizes[0]` pairs to `rows[0]`, and so on."""
        blocks = np.repeat(rows << (BUCKET_BITS - BLOCK_BITS), sizes) + (buckets >> BLOCK_BITS)
        if rows.size > 1 and np.count_nonzero(np.diff(blocks)) >= len(self._pool) // 2:
            # Two halves need no larger pool.
            half = rows.size // 2
            first = int(sizes[:half].sum())
            self.add(rows[:half], sizes[:half], buckets[:first], counts[:first])
            self.add(rows[half:], sizes[half:], buckets[first:], counts[first:])
            return
        self._additions += 1
        distinct = np.unique(rows)
        self._hot_of = longer(self._hot_of, int(distinct.max(initial=-1)) + 1, -1)
        cold = distinct[self._hot_of[distinct] < 0]
        thawed = [(row, *self._frozen.pop(row)) for row in cold.tolist() if row in self._frozen]
        self._heat(cold)
        self._touched[self._hot_of[distinct]] = self._additions
        if thawed:
            thawed_rows, old_buckets, old_counts = zip(*thawed, strict=True)
            thawed_sizes = np.array([part.size for part in old_buckets])
            pairs = (np.concatenate(part, dtype=np.int64) for part in (old_buckets, old_counts))
            self._pour(np.array(thawed_rows), thawed_sizes, *pairs)
        self._pour(rows, sizes, buckets, counts)

    def histogram(self, rows: Int64s) -> Histogram:
        """Returns the sum of the rows' histograms."""
        rows = rows[rows < self._hot_of.size]
        places = self._hot_of[rows]
        slots = self._slots[places[places >= 0]]
        blocks = np.flatnonzero((slots >= 0).any(axis=0))
        dense = np.zeros((blocks.size, BLOCK), np.int64)
        for position, block in enumerate(blocks.tolist()):
            used = slots[:, block]
            dense[position] = self._pool[used[used >= 0]].sum(axis=0, dtype=np.int64)
        which, column = np.nonzero(dense)
        hot = (blocks[which] << BLOCK_BITS) + column, dense[which, column]
        frozen = [self._frozen[row] for row in rows[places < 0].tolist() if row in self._frozen]
        if not frozen:
            return Histogram(*hot)
        buckets, counts = zip(hot, *frozen, strict=True)
        return Histogram.from_pairs(np.concatenate(buckets, dtype=np.int64), np.concatenate(counts, dtype=np.int64))

    def pairs(self, rows: Int64s) -> tuple[Int64s, Int64s, Int64s]:
        """Returns the rows' histograms as positions in `rows` (unordered), buckets and counts."""
        empty: Int64s = np.empty(0, np.int64)
        parts: list[tuple[Int64s, Int64s, Int64s]] = [(empty, empty, empty)]
        places = np.full(rows.size, -1, np.int32)
        known = rows < self._hot_of.size
        places[known] = self._hot_of[rows[known]]
        hot = np.flatnonzero(places >= 0)
        which, blocks = np.nonzero(self._slots[places[hot]] >= 0)
        for start in range(0, which.size, BLOCKS_AT_ONCE):
            part, block = hot[which[start : start + BLOCKS_AT_ONCE]], blocks[start : start + BLOCKS_AT_ONCE]
            counts = self._pool[self._slots[places[part], block]]
            line, column = np.nonzero(counts)
            parts.append((part[line], (block[line] << BLOCK_BITS) + column, counts[line, column].astype(np.int64)))
        for position in np.flatnonzero(places < 0).tolist():
            frozen = self._frozen.get(int(rows[position]))
            if frozen is not None:
                size = frozen[0].size
                parts.append((np.full(size, position), frozen[0].astype(np.int64), frozen[1].astype(np.int64)))
        positions, buckets, numbers = zip(*parts, strict=True)
        return np.concatenate(positions), np.concatenate(buckets), np.concatenate(numbers)

    def _pour(self, rows: Int64s, sizes: Int64s, buckets: Int64s, counts: NDArray[np.integer]) -> None:
        places = np.repeat(self._hot_of[rows].astype(np.int64) << (BUCKET_BITS - BLOCK_BITS), sizes)
        places += buckets >> BLOCK_BITS
        slots = self._slots.reshape(-1)[places]
        if slots.size and slots.min() < 0:
            new = np.unique(places[slots < 0])
            self._slots.reshape(-1)[new] = self._take(new.size)
            slots = self._slots.reshape(-1)[places]
        targets = (slots.astype(np.int64) << BLOCK_BITS) + (buckets & (BLOCK - 1))
        np.add.at(self._pool.reshape(-1), targets, counts.astype(np.int32))

    def _heat(self, rows: Int64s) -> None:
        """Assigns each row a hot place."""
        size = len(self._slots)
        while len(self._free_hot) < rows.size:
            self._free_hot.extend(range(2 * size - 1, size - 1, -1))
            size *= 2
        if size > len(self._slots):
            self._row_of = longer(self._row_of, size, -1)
            self._touched = longer(self._touched, size, 0)
            self._slots = np.concatenate([self._slots, np.full((size - len(self._slots), BLOCKS), -1, np.int32)])
        for row in rows.tolist():
            place = self._free_hot.pop()
            self._hot_of[row], self._row_of[place] = place, row

    def _take(self, count: int) -> Int64s:
        """Returns `count` empty blocks; freezes rows or enlarges the pool if necessary."""
        if self._free.size < count:
            self._freeze_half()
        if self._free.size < count:  # a single batch needs more
            size, more = len(self._pool), count - self._free.size
            self._pool = np.concatenate([self._pool, np.zeros((more, BLOCK), np.int32)])
            self._free = np.concatenate([np.arange(size + more - 1, size - 1, -1), self._free])
        taken, self._free = self._free[self._free.size - count :], self._free[: self._free.size - count]
        return taken

    def _freeze_half(self) -> None:
        """Freezes the least recently used half of the hot rows, but none of the current addition."""
        idle = np.flatnonzero((self._row_of >= 0) & (self._touched < self._additions))
        oldest = idle[np.argsort(self._touched[idle], kind="stable")][: (idle.size + 1) // 2]
        freed = [self._free]
        for start in range(0, oldest.size, FROZEN_AT_ONCE):
            places = oldest[start : start + FROZEN_AT_ONCE]
            which, blocks = np.nonzero(self._slots[places] >= 0)
            slots = self._slots[places[which], blocks]
            counts = self._pool[slots].reshape(-1)
            used = np.flatnonzero(counts)
            buckets = ((blocks[used >> BLOCK_BITS] << BLOCK_BITS) + (used & (BLOCK - 1))).astype(np.uint16)
            ends = np.searchsorted(which[used >> BLOCK_BITS], np.arange(places.size + 1)).tolist()
            for row, first, end in zip(self._row_of[places].tolist(), ends, ends[1:], strict=False):
                kept = counts[used[first:end]]
                self._frozen[row] = buckets[first:end].copy(), kept.astype(np.min_scalar_type(int(kept.max(initial=0))))
            self._pool[slots] = 0
            freed.append(slots.astype(np.int64))
        self._slots[oldest] = -1
        self._hot_of[self._row_of[oldest]] = -1
        self._row_of[oldest] = -1
        self._free_hot.extend(oldest.tolist())
        self._free = np.concatenate(freed)
