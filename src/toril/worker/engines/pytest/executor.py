"""pytest, for functional suites: every test of a file or folder is a test case; no request of them is measured.

bzt's own runner reports requests in the place of tests, and knows no gate; here pytest runs in a wrapper of ours
(`pytest/wrapper.py`).
"""

import importlib.util
import json
import shlex
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

from bzt import ToolError
from bzt.engine import ScenarioExecutor
from bzt.modules._pytest import PyTestExecutor

from toril.worker.engines import Batch, EngineContext, Facts, FoundCase, Sends, Unfinished, tail_of
from toril.worker.engines.readers import CaseLines

WRAPPER = Path(__file__).with_name("wrapper.py")


def settings(worker_index: int) -> dict[str, Any]:
    """Module settings that the suite's own may change."""
    return {"dry-install": True}


class Executor(PyTestExecutor):  # type: ignore[misc]  # bzt has no types
    """bzt's pytest executor as an Engine."""

    parks: ClassVar[bool] = True
    single_threaded: ClassVar[bool] = False
    resolution_us: ClassVar[int] = 1
    tells_lateness: ClassVar[bool] = False
    context: EngineContext

    def __init__(self) -> None:
        super().__init__()
        self._told = CaseLines(Path())
        self._asked_to_end = False

    def prepare(self) -> None:
        super().prepare()
        self._told = CaseLines(self.context.folder / "cases")

    def install_required_tools(self) -> None:
        """bzt asks pip at each start, and then installs what it has; importing is what counts."""
        if importlib.util.find_spec("pytest") is None:
            raise ToolError("pytest is not installed beside bzt; install the extra: toril[worker]")

    def startup(self) -> None:
        arguments = shlex.split(str(self.get_scenario().get("additional-args", "")))
        told = {"folder": str(self.context.folder), "arguments": [*arguments, str(self.script)]}
        path = self.context.folder / "pytest.json"
        path.write_text(json.dumps(told))
        self.process = self._execute([self.settings.get("interpreter", sys.executable), "-P", str(WRAPPER), str(path)])

    def check(self) -> bool:
        return self.process.poll() is not None

    def post_process(self) -> None:
        ScenarioExecutor.post_process(self)

    def end(self, within_s: float) -> None:
        """The wrapper looks for this file after each test."""
        self._asked_to_end = True
        Path(self.engine.graceful_files[self.process.pid]).touch()

    def batches(self, final: bool) -> Iterator[Batch]:
        yield from ()

    def cases(self) -> Iterator[FoundCase]:
        return self._told.read()

    def sends(self) -> Iterator[Sends]:
        yield from ()

    def virtual_users(self) -> int | None:
        return None

    def unfinished(self) -> Iterable[Unfinished]:
        return ()

    def facts(self) -> Facts:
        return Facts()

    def unreadable(self) -> int:
        return self._told.unreadable

    def failure(self) -> str | None:
        code = self.process.poll() if self.process else None
        if code is None or self._asked_to_end:
            return None
        if code == 0:
            done = (self.context.folder / "done").exists()
            return None if done else "a test ended pytest's process, and what follows was not carried out"
        said = (tail_of(getattr(one, "name", None)) for one in (self.stderr, self.stdout))
        return f"pytest ended with exit code {code}: " + "\n".join(filter(None, said))
