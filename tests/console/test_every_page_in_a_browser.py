"""Every page of the console, light and dark, under axe-core. A new page needs a line here."""

from dataclasses import dataclass
from typing import Literal

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from fastapi import APIRouter, Request
from fastapi.responses import Response
from playwright.sync_api import Browser, Page

from tests.console import served
from tests.console.test_api import saved
from tests.console.test_attacks_on_identity import routes
from tests.reports import examples, exchanges
from toril.console.web import page
from toril.desk.runs import set_baseline
from toril.records.console import RequestFailure, RunRequest
from toril.runs.history import record_of, remember
from toril.store import FolderStore

pytestmark = pytest.mark.live
OVER, BASE, KEPT = examples.plan().run_id, "20261123T150405Z-shop-0000", "20261122T150405Z-shop-0000"
DEAD, WAITING, REFUSED = "20261127T090000Z-shop-dead", "20261127T110000Z-shop-wait", "20261127T110000Z-shop-none"
TRY = "20261125T150405Z-shop-0000"
PAGES = {
    "/": ["/"],
    "/api": ["/api"],
    "/audit": ["/audit"],
    "/compare": ["/compare", f"/compare?run={OVER}", f"/compare?run={OVER}&run={BASE}&detailed=true"],
    "/delete": [f"/delete?run={OVER}&run={BASE}"],
    "/events": ["/events"],
    "/locations": ["/locations"],
    "/me": ["/me"],
    "/runs": ["/runs", "/runs?q=none", "/runs?tag=wrong"],
    "/runs/{run_id}": [f"/runs/{one}" for one in (OVER, KEPT, TRY, served.LIVE, DEAD, WAITING, REFUSED, "none")],
    "/runs/{run_id}/baseline": [f"/runs/{OVER}/baseline"],
    "/runs/{run_id}/delete": [f"/runs/{OVER}/delete"],
    "/runs/{run_id}/files": [f"/runs/{OVER}/files"],
    "/runs/{run_id}/notes": [f"/runs/{OVER}/notes"],
    "/runs/{run_id}/rerun": [f"/runs/{TRY}/rerun"],
    "/runs/{run_id}/share": [f"/runs/{OVER}/share"],
    "/runs/{run_id}/stop": [f"/runs/{served.LIVE}/stop"],
    "/runs/{run_id}/suite": [f"/runs/{OVER}/suite"],
    "/schedules": ["/schedules"],
    "/suites": ["/suites", "/suites?q=none"],
    "/suites/new": ["/suites/new", "/suites/new?view=yaml"],
    "/suites/{name}": ["/suites/shop"],
    "/suites/{name}/baseline": ["/suites/shop/baseline", "/suites/shop/baseline?done=changed"],
    "/suites/{name}/edit": ["/suites/shop/edit", "/suites/shop/edit?view=yaml"],
    "/suites/{name}/files": ["/suites/shop/files?path=suite.yml"],
    "/suites/{name}/start": ["/suites/shop/start", "/suites/shop/start?tried=1"],
    "/suites/{name}/trend": ["/suites/shop/trend"],
    "/suites/{name}/versions/{number}": ["/suites/shop/versions/1"],
}
NO_PAGES = {  # files, parts of pages, data
    "/runs.csv", "/runs/{run_id}/charts", "/runs/{run_id}/control", "/runs/{run_id}/exchanges",
    "/runs/{run_id}/files.zip",
    "/runs/{run_id}/files/{path:path}", "/runs/{run_id}/measured", "/runs/{run_id}/report",
    "/find",
    "/locations/quotas", "/locations/findings", "/suites/{name}/download", "/static/{path:path}",
    "/shared/{run_id}/{token}",
}  # fmt: skip
RULES = {"label-content-name-mismatch": {"enabled": True}}  # off by default


@pytest.fixture
def store(tmp_path):
    found = FolderStore(tmp_path / "store")
    saved(found)
    served.stored(found, examples.passed(), run_id=BASE)
    served.stored(found, examples.passed(), run_id=TRY, tried=True)
    served.stored(found, exchanges.failed())
    for bundle, run_id in ((examples.failed(), OVER), (examples.passed(), BASE), (examples.passed(), KEPT)):
        plan = bundle.plan.model_copy(update={"run_id": run_id})
        remember(found, record_of(type(bundle)(plan=plan, summary=bundle.summary, verdict=bundle.verdict)))
    set_baseline(found, "shop", BASE, by="Ada", at=served.NOW)
    served.running(found, served.progress(90))
    served.running(
        found, served.progress(9, run_id=DEAD), plan=served.live_plan(run_id=DEAD), renewed_at=served.NOW - 600
    )
    for run_id in (WAITING, REFUSED, TRY):
        request = RunRequest(run_id=run_id, suite="shop", version=1, on="local", at=served.NOW, by="Ada")
        found.put(f"requests/{run_id}.json", request.to_json())
    failure = RequestFailure(run_id=REFUSED, at=served.NOW, code="no-capacity", message="there is no capacity")
    found.put(f"requests/{REFUSED}.failed.json", failure.to_json())
    return found


def test_every_page_has_a_line_here(store):
    known = {f"GET {path}" for path in (*PAGES, *NO_PAGES)}
    pages = {one for one in routes(served.client(store)) if one.startswith("GET ") and "/api/v1" not in one}
    assert sorted(pages - known) == sorted(known - pages) == []


@dataclass
class Visitor(served.Known):
    """An identity with the page after a sign-out, which only issuers have."""

    @property
    def routes(self) -> APIRouter:
        router = APIRouter()

        @router.get("/signed-out")
        def signed_out(request: Request) -> Response:
            return page(request, "signed-out.html.jinja", title="Signed out")

        return router


@pytest.mark.nightly
def test_axe_finds_nothing_on_any_page(browser: Browser, store):
    with served.serving(store, identity=(visitor := Visitor("admin"))) as address:
        tab = browser.new_page(reduced_motion="reduce", viewport={"width": 1280, "height": 900})
        problems = [one for pages in PAGES.values() for path in pages for one in _violations(tab, address + path)]
        problems += _violations(tab, f"{address}/nothing", 404)
        visitor.role = "viewer"
        problems += _violations(tab, f"{address}/suites/new", 403)
        visitor.away = True
        problems += _violations(tab, f"{address}/suites", 401) + _violations(tab, f"{address}/signed-out", 200)
        tab.close()
    assert problems == []


def _violations(tab: Page, address: str, status: int | None = None) -> list[tuple[str, str, str, str]]:
    """Returns what axe finds. In the second theme only colours differ."""
    answer = tab.goto(address)
    assert status in (None, answer and answer.status)
    tab.evaluate(AXE_SCRIPT)
    problems: list[tuple[str, str, str, str]] = []
    themes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for theme in themes:
        chosen = {"rules": RULES} if theme == "light" else {"runOnly": ["color-contrast"]}
        tab.emulate_media(color_scheme=theme)
        found = tab.evaluate("(options) => axe.run(options)", {"resultTypes": ["violations"], **chosen})
        problems += [(address, theme, one["id"], one["nodes"][0]["html"][:200]) for one in found["violations"]]
    return problems
