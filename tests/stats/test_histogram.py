"""Buckets are those of HdrHistogram, and adding histograms loses nothing."""

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from toril.stats.histogram import Histogram, bucket_of, buckets_of, highest_us, lowest_us, lowests_of

PEER = HdrHistogram(1, 1 << 52, 3)
values = st.integers(0, (1 << 53) - 1) | st.integers(0, 1 << 24)
samples = st.lists(st.integers(0, 1 << 30), min_size=1, max_size=60)


@given(st.integers(1, 1 << 50) | st.integers(1, 1 << 24))
def test_buckets_are_those_of_hdrhistogram(value):
    bucket = bucket_of(value)

    assert lowest_us(bucket) == PEER.get_lowest_equivalent_value(value)
    assert highest_us(bucket) == PEER.get_highest_equivalent_value(value)


@given(st.lists(values, min_size=1, max_size=50))
def test_many_values_at_once_get_the_same_buckets(some):
    found = buckets_of(np.array(some, np.int64))

    assert found.tolist() == [bucket_of(value) for value in some]
    assert lowests_of(found).tolist() == [lowest_us(bucket) for bucket in found.tolist()]


def test_values_around_powers_of_two_get_exact_buckets():
    edges = [value for power in range(1, 53) for value in ((1 << power) - 1, 1 << power, (1 << power) + 1)]

    assert buckets_of(np.array(edges, np.int64)).tolist() == [bucket_of(value) for value in edges]


@given(values)
def test_a_bucket_is_at_most_a_thousandth_of_its_values_wide(value):
    bucket = bucket_of(value)

    assert lowest_us(bucket) <= value <= highest_us(bucket)
    assert (highest_us(bucket) - lowest_us(bucket)) * 1000 <= value
    assert bucket_of(highest_us(bucket) + 1) == bucket + 1


@given(samples, samples)
def test_adding_histograms_equals_pooling_samples(some, others):
    assert Histogram.of(some) + Histogram.of(others) == Histogram.of(some + others)


@given(samples)
def test_the_bucket_of_a_rank_has_the_sample_of_that_rank(some):
    histogram = Histogram.of(some)

    assert [histogram.bucket_at_rank(rank) for rank in range(1, len(some) + 1)] == [bucket_of(v) for v in sorted(some)]


def test_negative_durations_and_ranks_beyond_the_samples_are_rejected():
    with pytest.raises(ValueError, match="negative"):
        bucket_of(-1)
    with pytest.raises(ValueError, match="negative"):
        Histogram.of([5, -1])
    with pytest.raises(ValueError, match="rank 2"):
        Histogram.of([5]).bucket_at_rank(2)
