"""The offset between a worker's clock and its store's."""

import threading
import time

import pytest

from toril.errors import StoreError
from toril.store import FolderStore
from toril.worker.ready import clock_offset, measure_offset


class Scripted:
    """A store whose clock is ahead of ours, and whose responses take these times."""

    def __init__(self, ahead_s: float, delays_s: list[float]) -> None:
        self.ahead_s, self.delays_s, self.clock = ahead_s, delays_s, 1000.0

    def now(self) -> float:
        return self.clock

    def time(self) -> tuple[float, float]:
        delay_s = self.delays_s.pop(0)
        self.clock += delay_s / 2
        time_s = self.clock + self.ahead_s
        self.clock += delay_s / 2
        return time_s, 0.0


def test_the_quickest_response_gives_the_offset_and_its_uncertainty():
    store = Scripted(2.5, [0.4, 0.1, 0.9])
    offset_s, uncertainty_s = clock_offset(store, store.now)  # type: ignore[arg-type]
    assert abs(offset_s + 2.5) < 1e-9
    assert abs(uncertainty_s - 0.05) < 1e-9


def test_a_store_in_a_folder_of_this_machine_has_this_machines_clock(tmp_path):
    store = FolderStore(tmp_path / "store")
    offset_s, uncertainty_s = clock_offset(store, time.time)
    assert abs(offset_s) <= uncertainty_s + 0.001
    assert list(store.keys("")) == []


class Slow(FolderStore):
    """A store that returns its time, or raises an error, once the test allows it."""

    def __init__(self, folder, error: StoreError | None = None) -> None:
        super().__init__(folder)
        self.allowed, self.error = threading.Event(), error

    def time(self) -> tuple[float, float]:
        self.allowed.wait(10)
        if self.error is not None:
            raise self.error
        return super().time()


def test_a_slow_store_delays_only_the_result(tmp_path):
    store = Slow(tmp_path / "store")
    found = measure_offset(store, time.time, threaded=True)
    assert not found.done()
    store.allowed.set()
    offset_s, uncertainty_s = found.result(10)
    assert abs(offset_s) <= uncertainty_s + 0.001


@pytest.mark.parametrize("threaded", [True, False])
def test_an_error_of_the_store_is_raised_by_the_result(tmp_path, threaded):
    store = Slow(tmp_path / "store", StoreError("no clock", code="trouble"))
    store.allowed.set()
    found = measure_offset(store, time.time, threaded=threaded)
    with pytest.raises(StoreError, match="no clock"):
        found.result(10)
