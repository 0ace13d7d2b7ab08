"""Services that misbehave: each request that they receive is one sample or one unfinished request."""

import pytest

from tests.rough import MB, Rough, rough
from tests.worker.driver import Outcome, outcome, plan_of, planned

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("rough")]

ENGINES = ("locust", "apiritif", "jmeter")
ONE_EACH_TIME = ("locust", *(pytest.param(one, marks=pytest.mark.nightly) for one in ENGINES[1:]))
USERS, PASSES = 2, 2
EACH = USERS * PASSES
HEADS = 1000  # bytes that an engine may count as the head of a response
BROKEN = ["/reset/before", "/reset/head", "/reset/body", "/long"]
ODD = ["/drip/2", "/chunked", "/gzip", "/old", "/close", "/hops/3"]
CODES = [200, 201, 204, 206, 304, 400, 401, 404, 418, 429, 500, 503, 599]
QUIET = ONE_EACH_TIME[:2]
OWN = """
from locust import FastHttpUser, task

class Visitor(FastHttpUser):
    @task
    def visit(self):
        self.client.get("/reset/before", name="reset")
"""


def performed(engine, paths, folder, **load) -> tuple[Outcome, Rough]:
    requests = [{"url": path, "label": path} for path in paths]
    settings = {name: load.pop(name) for name in ("graceful_stop_s",) if name in load}
    with rough() as service:
        plan = plan_of(
            [planned(engine, "shop", concurrency=USERS, **(load or {"iterations": PASSES}))],
            {"shop": {"default-address": service.url, "requests": requests}},
            **settings,
        )
        found = outcome(plan, folder)
    assert found.exits[0].outcome == "finished", found.exits[0].message
    return found, service


@pytest.fixture(scope="module", params=ENGINES)
def measured(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, Rough]:
    """One run of an engine through odd and broken responses, and codes other than 200."""
    paths = ["/a", *BROKEN, "/b", *ODD, *(f"/status/{code}" for code in CODES)]
    return performed(request.param, paths, tmp_path_factory.mktemp("rough"))


def test_a_reset_connection_is_one_failed_request_without_bytes(measured):
    found, service = measured
    for label in BROKEN:
        total = found.total(label)
        assert (service.asked[label], total.samples, total.failures, total.bytes) == (EACH, EACH, EACH, 0), label
        assert all(message and rc for message, rc in total.errors)
    assert {label: found.total(label).failures for label in ("/a", "/b")} == {"/a": 0, "/b": 0}


def test_odd_but_valid_responses_are_successes(measured):
    found, service = measured
    for label in ODD:
        total = found.total(label)
        assert (service.asked[label], total.samples, dict(total.rc)) == (EACH, EACH, {"200": EACH}), label
        assert total.failures == 0, dict(total.errors)
    assert service.asked["/hops/0"] == EACH
    assert 2 * EACH <= found.total("/close").bytes <= (2 + HEADS) * EACH


def test_status_codes_of_all_classes_are_recorded_and_fail_from_400_on(measured):
    found, _ = measured
    for code in CODES:
        total = found.total(f"/status/{code}")
        assert dict(total.rc) == {str(code): EACH}
        assert total.failures == (EACH if code >= 400 else 0), code


def test_samples_match_the_requests_of_the_service(measured):
    found, service = measured
    assert found.samples == service.asked.total() - 3 * EACH  # a request and its redirects are one sample
    assert found.unfinished == 0


def test_the_suites_own_script_sends_each_request_once(tmp_path):
    with rough() as service:
        scenarios = {"own": {"script": "locustfile.py", "default-address": service.url}}
        plan = plan_of([planned("locust", "own", concurrency=USERS, iterations=PASSES)], scenarios)
        found = outcome(plan, tmp_path, {"locustfile.py": OWN})
    assert service.asked["/reset/before"] == found.samples == found.total().failures == EACH


@pytest.mark.parametrize("engine", QUIET)
def test_no_request_is_sent_on_a_connection_that_the_service_is_about_to_close(tmp_path, engine):
    found, service = performed(engine, ["/unsaid/1", "/unsaid/2"], tmp_path, hold_for_s=1.5)
    assert found.samples == service.asked.total() == service.connections > 10
    assert found.total().failures == 0, dict(found.total().errors)


@pytest.mark.parametrize("engine", QUIET)
def test_connections_that_a_service_leaves_open_are_reused(tmp_path, engine):
    found, service = performed(engine, ["/a", "/b"], tmp_path, hold_for_s=1.5)
    assert found.samples == service.asked.total() > 1.5 * service.connections  # generated Apiritif: one an iteration


@pytest.mark.parametrize("engine", ONE_EACH_TIME)
def test_a_response_whose_head_never_ends_is_unfinished_and_the_load_ends_in_time(tmp_path, engine):
    found, service = performed(engine, ["/heads"], tmp_path, hold_for_s=1.0, graceful_stop_s=0.5)
    assert service.asked["/heads"] == found.unfinished == USERS
    assert found.samples == 0


@pytest.mark.parametrize("engine", ONE_EACH_TIME)
def test_responses_of_100_megabytes_are_counted_exactly_without_filling_memory(tmp_path, engine):
    found, service = performed(engine, ["/large/100", "/a"], tmp_path)
    assert service.asked["/large/100"] == service.asked["/a"] == EACH
    assert found.samples == 2 * EACH
    assert found.total().failures == 0
    assert 100 * MB * EACH <= found.total("/large/100").bytes <= (100 * MB + HEADS) * EACH


@pytest.mark.nightly
def test_a_jmeter_that_runs_out_of_memory_fails_its_worker(tmp_path):
    with rough() as service:
        large = {"default-address": service.url, "requests": ["/large/100"]}
        unlimited = {"jmeter": {"properties": {"httpsampler.max_bytes_to_store_per_request": 0}, "memory-xmx": "128m"}}
        plan = plan_of(
            [planned("jmeter", "shop", concurrency=4, iterations=2)], {"shop": large}, common={"modules": unlimited}
        )
        found = outcome(plan, tmp_path)
    assert found.exits[0].outcome == "failed"
    assert "OutOfMemoryError" in found.exits[0].message
