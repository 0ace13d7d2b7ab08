"""pytest, for functional suites: each test of a file or folder is a test case, and requests are not measured.

bzt's own runner reports requests instead of tests, and has no gate. Here pytest runs in our wrapper
(`pytest/wrapper.py`).
"""

import shlex
from pathlib import Path
from typing import Any, ClassVar

from bzt.modules._pytest import PyTestExecutor

from toril.engines import LoadFacts
from toril.engines.base import Engine


class CaseRunner(Engine):
    """An engine that runs tests in a wrapper in Python, which writes the file `done` after the last one."""

    module_settings: ClassVar[dict[str, Any]] = {"dry-install": True}
    wrapper: ClassVar[Path]

    def startup(self) -> None:
        self.start_wrapper(self.wrapper, {"arguments": self.arguments()})

    def arguments(self) -> list[str]:
        """Returns the tool's own arguments, the script last."""
        raise NotImplementedError

    def facts(self) -> LoadFacts:
        done = self.context.folder / "done"
        statement = done.read_text() if done.exists() else ""
        return LoadFacts(script_failed=statement and f"{self.tool_name} {statement}; see its output in bzt.log")

    def failure(self) -> str | None:
        if self.exit_code == 0 and not self.asked_to_end and not (self.context.folder / "done").exists():
            return f"a test ended {self.tool_name}'s process, and the tests after it did not run. Remove its exit call"
        return super().failure()


class Executor(CaseRunner, PyTestExecutor):  # type: ignore[misc]  # bzt has no types
    tool_name = "pytest"
    wrapper = Path(__file__).with_name("wrapper.py")

    def install_required_tools(self) -> None:
        self.require("pytest")

    def arguments(self) -> list[str]:
        return [*shlex.split(str(self.get_scenario().get("additional-args", ""))), str(self.script)]
