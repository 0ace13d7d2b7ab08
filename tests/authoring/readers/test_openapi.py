"""An API description becomes one request for each operation, with values from examples and types."""

import json
from copy import deepcopy
from typing import Any

import pytest
import yaml

from tests.authoring.readers.reading import left_out, lines, recorded, refusal, requests
from toril.authoring.recorded import Expected, Extract

API: dict[str, Any] = yaml.safe_load("""
openapi: 3.1.0
info: {title: Pets, version: '1'}
servers: [{url: 'https://{region}.example.com/v1/', variables: {region: {default: eu}}}]
security: [{bearer: []}]
paths:
  /pets/{petId}:
    parameters: [{$ref: '#/components/parameters/Pet'}]
    delete: {tags: [pets], responses: {'204': {}}}
    get: {tags: [pets], responses: {'200': {$ref: '#/components/responses/Pet'}}}
  /pets:
    get:
      tags: [pets]
      parameters:
      - {in: query, name: limit, required: true, schema: {type: integer, minimum: 5}}
      - {in: query, name: kind, schema: {enum: [cat, dog]}, example: dog, required: false}
      - {in: query, name: left, schema: {type: string}}
      - {in: header, name: X-Trace, required: true, schema: {type: string, format: uuid}}
      responses: {2XX: {}}
    post:
      tags: [pets]
      requestBody: {content: {application/json: {schema: {$ref: '#/components/schemas/Pet'}}}}
      responses: {'201': {$ref: '#/components/responses/Pet'}}
  /old: {get: {deprecated: true}}
  /owners/{owner}: {get: {security: [{key: []}], responses: {default: {}}}}
components:
  parameters: {Pet: {in: path, name: petId, required: true, schema: {type: string}}}
  responses: {Pet: {content: {application/json: {schema: {$ref: '#/components/schemas/Pet'}}}}}
  securitySchemes:
    bearer: {type: http, scheme: bearer}
    key: {type: apiKey, in: query, name: api_key}
  schemas:
    Named: {type: object, required: [name], properties: {name: {type: string, example: Rex}}}
    Pet:
      type: object
      allOf: [{$ref: '#/components/schemas/Named'}]
      required: [id, owner, mother]
      properties:
        id: {type: integer, readOnly: true}
        owner: {type: ['null', object], required: [born], properties: {born: {type: string, format: date}}}
        mother: {anyOf: [{type: 'null'}, {$ref: '#/components/schemas/Named'}]}
        note: {type: string}
""")
SWAGGER: dict[str, Any] = yaml.safe_load("""
swagger: '2.0'
host: api.example.com
basePath: /v2
schemes: [http, https]
securityDefinitions: {own: {type: basic}}
paths:
  /photos:
    post:
      security: [{own: []}]
      parameters:
      - {in: formData, name: file, type: file, required: true}
      - {in: formData, name: title, type: string, default: x, required: true}
      responses: {200: {schema: {type: object, properties: {id: {type: integer}}}}}
  /photos/{id}:
    put:
      consumes: [application/xml, application/json]
      parameters:
      - {in: path, name: id, type: integer}
      - {in: body, name: body, schema: {properties: {password: {type: string}}}}
""")


def changed(document: dict[str, Any], **values: Any) -> dict[str, Any]:
    return {**deepcopy(document), **values}


def test_operations_of_a_tag_create_read_change_and_delete():
    found = recorded(API)
    assert [f"{one.step}: {one.method} {one.route}" for one in found.exchanges] == [
        "pets: POST /pets",
        "pets: GET /pets",
        "pets: GET /pets/{petId}",
        "pets: DELETE /pets/{petId}",
        ": GET /owners/{owner}",
    ]
    assert (found.kind, found.origin, left_out(found)) == ("openapi", "sample (Pets 1)", {"deprecated operations": 1})


def test_a_created_id_is_carried_and_other_parameters_are_data():
    post, _, get, delete, owner = requests(API)
    assert post.extracts == (Extract(variable="pet_id", how="jsonpath", expression="$.id"),)
    assert get.url == delete.url == "https://eu.example.com/v1/pets/${pet_id}"
    assert owner.url == "https://eu.example.com/v1/owners/${owner}?api_key=${API_KEY}"
    assert recorded(API).variables == {"owner": "1"}
    reads = recorded(API, only_reads=True)
    assert (len(reads.exchanges), reads.variables) == (3, {"owner": "1", "pet_id": "example"})


