"""Collects the requests that engines keep into files of evidence, without secrets."""

import json
import logging
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import replace
from operator import itemgetter
from typing import Any

from toril.engines.keeping import EMPTY, HEAD
from toril.engines.readers import Lines
from toril.records import Keeping
from toril.records.document import document
from toril.records.evidence import (
    MOST_BYTES_OF_FILE,
    Exchange,
    Exchanges,
    evidence_file_name,
)
from toril.timeline.intervals import Recorder
from toril.worker.engine_runs import EngineRun
from toril.worker.hiding import Hiding

FREE_S = 0.1  # of CPU while the load goes on, before its share counts
SHARE_OF_CPU = 0.004
STEP_S = 0.02  # of one call while the load goes on
LAST_S = 3.0  # after the load, or of one call in a try
FLUSH_S = 5.0  # between two files, and once more for each earlier one
SMALL = 400 << 10  # bytes of JSON; indented it can be twice as large
UNNAMED = "(no name)"  # stands for an empty label, which in a summary means all requests
BODILESS: dict[str, Any] = {"request": None, "response": None, "asserted": (), "notes": ()}
NUMBERS = ("response_us", "ttfb_us", "connect_us", "status", "hops")

log = logging.getLogger("toril.worker")


class ExchangeBook:
    """Reads what engines keep, and makes files of it. While the load goes on it uses little CPU.

    The heads of failures are read at once, as they have values to hide in the messages of the same requests. Exchanges
    with their bodies wait until there is CPU for them, the first one of each label and code before the second ones.
    """

    def __init__(self, run_id: str, recorder: Recorder, hiding: Hiding, keeping: Keeping | None) -> None:
        self._run_id, self._recorder, self._hiding = run_id, recorder, hiding
        self._keeping = keeping or Keeping(failures=0, slowest=())
        self._tried = self._keeping.everything
        self._tails: dict[str, Lines] = {}
        self._waiting: dict[str, deque[tuple[int, dict[str, Any]]]] = {}  # read lines by execution, in their turns
        self._turns = Counter[tuple[str, ...]]()
        self._counted: dict[str, int] = {}  # exchanges that each engine left out
        self._fresh: list[Exchange] = []
        self._slowest: dict[str, Exchange] = {}  # by label, as in `Keeping.slowest`
        self._kept = self._lost = self._reported = 0
        self._began = self._flushed_at = time.monotonic()
        self._spent_s, self._last_s = 0.0, LAST_S
        self.files = 0

    @property
    def left_out(self) -> int:
        """The number of exchanges beyond a limit."""
        return self._lost + sum(self._counted.values())

    def read(self, run: EngineRun, start_at: float, *, last: bool = False) -> None:
        """Take in what the engine has kept since the last call; `last`: all of it. Never raises."""
        began, used_s = time.monotonic(), time.thread_time()
        allowed_s = FREE_S + SHARE_OF_CPU * (began - self._began) - self._spent_s
        ends = began + (self._last_s if last else LAST_S if self._tried else min(STEP_S, allowed_s))
        try:
            tail = self._tails.setdefault(run.execution, Lines(run.engine.context.kept))
            waiting = self._waiting.setdefault(run.execution, deque())
            if new := [raw for lines in tail.read() for line in lines if (raw := self._learned(run, line))]:
                turns = [*waiting, *((self._turn(run, raw), raw) for raw in new)]
                self._waiting[run.execution] = waiting = deque(sorted(turns, key=itemgetter(0)))
            while waiting and time.monotonic() < ends:
                self._take(run, waiting.popleft()[1], start_at)
            if last:
                self._lost += len(waiting)
                waiting.clear()
        except Exception:
            log.exception("Cannot read the kept requests of %s", run.execution)
            self._lost += 1
        self._spent_s += time.thread_time() - used_s  # on a busy machine less than has passed
        self._last_s -= time.monotonic() - began if last else 0.0

    def flush(self, *, last: bool) -> Iterator[tuple[str, bytes]]:
        """Returns names and contents of files with what was read since the last one; `last` after the last read."""
        now = time.monotonic()
        if not last and not self._tried and now < self._flushed_at + FLUSH_S * (1 + self.files):
            return
        self._flushed_at = now
        if last and not self._tried:
            self._fresh += [replace(exchange, why="slowest") for exchange in dict.fromkeys(self._slowest.values())]
        while self._fresh or (last and self.left_out > self._reported):
            if self.files >= self._keeping.most_files - (not last):  # one is left for the last
                self._lost += len(self._fresh)
                self._fresh = []
                return
            some, size = 0, 0
            while some < len(self._fresh) and (not some or size < SMALL):
                size += len(str(self._fresh[some]))
                some += 1
            left_out, self._reported = self.left_out - self._reported, self.left_out
            chosen, self._fresh = tuple(self._fresh[:some]), self._fresh[some:]
            data = document(
                Exchanges(run_id=self._run_id, worker=self._recorder.worker, exchanges=chosen, left_out=left_out)
            )
            if len(data) > MOST_BYTES_OF_FILE:
                self._lost += some
                continue
            self.files += 1
            yield evidence_file_name(self.files), data

    def _learned(self, run: EngineRun, line: str) -> dict[str, Any] | None:
        """Returns a line that may be shown. Of a failure, the values in its head are hidden from now on."""
        if not line:
            return None
        try:
            raw = {**EMPTY, **json.loads(line)}
            if "left_out" in raw:
                self._counted[run.execution] = int(raw["left_out"])
                return None
            if not raw["ok"]:
                self._hiding.exchange({**raw, **BODILESS}, 0, why="failure")
                self._recorder.text("message", raw["error"])  # remembered, in case that newer values replace these
        except Exception as error:
            self._skipped(run, error)
            return None
        return None if raw["why"] == HEAD else raw

    def _turn(self, run: EngineRun, raw: dict[str, Any]) -> int:
        """Returns the number of the exchange among those of its label and code; of a try, 0."""
        self._turns[kind := (run.execution, raw["why"], raw["label"], raw["rc"])] += not self._tried
        return self._turns[kind]

    def _skipped(self, run: EngineRun, error: Exception) -> None:
        log.warning("Skipped a kept request of %s: %s", run.execution, type(error).__name__)
        self._lost += 1

    def _take(self, run: EngineRun, raw: dict[str, Any], start_at: float) -> None:
        try:
            call = self._exchange(run, raw, start_at)
            Exchange.from_stranger(json.dumps(call.to_dict()).encode(), run.execution)  # one bad value spoils a file
        except Exception as error:
            self._skipped(run, error)
            return
        for label in ("", call.label):
            slowest = self._slowest.get(label)
            if label in self._keeping.slowest and (slowest is None or call.response_us > slowest.response_us):
                self._slowest[label] = call
        if call.why == "slowest":
            return
        if self._kept >= self._keeping.most_exchanges:
            self._lost += 1
            return
        self._kept += 1
        self._fresh.append(call)

    def _exchange(self, run: EngineRun, raw: dict[str, Any], start_at: float) -> Exchange:
        arm = [f"arm {run.arm_at(float(raw['started_s']))}"] if run.planned.arm else []
        known = {name: raw[name] for name in ("why", "kind", "ok", "method", "connection")}
        numbers = {name: None if raw[name] is None or raw[name] < 0 else int(raw[name]) for name in NUMBERS}
        exchange = self._hiding.exchange(
            {**raw, "notes": [*arm, *raw["notes"]]}, self._keeping.body_bytes, **known, **numbers
        )
        text = self._recorder.text  # as in interval files; messages without the values hidden above
        return replace(
            exchange,
            execution=run.planned.series,
            worker=self._recorder.worker,
            location=self._recorder.location,
            label=text("label", raw["label"] or UNNAMED),
            rc=text("rc", raw["rc"]),
            error="" if raw["ok"] else text("message", raw["error"]),
            at_s=round(raw["started_s"] - start_at, 6),
        )
