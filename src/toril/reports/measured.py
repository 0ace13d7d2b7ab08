"""The measurements of a run as compact text, from which the page computes the figures of any window.

The text is base64 of zlib of: the length of the header (4 bytes), the header (JSON), the columns. A column is a list of
whole numbers in planes: the lowest byte of each number, then the second byte of each, and so on. `page/measured.js`
reads it.

A row has the sums and the histogram of one step of one series (location, execution, label, kind, steady, ok). Rows are
in order of time, so that a window is a range of rows. If the text is too long with steps of a second, steps are longer.
Labels without charts share one series per place, so totals stay exact.
"""

import base64
import json
import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

import numpy as np

from toril.criteria import Criterion, criteria_of
from toril.reports.blocks import severity_of
from toril.reports.bundle import Bundle
from toril.reports.charts.by_label import chosen
from toril.reports.labels import slice_of
from toril.reports.run_tables import MOST_ERRORS, figure_tables
from toril.reports.windows import NOT_OF_A_WINDOW, Measured, has_windows, measured
from toril.stats.histogram import Int64s, highests_of, lowests_of
from toril.summary import planned_spans
from toril.summary.build import TRANSACTION
from toril.text import plain
from toril.timeline import SUMS, Slice
from toril.verdict.evidence import counts_silence, planned_seconds, view_of
from toril.verdict.windows import kind_of

STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 900)
PART_S = 60  # seconds to read at once
LEAST_PER_PAIR = 0.75  # bytes of text for a bucket and its count; such steps are not even tried
BUCKET_SHIFT = 18  # bits of a bucket's number
MOST_KINDS = 20  # of a label's errors
LARGEST = 1 << 53  # exact in the numbers of the page

ErrorKind = tuple[str, str]  # message and response code


@dataclass(frozen=True, slots=True)
class Encoded:
    """The measurements as text, in steps of some seconds."""

    text: str
    step_s: int


def encoded(bundle: Bundle) -> Encoded | None:
    """Returns the measurements in the shortest steps that the plan's `page_bytes` allow; None if nothing fits."""
    found = measured(bundle)
    if found is None or bundle.measured != bundle.summary.total.samples:
        return None
    data, most, least = _Data(bundle, found), bundle.plan.page_bytes, 0.0
    for step_s in STEPS:
        if least > most * step_s:  # a step of n seconds needs at least 1/n of the size
            continue
        body, pairs = data.body(step_s, math.floor(most / LEAST_PER_PAIR))
        text = base64.b64encode(zlib.compress(body)).decode()
        if body and len(text) <= most:
            return Encoded(text, step_s)
        least = step_s * max(len(text), pairs * LEAST_PER_PAIR)
    return None


