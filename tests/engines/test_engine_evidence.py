"""What real engines sent and received, as the evidence shows it, against a target that logs raw bytes."""

import os
import shutil
from typing import Any

import pytest

from tests.raw_target import ANSWERS, SECRET, answer, differences, last_of, raw_target
from tests.worker.driver import plan_of, planned, workers
from tests.worker.schedules import scheduled
from toril.engines.jmeter.executor import LISTENER_JAR
from toril.programs import jmeter_home
from toril.records import Keeping

pytestmark = pytest.mark.live

needs_listener = pytest.mark.skipif(
    not (jmeter_home() / LISTENER_JAR).is_file(), reason="`make jmeter` has not made the listener"
)
OK = answer(200, b'{"ok":true}')  # to every other request
ANSWERED = {**ANSWERS, "/silent": b""}
REQUESTS: list[dict[str, Any]] = [
    {
        "url": "/wrong?token=tttttttt&id=7",
        "label": "wrong",
        "method": "POST",
        "body": '{"user": "joe", "password": "hunter22", "n": 1.50}',
        "headers": {"Content-Type": "application/json", "Authorization": f"Bearer {SECRET}", "X-Odd": "a: b"},
    },
    {"url": "/picture", "label": "picture", "headers": {"traceparent": f"00-{7:032x}-{7:016x}-00"}},
    *({"url": f"/{name}", "label": name} for name in ("large", "chunked", "hop", "fine")),
    {"url": "http://127.0.0.1:1/nothing", "label": "refused"},
]
ASSERTED = {"url": "/asserted", "label": "asserted", "assert": ["ok", "a basket"]}
WRONG = {"jsonpath": "$.ok", "expected-value": "false", "validate": True}
CHECKED: list[dict[str, Any]] = [
    ASSERTED,
    {"url": "/form", "label": "form", "method": "POST", "body": {"a": "1 2", "ü": "&"}, "assert": ["a basket"]},
    {"url": "/json", "label": "json", "assert-jsonpath": [WRONG]},
    {"url": "/silent", "label": "silent", "method": "PUT", "body": "käse", "timeout": "200ms"},
    {"url": "/file", "label": "file", "method": "POST", "body-file": "body.bin", "assert": ["a basket"]},
]
MORE: dict[str, list[dict[str, Any]]] = {
    "vegeta": [],
    "locust": [ASSERTED],
    "apiritif": [ASSERTED],
    "jmeter": CHECKED,
    "toril": CHECKED,
}


def one_of(exchanges, label, why="failure"):
    return next(one for one in exchanges if one.label == label and one.why == why)


@pytest.mark.parametrize(
    ("engine", "secure"),
    [
        ("locust", False),
        ("apiritif", True),
        pytest.param("jmeter", False, marks=needs_listener),
        ("toril", True),
        ("vegeta", True),
        pytest.param("vegeta", False, marks=pytest.mark.nightly),
    ],
)
def test_evidence_of_requests_is_what_was_sent(tmp_path, monkeypatch, engine, secure):
    certificate = tmp_path / "certificate.pem" if secure else None
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate or ""))
    requests = [*REQUESTS, *MORE[engine]]
    kept_of_run: dict[str, Any] = {"keeping": Keeping(slowest=("", "fine")), "traceparent": True}
    with raw_target(ANSWERED, certificate=certificate) as service:
        scenario = {"default-address": service.url, "requests": requests}
        if engine == "apiritif":  # bzt's own puts the default address before absolute ones, too
            urls = [service.url + one["url"] if one["url"].startswith("/") else one["url"] for one in requests]
            scenario = {"requests": [{**one, "url": url} for one, url in zip(requests, urls, strict=True)]}
        if engine == "vegeta":
            plan = scheduled(scenario, rate=35, hold_for_s=1, vegeta={"insecure": True}, **kept_of_run)
        else:
            common = {"modules": {"toril": {"insecure": True}}}
            load = planned(engine, "shop", concurrency=2, iterations=4)
            plan = plan_of([load], {"shop": scenario}, common=common, **kept_of_run)
        with workers(plan, tmp_path, {"body.bin": "from a file"}) as run:
            outcome = run.go()
            found = run.exchanges()
    assert outcome.exits[0].outcome == "finished", run.log()
    kept = [one for one in found if one.why == "failure"]
    failing = [request["label"] for request in requests if request["label"] != "fine"]
    assert {label: sum(one.label == label for one in kept) for label in failing} == dict.fromkeys(failing, 3)
    assert {(one.label, one.error, one.rc) for one in kept} == {
        (label, *error) for label in failing for error in outcome.total(label).errors
    }
    slowest = [one for one in found if one.label == "fine"]
    assert {one.why for one in slowest} == {"slowest"}
    for shown in (*kept, slowest[-1]):
        if shown.label not in ("refused", "hop", "file"):  # JMeter does not tell what a file has
            sent = next(one for one in service.of(f"/{shown.label}") if shown.trace_id in one.head.decode())
            assert differences(shown, sent, ANSWERED.get(f"/{shown.label}", OK)) == {}
            assert shown.connection in ("new", "reused", "")
            assert shown.remote in (f"127.0.0.1:{service.port}", "")
    assert len({one.trace_id for one in kept if one.label == "wrong"}) == 3
    last = last_of(kept)
    assert (last["hop"].hops, last["hop"].status) == (1, 500)
    assert last["chunked"].response.text == ("gone wrong, " * 1000)[:4096]
    assert last["picture"].trace_id == f"{7:032x}"
    assert (last["refused"].status, last["refused"].request_headers, len(last["refused"].notes)) == (None, (), 1)
    if "asserted" in last:
        assert not last["asserted"].asserted[-1].ok
        assert "a basket" in last["asserted"].asserted[-1].expected
    if engine == "toril":
        assert last["form"].asserted[0].expected == "a basket"
        assert last["json"].asserted[0].expected == "$.ok = false"
        assert (last["silent"].status, last["silent"].response, last["silent"].request.text) == (None, None, "käse")
        assert last["file"].request.text == "from a file"
    if engine == "jmeter":
        assert last["form"].asserted[0].expected == "text to contain /a basket/"
        assert "false" in last["json"].asserted[0].expected
        assert (last["silent"].status, last["silent"].response, last["silent"].request.text) == (None, None, "käse")
        assert (last["file"].request, len(last["file"].notes)) == (None, 1)
    written = b"".join(run.store.get(key) for key in run.store.keys(run.key(0, "evidence-"))).decode()
    assert not [one for one in (SECRET, "tttttttt", "hunter22", "abcdefgh") if one in written]


