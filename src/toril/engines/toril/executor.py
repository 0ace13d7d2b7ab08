"""vegeta: sends requests at a rate that does not depend on responses (an open model), by a Go program (tools/engine).

The program uses vegeta's library. It has the whole run's curve and sends this worker's arrivals, each at its own time.
A response time counts from the time at which the request was due, so it includes the delay that a stalling target
causes to later requests. `sends` reports the program's own lateness separately.

In a duet one program sends both arms: to each the same arrivals with the same rows of data, in its own turns.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from bzt import TaurusConfigError, ToolError
from bzt.engine import ScenarioExecutor
from bzt.utils import dehumanize_time

from toril.engines import Batch, Sends
from toril.engines.base import RowEngine
from toril.engines.keeping import LEAST_OF_BODY
from toril.engines.toril.requests import requests_of, sources_of, unknown_variables
from toril.errors import UserError
from toril.programs import ENGINE_MISSING, engine_program
from toril.suite.requests import problems

COLUMNS = ("due_us", "late_us", "response_us", "ttfb_us", "connect_us", "bytes", "label", "outcome")


class Executor(RowEngine, ScenarioExecutor):  # type: ignore[misc]  # bzt has no types
    tool_name = "vegeta"
    row = np.dtype([(name, "<i8") for name in COLUMNS[:6]] + [(name, "<u4") for name in COLUMNS[6:]])
    rows_per_batch: ClassVar[int] = 100_000

    adjustable: ClassVar[bool] = True
    switches: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        self._load: dict[str, Any] = {}

    def prepare(self) -> None:
        super().prepare()
        planned, interleave = self.context.planned, self.context.share.interleave
        rate = planned.rate
        if rate is None or interleave is None:
            raise TaurusConfigError("the plan of another toril version has no rate for vegeta. Start a new run")
        scenario = _plain(self.get_scenario().data)
        for problem in problems("vegeta", scenario, "scenario"):  # the suite reader refuses them first
            raise TaurusConfigError(str(problem))
        base = self.context.base
        try:
            split = [str(path) for path in self.settings.get("split-data") or []]  # files with this worker's rows only
            sources = sources_of(scenario.get("data-sources") or [], self.engine.find_file, split)
            requests = requests_of(scenario, self.engine.find_file, sources)
            of_base = _plain(self.get_scenario(base.config["scenario"]).data) if base else None
            base_requests = requests_of(of_base, self.engine.find_file, sources) if of_base else []
        except (UserError, OSError, UnicodeError) as error:
            raise TaurusConfigError(f"scenario {self.context.planned.scenario}: {error}") from error
        if unknown := unknown_variables(requests, sources):
            raise TaurusConfigError(
                f"scenario {planned.scenario}: `${{{unknown[0]}}}` has no value. Add a data source with this column, "
                f"or pass --env {unknown[0]}=…"
            )
        own = self.settings
        self._load = {
            "folder": str(self.context.folder),
            "points": planned.curve,
            "peak_rps": rate.peak_rps if planned.search is None else planned.search.to_rps,
            "stripe": {
                "weight": interleave.weight,
                "mates": [[group.weight, group.workers, group.before] for group in interleave.groups],
            },
            "graceful_stop_s": self.context.graceful_stop_s,
            "timeout_s": dehumanize_time(scenario.get("timeout") or "30s"),
            "keepalive": bool(scenario.get("keepalive", True)),
            "redirects": int(own.get("redirects", 10)),
            "http2": bool(own.get("http2", False)),
            "insecure": bool(own.get("insecure", False)),
            "dns_ttl_s": float(own.get("dns-ttl", 5.0)),
            "max_workers": int(own.get("max-workers", 0) or 0),
            "keep": self._keep(),
            "traceparent": self.context.traceparent,
            "targets": requests,
            "sources": sources,
            "turns": [(turn.arm, turn.begin_s, turn.end_s) for turn in self.context.turns],
            "base": base_requests,
        }

    def _keep(self) -> dict[str, Any] | None:
        """Returns what the program keeps of requests, in the form of tools/engine/keep.go."""
        keeping = self.context.keeping
        if keeping is None:
            return None
        most = max(LEAST_OF_BODY, 4 * keeping.body_bytes)
        kept = {"failures": keeping.failures, "slowest": keeping.slowest, "everything": keeping.everything}
        return {**kept, "path": str(self.context.kept), "body": keeping.body_bytes, "most_body": most}

    def startup(self) -> None:
        program = engine_program()
        if program is None or not program.is_file():
            raise ToolError(
                ENGINE_MISSING if program is None else f"TORIL_ENGINE: {program} is not a file. Correct the path"
            )
        path = self.context.folder / "load.json"
        path.write_text(json.dumps(self._load))
        path.chmod(0o600)  # headers may hold a secret
        self._load = {}
        self.stdout = self.stderr = Path(self.engine.create_artifact("vegeta", ".log")).open("w")  # noqa: SIM115
        self.process = self._execute([str(program), str(path)])

    def adjust(self, at: float, rps: float) -> None:
        with (self.context.folder / "rates").open("a") as rates:
            rates.write(f"{at!r} {rps!r}\n")

    def _at_s(self, rows: Any) -> Any:
        return rows["due_us"] / 1e6

    def _late(self, row: Any) -> Sends:
        return replace(super()._late(row), dropped=int(row["bytes"]))

    def _batch(self, rows: Any) -> Batch:
        due = super()._batch(rows)  # response times count from the due time
        started_s = due.started_s + rows["late_us"] / 1e6
        return replace(due, started_s=started_s, connect_us=rows["connect_us"].astype(np.int64))


def _plain(value: Any) -> Any:
    """Returns bzt's dictionaries as plain ones: bzt's own add each key that is read."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value
