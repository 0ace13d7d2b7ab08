"""A log-in journey made in the console's form, without YAML: tried step by step, saved and started."""

from pathlib import Path

import pytest
from fastapi import FastAPI, Request, Response
from playwright.sync_api import Browser, Page, expect

from tests.console import served
from toril.clock import SystemClock
from toril.console.starter import LocalStarter
from toril.runs import suites
from toril.store import FolderStore

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("console-journey")]


def service() -> FastAPI:
    """A service whose account needs the token of a log-in."""
    app = FastAPI()

    @app.post("/login")
    async def log_in(request: Request) -> Response:
        known = await request.json() == {"user": "ada", "password": "lamp"}
        return Response('{"token": "t-1", "name": "Ada"}' if known else "{}", 200 if known else 401)

    @app.get("/account")
    def account(request: Request) -> Response:
        known = request.headers.get("authorization") == "Bearer t-1"
        return Response("Welcome, Ada" if known else "who?", 200 if known else 403)

    return app


def tried(page: Page, step: int) -> None:
    page.get_by_role("button", name=f"Try step {step}", exact=True).click()


@pytest.mark.timeout(180)
def test_a_journey_is_made_tried_saved_and_started_without_yaml(browser: Browser, tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    with (
        served.loopback(service()) as address,
        served.serving(store, clock=SystemClock(), starter=LocalStarter(store)) as console,
    ):
        page = browser.new_page(base_url=console)
        page.goto("/suites/new")
        page.get_by_label("Address", exact=True).fill(address)
        page.locator("#name").fill("shop")
        page.get_by_label("Path of step 1").fill("/login")
        page.get_by_label("Method of step 1").select_option("POST")
        page.locator("[data-step]").nth(0).get_by_text("Body, headers").click()
        page.get_by_label("Kind of body of step 1").select_option("JSON")
        page.get_by_label("Body of step 1", exact=True).fill('{"user": "ada", "password": "lamp"}')
        page.get_by_role("button", name="Add a check to step 1").click()
        page.get_by_label("Check 1 of step 1: value").fill("200")
        page.get_by_role("button", name="Add a value to step 1").click()
        page.get_by_label("Value 1 of step 1: name").fill("token")
        page.get_by_label("Value 1 of step 1: expression").fill("$.token")
        page.get_by_role("button", name="+ step").click()
        expect(page.get_by_label("Path of step 2")).to_be_focused()
        page.get_by_label("Path of step 2").fill("/account")
        tried(page, 2)
        answer = page.locator("#tried-0-2 .exchange")
        expect(answer).to_have_count(2, timeout=60_000)
        expect(answer.nth(0)).to_contain_text("carries token")
        expect(answer.nth(1)).to_contain_text("403")
        page.locator("[data-step]").nth(1).get_by_text("Body, headers").click()
        page.get_by_label("Headers of step 2").fill("authorization: Bearer ${token}")
        page.get_by_role("button", name="Add a check to step 2").click()
        page.get_by_label("Check 1 of step 2", exact=True).select_option("the text contains")
        page.get_by_label("Check 1 of step 2: value").fill("Welcome, Ada")
        tried(page, 2)
        expect(answer.nth(1)).to_contain_text("200", timeout=60_000)
        expect(answer.nth(1)).to_contain_text("Welcome, Ada")
        assert suites.suite_names(store) == ["shop-draft"]
        page.get_by_label("Users, in total").fill("2")
        page.get_by_label("Hold for", exact=True).fill("1s")
        page.get_by_label("Ramp-up", exact=True).fill("")
        page.get_by_role("button", name="Save and start").click()
        page.wait_for_url("**/runs/*-shop-*")
        expect(page.get_by_role("link", name="Report")).to_be_visible(timeout=90_000)
        page.close()
    written = suites.read(store, "shop")[1]["suite.yml"].decode()
    assert "extract-jsonpath:\n        token: $.token" in written
