"""Response codes and messages by row. Nearly every row has one outcome only, which stands in an array."""

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from toril.stats.histogram import Int64s

Outcome = tuple[str, str]  # response code, message
CODE_BITS = 32
CODE = (1 << CODE_BITS) - 1


class Outcomes:
    """How often each outcome came, by row."""

    def __init__(self) -> None:
        self._code_of: dict[Outcome, int] = {}
        self._first: NDArray[np.int32] = np.full(64, -1, np.int32)  # by row: its first outcome, or −1 …
        self._times: Int64s = np.zeros(64, np.int64)  # … and how often that came
        self._others: dict[int, dict[int, int]] = {}  # row → the other outcomes that it has

    def code(self, outcome: Outcome) -> int:
        """The number that stands for the outcome."""
        return self._code_of.setdefault(outcome, len(self._code_of))

    def add(self, rows: Int64s, codes: Int64s, times: Int64s) -> None:
        """Count more outcomes; a pair of row and code may stand there more than once."""
        keys, positions = np.unique((rows << CODE_BITS) + codes, return_inverse=True)
        sums = np.zeros(keys.size, np.int64)
        np.add.at(sums, positions, times)
        rows, codes = keys >> CODE_BITS, keys & CODE
        self._reach(int(rows.max(initial=-1)) + 1)
        new, at = np.unique(rows, return_index=True)
        free = self._first[new] < 0
        self._first[new[free]] = codes[at[free]]
        first = self._first[rows] == codes
        self._times[rows[first]] += sums[first]  # each row has one first outcome
        others = zip(rows[~first].tolist(), codes[~first].tolist(), sums[~first].tolist(), strict=True)
        for row, code, count in others:
            known = self._others.setdefault(row, {})
            known[code] = known.get(code, 0) + count

    def of(self, rows: Int64s) -> Counter[Outcome]:
        """The outcomes of some rows together."""
        rows = rows[rows < self._first.size]
        rows = rows[self._first[rows] >= 0]
        totals = np.zeros(len(self._code_of), np.int64)
        np.add.at(totals, self._first[rows], self._times[rows])
        if self._others:
            for row in rows.tolist():
                for code, count in self._others.get(row, {}).items():
                    totals[code] += count
        names = list(self._code_of)
        return Counter({names[code]: int(totals[code]) for code in np.flatnonzero(totals).tolist()})

    def _reach(self, rows: int) -> None:
        if rows > self._first.size:
            more = max(rows, 2 * self._first.size) - self._first.size
            self._first = np.concatenate([self._first, np.full(more, -1, np.int32)])
            self._times = np.concatenate([self._times, np.zeros(more, np.int64)])
