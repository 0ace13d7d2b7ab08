"""JUnit, for functional suites: each test in Java sources or jars is a test case. JUnit 4 and 5 run alike.

bzt's own runner downloads its parts, knows neither tags nor parameters, and needs a JDK. Here the worker compiles
sources by the compiler in JUnit's home, and JUnit's console runs the tests. It reports them when all have ended.
"""

import os
import re
import signal
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from bzt.modules import SubprocessedExecutor
from junitparser import Error, Failure, JUnitXml, Skipped

from toril.engines import FoundCase, LoadFacts, tail_of
from toril.engines.base import Engine, not_installed
from toril.engines.jmeter.executor import OUTPUT_CHARS, compile_by, find_java
from toril.programs import JUNIT_VERSION, junit_home
from toril.records import CaseOutcome

CONSOLE = "org.junit.platform.console.ConsoleLauncher"
COMPILER = "org.eclipse.jdt.internal.compiler.batch.Main"
JAVA = "17"  # of the sources, unless `compile-target-java` names another version
TOO_OLD = ("1.5", "1.6", "1.7", "5", "6", "7")  # for the compiler; such sources are sources of Java 8, too
TESTS_FAILED = 1  # the exit code
NO_TESTS = 2
SUMMARY = "tests failed"  # in the output after the last test
UNCAUGHT = re.compile(r"^Exception in thread \".*?\" (.+)", re.MULTILINE)  # Java's own words, in standard error
CAUSE = re.compile(r"^Caused by: [\w.$]+: (.+)", re.MULTILINE)
OUTCOMES: dict[type, CaseOutcome] = {Failure: "failed", Error: "broken", Skipped: "skipped"}


class Executor(Engine, SubprocessedExecutor):  # type: ignore[misc]  # bzt has no types
    tool_name = "JUnit"
    parks = False

    def prepare(self) -> None:
        super().prepare()
        home = junit_home()
        if not (home / "lib").is_dir():
            raise not_installed("JUnit", JUNIT_VERSION, home, code="no-junit")
        self._java, self._read = find_java(), False
        self._outcomes: set[CaseOutcome] = set()
        self.script = Path(self.get_script_path(required=True))
        paths = sorted(self.script.rglob("*")) if self.script.is_dir() else [self.script]
        classes, sources = self.context.folder / "classes", [path for path in paths if path.suffix == ".java"]
        self._tests = [classes, *(path for path in paths if path.suffix == ".jar")]
        extra = [self.engine.find_file(jar) for jar in self._listed("additional-classpath")]
        beside = self.script if self.script.is_dir() else self.script.parent  # the tests' resources
        self._path = os.pathsep.join(map(str, [*self._tests, *extra, beside, home / "lib" / "*"]))
        classes.mkdir(exist_ok=True)
        if sources:
            jars = os.pathsep.join([*extra, *map(str, [*self._tests[1:], *(home / "lib").glob("*.jar")])])
            named = str(self.settings.get("compile-target-java", JAVA))
            java = "1.8" if named in TOO_OLD else named
            options = ["-nowarn", "-proc:none", "-encoding", "UTF-8", "-cp", jars, "-d", str(classes), f"-{java}"]
            command = [self._java, "-cp", str(home / "lib" / "*"), COMPILER, *options, *map(str, sources)]
            compile_by(command, "the tests", "Name their libraries in `additional-classpath`")

    def startup(self) -> None:
        properties: dict[str, Any] = {}
        for holder in (self.settings, self.get_scenario(), self.execution):
            properties |= holder.get("properties", {})
        command = [self._java, *(f"-D{name}={value}" for name, value in properties.items()), "-cp", self._path]
        command += [CONSOLE, "execute", "--disable-banner", "--details=summary", "--fail-if-no-tests"]
        command += [f"--reports-dir={self.context.folder / 'reports'}"]
        for item in (items := self._listed("run-items")):
            command.append(f"--select-{'method' if '#' in item else 'class'}={item}")
        if not items:
            command.append(f"--scan-classpath={os.pathsep.join(map(str, self._tests))}")
        command += [f"--include-tag={tag}" for tag in self._listed("include-categories")]  # JUnit 4's categories, too
        command += [f"--exclude-tag={tag}" for tag in self._listed("exclude-categories")]
        self.process = self._execute(command)

    def _listed(self, key: str) -> list[str]:
        """Returns a list of the execution, else of the scenario; texts have commas. Paths are those of all levels."""
        levels = [holder.get(key, None) or [] for holder in (self.execution, self.get_scenario(), self.settings)]
        lists = [level.split(",") if isinstance(level, str) else level for level in levels]
        if key != "additional-classpath":
            return [str(item).strip() for item in lists[0] or lists[1]]
        return [str(item) for listed in lists for item in listed]

    def end(self, within_s: float) -> None:
        """JUnit has no early end: tests without a report are lost."""
        if not self.asked_to_end and self.process is not None:
            os.killpg(self.process.pid, signal.SIGTERM)
        super().end(within_s)

    def cases(self) -> Iterator[FoundCase]:
        if self._read or self.exit_code is None:
            return
        self._read = True
        for report in sorted((self.context.folder / "reports").glob("TEST-*.xml")):
            for case in cases_of_report(report):
                self._outcomes.add(case.outcome)
                yield case

    def facts(self) -> LoadFacts:
        unexplained = self.exit_code == TESTS_FAILED and not self._outcomes & {"failed", "broken"}
        statement = "JUnit failed, but no test did; see its output in bzt.log" if unexplained else ""
        if self._read and (thrown := UNCAUGHT.search(tail_of(getattr(self.stderr, "name", None), 500))):
            statement = f"a thread ended by {thrown[1][:OUTPUT_CHARS]}, which no test reports"
        return LoadFacts(script_failed=statement)

    def last_output(self) -> str:
        """Returns the causes of JUnit's own exception, whose frames fill the last lines."""
        causes = CAUSE.findall(tail_of(getattr(self.stderr, "name", None), 500))
        return "; ".join(causes) or str(super().last_output())

    def failure(self) -> str | None:
        if self.exit_code == NO_TESTS:
            return "JUnit found no tests. Correct `script`, `run-items` or the categories"
        if self.exit_code not in (0, TESTS_FAILED) or self.asked_to_end:
            return super().failure()
        complete = SUMMARY in tail_of(getattr(self.stdout, "name", None), 20)
        return None if complete else "a test ended JUnit's process, and tests have no result. Remove its exit call"


def cases_of_report(report: Path) -> Iterator[FoundCase]:
    """Returns the test cases of a report in JUnit's XML. It has durations only, so tests begin one after the other."""
    for suite in JUnitXml.fromfile(str(report)):
        began_s = datetime.fromisoformat(suite.timestamp).timestamp() if suite.timestamp else time.time()
        for case in suite:
            result = next(iter(case.result), None)
            trace = str(getattr(result, "text", None) or "").strip()
            yield FoundCase(
                name=str(case.name).removesuffix("()"),
                suite=str(case.classname),
                outcome=OUTCOMES.get(type(result), "passed"),
                started_s=began_s,
                duration_us=round(float(case.time or 0) * 1e6),
                message=str(getattr(result, "message", None) or trace.partition("\n")[0]),
                trace=trace,
            )
            began_s += float(case.time or 0)
