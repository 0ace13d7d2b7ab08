"""Outcomes by row add up, in whatever portions they come."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from toril.timeline.tables import Outcomes

events = st.tuples(
    st.integers(0, 300), st.sampled_from(["200", "503", "other"]), st.sampled_from(["", "down"]), st.integers(1, 9)
)


@given(st.lists(st.lists(events, min_size=1), max_size=5), st.sets(st.integers(0, 400)))
def test_what_is_counted_is_what_came_in_those_rows(portions, asked):
    outcomes = Outcomes()
    for portion in portions:
        rows, rcs, messages, times = zip(*portion, strict=True)
        codes = [outcomes.code(pair) for pair in zip(rcs, messages, strict=True)]
        outcomes.add(*(np.array(column, np.int64) for column in (rows, codes, times)))
    expected: Counter[tuple[str, str]] = Counter()
    for row, rc, message, times in (event for portion in portions for event in portion):
        expected[rc, message] += times if row in asked else 0
    assert outcomes.of(np.array(sorted(asked), np.int64)) == +expected
