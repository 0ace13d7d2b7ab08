"""Outcomes by row add up, in portions of any size."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from toril.timeline.tables import Outcomes

events = st.tuples(
    st.integers(0, 300), st.sampled_from(["200", "503", "other"]), st.sampled_from(["", "down"]), st.integers(1, 9)
)


@given(st.lists(st.lists(events, min_size=1), max_size=5), st.sets(st.integers(0, 400)))
def test_outcomes_of_rows_add_up(portions, wanted):
    outcomes = Outcomes()
    for portion in portions:
        rows, rcs, messages, times = zip(*portion, strict=True)
        codes = [outcomes.code(pair) for pair in zip(rcs, messages, strict=True)]
        outcomes.add(*(np.array(column, np.int64) for column in (rows, codes, times)))
    expected: Counter[tuple[str, str]] = Counter()
    for row, rc, message, times in (event for portion in portions for event in portion):
        expected[rc, message] += times if row in wanted else 0
    assert outcomes.of(np.array(sorted(wanted), np.int64)) == +expected
