"""The window of the alarm about forgotten tasks."""

from hypothesis import given
from hypothesis import strategies as st

from infra.workers.alarm import DAY_S, GRACE_S, WEEK_S, window


@given(st.integers(60, WEEK_S - GRACE_S))
def test_the_window_is_longer_than_any_run_and_valid_for_cloudwatch(duration_s):
    found = window(duration_s)
    assert found is not None
    watched_s = found.period_s * found.periods
    assert duration_s + GRACE_S <= watched_s < duration_s + GRACE_S + found.period_s
    assert watched_s <= (DAY_S if found.period_s < 3600 else WEEK_S)


def test_there_is_no_window_for_runs_of_a_week():
    assert window(WEEK_S - GRACE_S + 1) is None
