"""Which of CloudWatch's periods a load is in."""

from hypothesis import given
from hypothesis import strategies as st

from tests.cloudwatch.asking import NOON
from toril.cloudwatch.calls import recent, span

PERIODS = st.sampled_from([1, 5, 10, 20, 30, 60, 120, 300, 3600])
STARTS = st.floats(0, 2e9, allow_nan=False)
LENGTHS = st.floats(0, 20_000, allow_nan=False)


@given(STARTS, LENGTHS, PERIODS)
def test_the_span_has_exactly_the_periods_that_overlap_the_load(start, length, period_s):
    found, end = span(start, start + length, period_s), start + length
    overlapping = {p for p in range(found.begin - 2 * period_s, found.end + 3 * period_s, period_s)
                   if p < end and p + period_s > start}  # fmt: skip
    assert overlapping <= set(range(found.begin, found.end, period_s))
    assert set(range(found.begin, found.end, period_s)) - overlapping <= {
        found.begin
    }  # the one period of a load that took no time
    assert found.begin % period_s == found.end % period_s == found.needed % period_s == 0
    assert found.begin <= found.needed < found.end


@given(STARTS, LENGTHS, PERIODS)
def test_at_most_a_sixth_of_a_period_of_load_follows_the_needed_one(start, length, period_s):
    found = span(start, start + length, period_s)
    assert start + length - found.needed_end <= period_s / 6 + 1e-6


def test_a_period_with_few_seconds_of_load_is_optional():
    found = span(NOON, NOON + 189, 60)
    assert (found.begin, found.end, found.needed_end) == (NOON, NOON + 240, NOON + 180)
    assert span(NOON, NOON + 191, 60).needed_end == NOON + 240


def test_a_load_within_one_period_needs_that_period():
    assert span(NOON + 5, NOON + 8, 60).needed == NOON


def test_a_short_load_in_two_periods_needs_the_one_with_more_load():
    assert span(NOON + 56, NOON + 62, 60).needed == NOON
    assert span(NOON + 58, NOON + 64, 60).needed == NOON + 60


@given(STARTS, PERIODS)
def test_recent_periods_are_complete(now, period_s):
    found = recent(now, period_s, 7200)
    assert found.end <= now < found.end + period_s
    assert found.begin < found.end
    assert found.begin <= now - min(7200, period_s)
