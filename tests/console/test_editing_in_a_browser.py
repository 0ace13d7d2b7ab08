"""The editor of suites in Chromium: from nothing to a started run, drafts, YAML, and how the pages look."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from fastapi import FastAPI, Request, Response
from playwright.sync_api import Browser, Dialog, Page, expect
from starlette.datastructures import UploadFile

from tests.console.editing import Bucket, Console, console
from tests.console.served import Known, loopback
from tests.launchers.stage import deployment
from toril.records.schedule import SuiteSchedule
from toril.runs import suites

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("console-editing")]

PICTURES = Path("build/console")
SUITE = b"{execution: {scenario: a, iterations: 1}, scenarios: {a: {requests: ['http://127.0.0.1:9/']}}}"
SIZES = ((1280, "light"), (390, "dark"), (1280, "dark"), (390, "light"))


@pytest.fixture
def one(tmp_path):
    found = console(tmp_path)
    found.more["identity"] = Known("admin")
    return found


@pytest.fixture
def page(browser: Browser, one) -> Iterator[Page]:
    with one.serving() as address:
        context = browser.new_context(
            base_url=address, viewport={"width": 1280, "height": 900}, reduced_motion="reduce"
        )
        page = context.new_page()
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        yield page
        context.close()
        assert [one for one in wrong if "status of 4" not in one] == []  # a refused form is an answer


def questions(page: Page) -> list[str]:
    """Returns the kinds of the browser's own questions from now on; each is accepted."""
    asked: list[str] = []

    def accept(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    page.on("dialog", accept)
    return asked


def test_from_nothing_to_a_run_in_two_locations(page, one):
    asked = questions(page)
    page.goto("/suites")
    page.get_by_role("link", name="Create the first suite").click()
    page.get_by_label("Address", exact=True).fill("https://shop.example.com/search?q=lamp")
    expect(page.locator("#check")).to_contain_text("10 users")
    page.get_by_label("Location 1", exact=True).fill("madrid")
    page.get_by_role("button", name="+ location").click()
    expect(page.get_by_label("Location 2", exact=True)).to_be_focused()
    page.get_by_label("Location 2", exact=True).fill("sevilla")
    page.get_by_label("Ramp-up", exact=True).fill("30s")
    page.get_by_role("button", name="+ criterion").click()
    expect(page.get_by_label("Criterion 3: measure")).to_be_focused()
    page.get_by_label("Criterion 3: measure").select_option("failed requests")
    expect(page.get_by_label("Criterion 3: unit")).to_have_value("%")
    page.get_by_role("button", name="Remove criterion 3").click()
    expect(page.get_by_label("Criterion 2: measure")).to_be_focused()
    page.get_by_role("button", name="+ criterion").click()
    page.get_by_label("Criterion 3: limit").fill("30x")
    expect(page.locator("[data-error='criteria.2.threshold']")).to_be_visible()
    expect(page.locator("#check svg")).to_be_visible()
    page.get_by_label("Criterion 3: limit").fill("2s")
    page.get_by_label("Criterion 3: measure").select_option("p99 of response times")
    expect(page.locator("[data-error='criteria.2.threshold']")).to_be_hidden()
    expect(page.locator("#check")).to_contain_text("sevilla")
    page.get_by_role("button", name="Save and start").click()
    page.wait_for_url("**/runs/*")
    assert asked == []  # a save is not a loss
    (request,) = one.starter.requests
    assert request.suite == "shop"
    text = suites.read(one.store, "shop")[1]["suite.yml"].decode()
    for written in ("locations: {madrid: 1, sevilla: 1}", "ramp-up: 30s", "- p99>2s"):
        assert written in text


def test_a_refused_save_leads_to_the_first_wrong_field(page, one):
    page.goto("/suites/new")
    page.get_by_label("Address", exact=True).fill("https://shop.example.com")
    page.get_by_text("Description, workers").click()
    page.get_by_label("Workers", exact=True).fill("many")
    page.get_by_role("button", name="Save and start").click()
    expect(page.locator(".banner.failed")).to_be_visible()
    expect(page.get_by_label("Workers", exact=True)).to_be_focused()


@pytest.mark.nightly
def test_a_list_is_read_again_as_chosen(page, one):
    def saved(name):
        suites.save(one.store, name, {"suite.yml": b"{}"}, by="", comment="", at=0, expected=0)

    saved("shop")
    page.clock.install()
    page.goto("/suites?refresh=5")
    saved("search")
    page.clock.fast_forward(6_000)
    expect(page.get_by_role("link", name="search", exact=True)).to_be_visible()
    page.get_by_text("Columns").click()
    page.get_by_label("Tags").check()
    expect(page.get_by_role("columnheader", name="Tags")).to_be_visible()
    page.get_by_role("link", name="Copy shop").click()
    expect(page.get_by_label("Name of the copy")).to_be_visible()


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
    expect(page.get_by_label("Criterion 2: limit")).to_have_value("2")
    expect(page.get_by_label("Requests per second", exact=True)).to_have_value("80")


def test_steps_are_moved_by_keys_and_keep_what_was_typed_and_opened(page, one):
    page.goto("/suites/new")
    page.get_by_label("Address", exact=True).fill("https://shop.example.com")
    page.get_by_label("Path of step 1").fill("/login")
    page.get_by_role("button", name="+ step").click()
    page.get_by_label("Path of step 2").fill("/account")
    page.locator("[data-step]").nth(0).locator("summary").click()
    page.get_by_label("Label of step 1").fill("log in")
    page.get_by_role("button", name="Add a check to step 1").click()
    expect(page.get_by_label("Check 1 of step 1: value")).to_be_focused()
    expect(page.get_by_label("Label of step 1")).to_have_value("log in")
    page.get_by_label("Path of step 2").press("Alt+ArrowUp")
    expect(page.get_by_label("Path of step 1")).to_have_value("/account")
    expect(page.get_by_role("button", name="Move step 1 up")).to_be_focused()
    page.keyboard.press("Alt+ArrowDown")
    expect(page.get_by_label("Path of step 1")).to_have_value("/login")
    expect(page.get_by_label("Label of step 1")).to_be_visible()


def test_the_yaml_view_completes_keys_and_marks_mistakes_while_one_types(page, one):
    page.goto("/suites/new?view=yaml")
    code = "document.querySelector('.CodeMirror').CodeMirror"
    lines = "execution:", "- scenario: shop", "  hold-fro: 1m", "  concurrency: 2.5", "scenarios:"
    text = "\\n".join((*lines, "  shop: {requests: [/]}", "toril:", ""))
    page.evaluate(f"() => {{ {code}.setValue('{text}'); {code}.focus(); {code}.setCursor(7, 0); }}")
    # Trimmed: once the server's message is there, its mark begins with the line.
    wrong = "() => [...document.querySelectorAll('.CodeMirror-lint-mark-error')].map(mark => mark.textContent.trim())"
    page.wait_for_function(f"() => ['hold-fro', '2.5'].every(text => ({wrong})().includes(text))")
    page.keyboard.type("  qu")
    expect(page.locator(".CodeMirror-hint").first).to_contain_text("quorum")
    expect(page.locator(".CodeMirror-hint").first).to_contain_text("Share of workers")
    page.keyboard.press("Enter")
    page.keyboard.type("150")
    assert page.evaluate(f"() => {code}.getLine(7)") == "  quorum: 150"
    page.wait_for_function(f"() => ({wrong})().includes('150')")
    page.keyboard.press("Enter")
    page.keyboard.type("worker:")
    page.keyboard.press("Enter")
    page.keyboard.type("  arch: ")
    page.keyboard.press("Control+Space")
    expect(page.locator(".CodeMirror-hint")).to_have_text(["arm64", "x86_64"])
    for file in sorted(Path("loadtests").glob("*/suite.yml")):
        assert page.evaluate("text => torilSchema.problems(text)", file.read_text()) == [], file


def test_an_editor_without_changes_is_left_without_a_question(page, one):
    asked = questions(page)
    for path in ("/suites/new", "/suites/new?view=yaml"):
        page.goto(path)
        page.wait_for_load_state("networkidle")
        page.click("nav a[href='/runs']")
        page.wait_for_url("**/runs")
    assert asked == []


@pytest.mark.nightly
def test_unsaved_changes_are_offered_again_until_they_are_saved(page, one):
    page.goto("/suites/new")
    page.get_by_label("Address", exact=True).fill("https://shop.example.com")
    page.get_by_label("Users, in total").fill("42")
    page.wait_for_timeout(500)  # the draft is kept when typing pauses
    asked = questions(page)
    page.goto("/suites")
    assert asked == ["beforeunload"]
    page.goto("/suites/new")
    page.get_by_role("button", name="Restore them").click()
    expect(page.get_by_label("Users, in total")).to_have_value("42")
    page.locator(".footer").get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url("**/suites/shop")
    page.goto("/suites/new")
    expect(page.locator("#draft")).to_be_hidden()
    page.goto("/suites/shop/edit")
    expect(page.locator("#draft")).to_be_hidden()


def test_what_was_typed_outlives_a_session(page, one):
    suites.save(one.store, "search", {"suite.yml": b"{}"}, by="", comment="", at=0, expected=0)
    page.goto("/suites/new")
    page.get_by_label("Address", exact=True).fill("https://shop.example.com")
    with page.expect_response(lambda response: "42" in (response.request.post_data or "")):  # the check of the form
        page.get_by_label("Users, in total").fill("42")
    one.more["identity"].away = True
    page.locator(".footer").get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("[data-refused]")).to_be_visible()
    one.more["identity"].away = False
    page.goto("/suites/new")
    page.get_by_role("button", name="Restore them").click()
    expect(page.get_by_label("Users, in total")).to_have_value("42")

    page.goto("/suites/search#copy")
    page.get_by_label("Name of the copy").fill("lookup")
    one.more["identity"].away = True
    page.get_by_role("button", name="Copy search").click()
    expect(page.locator("[data-refused]")).to_be_visible()
    one.more["identity"].away = False
    page.goto("/suites/search#copy")
    expect(page.get_by_label("Name of the copy")).to_have_value("lookup")
    page.get_by_role("button", name="Copy search").click()
    page.wait_for_url("**/suites/lookup")
    page.goto("/suites/search#copy")
    expect(page.get_by_label("Name of the copy")).to_have_value("search-copy")


