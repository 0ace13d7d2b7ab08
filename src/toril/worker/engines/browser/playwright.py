"""Playwright: the suite's own Python script, or one that is generated of its actions, in this machine's Chromium.

bzt's executor runs TypeScript by npx, which downloads it; here scripts are Python, run in Apiritif's wrapper with the
pages of `browser_playwright.py`. A virtual user has a Chromium of its own, since the browser process and the network
service of one are shared by all its pages, and what users waited for each other would be taken for the service's time.
Each iteration has a new context: its own cookies, storage and cache.
"""

import importlib.util
from pathlib import Path
from typing import Any, ClassVar

from bzt import TaurusConfigError, ToolError

from toril.suite.engines import problems
from toril.worker.engines.browser import selenium
from toril.worker.engines.browser.playwright_script import script_of


def settings(worker_index: int) -> dict[str, Any]:
    """Nothing: neither node nor a browser is downloaded."""
    return {}


class Executor(selenium.Executor):
    """In the place of bzt's Playwright executor; an Engine."""

    tool: ClassVar[str] = "Playwright"
    driver: ClassVar[str] = "playwright"

    def install_required_tools(self) -> None:
        if importlib.util.find_spec("playwright") is None:
            raise ToolError("Playwright is not installed beside bzt; install the extra: toril[browser]")

    def _generate(self, scenario: Any) -> str:
        for problem in problems("playwright", scenario.data, "scenario"):  # never so from a suite toril has read
            raise TaurusConfigError(str(problem))
        filename: str = self.engine.create_artifact("test_requests", ".py")
        Path(filename).write_text(script_of(scenario), encoding="utf-8")
        return filename

    def driver_told(self) -> dict[str, Any]:
        scenario = self.get_scenario()
        return {
            "base_url": str(scenario.get("default-address", "") or "") or None,
            "ignore_https_errors": bool(scenario.get("ignore-https-errors", False)),
            "title": self.context.planned.name,
        }
