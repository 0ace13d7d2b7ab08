"""Keys in a browser: the command palette, the bar of selected runs, and filters that go one by one."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import PHONE
from tests.console.served import LIVE, NOW, live_plan, progress, running, serving
from tests.runs.test_suites import SUITE, saved
from toril.records.history import IndexRow
from toril.store import FolderStore

pytestmark = pytest.mark.live
AXE = Axe()


@pytest.fixture
def page(browser: Browser, tmp_path) -> Iterator[Page]:
    store = FolderStore(tmp_path)
    for name in ("shop", "search"):
        saved(store, {"suite.yml": SUITE}, name=name)
    for number in range(60):
        row = IndexRow(
            run_id=f"run-{number:02}", suite="shop", started_at=NOW - 60 + number,
            outcome="passed" if number % 10 else "failed",
        )  # fmt: skip
        store.put(row.key, row.to_json())
    running(store, progress(90))
    with serving(store) as address:
        context = browser.new_context(base_url=address, reduced_motion="reduce")
        one = context.new_page()
        wrong: list[str] = []
        one.on("pageerror", lambda error: wrong.append(str(error)))
        yield one
        context.close()
    assert wrong == []


def chosen(page: Page) -> str:
    """Returns what Enter would open; a screen reader hears the same."""
    (one,) = page.locator("#found [aria-selected=true]").all()
    assert page.get_by_role("combobox", name="Suite, run, page or action").get_attribute(
        "aria-activedescendant"
    ) == one.get_attribute("id")
    return one.inner_text().partition("\n")[0]


def test_the_palette_finds_a_suite_a_run_and_an_action_by_keys_alone(page):
    page.goto("/events")
    for typed, found, address in (
        ("sear", "search", "/suites/search"),
        ("start shop", "Start shop", "/suites/shop/start"),
        ("run-07", "run-07", "/runs/run-07"),
    ):
        page.keyboard.press("ControlOrMeta+k")
        expect(page.locator("#found [aria-selected=true]")).to_be_visible()
        page.keyboard.type(typed)
        expect(page.locator("#found [aria-selected=true]")).to_contain_text(found)
        assert chosen(page).startswith(found)
        page.keyboard.press("Enter")
        page.wait_for_url(f"**{address}")


@pytest.mark.nightly
def test_the_palette_moves_by_arrows_closes_by_escape_and_is_clean(page):
    page.goto("/suites")
    page.locator("#find").click()
    expect(page.locator("#found [aria-selected=true]")).to_be_visible()
    first = chosen(page)
    page.keyboard.press("ArrowDown")
    assert chosen(page) != first
    page.keyboard.press("ArrowUp")
    assert chosen(page) == first
    assert [one["id"] for one in AXE.run(page).response["violations"]] == []
    page.keyboard.press("Escape")
    expect(page.locator("#palette")).to_be_hidden()


def test_enter_waits_for_what_was_typed(page):
    page.goto("/events")
    page.keyboard.press("ControlOrMeta+k")
    expect(page.locator("#found [aria-selected=true]")).to_be_visible()
    page.keyboard.type("run-07")
    page.keyboard.press("Enter")
    page.wait_for_url("**/runs/run-07")


def test_the_palette_offers_the_actions_of_its_page(page):
    page.goto(f"/runs/{LIVE}")
    page.keyboard.press("ControlOrMeta+k")
    page.keyboard.type("stop")
    expect(page.locator("#found [aria-selected=true]")).to_contain_text("Stop")
    page.keyboard.press("Enter")
    expect(page.locator("dialog[open]")).to_contain_text("Stop")


@pytest.mark.nightly
def test_the_palette_is_a_link_to_the_search_without_script(browser: Browser, page):
    page.goto("/")
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto(page.url)
    plain.locator("#find").click()
    expect(plain.locator(".search")).to_be_visible()
    context.close()


def test_a_run_that_starts_elsewhere_appears_on_an_idle_home_page(page, tmp_path):
    page.goto("/")
    cards = page.locator(".card.now")
    expect(cards).to_have_count(1)
    expect(page.locator("#rows[hx-trigger=load]")).to_have_count(0)  # the trend's changes are computed
    other = "20261127T100000Z-search-live"
    running(FolderStore(tmp_path), progress(9, run_id=other), plan=live_plan(run_id=other, suite="search"))
    page.evaluate("document.querySelector('[data-poll]').dataset.poll = 1")
    expect(cards).to_have_count(2)


@pytest.mark.nightly
@pytest.mark.parametrize("width", [1280, PHONE])
def test_selected_runs_have_their_actions_in_sight(page, width):
    page.set_viewport_size({"width": width, "height": 800})
    page.goto("/runs")
    bar = page.locator(".selection")
    expect(bar).not_to_be_in_viewport()
    for number in range(2):
        page.get_by_role("checkbox").nth(number).check()
    expect(bar).to_be_in_viewport(ratio=1)
    expect(bar).to_contain_text("2 selected")
    expect(bar.get_by_role("button", name="Compare 2 runs")).to_be_enabled()
    bar.get_by_role("button", name="Clear the selection").click()
    expect(page.locator("#chosen :checked")).to_have_count(0)
    expect(bar).not_to_be_in_viewport()


def test_filters_appear_as_they_are_chosen_and_go_one_by_one(page):
    page.goto("/runs")
    page.get_by_text("Filters", exact=True).click()
    page.get_by_label("Outcome").select_option("failed")
    expect(page.locator("#rows [data-row]")).to_have_count(6)
    page.get_by_label("Kind").select_option("smoke")
    expect(page.get_by_text("No run matches")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Remove the filter kind: smoke").click()
    expect(page.locator("#rows [data-row]")).to_have_count(6)
    page.get_by_role("link", name="Remove the filter outcome: failed").click()
    expect(page.locator(".chips")).to_have_count(0)
    assert "outcome" not in page.url
