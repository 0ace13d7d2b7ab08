"""Locust: runs the suite's own locustfile.py, or its requests in one data-driven script (`locust/requests.py`).

An iteration is one task of a virtual user: one of the script's, or one pass through the suite's requests. Requests
from the suite go through Locust's FastHttpUser: the same HTTP as its HttpUser at a fifth of the CPU.

In a duet the process sends in the turns of its arm. It sends both arms unless the script reads the address from a
variable, which cannot have two values in one process.
"""

import json
import shutil
import sys
from pathlib import Path
from typing import Any, ClassVar

from bzt import TaurusConfigError
from bzt.modules._locustio import LocustIOExecutor
from bzt.requests_model import HTTPRequest
from bzt.utils import dehumanize_time

from toril.engines import LoadFacts, tail_of
from toril.engines.base import RowEngine
from toril.suite.requests import problems
from toril.suite.script_load import has_shape
from toril.suite.steps import encode_body

HERE = Path(__file__).parent


class Executor(RowEngine, LocustIOExecutor):  # type: ignore[misc]  # bzt has no types
    tool_name = "Locust"
    single_threaded: ClassVar[bool] = True
    switches: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        self._generated: str | None = None

    def prepare(self) -> None:
        if self.execution.get("master", False):
            raise TaurusConfigError("Locust's master has no percentiles. Remove `master`: toril distributes the load")
        scenario = self.get_scenario()
        if not scenario.get("script") and scenario.get("requests"):
            self._generated = self._generate(scenario)
        super().prepare()

    def install_required_tools(self) -> None:
        self.require("locust")

    def get_script_path(self, required: bool = False, scenario: Any = None) -> str | None:
        return self._generated or super().get_script_path(required, scenario)

    def startup(self) -> None:
        load = self.get_load()
        users = load.concurrency or 1
        bounded = bool(load.duration) or bool(self.execution.get("iterations", 0)) or bool(self._generated)
        own = {
            "folder": str(self.context.folder),
            "duration_s": self.context.length_s if load.duration else 0,
            "iterations": load.iterations if bounded else 0,  # without load keys a script may have its own load shape
            "graceful_stop_s": self.context.graceful_stop_s,
            **self.kept_settings(),
            "tags": self.context.request_tags,
            "turns": [(turn.arm, turn.begin_s, turn.end_s) for turn in self.context.turns],
            "arms": self.context.arms if self.context.turns else (),
            "base_host": str(self._of_base.get("default-address", "")) if self._of_base else "",
            "part": self._part(),
            "statistics": self._generated is None,  # a script may read Locust's statistics; the generated one does not
        }
        if not bounded and not has_shape(Path(self.script).read_text(errors="replace")):
            own["iterations"] = 1
        path = self.context.folder / "locust.json"
        path.write_text(json.dumps(own))
        self.env.set({"TORIL_LOCUST": str(path)})
        self.env.add_path({"PYTHONPATH": self.engine.artifacts_dir})
        self.log_file = self.engine.create_artifact("locust", ".log")
        arguments = [sys.executable, "-P", str(HERE / "wrapper.py"), "-f", self.script]
        arguments += ["--headless", "--only-summary", "--exit-code-on-error=0", f"--logfile={self.log_file}"]
        arguments += [f"--users={users}", f"--spawn-rate={users / load.ramp_up if load.ramp_up else users:f}"]
        host = self.get_scenario().get("default-address", "")
        if host:
            self.env.set({"LOCUST_HOST": str(host)})  # it may hold a secret, and command lines are public
        self.process = self._execute(arguments)

    def _part(self) -> tuple[int, list[tuple[int, int, int]]] | None:
        """Returns this worker's part of the script's load shape; None if it runs all of it."""
        part = self.context.share.interleave
        if part is None or self.context.planned.script_load is None:
            return None
        return part.weight, [(group.weight, group.workers, group.before) for group in part.groups]

    @property
    def _of_base(self) -> Any:
        """The scenario of base, if the process sends both arms; else None."""
        base = self.context.base
        return None if base is None else self.get_scenario(base.config["scenario"])

    def facts(self) -> LoadFacts:
        return LoadFacts(own_shape=has_shape(Path(self.script).read_text(errors="replace")), **self._file.facts)

    def last_output(self) -> str:
        lines = self.context.output_lines
        return tail_of(getattr(self.stderr, "name", None), lines) or tail_of(self.log_file, lines)

    def _generate(self, scenario: Any) -> str:
        for problem in problems("locust", scenario.data, "scenario"):  # the suite reader refuses them first
            raise TaurusConfigError(str(problem))
        generated = self._requests(scenario) | {"base": self._requests(self._of_base) if self._of_base else None}
        data = Path(self.engine.create_artifact("requests", ".json"))
        data.write_text(json.dumps(generated, indent=1))
        self.env.set({"TORIL_REQUESTS": str(data)})
        script: str = self.engine.create_artifact("generated_locust", ".py")
        shutil.copyfile(HERE / "requests.py", script)
        return script

    def _requests(self, scenario: Any) -> dict[str, Any]:
        headers = {str(name): str(value) for name, value in scenario.get_headers().items()}
        if not scenario.get("keepalive", True):
            headers["Connection"] = "close"
        return {
            "host": scenario.get("default-address", "") or "",
            "timeout_s": dehumanize_time(scenario.get("timeout", "30s")),
            "headers": headers,
            "steps": self._steps(scenario, scenario.get("requests")),
            "sign": self.signing(scenario),
        }

    def _steps(self, scenario: Any, items: Any) -> list[dict[str, Any]]:
        steps = []
        for item in items:
            item = {"url": item} if isinstance(item, str) else item
            if "transaction" in item:
                inner = self._steps(scenario, item.get("do"))
                steps.append({"transaction": str(item["transaction"]), "steps": inner})
            else:
                steps.append(self._request(scenario, item))
        return steps

    def _request(self, scenario: Any, item: Any) -> dict[str, Any]:
        request = HTTPRequest(type(self.execution).from_dict({**item}), scenario, self.engine)
        headers = {str(name): str(value) for name, value in (scenario.get_headers() | (request.headers or {})).items()}
        body = encode_body(request.body or None, headers)
        return {
            "method": request.method,
            "url": str(request.url),
            "label": request.label,
            "headers": headers,
            "body": body,
            "follow_redirects": request.priority_option("follow-redirects", default=True),
            "think_time_s": 0 if self.context.tried else dehumanize_time(request.get_think_time() or 0),
            "assert": [_check(check) for check in item.get("assert", [])],
        }


def _check(item: Any) -> dict[str, Any]:
    check = {"contains": [item]} if not isinstance(item, dict) else item
    contains = check.get("contains", [])
    texts = [str(text) for text in (contains if isinstance(contains, list) else [contains])]
    subject, refused = check.get("subject", "body"), bool(check.get("not", False))
    return {
        "contains": texts,
        "subject": subject,
        "regexp": bool(check.get("regexp", True)),
        "not": refused,
        "expected": f"{subject} {'without' if refused else 'with'} {', '.join(texts)}",
    }
