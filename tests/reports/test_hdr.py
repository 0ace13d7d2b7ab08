"""The HdrHistogram log and the percentile distribution, read by other implementations."""

import base64
import random
import re
import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from hypothesis import given
from hypothesis import strategies as st

from tests.measured import START, Sample
from tests.reports import java
from tests.reports.exports import SAMPLES, TEXTS, counted, exported, judged, run_of
from toril.reports import Bundle
from toril.reports.exports.hdr import levels, tag
from toril.stats.histogram import Histogram, bucket_of, highest_us

HOUR_US = 3_600_000_000
LINE = re.compile(r"(?:Tag=(.*?),)?([0-9]+)\.000,1\.000,([0-9]+\.[0-9]{3}),(HISTFAAAA[A-Za-z0-9+/=]+)")


def intervals(bundle: Bundle) -> Iterator[tuple[str | None, int, float, Any]]:
    """Returns tag, second, maximum in ms and histogram of each line."""
    for line in exported("hdr", bundle).decode().split("\n")[5:-1]:
        found = LINE.fullmatch(line)
        assert found, line
        yield found[1], int(found[2]), float(found[3]), HdrHistogram.decode(found[4])


def counts(histogram: Any, values: set[int]) -> dict[int, int]:
    """Returns the number of samples that the library finds at each value, and at no others."""
    found = {bucket_of(us): histogram.get_count_at_value(us) for us in values}
    assert sum(found.values()) == histogram.get_total_count()
    return found


@given(SAMPLES, st.booleans())
def test_each_judged_request_is_counted_once_in_the_total_of_its_second(samples, ramp_up_exclude):
    requests = [sample for sample in judged(samples, ramp_up_exclude) if sample.kind == "request"]
    run = run_of(samples, ramp_up_exclude=ramp_up_exclude)

    read = {second: histogram for name, second, _, histogram in intervals(run) if name is None}

    assert read.keys() == {sample.second for sample in requests}
    for second, histogram in read.items():
        times = [sample.us for sample in requests if sample.second == second]
        assert counts(histogram, set(times)) == Counter(map(bucket_of, times))
    assert sum(histogram.get_total_count() for histogram in read.values()) == run.summary.total.samples


@given(SAMPLES, st.booleans())
def test_every_label_has_its_own_histograms(samples, ramp_up_exclude):
    run = run_of(samples, ramp_up_exclude=ramp_up_exclude)

    read = counted(
        (unquote(name, errors="surrogatepass"), h.get_total_count()) for name, _, _, h in intervals(run) if name
    )

    assert read == {name: figures.samples for name, figures in run.summary.labels.items() if name}


@given(SAMPLES)
def test_the_column_of_maxima_is_exact(samples):
    longest: dict[int, int] = {}
    for sample in samples:
        if sample.kind == "request":
            longest[sample.second] = max(longest.get(sample.second, 0), sample.us)

    found = {second: maximum for name, second, maximum, _ in intervals(run_of(samples)) if name is None}

    assert found == {second: us / 1000 for second, us in longest.items()}


@given(TEXTS, TEXTS)
def test_a_tag_is_valid_and_unique_to_its_label(one, other):
    assert not re.search(r"[\s,\x00-\x1f\x7f]", tag(one))
    assert tag(one).encode()
    assert unquote(tag(one), errors="surrogatepass") == one
    assert (tag(one) == tag(other)) == (one == other)


def test_the_library_reads_the_log_with_its_times_and_tags(tmp_path):
    log = tmp_path / "run.hlog"
    log.write_bytes(exported("hdr", run_of([Sample(0, 5_000), Sample(2, 7_000), Sample(2, 9_000, "a b")])))
    reader = HistogramLogReader(str(log), HdrHistogram(1, HOUR_US, 3))

    found = []
    with reader.input_file:
        while (one := reader.get_next_interval_histogram()) is not None:
            found.append((one.get_tag(), one.get_start_time_stamp(), one.get_end_time_stamp(), one.get_total_count()))

    start = START * 1000
    assert found == [
        (None, start, start + 1000, 1),
        ("home", start, start + 1000, 1),
        (None, start + 2000, start + 3000, 2),
        ("a%20b", start + 2000, start + 3000, 1),
        ("home", start + 2000, start + 3000, 1),
    ]


def test_the_head_has_version_start_and_units():
    head = exported("hdr", run_of([Sample(0)], ramp_up_exclude=True)).decode().splitlines()[:5]

    assert head[0] == "#[Logged by toril 0: judged samples (of the steady state) of run 20261124T150405Z-shop-0a1b]"
    assert head[1:] == [
        "#[Values are response times in microseconds; Interval_Max is in milliseconds]",
        "#[Histogram log format version 1.3]",
        "#[StartTime: 1700000000.000 (seconds since epoch), Tue Nov 14 22:13:20 UTC 2023]",
        '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"',
    ]


