"""The image with Chromium, 300 MB larger: only `make image-browser` builds it and runs these tests."""

import pytest

from tests.image.contained import built, run_script, trouble

pytestmark = pytest.mark.timeout(600)

DRIVE = """
import json
from selenium import webdriver
driver = webdriver.Chrome()
driver.get("data:text/html,<title>before</title><script>document.title = 6 * 7</script>")
title = driver.title
driver.quit()
print(json.dumps(title))
"""
PLAYWRIGHT = """
import json
from playwright.sync_api import sync_playwright
with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path="/usr/bin/chromium")
    page = browser.new_page()
    page.goto("data:text/html,<title>before</title><script>document.title = 6 * 7</script>")
    print(json.dumps(page.title()))
"""
LIST = "print(open('/usr/share/toril/sbom.cdx.json').read())"


@pytest.fixture(scope="session")
def browser() -> str:
    if why := trouble():
        pytest.skip(f"podman cannot run containers on this machine: {why}")
    return built("browser")


def test_selenium_drives_chromium_without_a_screen_a_network_or_a_privilege(browser):
    assert run_script(browser, DRIVE) == "42"


def test_playwright_drives_chromium(browser):
    assert run_script(browser, PLAYWRIGHT) == "42"


def test_the_bill_of_materials_lists_chromium_and_selenium(browser):
    names = {one["name"] for one in run_script(browser, LIST)["components"]}
    assert {"chromium", "chromium-driver", "selenium", "playwright", "bzt"} <= names
