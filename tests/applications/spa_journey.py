"""Logs in, adds a task, and works on after the access token has expired."""

import os

from apiritif import transaction
from playwright.sync_api import Page, expect


def test_tasks(page: Page) -> None:
    with transaction("Log in"):
        page.goto("/")
        page.get_by_label("E-mail").fill(os.environ["LOGIN_USER"])
        page.get_by_label("Password").fill(os.environ["LOGIN_PASSWORD"])
        page.get_by_role("button", name="Log in").click()
        expect(page.locator("#who")).to_have_text("Ada")
    with transaction("Add a task"):
        page.get_by_label("Title").fill("Water the plants")
        page.get_by_role("button", name="Add").click()
        expect(page.locator("#task")).to_have_text("Added Water the plants")
    with transaction("Come back"):
        page.wait_for_function("() => Date.now() > Number(document.body.dataset.expires)")
        page.get_by_role("button", name="Reload").click()
        expect(page.locator("#task")).to_have_text("Reloaded Water the plants")
    with transaction("Finish the task"):
        page.get_by_role("button", name="Done").click()
        expect(page.locator("#task")).to_have_text("Done: true")
