"""What real Locust sent and received, as the evidence shows it, against a target that logs raw bytes."""

import pytest

from tests.raw_target import ANSWERS, SECRET, answer, differences, raw_target
from tests.worker.driver import plan_of, planned, workers
from toril.records import Keeping

pytestmark = pytest.mark.live

ANSWERED = {
    **ANSWERS,
    "/wrong": answer(
        500, b'{"ok": false, "why": "no stock"}', headers=["Set-Cookie: sid=abcdefgh; Path=/", "X-A: 1", "X-A: 2"]
    ),
    "/picture": answer(200, bytes(range(256)) * 40, "image/png"),
    "/text": answer(200, b"all is well", "text/plain"),
}

OWN = """
from locust import HttpUser, FastHttpUser, task

class Slow(HttpUser):
    @task
    def visit(self):
        self.client.post("/wrong?token=tttttttt&id=7", name="own wrong", json={"user": "joe", "password": "hunter22"})
        self.client.get("/hop", name="own hop")
        self.client.get("/large", name="own large")
        self.client.get("http://127.0.0.1:1/nothing", name="own refused")
        with self.client.get("/text", name="own text", catch_response=True) as response:
            self.client.get("/wrong", name="inside")
            response.failure("expected a basket")
        raise KeyError("no such thing")
"""


def one_of(exchanges, label, why="failure"):
    return next(one for one in exchanges if one.label == label and one.why == why)


def test_evidence_of_generated_requests_is_what_was_sent(tmp_path):
    requests = [
        {
            "url": "/wrong?token=tttttttt&id=7",
            "label": "wrong",
            "method": "POST",
            "body": '{"user": "joe", "password": "hunter22", "n": 1.50}',
            "headers": {"Content-Type": "application/json", "Authorization": f"Bearer {SECRET}", "X-Odd": "a: b"},
        },
        {"url": "/hop", "label": "hop"},
        {"url": "/picture", "label": "picture", "assert": ["no such text"]},
        {"url": "/large", "label": "large"},
        {"url": "/chunked", "label": "chunked"},
        {"url": "/text", "label": "text", "assert": ["all", {"contains": ["is ill"], "regexp": False}]},
        {"url": "http://127.0.0.1:1/nothing", "label": "refused"},
    ]
    with raw_target(ANSWERED) as service:
        scenarios = {"shop": {"default-address": service.url, "requests": requests}}
        plan = plan_of(
            [planned("locust", "shop", concurrency=2, iterations=4)],
            scenarios,
            keeping=Keeping(slowest=("", "large")),
            traceparent=True,
        )
        with workers(plan, tmp_path) as run:
            assert run.go().exits[0].outcome == "finished"
            found = run.exchanges()
    kept = [one for one in found if one.why == "failure"]
    assert len(kept) == 7 * 3
    for label, path in (("wrong", "/wrong"), ("picture", "/picture"), ("large", "/large"), ("text", "/text")):
        for shown in (one for one in kept if one.label == label):
            sent = next(one for one in service.of(path) if shown.trace_id in one.head.decode())
            assert differences(shown, sent, ANSWERED[path]) == {}
    hop = one_of(kept, "hop")
    assert (hop.hops, hop.status, hop.url) == (1, 500, f"{service.url}/wrong?from=hop")
    assert one_of(kept, "chunked").response.text == ("gone wrong, " * 1000)[:4096]
    text = one_of(kept, "text")
    assert [one.ok for one in text.asserted] == [True, False]
    assert (text.asserted[1].expected, text.error) == ("body with is ill", text.asserted[1].message)
    refused = one_of(kept, "refused")
    assert (refused.status, refused.method, refused.request_headers, len(refused.notes)) == (None, "GET", (), 1)
    assert {one.connection for one in kept if one.label == "text"} <= {"new", "reused"}
    assert one_of(found, "large", "slowest").response_us == max(
        one.response_us for one in found if one.label == "large"
    )
    written = b"".join(run.store.get(key) for key in run.store.keys(run.key(0, "evidence-"))).decode()
    assert not [one for one in (SECRET, "tttttttt", "hunter22", "abcdefgh") if one in written]


def test_evidence_of_a_locustfile_is_what_was_sent(tmp_path):
    with raw_target(ANSWERED) as service:
        scenarios = {"own": {"script": "own.py", "default-address": service.url}}
        plan = plan_of(
            [planned("locust", "own", concurrency=1, iterations=2)], scenarios, keeping=Keeping(), traceparent=True
        )
        with workers(plan, tmp_path, {"own.py": OWN}) as run:
            run.go()
            found = run.exchanges()
    for label, path in (("own wrong", "/wrong"), ("own large", "/large"), ("own text", "/text"), ("inside", "/wrong")):
        shown = one_of(found, label)
        sent = next(one for one in service.of(path) if shown.trace_id in one.head.decode())
        assert differences(shown, sent, ANSWERED[path]) == {}
    assert (one_of(found, "own hop").hops, one_of(found, "own hop").status) == (1, 500)
    assert one_of(found, "own text").error == "expected a basket"
    assert one_of(found, "own refused").status is None
    assert "no such thing" in one_of(found, "Slow: exception").notes[0]
