"""The metrics of a run, as the values of OpenTelemetry's SDK; docs/how-to/opentelemetry.md lists them.

Counts are cumulative from the start of the load, and cover complete seconds only. Gauges have the newest value.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Buckets,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    Metric,
    NumberDataPoint,
    Sum,
)

from toril.records.progress import WINDOW_S, Progress
from toril.records.verdict import Verdict
from toril.secrets.masking import mask
from toril.stats.histogram import EXACT_BITS, Int64s, highests_of, lowests_of
from toril.timeline import Timeline
from toril.timeline.intervals import TAGGED, TIMED, VALUE_SCALE, VALUES
from toril.timeline.samples import ABOVE, NO_MIN, SAMPLES, Placed

MOST_LABELS = 100  # further labels are exported as one
MOST_CODES = 20  # the same, of response codes
OTHER = "other"
CUMULATIVE = AggregationTemporality.CUMULATIVE
GROUPED = (*TIMED[1:], TAGGED)
SCALE = 7  # buckets of 0.54 %; Prometheus keeps scales up to 8
RELATIVE_ERROR = 2 ** (2**-SCALE) * (1 + 2 ** (1 - EXACT_BITS)) - 1
LONGEST_BITS = 40  # 2^40 µs: no time is longer
WIDTH = LONGEST_BITS * 2**SCALE + 1
SUMS = ("succeeded", "zeros", "sum_us")  # columns of `Measurements._sums`

Attributes = dict[str, str]


class Group(NamedTuple):
    """The samples of one time series."""

    label: str
    location: str
    kind: str

    @property
    def unit(self) -> float:
        """The number of recorded steps in a second, or in 1 of what a script measures."""
        return VALUE_SCALE if self.kind in VALUES else 1e6

    def attributes(self) -> Attributes:
        attributes = {"toril.label": self.label, "toril.location": self.location}
        return attributes if self.kind == "request" else {**attributes, "toril.kind": self.kind}


class Measurements:
    """The samples so far, by group. Their number of groups is limited, whatever labels a script makes up."""

    def __init__(self) -> None:
        self._timeline: Timeline | None = None
        self._labels: dict[str, dict[str, str]] = {}  # by kind
        self._codes: dict[str, str] = {}
        self._restart()

    def _restart(self) -> None:
        self._next = 0  # the first second that is not counted
        self._groups: dict[Group, int] = {}
        self._group_of: Int64s = np.empty(0, np.int64)  # by series
        self._failed_series: Int64s = np.empty(0, np.bool_)
        self._failures: Counter[tuple[int, str]] = Counter()  # group and response code → samples
        self._sums: Int64s = np.zeros((0, len(SUMS)), np.int64)
        self._extremes: Int64s = np.zeros((0, 2), np.int64)
        self._buckets: Int64s = np.zeros((0, WIDTH), np.int64)

    def add(self, timeline: Timeline, last: int, *, again: bool = False) -> None:
        """Adds the seconds up to `last`; `again` counts all of them anew, since files may arrive late."""
        if again or timeline is not self._timeline:
            self._timeline = timeline
            self._restart()
        table = timeline.table
        self._add_groups(table.placed[self._group_of.size :])
        which, _, rows = table.rows.places(np.arange(self._group_of.size), self._next, last)
        self._next = max(self._next, last + 1)
        groups, failed = self._group_of[which], self._failed_series[which]
        np.add.at(self._sums[:, 0], groups[~failed], table.sums[rows[~failed], SAMPLES])
        np.add.at(self._sums[:, 2], groups, table.sums[rows, ABOVE])
        np.minimum.at(self._extremes[:, 0], groups, table.extremes[rows, 0])
        np.maximum.at(self._extremes[:, 1], groups, table.extremes[rows, 1])
        for group in np.unique(groups[failed]).tolist():
            for (rc, _), count in table.outcomes.of(rows[failed & (groups == group)]).items():
                self._failures[group, _limited(self._codes, rc, MOST_CODES)] += count
        positions, buckets, counts = table.buckets.pairs(rows)
        groups, some = groups[positions], buckets > 0
        np.add.at(self._sums[:, 2], groups, lowests_of(buckets) * counts)
        np.add.at(self._sums[:, 1], groups[~some], counts[~some])
        units = np.array([group.unit for group in self._groups])[groups[some]]
        places = exponential(buckets[some], units) - lowest(units)
        np.add.at(self._buckets, (groups[some], places), counts[some])

    def _add_groups(self, placed: Sequence[Placed]) -> None:
        numbers, failed = [], []
        for location, series in placed:
            label = _limited(self._labels.setdefault(series.kind, {}), series.label, MOST_LABELS)
            group = Group(label, mask(location), series.kind)
            numbers.append(self._groups.setdefault(group, len(self._groups)))
            failed.append(not series.ok)
        self._group_of = np.append(self._group_of, np.array(numbers, np.int64))
        self._failed_series = np.append(self._failed_series, np.array(failed, np.bool_))
        new = len(self._groups) - len(self._sums)
        self._sums = np.concatenate([self._sums, np.zeros((new, len(SUMS)), np.int64)])
        self._extremes = np.concatenate([self._extremes, np.tile(np.array([NO_MIN, 0]), (new, 1))])
        self._buckets = np.concatenate([self._buckets, np.zeros((new, WIDTH), np.int64)])

    def metrics(self, start_ns: int) -> Iterator[Metric]:
        """Returns the counts and the response times. `start_ns`: the start of the load, since the epoch."""
        at_ns = start_ns + self._next * 10**9
        groups = list(self._groups)
        counts = [
            ({**group.attributes(), "toril.outcome": "ok"}, self._sums[n, 0]) for group, n in self._groups.items()
        ]
        counts += [
            ({**groups[n].attributes(), "toril.outcome": "failed", "toril.rc": rc}, count)
            for (n, rc), count in self._failures.items()
        ]
        requests = [(about, int(count)) for about, count in counts if "toril.kind" not in about]
        checks = [(about, int(count)) for about, count in counts if about.get("toril.kind") in ("check", "rate")]
        sums = [
            (one.attributes(), self._sums[n, 2] / one.unit) for one, n in self._groups.items() if one.kind == "counter"
        ]
        for name, text, unit, known in (
            ("toril.requests", "Completed requests.", "{request}", requests),
            ("toril.checks", "Checks and values of rates; failed: not held, or false.", "", checks),
            ("toril.counter", "Sums of counters.", "", sums),
        ):
            values = [NumberDataPoint(about, start_ns, at_ns, value) for about, value in known]
            yield Metric(name, text, unit, Sum(values, CUMULATIVE, is_monotonic=True))
        for name, text, unit, kinds in (
            ("toril.response_time", "Response times of requests, failed ones included.", "s", TIMED[:1]),
            ("toril.transaction_time", "Times of transactions, of parts of steps, and by tag.", "s", GROUPED),
            ("toril.value", "Values of trends and gauges.", "", ("trend", "gauge")),
        ):
            chosen = [(group, n) for group, n in self._groups.items() if group.kind in kinds]
            times = [point for group, n in chosen for point in self._times(group, n, start_ns, at_ns)]
            yield Metric(name, text, unit, ExponentialHistogram(times, CUMULATIVE))

    def _times(self, group: Group, number: int, start_ns: int, at_ns: int) -> Iterator[ExponentialHistogramDataPoint]:
        counts, (_, zeros, sum_us) = self._buckets[number], self._sums[number].tolist()
        used = np.flatnonzero(counts)
        samples = int(counts.sum()) + zeros
        if not samples:
            return
        low, high = (int(used[0]), int(used[-1])) if used.size else (0, -1)
        shortest, longest = (self._extremes[number] / group.unit).tolist()
        yield ExponentialHistogramDataPoint(
            attributes=group.attributes(),
            start_time_unix_nano=start_ns,
            time_unix_nano=at_ns,
            count=samples,
            sum=sum_us / group.unit,
            scale=SCALE,
            zero_count=zeros,
            positive=Buckets(int(lowest(group.unit)) + low, counts[low : high + 1].tolist()),
            negative=Buckets(0, []),
            flags=0,
            min=shortest,
            max=longest,
        )


def lowest(unit: Any) -> Any:
    """Returns the index of the bucket of one recorded step; for an array of units, an array."""
    return np.floor(-np.log2(unit) * 2**SCALE).astype(np.int64)


def exponential(buckets: Int64s, unit: Any = 1e6) -> Int64s:
    """Returns the index, from `lowest` on, of the exponential bucket of each of toril's buckets except 0.

    A bucket of scale s ends at 2^(i / 2^s) seconds, or values: `unit` steps each. A time counts in the bucket of the
    highest value of toril's bucket, so a percentile read at a bucket's end is never too low. It is at most
    RELATIVE_ERROR too high.

    >>> exponential(np.array([1])) - lowest(1e6)
    array([0])
    """
    ends = np.log2(highests_of(buckets) / unit) * 2**SCALE
    return np.asarray(np.ceil(ends) - 1, np.int64)


def _limited(known: dict[str, str], text: str, most: int) -> str:
    """Returns the text without credentials; after `most` different ones, OTHER."""
    if text not in known and len(known) >= most:
        return OTHER
    return known.setdefault(text, mask(text))


def load_metrics(progress: Progress, at_ns: int) -> Iterator[Metric]:
    """Returns users and rates: by location as measured, and as planned."""
    here = [({"toril.location": mask(location.location)}, location.figures) for location in progress.locations]
    users, rps, recent = "{user}", "{request}/s", progress.recent
    measured_users = [(about, now.virtual_users) for about, now in here]
    measured_rps = [(about, now.rps) for about, now in here]
    yield _gauge("toril.users", "Virtual users.", users, measured_users, at_ns)
    yield _gauge("toril.rate", f"Requests per second, over the last {WINDOW_S} s.", rps, measured_rps, at_ns)
    yield _gauge("toril.users.planned", "Planned users.", users, [({}, n) for n in recent.planned_users[-1:]], at_ns)
    yield _gauge("toril.rate.planned", "Planned rate.", rps, [({}, n) for n in recent.planned_rps[-1:]], at_ns)
    for name, meaning, column in (
        ("toril.journeys", "Journeys started in a second.", recent.journeys),
        ("toril.journeys.planned", "Journeys due in a second.", recent.planned_journeys),
    ):
        if any(value is not None for value in column[-1:]):
            yield _gauge(name, meaning, "{journey}/s", [({}, value) for value in column[-1:]], at_ns)


def generator_metrics(timeline: Timeline, first: int, last: int, at_ns: int) -> Iterator[Metric]:
    """Returns the worst values of each worker in the seconds `first` to `last`."""
    for name, column, text, unit, factor in (
        ("toril.generator.cpu", "cpu", "CPU use of a worker, as a share of its CPU.", "1", 1.0),
        ("toril.generator.core", "core", "CPU use of a worker's busiest process, as a share of a core.", "1", 1.0),
        ("toril.generator.late", "late_us", "Delay of the latest send of a worker.", "s", 1e-6),
    ):
        highest = timeline.highest_by_generator(column, first, last)
        points = [({"toril.worker": worker}, value * factor) for worker, value in highest.items()]
        yield _gauge(name, text, unit, points, at_ns)


def criterion_metrics(verdict: Verdict, at_ns: int) -> Iterator[Metric]:
    """Returns the criteria of a finished run."""
    different = {criterion.criterion: criterion for criterion in verdict.criteria}.values()
    judged = [({"toril.criterion": rule.criterion, "toril.unit": rule.unit}, rule) for rule in different]
    return (
        _gauge(f"toril.criterion.{name}", text, "", [(about, value(criterion)) for about, criterion in judged], at_ns)
        for name, text, value in (
            ("observed", "Observed value of a criterion.", lambda criterion: criterion.observed),
            ("threshold", "Threshold of a criterion.", lambda criterion: criterion.threshold),
            ("breached", "1 if the criterion failed.", lambda criterion: int(criterion.outcome == "failed")),
        )
    )


def _gauge(name: str, text: str, unit: str, points: Iterable[tuple[Attributes, float | None]], at_ns: int) -> Metric:
    known = [NumberDataPoint(about, 0, at_ns, value) for about, value in points if value is not None]
    return Metric(name, text, unit, Gauge(known))
