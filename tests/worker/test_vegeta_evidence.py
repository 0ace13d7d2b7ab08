"""What vegeta's program sent and received, as the evidence shows it, against a target that logs raw bytes."""

import pytest

from tests.raw_target import ANSWERS, SECRET, answer, differences, last_of, raw_target
from tests.worker.driver import workers
from tests.worker.schedules import scheduled
from toril.records import Keeping

pytestmark = pytest.mark.live

PASSWORD = {
    "url": "/wrong?token=tttttttt&id=7",
    "label": "wrong",
    "method": "POST",
    "body": '{"user": "joe", "password": "hunter22", "n": 1.50}',
    "headers": {"Content-Type": "application/json", "Authorization": f"Bearer {SECRET}", "X-Odd": "a: b"},
}


@pytest.mark.parametrize("secure", [True, pytest.param(False, marks=pytest.mark.nightly)])
def test_evidence_is_what_was_sent(tmp_path, secure):
    requests = [
        PASSWORD,
        {"url": "/picture", "label": "picture", "headers": {"traceparent": f"00-{7:032x}-{7:016x}-00"}},
        *({"url": f"/{name}", "label": name} for name in ("large", "chunked", "hop", "fine")),
        {"url": "http://127.0.0.1:1/nothing", "label": "refused"},
    ]
    certificate = tmp_path / "certificate" if secure else None
    with raw_target(ANSWERS, certificate=certificate) as service:
        scenario = {"default-address": service.url, "requests": requests}
        keeping = Keeping(slowest=("", "fine"))
        vegeta = {"insecure": True}
        plan = scheduled(scenario, rate=35, hold_for_s=1, vegeta=vegeta, keeping=keeping, traceparent=True)
        with workers(plan, tmp_path) as run:
            assert run.go().exits[0].outcome == "finished"
            found = run.exchanges()
    kept = [one for one in found if one.why == "failure"]
    failing = ("wrong", "picture", "large", "chunked", "hop", "refused")
    assert {label: sum(one.label == label for one in kept) for label in failing} == dict.fromkeys(failing, 3)
    for shown in kept:
        if shown.label in ("wrong", "picture", "large", "chunked"):
            sent = next(one for one in service.of(f"/{shown.label}") if shown.trace_id in one.head.decode())
            assert differences(shown, sent, ANSWERS[f"/{shown.label}"]) == {}
            assert shown.remote == f"127.0.0.1:{service.port}"
    assert len({one.trace_id for one in kept if one.label == "wrong"}) == 3
    one_of = last_of(kept)
    assert (one_of["hop"].hops, one_of["hop"].status, one_of["hop"].method) == (1, 500, "GET")
    assert one_of["chunked"].response.text == ("gone wrong, " * 1000)[:4096]
    assert one_of["picture"].trace_id == f"{7:032x}"
    assert (one_of["refused"].status, one_of["refused"].request_headers, len(one_of["refused"].notes)) == (None, (), 1)
    assert {one.connection for one in kept if one.label == "wrong"} <= {"new", "reused"}
    (slowest,) = {one.response_us: one for one in found if one.label == "fine"}.values()
    sent = next(one for one in service.of("/fine") if slowest.trace_id in one.head.decode())
    assert differences(slowest, sent, answer(200, b'{"ok":true}')) == {}
    written = b"".join(run.store.get(key) for key in run.store.keys(run.key(0, "evidence-"))).decode()
    assert not [one for one in (SECRET, "tttttttt", "hunter22", "abcdefgh") if one in written]
