"""The debug logs of k6 and Gatling in a try, as k6 0.57 and Gatling 3.9.5 wrote them."""

import base64
import json

from toril.engines.gatling.debug import GatlingDebug
from toril.engines.k6.debug import K6Debug
from toril.engines.readers import Sampled

GATLING = """Request 'b: 2' failed for user 1: status.find.in([200, 209], 304), found 500

>>>>>>>>>>>>>>>>>>>>>>>>>>
Request:
b: 2: KO status.find.in([200, 209], 304), found 500
=========================
Session:
Session(Taurus Scenario,1,Map(),KO,List())
=========================
HTTP request:
POST http://127.0.0.1:18999/bad
headers:
\tContent-Type: application/json
\tcontent-length: 8
body:StringChunksRequestBody{charset=UTF-8, content={"x": 1}}
=========================
HTTP response:
status:
\t500 Internal Server Error
headers:
\tServer: BaseHTTP/0.6 Python/3.11.7

body:
{"path": "/bad",
=========================
 "items": [1, 2]}
<<<<<<<<<<<<<<<<<<<<<<<<<

>>>>>>>>>>>>>>>>>>>>>>>>>>
Request:
c: KO j.n.ConnectException: finishConnect(..) failed: Connection refused
=========================
Session:
Session(Taurus Scenario,1,Map(),KO,List())
=========================
HTTP request:
GET http://127.0.0.1:1/c
headers:
\taccept: */*
=========================
HTTP response:
<<<<<<<<<<<<<<<<<<<<<<<<<
"""


def record(label: str, url: str = "", method: str = "") -> Sampled:
    return Sampled(started_s=1.0, response_us=1, label=label, ok=True, rc="200", message="", url=url, method=method)


def body_of(fields: dict, name: str) -> bytes:
    return base64.b64decode(fields[name] or "")


def test_gatlings_blocks_are_requests_with_their_responses(tmp_path):
    debug = GatlingDebug(tmp_path, 1000)
    debug.configure(tried=True)
    (tmp_path / "debug").write_text(GATLING)
    found = debug.next_of(record("b: 2"))
    assert (found["method"], found["url"], found["status"]) == ("POST", "http://127.0.0.1:18999/bad", 500)
    assert found["request_headers"] == [["Content-Type", "application/json"], ["content-length", "8"]]
    assert found["response_headers"] == [["Server", "BaseHTTP/0.6 Python/3.11.7"]]
    assert body_of(found, "request") == b'{"x": 1}'
    assert body_of(found, "response") == b'{"path": "/bad",\n=========================\n "items": [1, 2]}'
    assert (tmp_path / "debug").stat().st_mode & 0o777 == 0o600
    unanswered = debug.next_of(record("c"))
    assert (unanswered["url"], unanswered["request"]) == ("http://127.0.0.1:1/c", None)
    assert "status" not in unanswered
    assert debug.next_of(record("c")) == {}


def test_k6s_lines_are_requests_with_their_responses(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    debug = K6Debug(tmp_path, 10)
    lines = [
        {"msg": "Request:\nGET /a?x=1 HTTP/1.1\nHost: shop:80\n\n\n", "request_id": "1", "level": "info"},
        {"msg": "Response:\nHTTP/1.1 200 OK\nA: b\n\n0123456789abc\n", "request_id": "1", "level": "info"},
        {
            "msg": "Request:\nPOST /o HTTP/1.1\nHost: shop\n\nn=1\n\nm\n",
            "request_id": "2",
            "level": "info",
            "name": "order",
        },
        {"msg": f"TypeError: no\n\tat file://{tmp_path}/shop.js:3:11(13)\n", "level": "error"},
    ]
    with debug.open() as log:
        log.write("".join(json.dumps(line) + "\n" for line in lines) + "no JSON\n")
    order = debug.next_of(record("order", "order", "POST"))
    assert (order["method"], order["url"], body_of(order, "request")) == ("POST", "http://shop/o", b"n=1\n\nm")
    assert "response" not in order
    found = debug.next_of(record("https://shop:80/a?x=1", "https://shop:80/a?x=1", "GET"))
    assert (found["url"], found["request"], found["response_headers"]) == ("https://shop:80/a?x=1", None, [["A", "b"]])
    assert (body_of(found, "response"), found["response_bytes"]) == (b"0123456789", 13)
    assert debug.next_of(record("https://shop:80/a?x=1", "https://shop:80/a?x=1")) == {}
    assert debug.errors() == "TypeError: no\n\tat shop.js:3:11(13)"
