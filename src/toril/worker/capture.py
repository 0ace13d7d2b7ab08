"""Turns engines' records into interval files, test cases and evidence of the first failures."""

import json
import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toril.engines import Batch, FoundCase, InFlight, cases_of
from toril.records import HEAD, Case, CaseFile, Kept, case_file_name, digest_of, encode_cases
from toril.secrets.masking import mask_label
from toril.secrets.redaction import Redactor
from toril.timeline.intervals import TIMED, VALUES, Recorder, acceptable
from toril.worker.engine_runs import EngineRun
from toril.worker.evidence import UNNAMED, ExchangeBook
from toril.worker.hiding import Hiding

RECORDED = ("kind", "ok", "rc", "message", "response_us", "ttfb_us", "connect_us", "bytes")  # as in a batch
AHEAD_S = 60.0  # completions further in the future are rejected: a clock or the engine is wrong

MOST_CHARS = {"name": 500, "suite": 500, "message": 2000, "trace": 8000}  # of a test case
MOST_IN_A_FILE = 200  # test cases; in JSON a character can need six bytes, and a file may have MOST_BYTES_OF_CASES

MOST = 3  # failures with evidence, for each execution
LARGEST = 5 << 20  # bytes of one file of evidence
SUFFIXES = (".jpg", ".txt", ".zip")  # no .html: opening an untrusted page would run its scripts
TEXTS = (".txt",)  # masked; pictures cannot be

Columns = dict[str, NDArray[Any]]

log = logging.getLogger("toril.worker")


class CaseBook:
    """Collects test cases into files. `hiding` cleans messages and traces, `redacted` names."""

    def __init__(self, worker: str, redacted: Callable[[str], str], hiding: Callable[[str], str] | None = None) -> None:
        self._worker, hiding = worker, hiding or redacted
        self._cleaned = {"name": redacted, "suite": redacted, "message": hiding, "trace": hiding}
        self._cases: list[Case] = []
        self.files = 0
        self.digests = ""  # of each file, in order

    def add(self, execution: str, given: FoundCase, start_at: float) -> None:
        texts = {name: self._text(name, getattr(given, name), most) for name, most in MOST_CHARS.items()}
        case = Case(
            **texts,
            execution=execution,
            outcome=given.outcome,
            at_s=round(given.started_s - start_at, 6),
            duration_us=max(0, given.duration_us),
        )
        self._cases.append(case)

    def flush(self) -> Iterator[tuple[str, bytes]]:
        """Returns names and contents of files with the test cases since the last call."""
        while self._cases:
            some, self._cases = self._cases[:MOST_IN_A_FILE], self._cases[MOST_IN_A_FILE:]
            self.files += 1
            data = encode_cases(CaseFile(self._worker, self.files, some))
            self.digests += digest_of(data)
            yield case_file_name(self.files), data

    def _text(self, name: str, text: str, most: int) -> str:
        """Redact before cutting, since half a secret is a secret too. The end of a long text matters most."""
        shown = self._cleaned[name](text.encode("utf-8", "backslashreplace").decode())  # without lone surrogates
        return shown if len(shown) <= most else f"{shown[: most // 4]}\n…\n{shown[-(most - most // 4) :]}"


