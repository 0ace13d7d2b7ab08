"""Vegeta: requests at a rate, whatever becomes of them (an open model), by a Go program of ours on vegeta's library.

The program (tools/vegeta) has the whole run's curve and sends this worker's arrivals of it, each at its own moment.
A response time counts from the moment at which its request was due, so that a target that stalls cannot hide: what it
kept from being sent in time is in it. How late this program itself was is told apart, by `sends`.
"""

import json
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from bzt import TaurusConfigError, ToolError
from bzt.engine import ScenarioExecutor
from bzt.utils import dehumanize_time

from toril.errors import UserError
from toril.programs import VEGETA_MISSING, vegeta_program
from toril.suite.engines import problems
from toril.worker.disk import put_whole
from toril.worker.engines import Batch, EngineContext, Facts, Sends, Unfinished, tail_of
from toril.worker.engines.readers import RowFile
from toril.worker.engines.vegeta.requests import requests_told, sources_told, unknown_variables

COLUMNS = ("due_us", "late_us", "response_us", "ttfb_us", "connect_us", "bytes", "label", "outcome")
ROW = np.dtype([(name, "<i8") for name in COLUMNS[:6]] + [(name, "<u4") for name in COLUMNS[6:]])
IN_FLIGHT = 0xFFFFFFFF  # as a row's label: its bytes are the requests that are in flight
LATE = 0xFFFFFFFE  # … its response_us and ttfb_us are the worst and the 90th percentile of how late sends were
ROWS_PER_BATCH = 100_000
UNWRITTEN = 74  # the program's exit code when its rows cannot be written


def settings(worker_index: int) -> dict[str, Any]:
    """Nothing that would differ between workers."""
    return {}


class Executor(ScenarioExecutor):  # type: ignore[misc]  # bzt has no types
    """An `Engine`, and `Adjustable`."""

    parks: ClassVar[bool] = True
    single_threaded: ClassVar[bool] = False
    resolution_us: ClassVar[int] = 1
    tells_lateness: ClassVar[bool] = True
    adjustable: ClassVar[bool] = True

    context: EngineContext

    def __init__(self) -> None:
        super().__init__()
        self.process: Any = None
        self._told: dict[str, Any] = {}
        self._file: RowFile | None = None
        self._in_flight: int | None = None
        self._sends: list[Sends] = []
        self._asked_to_end = False

    # ── bzt's life cycle ───────────────────────────────────────────────────────────────────────────────────────────

    def prepare(self) -> None:
        super().prepare()
        planned, interleave = self.context.planned, self.context.share.interleave
        rate = planned.rate
        if rate is None or interleave is None:
            raise TaurusConfigError("this plan has no rate over time for vegeta; plan it with this version of toril")
        scenario = _plain(self.get_scenario().data)
        for problem in problems("vegeta", scenario, "scenario"):  # never so from a suite read by toril
            raise TaurusConfigError(str(problem))
        try:
            requests = requests_told(scenario, self.engine.find_file)
            sources = sources_told(scenario.get("data-sources") or [], self.engine.find_file, self._own_files())
        except (UserError, OSError, UnicodeError) as error:
            raise TaurusConfigError(f"scenario {self.context.planned.scenario}: {error}") from error
        if unknown := unknown_variables(requests, sources):
            raise TaurusConfigError(
                f"scenario {planned.scenario} refers to ${{{unknown[0]}}}, which no data source has and nothing sets; "
                f"name a data source with that column, or pass --env {unknown[0]}=…"
            )
        own = self.settings
        self._told = {
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
            "targets": requests,
            "sources": sources,
        }

    def startup(self) -> None:
        program = vegeta_program()
        if program is None or not program.is_file():
            raise ToolError(
                VEGETA_MISSING if program is None else f"TORIL_VEGETA names {program}, which is no file; mend it"
            )
        told = self.context.folder / "load.json"
        told.write_text(json.dumps(self._told))
        told.chmod(0o600)  # headers may hold a secret
        self._told = {}
        self.stdout = self.stderr = Path(self.engine.create_artifact("vegeta", ".log")).open("w")  # noqa: SIM115
        self.process = self._execute([str(program), str(told)])

    def check(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def post_process(self) -> None:
        super().post_process()
        for file in (self._file, self.stderr):
            if file is not None:
                file.close()

    # ── what toril needs ───────────────────────────────────────────────────────────────────────────────────────────

    def end(self, within_s: float) -> None:
        self._asked_to_end = True
        put_whole(self.context.folder / "end", repr(within_s))

    def adjust(self, at: float, rps: float) -> None:
        with (self.context.folder / "rates").open("a") as rates:
            rates.write(f"{at!r} {rps!r}\n")

    def batches(self, final: bool) -> Iterator[Batch]:
        if self._file is None:
            self._file = RowFile(self.context.folder, ROW, ROWS_PER_BATCH)
        for rows in self._file.read(final):
            samples = rows["label"] < LATE
            if not samples.all():
                self._read_others(rows[~samples])
                rows = rows[samples]
            if len(rows):
                yield self._batch(self._file, rows)

    def sends(self) -> Iterator[Sends]:
        while self._sends:
            yield self._sends.pop(0)

    def virtual_users(self) -> int | None:
        """Requests in flight: whoever waits for a response is a user."""
        return self._in_flight

    def unfinished(self) -> Iterable[Unfinished]:
        return () if self._file is None else self._file.unfinished

    def facts(self) -> Facts:
        return Facts() if self._file is None else Facts(**self._file.facts)

    def unreadable(self) -> int:
        return 0 if self._file is None else self._file.unreadable

    def failure(self) -> str | None:
        if self.process is None or self._asked_to_end or (self._file is not None and self._file.ended):
            return None
        if self.process.poll() == UNWRITTEN:
            return "vegeta's records could not be written, for want of room on the worker's disk, most often; make room"
        code, said = self.process.poll(), tail_of(getattr(self.stderr, "name", None))
        if code is not None and code < 0:
            return f"vegeta was killed by {signal.Signals(-code).name}" + (f": {said}" if said else "")
        return f"vegeta ended with exit code {code}: {said or 'it said nothing'}"

    # ── inside ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _own_files(self) -> list[str]:
        """Data files of which this worker has its own rows: `split-data` has left no others."""
        own = self.settings.get("split-data") or []
        return [str(path) for path in own]

    def _read_others(self, rows: Any) -> None:
        in_flight = rows["bytes"][rows["label"] == IN_FLIGHT]
        if in_flight.size:
            self._in_flight = int(in_flight[-1])
        for row in rows[rows["label"] == LATE]:
            late = {"late_us": int(row["response_us"]), "late_p90_us": int(row["ttfb_us"])}
            self._sends.append(Sends(at_s=float(row["due_us"]) / 1e6, **late, dropped=int(row["bytes"])))

    def _batch(self, file: RowFile, rows: Any) -> Batch:
        due_s = rows["due_us"] / 1e6
        return Batch(
            started_s=due_s + rows["late_us"] / 1e6,
            completed_s=due_s + rows["response_us"] / 1e6,
            response_us=rows["response_us"].astype(np.int64),
            ttfb_us=rows["ttfb_us"].astype(np.int64),
            connect_us=rows["connect_us"].astype(np.int64),
            bytes=rows["bytes"].astype(np.int64),
            **file.named(rows),
        )


def _plain(value: Any) -> Any:
    """bzt's dictionaries as plain ones: asked for a key, its own would add it."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value
