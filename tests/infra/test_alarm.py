"""The window of the alarm about forgotten tasks."""

from hypothesis import given
from hypothesis import strategies as st

from infra.workers.alarm import DAY_S, GRACE_S, WEEK_S, window

LONGEST_S = WEEK_S - 3600 - GRACE_S


@given(st.integers(60, LONGEST_S))
def test_the_window_is_longer_than_any_run_and_valid_for_cloudwatch(duration_s):
    found = window(duration_s)
    assert found is not None
    needed_s = found.period_s * found.datapoints
    assert duration_s + GRACE_S <= needed_s < duration_s + GRACE_S + found.period_s
    assert found.period_s * found.periods <= (DAY_S if found.period_s < 3600 else WEEK_S)


@given(st.integers(60, LONGEST_S))
def test_the_alarm_fires_without_the_newest_period_whose_metric_may_be_late(duration_s):
    found = window(duration_s)
    assert found is not None
    assert found.datapoints == found.periods - 1


def test_there_is_no_window_for_runs_of_a_week():
    assert window(LONGEST_S + 1) is None
