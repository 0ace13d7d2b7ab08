"""A Postman collection becomes its requests in order, with folders as steps."""

import json
from typing import Any

import pytest

from tests.authoring.readers.reading import left_out, recorded, refusal, requests
from toril.authoring.recorded import Expected, Extract

SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"


def item(request: Any, name: str = "one", **more: Any) -> dict[str, Any]:
    return {"name": name, "request": request, **more}


def collection(*items: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"info": {"name": "Shop", "schema": SCHEMA}, "item": list(items), **more}


def script(*lines: str) -> list[dict[str, Any]]:
    return [{"listen": "test", "script": {"exec": list(lines)}}]


def pairs(**values: str) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in values.items()]


def test_folders_are_steps_and_authentication_is_inherited():
    own = {"type": "basic", "basic": {"username": "ada", "password": "x"}}  # as 2.0 has it
    inner = {"name": "inner", "item": [item({"url": "http://a.example/2", "auth": own})]}
    folder = {"name": "outer", "item": [item("http://a.example/1"), inner], "auth": {"type": "noauth"}}
    bearer = {"type": "bearer", "bearer": pairs(token="abc")}
    found = recorded(collection(item({"url": "http://a.example/0"}), folder, auth=bearer))
    assert [(one.step, one.headers) for one in found.exchanges] == [
        ("", (("Authorization", "Bearer abc"),)),
        ("outer", ()),
        ("outer / inner", (("Authorization", "Basic YWRhOng="),)),
    ]
    assert (found.kind, found.origin) == ("postman", "sample (Shop)")
    named = requests(collection(item("http://a.example", "{{base}}/users"), item("http://a.example", "log in")))
    assert [one.name for one in named] == ["", "log in"]


def test_variables_come_from_environment_and_collection_and_secrets_stay_references(tmp_path):
    environment = tmp_path / "local.json"
    values = [
        *pairs(base="https://a.example", nested="{{base}}/v1", token="t0ken"),
        {"key": "pin", "value": "1", "type": "secret"},
    ]
    environment.write_text(json.dumps({"values": values, "_postman_variable_scope": "environment"}))
    url = {"raw": "{{nested}}/users/:userId?a={{own}}&p={{pin}}#x", "variable": pairs(userId="7")}
    request = {"url": url, "header": pairs(X_Token="{{token}}", X_Id="{{$guid}}", X_Other="{{unknownValue}}")}
    document = collection(item(request), variable=pairs(own="1", base="https://b.example"))
    (found,) = requests(document, environment=environment)
    assert found.url == "https://a.example/v1/users/${user_id}?a=1&p=${PIN}"
    assert found.route == "/v1/users/{userId}"
    assert [value for _, value in found.headers] == ["${TOKEN}", "${__UUID()}", "${UNKNOWN_VALUE}"]
    assert recorded(document, environment=environment).variables == {"user_id": "7"}
    assert requests(document)[0].url == "${NESTED}/users/${user_id}?a=1&p=${PIN}"
    assert refusal(json.loads(environment.read_text())) == "unknown-format"
    environment.write_text("{}")
    assert refusal(document, environment=environment) == "unknown-format"


def test_a_dynamic_variable_without_a_counterpart_is_a_uuid_and_listed():
    found = recorded(collection(item("http://a.example/{{$isoTimestamp}}/{{$timestamp}}")))
    assert found.exchanges[0].url == "http://a.example/${__UUID()}/${__time()}"
    assert left_out(found) == {"dynamic variables": 1}


def test_bodies_have_the_type_of_their_mode(tmp_path):
    (tmp_path / "a.txt").write_text("hi")
    form = [*pairs(a="1"), {"key": "off", "value": "2", "disabled": True}]
    files = [
        *pairs(a="1"),
        {"key": "f", "type": "file", "src": "a.txt"},
        {"key": "g", "type": "file", "src": "/etc/passwd"},
    ]
    graphql = {"query": "{ items }", "variables": '{"n": 1}'}
    bodies = [
        {"mode": "raw", "raw": '{"a": "{{$randomInt}}"}'},
        {"mode": "urlencoded", "urlencoded": form},
        {"mode": "formdata", "formdata": files},
        {"mode": "graphql", "graphql": graphql},
        {"mode": "file", "file": {"src": "a.txt"}},
    ]
    found = requests(
        collection(*(item({"method": "POST", "url": "a.example", "body": one}) for one in bodies)), tmp_path
    )
    raw, form_, multipart, query, file = (one.body for one in found)
    assert found[0].url == "http://a.example"
    assert raw and (raw.type, raw.text) == ("application/json", '{"a": "${__Random(0,1000)}"}')
    assert form_ and (form_.data, form_.fields) == (b"a=1", (("a", "1"),))
    assert multipart and [(one.field, one.data) for one in multipart.uploads] == [("f", b"hi"), ("g", None)]
    assert query and json.loads(query.text) == {"query": "{ items }", "variables": {"n": 1}}
    assert file and file.uploads[0].data == b"hi"


