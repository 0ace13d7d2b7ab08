"""toril's own engine, a Go program (tools/engine), under the names `toril` and `vegeta`.

The plan decides on the model of load. Independent requests and journeys of `toril.arrivals` begin at times of a
schedule, which do not depend on responses. The program has the whole run's curve and begins this worker's arrivals.
Users repeat the journey. A response time counts from the time at which the request was due, so it includes the delay
that a stalling target causes to later requests. `sends` reports the program's own lateness separately.

In a duet one program sends both arms: to each the same load with the same rows of data, in its own turns.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from bzt import TaurusConfigError, ToolError
from bzt.engine import ScenarioExecutor

from toril.engines import Batch, Sends
from toril.engines.base import RowEngine
from toril.engines.keeping import LEAST_OF_BODY
from toril.engines.toril.sources import sources_of
from toril.errors import SuiteError, UserError
from toril.programs import ENGINE_MISSING, engine_program
from toril.suite.requests import problems
from toril.suite.steps import Scenario, unset_names

COLUMNS = ("due_us", "late_us", "response_us", "ttfb_us", "connect_us", "bytes", "label", "outcome")


class Executor(RowEngine, ScenarioExecutor):  # type: ignore[misc]  # bzt has no types
    tool_name = "toril"
    row = np.dtype([(name, "<i8") for name in COLUMNS[:6]] + [(name, "<u4") for name in COLUMNS[6:]])
    rows_per_batch: ClassVar[int] = 100_000

    adjustable: ClassVar[bool] = True
    reports_work: ClassVar[bool] = True
    switches: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        self._load: dict[str, Any] = {}

    def prepare(self) -> None:
        super().prepare()
        scenario, base = self._scenario(self.execution["scenario"]), self.context.base
        scenarios = [scenario, *([self._scenario(base.config["scenario"])] if base else [])]
        # The suite reader refuses them first.
        for problem in problems(self.context.planned.executor, scenario, "scenario"):
            raise TaurusConfigError(str(problem))
        try:
            sends = self._journeys(scenarios)
        except (UserError, OSError, ValueError) as error:
            raise TaurusConfigError(f"scenario {self.context.planned.scenario}: {error}") from error
        own = self.settings
        files = {key: own.get(key) for key in ("ca", "cert", "key")}
        self._load = {
            "folder": str(self.context.folder),
            "model": self.context.planned.model,
            "seed": self.context.seed,
            "poisson": bool(own.get("poisson", False)),
            "tried": self.context.tried,
            "require_values": self.context.require_values,
            **self._schedule(),
            **sends,
            "hosts": {str(name): str(host) for name, host in (scenario.get("hosts") or {}).items()},
            "tls": {key: self.engine.find_file(str(path)) for key, path in files.items() if path},
            "graceful_stop_s": self.context.graceful_stop_s,
            "redirects": int(own.get("redirects", 10)),
            "http2": bool(own.get("http2", False)),
            "insecure": bool(own.get("insecure", False)),
            "dns_ttl_s": float(own.get("dns-ttl", 5.0)),
            "max_workers": int(own.get("max-workers", 0) or 0),
            "keep": self._keep(),
            "traceparent": self.context.traceparent,
            "turns": [(turn.arm, turn.begin_s, turn.end_s) for turn in self.context.turns],
        }

    def _scenario(self, name: str) -> Any:
        """Returns a scenario as plain dictionaries: bzt's own add each key that is read."""
        return _plain(self.get_scenario(name).data)

    def _journeys(self, scenarios: Sequence[Any]) -> dict[str, Any]:
        fresh = bool(self.settings.get("fresh-cookies", False))
        find = self.engine.find_file
        read = [Scenario(scenario, self._scenario, find, sign=self.signing(scenario)) for scenario in scenarios]
        journeys = [one.journey(fresh_cookies=fresh) for one in read]
        split = [str(path) for path in self.settings.get("split-data") or []]  # files with this worker's rows only
        sources = sources_of(read[0].sources(), find, split)
        share, planned = self.context.share, self.context.planned
        users = {
            "count": share.concurrency or 0,
            "total": planned.concurrency or 0,
            "first": share.first_user,
            "ramp_up_s": planned.ramp_up_s,
            "steps": planned.steps or 0,
            "hold_for_s": planned.hold_for_s,
            "iterations": planned.iterations or 0,
            "phase_s": self.context.phase_shift_s,
        }
        unset = planned.model == "requests" and {name for one in journeys for name in unset_names(one, sources)}
        if unset:
            what = f"`${{{min(unset)}}}` has no value. Add a data source with this column"
            raise SuiteError(f"{what}, or pass --env {min(unset)}=…", code="unset-reference")
        return {"journeys": journeys, "users": users, "sources": sources}

    def _schedule(self) -> dict[str, Any]:
        """Returns the schedule of requests or journeys, or of the requests that users may send; {} without a rate."""
        planned, interleave = self.context.planned, self.context.share.interleave
        rate = planned.planned_rate()
        if rate is None:
            return {}
        if interleave is None:
            raise TaurusConfigError("the plan of another toril version has no schedule. Start a new run")
        return {
            "points": rate.points,
            "peak_rps": rate.peak_rps if planned.search is None else planned.search.to_rps,
            "stripe": {
                "weight": interleave.weight,
                "mates": [[group.weight, group.workers, group.before] for group in interleave.groups],
            },
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
        self.stdout = self.stderr = Path(self.engine.create_artifact("toril", ".log")).open("w")  # noqa: SIM115
        self.process = self._execute([str(program), str(path)])

    def adjust(self, at: float, rps: float) -> None:
        with (self.context.folder / "rates").open("a") as rates:
            rates.write(f"{at!r} {rps!r}\n")

    def _at_s(self, rows: Any) -> Any:
        return rows["due_us"] / 1e6

    def _late(self, row: Any) -> Sends:
        return replace(super()._late(row), dropped=int(row["bytes"]), busy=int(row["connect_us"]) / 1e6)

    def _batch(self, rows: Any) -> Batch:
        due = super()._batch(rows)  # response times count from the due time
        started_s = due.started_s + rows["late_us"] / 1e6
        return replace(due, started_s=started_s, connect_us=rows["connect_us"].astype(np.int64))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value
