"""Apiritif: the suite's own test scripts, or its requests in a script that bzt generates.

bzt's own records have whole milliseconds, addresses as labels and no transactions. Here Apiritif runs in our wrapper
(`apiritif/wrapper.py`), which writes rows in microseconds. The generated script passes the suite's labels to the
wrapper in transactions whose names begin with a mark.
"""

import ast
import importlib.util
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from bzt import TaurusConfigError, ToolError
from bzt.modules._apiritif.executor import ApiritifNoseExecutor
from bzt.requests_model import IncludeScenarioBlock

from toril.timeline.intervals import KINDS
from toril.worker.disk import put_whole
from toril.worker.engines import Batch, Facts, FoundCase, Sends, Unfinished, cases_of, tail_of
from toril.worker.engines.apiritif.records import COLUMNS, GROUP_MARK, NUMBERS, REQUEST_MARK
from toril.worker.engines.apiritif.steps import Steps
from toril.worker.engines.base import EngineBase
from toril.worker.engines.readers import CaseLines, CsvTail

WRAPPER = Path(__file__).with_name("wrapper.py")


def settings(worker_index: int) -> dict[str, Any]:
    """Module settings that the suite's own may change."""
    return {"dry-install": True}


class Generator(Steps):
    """bzt's generator, with every request inside a marked transaction named by its label.

    A status of 400 or more fails a request, unless the suite has `auto-assert-ok: false` or asserts a status.
    (bzt does so only for scenarios with a default address, and even if the suite wants another status.)
    """

    checks_status = True

    def _gen_transaction(self, trans_conf: Any, transaction_class: str = "apiritif.smart_transaction") -> Any:
        transaction = super()._gen_transaction(trans_conf, transaction_class)
        if isinstance(trans_conf, IncludeScenarioBlock) or "transaction" not in trans_conf.config:
            call = transaction.items[0].context_expr  # bzt's own, around a scenario or a single request
            call.args = [self._marked(GROUP_MARK, call.args[0])]
        return transaction

    def _gen_http_request(self, req: Any) -> list[Any]:
        body = super()._gen_http_request(req)
        checks = [one for one in req.config.get("assert", []) if isinstance(one, dict)]
        wanted = any(one.get("subject") == "http-code" for one in checks)
        if self.checks_status and req.url and not wanted:
            body.insert(1, ast.Expr(call("response", "assert_ok")))
        label = self._marked(REQUEST_MARK, self._gen_expr(req.label))
        item = ast.withitem(context_expr=call("apiritif", "transaction", label), optional_vars=None)
        return [ast.With(items=[item], body=body)]

    @staticmethod
    def _marked(mark: str, name: Any) -> ast.BinOp:
        return ast.BinOp(left=ast.Constant(mark, kind=""), op=ast.Add(), right=name)


def call(of: str, method: str, *arguments: Any) -> ast.Call:
    function = ast.Attribute(value=ast.Name(id=of, ctx=ast.Load()), attr=method, ctx=ast.Load())
    return ast.Call(func=function, args=list(arguments), keywords=[])