def test_keys_save_a_suite_and_start_it(page, one):
    page.goto("/suites/new")
    page.get_by_label("Address", exact=True).fill("https://shop.example.com")
    page.keyboard.press("ControlOrMeta+s")
    page.wait_for_url("**/suites/shop*")
    page.goto("/suites/shop/edit")
    page.get_by_label("Comment").fill("none")
    page.keyboard.press("ControlOrMeta+Enter")
    page.wait_for_url("**/runs/*")


@pytest.mark.nightly
def test_a_smoke_run_remains_one_after_a_new_sign_in(page, one):
    suites.save(one.store, "search", {"suite.yml": SUITE}, by="", comment="", at=0, expected=0)
    page.goto("/suites/search/start")
    page.get_by_label("Smoke run").check()
    expect(page.locator("#start-form [name=smoke][checked]")).to_have_count(1)  # the form is renewed
    one.more["identity"].away = True
    page.locator("#start-form .primary").click()
    expect(page.locator("[data-refused]")).to_be_visible()
    one.more["identity"].away = False
    page.goto("/suites/search/start")
    expect(page.get_by_label("Smoke run")).to_be_checked()


@pytest.mark.nightly
def test_what_was_typed_returns_to_its_own_form_only(browser: Browser, tmp_path):
    one = Console(Bucket(tmp_path), more={"identity": Known("admin")})
    suites.save(one.store, "search", {"suite.yml": SUITE}, by="", comment="", at=0, expected=0)
    for name in ("nightly", "weekly"):
        one.scheduler.create(SuiteSchedule(name=name, suite="search", when="cron(0 2 * * ? *)"))
    with one.serving() as address:
        page = browser.new_page(base_url=address)
        page.goto("/schedules?edit=nightly")
        page.get_by_label("Expression").fill("cron(5 4 * * ? *)")
        with page.expect_response("**/schedules?*"):
            page.get_by_label("Expression").blur()
        one.more["identity"].away = True
        page.get_by_role("button", name="Change nightly").click()
        expect(page.locator("[data-refused]")).to_be_visible()
        one.more["identity"].away = False
        found = {}
        for name in ("weekly", "nightly"):
            page.goto(f"/schedules?edit={name}")
            expect(page.get_by_role("button", name=f"Change {name}")).to_be_visible()
            found[name] = page.locator("#when").input_value()
        page.close()
    assert found == {"weekly": "cron(0 2 * * ? *)", "nightly": "cron(5 4 * * ? *)"}


