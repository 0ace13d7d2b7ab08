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
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from toril.reports.bundle import Bundle
from toril.reports.charts.by_label import chosen
from toril.reports.labels import slice_of
from toril.reports.run_tables import MOST_ERRORS, figure_tables
from toril.reports.windows import Measured, measured
from toril.stats.histogram import Int64s, highests_of, lowests_of
from toril.summary import planned_spans
from toril.summary.build import TRANSACTION
from toril.text import plain
from toril.timeline import SUMS

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

    def _figures(self, label: str, location: str | None, execution: str | None) -> int:
        """Adds the view of a row of a table of figures, and returns its place: its series and planned time.

        There is none if other labels share its series.
        """
        summary, steady = self.bundle.summary, True if self.bundle.plan.ramp_up_exclude else None
        part = summary.locations[location] if location else summary.executions[execution] if execution else summary
        executions = (execution,) if execution else ()
        figures, found = part.labels.get(label), self.found
        view = slice_of(found.timeline, label, executions, location, steady)
        group_of, _ = self.groups
        own = np.concatenate(view.series)
        used = np.unique(group_of[own])
        shared = np.isin(group_of, used).sum() != own.size
        self.views.append(
            None
            if shared
            else {
                "series": used.tolist(),
                "spans": planned_spans(found.queued, found.timeline, found.completeness, executions, view.label),
                "resolution": (figures and figures.resolution_us) or 1,
                "unfinished": sorted(view.unfinished_by_second.items()),
            }
        )
        return len(self.views) - 1

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
    def header(self) -> dict[str, Any]:
        return {
            "length": len(self.bundle.summary.series),
            "tables": {
                table.id: [self._figures(*row.part) for row in table.rows if row.part is not None]
                for table in figure_tables(self.bundle)
            },
            "labels": [self._figures(name, None, None) for name in chosen(self.bundle)],
            "kinds": [plain(f"{rc} {message}".strip(), 120) for message, rc in self.kinds],
            "steady": self.bundle.plan.ramp_up_exclude,
            "views": self.views,
            "ok": self.groups[1],
            "outcome_kinds": [[place] for place in self.kinds.values()],
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
        """Returns the columns of the outcomes: their number in each row, and for each its kind of error and count."""
        (group_of, ok), outcomes = self.groups, self.found.timeline.table.outcomes
        positions, codes, counts = outcomes.pairs(rows)
        failed = ~np.array(ok, np.bool_)[group_of[series[positions]]]
        kind_of = np.array([self.kinds.get((message, rc), -1) for rc, message in outcomes.names], np.int64)
        content = np.where(failed, kind_of[codes], -1)
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
