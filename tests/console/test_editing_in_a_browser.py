"""The editor of suites in Chromium: from nothing to a started run, drafts, YAML, and how the pages look."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.console.editing import Kept, console, serving
from toril.runs import suites

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("console-editing")]

PICTURES = Path("build/console")
SIZES = ((1280, "light"), (390, "dark"), (1280, "dark"), (390, "light"))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("no Chromium: `make test` installs it on Debian")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def one(tmp_path):
    return console(tmp_path)


@pytest.fixture
def page(chromium, one) -> Iterator[Page]:
    with serving(one) as address:
        context = chromium.new_context(
            base_url=address, viewport={"width": 1280, "height": 900}, reduced_motion="reduce"
        )
        page = context.new_page()
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        yield page
        context.close()
        assert [one for one in wrong if "status of 4" not in one] == []  # a refused form is an answer


def test_from_nothing_to_a_run_in_two_locations(page, one):
    page.goto("/suites")
    page.get_by_role("link", name="Create the first suite").click()
    page.get_by_label("Address", exact=True).fill("https://shop.example.com/search?q=lamp")
    expect(page.locator("#check")).to_contain_text("10 users")
    page.get_by_label("Location 1", exact=True).fill("madrid")
    page.get_by_role("button", name="+ location").click()
    page.get_by_label("Location 2", exact=True).fill("sevilla")
    page.get_by_label("Ramp-up", exact=True).fill("30s")
    page.get_by_role("button", name="+ criterion").click()
    page.get_by_label("Criterion 3: limit").fill("30x")
    expect(page.locator("[data-error='criteria.2.threshold']")).to_be_visible()
    expect(page.locator("#check svg")).to_be_visible()
    page.get_by_label("Criterion 3: limit").fill("2s")
    page.get_by_label("Criterion 3: measure").fill("p99")
    expect(page.locator("[data-error='criteria.2.threshold']")).to_be_hidden()
    expect(page.locator("#check")).to_contain_text("sevilla")
    page.get_by_role("button", name="Save and start").click()
    page.wait_for_url("**/runs/*")
    (request,) = one.starter.requests
    assert request.suite == "shop"
    text = suites.read(one.store, "shop")[1]["suite.yml"].decode()
    for written in ("locations: {madrid: 1, sevilla: 1}", "ramp-up: 30s", "- p99>2s"):
        assert written in text


def test_a_change_of_the_view_loses_nothing(page, one):
    page.goto("/suites/new")
    page.get_by_label("Address", exact=True).fill("https://shop.example.com")
    page.get_by_text("Requests per second", exact=False).first.click()
    page.get_by_label("Requests per second", exact=True).fill("80")
    page.get_by_role("button", name="YAML").click()
    expect(page.locator(".CodeMirror")).to_contain_text("throughput: 80")
    code = "document.querySelector('.CodeMirror').CodeMirror"
    replace = f"([old, text]) => {code}.setValue({code}.getValue().replace(old, text))"
    page.evaluate(replace, ["fail>1%", "fail>x"])
    expect(page.locator(".CodeMirror-lint-marker-error")).to_be_visible()
    page.evaluate(replace, ["fail>x", "fail>2%"])
    page.get_by_role("button", name="Form").click()
    expect(page.get_by_label("Criterion 2: limit")).to_have_value("2%")
    expect(page.get_by_label("Requests per second", exact=True)).to_have_value("80")


def test_unsaved_changes_are_offered_again_until_they_are_saved(page, one):
    page.goto("/suites/new")
    page.get_by_label("Address", exact=True).fill("https://shop.example.com")
    page.get_by_label("Users, in total").fill("42")
    page.wait_for_timeout(500)  # the draft is kept when typing pauses
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto("/suites")
    page.goto("/suites/new")
    page.get_by_role("button", name="Restore them").click()
    expect(page.get_by_label("Users, in total")).to_have_value("42")
    page.locator(".footer").get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url("**/suites/shop")
    page.goto("/suites/new")
    expect(page.locator("#draft")).to_be_hidden()
    page.goto("/suites/shop/edit")
    expect(page.locator("#draft")).to_be_hidden()


def test_pages_are_accessible_and_have_pictures(page, one):
    one.schedules = Kept()
    PICTURES.mkdir(parents=True, exist_ok=True)
    with serving(one) as address:
        page.goto(f"{address}/suites/new")
        page.get_by_label("Address", exact=True).fill("https://shop.example.com")
        page.get_by_label("Location 1", exact=True).fill("madrid")
        expect(page.locator("#check svg")).to_be_visible()
        page.locator(".footer").get_by_role("button", name="Save", exact=True).click()
        page.wait_for_url("**/suites/shop")
        page.goto(f"{address}/schedules")
        page.get_by_role("button", name="Create the schedule").click()
        expect(page.get_by_role("link", name="shop-nightly")).to_be_visible()
        shown = {
            "suites": "/suites",
            "suite": "/suites/shop",
            "suite-new": "/suites/new",
            "suite-edit": "/suites/shop/edit",
            "suite-yaml": "/suites/shop/edit?view=yaml",
            "suite-version": "/suites/shop/versions/1",
            "suite-start": "/suites/shop/start",
            "schedules": "/schedules",
        }
        for name, path in shown.items():
            for width, theme in SIZES:
                page.set_viewport_size({"width": width, "height": 900})
                page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
                page.goto(f"{address}{path}")
                assert page.evaluate("document.documentElement.scrollWidth") <= width, (name, width)
                if (width, theme) in SIZES[:2]:
                    found = Axe().run(page).response["violations"]
                    assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found] == [], (name, width)
                page.screenshot(path=PICTURES / f"{name}-{width}-{theme}.png", full_page=True)
