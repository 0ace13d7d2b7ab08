"""pytest's own process: parks it, writes each test as a test case, and ends it test by test.

Started by path (`python -P wrapper.py FILE`), so that it imports nothing of toril. FILE is JSON: folder,
arguments (pytest's own, the script last). In the folder it writes `cases`.

A file that cannot be imported is a broken test case, and so is each test that pytest did not finish. A test fails if a
thread of it leaves an exception uncaught. The file `done` in the folder marks a complete run, and reports an exit code
that no test explains (such as a plug-in's). The exit code is 0 whether tests pass or fail, and pytest's own for wrong
arguments and internal errors.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,var-annotated,arg-type,union-attr"

import json
import os
import sys
import time
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1]))
import in_process  # type: ignore[import-not-found]

sys.path.pop()
FINE = (
    pytest.ExitCode.OK,
    pytest.ExitCode.TESTS_FAILED,
    pytest.ExitCode.INTERRUPTED,
    pytest.ExitCode.NO_TESTS_COLLECTED,
)


class CaseReporter:
    """A plugin that writes every test, and every file that cannot be imported."""

    def __init__(self, write, end) -> None:
        self._write = write
        self._end = end  # the file that the worker creates to end the run early
        self._reports = {}  # by the id of the running test
        self._written = set()

    def pytest_collectreport(self, report) -> None:
        if report.failed:
            self._write_unrun(report.nodeid, "broken", last_line(report.longreprtext), report.longreprtext)

    def pytest_runtest_logreport(self, report) -> None:
        self._reports.setdefault(report.nodeid, []).append(report)
        if report.when == "teardown":
            self._write_case(self._reports.pop(report.nodeid))

    def pytest_sessionfinish(self, session) -> None:
        """Write unfinished tests, such as those after `pytest.exit`: broken, or skipped after `-x` ended the run."""
        if self._end.exists() or session.config.option.collectonly:
            return
        outcome = "skipped" if session.shouldfail else "broken"
        for item in getattr(session, "items", []):
            if item.nodeid not in self._written:
                self._write_unrun(item.nodeid, outcome, "pytest ended before this test did")

    def _write_unrun(self, nodeid, outcome, message, trace="") -> None:
        suite, _, name = nodeid.rpartition("::")
        self._write(
            name=name, suite=suite, outcome=outcome, started_s=time.time(), took_s=0, message=message, trace=trace
        )

    def pytest_runtest_logfinish(self, nodeid, location) -> None:
        if self._end.exists():
            pytest.exit("the run is ending", returncode=pytest.ExitCode.INTERRUPTED)

    def _write_case(self, reports) -> None:
        self._written.add(reports[0].nodeid)
        bad = next((report for report in reports if report.failed), None)
        skipped = next((report for report in reports if report.skipped), None)
        outcome, message, trace = "passed", "", ""
        if bad is not None:
            outcome = "failed" if bad.when == "call" and asserted(bad) else "broken"
            message, trace = crash(bad), bad.longreprtext
        elif skipped is not None:
            expected = getattr(skipped, "wasxfail", None)  # the reason of a failure that is expected
            outcome = "skipped" if expected is None else "passed"
            reason = skipped.longrepr[2] if isinstance(skipped.longrepr, tuple) else expected or ""
            message = str(reason).removeprefix("Skipped: ")
        suite, _, name = reports[0].nodeid.rpartition("::")
        self._write(
            name=name, suite=suite, outcome=outcome, started_s=reports[0].start,
            took_s=sum(report.duration for report in reports), message=message, trace=trace,
        )  # fmt: skip


def asserted(report) -> bool:
    """Returns whether an assertion failed the test; after any other exception it is broken."""
    return crash(report).startswith(("AssertionError", "assert ", "Failed: ", "[XPASS(strict)]"))


def crash(report) -> str:
    place = getattr(report.longrepr, "reprcrash", None)
    return place.message if place is not None else last_line(report.longreprtext)


def last_line(text) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "")


def main(settings) -> int:
    folder = Path(settings["folder"])
    os.environ["GRACEFUL"] = str(folder / "end")  # Apiritif in a script also checks for it
    cases = in_process.CaseWriter(folder / "cases")
    in_process.wait_at_gate(folder)
    sys.path.insert(0, str(Path.cwd()))
    code = pytest.main(
        [
            *("-p", "no:cacheprovider", "--continue-on-collection-errors"),
            *("-W", "error::pytest.PytestUnhandledThreadExceptionWarning"),
            *settings["arguments"],
        ],
        plugins=[CaseReporter(cases.write, folder / "end")],
    )
    in_process.report_exit(folder, cases, code, (folder / "end").exists())
    return 0 if code in FINE else int(code)


if __name__ == "__main__":
    sys.exit(main(json.loads(Path(sys.argv[1]).read_text())))
