"""From an engine's records to cells of intervals: seconds since the start, steady or not, and what is missing."""

import math
import time
from collections.abc import Sequence

import numpy as np

from toril.timeline.intervals import Recorder, acceptable
from toril.worker.cases import CaseBook
from toril.worker.engines import Batch, Replays, TellsCases
from toril.worker.lanes import Lane

AHEAD_S = 60.0  # a record of what completes later than this has no possible time: the clock, or the engine, went astray

UNNAMED = "(no name)"  # the label of requests whose script gives them an empty one, which in a summary means all


class Capture:
    """Reads all lanes into one recorder."""

    def __init__(self, recorder: Recorder, lanes: Sequence[Lane], start_at: float, cases: CaseBook) -> None:
        self._recorder = recorder
        self._cases = cases
        self._lanes = lanes
        self.start_at = start_at

    def read(self, lane: Lane, *, final: bool = False) -> None:
        """Everything that the engine has recorded since the last call."""
        for batch in lane.engine.batches(final):
            if len(batch):
                self._add(lane, batch)
        if isinstance(lane.engine, TellsCases) and lane.engine.station.functional:
            for case in lane.engine.cases():
                self._cases.add(lane.planned.series, case, self.start_at)
        for told in lane.engine.sends():
            second = self._second(told.at_s)
            late = {"late_us": told.late_us, "late_p90_us": told.late_p90_us}
            if told.at_s >= self.start_at - 1:
                self._recorder.sends(second, **late, dropped=told.dropped)
                lane.dropped = lane.dropped if told.dropped is None else (lane.dropped or 0) + told.dropped
        if final:
            second = self._second(float(lane.begins_at or self.start_at))
            self._recorder.unreadable(lane.engine.unreadable())
            lane.facts = lane.engine.facts()
            for one in lane.engine.unfinished():
                lane.unfinished += one.count
                waited_s = lane.grace_s if one.waited_s is None else max(0.0, one.waited_s)
                self._recorder.unfinished(second, lane.planned.series, one.label, one.count, round(waited_s * 1e6))

    def count_users(self, now: float) -> None:
        """The virtual users of each execution in this second; lanes that have not begun or have ended have none."""
        second = self._second(now)
        for lane in self._lanes:
            users = 0 if lane.ended or not lane.started else lane.engine.virtual_users()
            if users and lane.first_users_at is None:
                lane.first_users_at = now
            if users is not None and (users or lane.users):
                self._recorder.virtual_users(second, lane.planned.series, users)
            lane.users = users or 0

    def _add(self, lane: Lane, batch: Batch) -> None:
        planned = lane.planned
        self._recorder.resolution(planned.series, lane.engine.resolution_us)
        late_s = lane.queued_s(self.start_at)
        started_s = batch.started_s - self.start_at
        steady_from_s, steady_to_s = planned.steady_from_s + late_s, planned.steady_to_s + late_s
        columns = {
            "completed_s": batch.completed_s - self.start_at,
            "label": np.array([label or UNNAMED for label in batch.label], object),
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
        ahead_s = math.inf if isinstance(lane.engine, Replays) and lane.engine.recorded else AHEAD_S
        possible = acceptable(columns) & (batch.completed_s < time.time() + ahead_s)
        if not possible.all():
            self._recorder.unreadable(int((~possible).sum()))
            columns = {name: column[possible] for name, column in columns.items()}
        self._recorder.add_many(planned.series, columns, arm=planned.arm, block=planned.block)
        if possible.any():
            first, last = float(batch.started_s[possible].min()), float(batch.completed_s[possible].max())
            lane.first_started_s = first if lane.first_started_s is None else min(first, lane.first_started_s)
            lane.last_completed_s = last if lane.last_completed_s is None else max(last, lane.last_completed_s)
        lane.samples += int((columns["kind"] == "request").sum())

    def _second(self, now: float) -> int:
        return max(0, int(now - self.start_at))
