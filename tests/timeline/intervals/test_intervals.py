"""Interval files are read back as written, or rejected as a whole."""

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.refusals import refused
from toril.errors import StoreError
from toril.timeline import Timeline
from toril.timeline.intervals import KINDS, OTHER, Recorder, acceptable, decode, label_of, tagged_label
from toril.timeline.intervals.format import HEAD


def columns(count=3, **changes):
    """Returns columns of samples that completed at 0.5 s, 1.5 s …"""
    return {
        "completed_s": np.arange(count) + 0.5,
        "label": ["home"] * count,
        "ok": np.ones(count, bool),
        "steady": True,
        "rc": "200",
        "response_us": np.arange(1, count + 1) * 1000,
    } | changes


def recorder_with_everything():
    recorder = Recorder("eu-1", "eu")
    recorder.add_many("shop", columns(3, ttfb_us=np.array([1, -1, 3]), bytes=np.array([10, 20, 30])))
    recorder.add_one(
        "shop", completed_s=1.0, label="buy", kind="transaction", response_us=7, ok=False, rc="500", message="no"
    )
    recorder.virtual_users(0, "shop", 4)
    recorder.virtual_users(0, "shop", 5)
    recorder.unfinished(2, "shop", "home", 2)
    recorder.health(1, 0.25, 0.5, 1000, 0.125)
    recorder.resolution("shop", 1000)
    recorder.unreadable(3)
    return recorder


def written(recorder):
    data = recorder.flush()
    assert data is not None
    return data


WHOLE = written(recorder_with_everything())


def merged(*recorders):
    timeline = Timeline()
    for recorder in recorders:
        timeline.add(decode(written(recorder), recorder.worker))
    return timeline


def test_the_file_has_all_recorded_data():
    interval = decode(WHOLE, "intervals-000001")

    assert (interval.worker, interval.location, interval.number) == ("eu-1", "eu", 1)
    assert (interval.samples, interval.last_second, interval.unreadable) == (4, 2, 3)
    assert [(s.label, s.kind, s.steady, s.ok) for s in interval.series] == [
        ("home", "request", True, True),
        ("buy", "transaction", True, False),
    ]
    assert interval.users.tolist() == [[0], [0], [5]]
    assert interval.unfinished.T.tolist() == [[2, 0, interval.labels.index("home"), 2]]
    assert interval.health.T.tolist() == [[1, 2500, 5000, 1000, 125_000]]
    assert interval.resolution_us == {"shop": 1000}
    assert sorted(zip(interval.rcs, interval.messages, strict=True)) == [("200", ""), ("500", "no")]


def test_a_flush_holds_the_records_since_the_last_one():
    recorder = recorder_with_everything()
    recorder.flush()

    assert recorder.flush() is None
    recorder.add_many("shop", columns(1))
    again = decode(written(recorder), "x")
    assert (again.number, again.samples, again.unreadable, again.users.size) == (2, 1, 0, 0)
    assert again.resolution_us == {"shop": 1000}
    assert recorder.samples == 5


@given(st.data())
def test_any_changed_byte_is_noticed(data):
    place = data.draw(st.integers(0, len(WHOLE) - 1))
    change = data.draw(st.integers(1, 255))
    damaged = bytearray(WHOLE)
    damaged[place] ^= change

    with refused("damaged-file", "intervals-000007", error=StoreError):
        decode(bytes(damaged), "intervals-000007")


@given(st.integers(0, len(WHOLE) - 1))
def test_any_truncation_is_noticed(length):
    with refused("damaged-file", "intervals-000007", error=StoreError):
        decode(WHOLE[:length], "intervals-000007")


@given(st.binary(max_size=200))
def test_other_bytes_are_rejected(data):
    for found in (data, WHOLE + data + b"x", HEAD.pack(b"torili", 1, len(data), 100, 0) + data):
        with refused("damaged-file", error=StoreError):
            decode(found, "x")


def test_a_file_with_timings_has_its_own_version_and_is_read_back():
    recorder = Recorder("eu-1", "eu")
    recorder.add_one("shop", completed_s=0.5, label="open", response_us=900)
    plain = written(recorder)
    recorder.add_one("shop", completed_s=1.5, label="open (LCP)", response_us=700, kind="timing")
    timed = written(recorder)

    assert [HEAD.unpack_from(data)[1] for data in (plain, timed)] == [1, 2]
    assert [(one.label, one.kind) for one in decode(timed, "x").series] == [("open (LCP)", "timing")]


@pytest.mark.parametrize("kind", KINDS[3:])
def test_a_file_with_what_scripts_measure_has_version_3_and_is_read_back(kind):
    recorder = Recorder("eu-1", "eu")
    recorder.add_one("shop", completed_s=0.5, label="open", response_us=900)
    recorder.add_one("shop", completed_s=0.5, label="items", response_us=3000, kind=kind)
    data = written(recorder)

    assert HEAD.unpack_from(data)[1] == 3
    assert {(one.label, one.kind) for one in decode(data, "x").series} == {("open", "request"), ("items", kind)}


