"""The retry function: repeated actions, waits and the end of the retries."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clocks import SteppedClock
from toril.clock import Backoff, retry

ANY = Backoff(first_s=1.0, longest_s=30.0, jitter=0.5)


class FailingAction:
    """An action that fails `failures` times, then returns the number of its calls."""

    def __init__(self, failures: int, error: Exception) -> None:
        self.failures, self.error, self.calls = failures, error, 0

    def __call__(self) -> int:
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error
        return self.calls


def test_a_failing_action_is_repeated_after_the_policys_wait():
    clock = SteppedClock(0.0)
    assert retry(FailingAction(3, OSError("busy")), lambda error, failures: float(failures), clock) == 4
    assert clock.at == 1 + 2 + 3


def test_a_successful_action_is_not_repeated_and_does_not_wait():
    clock = SteppedClock(0.0)
    assert retry(FailingAction(0, OSError()), lambda error, failures: 1.0, clock) == 1
    assert clock.at == 0


def test_the_policy_gets_the_error_and_can_stop_the_retries():
    action = FailingAction(9, KeyError("ours"))
    with pytest.raises(KeyError, match="ours"):
        retry(action, lambda error, failures: 1.0 if isinstance(error, OSError) else None, SteppedClock())
    assert action.calls == 1


def test_the_policy_bounds_the_number_of_tries():
    action = FailingAction(9, OSError())
    with pytest.raises(OSError):
        retry(action, lambda error, failures: 1.0 if failures < 4 else None, SteppedClock())
    assert action.calls == 4


@given(failures=st.integers(1, 5000), seed=st.integers())
def test_waits_double_up_to_the_maximum_and_jitter_only_shortens_them(failures: int, seed: int):
    whole_s = min(30.0, 2.0 ** min(failures - 1, 10))
    assert whole_s / 2 <= ANY.wait_s(failures, Random(seed)) <= whole_s


def test_the_same_random_numbers_make_the_same_waits():
    assert ANY.wait_s(3, Random("run 3")) == ANY.wait_s(3, Random("run 3"))
