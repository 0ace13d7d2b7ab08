"""The function's log, and its answers to events of the HTTP API."""

import asyncio
import base64
import json
import logging
from types import SimpleNamespace

import pytest

from tests.cloud.embedded import embedded_cloud
from toril.console import aws_lambda
from toril.console.aws_lambda import REQUEST_ID, JsonLines, handler
from toril.console.lambda_settings import LambdaSettings, environment_of, origin_digest

SECRET = "of-cloudfront"
SETTINGS = LambdaSettings(
    address="https://load.example.com",
    store="s3://results",
    uploads="https://results.s3.us-east-1.amazonaws.com",
    issuer="https://id.example.com",
    client_id="toril",
    login_client_id="toril-cli",
    groups_claim="groups",
    roles={"sre": "admin"},
    session_key_parameter="/toril/main/console/session-key",
    origin_digest=origin_digest(SECRET),
)


def record(message, **more):
    return logging.makeLogRecord({"name": "toril.console", "levelname": "INFO", "msg": message, **more})


def test_each_line_of_the_log_is_json_with_the_requests_id():
    REQUEST_ID.set("1-2-3")
    lines = [record('{"status": 200, "path": "/"}'), record("a %s\nb", args=("text",)), record("[1]")]
    texts = [JsonLines().format(line) for line in lines]
    assert not [text for text in texts if "\n" in text]
    first, second, third = map(json.loads, texts)
    assert (first["status"], first["path"], first["requestId"]) == (200, "/", "1-2-3")
    assert (second["message"], second["level"]) == ("a text\nb", "INFO")
    assert third["message"] == "[1]"


def test_an_error_has_its_stack_in_one_line():
    try:
        raise ValueError("no such thing")
    except ValueError as error:
        text = JsonLines().format(record("failed", exc_info=(ValueError, error, error.__traceback__)))
    assert "ValueError: no such thing" in json.loads(text)["stackTrace"]
    assert "\n" not in text


def test_an_answer_that_lambda_would_refuse_becomes_a_problem():
    headers = {"content-encoding": "gzip", "x-content-type-options": "nosniff", "content-type": "text/html"}
    small = {"statusCode": 200, "headers": headers, "body": "a" * 5_900_000, "isBase64Encoded": True}
    assert aws_lambda.fitting(small) is small
    found = aws_lambda.fitting(small | {"body": "a" * 6_000_000})
    assert (found["statusCode"], found["isBase64Encoded"]) == (422, False)
    assert found["headers"] == {"x-content-type-options": "nosniff", "content-type": "application/problem+json"}
    assert json.loads(found["body"])["code"] == "too-large"


@pytest.fixture
def deployed(monkeypatch):
    with embedded_cloud() as cloud:
        cloud.client("s3").create_bucket(Bucket="results")
        variables = {**cloud.environment(AWS_REGION="us-east-1"), **environment_of(SETTINGS)}
        for name, value in variables.items():
            if name.startswith(("AWS_", "TORIL_")):
                monkeypatch.setenv(name, value)
        aws_lambda.adapter.cache_clear()
        before = logging.root.handlers[:], logging.root.level
        yield
        asyncio.get_event_loop().close()  # the adapter made it
        asyncio.set_event_loop(None)
        logging.root.handlers[:], logging.root.level = before
        aws_lambda.adapter.cache_clear()


def event(path, **headers):
    http = {"method": "GET", "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "test"}
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"host": "0123456789.execute-api.us-east-1.amazonaws.com", **headers},
        "requestContext": {"http": http, "stage": "$default", "requestId": "r"},
        "isBase64Encoded": False,
    }


def test_the_function_answers_cloudfront_and_refuses_all_others(deployed):
    context = SimpleNamespace(aws_request_id="1-2-3")
    answer = handler(event("/", **{"x-toril-origin": SECRET}), context)
    assert (answer["statusCode"], answer["headers"]["location"]) == (303, "/login?next=%2F")
    about = handler(event("/api/v1/login", **{"x-toril-origin": SECRET}), context)
    assert json.loads(about["body"])["client_id"] == "toril-cli"
    for headers in ({}, {"x-toril-origin": "guessed"}):
        refused = handler(event("/", **headers), context)
        assert refused["statusCode"] == 403
        assert refused["isBase64Encoded"]
        assert json.loads(base64.b64decode(refused["body"]))["code"] == "not-through-cloudfront"
