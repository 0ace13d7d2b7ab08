"""Attacks through what people and workers write: texts, names, files, schedules, and the arguments of programs."""

import hashlib
import socket
from dataclasses import replace
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, expect
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from tests.clocks import SteppedClock
from tests.console import served
from tests.console.editing import Bucket, Console, Kept, console
from tests.console.served import ADDRESS, LIVE, NOW, TOKEN, Known, Started, client, live_plan, parsed, progress, running
from tests.refusals import refused
from tests.reports import examples
from toril.clock import SystemClock
from toril.console.app import create_app
from toril.console.identity import Person
from toril.console.mcp import Tools
from toril.desk.console import ConsoleDesk
from toril.errors import InfrastructureError, NoSuchRunError
from toril.records.console import RequestFailure, RunRequest
from toril.records.history import IndexRow
from toril.records.progress import CriterionNow, FiguresNow, LabelNow, ProgressNote
from toril.runs import suites
from toril.store import FolderStore
from toril.store import login as tokens
from toril.store.console import ConsoleReader

# An element that changes something in each place that could take it as markup: text, attribute, script, comment.
EVIL = "'\"--></script></textarea></title><b data-evil data-dialog=keys hx-get=/evil hx-trigger=load>{{7*7}}"
NAME = EVIL.replace("/", "")  # of a file
SUITE = b"execution: [{concurrency: 1, hold-for: 10s, scenario: buy}]\nscenarios: {buy: {requests: ['http://127.0.0.1:1/']}}\n"
OVER, REFUSED = "20261124T150405Z-x-0001", "20261124T150405Z-x-0002"


class Named(Known):
    """A person of any name."""

    subject, name = EVIL, EVIL

    def person(self, request):
        return Person(subject=self.subject, name=self.name, role=self.role)


def client_of(store, identity, **more):
    app = create_app(replace(served.setup(store, **more), identity=identity))
    return TestClient(app, base_url=ADDRESS, headers={"x-csrf-token": TOKEN}, follow_redirects=False)


@pytest.fixture
def store(tmp_path):
    return FolderStore(tmp_path)


def saved(store, name="shop", files=None):
    return suites.save(store, name, files or {"suite.yml": SUITE}, by=EVIL, comment=EVIL, at=NOW, expected=None)


def full(store):
    """Stores an attack in every text that a page shows."""
    tags = {"commit": EVIL[:60], EVIL[:60]: EVIL}
    bundle = examples.hostile()
    plan = bundle.plan.model_copy(update={"run_id": OVER, "tags": tags, "files": {f"{NAME}.yml": "0"}})
    served.stored(store, replace(bundle, plan=plan))
    store.put(f"runs/{OVER}/suite/{NAME}.yml", EVIL.encode())
    store.put(f"runs/{OVER}/workers/{NAME}/a.log", f"\x1b]8;;http://evil/\x07{EVIL}\x00".encode())
    row = IndexRow(run_id=OVER, suite=EVIL, started_at=NOW, outcome="failed", reasons=(EVIL,), tags=tags)
    row = replace(row, locations=(EVIL,), branch=EVIL)
    store.put(f"index/2026-11/{row.stem}.0.json", row.to_json())
    asked = RunRequest(run_id=REFUSED, suite="shop", version=1, on="local", at=NOW, by=EVIL, tags=tags)
    store.put(f"requests/{REFUSED}.json", asked.to_json())
    failure = RequestFailure(run_id=REFUSED, at=NOW, code=EVIL, message=EVIL)
    store.put(f"requests/{REFUSED}.failed.json", failure.to_json())
    figures = FiguresNow(samples=1)
    now = replace(
        progress(30, label=EVIL),
        labels=tuple(LabelNow(label=name, figures=figures) for name in (EVIL, "__proto__", "constructor")),
        criteria=(CriterionNow(outcome="failed", message=EVIL),),
        notes=(ProgressNote(code=EVIL, message=EVIL),),
    )
    running(store, now, plan=live_plan(suite=f"x{EVIL}"))
    saved(store, files={"suite.yml": SUITE + f"# {EVIL}\n".encode(), f"{NAME}.js": EVIL.encode()})
    saved(store, files={"suite.yml": SUITE})


