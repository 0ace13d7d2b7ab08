"""Apiritif: the suite's own test scripts, or its requests in a script that bzt generates.

bzt's own records have whole milliseconds, addresses as labels and no transactions. Here Apiritif runs in our wrapper
(`apiritif/wrapper.py`), which writes rows in microseconds. The generated script passes the suite's labels to the
wrapper in transactions whose names begin with a mark.
"""

import ast
import json
import sys
from pathlib import Path
from typing import Any, ClassVar

from bzt import TaurusConfigError
from bzt.modules._apiritif.executor import ApiritifNoseExecutor
from bzt.requests_model import IncludeScenarioBlock

from toril.worker.engines.apiritif.samples import GROUP_MARK, REQUEST_MARK
from toril.worker.engines.apiritif.steps import Steps
from toril.worker.engines.base import RowEngine

WRAPPER = Path(__file__).with_name("wrapper.py")


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


class Executor(RowEngine, ApiritifNoseExecutor):  # type: ignore[misc]  # bzt has no types
    """bzt's Apiritif executor as an Engine."""

    module_settings: ClassVar[dict[str, Any]] = {"dry-install": True}
    single_threaded: ClassVar[bool] = True
    tool_name: ClassVar[str] = "Apiritif"

    def __init__(self) -> None:
        super().__init__()
        self._generated: str | None = None

    def prepare(self) -> None:
        if self.execution.get("test-mode", "apiritif") != "apiritif":
            raise TaurusConfigError("The apiritif executor runs API tests; for a browser use executor: selenium")
        scenario = self.get_scenario()
        if not scenario.get("script") and scenario.get("requests"):
            self._generated = self._generate(scenario)
            self.requests_are_cases = True  # the wrapper writes those of scripts
        super().prepare()

    def install_required_tools(self) -> None:
        self.require("apiritif")

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
