"""Requests signed for AWS: botocore computes each signature again from what the service received."""

import hmac
import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.raw_target import answer, raw_target
from tests.worker.driver import plan_of, planned, workers
from toril.engines.base import Engine

pytestmark = pytest.mark.live

KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "made-up/Secret+key",
    "AWS_SESSION_TOKEN": "t0ken=",
}
SIGN = {"service": "execute-api", "region": "eu-west-1"}
AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/(\d{8})/eu-west-1/execute-api/aws4_request, "
    r"SignedHeaders=([^,]+), Signature=([0-9a-f]{64})"
)
REQUESTS = [
    {"url": "/items?b=2&a=1%20x&a=%C3%BC&empty", "label": "query"},
    {"url": "/a%20b/./c//d/~x", "label": "path"},
    {"url": "/items", "label": "json", "method": "PUT", "body": '{"name": "käse"}'},
    {"url": "/form", "label": "form", "method": "POST", "body": {"a": "1 2", "ü": "&"}},
    {"url": "/hop", "label": "hop"},
]  # fmt: skip


def is_signed(request, url) -> bool:
    """Returns whether botocore computes the same signature for a request as received."""
    headers = {name.lower(): value for name, value in request.headers}
    found = AUTHORIZATION.fullmatch(headers["authorization"])
    if not found or headers["x-amz-security-token"] != KEYS["AWS_SESSION_TOKEN"]:
        return False
    names = found[2].split(";")
    assert {"host", "x-amz-date"} <= set(names)
    method = request.line.split(" ")[0]
    again = AWSRequest(method, url + request.path, {name: headers[name] for name in names}, request.body)
    again.context["timestamp"] = headers["x-amz-date"]
    judge = SigV4Auth(Credentials(*KEYS.values()), "execute-api", "eu-west-1")
    text = judge.string_to_sign(again, judge.canonical_request(again))
    return hmac.compare_digest(judge.signature(text, again), found[3])


@pytest.mark.parametrize("engine", ["locust", "apiritif", "toril"])
def test_each_request_carries_the_signature_that_botocore_computes(engine, tmp_path, monkeypatch):
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    with raw_target({"/hop": answer(302, b"", headers=["Location: /items?from=hop"])}) as service:
        scenario = {"default-address": service.url, "sign": SIGN, "requests": REQUESTS}
        plan = plan_of([planned(engine, "shop", concurrency=1, iterations=1)], {"shop": scenario})
        with workers(plan, tmp_path) as run:
            done = run.go()
    assert done.total().failures == 0
    sent = [request for request in service.requests if engine != "locust" or "from=hop" not in request.path]
    assert len(sent) >= len(REQUESTS)
    assert [request.line for request in sent if not is_signed(request, service.url)] == []


def test_each_arm_of_a_duet_has_keys_of_its_own(tmp_path, monkeypatch):
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    engine = Engine()
    engine.context = SimpleNamespace(folder=tmp_path)  # type: ignore[assignment]
    base, head = (engine.signing({"sign": SIGN}) or {} for _ in range(2))
    assert base["credentials"] != head["credentials"]
    assert [json.loads(Path(arm["credentials"]).read_text())["access_key"] for arm in (base, head)] == [
        "AKIDEXAMPLE"
    ] * 2