LOCUSTFILE = """
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


def test_evidence_of_a_locustfile_is_what_was_sent(tmp_path):
    with raw_target({**ANSWERED, "/text": OK}) as service:
        scenarios = {"own": {"script": "own.py", "default-address": service.url}}
        plan = plan_of(
            [planned("locust", "own", concurrency=1, iterations=2)], scenarios, keeping=Keeping(), traceparent=True
        )
        with workers(plan, tmp_path, {"own.py": LOCUSTFILE}) as run:
            run.go()
            found = run.exchanges()
    for label, path in (("own wrong", "/wrong"), ("own large", "/large"), ("own text", "/text"), ("inside", "/wrong")):
        shown = one_of(found, label)
        sent = next(one for one in service.of(path) if shown.trace_id in one.head.decode())
        assert differences(shown, sent, ANSWERED.get(path, OK)) == {}
    assert (one_of(found, "own hop").hops, one_of(found, "own hop").status) == (1, 500)
    assert one_of(found, "own text").error == "expected a basket"
    assert one_of(found, "own refused").status is None
    assert "no such thing" in one_of(found, "Slow: exception").notes[0]


JSON = {
    "/id": answer(200, b'{"id": "x-17"}'),
    "/json": answer(200, b'{"ok": true, "id": "x-17", "echo": "hunter22 abcdefgh"}'),
}


TEST = """
import unittest
from apiritif import http

class TestShop(unittest.TestCase):
    def test_basket(self):
        response = http.post("URL/json", data={"user": "joe", "password": "hunter22"})
        response.assert_in_body("basket")
    def test_upload(self):
        http.post("URL/wrong", files={"file": ("a.png", bytes(500), "image/png")}).assert_ok()
