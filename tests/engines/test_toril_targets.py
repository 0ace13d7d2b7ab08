"""The open-model engine against services that misbehave: every request has an outcome, and each kind its name."""

import socket

import pytest

from tests.targets import target
from tests.wicked import answering, babbling, breaking_off, closing, dripping, pouring, resetting, wicked
from tests.worker.driver import outcome, workers
from tests.worker.schedules import scheduled
from toril.timeline.intervals.format import VITALS

pytestmark = pytest.mark.live


def shop(url, **scenario):
    return {"default-address": url, "requests": ["/"], **scenario}


def ran(tmp_path, scenario, **load):
    found = outcome(scheduled(scenario, **load), tmp_path)
    assert found.exits[0].outcome == "finished"
    return found


def test_a_reset_connection_is_a_failure_each_time_and_no_request_is_sent_twice(tmp_path):
    with wicked(resetting(every=5)) as service:
        found = ran(tmp_path, shop(service.url), rate=50, hold_for_s=2)
    assert found.samples == service.asked == 100
    assert dict(found.rcs()) == {"200": 80, "ConnectionResetError": 20}
    assert dict(found.total().errors) == {("Connection reset by peer", "ConnectionResetError"): 20}


def test_a_connection_that_closes_without_a_response_is_a_failure(tmp_path):
    with wicked(closing(every=4)) as service:
        found = ran(tmp_path, shop(service.url), rate=40, hold_for_s=1)
    assert found.samples == service.asked == 40
    assert dict(found.rcs()) == {"200": 30, "RemoteDisconnected": 10}


@pytest.mark.nightly
def test_half_a_body_is_a_failure_and_its_bytes_are_counted(tmp_path):
    with wicked(breaking_off()) as service:
        found = ran(tmp_path, shop(service.url), rate=20, hold_for_s=1)
    assert dict(found.rcs()) == {"RemoteDisconnected": 20}
    assert found.total().bytes == 20 * len("half")


def test_a_response_that_is_not_http_is_a_failure(tmp_path):
    with wicked(babbling()) as service:
        found = ran(tmp_path, shop(service.url), rate=20, hold_for_s=1)
    assert dict(found.rcs()) == {"BadStatusLine": 20}


def test_a_closed_port_is_a_refused_connection(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    found = ran(tmp_path, shop(f"http://127.0.0.1:{port}"), rate=20, hold_for_s=1)
    assert dict(found.total().errors) == {("Connection refused", "ConnectionRefusedError"): 20}


@pytest.mark.nightly
def test_an_unknown_host_name_has_its_own_code(tmp_path):
    found = ran(tmp_path, shop("http://no-such-host.invalid"), rate=10, hold_for_s=1)
    assert dict(found.rcs()) == {"gaierror": 10}


def test_a_request_beyond_its_timeout_fails_after_that_time(tmp_path):
    with wicked(dripping(50, 0.1)) as service:
        found = ran(tmp_path, shop(service.url, timeout="500ms"), rate=20, hold_for_s=1)
    assert dict(found.total().errors) == {("timed out", "TimeoutError"): 20}
    assert 500_000 <= found.total().min_us < 600_000


def test_a_slow_response_is_read_to_its_end_and_its_first_byte_is_timed(tmp_path):
    with wicked(dripping(5, 0.1)) as service:
        found = ran(tmp_path, shop(service.url), rate=20, hold_for_s=1)
    assert dict(found.rcs()) == {"200": 20}
    assert found.total().min_us >= 500_000
    assert found.total().ttfb_sum_us / 20 < 200_000


@pytest.mark.nightly
def test_large_responses_are_counted_and_not_stored(tmp_path):
    with wicked(pouring(100_000_000)) as service:
        found = ran(tmp_path, shop(service.url), rate=2, hold_for_s=2)
    assert dict(found.rcs()) == {"200": 4}
    assert found.total().bytes == 400_000_000
    assert max(int(one.health[3].max()) for one in found.intervals if one.health.size) < 500_000_000


def test_without_keepalive_every_request_has_its_own_connection(tmp_path):
    with wicked(answering()) as service:
        found = ran(tmp_path / "without", shop(service.url, keepalive=False), rate=30, hold_for_s=1)
        assert found.samples == service.connections == 30
        assert found.total().connect_count == 30
        found = ran(tmp_path / "with", shop(service.url), rate=30, hold_for_s=1)
        assert found.samples == 30
        assert service.connections - 30 == found.total().connect_count < 10


@pytest.mark.nightly
def test_endless_redirects_are_a_failure(tmp_path):
    with target() as service:
        scenario = {"default-address": service.url, "requests": ["/redirect/9"]}
        found = ran(tmp_path, scenario, rate=10, hold_for_s=1, vegeta={"redirects": 3})
    assert dict(found.rcs()) == {"TooManyRedirects": 10}


def test_requests_that_are_due_at_the_limit_of_requests_in_flight_are_dropped(tmp_path):
    with target(delay_s=0.5) as service:
        found = ran(tmp_path, shop(service.url), rate=100, hold_for_s=2, vegeta={"max-workers": 10})
    vitals = [one.vitals[VITALS.index("dropped")] for one in found.intervals if one.vitals.size]
    dropped = sum(int(one[one > 0].sum()) for one in vitals)
    assert found.samples == service.answered < 60
    assert found.samples + dropped == 200
    assert found.total().failures == 0


def test_more_workers_than_files_are_refused_before_any_load(tmp_path):
    with workers(scheduled(shop("http://127.0.0.1:1"), vegeta={"max-workers": 200_000_000}), tmp_path) as run:
        run.launch()
        assert run.wait() == [4]
        assert "toril.engine.max-workers is 200000000" in run.exit().message


@pytest.mark.nightly
def test_a_host_name_is_reached_by_any_of_its_addresses(tmp_path):
    """localhost has two on most machines, and the service is on one of them."""
    with target() as service:
        found = ran(tmp_path, shop(f"http://localhost:{service.port}"), rate=20, hold_for_s=1)
    assert (found.samples, found.total().failures) == (20, 0)
