"""What real Apiritif sent and received, as the evidence shows it, against a target that logs raw bytes."""

from typing import Any

import pytest

from tests.raw_target import answer, differences, raw_target
from tests.worker.driver import plan_of, planned, workers
from toril.records import Keeping

pytestmark = pytest.mark.live

ANSWERS = {
    "/wrong": answer(500, b'{"ok": false, "token": "tttttttt"}', headers=["Set-Cookie: sid=abcdefgh; Path=/"]),
    "/hop": answer(302, b"", headers=["Location: /wrong?from=hop"]),
    "/id": answer(200, b'{"id": "x-17"}'),
    "/json": answer(200, b'{"ok": true, "id": "x-17", "echo": "hunter22 abcdefgh"}'),
}

OWN = """
import unittest
from apiritif import http

class TestShop(unittest.TestCase):
    def test_basket(self):
        response = http.post("URL/json", data={"user": "joe", "password": "hunter22"})
        response.assert_in_body("basket")
    def test_upload(self):
        http.post("URL/wrong", files={"file": ("a.png", bytes(500), "image/png")}).assert_ok()
"""


def one_of(exchanges, label, why="failure"):
    return next(one for one in exchanges if one.label == label and one.why == why)


def test_evidence_of_generated_requests_over_tls_is_what_was_sent(tmp_path, monkeypatch):
    certificate = tmp_path / "certificate.pem"
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    requests: list[dict[str, Any]] = [
        {"url": "/id", "label": "id", "extract-jsonpath": {"id": "$.id"}},
        {
            "url": "/wrong?id=${id}",
            "label": "wrong",
            "method": "POST",
            "body": {"user": "joe", "password": "hunter22"},
            "headers": {"Authorization": "Basic am9lOmh1bnRlcjIy", "X-Id": "${id}"},
        },
        {"url": "/json", "label": "json", "assert": ["ok", "no basket"]},
        {"url": "/hop", "label": "hop"},
    ]
    refused = {"url": "http://127.0.0.1:1/nothing", "label": "refused"}
    with raw_target(ANSWERS, certificate=certificate) as service:
        scenarios = {"shop": {"requests": [{**one, "url": service.url + one["url"]} for one in requests] + [refused]}}
        plan = plan_of(
            [planned("apiritif", "shop", concurrency=1, iterations=4)], scenarios, keeping=Keeping(), traceparent=True
        )
        with workers(plan, tmp_path) as run:
            assert run.go().exits[0].outcome == "finished"
            found = run.exchanges()
    kept = [one for one in found if one.why == "failure"]
    assert [sum(one.label == label for one in kept) for label in ("json", "wrong", "hop", "refused")] == [3, 3, 3, 3]
    for label in ("json", "wrong"):
        for shown in (one for one in kept if one.label == label):
            sent = next(one for one in service.of(f"/{label}") if shown.trace_id in one.head.decode())
            assert differences(shown, sent, ANSWERS[f"/{label}"]) == {}
    asserted = one_of(kept, "json").asserted
    assert [(one.name, one.ok, one.expected[:9]) for one in asserted] == [
        ("assert_ok", True, ""),
        ("assert_regex_in_body", True, "ok"),
        ("assert_regex_in_body", False, "no basket"),
    ]
    assert (one_of(kept, "hop").hops, one_of(kept, "hop").status) == (1, 500)
    assert (one_of(kept, "refused").status, len(one_of(kept, "refused").notes)) == (None, 1)
    assert kept[0].connection == "new"
    assert kept[0].remote == f"127.0.0.1:{service.port}"
    written = b"".join(run.store.get(key) for key in run.store.keys(run.key(0, "evidence-"))).decode()
    assert not [one for one in ("tttttttt", "hunter22", "abcdefgh", "am9lOmh1bnRlcjIy") if one in written]


def test_a_try_keeps_every_request_and_skips_think_times(tmp_path):
    pausing = {"url": "/id", "label": "id", "think-time": "1h"}
    extracting = {**pausing, "extract-jsonpath": {"id": "$.id"}}
    with raw_target(ANSWERS) as service:
        scenarios: dict[str, Any] = {"own": {"script": "test_own.py"}}
        for name, first in (("a", extracting), ("l", pausing)):
            scenarios[name] = {"default-address": service.url, "requests": [first, "/json"]}
        plan = plan_of(
            [
                planned(executor, name, index=index, concurrency=1, iterations=1)
                for index, (executor, name) in enumerate((("apiritif", "own"), ("apiritif", "a"), ("locust", "l")))
            ],
            scenarios,
            keeping=Keeping(slowest=(), everything=True),
            traceparent=True,
        )
        with workers(plan, tmp_path, {"test_own.py": OWN.replace("URL", service.url)}) as run:
            run.go()
            found = run.exchanges()
    assert [one.why for one in found] == ["tried"] * 6
    for shown in found:
        sent = next(one for one in service.requests if shown.trace_id in one.head.decode())
        if sent.path == "/json" or sent.path == "/id":
            assert differences(shown, sent, ANSWERS[sent.path]) == {}
    bodies = {one.label.rpartition("/")[2]: one.request.text for one in found if one.request is not None}
    assert bodies["json"] == "user=joe&password=***"
    assert "<500 bytes of image/png>" in bodies["wrong"]
    assert ("id", "x-17") in next(one for one in found if one.execution == "a" and one.label == "id").variables
