"""Reading S3's clock from dates with whole seconds."""

import math
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from tests.refusals import refused
from tests.store.scripted import Clock
from toril.errors import StoreError
from toril.store.s3 import S3Store
from toril.worker.ready import clock_offset

LIMIT_S = 1.0  # the largest difference of a worker's clock, including uncertainty


class Dated:
    """A client of a server with a different clock and these delays."""

    def __init__(self, clock: Clock, ahead_s: float, delays_s: list[tuple[float, float]]) -> None:
        self.clock, self.ahead_s, self.delays_s, self.asked = clock, ahead_s, delays_s, 0

    def get_object(self, **_: Any) -> Any:
        there_s, back_s = self.delays_s[self.asked % len(self.delays_s)]
        self.asked += 1
        self.clock.at += there_s
        date = format_datetime(datetime.fromtimestamp(math.floor(self.clock.at + self.ahead_s), UTC), usegmt=True)
        self.clock.at += back_s
        head = {"HTTPStatusCode": 404, "HTTPHeaders": {"date": date}}
        raise ClientError({"Error": {"Code": "NoSuchKey"}, "ResponseMetadata": head}, "GetObject")  # type: ignore[typeddict-item]


def store_of(clock: Clock, client: Any) -> S3Store:
    return S3Store("results", "", client, clock=clock)


DELAYS = st.tuples(st.floats(0.001, 0.15), st.floats(0.001, 0.15))


@given(began=st.floats(1e9, 1e9 + 5), ahead_s=st.floats(-100, 100), delays_s=st.lists(DELAYS, min_size=1, max_size=6))
def test_the_true_time_is_within_a_narrow_bracket(
    began: float, ahead_s: float, delays_s: list[tuple[float, float]]
) -> None:
    clock = Clock(began)
    client = Dated(clock, ahead_s, delays_s)
    store = store_of(clock, client)
    earliest, later_s = store.time()
    assert earliest - 1e-6 <= clock.at + ahead_s <= earliest + later_s + 1e-6
    assert later_s <= 0.6
    assert client.asked <= 5
    assert clock.at - began < 6


@given(began=st.floats(1e9, 1e9 + 1), ahead_s=st.floats(-3, 3), rtt_s=st.floats(0.002, 0.25))
def test_a_worker_measures_the_offset_of_its_clock(began: float, ahead_s: float, rtt_s: float) -> None:
    clock = Clock(began)
    store = store_of(clock, Dated(clock, ahead_s, [(rtt_s / 2, rtt_s / 2)]))
    offset_s, uncertainty_s = clock_offset(store, clock.now)
    assert abs(offset_s + ahead_s) <= uncertainty_s + 1e-6
    assert uncertainty_s < 0.3 * LIMIT_S


def test_the_bracket_is_valid_for_a_minute() -> None:
    clock = Clock(1e9)
    client = Dated(clock, 2.5, [(0.01, 0.01)])
    store = store_of(clock, client)
    store.time()
    asked = client.asked
    clock.at += 50
    earliest, later_s = store.time()
    assert client.asked == asked
    assert earliest <= clock.at + 2.5 <= earliest + later_s
    clock.at += 20
    client.ahead_s = -7.0
    earliest, later_s = store.time()
    assert client.asked > asked
    assert earliest <= clock.at - 7 <= earliest + later_s


def test_contradicting_dates_start_a_new_bracket() -> None:
    class Jumping(Clock):
        def sleep(self, seconds: float) -> None:
            client.ahead_s += 0.7
            super().sleep(seconds)

    clock = Jumping(1e9)
    client = Dated(clock, 0.0, [(0.01, 0.01)])
    earliest, later_s = store_of(clock, client).time()
    assert 0 < later_s <= 1.1
    assert abs(earliest - clock.at) < 5


def test_an_answer_without_a_date_is_an_error() -> None:
    class Undated:
        def get_object(self, **_: Any) -> Any:
            raise ClientError({"Error": {"Code": "NoSuchKey"}, "ResponseMetadata": {"HTTPHeaders": {}}}, "GetObject")  # type: ignore[typeddict-item]

    with refused("no-date", error=StoreError):
        store_of(Clock(), Undated()).time()
