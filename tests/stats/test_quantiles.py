"""Intervals of quantiles, compared with sums by the definition."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toril.stats import quantiles as stats
from toril.stats.histogram import Histogram
from toril.stats.quantiles import quantile_interval, quantile_ranks, rank_of


def at_most(count, samples, share):
    """Returns P(B <= count)."""
    return math.fsum(math.comb(samples, k) * share**k * (1 - share) ** (samples - k) for k in range(count + 1))


@given(st.integers(1, 150), st.sampled_from([50.0, 75.0, 90.0, 95.0, 99.0, 99.9]))
def test_ranks_are_the_tightest_that_the_binomial_allows(samples, percent):
    share = percent / 100
    lower, upper = quantile_ranks(percent, samples)

    lowers = [rank for rank in range(1, samples + 1) if at_most(rank - 1, samples, share) <= 0.025]
    uppers = [rank for rank in range(1, samples + 1) if 1 - at_most(rank - 1, samples, share) <= 0.025]
    assert lower == max(lowers, default=None)
    assert upper == min(uppers, default=None)


def test_a_textbook_interval_of_the_median():
    assert quantile_ranks(50.0, 10) == (2, 9)


@pytest.mark.parametrize(("percent", "samples"), [(95.0, 72), (99.0, 368), (99.9, 3688)])
def test_too_few_samples_leave_the_interval_open_above(percent, samples):
    assert quantile_ranks(percent, samples)[1] == samples
    assert quantile_ranks(percent, samples - 1)[1] is None


def test_no_samples_give_no_interval():
    assert quantile_ranks(95.0, 0) == (None, None)
    assert quantile_interval(Histogram(), 95.0) == (None, None)


@pytest.mark.parametrize("percent", [50.0, 95.0, 99.9, 99.99])
def test_the_normal_approximation_continues_the_exact_interval(percent, monkeypatch):
    """The normal approximation is never tighter than the exact interval, and at most a few ranks wider."""
    share = percent / 100
    samples = int(100_001 / (share * (1 - share)))
    wide: Any = quantile_ranks(percent, samples)
    monkeypatch.setattr(stats, "EXACT_VARIANCE", math.inf)
    exact: Any = quantile_ranks.__wrapped__(percent, samples)

    assert 0 <= exact[0] - wide[0] <= 4
    assert 0 <= wide[1] - exact[1] <= 4


def test_an_interval_spans_whole_buckets():
    histogram = Histogram.of([100_000 + 1000 * n for n in range(100)])
    low, high = quantile_interval(histogram, 50.0)

    assert low is not None and high is not None
    assert low <= 100_000 + 1000 * 39 and high >= 100_000 + 1000 * 60


def test_an_interval_includes_what_a_coarser_record_cuts_off():
    low, high = quantile_interval(Histogram.of([7000] * 1000), 50.0, resolution_us=1000)
    assert low is not None and high is not None
    assert low <= 7000 and high >= 7999


@pytest.mark.parametrize(
    ("percent", "samples", "rank"),
    [(99.9, 1000, 999), (99.9, 41_000, 40_959), (95, 100, 95), (95, 101, 96), (0, 10, 1), (100, 10, 10)],
)
def test_nearest_ranks_are_exact(percent, samples, rank):
    assert rank_of(percent, samples) == rank


def test_a_percentile_above_100_is_rejected():
    with pytest.raises(ValueError, match="within 0 … 100"):
        rank_of(101, 5)
