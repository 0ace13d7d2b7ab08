"""A service that freezes for 2 s every 10 s: a closed model hides that, a schedule does not."""

import pytest

from tests.wicked import freezing, wicked
from tests.worker.driver import outcome, planned, share_of
from tests.worker.schedules import scheduled

pytestmark = pytest.mark.solo

FOR_S, EVERY_S, RATE = 2, 10, 100


def test_response_times_include_the_wait_for_a_frozen_service(tmp_path):
    """A fifth of evenly sent requests meets the freeze and waits 2 s at most: 1 in 100 waits 1.9 s or longer."""
    with wicked(freezing(FOR_S, EVERY_S)) as service:
        scenario = {"default-address": service.url, "requests": [{"url": "/", "label": "open"}]}
        plan = scheduled(scenario, rate=RATE, hold_for_s=EVERY_S)
        closed = planned("locust", "users", index=1, concurrency=5, hold_for_s=float(EVERY_S))
        users = {
            "default-address": service.url,
            "requests": [{"url": "/", "label": "closed"}],
            "think-time": "50ms",
        }
        plan = plan.model_copy(
            update={
                "executions": (*plan.executions, closed),
                "shares": tuple(
                    share.model_copy(update={"executions": (*share.executions, share_of(closed))})
                    for share in plan.shares
                ),
                "common": {**plan.common, "scenarios": {**plan.common["scenarios"], "users": users}},
            }
        )
        found = outcome(plan, tmp_path)
    assert found.total("open").samples == RATE * EVERY_S
    seconds = {q: found.total("open").percentile(q) / 1e6 for q in (75, 95, 99)}
    assert seconds[75] < 0.5
    assert 1.4 < seconds[95] < 1.8  # a fifth waits, evenly up to 2 s: 1.5 s
    assert 1.8 < seconds[99] < 2.2
    hidden = found.total("closed")
    assert hidden.percentile(99) / 1e6 < 0.5
    assert hidden.max_us / 1e6 > 1.5
