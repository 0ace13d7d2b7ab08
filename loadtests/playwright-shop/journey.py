"""A customer's journey. pytest-playwright runs it just as well: `pytest --base-url=http://… journey.py`."""

from apiritif import transaction
from playwright.sync_api import Page, expect


def test_buying(page: Page) -> None:
    with transaction("Open the shop"):
        page.goto("/")
        page.locator("#found li").first.wait_for()  # a step ends when its user has what he waits for
    with transaction("Search"):
        page.get_by_label("looking for").fill("lamp")
        page.get_by_role("button", name="Find").click()
        page.locator("#found.hits li").first.wait_for()
    with transaction("Buy"):
        page.get_by_role("button", name="Put it into the cart").first.click()
        page.get_by_role("button", name="Buy it").click()
        expect(page.locator("#order")).to_contain_text("Order")
