"""Addresses of single objects for browsers: of the host that the console's policy permits, and no more than asked."""

import base64
import json
from urllib.parse import parse_qs, urlsplit

import pytest

from toril.aws import presigned
from toril.aws.presigned import presigned_read, presigned_upload


@pytest.fixture(params=["us-east-1", "eu-west-1"])
def host(request, monkeypatch):
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example")
    monkeypatch.setenv("AWS_DEFAULT_REGION", request.param)
    presigned._client.cache_clear()
    yield f"https://results.s3.{request.param}.amazonaws.com"  # as the hub's stack names it
    presigned._client.cache_clear()


def test_a_download_is_an_attachment_from_the_buckets_host_for_a_minute(host):
    found = presigned_read("results", "runs/a/ü<b>.html")
    asked = parse_qs(urlsplit(found).query)
    assert found.startswith(f"{host}/runs/a/")
    assert asked["X-Amz-Expires"] == ["60"]
    assert asked["response-content-disposition"] == ["attachment; filename*=UTF-8''%C3%BC%3Cb%3E.html"]


def test_an_upload_is_one_object_of_exactly_the_announced_size(host):
    address, fields = presigned_upload("results", "uploads/nonce", 1234)
    assert address.rstrip("/") == host
    conditions = json.loads(base64.b64decode(fields["policy"]))["conditions"]
    assert ["content-length-range", 1234, 1234] in conditions
    assert {"key": "uploads/nonce"} in conditions
    assert {"bucket": "results"} in conditions