@pytest.mark.parametrize(
    ("schema", "expression"),
    [
        ({"type": "array", "items": {"$ref": "#/components/schemas/Pet"}}, "$[0].id"),
        (
            {"properties": {"data": {"type": "array", "items": {"$ref": "#/components/schemas/Pet"}}, "meta": {}}},
            "$.data[0].id",
        ),
    ],
)
def test_reads_take_an_id_of_a_list_and_writes_change_nothing_that_they_did_not_create(schema, expression):
    document = changed(API)
    del document["paths"]["/pets"]["post"]
    document["paths"]["/pets"]["get"]["responses"] = {"200": {"content": {"application/json": {"schema": schema}}}}
    found = recorded(document)
    many, get, delete, _ = found.exchanges
    assert many.extracts == (Extract(variable="listed_pet_id", how="jsonpath", expression=expression),)
    assert get.url.endswith("/pets/${listed_pet_id}")
    assert delete.url.endswith("/pets/${pet_id}")
    assert found.variables["pet_id"] == "example"


@pytest.mark.parametrize(
    ("security", "sent"), [(None, ["Authorization"]), ([], []), ([{"key": []}], ["?api_key=${API_KEY}"])]
)
def test_security_that_is_assigned_to_no_operation_is_sent_by_all(security, sent):
    document = changed(API)
    del document["security"], document["paths"]["/owners/{owner}"]["get"]["security"]
    if security is not None:
        document["security"] = security
    found = recorded(document)
    for one in found.exchanges:
        shown = [name for name, _ in one.headers if name == "Authorization"]
        assert [*shown, *(["?api_key=${API_KEY}"] if "api_key=${API_KEY}" in one.url else [])] == sent
    assert [note.code for note in found.notes] == ["unassigned-security"] * (security is None)


def test_a_document_that_secures_one_operation_leaves_the_others_public():
    document = changed(API)
    del document["security"]
    found = recorded(document)
    assert not any(name == "Authorization" for one in found.exchanges for name, _ in one.headers)
    assert not found.notes


def test_a_credential_in_a_path_is_a_variable_of_the_environment_and_no_data():
    parameter = {"name": "token", "in": "path", "required": True, "schema": {"type": "string"}}
    found = recorded({"openapi": "3.0.0", "paths": {"/reset/{token}": {"get": {"parameters": [parameter]}}}})
    assert found.exchanges[0].url == "${BASE_URL}/reset/${API_TOKEN}"
    assert found.variables == {}


def test_an_operation_before_the_one_that_creates_has_data():
    document = changed(API)
    document["paths"]["/pets/{petId}"]["get"]["tags"] = ["first"]
    document["paths"]["/pets"]["post"]["tags"] = ["second"]
    found = recorded(document)
    assert found.variables["pet_id"] == "example"
    assert not any(one.extracts for one in found.exchanges)


def test_values_are_examples_or_fit_the_type_and_optional_ones_are_left_out():
    post, many, *_ = requests(API)
    assert many.url == "https://eu.example.com/v1/pets?limit=5"
    assert dict(many.headers) == {
        "X-Trace": "5f0c1a7e-93d4-4c55-8a86-0d8f3f4be1aa",
        "Authorization": "Bearer ${API_TOKEN}",
    }
    assert post.body
    assert post.body.text == ('{"name": "Rex", "owner": {"born": "2026-01-31"}, "mother": {"name": "Rex"}}')


def test_a_body_without_required_properties_has_its_first_ones_two_levels_deep():
    inner = {"type": "object", "properties": {f"p{number}": {"type": "integer"} for number in range(20)}}
    deeper = {"type": "object", "properties": {"other": inner, "id": {"type": "integer"}}}

    def sent(schema: Any) -> Any:
        operation = {"requestBody": {"content": {"application/json": {"schema": schema}}}}
        (found,) = requests({"openapi": "3.0.0", "paths": {"/a": {"post": operation}}})
        return json.loads(found.body.data) if found.body else None

    assert sent(inner) == {f"p{number}": 1 for number in range(8)}
    assert sent(deeper) == {"other": sent(inner), "id": 1}
    assert sent({"properties": {"a": deeper}}) == {"a": {"other": {}, "id": 1}}


@pytest.mark.parametrize(
    ("written", "query"),
    [
        ({"schema": {"type": "array", "example": ["a", "b"]}}, "q=a&q=b"),
        ({"schema": {"type": "array", "example": ["a", "b"]}, "explode": False}, "q=a,b"),
        ({"schema": {"type": "array", "example": ["a", "b"]}, "style": "pipeDelimited"}, "q=a%7Cb"),
        ({"schema": {"type": "object", "example": {"a": 1}}, "style": "deepObject"}, "q[a]=1"),
        ({"schema": {"type": "object", "example": {"a": 1}}}, "a=1"),
        ({"type": "array", "x-example": 1, "example": ["a", "b"]}, "q=a,b"),
        ({"type": "array", "example": ["a", "b"], "collectionFormat": "multi"}, "q=a&q=b"),
    ],
)
def test_lists_and_objects_in_a_query_have_their_style(written, query):
    operation = {"parameters": [{"in": "query", "name": "q", "required": True, **written}]}
    (found,) = requests({"openapi": "3.0.0", "paths": {"/a": {"get": operation}}})
    assert found.url.partition("?")[2] == query


