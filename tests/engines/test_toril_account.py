"""Every due request is a sample, unfinished or dropped, whatever happens to service and load."""

import socket
import time
from typing import Any

import pytest

from tests.wicked import announcing, dripping, silent, wicked
from tests.worker.driver import Outcome, Run, outcome, wait_until, workers
from tests.worker.schedules import scheduled
from toril.load.curve import Curve
from toril.records import Plan, Rate, rate_key

pytestmark = pytest.mark.live


def due(plan: Plan, worker: int, until_s: float, *changes: tuple[float, float]) -> int:
    """Returns the number of a worker's requests that were due by then."""
    curve, stripe = Curve(plan.executions[0].curve), plan.shares[worker].executions[0].interleave
    assert stripe is not None
    for at_s, rps in changes:
        curve = curve.changed(at_s, rps)
    places = [stripe.place_of(own) for own in range(5000)]
    return sum(at_s <= until_s for at_s in curve.times_of(places))


def accounted(found: Outcome, worker: int = 0) -> int:
    report = found.exits[worker].executions["shop"]
    assert report.dropped is not None
    of_worker = found.timeline.health_series(f"local-{worker + 1}").dropped
    assert report.dropped == of_worker[of_worker > 0].sum()
    assert (report.samples, report.unfinished) == (found.exits[worker].samples, found.exits[worker].unfinished)
    return report.samples + report.unfinished + report.dropped


def shop(url: str, **scenario):
    return {"default-address": url, "requests": [{"url": "/", "label": "home"}], **scenario}


HANGING, SLOW = silent(), dripping(4, 0.1)
LOADS: dict[str, dict[str, Any]] = {
    "constant": {"service": SLOW, "rate": 100, "hold_for_s": 1.5},
    "slower than the rate": {"service": SLOW, "rate": 100, "hold_for_s": 1.5, "vegeta": {"max-workers": 7}},
    "few may be in flight": {"rate": 100, "hold_for_s": 1.5, "vegeta": {"max-workers": 7}},
    "curve": {"points": [(0.0, 0.0), (0.7, 150.0), (1.0, 20.0), (1.0, 90.0), (1.5, 0.0), (1.7, 0.0)]},
    "two workers": {"rate": 90, "hold_for_s": 1.2, "weights": [2, 1], "vegeta": {"max-workers": 5}},
    "over HTTP/2": {"rate": 100, "hold_for_s": 1, "vegeta": {"http2": True, "max-workers": 7}},
}


@pytest.mark.parametrize(
    "load",
    [
        pytest.param(one, marks=pytest.mark.nightly) if one in ("constant", "few may be in flight") else one
        for one in LOADS
    ],
)
def test_every_due_request_is_accounted_for(load, tmp_path):
    options = dict(LOADS[load])
    hangs = options.pop("service", HANGING) is HANGING
    with wicked(HANGING if hangs else SLOW) as at:
        plan = scheduled(shop(at.url), graceful_stop_s=0.3, **options)
        found = outcome(plan, tmp_path)
    for worker in range(len(plan.shares)):
        assert found.exits[worker].outcome == "finished"
        assert accounted(found, worker) == due(plan, worker, 10), found.exits[worker].executions
    reports = [one.executions["shop"] for one in found.exits]
    assert sum(one.unfinished for one in reports) > 0 or not hangs
    assert (sum(one.dropped or 0 for one in reports) > 0) == ("vegeta" in options)


def test_a_service_that_refuses_connections_fails_every_due_request(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    plan = scheduled(shop(f"http://127.0.0.1:{port}"), rate=200, hold_for_s=1)
    found = outcome(plan, tmp_path)
    assert accounted(found) == 200 == found.exits[0].executions["shop"].samples
    assert found.rcs() == {"ConnectionRefusedError": 200}


def ended(run: Run, how) -> Outcome:
    run.launch()
    run.wait_ready()
    run.start()
    how()
    run.wait()
    return run.outcome()


def test_a_stop_loses_no_due_request(tmp_path):
    with wicked(silent()) as at:
        plan = scheduled(shop(at.url), rate=150, hold_for_s=30, vegeta={"max-workers": 50}, graceful_stop_s=0.5)

        def stop() -> None:
            wait_until(lambda: at.asked >= 50, run)
            time.sleep(0.4)
            run.stop()

        with workers(plan, tmp_path) as run:
            found = ended(run, stop)
    report = found.exits[0].executions["shop"]
    assert report.unfinished == 50
    assert report.ended_s is not None
    assert 0.7 < report.ended_s < 10
    assert accounted(found) == due(plan, 0, report.ended_s)


def test_due_requests_follow_a_changed_rate(tmp_path):
    with wicked(silent()) as at:
        plan = scheduled(shop(at.url), rate=40, hold_for_s=3, vegeta={"max-workers": 90}, graceful_stop_s=0.3)
        adjustable = tuple(one.model_copy(update={"adjustable": True}) for one in plan.executions)
        plan = plan.model_copy(update={"executions": adjustable})

        def change() -> None:
            rate = Rate(number=1, execution="shop", rps=120.0, at=run.start_at + 2, asked_at=run.start_at, cause="user")
            run.store.put_once(rate_key(plan.run_id, 1), rate.to_json())

        with workers(plan, tmp_path) as run:
            found = ended(run, change)
    assert accounted(found) == due(plan, 0, 10, (2.0, 120.0)) == 200
    assert found.unfinished == 90


@pytest.mark.solo
def test_an_unfinished_request_has_waited_since_it_was_due(tmp_path):
    with wicked(silent()) as at:
        plan = scheduled(shop(at.url), rate=20, hold_for_s=2, graceful_stop_s=0.5)
        found = outcome(plan, tmp_path)
    report = found.exits[0].executions["shop"]
    assert report.ended_s is not None
    assert 2 <= report.ended_s < 2.3
    assert found.exits[0].first_sample_lateness_s["shop"] < 0.3
    (_, waits), *more = found.timeline.waits("home")
    assert not more
    assert sum(waits.values()) == 40
    assert len(waits) <= 40
    wanted = [report.ended_s + 0.5 - number / 20 for number in range(40)]
    for waited_us, longest_s in zip(sorted(waits.elements(), reverse=True), wanted, strict=True):
        assert 0.94 * longest_s - 0.01 <= waited_us / 1e6 <= longest_s + 0.3


def test_an_unanswered_handshake_ends_at_the_timeout_or_with_the_load(tmp_path):
    """An address with https:// on a port that speaks plain HTTP."""
    with wicked(silent()) as at:
        secure = at.url.replace("http:", "https:")
        plan = scheduled(shop(secure, timeout="500ms"), rate=20, hold_for_s=1)
        found = outcome(plan, tmp_path / "timeout")
        assert found.rcs() == {"TimeoutError": 20}
        assert accounted(found) == 20
        plan = scheduled(shop(secure), rate=20, hold_for_s=1, graceful_stop_s=0.3)
        found = outcome(plan, tmp_path / "end")
    assert (found.samples, found.unfinished, accounted(found)) == (0, 20, 20)


def test_endless_interim_responses_are_failures_at_once(tmp_path):
    with wicked(announcing()) as at, workers(scheduled(shop(at.url), rate=20, hold_for_s=1), tmp_path) as run:
        found = run.go()
    assert found.rcs() == {"BadStatusLine": 20}
