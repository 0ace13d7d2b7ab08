"""The library's examples of other protocols under real workers: each figure is that of the service, within 15 ms."""

import pytest

from tests.clients.test_clients import ROOT, prices
from tests.worker.driver import plan_of, planned, workers

pytestmark = [pytest.mark.solo, pytest.mark.nightly]
PRICE_MS, FIRST_MS, GAP_MS = 50, 300, 100  # of loadtests/prices/service.py
OF_STREAM = {"prices": FIRST_MS + 4 * GAP_MS, "prices (first message)": FIRST_MS, "prices (message)": GAP_MS}
EXPECTED = {
    "grpc": {"price": PRICE_MS, **OF_STREAM},
    "websocket": {"price": PRICE_MS, **OF_STREAM},
    "sse": OF_STREAM,
    "graphql": {"Price": PRICE_MS},
}


@pytest.mark.parametrize("protocol", EXPECTED)
def test_each_figure_is_that_of_the_service(tmp_path, protocol):
    script = (ROOT / "loadtests" / protocol / "locustfile.py").read_text()
    with prices(*["--grpc"] * (protocol == "grpc")) as address:
        scenarios = {"visitors": {"default-address": address, "script": "locustfile.py"}}
        plan = plan_of([planned("locust", "visitors", concurrency=2, hold_for_s=6.0)], scenarios)
        with workers(plan, tmp_path, {"locustfile.py": script}) as run:
            found = run.go()
    assert found.exits[0].outcome == "finished", run.log()[-3000:]
    assert found.total().failures == 0
    for label, expected_ms in EXPECTED[protocol].items():
        assert expected_ms - 1 <= found.total(label).percentile(50) / 1000 <= expected_ms + 15, label
    requests = sum(found.total(label).samples for label in found.timeline.labels() if label and "message" not in label)
    assert requests == found.samples == found.total().samples  # timings are none


LOOP = """
from locust import task
from toril.clients.websocket import WebSocketUser

class Visitor(WebSocketUser):
    @task
    def look(self):
        self.connect("/prices")
        while True:
            self.ask("price 7", "price")

    def on_stop(self):
        self.ask("price 7", "farewell")
        self.close()
"""


def test_a_task_that_calls_in_a_loop_ends_with_the_load(tmp_path):
    with prices() as address:
        scenarios = {"visitors": {"default-address": address, "script": "locustfile.py"}}
        plan = plan_of([planned("locust", "visitors", concurrency=3, hold_for_s=1.0)], scenarios)
        with workers(plan, tmp_path, {"locustfile.py": LOOP}) as run:
            found = run.go()
    assert found.exits[0].outcome == "finished", run.log()[-3000:]
    assert (found.total("farewell").samples, found.unfinished, found.total().failures) == (3, 0, 0)
    assert 30 < found.total("price").samples <= 60  # each takes 50 ms


def test_a_stream_that_the_end_of_the_load_cuts_off_is_unfinished(tmp_path):
    script = (ROOT / "loadtests" / "sse" / "locustfile.py").read_text().replace("messages=5", "")
    with prices() as address:
        scenarios = {"visitors": {"default-address": address, "script": "locustfile.py"}}
        plan = plan_of([planned("locust", "visitors", concurrency=3, hold_for_s=1.0)], scenarios)
        with workers(plan, tmp_path, {"locustfile.py": script}) as run:
            found = run.go()
    assert found.exits[0].outcome == "finished", run.log()[-3000:]
    assert (found.samples, found.unfinished) == (0, 3)