@dataclass
class _Data:
    bundle: Bundle
    found: Measured
    views: list[dict[str, Any] | None] = field(default_factory=list)

    # ── series

    @cached_property
    def groups(self) -> tuple[Int64s, list[bool]]:
        """The page's series of each series of the timeline, and whether each of them is of successes.

        Without `ramp-up-exclude`, steady and other samples are one series.
        """
        names = {name.removesuffix(TRANSACTION) for name in chosen(self.bundle)}
        excludes = self.bundle.plan.ramp_up_exclude
        number_of: dict[tuple[Any, ...], int] = {}
        group_of = []
        for location, one in self.found.timeline.series():
            label = one.label if one.label in names else None
            steady = one.steady if excludes else None
            key = (location, one.execution, label, one.kind, steady, one.ok)
            group_of.append(number_of.setdefault(key, len(number_of)))
        return np.array(group_of, np.int64), [key[-1] for key in number_of]

    def _view(self, view: Slice, executions: Sequence[str], resolution_us: int) -> int:
        """Adds a view and returns its place: its series and planned time; none if other labels share its series."""
        group_of, _ = self.groups
        own = np.concatenate(view.series)
        used = np.unique(group_of[own])
        plan, timeline, completeness = self.found.queued, self.found.timeline, self.found.completeness
        shared = np.isin(group_of, used).sum() != own.size
        self.views.append(
            None
            if shared
            else {
                "series": used.tolist(),
                "spans": planned_spans(plan, timeline, completeness, executions, view.label),
                "resolution": resolution_us,
                "unfinished": sorted(view.unfinished_by_second.items()),
            }
        )
        return len(self.views) - 1

    def _figures(self, label: str, location: str | None, execution: str | None) -> int:
        """Adds the view of a row of a table of figures."""
        summary, steady = self.bundle.summary, True if self.bundle.plan.ramp_up_exclude else None
        part = summary.locations[location] if location else summary.executions[execution] if execution else summary
        executions = (execution,) if execution else ()
        view = slice_of(self.found.timeline, label, executions, location, steady)
        figures = part.labels.get(label)
        return self._view(view, executions, (figures and figures.resolution_us) or 1)

    # ── header

    @cached_property
    def kinds(self) -> dict[ErrorKind, int]:
        """The kinds of errors: those of the table in its order, then those of labels."""
        labels = self.bundle.summary.labels
        errors = sorted(self.bundle.summary.total.errors, key=lambda error: -error.count)[:MOST_ERRORS]
        own = [error for name in chosen(self.bundle) for error in labels[name].errors[:MOST_KINDS]]
        return {
            kind: place for place, kind in enumerate(dict.fromkeys((one.message, one.rc) for one in (*errors, *own)))
        }

    @cached_property
    def outcomes(self) -> tuple[Int64s, list[list[Any]]]:
        """The page's outcome of each outcome of successes and failures of the timeline, or −1; and their contents.

        A content is the kind of error, or −1, and the criteria on response codes that count it.
        """
        patterns = [(place, rule.rc_pattern) for place, rule in enumerate(self.rules) if rule.subject == "rc"]
        contents: dict[tuple[int, tuple[int, ...]], int] = {}
        found = []
        for rc, message in self.found.timeline.table.outcomes.names:
            matched = tuple(place for place, pattern in patterns if fnmatchcase(rc, pattern or "*"))
            for kind in (-1, self.kinds.get((message, rc), -1)):
                used = kind >= 0 or bool(matched)
                found.append(contents.setdefault((kind, matched), len(contents)) if used else -1)
        return np.array(found, np.int64).reshape(-1, 2), [[kind, list(matched)] for kind, matched in contents]

    @cached_property
    def rules(self) -> tuple[Criterion, ...]:
        return criteria_of(self.bundle.plan.criteria)

    def _criteria(self) -> Iterator[dict[str, Any]]:
        for place, (judged, rule) in enumerate(zip(self.bundle.verdict.criteria, self.rules, strict=True)):
            executions = " + ".join(map(plain, judged.scope.executions))
            scope = [f"execution {executions}"] if executions else []
            scope += [f"location {plain(judged.scope.location)}"] if judged.scope.location else []
            common = {"scope": scope, "counted": judged.counted, "unit": rule.unit, "threshold": judged.threshold}
            yield (
                {**common, "view": None}
                if not has_windows(rule)
                else common | self._criterion(place, rule, judged.label)
            )

    def _criterion(self, place: int, rule: Criterion, label: str) -> dict[str, Any]:
        timeline, completeness, plan = self.found.timeline, self.found.completeness, self.found.queued
        view, whole = view_of(rule, timeline, plan), timeline.between(0, timeline.last_second or 0)
        planned = planned_seconds(plan, rule, whole, completeness.stopped_at_s)
        figures = self.bundle.summary.labels.get(label) or self.bundle.summary.total
        users: list[int] = []
        if rule.subject == "concurrency":
            sampled, curve = set(view.seconds), view.virtual_users_curve((timeline.last_second or 0) + 1)
            users = [count if second in sampled else 0 for second, count in enumerate(curve)]
        return {
            "place": place,
            "view": self._view(view, rule.executions, 1),
            "resolution": (figures.resolution_us if rule.subject == "p" else None) or 1,
            "subject": rule.subject,
            "percentile": rule.percentile,
            "kind": kind_of(rule),
            "op": rule.op,
            "logic": rule.logic,
            "frame": rule.timeframe_s,
            "silence": counts_silence(rule),
            "planned": [[part.start, part.stop] for part in planned.parts],
            "users": users,
        }

    @cached_property
    def header(self) -> dict[str, Any]:
        rules = self.bundle.verdict.criteria
        return {
            "length": len(self.bundle.summary.series),
            "tables": {
                table.id: [self._figures(*row.part) for row in table.rows if row.part is not None]
                for table in figure_tables(self.bundle)
            },
            "labels": [self._figures(name, None, None) for name in chosen(self.bundle)],
            "criteria": list(self._criteria()),
            "cards": sorted(range(len(rules)), key=lambda place: severity_of(plain(rules[place].outcome))),
            "kinds": [plain(f"{rc} {message}".strip(), 120) for message, rc in self.kinds],
            "steady": self.bundle.plan.ramp_up_exclude,
            "none": NOT_OF_A_WINDOW,
            "views": self.views,
            "ok": self.groups[1],
            "outcome_kinds": self.outcomes[1],
        }

    # ── columns

    def body(self, step_s: int, most_pairs: int) -> tuple[bytes, float]:
        """Returns header and columns, not compressed, and the number of pairs of bucket and count.

        Nothing if there are more pairs than that (their number is then extrapolated), or sums that the page cannot
        hold exactly.
        """
        parts, pairs, length = [], 0, self.header["length"]
        part_s = math.ceil(PART_S / step_s) * step_s
        for start in range(0, length, part_s):
            parts.append(self._part(start, start + part_s, step_s))
            pairs += parts[-1]["gap"].size
            if pairs > most_pairs:
                return b"", pairs * length / min(length, start + part_s)
        columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        columns["step_gap"] = np.diff(columns["step_gap"], prepend=0)
        described, planes = [], []
        for name, values in columns.items():
            if values.size and not 0 <= values.min() <= values.max() < LARGEST:
                return b"", 0
            count, data = _planes(values)
            described.append([name, values.size, count])
            planes.append(data)
        header = self.header | {"step": step_s, "columns": described}
        shown = json.dumps(header, separators=(",", ":"), allow_nan=False).encode()
        return b"".join([len(shown).to_bytes(4, "little"), shown, *planes]), pairs

    def _part(self, start: int, end: int, step_s: int) -> dict[str, Int64s]:
        """Returns the columns of the seconds from `start` to before `end`."""
        table, (group_of, _) = self.found.timeline.table, self.groups
        series, seconds, rows = table.rows.places(np.arange(group_of.size), start, end - 1)
        keys, row_of = np.unique((seconds // step_s << 32) + group_of[series], return_inverse=True)
        sums = np.zeros((keys.size, len(SUMS)), np.int64)
        np.add.at(sums, row_of, table.sums[rows])
        low, high = np.full(keys.size, LARGEST), np.zeros(keys.size, np.int64)
        np.minimum.at(low, row_of, table.extremes[rows, 0])
        np.maximum.at(high, row_of, table.extremes[rows, 1])
        positions, buckets, counts = table.buckets.pairs(rows)
        pairs, at = np.unique((row_of[positions] << BUCKET_SHIFT) + buckets, return_inverse=True)
        count = np.zeros(pairs.size, np.int64)
        np.add.at(count, at, counts)
        row, bucket = pairs >> BUCKET_SHIFT, pairs & ((1 << BUCKET_SHIFT) - 1)
        first = np.searchsorted(row, np.arange(keys.size))
        last = np.searchsorted(row, np.arange(keys.size), side="right") - 1
        gap = np.diff(bucket, prepend=0)
        gap[first] = bucket[first]
        named = dict(zip(SUMS, sums.T, strict=True))
        return {
            "step_gap": keys >> 32,
            "series": keys & ((1 << 32) - 1),
            "samples": named["samples"],
            "bytes": named["bytes"],
            "above": named["above_us"],
            "above_high": named["above_sq_high"],
            "above_low": named["above_sq_low"],
            "ttfb": named["ttfb_sum_us"],
            "without_ttfb": named["samples"] - named["ttfb_count"],
            "connect": named["connect_sum_us"],
            "connects": named["connect_count"],
            "min_above": low - lowests_of(bucket[first]),
            "max_below": highests_of(bucket[last]) - high,
            "pairs": last - first + 1,
            "gap": gap,
            "count": count,
            **self._outcomes(series, rows, row_of, keys.size),
        }

    def _outcomes(self, series: Int64s, rows: Int64s, row_of: Int64s, size: int) -> dict[str, Int64s]:
        """Returns the columns of the outcomes: their number in each row, and for each its content and count."""
        (page_outcome, _), (group_of, ok) = self.outcomes, self.groups
        positions, codes, counts = self.found.timeline.table.outcomes.pairs(rows)
        failed = ~np.array(ok, np.bool_)[group_of[series[positions]]]
        content = page_outcome[codes, failed.astype(np.int64)] if codes.size else codes
        kept = content >= 0
        pairs, at = np.unique((row_of[positions][kept] << 32) + content[kept], return_inverse=True)
        count = np.zeros(pairs.size, np.int64)
        np.add.at(count, at, counts[kept])
        return {
            "outcomes": np.bincount(pairs >> 32, minlength=size).astype(np.int64),
            "outcome": pairs & ((1 << 32) - 1),
            "times": count,
        }


def _planes(values: Int64s) -> tuple[int, bytes]:
    """Returns the number of byte planes that the numbers need, and the planes."""
    planes = (int(values.max(initial=0)).bit_length() + 7) // 8
    columns = values.astype("<u8").view(np.uint8).reshape(-1, 8)[:, :planes]
    return planes, columns.T.tobytes()
