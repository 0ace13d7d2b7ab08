"""Extractors and assertions of the engines that support them according to docs/reference/engines.md."""

import pytest

from tests.targets import target
from tests.worker.driver import Outcome, outcome, plan_of, planned, workers

pytestmark = pytest.mark.live

ENGINES = ("jmeter", "apiritif")
MORE_ENGINES = (pytest.param("jmeter", marks=pytest.mark.nightly), "apiritif")
JSON = {"Content-Type": "application/json"}


def performed(engine, requests, folder, body):
    """Runs one iteration of one user; returns the results, and the service with its requests."""
    with target(body=body) as service:
        scenarios = {"shop": {"default-address": service.url, "requests": requests}}
        plan = plan_of([planned(engine, "shop", concurrency=1, iterations=1)], scenarios)
        with workers(plan, folder) as run:
            found = run.go()
    assert found.exits[0].outcome == "finished", run.log()
    return found, service


def failed(found: Outcome) -> set[str]:
    return {label for label in found.timeline.labels() if label and found.total(label).failures}


@pytest.mark.parametrize("engine", MORE_ENGINES)
def test_values_of_json_go_into_the_next_request_and_its_body(tmp_path, engine):
    requests = [
        {"url": "/list", "extract-jsonpath": {"id": "$.items[0].id"}, "extract-regexp": {"name": '"name": "(\\w+)"'}},
        {"url": "/item/${id}", "label": "item"},
        {"url": "/buy", "method": "POST", "headers": JSON, "body": '{"item": {"id": ${id}}, "name": "${name}"}'},
        {"url": "/none", "method": "POST", "headers": JSON, "body": '{"item": {}}'},
    ]
    found, service = performed(engine, requests, tmp_path, b'{"items": [{"id": 7, "name": "lamp"}]}')
    assert failed(found) == set()
    assert dict(service.paths) == {"/list": 1, "/item/7": 1, "/buy": 1, "/none": 1}
    assert dict(service.bodies) == {b'{"item": {"id": 7}, "name": "lamp"}': 1, b'{"item": {}}': 1}


@pytest.mark.parametrize("engine", MORE_ENGINES)
def test_a_wrong_value_of_json_fails_its_request_and_no_other(tmp_path, engine):
    requests = [
        {"url": "/a", "label": "there", "assert-jsonpath": ["$.id"]},
        {
            "url": "/b",
            "label": "right",
            "assert-jsonpath": [{"jsonpath": "$.id", "expected-value": 7, "validate": True}],
        },
        {
            "url": "/c",
            "label": "wrong",
            "assert-jsonpath": [{"jsonpath": "$.id", "expected-value": 8, "validate": True}],
        },
        {"url": "/d", "label": "missing", "assert-jsonpath": ["$.price"]},
        {"url": "/e", "label": "absent", "assert-jsonpath": [{"jsonpath": "$.price", "invert": True}]},
    ]
    found, service = performed(engine, requests, tmp_path, b'{"id": 7}')
    assert found.samples == service.answered == 5
    assert failed(found) == {"wrong", "missing"}


@pytest.mark.parametrize("engine", MORE_ENGINES)
def test_values_of_pages_go_into_the_next_request_and_are_checked(tmp_path, engine):
    page = b'<html><body><a class="next" href="there">on</a><p>7</p></body></html>'
    requests = [
        {
            "url": "/html",
            "extract-xpath": {"number": "//p"},
            "extract-css-jquery": {"link": {"expression": "a.next", "attribute": "href"}},
        },
        {"url": "/go/${number}/${link}", "label": "go", "assert-xpath": ["//p"]},
        {"url": "/gone", "label": "no table", "assert-xpath": ["//table"]},
    ]
    found, service = performed(engine, requests, tmp_path, page)
    assert dict(service.paths) == {"/html": 1, "/go/7/there": 1, "/gone": 1}
    assert failed(found) == {"no table"}


@pytest.mark.parametrize("engine", MORE_ENGINES)
def test_files_are_sent_as_fields_and_as_bodies_and_values_of_headers_are_taken(tmp_path, engine):
    upload = {"path": "files/a.txt", "mime-type": "text/plain"}
    requests = [
        {"url": "/first", "extract-regexp": {"kind": {"regexp": "(?i)content-type: (\\w+)", "subject": "headers"}}},
        {"url": "/${kind}", "method": "POST", "body": {"title": "A"}, "upload-files": [{**upload, "param": "file"}]},
        {"url": "/put", "method": "PUT", "upload-files": [{**upload, "param": ""}]},
        {"url": "/post", "method": "POST", "upload-files": [{**upload, "param": ""}]},
        {"url": "/form", "method": "PUT", "upload-files": [{**upload, "param": "file"}]},
    ]
    with target() as service:
        scenarios = {"shop": {"default-address": service.url, "requests": requests}}
        plan = plan_of([planned(engine, "shop", concurrency=1, iterations=1)], scenarios)
        with workers(plan, tmp_path, {"files/a.txt": "of a file"}) as run:
            found = run.go()
    assert (found.exits[0].outcome, failed(found)) == ("finished", set()), run.log()
    assert dict(service.paths) == {"/first": 1, "/text": 1, "/put": 1, "/post": 1, "/form": 1}
    file, other, form = sorted(service.bodies, key=len)
    assert (file, service.bodies[file]) == (b"of a file", 2)
    parts = [b'name="file"; filename="a.txt"', b"text/plain", file]
    assert all(part in form for part in (b'name="title"', *parts))
    assert all(part in other for part in parts)


