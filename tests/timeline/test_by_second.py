from hypothesis import given
from hypothesis import strategies as st

from tests.measured import Sample, timeline_of
from toril.timeline import Timeline

SAMPLES = st.lists(
    st.builds(
        Sample,
        second=st.integers(0, 12),
        us=st.one_of(st.integers(0, 3000), st.integers(0, 200_000_000)),
        label=st.sampled_from(["home", "cart"]),
        ok=st.booleans(),
        location=st.sampled_from(["madrid", "sevilla"]),
        steady=st.booleans(),
        bytes=st.integers(0, 5000),
    ),
    min_size=1,
    max_size=60,
)
PERCENTS = (50, 95, 99.9)


@given(SAMPLES)
def test_figures_of_all_seconds_equal_those_of_each_second(samples):
    timeline = timeline_of(samples, workers=2)

    for label in ("", "home"):
        view = timeline.select(label)
        found = view.by_second(15, PERCENTS)
        for second in range(15):
            stats = view.second(second)
            expected = [stats.percentile(percent) if stats.samples else None for percent in PERCENTS]
            assert (found.samples[second], found.failures[second]) == (stats.samples, stats.failures)
            assert found.bytes[second] == stats.bytes
            assert [column[second] for column in found.percentiles_us] == expected


def test_a_timeline_without_samples_has_empty_seconds():
    timeline = Timeline()

    found = timeline.select().by_second(3, (95,))

    assert found.samples.tolist() == [0, 0, 0]
    assert found.percentiles_us[0] == [None, None, None]


@given(SAMPLES)
def test_frozen_rows_are_read_like_others(samples):
    source = timeline_of(samples)
    frozen = timeline_of(samples)
    frozen.labels()
    frozen.table.buckets._freeze_half()
    frozen.table.buckets._additions += 1
    frozen.table.buckets._freeze_half()

    for label in ("", "home"):
        plain = source.select(label).by_second(13, PERCENTS)
        cold = frozen.select(label).by_second(13, PERCENTS)
        assert plain.percentiles_us == cold.percentiles_us


def test_seconds_far_apart_are_found():
    samples = [Sample(second, us=1000 + second) for second in (0, 599, 600, 601, 1799)]
    timeline = timeline_of(samples)

    found = timeline.select().by_second(1900, (50,))

    assert {second: us for second, us in enumerate(found.percentiles_us[0]) if us is not None} == {
        sample.second: timeline.select().second(sample.second).percentile(50) for sample in samples
    }
    assert found.samples.sum() == 5