def test_texts_of_people_and_workers_never_become_markup(store):
    full(store)
    browser = client_of(store, Named("admin"))
    browser.post(f"/runs/{OVER}/notes", data={"note": EVIL})
    log = f"workers/{NAME}/a.log"
    pages: dict[str, dict[str, object]] = {
        path: {}
        for path in (
            "/", "/runs", "/suites", "/suites/shop", "/suites/shop/versions/2", "/suites/shop/edit", "/audit", "/me",
            "/suites/shop/edit?view=yaml", "/suites/shop/start", "/compare", "/locations", f"/runs/{OVER}",
            f"/runs/{OVER}/notes", f"/runs/{OVER}/files", f"/runs/{OVER}/suite", f"/runs/{REFUSED}", f"/runs/{LIVE}",
            f"/runs/{LIVE}/stop",
        )
    }  # fmt: skip
    pages |= {
        "/runs?": {"q": EVIL, "suite": EVIL, "location": EVIL, "tag": f"a={EVIL}", "columns": "tags", EVIL: EVIL},
        "/runs": {"from": EVIL},
        "/compare?": {"run": [OVER, EVIL], "reference": EVIL, "q": EVIL},
        "/schedules": {"name": EVIL, "when": EVIL, "suite": EVIL, "preset": "custom", "timezone": EVIL},
        "/suites/shop/start?": {"tags": EVIL, "locations": EVIL, "workers": EVIL},
        f"/runs/{OVER}/files?": {"log": log},
        f"/suites/{NAME}": {},
        f"/runs/{NAME}": {},
    }
    shown = 0
    for path, query in pages.items():
        answer = browser.get(path, params=query) if query else browser.get(path)
        assert answer.status_code == 200 if not query and "data-evil" not in path else answer.status_code < 500, path
        page, shown = parsed(answer.content), shown + answer.text.count("&lt;b data-evil")
        assert not page.xpath("//*[@data-evil]"), path
        assert b"{{7*7}}" in answer.content or b"49" not in answer.content
        links = page.xpath("//@href | //@src | //@action | //@formaction | //@hx-get | //@hx-post")
        assert all(link.startswith(("/", "#", "?")) and not link.startswith("//") for link in links), (path, links)
        policy = answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in policy and "unsafe" not in policy and "default-src 'none'" in policy
        assert answer.headers["cache-control"] == "no-store"
    assert shown > 90


def test_names_of_files_add_no_header_and_lists_no_formula(store):
    full(store)
    browser = client(store)
    name = 'a"; filename=evil.html; x="é\'\u2028.js'
    store.put(f"runs/{OVER}/{name}", b"x")
    found = browser.get(f"/runs/{OVER}/files/{quote(name)}")
    assert found.status_code == 200
    written = found.headers["content-disposition"]
    assert written.startswith("attachment; filename*=UTF-8''") and written.count(";") == 1 and '"' not in written
    row = IndexRow(run_id="=1+1", suite="=cmd|' /C calc'!A0", started_at=NOW, outcome="failed", tags={"@a": "+b"})
    store.put(f"index/2026-11/{row.stem}.0.json", row.to_json())
    cells = [cell.strip('"') for line in browser.get("/runs.csv").text.splitlines() for cell in line.split(",")]
    assert any("cmd|" in cell for cell in cells)
    assert not any(cell.startswith(("=", "+", "@", "\t")) for cell in cells)


@pytest.mark.live
@pytest.mark.parametrize("path", [f"/runs/{LIVE}", f"/runs/{OVER}", "/runs", "/suites/shop", "/suites/shop/edit"])
def test_in_a_browser_hostile_texts_run_nothing_and_change_no_prototype(browser: Browser, store, path):
    full(store)
    with served.serving(store) as address, browser.new_context() as context:
        page, complaints, asked = context.new_page(), [], []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{address}{path}")
        page.wait_for_load_state("networkidle") if LIVE not in path else page.wait_for_timeout(2_500)
        expect(page.locator("[data-evil]")).to_have_count(0)
        assert page.evaluate("Object.keys(Object.prototype).length") == 0
        assert all(url.startswith(address) and "/evil" not in url for url in asked)
        assert complaints == []


