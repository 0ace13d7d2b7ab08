"""The API: what programs get, and the errors that they can act on."""

import hashlib
import io
import json
import zipfile
from dataclasses import fields, replace
from pathlib import Path

import httpx2
import pytest
from starlette.testclient import TestClient

from tests.console import served
from tests.console.served import Started
from tests.reports import examples, exchanges
from toril.console.app import create_app
from toril.records import Plan, run_key
from toril.records.history import IndexRow
from toril.records.schedule import SuiteSchedule
from toril.runs import suites
from toril.runs.history import record_of, remember
from toril.runs.publish import local_suite
from toril.store import FolderStore

SUITE = b"""
execution:
- {concurrency: 2, hold-for: 10s, scenario: buy}
scenarios:
  buy: {requests: ["http://127.0.0.1:1/"]}
"""


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


@pytest.fixture
def starts() -> Started:
    return Started()


@pytest.fixture
def api(store: FolderStore, starts: Started) -> TestClient:
    return served.client(store, starter=starts)


def saved(store: FolderStore, name: str = "shop") -> int:
    return suites.save(store, name, {"suite.yml": SUITE}, by="ada", comment="", at=served.NOW, expected=None).number


def uploaded(api: TestClient, data: bytes) -> str:
    digest = hashlib.sha256(data).hexdigest()
    place = api.post("/api/v1/uploads", json={"sha256": digest, "size": len(data)}).json()
    if not place["there"]:
        assert api.put(place["url"].removeprefix(served.ADDRESS), content=data).status_code == 201
    return digest


class Night:
    """A scheduler with one schedule."""

    def schedules(self) -> tuple[list[SuiteSchedule], list[str]]:
        values = {"LOGIN": "hunter2"}
        return [SuiteSchedule(name="night", suite="shop", when="rate(1 day)", environment=values)], []


def contents(answer: httpx2.Response) -> bytes:
    """Returns the body; of a zip, its unpacked files."""
    assert answer.status_code == 200
    if not zipfile.is_zipfile(io.BytesIO(answer.content)):
        return answer.content
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        return b"".join(archive.read(name) for name in archive.namelist())


def test_errors_are_problems_with_a_code(api: TestClient) -> None:
    answer = api.get("/api/v1/runs/20260101T000000Z-none-0000")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert answer.json()["code"] == "no-such-run"
    assert api.get("/api/v1/runs?limit=0").json()["code"] == "invalid-request"
    assert api.get("/api/v1/nothing").json()["code"] == "no-such-address"
    assert (
        api.post("/api/v1/runs", content=b"\xff", headers={"content-type": "application/json"}).json()["code"]
        == "unreadable-body"
    )
    wrong = api.patch("/api/v1/runs")
    assert (wrong.status_code, wrong.json()["code"], wrong.headers["allow"]) == (405, "no-such-method", "GET")


def test_runs_are_listed_page_by_page(api: TestClient, store: FolderStore) -> None:
    for number in range(5):
        bundle = examples.passed()
        plan = bundle.plan.model_copy(update={"run_id": f"2026112{number}T000000Z-shop-0000"})
        remember(store, record_of(type(bundle)(plan=plan, summary=bundle.summary, verdict=bundle.verdict)))
    first = api.get("/api/v1/runs?limit=3").json()
    second = api.get(f"/api/v1/runs?limit=3&cursor={first['cursor']}").json()
    ids = [row["run_id"] for row in (*first["runs"], *second["runs"])]
    assert len(set(ids)) == 5
    assert set(first["runs"][0]) == {field.name for field in fields(IndexRow)} - {"stored"}
    assert second["cursor"] == ""
    assert api.get("/api/v1/runs?tag=commit%3Dnone").json()["runs"] == []


def test_suites_are_listed_page_by_page_and_by_tag(api: TestClient, store: FolderStore) -> None:
    for name, team in (("a", "shop"), ("b", "stock"), ("c", "shop")):
        files = {"suite.yml": SUITE + f"\ntoril: {{tags: {{team: {team}}}}}\n".encode()}
        suites.save(store, name, files, by="", comment="", at=served.NOW, expected=None)
    first = api.get("/api/v1/suites?limit=2").json()
    assert ([one["suite"] for one in first["suites"]], first["cursor"]) == (["a", "b"], "b")
    second = api.get("/api/v1/suites?limit=2&cursor=b").json()
    assert ([one["suite"] for one in second["suites"]], second["cursor"]) == (["c"], "")
    tagged = api.get("/api/v1/suites?tag=team%3Dshop").json()
    assert [one["suite"] for one in tagged["suites"]] == ["a", "c"]


