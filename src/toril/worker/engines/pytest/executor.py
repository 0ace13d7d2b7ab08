"""pytest, for functional suites: each test of a file or folder is a test case, and requests are not measured.

bzt's own runner reports requests instead of tests, and has no gate. Here pytest runs in our wrapper
(`pytest/wrapper.py`).
"""

import importlib.util
import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from bzt import ToolError
from bzt.modules._pytest import PyTestExecutor

from toril.worker.engines import FoundCase
from toril.worker.engines.base import EngineBase
from toril.worker.engines.readers import CaseLines

WRAPPER = Path(__file__).with_name("wrapper.py")


def settings(worker_index: int) -> dict[str, Any]:
    """Module settings that the suite's own may change."""
    return {"dry-install": True}


class Executor(EngineBase, PyTestExecutor):  # type: ignore[misc]  # bzt has no types
    """bzt's pytest executor as an Engine."""

    parks: ClassVar[bool] = True
    single_threaded: ClassVar[bool] = False
    resolution_us: ClassVar[int] = 1
    reports_lateness: ClassVar[bool] = False
    tool_name: ClassVar[str] = "pytest"

    def __init__(self) -> None:
        super().__init__()
        self._cases = CaseLines(Path())
        self._asked_to_end = False

    def prepare(self) -> None:
        super().prepare()
        self._cases = CaseLines(self.context.folder / "cases")

    def install_required_tools(self) -> None:
        """Replaces bzt's call of pip at each start; only the import matters."""
        if importlib.util.find_spec("pytest") is None:
            raise ToolError("pytest is not installed beside bzt; install the extra: toril[worker]")

    def startup(self) -> None:
        arguments = shlex.split(str(self.get_scenario().get("additional-args", "")))
        settings = {"folder": str(self.context.folder), "arguments": [*arguments, str(self.script)]}
        path = self.context.folder / "pytest.json"
        path.write_text(json.dumps(settings))
        self.process = self._execute([self.settings.get("interpreter", sys.executable), "-P", str(WRAPPER), str(path)])

    def end(self, within_s: float) -> None:
        """The wrapper checks for this file after each test."""
        self._asked_to_end = True
        Path(self.engine.graceful_files[self.process.pid]).touch()

    def cases(self) -> Iterator[FoundCase]:
        return self._cases.read()

    def unreadable(self) -> int:
        return self._cases.unreadable

    def failure(self) -> str | None:
        if self.exit_code is None or self._asked_to_end:
            return None
        if self.exit_code == 0:
            done = (self.context.folder / "done").exists()
            return None if done else "a test ended pytest's process; the tests after it did not run"
        return self.exit_message()
