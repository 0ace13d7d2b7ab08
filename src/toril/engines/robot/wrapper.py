"""Robot Framework's own process: parks it, writes each test as a test case, and ends it test by test.

Started by path (`python -P wrapper.py FILE`), so that it imports nothing of toril. FILE is JSON: folder, arguments
(Robot Framework's own, the script last). In the folder it writes `cases`, and `done` after the last test, with an exit
code that no test explains.

A test whose setup failed, or that of its suite, is broken. The exit code is 0 whether tests pass or fail, and Robot
Framework's own for wrong arguments and internal errors.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call"

import json
import sys
import time
from functools import partial
from pathlib import Path

from robot.run import RobotFramework

sys.path.append(str(Path(__file__).parents[1]))
import in_process  # type: ignore[import-not-found]

sys.path.pop()
MOST_FAILED = 250  # as an exit code: this many tests failed, or more
OUTCOMES = {"PASS": "passed", "FAIL": "failed", "SKIP": "skipped"}
OF_SETUPS = ("Setup failed:", "Parent suite setup failed:")


class CaseListener:
    """Writes each test; after the worker's request to end, tests are emptied and not written."""

    ROBOT_LISTENER_API_VERSION = 3

    def __init__(self, write, end) -> None:
        self._write = write
        self._end = end  # the file that the worker creates to end the run early
        self._omitted = False  # whether the current test began after that

    def start_test(self, data, result) -> None:
        self._omitted = self._end.exists()
        if self._omitted:
            data.body.clear()
            data.setup = data.teardown = None

    def end_test(self, data, result) -> None:
        if self._omitted:
            return
        broken = result.failed and result.message.startswith(OF_SETUPS)
        self._write(
            name=result.name,
            suite=result.parent.full_name,
            outcome="broken" if broken else OUTCOMES[result.status],
            started_s=result.start_time.timestamp(),
            took_s=result.elapsed_time.total_seconds(),
            message=" ".join(result.message.split()),
            trace=result.message if result.failed else "",
        )

    def end_suite(self, data, result) -> None:
        """Write a failed teardown: Robot Framework then fails all tests of the suite, which have ended already."""
        if result.has_teardown and result.teardown.failed and not self._end.exists():
            self._write(
                name="Suite Teardown",
                suite=result.full_name,
                outcome="broken",
                started_s=result.teardown.start_time.timestamp(),
                took_s=result.teardown.elapsed_time.total_seconds(),
                message=" ".join(result.teardown.message.split()),
            )


def report_thread(write, error) -> None:
    """Write an exception that a thread left uncaught as a test case of its own."""
    message = f"{type(error).__name__}: {error}"
    write(name="thread: exception", suite="", outcome="broken", started_s=time.time(), took_s=0, message=message)


def main(settings) -> int:
    folder, robot = Path(settings["folder"]), RobotFramework()
    cases = in_process.CaseWriter(folder / "cases")
    listener = CaseListener(cases.write, folder / "end")
    in_process.report_uncaught(partial(report_thread, cases.write))
    options, scripts = robot.parse_arguments(settings["arguments"])
    in_process.wait_at_gate(folder)
    sys.path.insert(0, str(Path.cwd()))
    options["listener"] = [*options.get("listener", ()), listener]
    code = robot.execute(*scripts, **options)
    in_process.report_exit(folder, cases, code, (folder / "end").exists())
    return 0 if code <= MOST_FAILED else int(code)


if __name__ == "__main__":
    sys.exit(main(json.loads(Path(sys.argv[1]).read_text())))