"""


def test_a_try_keeps_every_request_and_skips_think_times(tmp_path):
    pausing = {"url": "/id", "label": "id", "think-time": "1h"}
    extracting = {**pausing, "extract-jsonpath": {"id": "$.id"}}
    with raw_target({**ANSWERED, **JSON}) as service:
        scenarios: dict[str, Any] = {"own": {"script": "test_own.py"}}
        for name, first in (("a", extracting), ("l", pausing), ("t", extracting)):
            scenarios[name] = {"default-address": service.url, "requests": [first, "/json"]}
        plan = plan_of(
            [
                planned(executor, name, index=index, concurrency=1, iterations=1)
                for index, (executor, name) in enumerate(
                    (("apiritif", "own"), ("apiritif", "a"), ("locust", "l"), ("toril", "t"))
                )
            ],
            scenarios,
            keeping=Keeping(slowest=(), everything=True),
            traceparent=True,
        )
        with workers(plan, tmp_path, {"test_own.py": TEST.replace("URL", service.url)}) as run:
            run.go()
            found = run.exchanges()
    assert [one.why for one in found] == ["tried"] * 8
    for shown in found:
        sent = next(one for one in service.requests if shown.trace_id in one.head.decode())
        if sent.path in JSON:
            assert differences(shown, sent, JSON[sent.path]) == {}
    own = [one for one in found if one.execution == "own"]
    bodies = {one.label.rpartition("/")[2]: one.request.text for one in own if one.request is not None}
    assert bodies["json"] == "user=joe&password=***"
    assert "<500 bytes of image/png>" in bodies["wrong"]
    for execution in ("a", "t"):
        shown = next(one for one in found if one.execution == execution and one.label == "id")
        assert ("id", "x-17") in shown.variables


@needs_listener
@pytest.mark.nightly
def test_a_try_keeps_every_request_with_the_extracted_variables(tmp_path):
    requests = [
        {"url": "/json", "label": "json", "extract-jsonpath": {"found": "$.ok"}},
        {"url": "/wrong", "label": "wrong"},
    ]
    with raw_target(ANSWERED) as service:
        scenarios = {"shop": {"default-address": service.url, "requests": requests, "variables": {"colour": "green"}}}
        plan = plan_of(
            [planned("jmeter", "shop", concurrency=1, iterations=1)], scenarios, keeping=Keeping(everything=True)
        )
        with workers(plan, tmp_path) as run:
            run.go()
            tried = [one for one in run.exchanges() if one.why == "tried"]
    assert [(one.label, one.ok) for one in tried] == [("json", True), ("wrong", False)]
    assert {("found", "true"), ("colour", "green")} <= set(tried[0].variables)
    assert not [name for name, _ in tried[0].variables if name.startswith(("__jm", "JMeterThread", "START."))]


@needs_listener
@pytest.mark.nightly
def test_requests_that_the_end_cuts_off_are_no_evidence(tmp_path):
    with raw_target({"/slow": b""}) as service:
        scenarios = {"shop": {"default-address": service.url, "requests": [{"url": "/slow", "label": "slow"}]}}
        plan = plan_of(
            [planned("jmeter", "shop", concurrency=2, hold_for_s=1.0)],
            scenarios,
            keeping=Keeping(),
            graceful_stop_s=0.5,
        )
        with workers(plan, tmp_path) as run:
            outcome = run.go()
            assert (outcome.unfinished, outcome.total().failures, run.exchanges()) == (2, 0, [])


@needs_listener
@pytest.mark.nightly
@pytest.mark.parametrize("prepared", [True, False])
def test_a_suites_own_jmeter_uses_the_prepared_listener_and_without_it_says_that_nothing_is_kept(
    tmp_path, monkeypatch, prepared
):
    own = tmp_path / "own"
    shutil.copytree(jmeter_home(), own, copy_function=os.symlink)
    (own / LISTENER_JAR).unlink()
    if not prepared:
        monkeypatch.setenv("TORIL_JMETER_HOME", str(own))
    with raw_target(ANSWERED) as service:
        scenarios = {"shop": {"default-address": service.url, "requests": ["/wrong"]}}
        load = planned("jmeter", "shop", concurrency=1, iterations=1)
        common = {"modules": {"jmeter": {"path": str(own)}}}
        with workers(plan_of([load], scenarios, common=common, keeping=Keeping()), tmp_path) as run:
            found = run.go().exits[0]
            kept = run.exchanges()
    assert (found.outcome, found.samples, bool(kept)) == ("finished", 1, prepared)
    assert bool(found.executions["shop"].note) != prepared


@needs_listener
@pytest.mark.nightly
def test_keys_of_failures_beyond_the_limit_are_hidden_in_messages(tmp_path):
    keys = [f"VALUE{number:04}key" for number in range(350)]  # of 300, requests are kept
    request = {"url": "/fine", "label": "fine", "headers": {"X-Api-Key": "${key}"}, "assert": ["${key}"]}
    with raw_target(ANSWERED) as service:
        shop = {"default-address": service.url, "requests": [request], "data-sources": ["keys.csv"]}
        load = planned("jmeter", "shop", concurrency=1, iterations=len(keys))
        with workers(
            plan_of([load], {"shop": shop}, keeping=Keeping()), tmp_path, {"keys.csv": "\n".join(["key", *keys])}
        ) as run:
            outcome = run.go()
            assert run.exchanges()
    assert [message for message, _ in outcome.total("fine").errors] == ["Test failed: text expected to contain /***/"]
