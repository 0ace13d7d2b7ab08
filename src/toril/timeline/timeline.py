"""The merged measurements of a run: `Timeline` merges intervals; its `Slice`s return `Stats`.

Intervals may come in any order; they are merged in large batches. Memory grows with series × seconds, plus a few bytes
per worker and second for virtual users and health.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import NamedTuple, Self

import numpy as np

from toril.stats.histogram import Int64s, highests_of, lowests_of
from toril.timeline.buckets import HOT_BLOCKS
from toril.timeline.health import HealthBySecond, HealthSeries
from toril.timeline.intervals import KINDS, TAGGED, TIMED, VALUES, Interval, Kind, label_of
from toril.timeline.samples import ABOVE, SAMPLES, SECOND, SUMS, BySecond, Placed, SampleTable, Stats, Worst, WorstStats
from toril.timeline.tables import UsersBySecond

BATCH = 200_000  # histogram pairs of one part of the run that are merged at once
MOST_WAITING = 16_000_000  # histogram pairs of all parts that may wait, a few bytes each
WAITING_S = 8  # length of a part: files that come worker by worker wait for others of the same time
PART_S = 60  # seconds to compute at once, so that a long run needs no more memory

BYTES = SUMS.index("bytes")
WITHOUT_REQUESTS = KINDS[1:]  # kinds of samples that are never in flight
Place = tuple[str, str]  # location and execution


class Selection(NamedTuple):
    """The properties of a slice. None and an empty set mean any."""

    label: str
    executions: frozenset[str]
    location: str | None
    steady: bool | None
    kind: Kind | None
    arm: int | None
    block: int | None


@dataclass(slots=True)
class Unfinished:
    """The requests of one label and place in flight at the end."""

    by_second: Counter[int] = field(default_factory=Counter)  # second in which the load ended → requests
    by_wait_us: Counter[int] = field(default_factory=Counter)  # waiting time, if known → requests


class Timeline:
    """The merged measurements of a run so far."""

    def __init__(self, hot_blocks: int = HOT_BLOCKS) -> None:
        self.unreadable = 0  # unreadable records of the engines
        self.resolution_us: dict[str, int] = {}  # by execution: the coarsest of its workers
        self._waiting: defaultdict[int, list[Interval]] = defaultdict(list)  # by part of the run
        self._pairs: Counter[int] = Counter()
        self._table = SampleTable(hot_blocks)
        # By label.
        self._unfinished = defaultdict[str, defaultdict[Place, Unfinished]](lambda: defaultdict(Unfinished))
        self._users = UsersBySecond()
        self._health = HealthBySecond()
        self._last: dict[str, int] = {}  # by worker
        self._locations: set[str] = set()
        self._executions_with_users: set[str] = set()
        self._slices: dict[Selection, Slice] = {}
        self.between_s: tuple[int, int] | None = None  # first and last second of slices; None: all
        self._whole: Timeline | None = None  # the timeline that `between` cut
        self.worst: Worst | None = None  # unanswered requests that slices count too
        self.left_out: frozenset[int] = frozenset()  # seconds whose samples slices leave out

    def add(self, interval: Interval) -> None:
        """Merges one interval file."""
        part = int(interval.cells[SECOND, 0]) // WAITING_S if interval.cells.shape[1] else 0
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
        arm: int | None = None,
        block: int | None = None,
    ) -> "Slice":
        """Returns the slice with all these properties; None and () mean any.

        Label "" means all requests (or all samples of another `kind`). If requests and transactions have the same
        label, it means the requests. Label `{tag=value}` means all requests with the tag, whatever their labels.
        """
        selection = Selection(label_of(label), frozenset(executions), location, steady, kind, arm, block)
        if selection not in self._slices:
            self._slices[selection] = Slice(self, selection)
        return self._slices[selection]

    def between(self, first: int, last: int) -> "Timeline":
        """Returns a read-only copy of the measurements so far, cut to these seconds (inclusive)."""
        timeline = self._copied()
        timeline.between_s, timeline._whole = (first, last), self.whole
        return timeline

    def at_worst(self, worst: Worst) -> "Timeline":
        """Returns a read-only copy that counts unanswered requests as failed samples."""
        timeline = self._copied()
        timeline.worst = worst
        return timeline

    def without(self, seconds: frozenset[int]) -> "Timeline":
        """Returns a read-only copy without the samples that completed in these seconds."""
        timeline = self._copied()
        timeline.left_out = seconds
        return timeline

    @property
    def whole(self) -> "Timeline":
        """The timeline that `between` cut; itself if it is whole."""
        return self._whole or self

    @property
    def cut_at_s(self) -> float:
        """The end of the seconds to which `between` cut it; infinite if it is whole."""
        return math.inf if self.between_s is None else self.between_s[1] + 1.0

    def labels(self, *, failed: bool = False) -> tuple[str, ...]:
        """Returns all labels with samples, or with failed ones, in alphabetical order."""
        series_of = self.table.series_of.items()
        return tuple(sorted(label for label, series in series_of if not failed or not all(key.ok for _, key in series)))

    def sizes_of_labels(self) -> dict[str, int]:
        """Returns the number of samples of each label, whatever `between` cut off."""
        counts = self.table.counts.tolist()
        return {label: sum(counts[row] for row in series.values()) for label, series in self.table.series_of.items()}

    def labels_of_both_kinds(self) -> frozenset[str]:
        """Returns the labels of both requests and transactions; `select` takes the requests unless a kind is given."""
        both = {"request", "transaction"}
        series_of = self.table.series_of.items()
        return frozenset(label for label, series in series_of if both <= {key.kind for _, key in series})

    def kind_of(self, label: str) -> Kind:
        """Returns the kind of the label's samples: the first one in TIMED or "tagged"; "request" without samples.

        What scripts measure has names of its own, which are no labels of requests: `measured` lists them.
        """
        kinds = {series.kind for _, series in self.table.series_of.get(label, ())}
        if not kinds and self.series(label, TAGGED):
            return TAGGED
        return next((kind for kind in TIMED if kind in kinds), "request")

    def measured(self, kind: Kind) -> tuple[str, ...]:
        """Returns the names of the checks, of metrics of a kind, or the labels with tags and tags alone, sorted."""
        return tuple(sorted(self.table.measured.get(kind, ())))

    def metrics(self) -> dict[str, tuple[str, Kind]]:
        """Returns name and kind of each check and own metric, by name; by `name (kind)` if kinds share a name."""
        named = [(name, kind) for kind in VALUES for name in self.measured(kind)]
        kinds = Counter(name for name, _ in named)
        return dict(sorted((f"{one[0]} ({one[1]})" if kinds[one[0]] > 1 else one[0], one) for one in named))

    def executions(self) -> tuple[str, ...]:
        """Returns all executions with samples, in alphabetical order."""
        return tuple(sorted({series.execution for _, series in self.table.series}))

    def counts_users(self, execution: str) -> bool:
        """Whether any worker has counted virtual users of the execution."""
        return execution in self._merged._executions_with_users

    def senders(self, label: str, kind: Kind | None = None) -> frozenset[str]:
        """Returns the executions with samples or unfinished requests of the label; label "" means any label."""
        waiting = {execution for (_, execution), _ in self.unfinished(label)} if kind is None else set()
        series_of = self.series(label, kind or (self.kind_of(label) if label else None))
        return frozenset({series.execution for _, series in series_of} | waiting)

    def locations(self) -> tuple[str, ...]:
        """Returns all locations that sent an interval, in alphabetical order."""
        return tuple(sorted(self._merged._locations))

    def last_second_of(self, worker: str) -> int | None:
        """Returns the last second that the worker reported; None if there is none."""
        return self._merged._last.get(worker)

    @property
    def last_second(self) -> int | None:
        """The last second that any worker reported; None if there is none."""
        return max(self._merged._last.values(), default=None)

    def health_workers(self) -> tuple[str, ...]:
        """Returns all workers that reported their health, in alphabetical order."""
        return self._merged._health.workers()

    def health_series(self, worker: str) -> HealthSeries:
        """Returns one worker's health by second; KeyError if it reported none."""
        return self._merged._health.series(worker)

    def busiest_generator(self, first: int, last: int) -> tuple[float | None, float | None]:
        """Returns the highest CPU use of a worker, and of one core by its engine, in the seconds `first` to `last`."""
        values = (self.highest_by_generator(name, first, last).values() for name in ("cpu", "core"))
        cpu, core = (round(max(known), 4) if known else None for known in values)
        return cpu, core

    def highest_by_generator(self, name: str, first: int, last: int) -> dict[str, float]:
        """Returns the highest `cpu`, `core` or `late_us` of each worker in the seconds `first` to `last`."""
        return self._merged._health.highest_by_worker(name, first, last)

    # For slices and exports

    @property
    def table(self) -> SampleTable:
        """All samples by row, after merging all waiting intervals."""
        return self._merged._table

    def series(self, label: str = "", kind: Kind | None = None) -> dict[Placed, int]:
        """Returns all series of requests, transactions and timings, or of another kind, with their numbers.

        With a label: those of the label.
        """
        table = self.table
        if kind is None or kind in TIMED:
            return table.series_of.get(label, {}) if label else table.series
        measured = table.measured.get(kind, {})
        if label:
            return measured.get(label, {})
        return {placed: number for series in measured.values() for placed, number in series.items()}

    def unfinished(self, label: str = "") -> list[tuple[Place, Unfinished]]:
        """Returns the unfinished requests of a label, or of all labels, by place."""
        unfinished = self._merged._unfinished
        return [place for name in ([label] if label else unfinished) for place in unfinished.get(name, {}).items()]

    def waits(self, label: str) -> list[tuple[Place, Counter[int]]]:
        """Returns the unfinished requests of a label by place and waiting time in µs; "" means an unknown label."""
        waiting = self._merged._unfinished.get(label, {}).items()
        return [(place, requests.by_wait_us) for place, requests in waiting if requests.by_wait_us]

    def unfinished_labels(self) -> tuple[str, ...]:
        """Returns all labels with unfinished requests, in alphabetical order."""
        return tuple(sorted(self._merged._unfinished))

    def users(self) -> tuple[UsersBySecond, dict[str, int]]:
        """Returns the virtual users, and the last second of each worker."""
        return self._merged._users, self._last

    @property
    def _merged(self) -> Self:
        """This timeline, after merging all waiting intervals."""
        for part in sorted(self._waiting):
            self._merge_part(part)
        return self

    def _copied(self) -> "Timeline":
        timeline = copy(self._merged)
        timeline._slices = {}
        return timeline

    def _merge_part(self, part: int) -> None:
        batch = self._waiting.pop(part)
        del self._pairs[part]
        for interval in batch:
            self._note(interval)
        self._merge_users(batch)
        self._health.add(batch)
        batch = [interval for interval in batch if interval.cells.shape[1]]
        if batch:
            self._table.add(batch)

    def _note(self, interval: Interval) -> None:
        """Adds the small parts of an interval."""
        self._locations.add(interval.location)
        self._executions_with_users |= {interval.executions[code] for code in set(interval.users[1].tolist())}
        last = interval.last_second
        if last is not None:
            self._last[interval.worker] = max(last, self._last.get(interval.worker, 0))
        self.unreadable += interval.unreadable
        for execution, us in interval.resolution_us.items():
            self.resolution_us[execution] = max(us, self.resolution_us.get(execution, 0))
        for second, execution, label, count in interval.unfinished.T.tolist():
            place = (interval.location, interval.executions[execution])
            self._unfinished[interval.labels[label]][place].by_second[second] += count
        for _, execution, label, waited_us, count in interval.waits.T.tolist():
            place = (interval.location, interval.executions[execution])
            self._unfinished[interval.labels[label]][place].by_wait_us[waited_us] += count

    def _merge_users(self, batch: Sequence[Interval]) -> None:
        rows, numbers = [], []
        for interval in batch:
            of_code = [self._users.row(interval.location, interval.worker, name) for name in interval.executions]
            rows.append(np.array(of_code, np.int64)[interval.users[1]])
            numbers.append(np.full(interval.users.shape[1], interval.number, np.int64))
        reports = np.concatenate([interval.users for interval in batch], axis=1)
        self._users.add(np.concatenate(rows), reports[0], reports[2], np.concatenate(numbers))


