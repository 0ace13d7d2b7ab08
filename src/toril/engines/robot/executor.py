"""Robot Framework, for functional suites: each test of a file or folder is a test case.

bzt's own runner has no gate, and repeats the tests. Here Robot Framework runs in our wrapper (`robot/wrapper.py`).
"""

import shlex
from pathlib import Path

from bzt.modules.robot import RobotExecutor

from toril.engines.pytest.executor import CaseRunner


class Executor(CaseRunner, RobotExecutor):  # type: ignore[misc]  # bzt has no types
    tool_name = "Robot Framework"
    wrapper = Path(__file__).with_name("wrapper.py")

    def install_required_tools(self) -> None:
        self.require("robot", "robot")

    def arguments(self) -> list[str]:
        arguments = ["--output", "NONE", "--log", "NONE", "--report", "NONE"]  # they hold the arguments of all keywords
        if self.variables_file is not None:
            arguments += ["--variablefile", str(self.variables_file)]
        for tag in str(self.tags).split(",") if self.tags else ():
            arguments += ["--include", tag.strip()]
        return [*arguments, *shlex.split(str(self.settings.get("cmdline", None) or "")), str(self.script)]
