"""The engine toril signs requests as botocore does."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
TARGETS = (
    "/", "/items/7", "/a%20b/%C3%BC/x+y", "/a/./b/../c//d/", "/..", "//", "/~user/-._~!$&'()*,;=:@", "/k%2Fey%25/",
    "/?b=2&a=1&a=0&c&=x", "/x?q=a%20b+c&Q=%C3%BC&empty=&a-b=1&a=2", "/x?a=1?b=2&c=%2F/", "/x?z=a:b/c+d&a=%7e",
)  # fmt: skip
JSON = (("Content-Type", " application/json ;  charset=utf-8"), ("X-Amz-Meta-A", "1"))
OTHERS = (("X-B", "2"), ("x-b", "1"), ("Cookie", "a=1; b=2"), ("Accept", "*/*"), ("User-Agent", "toril"))
REQUESTS = (
    ("GET", (), b""),
    ("PUT", JSON, '{"name": "käse"}'.encode()),
    ("POST", OTHERS, bytes(range(128))),
)
UNSIGNED = ("Accept", "User-Agent")


def encoded(target):
    """Returns a target whose query AWS, other than botocore, does not encode again before it checks the signature."""
    path, mark, query = target.partition("?")
    return path + mark + urlencode(parse_qsl(query, keep_blank_values=True), quote_via=quote, safe="~")


def vector(service, token, target, method, headers, body, credentials):
    request = AWSRequest(method=method, url=f"https://shop.example{encoded(target)}", data=body)
    for name, value in (("Host", "shop.example"), *headers):
        if name not in UNSIGNED:
            request.headers[name] = value
    keys = ReadOnlyCredentials("AKIDEXAMPLE", "made-up/Secret+key", token or None)
    signer = botocore.auth.S3SigV4Auth if service == "s3" else botocore.auth.SigV4Auth
    signer(keys, service, "eu-west-1").add_auth(request)
    fields = "".join(f"{name}: {value}\r\n" for name, value in (("Host", "shop.example"), *headers))
    return {
        "service": service,
        "region": "eu-west-1",
        "credentials": str(credentials),
        "wire": f"{method} {target} HTTP/1.1\r\n{fields}\r\n{body.decode()}",
        "authorization": request.headers["Authorization"],
        "at": int(NOW.timestamp()),
    }


@pytest.mark.live
def test_the_engine_signs_as_botocore_does(tmp_path, monkeypatch):
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_: NOW)
    vectors = []
    for token in ("", "t0ken="):
        credentials = tmp_path / f"keys{len(token)}.json"
        keys = {"access_key": "AKIDEXAMPLE", "secret_key": "made-up/Secret+key", "token": token}
        credentials.write_text(json.dumps(keys))
        for service, target, (method, headers, body) in product(("execute-api", "s3"), TARGETS, REQUESTS):
            vectors.append(vector(service, token, target, method, headers, body, credentials))
    path = tmp_path / "vectors.json"
    path.write_text(json.dumps(vectors))
    golang, engine = ROOT / "tools" / "golang.py", ROOT / "tools" / "engine"
    command = [sys.executable, str(golang), str(engine), "test", "-count=1", "-v", "./internal/sign"]
    environment = {**os.environ, "TORIL_SIGN_VECTORS": str(path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "--- PASS: TestSignaturesAreBotocores" in done.stdout, done.stdout