def test_statuses_and_values_of_scripts_are_translated_and_others_counted():
    login = script(
        'pm.test("ok", function () {', "    pm.response.to.have.status(201);", "});",
        "const json = pm.response.json();", 'pm.environment.set("accessToken", json.data["token"]);',
    )  # fmt: skip
    other = script("tests['x'] = responseTime < 5;", "postman.setNextRequest('one')")
    found = recorded(
        collection(
            item("http://a.example/login", "log in", event=login),
            item({"url": "http://a.example/me", "header": pairs(Authorization="Bearer {{accessToken}}")}, event=other),
        )
    )
    first, second = found.exchanges
    assert first.checks == (Expected(subject="status", value="201"),)
    assert first.extracts == (Extract(variable="access_token", how="jsonpath", expression="$.data['token']"),)
    assert second.headers == (("Authorization", "Bearer ${access_token}"),)
    assert left_out(found) == {"scripts": 1}


def test_parts_of_the_response_in_variables_of_a_script_are_followed():
    login = script(
        "const json = pm.response.json();", "var user = json.data.users[0] || {};", "let token = user.token;",
        "pm.globals.set('token', token);", "if (user.id) { pm.environment.set('id', user.id); }",
        "postman.setEnvironmentVariable('other', unknown.id);",
    )  # fmt: skip
    first, last = requests(collection(item("http://a.example/", event=login), item("http://a.example/{{id}}")))
    assert [(one.variable, one.expression) for one in first.extracts] == [
        ("token", "$.data.users[0].token"),
        ("id", "$.data.users[0].id"),
    ]
    assert last.url == "http://a.example/${id}"


def test_a_get_has_no_body_unless_the_collection_says_so():
    request = {"url": "http://a.example/", "method": "GET", "body": {"mode": "raw", "raw": "{}"}}
    keeps = item(request, protocolProfileBehavior={"disableBodyPruning": True})
    assert [one.body is None for one in requests(collection(item(request), keeps))] == [True, False]


def test_the_types_that_postman_writes_for_a_description_become_values():
    sent = {"mode": "raw", "raw": '{"id": "<long>", "name": "<string>", "open": "<boolean>"}'}
    (found,) = requests(collection(item({"url": "http://a.example/?limit=<integer>", "method": "POST", "body": sent})))
    assert found.body is not None
    assert (found.url, found.body.text) == ("http://a.example/?limit=1", '{"id": 1, "name": "string", "open": true}')


def test_saved_responses_disabled_items_and_parts_of_an_address_are_read():
    url = {"protocol": "https", "host": ["a", "example"], "path": ["x", {"value": "y"}], "query": pairs(q="1")}
    saved = [{"code": 404}, {"code": 201, "body": "{}", "header": pairs(**{"Content-Type": "application/json"})}]
    found = recorded(collection(item({"url": url}, response=saved), item("http://a.example", "off", disabled=True)))
    (one,) = found.exchanges
    assert (one.url, one.status, one.name) == ("https://a.example/x/y?q=1", 201, "one")
    assert one.response and (one.response.text, one.response.type) == ("{}", "application/json")
    assert left_out(found) == {"disabled requests": 1}


@pytest.mark.parametrize(
    "document", [{"requests": [{"id": "1"}], "order": []}, {"id": "x", "folders": [], "requests": [{}]}]
)
def test_a_collection_of_version_1_is_refused(document):
    assert refusal(document) == "unknown-format"


def test_the_value_of_a_key_and_a_secret_in_a_path_stay_references():
    key = {"type": "apikey", "apikey": [{"key": "key", "value": "X-Foo"}, {"key": "value", "value": "swordfish"}]}
    url = {"raw": "https://api.example.com/:token/items", "variable": [{"key": "token", "value": "swordfish"}]}
    found = recorded(collection(item({"url": url, "auth": key})))
    assert (found.exchanges[0].url, dict(found.exchanges[0].headers)) == (
        "https://api.example.com/${TOKEN}/items",
        {"X-Foo": "${X_FOO}"},
    )
    assert found.variables == {}