@pytest.mark.parametrize("engine", [*MORE_ENGINES, "locust"])
def test_a_mapping_of_type_multipart_is_a_form_without_files(tmp_path, engine):
    kind = {"Content-Type": "multipart/form-data"}
    found, service = performed(
        engine, [{"url": "/", "method": "POST", "headers": kind, "body": {"title": "A", "pages": 7}}], tmp_path, b""
    )
    assert failed(found) == set()
    (form,) = service.bodies
    assert b'--boundary-of-toril\r\nContent-Disposition: form-data; name="title"\r\n\r\nA\r\n' in form
    assert b'name="pages"\r\n\r\n7\r\n--boundary-of-toril--\r\n' in form


@pytest.mark.parametrize("engine", MORE_ENGINES)
def test_no_label_has_a_value_of_a_response(tmp_path, engine):
    requests = [
        {"url": "/login", "extract-jsonpath": {"token": "$.token"}},
        {"url": "/own/${token}"},
        "/alone/${token}",
        {"url": "/named", "label": "named ${token} ${given}"},
        {"set-variables": {"copy": "${token}"}},
        {"url": "/copied", "label": "copied ${copy}"},
        {"transaction": "all ${token}", "do": [{"url": "/in?t=${token}"}, {"url": "/data", "label": "data ${given}"}]},
    ]
    with target(body=b'{"token": "s3cret-0815"}') as service:
        shop = {"default-address": service.url, "requests": requests, "variables": {"given": "value"}}
        found = outcome(plan_of([planned(engine, "shop", concurrency=1, iterations=1)], {"shop": shop}), tmp_path)
    assert failed(found) == set()
    assert {"/own/s3cret-0815", "/alone/s3cret-0815", "/in?t=s3cret-0815"} < set(service.paths)
    assert {one for one in found.timeline.labels() if one} == {
        "/login", "/own/${token}", "/alone/${token}", "named ${token} ${given}", "copied ${copy}", "all ${token}",
        "/in?t=${token}", "data value",
    }  # fmt: skip


NEEDY = [
    {"url": "/", "label": "page", "extract-regexp": {"token": "token=(\\w+)"}},
    {"url": "/buy/${token}", "label": "buy"},
]
HARMLESS = [
    {"url": "/", "label": "unused", "extract-regexp": {"other": "token=(\\w+)"}},
    {"url": "/", "label": "optional", "extract-regexp": {"chosen": {"regexp": "token=(\\w+)", "default": "none"}}},
    {"url": "/", "label": "there", "extract-regexp": {"word": "(no)"}},
    {"url": "/status/503", "label": "failed", "extract-regexp": {"found": "token=(\\w+)"}},
    {"url": "/all/${chosen}/${word}/${found}", "label": "all"},
]


def missing(found: Outcome) -> list[tuple[str, str, int]]:
    reports = (report for one in found.exits for report in one.executions.values())
    return [(one.label, one.variable, one.responses) for report in reports for one in report.missing_values]


@pytest.mark.parametrize("engine", MORE_ENGINES)
def test_responses_without_a_value_that_another_request_needs_are_counted_by_label(tmp_path, engine):
    requests = [*NEEDY[:1], *HARMLESS[:3], NEEDY[1], *HARMLESS[3:]]
    found, service = performed(engine, requests, tmp_path, b"no such text")
    assert missing(found) == [("page", "token", 1)]
    assert failed(found).isdisjoint({"page", "unused", "optional", "there"})
    assert service.paths["/buy/NOT_FOUND"] == 1


@pytest.mark.parametrize(
    "engine",
    [
        *(one for one in ENGINES if one != "jmeter"),
        *(pytest.param(one, marks=pytest.mark.nightly) for one in ("jmeter", "gatling")),
    ],
)
def test_a_response_without_a_needed_value_fails_if_the_suite_wants_that(tmp_path, engine):
    with target(body=b"no such text") as service:
        scenarios = {"shop": {"default-address": service.url, "requests": [*HARMLESS[2:3], *NEEDY]}}
        plan = plan_of([planned(engine, "shop", concurrency=1, iterations=1)], scenarios, require_values=True)
        found = outcome(plan, tmp_path)
    assert (missing(found), found.total("there").failures) == ([], 0)
    ((message, _),) = found.total("page").errors
    assert "extractor token" in message
    assert "found nothing" in message


@pytest.mark.parametrize("engine", MORE_ENGINES)
def test_each_user_of_each_worker_sends_a_new_value_in_each_iteration_and_one_within_it(tmp_path, engine):
    new = "${__RandomString(12,abcdefghijklmnopqrstuvwxyz0123456789)}"
    requests = [{"set-variables": {"new": new}}, {"url": "/make/${new}"}, {"url": "/read?name=lamp-${new}"}]
    with target() as service:
        scenario = {"shop": {"default-address": service.url, "requests": requests}}
        plan = plan_of([planned(engine, "shop", concurrency=4, iterations=3)], scenario, workers=2)
        outcome(plan, tmp_path)
    made = {path.removeprefix("/make/") for path in service.paths if path.startswith("/make/")}
    assert len(made) == sum(service.paths.values()) / 2 == 2 * 4 * 3
    assert {path.removeprefix("/read?name=lamp-") for path in service.paths} - {f"/make/{one}" for one in made} == made
    assert all(len(one) == 12 and one.isalnum() for one in made)
