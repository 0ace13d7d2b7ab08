"""The vitals of a generator in an interval file: optional, and readable with fewer or more columns."""

import json
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.refusals import refused
from toril.errors import StoreError
from toril.timeline.intervals import VITALS, Recorder, decode
from toril.timeline.intervals.format import CHECKED, HEAD, LENGTH


def recorder_with_vitals() -> Recorder:
    recorder = Recorder("eu-1", "eu")
    recorder.health(
        3, 0.25, 0.5, 1000, 0.125, machine=0.75, waiting=0.0, throttled=0.125, sockets=7, sockets_share=0.01
    )
    recorder.sends(2, late_us=900, late_p90_us=400, dropped=3)
    recorder.sends(3, late_us=800, late_p90_us=300, dropped=None)
    recorder.generator(cores=2.0, memory_limit_bytes=1 << 30, single_threaded=True, unknown=None)
    return recorder


def changed(data: bytes, change) -> bytes:
    """Returns the file with changed names, and matching lengths and checksum."""
    raw = zlib.decompress(data[HEAD.size :])
    (length,) = LENGTH.unpack_from(raw)
    names = json.loads(raw[LENGTH.size : LENGTH.size + length])
    change(names)
    text = json.dumps(names).encode()
    raw = LENGTH.pack(len(text)) + text + raw[LENGTH.size + length :]
    body = zlib.compress(raw)
    head = HEAD.pack(b"torili", 1, len(body), len(raw), 0)[:CHECKED]
    return head + struct.pack("<I", zlib.crc32(body, zlib.crc32(head))) + body


FILE = recorder_with_vitals().flush() or b""


def by_second(data: bytes) -> dict[int, dict[str, int]]:
    rows = [dict(zip(VITALS, row, strict=True)) for row in decode(data, "x").vitals.T.tolist()]
    return {row.pop("second"): row for row in rows}


def test_vitals_are_kept_and_unmeasured_ones_stay_unknown() -> None:
    found = decode(FILE, "x")
    assert by_second(FILE) == {
        2: dict.fromkeys(VITALS[1:], -1) | {"late_us": 900, "late_p90_us": 400, "dropped": 3},
        3: {"machine": 7500, "waiting": 0, "throttled": 1250, "sockets": 7, "sockets_share": 100}
        | {"late_us": 800, "late_p90_us": 300, "dropped": -1},
    }
    assert found.generator == {"cores": 2.0, "memory_limit_bytes": 1 << 30, "single_threaded": True}


def test_two_reports_of_a_second_keep_the_worse_values_and_add_dropped_requests() -> None:
    recorder = Recorder("eu-1", "eu")
    recorder.sends(5, late_us=10, late_p90_us=9, dropped=1)
    recorder.sends(5, late_us=30, late_p90_us=2, dropped=4)
    found = by_second(recorder.flush() or b"")[5]
    assert (found["late_us"], found["late_p90_us"], found["dropped"]) == (30, 9, 5)


def test_vitals_are_in_one_file_and_generator_limits_in_all() -> None:
    recorder = recorder_with_vitals()
    recorder.flush()
    recorder.unreadable()
    found = decode(recorder.flush() or b"", "x")
    assert found.vitals.shape == (len(VITALS), 0)
    assert found.generator["cores"] == 2.0


def test_a_file_of_an_earlier_toril_is_read_without_vitals() -> None:
    def without(names):
        del names["vitals"], names["generator"]

    found = decode(changed(FILE, without), "x")
    assert found.vitals.shape == (len(VITALS), 0)
    assert found.generator == {}
    assert found.health.shape[1] == 1


def test_missing_columns_are_unknown_and_those_of_a_later_toril_are_ignored() -> None:
    fewer = changed(FILE, lambda names: names.update(vitals=names["vitals"][:2]))
    more = changed(FILE, lambda names: names.update(vitals=[*names["vitals"], [1, 2]], later={"any": "thing"}))
    assert {row["machine"] for row in by_second(fewer).values()} == {7500, -1}
    assert {row["dropped"] for row in by_second(fewer).values()} == {-1}
    assert by_second(more) == by_second(FILE)


@pytest.mark.parametrize(
    "vitals",
    [
        [[1, 2], [1]],
        [[1.5]],
        [["1"]],
        [[None]],
        [[True]],
        [[-1]],
        [[1], [-2]],
        [[1 << 21]],
        [[1 << 70]],
        [1, 2],
        [[[1]]],
        {"second": [1]},
        "second",
        7,
    ],
)
def test_impossible_vitals_make_a_file_damaged(vitals) -> None:
    with refused("damaged-file", "intervals-000007", error=StoreError):
        decode(changed(FILE, lambda names: names.update(vitals=vitals)), "intervals-000007")


@pytest.mark.parametrize("generator", [[], "x", 3, None])
def test_invalid_generator_limits_make_a_file_damaged(generator) -> None:
    with refused("damaged-file", error=StoreError):
        decode(changed(FILE, lambda names: names.update(generator=generator)), "x")


@given(st.integers(0, len(FILE) - 1), st.integers(1, 255))
def test_any_changed_byte_is_noticed(place: int, change: int) -> None:
    damaged = bytearray(FILE)
    damaged[place] ^= change
    with pytest.raises(StoreError):
        decode(bytes(damaged), "x")


def test_vitals_cost_a_few_bytes_a_second() -> None:
    def size(vitals: bool) -> int:
        recorder = Recorder("eu-1", "eu")
        for second in range(5):
            recorder.health(second, 0.4 + second / 31, 0.3, (200 << 20) + 4096 * second, 0.0)
            if vitals:
                recorder.health(second, 0.4, 0.3, 1, 0, machine=0.61 + second / 37, waiting=0.02, sockets=40)
                recorder.sends(second, late_us=1234 + 77 * second, late_p90_us=456 + 13 * second, dropped=None)
        return len(recorder.flush() or b"")

    assert size(vitals=True) - size(vitals=False) < 5 * 25 + 50