# ── what the server does for people


def test_a_check_asks_no_address_and_reads_no_file_of_the_server(tmp_path):
    one = Console(Bucket(tmp_path))
    (tmp_path / "secret.yml").write_text("execution: [{concurrency: 987654, hold-for: 1s, scenario: a}]")
    hits = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        here = f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.settimeout(0.1)
        suite = {
            "address": f"scenarios: {{a: {{default-address: '{here}', requests: [/]}}}}",
            "script": f"scenarios: {{a: {{script: '{here}/a.js'}}}}",
            "include": f"included-configs: ['{here}/a.yml', '{tmp_path}/secret.yml', '../../secret.yml']",
            "data": f"scenarios: {{a: {{requests: [/], data-sources: ['{here}/a.csv', '/etc/passwd']}}}}",
            "files": f"execution: [{{files: ['{here}/x', '/etc/passwd']}}]",
            "environment": "scenarios: {a: {requests: ['http://${PATH}/']}}",
        }
        for text in suite.values():
            begin = "" if "execution" in text else "execution: [{concurrency: 1, hold-for: 1s, scenario: a}]\n"
            data = {"view": "yaml", "version": "", "name": "shop", "text": begin + text}
            found = one.client().post("/suites/new/check", data=data)
            assert found.status_code == 200
            assert "987654" not in found.text and "root:" not in found.text and "/usr/bin" not in found.text
            assert "toril-suite-" not in found.text
            try:
                hits.append(listener.accept())
            except TimeoutError:
                continue
    assert hits == []


# ── limits, people and programs


@pytest.mark.parametrize(
    ("role", "asked", "limit"), [("operator", None, 2), ("operator", 9, 2), ("operator", 1, 1), ("admin", 9, 9)]
)
def test_no_schedule_of_an_operator_costs_more_than_the_console_allows(tmp_path, role, asked, limit):
    kept, store = Kept(), Bucket(tmp_path)
    saved(store)
    api = client(store, role, schedules=kept, max_cost_usd=2)
    wanted = {"name": "a", "suite": "shop", "when": "rate(1 hour)", "max_cost_usd": asked}
    assert api.post("/api/v1/schedules", json=wanted).status_code == 201
    assert kept.found["a"].max_cost_usd == limit
    assert api.put("/api/v1/schedules/a", json=wanted | {"name": "b", "source": "stack"}).status_code == 200
    assert (kept.found["a"].max_cost_usd, kept.found["a"].source) == (limit, "console")


@pytest.mark.parametrize(
    "when", ["rate(999999999 days)", "rate(3651 days)", "at(9999-12-31T23:59:00)", "at(0001-01-01T00:00:00)"]
)
def test_no_schedule_makes_pages_fail(tmp_path, when):
    api = client(Bucket(tmp_path), schedules=Kept())
    wanted = {"name": "a", "suite": "shop", "when": when, "timezone": "America/New_York"}
    assert api.post("/api/v1/schedules", json=wanted).status_code == 422
    for query in ({"preset": "custom", "when": when}, {"preset": "once", "at": when[3:19]}):
        assert api.get("/schedules", params={**query, "timezone": "America/New_York"}).status_code == 200


def test_two_people_of_one_name_have_their_own_idempotency_keys(store):
    saved(store)
    starts = Started()
    for subject in ("one", "two"):
        person = Named("operator")
        person.subject, person.name = subject, "Ada"
        api = client_of(store, person, starter=starts)
        wanted, headers = {"suite": "shop", "on": "local"}, {"idempotency-key": "a"}
        assert api.post("/api/v1/runs", json=wanted, headers=headers).status_code == 202
    assert len({request.run_id for request in starts.requests}) == 2


def test_no_suite_has_the_name_of_a_page(store):
    api = client(store)
    digest = hashlib.sha256(SUITE).hexdigest()
    api.put(f"/api/v1/uploads/{digest}", content=SUITE)
    answer = api.post("/api/v1/suites/new/versions", json={"files": {"suite.yml": digest}})
    assert (answer.status_code, answer.json()["code"]) == (422, "suite-name")


