"""Merges intervals as they come. Their order does not matter, and neither does how samples were spread over workers.

Every sample belongs to a series (location, execution, label, kind, steady, ok, arm, block) and a second. The two
together are a row; a row has sums, a histogram and outcomes. Memory grows with series × seconds, not with workers
(but for a few bytes a worker and second: virtual users and health). Intervals are merged in batches of many, since
each numpy call then does more.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any

import numpy as np

from toril.stats.histogram import Int64s, lowests_of
from toril.timeline.buckets import HOT_BLOCKS, BucketCounts
from toril.timeline.health import HealthBySecond, HealthSeries, WorkerHealth
from toril.timeline.intervals import CELL_COLUMNS, KINDS, Interval, Kind, Series, label_of
from toril.timeline.outcomes import Outcomes
from toril.timeline.rows import MOST_PLACES, Rows
from toril.timeline.view import SUMS, Slice, Worst
from toril.timeline.workers import UsersBySecond, grown

BATCH = 200_000  # histogram pairs of one part of the run that are merged at once
MOST_WAITING = 16_000_000  # … and of all parts, some bytes each
PART_S = 8  # files that come worker by worker, not as time goes on, wait for others of the same time
SUM_COLUMNS = [CELL_COLUMNS.index(name) for name in SUMS]
SECOND, SERIES, BUCKETS = (CELL_COLUMNS.index(name) for name in ("second", "series", "buckets"))
MIN_ABOVE, MAX_ABOVE = CELL_COLUMNS.index("min_above_us"), CELL_COLUMNS.index("max_above_us")
NO_MIN = np.iinfo(np.int64).max
SATURATED = 0.9  # of its CPU limit, or of one core: from here on a generator's own slowness shows in what it measures

Placed = tuple[str, Series]  # a location and what its intervals call a series
Selection = tuple[str, frozenset[str], str | None, bool | None, Kind | None, bool | None, int | None, int | None]


class Timeline:
    """The merged measurements of a run so far."""

    def __init__(self, hot_blocks: int = HOT_BLOCKS, most_places: int = MOST_PLACES) -> None:
        self.unreadable = 0  # records of the engines that could not be read
        self.resolution_us: dict[str, int] = {}  # by execution: the coarsest of its workers
        self._waiting: defaultdict[int, list[Interval]] = defaultdict(list)  # by part of the run
        self._pairs: Counter[int] = Counter()
        self._series: dict[Placed, int] = {}
        self._of_label: defaultdict[str, dict[Placed, int]] = defaultdict(dict)  # the same, by label
        self._rows = Rows(most_places)
        self._sums: Int64s = np.zeros((64, len(SUMS)), np.int64)
        self._extremes: Int64s = np.tile(np.array([NO_MIN, 0]), (64, 1))  # min_us, max_us
        self._buckets = BucketCounts(hot_blocks)
        self._outcomes = Outcomes()
        self._unfinished: defaultdict[str, defaultdict[tuple[str, str], Counter[int]]] = defaultdict(
            lambda: defaultdict(Counter)
        )
        self._waits: defaultdict[str, defaultdict[tuple[str, str], Counter[int]]] = defaultdict(
            lambda: defaultdict(Counter)
        )
        self._users = UsersBySecond()
        self._health = HealthBySecond()
        self._last: dict[str, int] = {}  # by worker
        self._locations: set[str] = set()
        self._telling_users: set[str] = set()
        self._slices: dict[Selection, Slice] = {}
        self._between: tuple[int, int] | None = None  # the seconds that slices are cut to
        self.worst: Worst | None = None  # what slices count as well

    def add(self, interval: Interval) -> None:
        """Merge one interval file."""
        part = int(interval.cells[SECOND, 0]) // PART_S if interval.cells.shape[1] else 0
        self._waiting[part].append(interval)
        self._pairs[part] += interval.buckets.size
        if self._pairs[part] >= BATCH:
            self._merge_part(part)
        elif self._pairs.total() >= MOST_WAITING:
            self._merge_part(max(self._pairs, key=self._pairs.__getitem__))

    def select(
        self,
        label: str = "",
        executions: Sequence[str] = (),
        location: str | None = None,
        steady: bool | None = None,
        kind: Kind | None = None,
        ok: bool | None = None,
        arm: int | None = None,
        block: int | None = None,
    ) -> Slice:
        """The part of the timeline with all these properties; None and () mean any.

        Label "" is all requests (or all of another `kind`). Of a label that both carry, the requests.
        """
        key = (label_of(label), frozenset(executions), location, steady, kind, ok, arm, block)
        if key not in self._slices:
            self._slices[key] = Slice(self, *key, self._between)
        return self._slices[key]

    def between(self, first: int, last: int) -> "Timeline":
        """What was measured in these seconds, both included; of what is known now, and only to be read."""
        self._merge()
        found = copy(self)
        found._slices, found._between = {}, (first, last)
        return found

    def at_worst(self, worst: Worst) -> "Timeline":
        """The same with requests that were never answered as failed samples; only to be read."""
        self._merge()
        found = copy(self)
        found._slices, found.worst = {}, worst
        return found

    @property
    def cut_at_s(self) -> float:
        """Where what it shows ends, if it is `between`."""
        return math.inf if self._between is None else self._between[1] + 1.0

    def labels(self) -> tuple[str, ...]:
        """Every label that has samples, in alphabetical order."""
        self._merge()
        return tuple(sorted(self._of_label))

    def labels_of_both_kinds(self) -> frozenset[str]:
        """Labels that requests and transactions carry; `select` takes the requests unless it is told the kind."""
        self._merge()
        both = {"request", "transaction"}
        return frozenset(label for label, series in self._of_label.items() if both <= {one.kind for _, one in series})

    def kind_of(self, label: str) -> Kind:
        """What the label's samples are, of several the first of KINDS; "request" too when there are none."""
        self._merge()
        kinds = {series.kind for _, series in self._of_label.get(label, ())}
        return next((kind for kind in KINDS if kind in kinds), "request")

    def executions(self) -> tuple[str, ...]:
        """Every execution that has samples, in alphabetical order."""
        self._merge()
        return tuple(sorted({series.execution for _, series in self._series}))

    def tells_users(self, execution: str) -> bool:
        """Whether any worker has counted its virtual users."""
        self._merge()
        return execution in self._telling_users

    def senders(self, label: str) -> frozenset[str]:
        """Every execution that has samples of the label, or unfinished requests; of label "" those of any."""
        waiting = {execution for (_, execution), _ in self.unfinished(label)}
        return frozenset({series.execution for _, series in self.series(label)} | waiting)

    def locations(self) -> tuple[str, ...]:
        """Every location that sent an interval, in alphabetical order."""
        self._merge()
        return tuple(sorted(self._locations))

    def last_second_of(self, worker: str) -> int | None:
        """The latest second that the worker has said anything of."""
        self._merge()
        return self._last.get(worker)

    @property
    def last_second(self) -> int | None:
        """The latest second that any worker has said anything of."""
        self._merge()
        return max(self._last.values(), default=None)

    def health(self, above: float = SATURATED) -> dict[str, WorkerHealth]:
        """How each worker fared; one that was above the limit for some seconds in a row tells how long."""
        self._merge()
        return self._health.of_workers(above)

    def health_workers(self) -> tuple[str, ...]:
        """Every worker that has told how it fares, in alphabetical order."""
        self._merge()
        return self._health.workers()

    def health_series(self, worker: str) -> HealthSeries:
        """One worker's health by second; KeyError when it has told nothing."""
        self._merge()
        return self._health.series(worker)

    def health_facts(self, worker: str) -> Mapping[str, Any]:
        """What limits the worker, as far as it has told: memory_limit_bytes, cores, single_threaded."""
        self._merge()
        return self._health.facts(worker)

    # Slices read what follows.

    def series(self, label: str = "") -> dict[Placed, int]:
        """Every series, or those of a label, and its number, after all that waits is merged."""
        self._merge()
        return self._of_label.get(label, {}) if label else self._series

    def places(
        self, series: Int64s, first: int | None = None, last: int | None = None
    ) -> tuple[Int64s, Int64s, Int64s]:
        """Where some series have samples in some seconds: position in `series`, second, and the timeline's row."""
        return self._rows.places(series, first, last)

    @property
    def sums(self) -> Int64s:
        return self._sums

    @property
    def extremes(self) -> Int64s:
        return self._extremes

    @property
    def buckets(self) -> BucketCounts:
        return self._buckets

    def outcomes(self, rows: Int64s) -> Counter[tuple[str, str]]:
        """Response code and message → how often."""
        return self._outcomes.of(rows)

    def unfinished(self, label: str = "") -> list[tuple[tuple[str, str], Counter[int]]]:
        """Of a label, or of all: location and execution, and the requests by second."""
        self._merge()
        labels = [label] if label else list(self._unfinished)
        return [place for name in labels if name in self._unfinished for place in self._unfinished[name].items()]

    def waits(self, label: str) -> list[tuple[tuple[str, str], Counter[int]]]:
        """Location and execution, and the unfinished requests by how long each waited, in µs; "": of unknown label."""
        self._merge()
        return list(self._waits[label].items()) if label in self._waits else []

    def unfinished_labels(self) -> tuple[str, ...]:
        """Every label that has unfinished requests, in alphabetical order."""
        self._merge()
        return tuple(sorted(self._unfinished))

    def users(self) -> tuple[UsersBySecond, dict[str, int]]:
        """Virtual users, and the last second of each worker."""
        self._merge()
        return self._users, self._last

    def _merge(self) -> None:
        """Merge everything that waits."""
        for part in sorted(self._waiting):
            self._merge_part(part)

    def _merge_part(self, part: int) -> None:
        batch = self._waiting.pop(part)
        del self._pairs[part]
        for interval in batch:
            self._note(interval)
        self._merge_users(batch)
        self._health.add(batch)
        batch = [interval for interval in batch if interval.cells.shape[1]]
        if batch:
            self._merge_cells(batch)

    def _note(self, interval: Interval) -> None:
        """Everything that is not counted by the thousands."""
        self._locations.add(interval.location)
        self._telling_users |= {interval.executions[code] for code in set(interval.users[1].tolist())}
        last = interval.last_second
        if last is not None:
            self._last[interval.worker] = max(last, self._last.get(interval.worker, 0))
        self.unreadable += interval.unreadable
        for execution, us in interval.resolution_us.items():
            self.resolution_us[execution] = max(us, self.resolution_us.get(execution, 0))
        for second, execution, label, count in interval.unfinished.T.tolist():
            place = (interval.location, interval.executions[execution])
            self._unfinished[interval.labels[label]][place][second] += count
        for _, execution, label, waited_us, count in interval.waits.T.tolist():
            place = (interval.location, interval.executions[execution])
            self._waits[interval.labels[label]][place][waited_us] += count

    def _merge_users(self, batch: Sequence[Interval]) -> None:
        rows, numbers = [], []
        for interval in batch:
            of_code = [self._users.row(interval.location, interval.worker, name) for name in interval.executions]
            rows.append(np.array(of_code, np.int64)[interval.users[1]])
            numbers.append(np.full(interval.users.shape[1], interval.number, np.int64))
        reports = np.concatenate([interval.users for interval in batch], axis=1)
        self._users.add(np.concatenate(rows), reports[0], reports[2], np.concatenate(numbers))

    def _merge_cells(self, batch: Sequence[Interval]) -> None:
        cells = np.concatenate([interval.cells for interval in batch], axis=1)
        buckets = np.concatenate([interval.buckets for interval in batch], dtype=np.int64)
        counts = np.concatenate([interval.counts for interval in batch], dtype=np.int64)
        series = np.concatenate([self._numbers(interval)[interval.cells[SERIES]] for interval in batch])
        rows = self._rows_for(series, cells[SECOND])
        sizes = cells[BUCKETS]
        ends = np.cumsum(sizes)
        for place, column in enumerate(SUM_COLUMNS):
            np.add.at(self._sums[:, place], rows, cells[column])
        np.minimum.at(self._extremes[:, 0], rows, lowests_of(buckets[ends - sizes]) + cells[MIN_ABOVE])
        np.maximum.at(self._extremes[:, 1], rows, lowests_of(buckets[ends - 1]) + cells[MAX_ABOVE])
        self._buckets.add(rows, sizes, buckets, counts)
        self._merge_outcomes(batch, rows)

    def _merge_outcomes(self, batch: Sequence[Interval], rows: Int64s) -> None:
        places, codes, times, start = [], [], [], 0
        for interval in batch:
            cell, rc, message, count = interval.outcomes
            code_of = {
                (a << 32) + b: self._outcomes.code((interval.rcs[a], interval.messages[b]))
                for a, b in set(zip(rc.tolist(), message.tolist(), strict=True))
            }
            codes.append(np.array([code_of[pair] for pair in ((rc << 32) + message).tolist()], np.int64))
            places.append(rows[start + cell])
            times.append(count)
            start += interval.cells.shape[1]
        self._outcomes.add(np.concatenate(places), np.concatenate(codes), np.concatenate(times))

    def _numbers(self, interval: Interval) -> Int64s:
        """The numbers of the interval's series here."""
        return np.array([self._number((interval.location, series)) for series in interval.series], np.int64)

    def _number(self, placed: Placed) -> int:
        number = self._series.get(placed)
        if number is None:
            number = self._series[placed] = self._of_label[placed[1].label][placed] = len(self._series)
        return number

    def _rows_for(self, series: Int64s, seconds: Int64s) -> Int64s:
        """The row of each pair of series and second; new ones are made."""
        known = self._rows.count
        rows = self._rows.of(series, seconds)
        if self._rows.count > known:
            height = len(self._sums)
            self._sums = grown(self._sums, self._rows.count, 0, 0)
            self._extremes = grown(self._extremes, self._rows.count, 0, 0)
            self._extremes[height:, 0] = NO_MIN
        return rows
