"""Rows are found by series and by second."""

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from toril.timeline.tables import FEW, Rows

pairs = st.lists(
    st.tuples(st.integers(0, 3 * FEW), st.sampled_from([0, 1, 7, 400, (1 << 21) - 1]) | st.integers(0, 90))
)
bounds = st.none() | st.integers(-3, 500)


def columns_of(batch):
    return (
        tuple(np.array(column, np.int64) for column in zip(*batch, strict=True)) if batch else (np.empty(0, int),) * 2
    )


@given(st.lists(pairs, max_size=5), bounds, bounds, st.sets(st.integers(0, 3 * FEW)))
@example([[(0, 1)]], 2, 0, {0})  # a window whose end precedes its start
def test_rows_are_found_by_series_and_second(batches, first, last, wanted):
    rows = Rows()
    known: dict[tuple[int, int], int] = {}
    for batch in batches:
        series, seconds = columns_of(batch)
        for pair, row in zip(batch, rows.of(series, seconds).tolist(), strict=True):
            assert known.setdefault(pair, row) == row
    assert sorted(known.values()) == list(range(rows.count))
    chosen = sorted(wanted, reverse=True)
    which, seconds, found = rows.places(np.array(chosen, np.int64), first, last)
    seen = [
        ((chosen[at], second), row)
        for at, second, row in zip(which.tolist(), seconds.tolist(), found.tolist(), strict=True)
    ]
    low, high = (0 if first is None else first), (1 << 21 if last is None else last)
    assert sorted(seen) == sorted(
        (pair, row) for pair, row in known.items() if pair[0] in wanted and low <= pair[1] <= high
    )