@pytest.mark.parametrize(("longest_us", "range_us"), [(1, HOUR_US), (HOUR_US, HOUR_US), (HOUR_US + 1, (1 << 40) - 1)])
def test_histograms_share_one_range_unless_values_are_larger(longest_us, range_us):
    ranges = {
        struct.unpack_from(">Q", zlib.decompress(base64.b64decode(line.rsplit(",", 1)[1])[8:]), 24)[0]
        for line in exported("hdr", run_of([Sample(0, 5), Sample(1, longest_us)])).decode().splitlines()[5:]
    }

    assert ranges == {range_us}


@given(st.lists(st.integers(0, (1 << 40) - 1), min_size=1))
def test_the_last_level_of_a_distribution_is_100_percent_and_levels_rise(values):
    histogram = Histogram.of(values)

    found = list(levels(histogram))

    assert found[-1] == (100.0, int(histogram.buckets[-1]), len(values))
    assert found == sorted(found)
    for percent, bucket, upto in found:
        assert upto == sum(value <= highest_us(bucket) for value in values)
        assert 100 * upto >= percent * len(values)


def test_a_distribution_ends_at_the_exact_maximum_and_its_mean_and_deviation_are_exact():
    lines = exported("hgrm", run_of([Sample(0, us) for us in (1_000, 1_234_567)])).decode().splitlines()

    assert lines[-5:-2] == [
        "    1234.567 0.550000000000          2           2.22",
        "    1234.567 1.000000000000          2",
        "#[Mean    =      617.784, StdDeviation   =      616.784]",
    ]
    assert lines[-2] == "#[Max     =     1234.567, Total count    =            2]"


def test_a_run_without_requests_has_an_empty_distribution():
    lines = exported("hgrm", run_of([])).decode().splitlines()

    assert lines[:2] == ["       Value     Percentile TotalCount 1/(1-Percentile)", ""]
    assert lines[2] == "#[Mean    =        0.000, StdDeviation   =        0.000]"
    assert len(lines) == 5


def many() -> list[Sample]:
    """Returns some thousands of samples, from 0 to more than an hour."""
    chance = random.Random(7)
    labels = ["home", "GET /cart, all", "größe=1", '"']
    found = [
        Sample(chance.randrange(60), int(chance.lognormvariate(10, 1.5)), chance.choice(labels), chance.random() > 0.1)
        for _ in range(3000)
    ]
    return [*found, Sample(0, 0), Sample(1, 1), Sample(59, 2 * HOUR_US, '"')]


@pytest.mark.live
@pytest.mark.nightly  # downloads a jar
def test_java_computes_the_same_distribution_from_the_log(tmp_path):
    run = run_of(many())
    log = tmp_path / "run.hlog"
    log.write_bytes(exported("hdr", run))
    longest = f"{2 * HOUR_US / 1000:12.3f}"

    ours, theirs = exported("hgrm", run).decode().splitlines(), java.distribution(log)

    assert len(ours) > 60
    ends = f"{highest_us(bucket_of(2 * HOUR_US)) / 1000:12.3f}"  # Java's maximum is the end of the bucket
    assert [line.replace(longest, ends) for line in ours[:-3]] == theirs[:-3]
    assert [line.replace(longest, ends) for line in ours[-2:]] == theirs[-2:]
    mean, stdev = (float(text) for text in re.findall(r"[0-9]+\.[0-9]{3}", ours[-3]))
    their_mean, their_stdev = (float(text) for text in re.findall(r"[0-9]+\.[0-9]{3}", theirs[-3]))
    assert their_mean == pytest.approx(mean, rel=1e-3)  # Java uses the middle of each bucket
    assert their_stdev == pytest.approx(stdev, rel=1e-3)


@pytest.mark.live
@pytest.mark.nightly
@pytest.mark.parametrize("label", ["GET /cart, all", "größe=1", '"'])
def test_java_finds_each_label_in_the_log(tmp_path, label):
    samples = many()
    log = tmp_path / "run.hlog"
    log.write_bytes(exported("hdr", run_of(samples)))
    alone = exported("hgrm", run_of([replace(one, label="x") for one in samples if one.label == label])).decode()

    theirs = java.distribution(log, tag(label))

    columns = [line.split()[1:3] for line in alone.splitlines()[2:-3]]
    assert [line.split()[1:3] for line in theirs[2:-3]] == columns
    assert f"Total count    = {sum(one.label == label for one in samples):12d}" in theirs[-2]
