"""Logs in, puts a lamp into a cart, and orders it."""

import os

from apiritif import transaction
from playwright.sync_api import Page, expect


def test_ordering(page: Page) -> None:
    with transaction("Log in"):
        page.goto("/")
        page.get_by_label("E-mail").fill(os.environ["LOGIN_USER"])
        page.get_by_label("Password").fill(os.environ["LOGIN_PASSWORD"])
        page.get_by_role("button", name="Log in").click()
        expect(page.locator("#who")).to_have_text("Ada")
    with transaction("Fill the cart"):
        page.get_by_role("button", name="Add a lamp").click()
        expect(page.locator("#state")).to_have_text("Total 90")
    with transaction("Order"):
        page.get_by_role("button", name="Order").click()
        expect(page.locator("#state")).to_contain_text("is OPEN")