def test_a_repeated_key_starts_one_run(api: TestClient, store: FolderStore, starts: Started) -> None:
    saved(store)
    headers = {"idempotency-key": "nightly-42"}
    ids = {
        api.post("/api/v1/runs", json={"suite": "shop", "on": "local"}, headers=headers).json()["run_id"]
        for _ in range(2)
    }
    assert len(ids) == 1
    assert {request.run_id for request in starts.requests} == ids
    other = api.post("/api/v1/runs", json={"suite": "shop", "on": "local", "smoke": True}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency-mismatch")
    assert api.get(f"/api/v1/runs/{ids.pop()}").json()["state"] == "starting"


def test_a_run_starts_where_this_console_can_start_it_or_is_refused_at_once(
    api: TestClient, store: FolderStore, starts: Started
) -> None:
    saved(store)
    assert api.post("/api/v1/runs", json={"suite": "shop"}).status_code == 202
    assert [request.on for request in starts.requests] == ["local"]
    refused = api.post("/api/v1/runs", json={"suite": "shop", "on": "fargate"})
    assert (refused.status_code, refused.json()["code"]) == (422, "not-deployed")
    assert str(store.folder) not in refused.text
    assert len(starts.requests) == len([key for key in store.keys("requests/") if key.endswith(".json")]) == 1


@pytest.mark.parametrize("body", [b'{"max_costs": 1}', b'{"max_cost_usd": 1e999}', b'{"workers": true}'])
def test_a_limit_that_limits_nothing_is_refused(api: TestClient, store: FolderStore, body: bytes) -> None:
    saved(store)
    answer = api.post("/api/v1/runs", content=b'{"suite": "shop", ' + body[1:])
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")


def test_operators_start_no_run_above_the_cost_limit_of_the_console(store: FolderStore, starts: Started) -> None:
    saved(store)
    for role, asked, limit in (
        ("operator", None, 2.0),
        ("operator", 1.0, 1.0),
        ("operator", 9.0, 2.0),
        ("admin", 9.0, 9.0),
    ):
        api = served.client(store, role, starter=starts, max_cost_usd=2.0)  # type: ignore[arg-type]
        assert api.post("/api/v1/runs", json={"suite": "shop", "on": "local", "max_cost_usd": asked}).status_code == 202
        assert starts.requests[-1].max_cost_usd == limit


def test_a_version_limits_the_cost_of_its_scheduled_runs_as_its_author_is_limited(store: FolderStore) -> None:
    saved(store)
    address = store.address("suites/shop")
    with local_suite([address]) as found:
        assert found.max_cost_usd is None
    for role, limit in (("operator", 2.0), ("admin", None)):
        browser = served.client(store, role, max_cost_usd=2.0)  # type: ignore[arg-type]
        sha256 = uploaded(browser, SUITE)
        for number, (path, sent) in enumerate(
            (
                ("/api/v1/suites/shop/versions", {"json": {"files": {"suite.yml": sha256}}}),
                ("/suites/shop/versions/1", {}),
                ("/suites/shop/files", {"data": {"path": "suite.yml", "text": role, "do": "save"}}),
            ),
            suites.current(store, "shop").number + 1,
        ):
            browser.post(path, **sent)  # type: ignore[arg-type]
            assert suites.current(store, "shop").number == number
            with local_suite([address]) as found:
                assert found.max_cost_usd == limit


def test_every_report_of_a_judged_run_is_a_file(api: TestClient, store: FolderStore) -> None:
    run_id = served.stored(store, examples.passed())
    for name in ("json", "junit", "github", "annotations", "outputs", "terminal"):
        answer = api.get(f"/api/v1/runs/{run_id}/report?format={name}")
        assert answer.status_code == 200, name
        assert answer.headers["content-disposition"].startswith("attachment")
        assert "html" not in answer.headers["content-type"]
    assert api.get(f"/api/v1/runs/{run_id}/verdict").json()["outcome"] == "passed"
    assert api.get(f"/api/v1/runs/{run_id}/report?format=gif").json()["code"] == "unknown-format"
    assert api.get(f"/api/v1/runs/{run_id}/report?format=csv").json()["code"] == "missing-measurements"


def test_requests_with_their_responses_are_found_by_label_and_error(api: TestClient, store: FolderStore) -> None:
    run_id = served.stored(store, exchanges.failed())

    def found(**wanted: str) -> list[str]:
        answer = api.get(f"/api/v1/runs/{run_id}/evidence", params=wanted)
        return [f"{one['why']} {one['label']} {one['status']}" for one in answer.json()["exchanges"]]

    assert len(found()) == 4
    assert found(label="checkout", error="Unavailable") == ["failure checkout 503"] * 2
    assert found(label="none") == []
    other = served.stored(store, examples.passed(), run_id="20261124T150405Z-shop-none")
    assert api.get(f"/api/v1/runs/{other}/evidence").status_code == 404


def test_a_version_is_saved_from_uploaded_contents(api: TestClient, store: FolderStore) -> None:
    files = {"suite.yml": uploaded(api, SUITE)}
    first = api.post("/api/v1/suites/shop/versions", json={"files": files, "expected": 0})
    assert (first.status_code, first.json()["number"], first.json()["by"]) == (201, 1, "Ada")
    again = api.post("/api/v1/suites/shop/versions", json={"files": files, "expected": 0})
    assert (again.status_code, again.json()["code"]) == (409, "version-conflict")
    missing = api.post("/api/v1/suites/shop/versions", json={"files": {"suite.yml": "0" * 64}})
    assert missing.json()["code"] == "not-uploaded"
    assert suites.read(store, "shop")[1] == {"suite.yml": SUITE}
    assert api.get("/api/v1/suites/shop/versions/1/files/suite.yml").content == SUITE


def test_an_upload_has_the_content_that_its_name_says(api: TestClient) -> None:
    assert api.put(f"/api/v1/uploads/{'0' * 64}", content=b"other").json()["code"] == "changed-upload"


def test_the_size_of_all_paths_is_bounded_before_an_upload_is_hashed(api: TestClient, store: FolderStore) -> None:
    sha256 = uploaded(api, SUITE)
    store.put(f"uploads/{sha256}", b"x" * (1 << 20))  # its hash would be another error
    few, many = ({"files": {f"{path}.csv": sha256 for path in range(count)}} for count in (2, 51))
    assert api.post("/api/v1/suites/check", json=few).json()["code"] == "changed-upload"
    assert api.post("/api/v1/suites/check", json=many).json()["code"] == "too-large"


def test_a_check_says_what_plan_says(api: TestClient) -> None:
    fine = api.post("/api/v1/suites/check", json={"files": {"suite.yml": uploaded(api, SUITE)}, "on": "local"}).json()
    assert (fine["problem"], fine["plan"]["executions"][0]["concurrency"]) == (None, 2)
    bad = uploaded(api, SUITE.replace(b"hold-for: 10s", b"hold-for: soon"))
    found = api.post("/api/v1/suites/check", json={"files": {"suite.yml": bad}, "on": "local"}).json()
    assert (found["plan"], found["problem"]["file"], found["problem"]["line"]) == (None, "suite.yml", 3)


@pytest.mark.parametrize(
    "key", ["audit/2026-01-01/x.json", "people/x.json", "uploads/x", "../secret", "runs/../people/x"]
)
def test_files_for_administration_cannot_be_read(api: TestClient, store: FolderStore, key: str) -> None:
    store.put("people/x.json", b"{}")
    assert api.get(f"/api/v1/files/{key.replace('..', '%2e%2e')}").status_code in (404, 422)
    assert api.get(f"/api/v1/files?prefix={key}").status_code in (404, 422)


def test_viewers_see_no_values_of_a_runs_variables(store: FolderStore, starts: Started) -> None:
    saved(store)
    operator = served.client(store, "operator", starter=starts, schedules=Night())
    asked = {"suite": "shop", "on": "local", "environment": {"LOGIN": "hunter2"}}
    run_id = operator.post("/api/v1/runs", json=asked, headers={"idempotency-key": "k"}).json()["run_id"]
    plan = examples.plan(run_id=run_id, on="fargate", environment={"LOGIN": "hunter2"})
    store.put(run_key(run_id, "plan.json"), plan.to_json())
    keys = [key for key in store.keys("") if b"hunter2" in store.get(key)]
    addresses = [f"/api/v1/runs/{run_id}", "/api/v1/schedules", f"/runs/{run_id}/files.zip"]
    addresses += [f"/runs/{run_id}/files/plan.json", *(f"/api/v1/files/{key}" for key in keys)]
    assert len(keys) == 3
    for presign in (None, lambda key: f"https://bucket.test/{key}"):
        viewer = served.client(store, "viewer", schedules=Night(), presign=presign)
        for address in addresses:
            seen = contents(viewer.get(address))
            assert b"LOGIN" in seen and b"hunter2" not in seen, address
            assert b"hunter2" in contents(operator.get(address)), address
    assert Plan.from_json(viewer.get(addresses[3]).content, "").shares == plan.shares


def test_viewers_see_no_value_in_labels_criteria_and_overrides(store: FolderStore, starts: Started) -> None:
    saved(store)
    operator = served.client(store, "operator", starter=starts)
    environment = {"KEY": "env-value-0815", "SHORT": "a"}
    names = (
        "settings.env.OTHER=override-0815",
        'settings.env={"OTHER": "https://of-json-0815"}',
        "*OTHER=everywhere-0815",
    )
    asked = {"suite": "shop", "on": "local", "overrides": names}
    run_id = operator.post("/api/v1/runs", json={**asked, "environment": environment}).json()["run_id"]
    for address in (f"/api/v1/runs/{run_id}", f"/api/v1/files/requests/{run_id}.json"):
        assert b"0815" not in served.client(store, "viewer").get(address).content, address
        assert b"0815" in operator.get(address).content, address
    written = examples.plan(run_id=run_id, environment=environment)
    common = {**written.common, "settings": {"env": {"OTHER": "override-0815"}}}
    label = "/hook/env-value-0815/override-0815"
    common["scenarios"] = {"s": {"requests": [{"url": label, "label": label}]}}
    criteria = [one.model_copy(update={"label": label, "source": f"p95 of {label}>1s"}) for one in written.criteria]
    plan = written.model_copy(update={"common": common, "criteria": tuple(criteria)})
    store.put(run_key(run_id, "plan.json"), plan.to_json())
    for address in (f"/api/v1/runs/{run_id}", f"/api/v1/files/runs/{run_id}/plan.json", f"/runs/{run_id}/files.zip"):
        seen = contents(served.client(store, "viewer").get(address))
        assert b"/hook/***/***" in seen and b"0815" not in seen, address
        assert b"0815" in contents(operator.get(address)), address


def test_large_files_come_from_the_bucket(store: FolderStore) -> None:
    store.put("runs/r/small", b"1" * 10)
    store.put("runs/r/large", b"1" * (2 << 20))
    api = served.client(store, starter=Started(), presign=lambda key: f"https://bucket.test/{key}?signed")
    assert api.get("/api/v1/files/runs/r/small").content == b"1" * 10
    answer = api.get("/api/v1/files/runs/r/large")
    assert (answer.status_code, answer.headers["location"]) == (307, "https://bucket.test/runs/r/large?signed")


def test_a_folder_has_no_scheduler(api: TestClient) -> None:
    assert api.get("/api/v1/schedules").json() == []
    assert api.delete("/api/v1/schedules/nightly").json()["code"] == "no-scheduler"


def test_a_bug_is_a_problem_without_details(store: FolderStore) -> None:
    def broken(store: object) -> tuple[()]:
        raise ZeroDivisionError("secret")

    setup = replace(served.setup(store), examine=broken)
    api = TestClient(create_app(setup), base_url=served.ADDRESS, raise_server_exceptions=False)
    answer = api.get("/api/v1/locations/checks")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal-error")
    assert answer.headers["x-request-id"] in answer.text
    assert "secret" not in answer.text


def test_the_description_can_be_read_in_a_browser(api: TestClient) -> None:
    described = api.get("/api/v1/openapi.json").json()
    shown = served.parsed(api.get("/api").content)
    assert {one.get("id") for one in shown.iter("tr", "details")} >= {
        *(about["operationId"] for methods in described["paths"].values() for about in methods.values()),
        *described["components"]["schemas"],
    }
    known = {one.get("id") for one in shown.iter() if one.get("id")}
    links = {one.get("href") for one in shown.iter("a")}
    assert {link[1:] for link in links if link.startswith("#")} <= known


def test_the_description_names_every_address(api: TestClient) -> None:
    described = json.loads(api.get("/api/v1/openapi.json").content)
    assert {"/api/v1/runs", "/api/v1/suites", "/api/v1/schedules", "/api/v1/locations", "/api/v1/me"} <= set(
        described["paths"]
    )
    for path, methods in described["paths"].items():
        for method, about in methods.items():
            assert about["description"].endswith("."), f"{method} {path}"
