"""Logs in, likes a lamp, orders it, and opens the invoice."""

import os

from apiritif import transaction
from playwright.sync_api import Page, expect


def test_ordering(page: Page) -> None:
    with transaction("Log in"):
        page.goto("/")
        page.get_by_role("link", name="Log in").click()
        page.get_by_label("E-mail").fill(os.environ["LOGIN_USER"])
        page.get_by_label("Password").fill(os.environ["LOGIN_PASSWORD"])
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("heading")).to_contain_text("Welcome")
    with transaction("Choose"):
        page.get_by_role("button", name="Like the lamp").click()
        expect(page.locator("#liked")).to_have_text("1 liked")
        page.get_by_role("button", name="Add Lamp").click()
        expect(page.get_by_role("heading")).to_have_text("Cart")
    with transaction("Order"):
        page.get_by_label("Note").fill("Leave it at the door")
        page.get_by_role("button", name="Order").click()
        expect(page.get_by_role("heading")).to_contain_text("Order")
        page.get_by_role("link", name="Invoice").click()
        expect(page.get_by_role("heading")).to_contain_text("Invoice")
