"""What a script leaves uncaught is an error of the script, wherever it is raised."""

import pytest

from tests.targets import target
from tests.worker.driver import outcome, plan_of, planned

pytestmark = pytest.mark.live

LOCUST = """
import threading
import gevent
from locust import FastHttpUser, constant, events, task

def fails(what):
    raise ValueError(what)

@events.test_start.add_listener
def loads_data(**_):
    fails("no data")

@events.test_stop.add_listener
def checks(**_):
    fails("too few orders")

@events.request.add_listener
def asserts(name, response, **_):
    assert name != "wrong", response.text

class Visitor(FastHttpUser):
    wait_time = constant(0.05)
    passes = 0
    def on_stop(self):
        fails("no log-out")
    @task
    def visit(self):
        self.passes += 1
        self.client.get("/ok", name="right")
        if self.passes == 1:
            self.client.get("/ok", name="wrong")
            gevent.spawn(fails, "the reader is gone")
            threading.Thread(target=fails, args=["the consumer is gone"]).start()
            waited_for = gevent.spawn(fails, "caught")
            try:
                waited_for.get()
            except ValueError:
                pass
"""

APIRITIF = """
import threading
import unittest
import apiritif

def fails():
    raise ValueError("the consumer is gone")

class TestShop(unittest.TestCase):
    def test_1_buys(self):
        apiritif.http.get("{url}/ok")
        consumer = threading.Thread(target=fails)
        consumer.start()
        consumer.join()

    @unittest.expectedFailure
    def test_2_mended(self):
        apiritif.http.get("{url}/ok")
"""


def test_listeners_greenlets_threads_and_the_end_of_a_user_of_locust_count(tmp_path):
    with target() as service:
        scenario = {"script": "locustfile.py", "default-address": service.url}
        plan = plan_of([planned("locust", "own", concurrency=2, hold_for_s=2)], {"own": scenario})
        found = outcome(plan, tmp_path, {"locustfile.py": LOCUST})
    expected = {
        "events.test_start: exception": 1,
        "events.test_stop: exception": 1,
        "events.request: exception": 2,
        "Visitor: exception": 2,
        "greenlet: exception": 2,
        "thread: exception": 2,
    }
    assert found.exits[0].executions["own"].script_errors == expected
    assert {label: found.timeline.select(label, kind="transaction").total.failures for label in expected} == expected
    assert found.total().failures == 0
    assert found.samples == service.answered


def test_threads_and_unexpected_successes_of_apiritif_count(tmp_path):
    with target() as service:
        plan = plan_of([planned("apiritif", "own", concurrency=2, iterations=2)], {"own": {"script": "test_own.py"}})
        found = outcome(plan, tmp_path, {"test_own.py": APIRITIF.replace("{url}", service.url)})
    assert found.exits[0].executions["own"].script_errors == {"thread: exception": 4, "test_2_mended": 4}
    assert (found.samples, found.total().failures) == (service.answered, 0) == (8, 0)


@pytest.mark.nightly
def test_scripts_of_jmeter_that_throw_count_for_the_request_that_they_belong_to(tmp_path):
    def script(kind, code="throw new RuntimeException('boom')"):
        return {"language": "groovy", "execute": kind, "script-text": code}

    requests = [
        {"url": "/ok", "label": "before", "jsr223": [script("before")]},
        {"url": "/ok", "label": "after", "jsr223": [script("after")]},
        {"url": "/status/500", "label": "explained", "jsr223": [script("after")]},
        {"url": "/ok", "label": "fine", "jsr223": [script("after", "vars.put('a', 'b')")]},
        {"url": "/ok?a=${__jexl3(1 +)}", "label": "computed"},
        {"if": "nothing.such()", "then": ["/never"]},  # counts for the request before it
    ]
    with target() as service:
        scenario = {"default-address": service.url, "requests": requests}
        plan = plan_of([planned("jmeter", "shop", concurrency=2, iterations=3)], {"shop": scenario})
        found = outcome(plan, tmp_path)
    assert found.exits[0].executions["shop"].script_errors == {"after": 6, "before": 6, "computed": 12}
    errors = found.timeline.select("before", kind="transaction").total.errors
    assert dict(errors) == {("java.lang.RuntimeException: boom", "RuntimeException"): 6}
    assert (found.samples, found.total().failures) == (service.answered, 6) == (30, 6)
