"""When a worker's first request is due: a rate that begins low makes no worker late."""

from pathlib import Path

import pytest

from toril.engines import EngineContext
from toril.load.interleave import Interleave, interleave
from toril.records import ExecutionShare, PlannedExecution


def context(curve: tuple[tuple[float, float], ...], stripe: Interleave | None = None) -> EngineContext:
    planned = PlannedExecution(name="shop", index=0, executor="vegeta", scenario="shop", curve=curve)
    return EngineContext(
        planned=planned,
        share=ExecutionShare(execution="shop", interleave=stripe, config={}),
        graceful_stop_s=30.0,
        folder=Path(),
        suite=Path(),
    )


@pytest.mark.parametrize(
    ("curve", "due_s"),
    [
        ((), 0),
        (((0, 5), (10, 5)), 0),
        (((0, 0), (10, 5)), 0),
        (((0, 0), (4, 0), (4, 5), (10, 5)), 4),
        (((0, 0), (10, 0)), 10),
    ],
)
def test_the_first_request_is_due_when_the_rate_begins(curve: tuple[tuple[float, float], ...], due_s: float) -> None:
    assert context(curve).first_due_s == due_s


def test_each_worker_waits_for_its_own_first_arrival() -> None:
    slow = ((0.0, 0.5), (60.0, 0.5))
    assert [context(slow, stripe).first_due_s for stripe in interleave([1, 1, 1])] == [0, 2, 4]
    rising = ((0.0, 0.0), (100.0, 100.0))  # the second arrival is due after √2 s
    assert context(rising, interleave([1, 1])[1]).first_due_s == pytest.approx(2**0.5)
