"""Each generator's health by second."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toril.timeline import Timeline, longest_run
from toril.timeline.intervals import Recorder, decode


def timeline_of(*recorders: Recorder) -> Timeline:
    timeline = Timeline()
    for recorder in recorders:
        timeline.add(decode(recorder.flush() or b"", recorder.worker))
    return timeline


def test_a_health_series_has_each_reported_second_and_marks_unmeasured_figures() -> None:
    recorder = Recorder("w", "here")
    recorder.health(1, 0.5, 0.75, 1000, 0.0, waiting=0.25, sockets=3)
    recorder.sends(4, late_us=70, late_p90_us=60, dropped=None)
    found = timeline_of(recorder).health_series("w")

    assert found.worker == "w"
    assert found.second.tolist() == [1, 4]
    for name, values in {
        "cpu": [0.5, np.nan],
        "core": [0.75, np.nan],
        "waiting": [0.25, np.nan],
        "machine": [np.nan, np.nan],
        "throttled": [np.nan, np.nan],
        "memory_bytes": [1000, -1],
        "sockets": [3, -1],
        "late_us": [-1, 70],
        "late_p90_us": [-1, 60],
        "dropped": [-1, -1],
    }.items():
        assert np.allclose(getattr(found, name), np.array(values), equal_nan=True), name


def test_health_workers_are_sorted_and_exclude_silent_ones() -> None:
    recorders = [Recorder(name, "here") for name in ("b", "a", "silent")]
    for recorder in recorders[:2]:
        recorder.health(0, 0.1, 0.1, 1, 0.0)
    recorders[2].virtual_users(0, "shop", 1)
    timeline = timeline_of(*recorders)
    assert timeline.health_workers() == ("a", "b")
    with pytest.raises(KeyError):
        timeline.health_series("silent")


def test_an_engine_with_many_threads_has_no_core_figure() -> None:
    one, many = Recorder("one", "here"), Recorder("many", "here")
    many.generator(single_threaded=False, memory_limit_bytes=5)
    for recorder in (one, many):
        recorder.health(0, 0.2, 0.3, 1, 0.0)
    timeline = timeline_of(one, many)
    assert timeline.health_series("one").core.tolist() == pytest.approx([0.3])
    assert np.isnan(timeline.health_series("many").core).all()
    assert timeline.health_series("many").facts["memory_limit_bytes"] == 5
    assert timeline.health_series("one").facts == {}


@given(st.permutations(range(6)), st.booleans())
def test_the_order_of_files_does_not_matter(order: list[int], at_once: bool) -> None:
    files = []
    recorder = Recorder("w", "here")
    for second in range(6):
        recorder.health(second, second / 10, 0.1, second, 0.0, waiting=second / 20)
        recorder.sends(second // 2, late_us=100 - second, late_p90_us=second, dropped=second)
        files.append(recorder.flush() or b"")
    timeline = Timeline()
    for number in order:
        timeline.add(decode(files[number], "w"))
        if not at_once:
            timeline.health_workers()  # merges the waiting intervals
    found = timeline.health_series("w")
    assert found.second.tolist() == [0, 1, 2, 3, 4, 5]
    assert found.dropped.tolist() == [0 + 1, 2 + 3, 4 + 5, -1, -1, -1]
    assert found.late_us.tolist() == [100, 98, 96, -1, -1, -1]
    assert found.late_p90_us.tolist() == [1, 3, 5, -1, -1, -1]
    np.testing.assert_allclose(found.waiting, [0, 0.05, 0.1, 0.15, 0.2, 0.25], atol=1e-6)


@pytest.mark.parametrize(
    ("second", "high", "expected"),
    [
        ([], [], (0, None)),
        ([0, 1, 2], [False, False, False], (0, None)),
        ([0, 1, 2], [False, True, True], (2, 1)),
        ([4, 5, 6], [True, True, False], (2, 4)),
        ([1, 3, 5, 7], [False, True, True, False], (4, 2)),  # a reading covers the time since the previous one
        ([0, 1, 2, 3, 4, 5], [True, False, True, True, False, True], (2, 2)),
        ([0, 9], [False, True], (9, 1)),
    ],
)
def test_longest_run_returns_length_and_first_second(
    second: list[int], high: list[bool], expected: tuple[int, int | None]
) -> None:
    assert longest_run(np.array(second, np.int64), np.array(high, np.bool_)) == expected