def test_a_status_is_checked_and_required_properties_in_a_functional_suite():
    assert [one.checks for one in requests(API)][2] == (Expected(subject="status", value="200"),)
    checks = [one.value for one in requests(API, functional=True)[2].checks]
    assert checks[:5] == ["200", "$.name", "$.id", "$.owner", "$.owner.born"]
    assert [one.checks for one in requests(API)][1] == ()


def test_swagger_2_has_the_same_form():
    post, put = requests(SWAGGER)
    assert (post.url, put.url) == (
        "https://api.example.com/v2/photos",
        "https://api.example.com/v2/photos/${photo_id}",
    )
    assert post.body and post.body.fields == (("title", "x"),)
    assert [one.field for one in post.body.uploads] == ["file"]
    assert dict(post.headers)["Authorization"] == "Basic ${API_BASIC}"
    assert put.body and put.body.text == '{"password": "${API_PASSWORD}"}'
    assert [one.expression for one in post.extracts] == ["$.id"]


def test_the_address_is_the_servers_or_the_documents_or_the_users():
    relative = changed(API, servers=[{"url": "/v1"}])
    assert lines(relative)[0] == "POST ${BASE_URL}/v1/pets"
    assert recorded(relative, address="https://x.example.com/docs/openapi.json").exchanges[0].url == (
        "https://x.example.com/v1/pets"
    )
    assert lines(relative, hosts=("https://y.example.com",))[0] == "POST https://y.example.com/v1/pets"
    assert lines(API, hosts=("y.example.com",))[0] == "POST https://y.example.com/v1/pets"
    assert lines(changed(API, servers=[{"url": "https://{unknown}.example.com"}]))[0] == "POST ${BASE_URL}/pets"


def test_files_beside_the_document_are_read_and_others_left_out(tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models/pet.yaml").write_text(
        "Pet:\n  properties: {born: {example: 2026-01-31}, kind: {$ref: '#/Kind'}}\nKind: {const: cat}\n"
    )
    (tmp_path / "models/bad.yaml").write_text("Pet: [")
    (tmp_path / "create.yaml").write_text(
        "{tags: [keys], requestBody: {content: {application/json: {schema: {example: {api_key: x}}}}}}"
    )
    (tmp_path.parent / "outside.yaml").write_text("Pet: {example: secret}\n")
    text = """
openapi: 3.0.0
paths:
  /a: {post: {requestBody: {content: {application/json: {schema: {$ref: 'models/pet.yaml#/Pet'}}}}}}
  /b: {post: {requestBody: {content: {application/json: {schema: {$ref: '../outside.yaml#/Pet'}}}}}}
  /c: {post: {requestBody: {content: {application/json: {schema: {$ref: 'https://example.com/x#/Pet'}}}}}}
  /d: {post: {requestBody: {content: {application/json: {schema: {$ref: 'models/bad.yaml#/Pet'}}}}}}
  /e: {post: {$ref: create.yaml}}
"""
    found = recorded(text, tmp_path)
    assert next(one.body.text for one in found.exchanges if one.body) == '{"born": "2026-01-31", "kind": "cat"}'
    last = found.exchanges[-1]
    assert (last.step, last.body and last.body.text) == ("keys", '{"api_key": "${API_KEY}"}')
    assert left_out(found) == {"references to other files": 3}
    assert "secret" not in str(found)


def test_a_cycle_and_a_wide_schema_end():
    wide = {name: {"$ref": "#/components/schemas/Node"} for name in "abcdefghi"}
    schemas = {
        "Node": {"type": "object", "required": list(wide), "properties": wide},
        "Self": {"$ref": "#/components/schemas/Self"},
        "All": {"allOf": [{"$ref": "#/components/schemas/All"}] * 9},
    }
    body = {
        name: {"content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}}
        for name in schemas
    }
    paths = {f"/{name}": {"post": {"requestBody": one}} for name, one in body.items()}
    found = requests({"openapi": "3.0.0", "paths": paths, "components": {"schemas": schemas}})
    assert [len(one.body.data) < 100_000 for one in found if one.body] == [True] * 3


def test_a_description_without_operations_is_refused():
    assert refusal({"openapi": "3.1.0", "webhooks": {}}) == "no-requests"
    assert refusal("swagger: '2.0'\npaths: [") == "damaged-file"


def test_schemas_that_repeat_each_other_end():
    schemas: dict[str, Any] = {f"A{n}": {"allOf": 2 * [{"$ref": f"#/components/schemas/A{n + 1}"}]} for n in range(60)}
    schemas["A60"] = {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}}
    media = {"application/json": {"schema": {"$ref": "#/components/schemas/A0"}}}
    document = {
        "openapi": "3.0.0",
        "paths": {"/a": {"post": {"requestBody": {"content": media}}}},
        "components": {"schemas": schemas},
    }
    (found,) = recorded(document).exchanges
    assert found.body and found.body.text == '{"id": "example"}'
