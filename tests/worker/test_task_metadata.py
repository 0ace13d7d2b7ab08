"""The facts of a container's task, from a loopback server that plays the ECS agent."""

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from toril.worker.ready import ADDRESS, task_facts

DIGEST, TASK = "sha256:" + "a" * 64, "arn:aws:ecs:eu-west-1:123456789012:task/toril/0123456789abcdef"
FACTS = {"/v4/x": {"DockerId": "1", "ImageID": DIGEST}, "/v4/x/task": {"Cluster": "toril", "TaskARN": TASK}}


@contextmanager
def agent(answers, delay_s=0.0):
    """Returns the address for a container; `answers` by path: bytes, an object to send as JSON, or None for 404."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            time.sleep(delay_s)
            found = answers.get(self.path)
            self.send_response(404 if found is None else 200)
            self.end_headers()
            self.wfile.write(found if isinstance(found, bytes) else json.dumps(found).encode())

        def log_message(self, format, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v4/x"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_container_reads_its_image_and_its_task():
    with agent(FACTS) as address:
        assert task_facts({ADDRESS: address}) == {"image_digest": DIGEST, "task": TASK}


def test_no_request_is_sent_outside_of_ecs():
    assert task_facts({}) == {"image_digest": None, "task": None}


def test_a_digest_in_the_environment_takes_precedence():
    assert task_facts({"TORIL_IMAGE_DIGEST": "sha256:b"}) == {"image_digest": "sha256:b", "task": None}
    with agent(FACTS) as address:
        facts = task_facts({ADDRESS: address, "TORIL_IMAGE_DIGEST": "sha256:b"})
        assert facts == {"image_digest": "sha256:b", "task": TASK}


@pytest.mark.parametrize(
    "image",
    [None, b"{", [], b"", {}, {"ImageID": 5}, {"ImageID": ""}],
    ids=["missing", "damaged", "no object", "empty", "without", "no text", "empty text"],
)
def test_a_missing_fact_is_unknown_and_the_other_one_is_read(image, caplog):
    with agent({**FACTS, "/v4/x": image}) as address:
        assert task_facts({ADDRESS: address}) == {"image_digest": None, "task": TASK}


def test_an_unreachable_agent_is_logged_and_has_no_other_effect(caplog):
    with agent(FACTS) as address:
        pass
    assert task_facts({ADDRESS: address}) == {"image_digest": None, "task": None}
    assert f"{address}: cannot read ImageID" in caplog.text
    assert f"{address}/task: cannot read TaskARN" in caplog.text


@pytest.mark.live
def test_an_agent_that_does_not_respond_delays_each_fact_by_a_second():
    with agent(FACTS, delay_s=4.0) as address:
        began = time.monotonic()
        assert task_facts({ADDRESS: address}) == {"image_digest": None, "task": None}
        assert time.monotonic() - began < 4.0


def test_metadata_requests_use_no_proxy(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with agent(FACTS) as address:
        assert task_facts({ADDRESS: address}) == {"image_digest": DIGEST, "task": TASK}
