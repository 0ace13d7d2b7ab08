"""What real JMeter sent and received, as the evidence shows it, against a target that logs raw bytes."""

import os
import shutil

import pytest

from tests.raw_target import ANSWERS, SECRET, answer, differences, last_of, raw_target
from tests.worker.driver import plan_of, planned, workers
from toril.programs import jmeter_home
from toril.records import Keeping
from toril.worker.engines.jmeter.executor import LISTENER_JAR

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not (jmeter_home() / LISTENER_JAR).is_file(), reason="`make jmeter` has not made the listener"),
]

ANSWERED = {**ANSWERS, "/silent": b""}
WRONG = {"jsonpath": "$.ok", "expected-value": "false", "validate": True}


def test_evidence_is_what_was_sent(tmp_path):
    requests = [
        {
            "url": "/wrong?token=tttttttt&id=7",
            "label": "wrong",
            "method": "POST",
            "body": '{"user": "jör", "password": "hunter22", "n": 1.50}',
            "headers": {"Content-Type": "application/json", "Authorization": f"Bearer {SECRET}", "X-Odd": "a: b"},
        },
        {"url": "/picture", "label": "picture", "headers": {"traceparent": f"00-{7:032x}-{7:016x}-00"}},
        {"url": "/form", "label": "form", "method": "POST", "body": {"a": "1 2", "ü": "&"}, "assert": ["a basket"]},
        {"url": "/json", "label": "json", "assert-jsonpath": [WRONG]},
        *({"url": f"/{name}", "label": name} for name in ("large", "chunked", "hop")),
        {"transaction": "buying", "do": [{"url": "/fine", "label": "fine"}]},
        {"url": "/silent", "label": "silent", "method": "PUT", "body": "käse", "timeout": "200ms"},
        {"url": "/file", "label": "file", "method": "POST", "body-file": "body.bin", "assert": ["a basket"]},
        {"url": "http://127.0.0.1:1/nothing", "label": "refused"},
    ]
    with raw_target(ANSWERED) as service:
        scenarios = {"shop": {"default-address": service.url, "requests": requests}}
        plan = plan_of(
            [planned("jmeter", "shop", concurrency=2, iterations=4)],
            scenarios,
            keeping=Keeping(slowest=("", "fine")),
            traceparent=True,
        )
        with workers(plan, tmp_path, {"body.bin": "from a file"}) as run:
            outcome = run.go()
            found = run.exchanges()
    assert outcome.exits[0].outcome == "finished", run.log()
    kept = [one for one in found if one.why == "failure"]
    failing = ("wrong", "picture", "form", "json", "large", "chunked", "hop", "silent", "file", "refused")
    assert {label: sum(one.label == label for one in kept) for label in failing} == dict.fromkeys(failing, 3)
    assert {(one.label, one.error, one.rc) for one in kept} == {
        (label, *one) for label in failing for one in outcome.total(label).errors
    }
    for shown in kept:
        if shown.label not in ("refused", "hop", "file"):  # JMeter does not tell what a file has
            sent = next(one for one in service.of(f"/{shown.label}") if shown.trace_id in one.head.decode())
            assert differences(shown, sent, ANSWERED.get(f"/{shown.label}", answer(200, b'{"ok":true}'))) == {}
    assert len({one.trace_id for one in kept if one.label == "wrong"}) == 3
    one_of = last_of(kept)
    sent = next(one for one in service.of("/wrong") if one_of["hop"].trace_id in one.head.decode())
    assert (one_of["hop"].hops, one_of["hop"].status, differences(one_of["hop"], sent)) == (1, 500, {})
    assert one_of["chunked"].response.text == ("gone wrong, " * 1000)[:4096]
    assert one_of["picture"].trace_id == f"{7:032x}"
    assert one_of["form"].asserted[0].expected == "text to contain /a basket/"
    assert "false" in one_of["json"].asserted[0].expected
    assert (one_of["silent"].status, one_of["silent"].response, one_of["silent"].request.text) == (None, None, "käse")
    assert (one_of["file"].request, len(one_of["file"].notes)) == (None, 1)
    assert (one_of["refused"].status, one_of["refused"].request_headers, len(one_of["refused"].notes)) == (None, (), 1)
    slowest = [one for one in found if one.label == "fine"]
    assert [one.why for one in slowest] == ["slowest"]
    written = b"".join(run.store.get(key) for key in run.store.keys(run.key(0, "evidence-"))).decode()
    assert not [one for one in (SECRET, "tttttttt", "hunter22", "abcdefgh") if one in written]


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
