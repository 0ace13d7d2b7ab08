"""Signs in at the identity provider, allows the shop, and sees the orders."""

import os

from apiritif import transaction
from playwright.sync_api import Page, expect


def test_signing_in(page: Page) -> None:
    with transaction("Sign in"):
        page.goto("/")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_label("E-mail").fill(os.environ["LOGIN_USER"])
        page.get_by_label("Password").fill(os.environ["LOGIN_PASSWORD"])
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading")).to_have_text("Allow")
    with transaction("Allow"):
        page.get_by_role("button", name="Allow").click()
        expect(page.locator("#who")).to_have_text("Ada has 2 orders")