class Capture:
    """Reads the records of all engine runs into one recorder."""

    def __init__(
        self,
        recorder: Recorder,
        runs: Sequence[EngineRun],
        start_at: float,
        cases: CaseBook,
        exchanges: ExchangeBook | None = None,
    ) -> None:
        self._recorder = recorder
        self._cases, self._exchanges = cases, exchanges
        self._runs = runs
        self.start_at = start_at

    def read(self, run: EngineRun, *, final: bool = False) -> None:
        """Record the engine's samples since the last call; `final` after its end."""
        engine = run.engine
        for batch in engine.batches(final):
            self._read_exchanges(run)
            if len(batch):
                self._add(run, batch)
            if engine.context.functional and engine.requests_are_cases:
                self._add_cases(run, cases_of(batch, run.planned.series))
        self._read_exchanges(run)
        if engine.context.functional:
            self._add_cases(run, engine.cases())
        for sends in engine.sends():
            if sends.at_s < self.start_at - 1:
                continue
            run.busy = sends.busy
            late = {"late_us": sends.late_us, "late_p90_us": sends.late_p90_us}
            self._recorder.sends(self._second(sends.at_s), **late, dropped=sends.dropped)
            if sends.dropped is not None:
                run.dropped = run.dropped or Counter()
                run.dropped[run.arm_at(sends.at_s)] += sends.dropped
        if final:
            self._recorder.unreadable(engine.unreadable())
            run.facts = engine.facts()
            for one in engine.unfinished():
                known_s = one.waited_s
                arm, second = self._turn_of(run, one, run.grace_s if known_s is None else max(0.0, known_s))
                longest_s = (run.ended_at or time.time()) - float(run.begins_at or self.start_at)
                waited_s = max(0.0, longest_s if known_s is None else known_s)  # an unknown wait may be all the load
                run.unfinished[arm] += one.count
                self._recorder.unfinished(second, run.planned.series, one.label, one.count, round(waited_s * 1e6))

    def _turn_of(self, run: EngineRun, one: InFlight, waited_s: float) -> tuple[int, int]:
        """Returns the arm of unfinished requests, and the first second of their turn; without turns, of the load."""
        turns, begins_at = run.engine.context.turns, float(run.begins_at or self.start_at)
        if not turns:
            return run.planned.arm, self._second(begins_at)
        sent_s = (run.ended_at or time.time()) - waited_s - begins_at
        begun = [turn for turn in turns if turn.arm in run.engine.context.arms and turn.arm == (one.arm or turn.arm)]
        turn = max((turn for turn in begun if turn.begin_s <= sent_s), default=begun[0], key=lambda it: it.begin_s)
        return turn.arm, math.floor(round(max(0.0, turn.begin_s + begins_at - self.start_at), 3))

    def _read_exchanges(self, run: EngineRun) -> None:
        """Read the kept requests of the new samples first: they have values to hide in messages."""
        if self._exchanges is not None:
            self._exchanges.read(run, self.start_at)

    def count_users(self, now: float) -> None:
        """Record each execution's virtual users in this second: 0 before its begin and after its end."""
        second = self._second(now)
        for run in self._runs:
            users = 0 if run.ended or not run.started else run.engine.virtual_users()
            if users and run.first_users_at is None:
                run.first_users_at = now
            if users is not None and (users or run.users):
                self._recorder.virtual_users(second, run.planned.series, users)
            run.users = users or 0

    def _add(self, run: EngineRun, batch: Batch) -> None:
        planned = run.planned
        self._recorder.resolution(planned.series, run.engine.resolution_us)
        late_s = run.queued_s(self.start_at)
        started_s = batch.started_s - self.start_at
        cut_s = (run.engine.resolution_us + 1) / 1e6  # a record cuts times, and µs since 1970 are no exact floats
        steady_from_s, steady_to_s = planned.steady_from_s + late_s - cut_s, planned.steady_to_s + late_s
        ahead_s = math.inf if run.engine.recorded else AHEAD_S
        columns: Columns = {name: getattr(batch, name) for name in RECORDED}
        columns["completed_s"] = batch.completed_s - self.start_at
        columns["label"] = np.array([label or UNNAMED for label in batch.label], object)
        columns["steady"] = (started_s >= steady_from_s) & (started_s < steady_to_s)
        if run.engine.context.turns:
            took_us = np.where(np.isin(batch.kind, VALUES), 0, batch.response_us)
            due_at = batch.completed_s - took_us / 1e6  # not its late begin in an open model
            columns["arm"], columns["block"], compared = run.turns_of(due_at)
            columns["steady"] &= compared
        possible = acceptable(columns) & (batch.completed_s < time.time() + ahead_s)
        if not possible.all():
            self._recorder.unreadable(int((~possible).sum()))
            columns = {name: column[possible] for name, column in columns.items()}
        for arm, block, own in _by_turn(columns) if "arm" in columns else [(planned.arm, planned.block, columns)]:
            self._recorder.add_many(planned.series, own, arm=arm, block=block)
            run.samples[arm] += int((own["kind"] == "request").sum())
        timed = possible & np.isin(batch.kind, TIMED)
        if timed.any():
            first, last = float(batch.started_s[timed].min()), float(batch.completed_s[timed].max())
            run.first_started_s = min(first, run.first_started_s or first)
            run.last_completed_s = max(last, run.last_completed_s or last)

    def _add_cases(self, run: EngineRun, cases: Iterable[FoundCase]) -> None:
        for case in cases:
            self._cases.add(run.planned.series, case, self.start_at)

    def _second(self, now: float) -> int:
        return max(0, int(now - self.start_at))


def _by_turn(columns: Columns) -> Iterator[tuple[int, int, Columns]]:
    """Yields arm, block and samples of each turn."""
    numbers = columns["block"] * (HEAD + 1) + columns["arm"]
    for number in np.unique(numbers).tolist():
        block, arm = divmod(number, HEAD + 1)
        yield arm, block, {name: column[numbers == number] for name, column in columns.items()}


def failure_evidence(
    runs: Sequence[EngineRun], start_at: float, redacted: Redactor, hiding: Hiding
) -> Iterator[tuple[Kept, dict[str, bytes]]]:
    """Returns each failure with its files, by their names in the attempt's folder."""
    for position, run in enumerate(runs):
        folder = run.engine.context.evidence
        index = folder / "index.jsonl"
        lines = index.read_text(encoding="utf-8").splitlines() if index.exists() else []
        for failure in map(json.loads, lines[:MOST]):
            files = {f"failures/{position}-{name}": data for name, data in _files(folder, failure.get("files"), hiding)}
            yield (
                Kept(
                    execution=run.execution,
                    label=redacted.for_record(mask_label(hiding.label(str(failure.get("label", ""))))),
                    message=redacted.for_record(hiding(str(failure.get("message", "")))),
                    at_s=round(float(failure.get("at_s", start_at)) - start_at, 3),
                    files=tuple(files),
                ),
                files,
            )


def _files(folder: Path, names: Any, hiding: Hiding) -> Iterator[tuple[str, bytes]]:
    for name in names if isinstance(names, list) else ():
        path = folder / Path(str(name)).name
        if path.suffix not in SUFFIXES or not path.is_file():
            continue
        if path.stat().st_size > LARGEST:
            log.warning("Skipped %s: it is larger than %d MiB", path.name, LARGEST >> 20)
            continue
        data = path.read_bytes()
        yield path.name, hiding.page(data) if path.suffix in TEXTS else data
