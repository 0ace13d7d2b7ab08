"""From an engine's records to cells of intervals: seconds since the start, steady or not, and what is missing."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from toril.intervals import MAX_DURATION_US, Recorder
from toril.worker.engines import Batch
from toril.worker.lanes import Lane


class Capture:
    """Reads all lanes into one recorder."""

    def __init__(self, recorder: Recorder, lanes: Sequence[Lane], start_at: float) -> None:
        self._recorder = recorder
        self._lanes = lanes
        self._start_at = start_at
        for lane in lanes:
            recorder.resolution(lane.execution, lane.engine.resolution_us)

    def read(self, lane: Lane, *, final: bool = False) -> None:
        """Everything that the engine has recorded since the last call."""
        for batch in lane.engine.batches(final):
            if len(batch):
                self._add(lane, batch)
        if final:
            second = self._second(float(lane.begins_at or self._start_at))
            self._recorder.unreadable(lane.engine.unreadable())
            for label, count in lane.engine.unfinished().items():
                lane.unfinished += count
                self._recorder.unfinished(second, lane.execution, label, count)

    def count_users(self, now: float) -> None:
        """The virtual users of each execution in this second; lanes that have not begun or have ended have none."""
        second = self._second(now)
        for lane in self._lanes:
            users = 0 if lane.ended or not lane.started else lane.engine.virtual_users()
            if users is not None and (users or lane.users):
                self._recorder.virtual_users(second, lane.execution, users)
            lane.users = users or 0

    def _add(self, lane: Lane, batch: Batch) -> None:
        planned = lane.engine.station.planned
        late_s = lane.queued_s(self._start_at)
        started_s = batch.started_s - self._start_at
        first = float(batch.started_s.min())
        lane.first_started_s = first if lane.first_started_s is None else min(first, lane.first_started_s)
        last = float(batch.completed_s.max())
        lane.last_completed_s = last if lane.last_completed_s is None else max(last, lane.last_completed_s)
        steady_from_s, steady_to_s = planned.steady_from_s + late_s, planned.steady_to_s + late_s
        columns = {
            "completed_s": batch.completed_s - self._start_at,
            "label": np.asarray(batch.label, object),
            "kind": np.asarray(batch.kind, object),
            "steady": (started_s >= steady_from_s) & (started_s < steady_to_s),
            "ok": batch.ok,
            "rc": np.asarray(batch.rc, object),
            "message": np.asarray(batch.message, object),
            "response_us": batch.response_us,
            "ttfb_us": batch.ttfb_us,
            "connect_us": batch.connect_us,
            "bytes": batch.bytes,
        }
        try:
            self._recorder.add_many(lane.execution, columns)
        except ValueError:
            columns = self._possible(columns)
            self._recorder.add_many(lane.execution, columns)
        lane.samples += int((columns["kind"] == "request").sum())

    def _possible(self, columns: dict[str, Any]) -> dict[str, Any]:
        """Without the rows that hold no possible sample, which are counted."""
        possible = np.isfinite(columns["completed_s"]) & (columns["bytes"] >= 0)
        for name in ("response_us", "ttfb_us", "connect_us"):
            possible &= (columns[name] >= (0 if name == "response_us" else -1)) & (columns[name] < MAX_DURATION_US)
        self._recorder.unreadable(int((~possible).sum()))
        return {name: column[possible] for name, column in columns.items()}

    def _second(self, now: float) -> int:
        return max(0, int(now - self._start_at))