class Executor(EngineBase, ApiritifNoseExecutor):  # type: ignore[misc]  # bzt has no types
    """bzt's Apiritif executor as an Engine."""

    parks: ClassVar[bool] = True
    single_threaded: ClassVar[bool] = True
    resolution_us: ClassVar[int] = 1
    reports_lateness: ClassVar[bool] = True
    tool_name: ClassVar[str] = "Apiritif"

    def __init__(self) -> None:
        super().__init__()
        self._generated: str | None = None
        self._tail = CsvTail(Path(), COLUMNS)
        self._users: int | None = None
        self._sends: list[Sends] = []
        self._cases: list[FoundCase] = []  # of generated requests; the wrapper writes those of scripts
        self._test_cases = CaseLines(Path())
        self._asked_to_end = False
        self._unfinished: list[Unfinished] = []

    def prepare(self) -> None:
        if self.execution.get("test-mode", "apiritif") != "apiritif":
            raise TaurusConfigError("The apiritif executor runs API tests; for a browser use executor: selenium")
        scenario = self.get_scenario()
        if not scenario.get("script") and scenario.get("requests"):
            self._generated = self._generate(scenario)
        super().prepare()
        self._tail = CsvTail(self.context.folder / "rows.csv", COLUMNS)
        self._test_cases = CaseLines(self.context.folder / "cases")

    def install_required_tools(self) -> None:
        """Replaces bzt's call of pip at each start; only the import matters."""
        if importlib.util.find_spec("apiritif") is None:
            raise ToolError("Apiritif is not installed beside bzt; install the extra: toril[worker]")

    def get_script_path(self, required: bool = False, scenario: Any = None) -> str | None:
        return self._generated or super().get_script_path(required, scenario)

    def _generate(self, scenario: Any) -> str:
        filename: str = self.engine.create_artifact("test_requests", ".py")
        checks_status = scenario.get("auto-assert-ok", True)
        scenario["auto-assert-ok"] = False  # otherwise bzt would add its own assertion
        builder = Generator(scenario, self.label, executor=self, test_mode="apiritif")
        builder.checks_status = checks_status
        builder.verbose = False
        builder.build_source_code()
        builder.save(filename)
        return filename

    def startup(self) -> None:
        load = self.get_load()
        settings = {
            "folder": str(self.context.folder),
            "test": self.script,
            "generated": self._generated is not None,
            "cases": self.context.functional and self._generated is None,
            "concurrency": load.concurrency or 1,
            "iterations": load.iterations or 0,
            "ramp_up_s": load.ramp_up or 0,
            "hold_for_s": load.hold or 0,
            "steps": load.steps or 0,
            "length_s": self.context.length_s,
            "graceful_stop_s": self.context.graceful_stop_s,
            **self.more_settings(),
        }
        path = self.context.folder / "apiritif.json"
        path.write_text(json.dumps(settings))
        interpreter = self.settings.get("interpreter", sys.executable)
        self.process = self._execute([interpreter, "-P", str(WRAPPER), str(path)])

    def more_settings(self) -> dict[str, Any]:
        """Further settings for the wrapper, from engines that build on this one."""
        return {}

    def end(self, within_s: float) -> None:
        """Apiritif checks for this file before each iteration, our wrapper before each request."""
        self._asked_to_end = True
        put_whole(Path(self.engine.graceful_files[self.process.pid]), repr(within_s))

    def batches(self, final: bool) -> Iterator[Batch]:
        for columns in self._tail.read(final):
            numbers = [np.fromiter(map(int, column), np.int64, len(column)) for column in columns[:NUMBERS]]
            kinds = np.array(columns[NUMBERS], dtype=object)
            users = numbers[NUMBERS - 1][kinds != "unfinished"]
            if len(users):
                self._users = int(users[-1])
            for row in np.flatnonzero(kinds == "unfinished").tolist():
                waited_s = int(numbers[1][row]) / 1e6
                self._unfinished.append(Unfinished(label=columns[NUMBERS + 1][row], waited_s=waited_s))
            for row in np.flatnonzero(kinds == "late").tolist():
                at_us, late_us, late_p90_us = (int(numbers[column][row]) for column in range(3))
                self._sends.append(Sends(at_s=at_us / 1e6, late_us=late_us, late_p90_us=late_p90_us))
            samples = np.isin(kinds, KINDS)
            if samples.any():
                batch = _batch(numbers, columns, samples)
                if self.context.functional and self._generated:
                    self._cases += cases_of(batch, self.context.planned.series)
                yield batch

    def cases(self) -> Iterator[FoundCase]:
        yield from self._test_cases.read()
        yield from self._cases
        self._cases = []

    def sends(self) -> Iterator[Sends]:
        while self._sends:
            yield self._sends.pop(0)

    def virtual_users(self) -> int | None:
        return self._users

    def unfinished(self) -> Iterable[Unfinished]:
        return self._unfinished

    def facts(self) -> Facts:
        try:
            found = json.loads((self.context.folder / "facts.json").read_text())
        except (OSError, ValueError):
            return Facts()
        missed, unasserted = found.pop("missed"), found.pop("unasserted")
        notes = [f"extractors found nothing in {missed} answers"] if missed else []
        if unasserted:
            notes.append(
                f"{unasserted} answers with a status of 500 or more passed, as the script does not assert them"
            )
        return Facts(**found, note="; ".join(notes))

    def unreadable(self) -> int:
        return self._tail.unreadable + self._test_cases.unreadable

    def failure(self) -> str | None:
        if self.exit_code is None or self._asked_to_end:
            return None
        if self.exit_code == 0:
            done = (self.context.folder / "done").exists()
            return None if done else f"the script ended {self.tool_name}'s process; the rest of the load was not sent"
        return f"{self.tool_name} ended with exit code {self.exit_code}: {tail_of(getattr(self.stderr, 'name', None))}"


def _batch(numbers: list[Any], columns: list[tuple[str, ...]], samples: Any) -> Batch:
    started_us, response_us, ttfb_us, size, _ = (column[samples] for column in numbers)
    kind, label, ok, rc, message = (np.array(column, dtype=object)[samples] for column in columns[NUMBERS:])
    return Batch(
        started_s=started_us / 1e6,
        completed_s=(started_us + response_us) / 1e6,
        label=label,
        kind=kind,
        ok=ok == "1",
        rc=rc,
        message=message,
        response_us=response_us,
        ttfb_us=ttfb_us,
        connect_us=np.full(len(label), -1, np.int64),
        bytes=size,
    )
