"""Each arm of a duet as a run of its own: its turns are concatenated, without the gaps between them.

An arm can then be judged, summarised and reported like any run. For each execution, the seconds before the steady
state of all turns come first, then the steady blocks. So an arm has one ramp-up and one hold, as in the suite, and a
window of `for 10s` continues in the next block. Samples completed after a block's end count in the seconds after it,
as if the load continued.

Where engines run through, a turn begins within a second of the run. It then has the whole seconds from this one on; a
second between two turns has no arm.
"""

import math
from collections import Counter
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from toril.load.shapes import curve_of
from toril.records import ARMS, Duet, EngineReport, Exit, Plan, PlannedExecution
from toril.stats.histogram import Int64s
from toril.timeline.intervals import CELL_COLUMNS, Interval

SECOND, SERIES, BUCKETS = (CELL_COLUMNS.index(name) for name in ("second", "series", "buckets"))


def duet_of(plan: Plan) -> Duet:
    """Returns the duet of a plan; ValueError if it has none."""
    if plan.duet is None:
        raise ValueError(f"{plan.run_id} is not a duet")
    return plan.duet


class TurnLayout(NamedTuple):
    """The whole seconds of a turn, of an execution or of the whole arm."""

    before_s: int  # before the steady state
    steady_s: int


class Arm:
    """One arm of a plan."""

    def __init__(self, plan: Plan, arm: int) -> None:
        self.plan, self.arm, self.duet = plan, arm, duet_of(plan)
        turns = tuple(self.duet.turns())
        self._arm_of: Int64s = np.array([turn.arm for turn in turns])
        self._starts_s = np.array([turn.starts_s for turn in turns])
        self._starts: Int64s = np.floor(self._starts_s).astype(np.int64)
        self._place: Int64s = np.array([turn.block - 1 for turn in turns])  # -1: the warm-up
        self._first = next(math.floor(turn.starts_s) for turn in turns if turn.arm == arm)
        copies = [copy for copy in plan.executions if copy.arm == arm and copy.block == int(not self.duet.switched)]
        self._copies = {copy.series: copy for copy in copies}
        self._layouts = {copy.series: self._layout(copy) for copy in copies}
        before_s = min(layout.before_s for layout in self._layouts.values())
        self._whole = TurnLayout(before_s, self.duet.turn_s - before_s)

    def as_run(self) -> Plan:
        """Returns the plan of the arm alone, with the suite's executions and without a duet."""
        names = {copy.name: series for series, copy in self._copies.items()}
        shares = []
        for share in self.plan.shares:
            own = [part for part in share.executions if part.execution in names]
            parts = tuple(part.model_copy(update={"execution": names[part.execution]}) for part in own)
            shares.append(share.model_copy(update={"executions": parts}))
        note = (
            f"figures and criteria are of {ARMS[self.arm]} alone: of its {self.duet.blocks} slices, "
            "without the time between them"
        )
        return self.plan.model_copy(
            update={
                "executions": tuple(self._execution(series) for series in self._copies),
                "shares": tuple(shares),
                "duet": None,
                "warnings": (*self.plan.warnings, note),
            }
        )

    def interval(self, interval: Interval) -> Interval:
        """Returns the arm's part of an interval."""
        kept = np.array([series.arm == self.arm for series in interval.series], np.bool_)
        which = kept[interval.cells[SERIES]]
        cells = interval.cells[:, which]
        cells[SECOND] = self._seconds_of_cells(interval, cells)
        cells[SERIES] = (np.cumsum(kept) - 1)[cells[SERIES]]
        rows = np.repeat(which, interval.cells[BUCKETS])
        outcomes = interval.outcomes[:, which[interval.outcomes[0]]]
        outcomes[0] = (np.cumsum(which) - 1)[outcomes[0]]
        series = tuple(series._replace(arm=0, block=0) for series in interval.series if series.arm == self.arm)
        return replace(
            interval,
            series=series,
            cells=cells,
            buckets=interval.buckets[rows],
            counts=interval.counts[rows],
            outcomes=outcomes,
            unfinished=self._of_executions(interval, interval.unfinished, late=True),
            waits=self._of_executions(interval, interval.waits, late=True),
            users=self._of_executions(interval, interval.users, late=False),
            health=self._of_workers(interval.health),
            vitals=self._of_workers(interval.vitals),
        )

    def done_s(self, at_s: float) -> float:
        """Returns the elapsed seconds of the arm's time at a moment of the run."""
        begun = np.flatnonzero((self._arm_of == self.arm) & (self._starts_s < at_s))
        if not begun.size:
            return 0.0
        turn, since = int(self._place[begun[-1]]), at_s - float(self._starts_s[begun[-1]])
        if turn < 0:
            return min(since, float(self.duet.warm_s))
        if turn == 0 and since < self._whole.before_s:
            return since
        layout, since = self._whole, min(since, float(self.duet.turn_s))
        return self._before_s(layout) + turn * layout.steady_s + max(0.0, since - layout.before_s)

    def reports(self, left: Exit) -> dict[str, EngineReport]:
        """Returns a worker's reports by the suite's execution, each summed over all turns of the arm.

        The missing time of early ends adds up over the turns; an engine that runs through has one end.
        """
        planned = {planned.name: planned for planned in self.as_run().executions}
        by_name: dict[str, EngineReport] = {}
        for copy in self.plan.executions:
            report = left.executions.get(copy.name)
            if copy.arm != self.arm or report is None:
                continue
            known = by_name.get(copy.series, EngineReport(ended_s=planned[copy.series].steady_to_s))
            ended_s, end_s = report.ended_s, copy.steady_to_s
            if ended_s is not None and self.duet.switched:
                ended_s, end_s = self.done_s(ended_s), planned[copy.series].steady_to_s
            short_s = 0.0 if ended_s is None else max(0.0, end_s - ended_s)
            drops = [part.dropped for part in (known, report) if part.dropped is not None]
            by_name[copy.series] = EngineReport.model_construct(  # sums may exceed the bounds of one report
                samples=known.samples + report.samples,
                unfinished=known.unfinished + report.unfinished,
                dropped=sum(drops) if drops else None,
                queued_s=max(known.queued_s, report.queued_s),
                ended_s=(known.ended_s or 0.0) - short_s,
                unfinished_users=known.unfinished_users + report.unfinished_users,
                own_shape=known.own_shape or report.own_shape,
                script_errors=Counter(known.script_errors) + Counter(report.script_errors),
                script_failed=known.script_failed or report.script_failed,
                missing_values=(*known.missing_values, *report.missing_values),
                criteria=(*known.criteria, *report.criteria),
                note=known.note or report.note,
            )
        return by_name

    def _layout(self, copy: PlannedExecution) -> TurnLayout:
        if self.duet.switched:
            return TurnLayout(0, self.duet.turn_s)
        since_s = copy.delay_s - self._first
        return TurnLayout(math.floor(since_s + copy.ramp_up_s), round(copy.hold_for_s))

    def _before_s(self, layout: TurnLayout) -> int:
        """Returns the seconds of the arm's time before its first steady block."""
        return self.duet.warm_s + self.duet.blocks * layout.before_s

    def _execution(self, series: str) -> PlannedExecution:
        copy, layout = self._copies[series], self._layouts[series]
        hold_s = float(self.duet.blocks * layout.steady_s)
        if self.duet.switched:
            delay_s, ramp_up_s, curve = copy.delay_s, self.duet.warm_s - copy.delay_s, copy.curve
        else:
            since_s = copy.delay_s - self._first
            steady_from_s = self._before_s(layout) + (since_s + copy.ramp_up_s - layout.before_s)
            delay_s = min(float(self.duet.blocks * math.floor(since_s)), steady_from_s)
            ramp_up_s = steady_from_s - delay_s
            curve = curve_of(copy.throughput_rps or 0.0, ramp_up_s, hold_s, copy.steps).points if copy.curve else ()
        return copy.model_copy(
            update={
                "name": series,
                "delay_s": delay_s,
                "ramp_up_s": ramp_up_s,
                "hold_for_s": hold_s,
                "curve": curve,
                "block": 0,
                "copy_of": "",
                "lead_s": None,
            }
        )

    def _second(self, turn: Int64s, since: Int64s, before_s: Int64s | int, steady_s: Int64s | int) -> Int64s:
        """Returns the arm's seconds for the seconds `since` of the turns, which count from 0; -1 is the warm-up."""
        steady = self.duet.warm_s + self.duet.blocks * before_s + turn * steady_s + since - before_s
        return np.where(turn < 0, since, np.where(since < before_s, turn * before_s + since, steady))

    def _seconds_of_cells(self, interval: Interval, cells: Int64s) -> Int64s:
        starts = {turn.block: math.floor(turn.starts_s) for turn in self.duet.turns_of(self.arm)}
        of_series = [
            (starts[row.block], row.block - 1, *self._layouts[row.execution]) if row.arm == self.arm else (0, 0, 0, 0)
            for row in interval.series
        ]
        start, turn, before_s, steady_s = np.array(of_series, np.int64).reshape(-1, 4)[cells[SERIES]].T
        return self._second(turn, np.maximum(cells[SECOND] - start, 0), before_s, steady_s)

    def _turns(self, seconds: Int64s) -> tuple[Int64s, Int64s]:
        """Returns for each second the position of the last turn that has started, and the seconds since its start."""
        position = np.maximum(np.searchsorted(self._starts, seconds, side="right") - 1, 0)
        return position, seconds - self._starts[position]

    def _of_executions(self, interval: Interval, table: Int64s, *, late: bool) -> Int64s:
        """Returns the arm's rows of a table that begins with second and execution; between turns only if `late`."""
        known = np.array([name in self._layouts for name in interval.executions], np.bool_)
        layouts = np.array([self._layouts.get(name, (0, 0)) for name in interval.executions], np.int64).reshape(-1, 2)
        before_s, steady_s = layouts[table[1]].T
        position, since = self._turns(table[0])
        place, moved = self._place[position], table.copy()
        moved[0] = self._second(place, since, before_s, steady_s)
        kept = known[table[1]] & (self._arm_of[position] == self.arm)
        if not late:
            length_s = np.where(place < 0, self.duet.warm_s, before_s + steady_s)
            kept &= (place == self.duet.blocks - 1) | (since < length_s)
        return moved[:, kept]

    def _of_workers(self, table: Int64s) -> Int64s:
        """Returns the arm's rows of a table that begins with a second.

        Leaves out the gap after a turn; and its last second, if engines end and start in it.
        """
        position, since = self._turns(table[0])
        place, moved = self._place[position], table.copy()
        length_s = np.where(place < 0, self.duet.warm_s, self.duet.turn_s) - int(not self.duet.switched)
        moved[0] = self._second(place, since, *self._whole)
        return moved[:, (self._arm_of[position] == self.arm) & (since < length_s)]