class Slice:
    """The samples of a timeline with some properties, including those that the timeline merges later."""

    def __init__(self, timeline: Timeline, selection: Selection) -> None:
        self._timeline, self._selection = timeline, selection
        self.label, self.executions, self.kind = selection.label, selection.executions, selection.kind
        self._known = -1  # the number of series at the last search
        self._series: tuple[Int64s, Int64s] = np.empty(0, np.int64), np.empty(0, np.int64)

    @property
    def total(self) -> Stats:
        """The figures of all samples."""
        return self._stats(*(self._timeline.between_s or (None, None)))

    @property
    def counts(self) -> tuple[int, int]:
        """The numbers of samples and of failed ones in the whole run; unlike `total`, independent of its length."""
        samples, failures = (int(self._timeline.table.counts[series].sum()) for series in self.series)
        return samples + failures, failures

    @property
    def seconds(self) -> list[int]:
        """All seconds with samples, ascending."""
        series = np.concatenate(self.series)
        _, seconds, _ = self._timeline.table.rows.places(series, *(self._timeline.between_s or ()))
        shown = [second for second in np.unique(seconds).tolist() if second not in self._timeline.left_out]
        worst = self._timeline.worst
        if worst is not None:
            shown = sorted({*shown, *(worst.at_s[execution] for execution, _ in self._unanswered(worst))})
        return shown

    def second(self, second: int) -> Stats:
        """Returns the figures of the samples that completed in one second."""
        return self._stats(second, second)

    def window(self, first: int, last: int) -> Stats:
        """Returns the figures of the seconds `first` to `last`, both inclusive."""
        return self._stats(first, last)

    def by_second(self, seconds: int, percents: Sequence[float] = ()) -> BySecond:
        """Returns the figures of the seconds 0 … `seconds` − 1, ten times as fast as `second` for each."""
        table, (successful, unsuccessful) = self._timeline.table, self.series
        columns = np.zeros((3, seconds), np.int64)
        percentiles: list[list[int | None]] = [[] for _ in percents]
        for start in range(0, seconds, PART_S):
            end = min(seconds, start + PART_S)
            _, good_at, good = table.rows.places(successful, start, end - 1)
            _, failed_at, failed = table.rows.places(unsuccessful, start, end - 1)
            at, rows = np.concatenate([good_at, failed_at]), np.concatenate([good, failed])
            np.add.at(columns[0], at, table.sums[rows, SAMPLES])
            np.add.at(columns[1], failed_at, table.sums[failed, SAMPLES])
            np.add.at(columns[2], at, table.sums[rows, BYTES])
            parts = table.percentiles(rows, at - start, end - start, percents)
            for column, part in zip(percentiles, parts, strict=True):
                column += part
        samples, failures, received = columns
        return BySecond(samples, failures, received, tuple(percentiles))

    def sums_us(self, seconds: int) -> list[int]:
        """Returns the exact sum of the response times, or of values × VALUE_SCALE, of each second from 0."""
        table, sums = self._timeline.table, np.zeros(seconds, np.int64)
        _, at, rows = table.rows.places(np.concatenate(self.series), 0, seconds - 1)
        np.add.at(sums, at, table.sums[rows, ABOVE])
        positions, buckets, counts = table.buckets.pairs(rows)
        np.add.at(sums, at[positions], lowests_of(buckets) * counts)
        return list(map(int, sums))

    def in_flight(self, seconds: int, waited_us: float | None = None) -> Int64s:
        """Returns the answered requests in flight at some time in each of the seconds 0 … `seconds` − 1.

        With `waited_us`: those that had waited longer for all of the second.
        """
        table, changes = self._timeline.table, np.zeros(seconds + 1, np.int64)
        series = np.concatenate(self.series)
        for start in range(0, (self._timeline.last_second or 0) + 1, PART_S):
            _, at, rows = table.rows.places(series, start, start + PART_S - 1)
            positions, buckets, counts = table.buckets.pairs(rows)
            first, last = np.floor(at[positions] - highests_of(buckets) / 1e6), at[positions]
            if waited_us is not None:
                first, last = np.ceil(last + 1 - (lowests_of(buckets) - waited_us) / 1e6), last - 1
            kept = first <= last
            for edges, sign in ((first, 1), (last + 1, -1)):
                np.add.at(changes, np.clip(edges[kept], 0, seconds).astype(np.int64), sign * counts[kept])
        return np.cumsum(changes)[:-1]

    def virtual_users(self, second: int) -> int:
        """Returns the active users in a second, in the slice's executions and location, for all labels."""
        users, last = self._timeline.users()
        return users.at(second, self._selection.location, self.executions, last)

    def virtual_users_curve(self, seconds: int) -> list[int]:
        """Returns the active users in the seconds 0 … `seconds` − 1."""
        users, last = self._timeline.users()
        curve: list[int] = users.curve(seconds, self._selection.location, self.executions, last).tolist()
        return curve

    @property
    def series(self) -> tuple[Int64s, Int64s]:
        """The numbers of its series in `SampleTable`: of successful samples, and of failed ones."""
        so_far, wanted = len(self._timeline.table.placed), self._selection
        if so_far != self._known:
            kind = self.kind or (self._timeline.kind_of(self.label) if self.label else "request")
            series = self._timeline.series(self.label, kind)
            chosen = [
                (number, key.ok)
                for (location, key), number in series.items()
                if key.kind == kind
                and self._has((location, key.execution))
                and wanted.steady in (None, key.steady)
                and wanted.arm in (None, key.arm)
                and wanted.block in (None, key.block)
            ]
            good, failed = (
                np.array([number for number, ok in chosen if ok is good], np.int64) for good in (True, False)
            )
            self._series, self._known = (good, failed), so_far
        return self._series

    @property
    def resolution_us(self) -> int:
        """The coarsest resolution of the executions that send its samples, in µs."""
        of_label = {series.execution for _, series in self._timeline.series(self.label, self.kind)}
        senders = {name for name in of_label if not self.executions or name in self.executions} or self.executions
        return max((us for name, us in self._timeline.resolution_us.items() if name in senders), default=1)

    @property
    def unfinished_by_second(self) -> Counter[int]:
        """The unfinished requests by the second in which the load ended."""
        counts: Counter[int] = Counter()
        if self.kind not in WITHOUT_REQUESTS:  # unfinished requests count as steady and as not steady
            for place, requests in self._timeline.unfinished(self.label):
                if self._has(place):
                    counts.update(requests.by_second)
        return counts

    def _stats(self, first: int | None, last: int | None) -> Stats:
        table, worst = self._timeline.table, self._timeline.worst
        good, failed = (self._rows(series, first, last) for series in self.series)
        low, high = -math.inf if first is None else first, math.inf if last is None else last
        unfinished = sum(count for second, count in self.unfinished_by_second.items() if low <= second <= high)
        if worst is None:
            return Stats(table, good, failed, unfinished)
        unanswered = sum(n for execution, n in self._unanswered(worst) if low <= worst.at_s[execution] <= high)
        return WorstStats(table, good, failed, unfinished, unanswered, worst)

    def _rows(self, series: Int64s, first: int | None, last: int | None) -> Int64s:
        _, seconds, rows = self._timeline.table.rows.places(series, first, last)
        left_out = self._timeline.left_out
        return rows[~np.isin(seconds, list(left_out))] if left_out else rows

    def _has(self, place: Place) -> bool:
        location, execution = place
        return self._selection.location in (None, location) and (not self.executions or execution in self.executions)

    def _unanswered(self, worst: Worst) -> list[tuple[str, int]]:
        """Returns executions and numbers of the unanswered requests that have, or may have, the label."""
        if self.kind in WITHOUT_REQUESTS:
            return []
        tagged = self._timeline.kind_of(self.label) == TAGGED
        label = self.label[: max(0, self.label.rfind("{"))] if tagged else self.label
        labels = list(dict.fromkeys(["", self.label, label])) if label else list(worst.unanswered)  # tags are unknown
        senders = self._timeline.senders(self.label) if self.label else self.executions
        return [
            (place[1], count)
            for label in labels
            for place, count in worst.unanswered.get(label, {}).items()
            if self._has(place) and (not senders or place[1] in senders)
        ]
