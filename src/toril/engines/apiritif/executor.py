"""Apiritif: runs the suite's own test scripts, or its requests in a script that bzt generates.

bzt's own records have whole milliseconds, addresses as labels and no transactions. Here Apiritif runs in our wrapper
(`apiritif/wrapper.py`), which writes rows in microseconds. The generated script passes the suite's labels to the
wrapper in transactions whose names begin with a mark.
"""

from pathlib import Path
from typing import Any, ClassVar

from bzt import TaurusConfigError
from bzt.modules._apiritif.executor import ApiritifNoseExecutor

from toril.engines.apiritif.generator import ScriptGenerator
from toril.engines.base import RowEngine
from toril.engines.labels import literal_labels
from toril.engines.uploads import install

WRAPPER = Path(__file__).with_name("wrapper.py")


class Executor(RowEngine, ApiritifNoseExecutor):  # type: ignore[misc]  # bzt has no types
    module_settings: ClassVar[dict[str, Any]] = {"dry-install": True}
    single_threaded: ClassVar[bool] = True
    tool_name = "Apiritif"

    def __init__(self) -> None:
        super().__init__()
        self._generated: str | None = None
        self._any_status = False  # the suite accepts every status (`auto-assert-ok: false`)

    def prepare(self) -> None:
        if self.execution.get("test-mode", "apiritif") != "apiritif":
            raise TaurusConfigError("the apiritif executor runs API tests only. For browsers, use `executor: selenium`")
        scenario = self.get_scenario()
        if not scenario.get("script") and scenario.get("requests"):
            self._generated = self._generate(scenario)
            self.requests_are_cases = True  # the wrapper writes the test cases of scripts
        super().prepare()

    def install_required_tools(self) -> None:
        self.require("apiritif")

    def get_script_path(self, required: bool = False, scenario: Any = None) -> str | None:
        return self._generated or super().get_script_path(required, scenario)

    def _generate(self, scenario: Any) -> str:
        install()
        filename: str = self.engine.create_artifact("test_requests", ".py")
        checks_status = scenario.get("auto-assert-ok", True)
        self._any_status = not checks_status
        scenario["auto-assert-ok"] = False  # otherwise bzt would add its own assertion
        builder = ScriptGenerator(scenario, self.label, executor=self, test_mode="apiritif")
        builder.checks_status, builder.thinks = checks_status, not self.context.tried
        builder.literal = literal_labels(self.engine.config.get("scenarios"))
        builder.write(filename)
        return filename

    def startup(self) -> None:
        load = self.get_load()
        settings = {
            "test": self.script,
            "generated": self._generated is not None,
            "require_values": self.context.require_values,
            "any_status": self._any_status,
            "cases": self.context.functional and self._generated is None,
            "concurrency": load.concurrency or 1,
            "iterations": load.iterations or 0,
            "ramp_up_s": load.ramp_up or 0,
            "hold_for_s": load.hold or 0,
            "steps": load.steps or 0,
            "length_s": self.context.length_s,
            "graceful_stop_s": self.context.graceful_stop_s,
            "sign": self.signing(self.get_scenario()),
            "tags": self.context.request_tags,
            **self.kept_settings(),
            **self.more_settings(),
        }
        self.start_wrapper(WRAPPER, settings)

    def more_settings(self) -> dict[str, Any]:
        """Returns further settings for the wrapper; engines that build on this one override it."""
        return {}
