"""pytest, for functional suites: each test of a file or folder is a test case, and requests are not measured.

bzt's own runner reports requests instead of tests, and has no gate. Here pytest runs in our wrapper
(`pytest/wrapper.py`).
"""

import json
import shlex
import sys
from pathlib import Path
from typing import Any, ClassVar

from bzt.modules._pytest import PyTestExecutor

from toril.worker.engines.base import Engine

WRAPPER = Path(__file__).with_name("wrapper.py")


class Executor(Engine, PyTestExecutor):  # type: ignore[misc]  # bzt has no types
    module_settings: ClassVar[dict[str, Any]] = {"dry-install": True}
    tool_name = "pytest"

    def install_required_tools(self) -> None:
        self.require("pytest")

    def startup(self) -> None:
        arguments = shlex.split(str(self.get_scenario().get("additional-args", "")))
        settings = {"folder": str(self.context.folder), "arguments": [*arguments, str(self.script)]}
        path = self.context.folder / "pytest.json"
        path.write_text(json.dumps(settings))
        self.process = self._execute([self.settings.get("interpreter", sys.executable), "-P", str(WRAPPER), str(path)])

    def failure(self) -> str | None:
        if self.exit_code == 0 and not self.asked_to_end and not (self.context.folder / "done").exists():
            return "a test ended pytest's process, and the tests after it did not run. Remove its exit call"
        return super().failure()