@pytest.mark.parametrize("run_id", ["../suites/shop", "x/../../y", "x/stop?a=", "x#", "", ".", "x%2f..", "latest\n"])
def test_the_arguments_of_an_assistant_lead_to_no_other_address(run_id):
    store = ConsoleReader("http://127.0.0.1:9")  # a request would fail otherwise
    tools = Tools(store, ConsoleDesk(store), Person(subject="a", name="a", role="admin"), SystemClock())
    for act in (
        lambda: tools.stop_run(run_id),
        lambda: tools.adjust_rate(run_id, "5"),
        lambda: tools.add_note(run_id, "text"),
        lambda: tools.watch_run(run_id),
    ):
        with pytest.raises(NoSuchRunError):
            act()


class Busy(Started):
    """A starter without a free place."""

    def start(self, request):
        raise InfrastructureError("2 runs are going on", code="too-many-runs")


def test_a_run_that_finds_no_place_does_not_seem_to_start(store):
    saved(store)
    api = client(store, starter=Busy())
    for _ in range(3):
        answer = api.post("/api/v1/runs", json={"suite": "shop", "on": "local"})
        assert (answer.status_code, answer.json()["code"]) == (503, "too-many-runs")
    keys = [key for key in store.keys("requests/2") if not key.endswith(".failed.json")]
    states = {api.get(f"/api/v1/runs/{key[9:-5]}").json()["state"] for key in keys}
    assert (len(keys), states) == (3, {"refused"})


@pytest.mark.parametrize(
    "content", ['{"suite": "\\ud800", "on": "local"}', '{"suite": "shop", "on": "local", "max_cost_usd": 1e999}']
)
def test_odd_values_of_json_are_problems(store, content):
    saved(store)
    answer = client(store).post("/api/v1/runs", content=content, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


def test_a_link_of_a_worker_shows_no_other_file_of_the_machine(tmp_path):
    store = FolderStore(tmp_path / "store")
    full(store)
    (tmp_path / "other").mkdir()
    (tmp_path / "other/secret.log").write_text("secret")
    worker = store.path(f"runs/{OVER}/workers/w")
    worker.mkdir()
    (worker / "a.log").symlink_to(tmp_path / "other/secret.log")
    (worker / "b").symlink_to(tmp_path / "other")
    browser = client(store)
    for path in ("a.log", "b/secret.log"):
        assert "secret" not in browser.get(f"/runs/{OVER}/files/workers/w/{path}").text
        assert browser.get(f"/api/v1/files/runs/{OVER}/workers/w/{path}").text == ""
        assert ">secret" not in browser.get(f"/runs/{OVER}/files?log=workers/w/{path}").text


def test_each_save_leaves_one_line_in_the_audit(tmp_path):
    one = console(tmp_path)
    fields_of = {"view": "yaml", "version": "", "name": "shop", "text": SUITE.decode(), "do": "save"}
    assert one.client().post("/suites/new", data=fields_of).status_code == 303
    assert len(list(one.store.keys("audit/"))) == 1


@pytest.mark.live
@pytest.mark.parametrize("place", ["issuer", "authorization_endpoint", "token_endpoint"])
@pytest.mark.parametrize(
    "there",
    ["http://evil.example/x", "file:///etc/passwd", "javascript:alert(1)", "//evil", "https://a.test/?resource=b&c="],
)
def test_a_console_leads_a_sign_in_to_no_unsafe_address(place, there):
    def app_of(address):
        found = {"issuer": address, "authorization_endpoint": address, "token_endpoint": address} | {place: there}
        answer = JSONResponse({**found, "client_id": "cli", "scope": "openid"})
        return Starlette(routes=[Route("/{path:path}", lambda request: answer)])

    opened: list[str] = []
    with served.loopback(app_of) as address, refused("insecure-issuer", error=InfrastructureError):
        tokens.login(address, SteppedClock(), lambda *_: None, opened.append)
    assert opened == []
