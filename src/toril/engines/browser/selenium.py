"""Selenium: runs the suite's own test scripts, or a script that bzt generates, in this machine's Chromium.

bzt's executor downloads drivers and records tests in whole milliseconds. Here the scripts run in Apiritif's wrapper,
with a browser that toril starts (`drive_selenium.py`). As in bzt, each iteration has its own browser.
"""

import ast
import importlib.metadata
import os
from typing import Any, ClassVar

from bzt import ToolError
from bzt.modules._apiritif.generator import ApiritifScriptGenerator
from bzt.utils import dehumanize_time

from toril.engines.apiritif import executor as apiritif
from toril.engines.apiritif import generator
from toril.programs import chromedriver, chromium


def require_program(program: str | None, what: str, package: str, variable: str) -> str:
    """Returns the program's path; ToolError without one."""
    if program is None:
        raise ToolError(f"{what} is not installed. Install {package}, or set {variable} to its path")
    return program


class PageActions(generator.ScriptGenerator):
    """bzt's generator of actions, in which the requests inside a transaction keep their labels."""

    def _gen_http_request(self, req: Any) -> list[Any]:
        body = ApiritifScriptGenerator._gen_http_request(self, req)
        thinking = body[-1:] if dehumanize_time(req.get_think_time()) else []  # comes last; not part of the step
        step = body[: len(body) - len(thinking)] or [ast.Pass()]
        return [generator.in_transaction(self._gen_expr(req.label), step), *(thinking if self.thinks else ())]


class Executor(apiritif.Executor):
    single_threaded: ClassVar[bool] = False  # the browsers are processes of their own
    tool_name = "Selenium"
    driver: ClassVar[str] = "selenium"

    def prepare(self) -> None:
        package = "Debian's `chromium` or Google Chrome"
        self._chromium = require_program(chromium(), "Chromium", package, "TORIL_CHROMIUM")
        super().prepare()

    def install_required_tools(self) -> None:
        self.require("selenium", "browser")
        self._chromedriver = require_program(
            self.settings.get("chromedriver").get("path", None) or chromedriver(),
            "Chromium's driver",
            "Debian's `chromium-driver`",
            "TORIL_CHROMEDRIVER",
        )

    def _generate(self, scenario: Any) -> str:
        filename: str = self.engine.create_artifact("test_requests", ".py")
        scenario["browser"] = "chrome"
        log = self.engine.create_artifact("webdriver", ".log")
        version = importlib.metadata.version("selenium")
        builder = PageActions(scenario, self.label, log, executor=self, test_mode="selenium", selenium_version=version)
        builder.thinks = not self.context.tried
        builder.write(filename)
        return filename

    def more_settings(self) -> dict[str, Any]:
        browser = self.context.planned.browser
        device = browser.device.model_dump() if browser else {}
        network = browser.network.model_dump() if browser and browser.network else None
        return {
            "browser": {
                "driver": self.driver,
                "chromium": self._chromium,
                "chromedriver": getattr(self, "_chromedriver", None),
                "no_sandbox": os.geteuid() == 0,
                "device": device,
                "timeout_s": dehumanize_time(self.get_scenario().get("timeout", "30s")),
                "network": network,
                "traces": not self.engine.secrets,  # a trace contains all headers and typed texts
            }
        }