def test_a_tagged_label_keeps_its_tag_whatever_is_cut_or_masked():
    long, secret = tagged_label("x" * 1001, "tenant", "big"), tagged_label("/?token=abc123", "tenant", "big")
    recorder = Recorder("eu-1", "eu")

    assert tagged_label("buy", "tenant", "big") == "buy{tenant=big}"
    assert secret == "/?token=***{tenant=big}"
    for label in (long, secret):
        assert label.endswith("{tenant=big}")
        assert recorder.text("label", label) == label


def test_an_error_names_a_later_version():
    body = WHOLE[HEAD.size :]
    head = HEAD.pack(b"torili", 4, len(body), 9, 0)[:-4]
    data = head + struct.pack("<I", zlib.crc32(body, zlib.crc32(head))) + body

    with refused("other-version", "4", "1", "3", error=StoreError):
        decode(data, "x")


@pytest.mark.parametrize(
    "changes",
    [
        {"response_us": np.array([1, -1, 2])},
        {"response_us": np.array([1, 1 << 40, 2])},
        {"response_us": np.array([1.5, 2.0, 3.0])},
        {"response_us": np.array([1, 2])},
        {"ttfb_us": np.array([-2, 0, 0])},
        {"bytes": np.array([-1, 0, 0])},
        {"completed_s": np.array([0.0, float("nan"), 1.0])},
        {"completed_s": np.array([0.0, 1e300, 1.0])},
        {"label": np.array([0, 0, 99])},
        {"kind": "page"},
    ],
)
def test_an_impossible_sample_is_rejected_and_nothing_recorded(changes):
    recorder = Recorder("w", "l")

    with pytest.raises(ValueError):
        recorder.add_many("shop", columns(3, **changes))
    assert recorder.samples == 0 and recorder.flush() is None


def test_acceptable_rows_are_known_in_advance():
    some = columns(4, response_us=np.array([1, -1, 1 << 40, 4]), completed_s=np.array([0, 0, 0, np.inf]))

    assert acceptable(some).tolist() == [True, False, False, False]


def test_codes_and_texts_give_the_same_file():
    coded, spelt = Recorder("a", "l"), Recorder("a", "l")
    codes = {"label": np.full(3, coded.code("label", "home")), "rc": np.full(3, coded.code("rc", "200"))}
    coded.add_many("shop", columns(3, **codes))
    spelt.add_many("shop", columns(3, rc=["200"] * 3, label=np.array(["home"] * 3)))

    assert coded.flush() == spelt.flush()


def test_single_samples_give_the_same_file_as_columns():
    single, many = Recorder("a", "l"), Recorder("a", "l")
    many.add_many("shop", columns(3))
    for second in range(3):
        single.add_one("shop", completed_s=second + 0.5, label="home", rc="200", response_us=1000 * (second + 1))

    assert single.flush() == many.flush()


def test_messages_beyond_the_first_hundred_are_counted_as_other():
    recorder = Recorder("w", "l")
    for number in range(150):
        recorder.add_one("shop", completed_s=0, label="home", response_us=1, ok=False, rc="500", message=f"m{number}")
    errors = merged(recorder).select().total.errors

    assert len(errors) == 101
    assert errors[OTHER, "500"] == 50
    assert errors["m99", "500"] == 1


def test_samples_before_the_start_signal_count_in_second_0():
    recorder = Recorder("w", "l")
    recorder.add_many("shop", columns(2, completed_s=np.array([-0.004, 0.0])))

    assert merged(recorder).select().second(0).samples == 2


def test_a_label_may_be_any_text():
    recorder = Recorder("w", "l")
    labels = ["\ud800", "a\x00b", "", "🐂", "x" * 5000]
    recorder.add_many("shop", columns(5, label=labels))

    assert set(merged(recorder).labels()) == {*labels[:4], label_of(labels[4])}


@given(st.lists(st.integers(0, (1 << 40) - 1), min_size=1, max_size=40))
def test_sums_are_exact_for_any_duration(values):
    recorder = Recorder("w", "l")
    recorder.add_many("shop", columns(len(values), response_us=np.array(values)))
    total = merged(recorder).select().total

    assert total.sum_us == sum(values)
    assert total.sum_sq == sum(value * value for value in values)
    assert (total.min_us, total.max_us) == (min(values), max(values))


@pytest.mark.parametrize(("seconds", "limit"), [(5, 120), (1, 150)])
def test_files_are_compact(seconds, limit):
    """100 samples of log-normal latency per label and second, for 10 labels."""
    chance = np.random.default_rng(3)
    recorder = Recorder("eu-west-1-17", "eu-west-1")
    count = seconds * 1000
    response = (np.tile(np.linspace(20e3, 400e3, 10), count // 10) * chance.lognormal(0, 0.5, count)).astype(np.int64)
    recorder.add_many(
        "shop",
        columns(
            count,
            completed_s=np.repeat(np.arange(seconds), 1000) + chance.random(count),
            label=[f"GET /page/{number % 10}" for number in range(count)],
            response_us=response,
            ttfb_us=response - 2000,
            connect_us=np.where(chance.random(count) < 0.1, 400, 0),
            bytes=chance.integers(900, 1100, count),
        ),
    )
    for second in range(seconds):
        recorder.virtual_users(second, "shop", 10)
        recorder.health(second, 0.4, 0.3, 200 << 20, 0.0)

    assert len(written(recorder)) / (10 * seconds) <= limit
