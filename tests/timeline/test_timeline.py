"""Merged workers equal one big worker, for any order and split of the samples."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.measured import Sample, every_second, timeline_of
from tests.tiers import examples
from toril.criteria import parse_criterion
from toril.stats.histogram import bucket_of, highest_us, lowest_us
from toril.stats.quantiles import rank_of
from toril.timeline import Timeline
from toril.timeline.intervals import Recorder, decode

PERCENTS = (50.0, 90.0, 95.0, 99.0, 99.9)

sample_lists = st.lists(
    st.builds(
        Sample,
        second=st.integers(0, 12),
        us=st.integers(0, 3000) | st.integers(0, 1 << 33),
        label=st.sampled_from(["home", "cart", "buy"]),
        ok=st.booleans(),
        rc=st.sampled_from(["200", "500"]),
        execution=st.sampled_from(["shop", "admin"]),
        location=st.just("local"),
        steady=st.booleans(),
        kind=st.just("request"),
        bytes=st.integers(0, 1000),
        ttfb_us=st.integers(-1, 500),
        connect_us=st.integers(-1, 500),
    ),
    min_size=1,
    max_size=60,
)


def written(recorder):
    """Returns the interval of all records of the recorder."""
    data = recorder.flush()
    assert data is not None
    return decode(data, recorder.worker)


def record(recorder, sample):
    recorder.add_one(
        sample.execution,
        completed_s=sample.second + 0.25,
        label=sample.label,
        response_us=sample.us,
        ok=sample.ok,
        steady=sample.steady,
        kind=sample.kind,
        rc=sample.rc,
        message=f"broke {sample.rc}",
        ttfb_us=sample.ttfb_us,
        connect_us=sample.connect_us,
        bytes=sample.bytes,
    )


def figures(stats):
    return (
        stats.samples,
        stats.failures,
        stats.bytes,
        stats.response,
        stats.min_us,
        stats.max_us,
        stats.sum_us,
        stats.sum_sq,
        (stats.ttfb_sum_us, stats.ttfb_count, stats.connect_sum_us, stats.connect_count),
        stats.rc,
        stats.errors,
    )


def everything(timeline):
    """Returns all figures of a timeline."""
    found = {}
    for label, execution, steady in itertools.product(
        ("", *timeline.labels()), ((), *((name,) for name in timeline.executions())), (None, True, False)
    ):
        view = timeline.select(label, execution, steady=steady)
        found[label, execution, steady] = [figures(view.total), *(figures(view.second(s)) for s in view.seconds)]
    return found


@examples(60)
@given(sample_lists, st.data())
def test_merging_the_workers_equals_one_big_worker(samples, data):
    whole = Timeline()
    one = Recorder("one", "local")
    recorders = [Recorder(f"w{number}", "local") for number in range(4)]
    files = []
    for sample in samples:
        record(one, sample)
        recorder = data.draw(st.sampled_from(recorders))
        record(recorder, sample)
        if data.draw(st.booleans()):
            files.append(recorder.flush())
    files += [recorder.flush() for recorder in recorders]
    whole.add(written(one))
    parts = Timeline(hot_blocks=8)  # so that rows freeze and thaw
    for file in data.draw(st.permutations([file for file in files if file is not None])):
        parts.add(decode(file, "part"))
        if data.draw(st.booleans()):
            parts.labels()  # merges the waiting intervals

    assert everything(parts) == everything(whole)


@examples(60)
@given(sample_lists)
def test_figures_are_those_of_the_pooled_samples(samples):
    timeline = Timeline()
    recorder = Recorder("one", "local")
    for sample in samples:
        record(recorder, sample)
    timeline.add(written(recorder))

    for label in ("", "home"):
        pool = [sample for sample in samples if label in ("", sample.label)]
        stats = timeline.select(label).total
        times = sorted(sample.us for sample in pool)
        assert (stats.samples, stats.failures) == (len(pool), sum(not sample.ok for sample in pool))
        assert stats.sum_us == sum(times) and stats.sum_sq == sum(value**2 for value in times)
        assert sum(stats.errors.values()) == stats.failures
        assert all(stats.rc[rc] == sum(sample.rc == rc for sample in pool) for rc in ("200", "500"))
        assert stats.ttfb_count == sum(sample.ttfb_us >= 0 for sample in pool)
        if times:
            mean = sum(times) / len(times)
            assert stats.mean_us == mean
            variance = sum((value - mean) ** 2 for value in times) / len(times)
            assert stats.stdev_us == pytest.approx(math.sqrt(variance), rel=1e-6, abs=1e-3)
            for percent in PERCENTS:
                true = times[rank_of(percent, len(times)) - 1]
                assert true <= stats.percentile(percent) <= true * 1.001
                assert stats.percentile(percent) == min(highest_us(bucket_of(true)), times[-1])


def pages(case):
    """Returns the response times in µs of each worker, in a closed model (slow workers send fewer requests)."""
    chance = np.random.default_rng(2024)

    def task(median_s, users=20, seconds=120, spread=0.35):
        mean = median_s * math.exp(spread**2 / 2)
        return (median_s * chance.lognormal(0, spread, int(users * seconds / mean)) * 1e6).astype(np.int64)

    match case:
        case "A":  # ten equal workers
            return [task(0.2) for _ in range(10)]
        case "B":  # five near, five far
            return [task(0.1 if number < 5 else 0.6) for number in range(10)]
        case "C":  # one of ten slow
            return [task(0.15 if number else 3.0) for number in range(10)]
        case _:  # one of twenty has a fifth of its responses at 10 s
            tasks = [task(0.1) for _ in range(20)]
            tasks[0] = tasks[0][: len(tasks[0]) // 4]
            tasks[0][::5] = 10_000_000
            return tasks


@pytest.mark.parametrize("case", ["A", "B", "C", "D"])
def test_percentiles_are_those_of_the_pooled_samples_unlike_averages(case, capsys):
    """The table of docs/explanation/accuracy.md; `pytest -s` prints it."""
    workers = pages(case)
    timeline = Timeline()
    for number, times in enumerate(workers):
        recorder = Recorder(f"w{number}", "local")
        recorder.add_many(
            "shop",
            {
                "completed_s": np.linspace(0, 60, times.size),
                "label": "home",
                "ok": True,
                "steady": True,
                "response_us": times,
            }
            | {"label": np.full(times.size, recorder.code("label", "home"))},
        )
        timeline.add(written(recorder))
    pool = np.sort(np.concatenate(workers))
    total = timeline.select().total
    averaged_wrongly = []
    for percent in (*PERCENTS, 100.0):
        true = int(pool[rank_of(percent, pool.size) - 1])
        averaged = np.mean([np.sort(times)[rank_of(percent, times.size) - 1] for times in workers])
        ours = total.percentile(percent)
        print(  # noqa: T201  # the table in the documentation
            f"| {case} | p{percent:g} | {true / 1e6:.3f} s | {100 * (ours / true - 1):+.2f} % "
            f"| {100 * (averaged / true - 1):+.0f} % |"
        )
        averaged_wrongly.append(abs(averaged / true - 1))
        assert true <= ours <= true * 1.001

    assert max(averaged_wrongly) > (0.1 if case == "A" else 0.5)
    assert total.max_us == pool[-1] and total.min_us == pool[0]


def test_the_histogram_of_all_labels_is_their_sum():
    samples = [Sample(second, us=1000 * second + 7, label=label) for second in range(9) for label in ("a", "b")]
    timeline = timeline_of(samples, workers=3)

    assert timeline.select("a").total.response + timeline.select("b").total.response == timeline.select().total.response
    assert lowest_us(int(timeline.select().second(8).response.buckets[0])) <= 8007


def test_all_requests_exclude_timings():
    timeline = timeline_of([Sample(0, us=900), Sample(0, us=100, label="home (LCP)", kind="timing")])

    assert (timeline.select().total.samples, timeline.select().total.max_us) == (1, 900)
    assert (timeline.kind_of("home (LCP)"), timeline.select("home (LCP)").total.max_us) == ("timing", 100)
    assert timeline.select(kind="transaction").total.samples == 0


def test_all_requests_exclude_transactions():
    timeline = timeline_of(
        [Sample(0), Sample(0, label="buy", kind="transaction"), Sample(1, label="buy", kind="transaction")]
    )

    assert timeline.select().total.samples == 1
    assert timeline.select("buy").total.samples == 2
    assert timeline.select(kind="transaction").seconds == [0, 1]
    assert (timeline.kind_of("buy"), timeline.kind_of("home"), timeline.kind_of("nothing")) == (
        "transaction",
        "request",
        "request",
    )


def test_a_slice_includes_intervals_merged_later():
    timeline = timeline_of([Sample(0)])
    view = timeline.select("home", location="local")
    assert view.total.samples == 1

    recorder = Recorder("late", "local")
    record(recorder, Sample(700, steady=False))
    timeline.add(written(recorder))
    assert view.total.samples == 2
    assert view.seconds == [0, 700]


def test_windows_include_both_ends():
    timeline = timeline_of(every_second(range(10)))
    view = timeline.select()

    assert view.window(2, 4).samples == 3
    assert view.window(8, 50).samples == 2
    assert view.window(-5, 0).samples == 1
    assert view.second(11).samples == 0
    with pytest.raises(ValueError, match="no samples"):
        view.second(11).percentile(50)


def test_a_label_without_samples_is_empty():
    timeline = timeline_of([Sample(0)])

    assert timeline.select("nothing").total.samples == 0
    assert timeline.select(location="mars").seconds == []
    assert Timeline().select().total.samples == 0


def test_a_timeline_lists_its_workers_and_locations():
    timeline = timeline_of([Sample(4, location="b"), Sample(2, location="a", execution="x")])

    assert timeline.locations() == ("a", "b")
    assert timeline.executions() == ("shop", "x")
    assert [timeline.last_second_of(worker) for worker in ("a-1", "b-1", "c-1")] == [2, 4, None]
    assert timeline.last_second == 4


def test_the_last_second_of_a_worker_is_that_of_its_latest_file_in_any_order():
    recorder, files = Recorder("w", "local"), []
    for second in (0, 1):
        record(recorder, Sample(second))
        files.append(written(recorder))
    timeline = Timeline()
    for file in reversed(files):
        timeline.add(file)
    assert timeline.last_second_of("w") == 1


def users(*reports, worker="w", location="local", end=None, flush_after=()):
    """Returns interval files with reports of (second, execution, count); `end` is the last second with health."""
    recorder = Recorder(worker, location)
    files = []
    for number, report in enumerate(reports):
        recorder.virtual_users(*report)
        if number in flush_after:
            files.append(recorder.flush())
    if end is not None:
        recorder.health(end, 0.1, 0.1, 1, 0)
    return [decode(file, worker) for file in [*files, recorder.flush()] if file]


def test_virtual_users_are_summed_and_carried_forward_until_the_worker_ends():
    timeline = Timeline()
    for interval in (
        *users((0, "shop", 2), (3, "shop", 5), (1, "admin", 1), worker="a", end=40),
        *users((2, "shop", 10), worker="b", location="far", end=5),
    ):
        timeline.add(interval)
    view = timeline.select()

    expected = {0: 2, 1: 3, 2: 13, 3: 16, 5: 16, 6: 6, 40: 6, 41: 0}
    assert {second: view.virtual_users(second) for second in expected} == expected
    assert [view.virtual_users_curve(60)[second] for second in expected] == list(expected.values())
    assert timeline.select(executions=("shop",)).virtual_users(40) == 5
    assert timeline.select(location="far").virtual_users(3) == 10


def test_the_later_file_of_two_reports_for_a_second_counts_in_any_order():
    files = users((1, "shop", 9), (1, "shop", 4), end=3, flush_after=(0,))
    for order in (files, files[::-1]):
        timeline = Timeline()
        for interval in order:
            timeline.add(interval)
        assert timeline.select().virtual_users(1) == 4


def test_unfinished_requests_count_in_their_label_and_in_all_requests():
    recorder = Recorder("w", "local")
    record(recorder, Sample(0))
    recorder.unfinished(9, "shop", "home", 2)
    recorder.unfinished(9, "shop", "", 1)
    timeline = Timeline()
    timeline.add(written(recorder))

    assert timeline.select().total.unfinished == 3
    assert timeline.select("home").total.unfinished == 2
    assert timeline.select("home").second(0).unfinished == 0
    assert timeline.select(executions=("admin",)).total.unfinished == 0
    assert timeline.select(kind="transaction").total.unfinished == 0


def test_resolution_and_unreadable_records_are_kept():
    timeline = Timeline()
    for worker, us in (("a", 1), ("b", 1000)):
        recorder = Recorder(worker, "local")
        recorder.resolution("shop", us)
        recorder.unreadable(2)
        timeline.add(written(recorder))
    timeline.labels()
    assert timeline.resolution_us == {"shop": 1000}
    assert timeline.unreadable == 4


def test_labels_with_different_tokens_are_one_label_across_workers_and_are_found_as_written():
    timeline, written_as = Timeline(), ["/again/qW7rT2yU9iO4pA6sD1fG3hJ8kL", "/again/ghp_" + "a1" * 18, "/again/***"]
    for number, label in enumerate(written_as):
        recorder = Recorder(f"w{number}", "local")
        recorder.add_one("shop", completed_s=1.0, label=label, response_us=1000)
        timeline.add(written(recorder))
    assert [one for one in timeline.labels() if one] == ["/again/***"]
    assert [timeline.select(one).total.samples for one in written_as] == [3, 3, 3]
    assert [parse_criterion(f"hits of {one}<5", "suite.yml").label for one in written_as] == ["/again/***"] * 3


def measured_timeline():
    recorder = Recorder("w", "eu")
    for value in (900, 700):
        recorder.add_one("shop", completed_s=0.5, label="buy", response_us=value)
        recorder.add_one("shop", completed_s=0.5, label="buy{tenant=big}", response_us=value, kind="tagged")
    recorder.add_one("shop", completed_s=0.5, label="home{tenant=big}", response_us=100, kind="tagged", ok=False)
    recorder.add_one("shop", completed_s=0.5, label="buy", response_us=0, kind="check", ok=False)
    recorder.add_one("shop", completed_s=0.5, label="items", response_us=3000, kind="trend")
    recorder.add_one("shop", completed_s=0.5, label="buy", response_us=9, kind="transaction")
    timeline = Timeline()
    timeline.add(written(recorder))
    return timeline


def test_what_scripts_measure_is_no_request_and_has_no_label_of_requests():
    timeline = measured_timeline()

    assert timeline.labels() == ("buy",)
    assert timeline.sizes_of_labels() == {"buy": 3}
    assert (timeline.select().total.samples, timeline.select("buy").total.failures) == (2, 0)
    assert (timeline.kind_of("buy"), timeline.kind_of("items")) == ("request", "request")
    assert not timeline.select("items").total.samples
    assert timeline.select("buy", kind="check").total.failures == 1
    assert {kind: timeline.measured(kind) for kind in ("check", "trend", "rate")} == {
        "check": ("buy",),
        "trend": ("items",),
        "rate": (),
    }


def test_requests_with_a_tag_are_selected_by_label_and_in_total():
    timeline = measured_timeline()

    assert timeline.kind_of("buy{tenant=big}") == timeline.kind_of("{tenant=big}") == "tagged"
    assert (timeline.select("buy{tenant=big}").total.samples, timeline.select("{tenant=big}").total.samples) == (2, 3)
    assert timeline.select("{tenant=big}").total.failures == 1
    assert not timeline.select("{tenant=small}").total.samples
