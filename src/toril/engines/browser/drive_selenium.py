"""Selenium's browsers: `webdriver.Chrome(…)` of a script starts this machine's Chromium with the suite's settings.

Loaded by path into Apiritif's process (`in_process.load_module`), so that it imports nothing of toril.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,var-annotated,no-any-return"

import base64
import threading
import time

from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.service import Service
from urllib3.exceptions import HTTPError

ANSWER_S = 5  # longest wait for a page's answer, unless the script sets another
ASYNC = "const done = arguments[arguments.length - 1]; (%s)(arguments[0]).then(done, () => done(null));"


class Driver:
    """The browser of each thread."""

    def __init__(self, settings, steps) -> None:
        self._settings, self._steps = settings, steps
        self._mine = threading.local()
        self._patch(webdriver.Chrome)

    def prepare(self, script) -> None: ...

    def page(self):
        """Returns this thread's browser; None without one."""
        browser = getattr(self._mine, "browser", None)
        return None if browser is None or browser.session_id is None else SeleniumPage(browser)

    def _patch(self, chrome) -> None:
        begin, quit_ = chrome.__init__, chrome.quit

        def started(browser, options=None, service=None, *args, **kwargs) -> None:
            self._steps.load.admit()
            began_s = time.time()
            options, service = self._options(options or webdriver.ChromeOptions()), service or Service()
            if not service.path or service.path == "chromedriver":
                service._path = self._settings["chromedriver"]
            begin(browser, options, service, *args, **kwargs)
            if network := self._settings["network"]:
                browser.set_network_conditions(
                    offline=False,
                    latency=network["latency_ms"],
                    download_throughput=network["down_bytes_s"],
                    upload_throughput=network["up_bytes_s"],
                )
            browser.set_page_load_timeout(self._settings["timeout_s"])
            browser.set_script_timeout(ANSWER_S)
            self._mine.browser = browser
            self._steps.started(began_s)

        def ended(browser) -> None:
            if getattr(self._mine, "browser", None) is browser:
                self._mine.browser = None
            quit_(browser)

        chrome.__init__, chrome.quit = started, ended

    def _options(self, options):
        device = self._settings["device"]
        options.binary_location = options.binary_location or self._settings["chromium"]
        if not any(argument.startswith("--headless") for argument in options.arguments):
            options.add_argument("--headless=new")
        if self._settings["no_sandbox"]:
            options.add_argument("--no-sandbox")
        options.add_argument("--disable-dev-shm-usage")
        options.add_argument(f"--window-size={device['width']},{device['height']}")
        if device["mobile"] or device["scale"] != 1:
            metrics = {"width": device["width"], "height": device["height"], "pixelRatio": device["scale"]}
            emulation = {"deviceMetrics": {**metrics, "touch": device["mobile"], "mobile": device["mobile"]}}
            if device["user_agent"]:
                emulation["userAgent"] = device["user_agent"]
            options.add_experimental_option("mobileEmulation", emulation)
        return options


class SeleniumPage:
    """The page as the steps use it."""

    NoAnswer = (WebDriverException, HTTPError, OSError)

    def __init__(self, browser) -> None:
        self._browser = browser

    def ask(self, function, argument):
        return self._browser.execute_async_script(ASYNC % function, argument)

    def picture(self) -> bytes:
        options = {"format": "jpeg", "quality": 50}
        return base64.b64decode(self._browser.execute_cdp_cmd("Page.captureScreenshot", options)["data"])

    def source(self) -> str:
        return self._browser.page_source

    def console(self):
        return [f"{entry['level']} {entry['message']}" for entry in self._browser.get_log("browser")]

    def trace(self, path) -> None:
        """Selenium has no traces."""