def test_an_upload_goes_to_the_bucket_first(browser: Browser, tmp_path):
    one = Console(Bucket(tmp_path))
    taken = FastAPI()

    @taken.post("/")
    async def take(request: Request) -> Response:
        async with request.form() as form:
            file = form["file"]
            assert isinstance(file, UploadFile)
            one.store.put(form["key"], await file.read())
        return Response(headers={"access-control-allow-origin": "*"})

    with loopback(taken) as bucket:
        one.more = {"presign_upload": lambda key, size: (bucket, {"key": key}), "upload_address": bucket}
        with one.serving() as address:
            page = browser.new_page(base_url=address)
            page.goto("/suites/new")
            page.get_by_text("Upload a script or a zip instead").click()
            page.get_by_label("File, up to 50 MB").set_input_files(
                {"name": "load.js", "mimeType": "text/javascript", "buffer": b"export default function () {}"}
            )
            page.get_by_role("button", name="Upload").click()
            page.wait_for_url("**/suites/load/edit")
            page.close()
    assert suites.read(one.store, "load")[1]["load.js"] == b"export default function () {}"


@pytest.mark.nightly
def test_pages_are_accessible_and_have_pictures(page, tmp_path):
    PICTURES.mkdir(parents=True, exist_ok=True)
    one = Console(Bucket(tmp_path))
    for region in ("eu-west-1", "us-east-1"):
        one.store.put(f"deployments/{region}.json", deployment(region).to_json())
    with one.serving() as address:
        page.goto(f"{address}/suites/new")
        page.get_by_label("Address", exact=True).fill("https://shop.example.com")
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
