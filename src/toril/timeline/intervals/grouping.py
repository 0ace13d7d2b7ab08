"""Samples, grouped into cells: what the tables of an interval file hold."""

import numpy as np

from toril.stats.histogram import Int64s, buckets_of, lowests_of
from toril.timeline.intervals.format import BUCKET_BITS, MAX_DURATION_US

# A cell's key in one integer, from the top: second 21, execution 8, label 18, arm 2, block 10, kind 2, steady, ok
EXECUTION_BITS, LABEL_BITS, ARM_BITS, BLOCK_BITS, FLAG_BITS = 8, 18, 2, 10, 4
BLOCK_AT = FLAG_BITS
ARM_AT = BLOCK_AT + BLOCK_BITS
LABEL_AT = ARM_AT + ARM_BITS
EXECUTION_AT = LABEL_AT + LABEL_BITS
SECOND_AT = EXECUTION_AT + EXECUTION_BITS

LOW_12 = (1 << 12) - 1
LOW_20 = (1 << 20) - 1
LOW_32 = (1 << 32) - 1


def grouped(
    cells: Int64s, cell_of: Int64s, response: Int64s, received: Int64s, ttfb: Int64s, connect: Int64s, outcome: Int64s
) -> dict[str, Int64s]:
    """The tables of an interval file; codes and series are still those of the recorder."""
    bucket = buckets_of(response)
    lowest = lowests_of(bucket)
    above = response - lowest
    high, low = _product(above, response + lowest)
    entries, counts = np.unique((cell_of << BUCKET_BITS) + bucket, return_counts=True)
    buckets = entries & ((1 << BUCKET_BITS) - 1)
    outcomes, times = np.unique((cell_of << 32) + outcome, return_counts=True)
    sizes = np.bincount(entries >> BUCKET_BITS, minlength=cells.size)
    ends = np.cumsum(sizes)
    smallest = np.full(cells.size, MAX_DURATION_US, np.int64)
    np.minimum.at(smallest, cell_of, response)
    largest = np.zeros(cells.size, np.int64)
    np.maximum.at(largest, cell_of, response)
    high, low = _sums(cells.size, cell_of, high), _sums(cells.size, cell_of, low)
    table = (
        cells >> SECOND_AT,
        np.zeros(cells.size, np.int64),
        sizes,
        np.bincount(cell_of, minlength=cells.size),
        _sums(cells.size, cell_of, received),
        _sums(cells.size, cell_of, above),
        high + (low >> 32),
        low & LOW_32,
        smallest - lowests_of(buckets[ends - sizes]),
        largest - lowests_of(buckets[ends - 1]),
        _sums(cells.size, cell_of, np.maximum(ttfb, 0)),
        _sums(cells.size, cell_of, (ttfb >= 0).astype(np.int64)),
        _sums(cells.size, cell_of, np.maximum(connect, 0)),
        _sums(cells.size, cell_of, (connect >= 0).astype(np.int64)),
    )
    return {
        "cells": np.stack(table),
        "gaps": np.diff(buckets, prepend=0)[np.newaxis] & 0xFFFF,
        "counts": counts[np.newaxis].astype(np.int64),
        "outcomes": np.stack((outcomes >> 32, (outcomes >> 16) & 0xFFFF, outcomes & 0xFFFF, times)),
    }


def _product(above: Int64s, sum_of_both: Int64s) -> tuple[Int64s, Int64s]:
    """x² − lowest² = (x − lowest)(x + lowest) in two halves, since it may need more than 64 bits."""
    upper, lower = above * (sum_of_both >> 20), above * (sum_of_both & LOW_20)
    low = ((upper & LOW_12) << 20) + lower
    return (upper >> 12) + (low >> 32), low & LOW_32


def _sums(size: int, cell_of: Int64s, values: Int64s) -> Int64s:
    sums = np.zeros(size, np.int64)
    np.add.at(sums, cell_of, values)
    return sums


def series_fields(series: Int64s) -> Int64s:
    """Execution, label, kind, steady, ok, arm, block: a row each."""
    places = (
        (EXECUTION_AT, EXECUTION_BITS),
        (LABEL_AT, LABEL_BITS),
        (2, 2),
        (1, 1),
        (0, 1),
        (ARM_AT, ARM_BITS),
        (BLOCK_AT, BLOCK_BITS),
    )
    return np.stack([(series >> at) & ((1 << bits) - 1) for at, bits in places])
